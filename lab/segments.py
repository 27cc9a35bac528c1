"""packets -> what each is within its connection: relative sequence numbers, and whether it was sent again. Pure.

Each tap is read by itself: what one interface of one host saw go one way. Which packets belong to a try is for `wire`
and `attempts` to say.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec import Struct

from lab.history import Packet

WRAP = 1 << 32
End = tuple[str, int]
Way = tuple[str, str, End, End]


class Segment(Struct, frozen=True):
    """A TCP packet's numbers, counted from its connection's first ones as Wireshark does (a SYN is 0, the first byte
    1; modulo 2^32); None where it has none. `again`: all that it carries had passed this tap before."""

    seq: int | None = None
    ack: int | None = None
    again: bool = False


NONE = Segment()


@dataclass
class _Stream:
    """One direction of a connection at one tap: its first number, and which numbers have passed, counted from there
    and beyond 2^32: the spans [begin, end), in order, neither overlapping nor touching."""

    first: int
    begins: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def place(self, number: int) -> int:
        """Where a number stands: of all the places that it may have, the one next to what passed last."""
        near = self.ends[-1] if self.ends else 0
        return near + (number - self.first - near + WRAP // 2) % WRAP - WRAP // 2

    def take(self, begin: int, end: int) -> bool:
        """Whether all of it had passed before; now it has."""
        left, right = bisect_left(self.ends, begin), bisect_right(self.begins, end)
        if left < right:
            if self.begins[left] <= begin and end <= self.ends[left]:
                return True
            begin, end = min(begin, self.begins[left]), max(end, self.ends[right - 1])
        self.begins[left:right], self.ends[left:right] = [begin], [end]
        return False


def segments(packets: Iterable[Packet]) -> tuple[Segment, ...]:
    """One for each packet, in the order given, which must be that of their times."""
    streams: dict[Way, _Stream] = {}
    return tuple(_segment(packet, streams) if packet.protocol == "tcp" else NONE for packet in packets)


def _segment(packet: Packet, streams: dict[Way, _Stream]) -> Segment:
    here, there = (packet.source, packet.sport), (packet.destination, packet.dport)
    # a router sees what it forwards twice, each time on another interface
    way, back = ((packet.host, packet.interface, *ends) for ends in ((here, there), (there, here)))
    syn, acks = "SYN" in packet.flags, "ACK" in packet.flags
    known = streams.get(way)
    if known is None or (syn and known.first != packet.seq):
        if known and not acks:
            streams.pop(back, None)  # what the other said between these ends was of another connection
        known = streams[way] = _Stream(packet.seq if syn else (packet.seq - 1) % WRAP)
    if acks and back not in streams:
        streams[back] = _Stream((packet.ack - 1) % WRAP)
    begin = known.place(packet.seq)
    end = begin + packet.length + syn + ("FIN" in packet.flags)
    again = end > begin and "RST" not in packet.flags and known.take(begin, end)
    return Segment(begin % WRAP, (packet.ack - streams[back].first) % WRAP if acks else None, again)
