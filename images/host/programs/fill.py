"""Sends COUNT bytes without ever blocking, or as many as the kernel takes."""

import argparse
import socket

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("count", type=int)
args = parser.parse_args()

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    s.connect((args.host, args.port))
    s.setblocking(False)
    left = b"x" * args.count
    try:
        while left:
            sent = s.send(left)
            print(f"send took {sent} of {len(left)}", flush=True)
            left = left[sent:]
    except BlockingIOError:
        print(f"BlockingIOError: {len(left)} left", flush=True)
    else:
        print("all sent", flush=True)
