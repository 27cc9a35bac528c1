"""Greets a server; then it goes on living, whatever became of its socket."""

import argparse
import signal
import socket

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("--close", choices=["with", "close"], required=True)
parser.add_argument("--fail", action="store_true", help="raise an exception")
args = parser.parse_args()


def greet(s):
    s.connect((args.host, args.port))
    s.sendall(b"hello")
    if args.fail:
        raise ValueError("something went wrong")


try:
    if args.close == "with":
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
            greet(s)
    else:
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        greet(s)
        s.close()
except ValueError as error:
    print(f"{error}, never mind", flush=True)

print("going on", flush=True)
signal.pause()
