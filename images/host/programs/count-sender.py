"""Sends the numbers 1 to COUNT, each by itself: a datagram, or a line over TCP."""

import argparse
import socket
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("protocol", choices=["tcp", "udp"])
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("count", type=int)
parser.add_argument("--size", type=int, default=10, help="bytes of each")
parser.add_argument("--pause", type=float, default=0, help="seconds after each")
args = parser.parse_args()

kind = socket.SOCK_STREAM if args.protocol == "tcp" else socket.SOCK_DGRAM
with socket.socket(socket.AF_INET, kind) as s:
    s.connect((args.host, args.port))
    if args.protocol == "tcp":
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a segment for each
    for number in range(1, args.count + 1):
        s.send(b"%d" % number + b"\n".rjust(args.size - len(str(number))))
        time.sleep(args.pause)

print(f"Sent {args.count}")
