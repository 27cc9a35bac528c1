"""Echo client: says hello, and prints the answer."""

import argparse
import socket

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int, default=65432)
args = parser.parse_args()

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
    s.connect((args.host, args.port))
    s.sendall(b"Hello, world")
    data = s.recv(1024)

print(f"Received {data!r}")
