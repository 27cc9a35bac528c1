"""The packets of every interface, loopback included, and the proof that none was missed.

A marker frame on loopback passes no firewall. When the tap has read it, it has read all that passed before; what was
sent before but still waits in a busy CPU's backlog is waited for first, at each hop that it may have to make (before
the bridge and after it, and so again behind a router). Decoding is for others.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time

from .wire import Refused, Wire, text64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35
SOL_PACKET, PACKET_STATISTICS, PACKET_AUXDATA = 263, 6, 8
PACKET_OUTGOING = 4
SO_ATTACH_FILTER = 26
ETH_P_ALL, MARKER = 3, 0x88B5
STAMP = struct.Struct("@ll")
BUFFER = 16 << 20
SNAP = 2048
MOST = 64 << 20
OVERHEAD = 600
HOPS = 4
PATIENCE = 5
HEAD = bytes(12) + MARKER.to_bytes(2, "big") + b"socket-lab"
AT_A_TIME = 500
AUXILIARY = struct.Struct("=II")
# On lo a packet passes twice, outgoing and incoming: keep the second. (code, if true, if false, operand)
FILTER = (
    (0x20, 0, 0, 0xFFFFF008),  # load the interface's index
    (0x15, 0, 3, 1),  # lo?
    (0x20, 0, 0, 0xFFFFF004),  # load the packet's direction
    (0x15, 0, 1, PACKET_OUTGOING),
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, SNAP),  # keep
)


class Batch:
    """What was read between two markers."""

    def __init__(self) -> None:
        self.frames: list[tuple[list[tuple[int, int, bytes]], str, bool, bytes]] = []
        self.seen = 0
        self.dropped = 0
        self.size = 0


class Tap:
    """Reads all packets from its making on; `stir` is called after each."""

    def __init__(self, wire: Wire, stir: Callable[[], None]) -> None:
        self._wire = wire
        self._stir = stir
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        _filter(self._socket)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        with contextlib.suppress(PermissionError):  # in a user namespace the system's limit holds
            self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self._batch = Batch()
        self._done = Batch()
        self._awaited = b""
        self._marked = threading.Event()
        self._lock = threading.Lock()
        _await_stamps()
        threading.Thread(target=self._read, daemon=True).start()
        self._since, _ = self._barrier()

    def drain(self) -> dict[str, Any]:
        """Hand over all frames up to now; since when the tap was awake, how many it saw and lost."""
        with self._lock:
            since = self._since
            until, batch = self._barrier()
            self._since = until
            _, lost = struct.unpack("II", self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        frames = batch.frames
        index = {device: number for number, device in socket.if_nameindex()}
        for start in range(0, len(frames), AT_A_TIME):
            part = frames[start : start + AT_A_TIME]
            plain = [[_time(notes), index.get(at, 0), out, _size(notes), text64(data)] for notes, at, out, data in part]
            self._wire.event("frames", frames=plain)
        return {"from": since, "until": until, "seen": batch.seen, "dropped": lost + batch.dropped}

    def _barrier(self) -> tuple[int, Batch]:
        """The time up to which all was read, and what was read."""
        marker = HEAD + os.urandom(8)
        self._awaited = marker
        self._marked.clear()
        until = time.time_ns()
        _pass_backlogs()
        self._socket.sendto(marker, ("lo", MARKER))
        if not self._marked.wait(PATIENCE):
            raise Refused(f"the tap did not read its own marker on lo within {PATIENCE} s; is lo up?")
        return until, self._done

    def _read(self) -> None:
        space = socket.CMSG_SPACE(STAMP.size) + socket.CMSG_SPACE(20)
        receive = self._socket.recvmsg
        while True:
            data, notes, _, (device, _, kind, *_) = receive(SNAP, space)
            if device == "lo" and data.startswith(HEAD):
                self._mark(data)
                continue
            batch = self._batch
            batch.seen += 1
            batch.size += len(data) + OVERHEAD
            if batch.size > MOST:
                batch.dropped += 1
            else:
                batch.frames.append((notes, device, kind == PACKET_OUTGOING, data))
            self._stir()

    def _mark(self, marker: bytes) -> None:
        if marker.startswith(self._awaited):
            self._done, self._batch = self._batch, Batch()
            self._marked.set()


def _await_stamps() -> None:
    """Return when the kernel stamps packets as they pass. It begins to some time after it was asked, where nobody else
    on the machine had asked before; until then each has the time at which it is read."""
    deadline = time.monotonic() + PATIENCE
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(MARKER)) as probe:
        probe.bind(("lo", MARKER))
        probe.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        probe.settimeout(PATIENCE)
        while True:
            probe.send(HEAD)
            sent = time.time_ns()
            _, notes, _, _ = probe.recvmsg(SNAP, socket.CMSG_SPACE(STAMP.size))
            if _time(notes) <= sent:
                return
            if time.monotonic() > deadline:
                raise Refused(f"{PATIENCE} s after it was asked, the kernel stamps no packets as they pass")
            time.sleep(0.0005)


def _pass_backlogs() -> None:
    """Wait until each CPU has handed on the packets that wait there now."""
    deadline = time.monotonic() + PATIENCE
    for _ in range(HOPS):
        goals = [processed + waiting for processed, waiting in _backlogs()]
        while any(0 < (goal - now) % (1 << 32) < 1 << 31 for goal, (now, _) in zip(goals, _backlogs(), strict=False)):
            if time.monotonic() > deadline:
                raise Refused(f"packets waited for {PATIENCE} s to be delivered; the machine is overloaded")
            time.sleep(0.0005)


def _backlogs() -> list[tuple[int, int]]:
    """How many packets each CPU has processed, and how many wait; older kernels tell nobody."""
    with open("/proc/net/softnet_stat") as file:
        table = [line.split() for line in file]
    return [(int(fields[0], 16), int(fields[11], 16)) for fields in table if len(fields) > 11]


def _filter(tap: socket.socket) -> None:
    """Have the kernel sort out what is not wanted, before the tap can see it."""
    from array import array

    program = array("B", b"".join(struct.pack("=HBBI", *step) for step in FILTER))
    address, _ = program.buffer_info()
    tap.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(FILTER), address))


def _time(notes: list[tuple[int, int, bytes]]) -> int:
    stamp = next(data for level, kind, data in notes if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS))
    seconds, nanoseconds = STAMP.unpack(stamp)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def _size(notes: list[tuple[int, int, bytes]]) -> int:
    """On the wire, however much of it was kept."""
    auxiliary = next(data for level, kind, data in notes if (level, kind) == (SOL_PACKET, PACKET_AUXDATA))
    return int(AUXILIARY.unpack_from(auxiliary)[1])
