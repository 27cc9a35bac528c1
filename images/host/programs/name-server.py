"""Name server: answers for the names that it was given, as NAME=ADDRESS,ADDRESS."""

import argparse
import contextlib
import socket
import struct

A, AAAA, IN = 1, 28, 1
RESPONSE, AUTHORITATIVE, RECURSION_DESIRED = 0x8000, 0x0400, 0x0100
NO_SUCH_NAME = 3
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("names", nargs="+")
parser.add_argument("--order", choices=["fixed", "rotate"], default="fixed")
parser.add_argument("--host", default="")
parser.add_argument("--port", type=int, default=53)
args = parser.parse_args()


def question(query):
    """The name that is asked for, the type, and where the question ends."""
    labels, place = [], 12
    while length := query[place]:
        labels.append(query[place + 1 : place + 1 + length].decode().lower())
        place += 1 + length
    return ".".join(labels), struct.unpack_from("!H", query, place + 1)[0], place + 5


def record(address, kind):
    """An answer that says nothing is to be kept (TTL 0)."""
    data = socket.inet_pton(socket.AF_INET6 if kind == AAAA else socket.AF_INET, address)
    return struct.pack("!HHHIH", 0xC00C, kind, IN, 0, len(data)) + data


def answer(query):
    """The answer to a query; --order rotate begins the next one with the next address."""
    name, kind, end = question(query)
    found = zone.get((name, kind), [])
    data = b"".join(record(address, kind) for address in found)
    if args.order == "rotate" and found:
        found.append(found.pop(0))
    asked = struct.unpack_from("!H", query, 2)[0]
    flags = RESPONSE | AUTHORITATIVE | (asked & RECURSION_DESIRED)
    flags |= 0 if any(known == name for known, _ in zone) else NO_SUCH_NAME
    header = query[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0, 0)
    print(name, {A: "A", AAAA: "AAAA"}.get(kind, kind), len(found), flush=True)
    return header + query[12:end] + data


zone = {}
for word in args.names:
    name, _, addresses = word.partition("=")
    for address in addresses.split(","):
        zone.setdefault((name, AAAA if ":" in address else A), []).append(address)

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.bind((args.host, args.port))
    while True:
        query, client = s.recvfrom(512)
        with contextlib.suppress(IndexError, struct.error, ValueError):  # no query
            s.sendto(answer(query), client)
