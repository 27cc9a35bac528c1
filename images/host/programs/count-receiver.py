"""Receives numbers, as datagrams or as lines of a TCP stream, and prints them in the order in which it read them."""

import argparse
import socket

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("protocol", choices=["tcp", "udp"])
parser.add_argument("port", type=int)
parser.add_argument("--patience", type=float, default=1, help="seconds without a datagram after which it ends")
args = parser.parse_args()


def datagrams(s):
    """What comes until nothing comes any more."""
    s.settimeout(None)
    try:
        while True:
            yield s.recv(65536)
            s.settimeout(args.patience)
    except TimeoutError:
        return


def stream(s):
    """All of one connection."""
    s.listen()
    conn, _ = s.accept()
    with conn:
        while data := conn.recv(65536):
            yield data


kind, read = (socket.SOCK_STREAM, stream) if args.protocol == "tcp" else (socket.SOCK_DGRAM, datagrams)
with socket.socket(socket.AF_INET, kind) as s:
    s.bind(("", args.port))
    numbers = b"".join(read(s)).split()

print("Received", " ".join(map(bytes.decode, numbers)))
