"""Questions to the kernel over netlink, and orders; what they mean is for `net` and `tables`."""

from __future__ import annotations

import contextlib
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
SO_RCVBUFFORCE, SOL_NETLINK, NO_ENOBUFS = 33, 270, 5
HEADER = struct.Struct("=IHHII")
ATTRIBUTE = struct.Struct("=HH")


class Interrupted(Exception):
    """The tables changed while they were read."""


class Link:
    """A socket to a part of the kernel, for one question after the other; of no use after an error."""

    def __init__(self, family: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family)
        self._socket.settimeout(5)

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ask no more."""
        self._socket.close()

    def fileno(self) -> int:
        """For `select`."""
        return self._socket.fileno()

    def enlarge(self, size: int) -> None:
        """Let so many bytes wait to be received, if the system allows it; more than that is lost without an error."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        with contextlib.suppress(PermissionError):
            self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, size)
        self._socket.setsockopt(SOL_NETLINK, NO_ENOBUFS, 1)

    def command(self, kind: int, body: bytes) -> None:
        """Give an order; OSError with the kernel's reason. What comes before the kernel's answer is lost."""
        self.send(kind, REQUEST | ACK, body)
        while True:
            for what, _, content in messages(self.receive()):
                if what == ERROR:
                    return _check(content)

    def send(self, kind: int, flags: int, body: bytes) -> None:
        """Put a question."""
        self._socket.send(HEADER.pack(HEADER.size + len(body), kind, flags, 1, 0) + body)

    def receive(self) -> bytes:
        """Some of the answers."""
        return self._socket.recv(1 << 18)

    def dump(self, kind: int, body: bytes) -> bytes:
        """All answers to a question, as the kernel wrote them; OSError where it refuses."""
        for _ in range(100):
            try:
                return self._dump(kind, body)
            except Interrupted:
                continue
        raise OSError("the kernel's table changed 100 times while it was read")

    def _dump(self, kind: int, body: bytes) -> bytes:
        self.send(kind, REQUEST | DUMP, body)
        answers, interrupted = [], False
        while True:
            data = self.receive()
            answers.append(data)
            for what, flags, content in messages(data):
                interrupted = interrupted or bool(flags & INTERRUPTED)
                if what == ERROR:
                    _check(content)
                if what in (DONE, ERROR):
                    if interrupted:
                        raise Interrupted
                    return b"".join(answers)


def dump(family: int, kind: int, body: bytes) -> bytes:
    """All answers to a single question; OSError where the kernel refuses."""
    with Link(family) as link:
        return link.dump(kind, body)


def ask(kind: int, body: bytes) -> bytes:
    """The body of the one answer about a link; OSError where there is none."""
    with Link(ROUTE) as link:
        link.send(kind, REQUEST, body)
        for what, _, content in messages(link.receive()):
            if what == ERROR:
                _check(content)
            return content
    raise OSError("the kernel answered nothing")


def order(kind: int, flags: int, body: bytes) -> None:
    """Change links, addresses or routes; OSError with the kernel's reason."""
    with Link(ROUTE) as link:
        link.send(kind, REQUEST | ACK | flags, body)
        for what, _, content in messages(link.receive()):
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


def _check(content: bytes) -> None:
    number = -struct.unpack_from("=i", content)[0]
    if number:
        raise OSError(number, os.strerror(number))
