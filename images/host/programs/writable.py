"""Sends COUNT bytes, or as many as there is room for; then: is the socket writable?"""

import argparse
import select
import socket

TIMES = 100
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("count", type=int)
args = parser.parse_args()


def is_writable(s, patience):
    return bool(select.select([], [s], [], patience)[1])


with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    s.connect((args.host, args.port))
    s.setblocking(False)
    left = b"x" * args.count
    while left and is_writable(s, 0.1):
        left = left[s.send(left) :]
    answers = sum(is_writable(s, 0) for _ in range(TIMES))
    print(f"writable {answers} of {TIMES} times", flush=True)
    print("writable" if is_writable(s, 5) else "not writable for 5 s", flush=True)
