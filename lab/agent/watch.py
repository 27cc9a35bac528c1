"""The socket table in view while it changes: read again after whatever may have changed it, and only changes are told.

A thread of its own reads, woken by causes: a packet, the end of a call, a line of strace. It rests three times as long
as it read, so that a burst cannot starve those who cause it; what comes meanwhile makes it read once more. What a row
means is for `lab.decode`.
"""

from __future__ import annotations

import struct
import threading
import time

from . import netlink, tables
from .wire import Wire, text64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

RESTS, LEAST_REST = 3, 0.0003
MOST_AGAIN = 3  # readings, so that who makes and closes sockets all the time cannot hold up a drain
COOKIE = struct.Struct("=II")
IPV4 = 2
EMBEDDED_DNS = bytes([127, 0, 0, 11])
# Of a row's 72 bytes: what is compared. The timers between them tick on where nothing happens.
STATE, ENDS, COOKIE_AT, QUEUES_AND_USER = slice(0, 2), slice(4, 44), 44, slice(56, 68)

Row = tuple[bytes, str, bytes]


class Watcher:
    """Keeps the last row of each socket, by the kernel's own number for it (its cookie), from its making on."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._link = netlink.Link(netlink.SOCK_DIAG)
        self._rows: dict[int, Row] = {}
        self._lock = threading.Lock()
        self._stirred = threading.Event()
        self._troubled = False
        self.look()
        threading.Thread(target=self._watch, daemon=True).start()

    def stir(self) -> None:
        """Something happened that may have changed a socket."""
        if not self._stirred.is_set():
            self._stirred.set()

    def look(self) -> None:
        """Read the table now, and tell what changed, at a time after the reading; OSError where it cannot be read."""
        with self._lock:
            before, rows = self._rows, self._read()
            # who moves from one of the kernel's tables to another may be seen in neither: twice missed is gone
            for _ in range(MOST_AGAIN):
                if before.keys() - rows.keys():
                    before, rows = rows, self._read()
            now = time.time_ns()
            last, self._rows = self._rows, rows
            changed = [row for number, row in rows.items() if number not in last or last[number][0] != row[0]]
            gone = [number for number in last if number not in rows]
            if changed or gone:
                self._wire.event("sockets", time=now, rows=_joined(changed), gone=gone)

    def _watch(self) -> None:
        while True:
            self._stirred.wait()
            self._stirred.clear()
            began = time.monotonic()
            try:
                self.look()
                self._troubled = False
            except Exception as error:  # the thread goes on, and whoever drains must hear of it
                self._tell(error)
            time.sleep(max(LEAST_REST, RESTS * (time.monotonic() - began)))

    def _read(self) -> dict[int, Row]:
        try:
            read = tables.read(self._link)
        except Exception:
            self._link.close()
            self._link = netlink.Link(netlink.SOCK_DIAG)
            raise
        return {number: row for name, data in read.items() for number, row in _rows(name, data)}

    def _tell(self, error: Exception) -> None:
        """Once, until it can be read again: each drain is refused for the same reason."""
        if not self._troubled:
            self._troubled = True
            text = f"the socket table could not be read: {error}"
            self._wire.event("note", what="sockets", text=text, time=time.time_ns(), step=-1)


def _rows(protocol: str, data: bytes) -> Iterator[tuple[int, Row]]:
    """(cookie, (what is compared, protocol, the whole message)) of each socket."""
    at, size = 0, netlink.HEADER.size
    while at + size <= len(data):
        length, kind, *_ = netlink.HEADER.unpack_from(data, at)
        if kind > netlink.DONE:
            body = data[at + size : at + length]
            if body[0] != IPV4 or body[8:12] != EMBEDDED_DNS:
                low, high = COOKIE.unpack_from(body, COOKIE_AT)
                compared = body[STATE] + body[ENDS] + body[QUEUES_AND_USER]
                yield low | high << 32, (compared, protocol, data[at : at + length])
        at += max(size, (length + 3) & ~3)


def _joined(rows: list[Row]) -> dict[str, str]:
    """The messages of each protocol, one after the other, in base64."""
    tables: dict[str, list[bytes]] = {}
    for _, name, data in rows:
        tables.setdefault(name, []).append(data + bytes(-len(data) % 4))
    return {name: text64(b"".join(messages)) for name, messages in tables.items()}
