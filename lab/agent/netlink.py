"""Questions to the kernel over netlink, and orders; what they mean is for `net` and `tables`."""

from __future__ import annotations

import os
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ROUTE, SOCK_DIAG = 0, 4
ERROR, DONE = 2, 3
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
CREATE, EXCLUSIVE = 0x400, 0x200
INTERRUPTED = 0x10
HEADER = struct.Struct("=IHHII")
ATTRIBUTE = struct.Struct("=HH")


class Interrupted(Exception):
    """The tables changed while they were read."""


def dump(family: int, kind: int, body: bytes) -> bytes:
    """All answers to a question, as the kernel wrote them; OSError where it refuses."""
    for _ in range(100):
        try:
            return _dump(family, kind, body)
        except Interrupted:
            continue
    raise OSError("the kernel's table changed 100 times while it was read")


def _dump(family: int, kind: int, body: bytes) -> bytes:
    with _ask(family, kind, REQUEST | DUMP, body) as link:
        answers = []
        while True:
            data = link.recv(1 << 18)
            answers.append(data)
            for what, flags, content in messages(data):
                if flags & INTERRUPTED:
                    raise Interrupted
                if what == ERROR:
                    _check(content)
                if what in (DONE, ERROR):
                    return b"".join(answers)


def ask(kind: int, body: bytes) -> bytes:
    """The body of the one answer about a link; OSError where there is none."""
    with _ask(ROUTE, kind, REQUEST, body) as link:
        for what, _, content in messages(link.recv(1 << 18)):
            if what == ERROR:
                _check(content)
            return content
    raise OSError("the kernel answered nothing")


def order(kind: int, flags: int, body: bytes) -> None:
    """Change links, addresses or routes; OSError with the kernel's reason."""
    with _ask(ROUTE, kind, REQUEST | ACK | flags, body) as link:
        for what, _, content in messages(link.recv(1 << 16)):
            if what == ERROR:
                _check(content)


def messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(type, flags, body) of each message."""
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, flags, _, _ = HEADER.unpack_from(data, at)
        yield kind, flags, data[at + HEADER.size : at + length]
        at += max(HEADER.size, (length + 3) & ~3)


def attributes(data: bytes) -> dict[int, bytes]:
    """Attributes by their type; of several of one type, the last."""
    found, at = {}, 0
    while at + ATTRIBUTE.size <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, at)
        found[kind & 0x3FFF] = data[at + ATTRIBUTE.size : at + length]
        at += max(ATTRIBUTE.size, (length + 3) & ~3)
    return found


def attribute(kind: int, data: bytes) -> bytes:
    """One attribute, padded."""
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(data), kind) + data + bytes(-len(data) % 4)


def _ask(family: int, kind: int, flags: int, body: bytes) -> socket.socket:
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family)
    link.settimeout(5)
    try:
        link.send(HEADER.pack(HEADER.size + len(body), kind, flags, 1, 0) + body)
    except OSError:
        link.close()
        raise
    return link


def _check(content: bytes) -> None:
    number = -struct.unpack_from("=i", content)[0]
    if number:
        raise OSError(number, os.strerror(number))
