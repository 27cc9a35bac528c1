"""Receives numbers, as datagrams or as lines over TCP, and prints them as they came."""

import argparse
import socket

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("protocol", choices=["tcp", "udp"])
parser.add_argument("port", type=int)
parser.add_argument("--patience", type=float, default=1, help="silence that ends it, s")
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


tcp = args.protocol == "tcp"
kind, read = (socket.SOCK_STREAM, stream) if tcp else (socket.SOCK_DGRAM, datagrams)
with socket.socket(socket.AF_INET, kind) as s:
    s.bind(("", args.port))
    numbers = b"".join(read(s)).split()

print("Received", " ".join(map(bytes.decode, numbers)))
