"""What becomes of each packet of an impaired link: lost, copied, held, or put in another order. The clock is handed in.

Packets are counted from 1, those that are meant only; all else passes. What is decided by lot is decided by a seed, so
that every run loses and holds the same. IPv6's questions for neighbours always pass: they are no traffic of anybody's.
Where packets come from, and how they go on, is for `impair`.
"""

from __future__ import annotations

import heapq
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

PATIENCE = 0.5  # seconds that an unfinished group waits for the rest of it
ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION_OPTIONS = 0, 43, 44, 60
NAMES = {"tcp": (TCP,), "udp": (UDP,), "icmp": (ICMP, ICMP6)}
NEIGHBOURLY = frozenset({130, 131, 132, 133, 134, 135, 136, 137, 143})


class Packet:
    """One IP packet, by its number in the kernel's queue. `number` counts those that were meant."""

    def __init__(self, id: int, data: bytes) -> None:
        self.id, self.data = id, data
        self.number = 0
        self.due = 0.0
        self.effects: list[str] = []
        self.protocol, at, whole = _transport(data)
        self.ports: tuple[int, ...] = ()
        self.length = 0
        if whole and self.protocol in (TCP, UDP) and len(data) >= at + 8:
            self.ports = struct.unpack_from("!HH", data, at)
            header = 8 if self.protocol == UDP else (data[at + 12] >> 4) * 4 if len(data) > at + 12 else 20
            self.length = max(0, len(data) - at - header)
        self.neighbourly = self.protocol == ICMP6 and data[at : at + 1] != b"" and data[at] in NEIGHBOURLY

    @property
    def destination(self) -> str:
        """Its address."""
        six = self.data[0] >> 4 == 6
        raw = self.data[24:40] if six else self.data[16:20]
        return socket.inet_ntop(socket.AF_INET6 if six else socket.AF_INET, raw)


def _transport(data: bytes) -> tuple[int, int, bool]:
    """The transport protocol, where its header begins, and whether that is there: only the first fragment has it."""
    if data[0] >> 4 == 4:
        return data[9], (data[0] & 0x0F) * 4, not struct.unpack_from("!H", data, 6)[0] & 0x1FFF
    protocol, at = data[6], 40
    while protocol in (HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION_OPTIONS) and len(data) >= at + 8:
        if protocol == FRAGMENT and struct.unpack_from("!H", data, at + 2)[0] >> 3:
            return data[at], at + 8, False
        protocol, at = data[at], at + (8 if protocol == FRAGMENT else (data[at + 1] + 1) * 8)
    return protocol, at, True


def is_meant(packet: Packet, protocol: str = "", port: int = 0, data: bool | None = None) -> bool:
    """Whether a choice of packets has this one: of a protocol, from or to a port, with or without data."""
    return (
        not packet.neighbourly
        and (not protocol or packet.protocol in NAMES[protocol])
        and (not port or port in packet.ports)
        and (data is None or data == bool(packet.length))
    )


class Lot:
    """Numbers from 0 to 1 that are the same for the same seed (a linear congruential generator)."""

    def __init__(self, seed: int) -> None:
        self._state = seed
        self.draw()

    def draw(self) -> float:
        """The next one."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return (self._state >> 33) / (1 << 31)


def which(said: Mapping[str, Any] | None, seed: int) -> Callable[[int], bool]:
    """Whether the packet of a number is one of `{"every": 3, "from": 2}`, `{"these": [2, 5]}`, `{"share": 0.3}`."""
    if said is None:
        return lambda number: False
    if "share" in said:
        lot = Lot(seed)
        return lambda number: lot.draw() < said["share"]
    if "these" in said:
        return frozenset(said["these"]).__contains__
    every, first = said["every"], said["from"]
    return lambda number: number >= first and (number - first) % every == 0


class Fates:
    """A link of this badness; orders are those of `impair`, times are seconds of one clock."""

    def __init__(
        self,
        of: Mapping[str, Any] | None = None,
        lose: Mapping[str, Any] | None = None,
        duplicate: Mapping[str, Any] | None = None,
        reorder: int = 1,
        delay: float = 0.0,
        jitter: float = 0.0,
        rate: float = 0.0,
        queue: Mapping[str, int] | None = None,
        seed: int = 1,
    ) -> None:
        self._of = of or {}
        self._is_lost, self._is_doubled = which(lose, seed), which(duplicate, seed + 1)
        self._together, self._delay, self._jitter = reorder, delay, jitter
        self._rate, self._room = rate, queue or {}
        self._lot = Lot(seed + 2)
        self._count = 0
        self._free = 0.0  # when the line will have sent what it was given
        self._waiting: list[tuple[float, int]] = []  # when each packet begins to be sent, and its size
        self._group: list[Packet] = []
        self._held: list[tuple[float, int, Packet]] = []
        self._turn = 0

    def take(self, packet: Packet, now: float) -> bool:
        """Decide on a packet that came; False where it is lost. Others are among the `ripe`, now or later."""
        if not is_meant(packet, **self._of):
            self._hold(packet, now)
            return True
        self._count += 1
        packet.number = self._count
        if self._is_lost(packet.number):
            packet.effects.append("lost")
        elif not self._sent(packet, now):
            packet.effects.append("overflowed")
        else:
            self._pass(packet, now)
            return True
        return False

    def ripe(self, now: float) -> list[Packet]:
        """Those that go on now, in their order."""
        if self._group and now >= self._group[0].due + PATIENCE:
            self._let_group_go()
        found = []
        while self._held and self._held[0][0] <= now:
            found.append(heapq.heappop(self._held)[2])
        return found

    def all(self) -> list[Packet]:
        """Those that are held, in their order; the link is good again."""
        self._let_group_go()
        return self.ripe(float("inf"))

    def pause(self, now: float) -> float | None:
        """Seconds until something is ripe; None where nothing is held."""
        times = [self._held[0][0]] if self._held else []
        times += [self._group[0].due + PATIENCE] if self._group else []
        return max(0.0, min(times) - now) if times else None

    def _sent(self, packet: Packet, now: float) -> bool:
        """Have the line send it, one after the other; False where the queue before it is full."""
        packet.due = now
        if not self._rate:
            return True
        self._waiting = [item for item in self._waiting if item[0] > now]
        begins = max(now, self._free)
        if begins > now:
            size = len(packet.data) + sum(size for _, size in self._waiting)
            full = len(self._waiting) >= self._room.get("packets", 1 << 30) or size > self._room.get("bytes", 1 << 60)
            if full:
                return False
            self._waiting.append((begins, len(packet.data)))
        packet.due = self._free = begins + len(packet.data) * 8 / self._rate
        return True

    def _pass(self, packet: Packet, now: float) -> None:
        packet.due += max(0.0, self._delay + self._jitter * (2 * self._lot.draw() - 1)) if self._jitter else self._delay
        if packet.due > now:
            packet.effects.append("delayed")
        if self._is_doubled(packet.number):
            packet.effects.append("duplicated")
        if self._together == 1:
            self._hold(packet, packet.due)
            return
        self._group.append(packet)
        if len(self._group) == self._together:
            self._let_group_go()

    def _let_group_go(self) -> None:
        group, self._group = self._group, []
        due = max((packet.due for packet in group), default=0.0)
        for packet in reversed(group):
            if len(group) > 1:
                packet.effects.append("reordered")
            self._hold(packet, due)

    def _hold(self, packet: Packet, due: float) -> None:
        self._turn += 1
        heapq.heappush(self._held, (due, self._turn, packet))
