"""Connects COUNT times, one after the other, and holds every connection open."""

import argparse
import signal
import socket

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("count", type=int)
parser.add_argument("--timeout", type=float, default=1.0, help="seconds for each")
parser.add_argument("--hold", action="store_true", help="stay connected until stopped")
args = parser.parse_args()

held = []
for number in range(1, args.count + 1):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(args.timeout)
    try:
        s.connect((args.host, args.port))
    except OSError as error:
        s.close()
        print(f"{number} {type(error).__name__}: {error.strerror or error}", flush=True)
    else:
        held.append(s)
        print(f"{number} connected", flush=True)

print(f"{len(held)} connected, {args.count - len(held)} failed", flush=True)
if args.hold:
    signal.pause()
