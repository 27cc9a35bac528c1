"""packets -> what each is within its connection: relative sequence numbers, and whether it was sent again. Pure.

Each tap is read by itself: what one interface of one host saw go one way. Which packets belong to a try is for `wire`
and `attempts` to say.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from lab.history import Packet

WRAP = 1 << 32
End = tuple[str, int]
Way = tuple[str, str, End, End]


@dataclass(frozen=True)
class Segment:
    """A TCP packet's numbers, counted from its connection's first ones as Wireshark does (a SYN is 0, the first byte
    1); None where it has none. `again`: all that it carries had passed this tap before."""

    seq: int | None = None
    ack: int | None = None
    again: bool = False


NONE = Segment()


@dataclass
class _Stream:
    """One direction of a connection at one tap: its first number, and which numbers have passed."""

    first: int
    passed: list[tuple[int, int]] = field(default_factory=list)

    def take(self, begin: int, end: int) -> bool:
        """Whether all of it had passed before; now it has."""
        again = any(low <= begin and end <= high for low, high in self.passed)
        apart = [(low, high) for low, high in self.passed if high < begin or end < low]
        for low, high in self.passed:
            if not (high < begin or end < low):
                begin, end = min(begin, low), max(end, high)
        self.passed = [*apart, (begin, end)]
        return again


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
        known = streams[way] = _Stream(packet.seq if syn else (packet.seq - 1) % WRAP)
    if acks and back not in streams:
        streams[back] = _Stream((packet.ack - 1) % WRAP)
    begin = (packet.seq - known.first) % WRAP
    end = begin + packet.length + syn + ("FIN" in packet.flags)
    again = end > begin and "RST" not in packet.flags and known.take(begin, end)
    return Segment(begin, (packet.ack - streams[back].first) % WRAP if acks else None, again)
