"""A fake host's socket table as sock_diag tells it, whole and in its changes."""

import struct
from typing import Any

from lab.agent.wire import text64
from lab.engines.fake.endpoint import Endpoint
from lab.engines.fake.host import Host

STATES = (
    "ESTAB",
    "SYN-SENT",
    "SYN-RECV",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "TIME-WAIT",
    "",
    "CLOSE-WAIT",
    "LAST-ACK",
    "LISTEN",
)
STATE_NUMBERS = {name: number for number, name in enumerate((*STATES, "CLOSING"), start=1)}
HEADER = struct.Struct("=IHHII")
MESSAGE = struct.Struct("=BBBB4s16s16sIIIIIIII")
DONE = HEADER.pack(20, 3, 2, 1, 0) + bytes(4)


class Watcher:
    """Tells what changed since its last look; a look takes the model no time worth telling."""

    def __init__(self, host: Host, wire: Any) -> None:
        self._host, self._wire = host, wire
        self._rows: dict[int, bytes] = {}

    def look(self) -> None:
        """Look at the table now, and tell what changed."""
        rows = {endpoint.number: row for endpoint in self._host.tcp.endpoints if (row := _row(endpoint))}
        last, self._rows = self._rows, rows
        changed = b"".join(row for number, row in rows.items() if last.get(number) != row)
        gone = [number for number in last if number not in rows]
        if changed or gone:
            self._host.world.now += 1
            self._wire.event("sockets", time=self._host.world.now, rows={"tcp": text64(changed)}, gone=gone)


def tables(host: Host) -> dict[str, bytes]:
    """The whole table, protocol by protocol."""
    return {"tcp": b"".join(map(_row, host.tcp.endpoints)) + DONE, "udp": DONE}


def _row(endpoint: Endpoint) -> bytes:
    """An endpoint as sock_diag tells it; b'' of what it does not list."""
    if endpoint.state not in STATE_NUMBERS or not endpoint.local:
        return b""
    listening = endpoint.state == "LISTEN"
    local, remote = endpoint.local, endpoint.remote
    family = 2 if endpoint.version == 4 else 10
    ports = struct.pack("!HH", local[1], remote[1] if remote else 0)
    ends = [_packed(endpoint.version, it[0].packed if it else b"") for it in (local, remote)]
    waiting = len(endpoint.queue) if listening else len(endpoint.received) + (endpoint.eof and not endpoint.orphan)
    room = endpoint.backlog if listening else endpoint.unsent()
    uid = 0 if endpoint.orphan else endpoint.uid
    body = MESSAGE.pack(
        family, STATE_NUMBERS[endpoint.state], 0, 0, ports, *ends, 0, endpoint.number, 0, 0, waiting, room, uid, 0
    )
    if endpoint.version == 6:
        body += struct.pack("=HHB3x", 5, 11, endpoint.v6only)
    return HEADER.pack(HEADER.size + len(body), 20, 2, 1, 0) + body


def _packed(version: int, raw: bytes) -> bytes:
    """16 bytes; an IPv4 address of an IPv6 socket is mapped."""
    if version == 6 and len(raw) == 4:
        raw = bytes(10) + b"\xff\xff" + raw
    return raw.ljust(16, b"\0")
