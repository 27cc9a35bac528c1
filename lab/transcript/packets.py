"""What went over the wires: each talk between two ends, as each tap saw it, without what scheduling decides. Pure.

Left out: acknowledgements alone but the handshake's, how a stream was cut into segments and which way's came first,
what was sent again soon because its acknowledgement was late (a tail loss probe), how often a SYN was sent again, and
what only keeps a network going, and resets of nothing. That data was lost and sent again stays; so does who closed
first.
"""

import ipaddress
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from lab.history import History, Packet
from lab.segments import Segment, segments
from lab.timeline import LATE
from lab.transcript.blocks import Block, run_lengths
from lab.transcript.names import Names
from lab.wire import Endpoint, ends, is_neighbourly, is_syn, label, plain, resets_nothing

PROBE = 100_000_000  # ns within which the end of a stream may be sent again though nothing was lost
UPKEEP = ("listener-", "router-", "redirect")

Seen = tuple[Packet, Segment]
Late = Callable[[Packet], bool]


@dataclass
class Talk:
    """What two ends, of which `caller` began, said to each other: the packets that each tap (host, interface) saw, in
    order. `syn` is the number of the SYN that began it."""

    protocol: str
    caller: Endpoint
    called: Endpoint
    syn: int | None
    taps: dict[tuple[str, str], list[Seen]] = field(default_factory=lambda: defaultdict(list))

    @property
    def first(self) -> Packet:
        """The packet that was seen first."""
        return min((seen[0][0] for seen in self.taps.values()), key=lambda packet: packet.time)


def talks(history: History, end: int) -> list[Talk]:
    """All talks, of the packets that were seen until `end` (ns), in the order of their beginnings."""
    between: dict[tuple[str, frozenset[Endpoint]], list[Talk]] = defaultdict(list)
    for packet, segment in _read(history, end):
        source, destination = _ends(packet)
        protocol = packet.about[0] if packet.about else packet.protocol
        known = between[protocol, frozenset((source, destination))]
        syn = packet.seq if is_syn(packet) else None
        talk = next((talk for talk in reversed(known) if syn in (None, talk.syn)), None)
        if talk is None:
            talk = Talk(protocol, source, destination, syn)
            known.append(talk)
        talk.taps[packet.host, packet.interface].append((packet, segment))
    return sorted((talk for known in between.values() for talk in known), key=lambda talk: talk.first.time)


def _read(history: History, end: int) -> Iterator[Seen]:
    """The packets in the order of their times, without upkeep."""
    rows: list[Seen] = []
    for host in dict.fromkeys(packet.host for packet in history.all(Packet)):
        seen = [packet for packet in history.all(Packet, host) if packet.time <= end]
        rows += (row for row in zip(seen, segments(seen), strict=True) if not _is_upkeep(row[0]))
    return iter(sorted(rows, key=lambda row: row[0].time))


def _is_upkeep(packet: Packet) -> bool:
    kept = packet.protocol == "igmp" or packet.protocol.startswith("ethertype")
    return kept or is_neighbourly(packet) or packet.icmp.startswith(UPKEEP) or _is_to_many(packet.destination)


def _is_to_many(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_multicast
    except ValueError:
        return True


def _ends(packet: Packet) -> tuple[Endpoint, Endpoint]:
    return ends(packet) or ((packet.source, 0), (packet.destination, 0))


def block(talk: Talk, names: Names, late: Late, given_up: int) -> Block:
    """The talk, and a line a tap. `late` says of a FIN whether nobody waits for the program that sends it; since
    `given_up` (ns) nobody waits for an answer to a SYN any more, and whether it is sent again is of no account."""
    kind = "connection" if talk.protocol == "tcp" else talk.protocol.upper()
    lines = [f"{kind} {names.end(talk.caller)} > {names.end(talk.called)}".replace(":0", "")]
    for (host, interface), seen in sorted(talk.taps.items()):
        told = _stream(talk, seen, names, late, given_up) if talk.protocol == "tcp" else _datagrams(talk, seen, names)
        lines.append(f"{host} on {interface}: {', '.join(told)}")
    return tuple(lines)


def _way(packet: Packet, talk: Talk) -> str:
    """`>` from the caller, `<` to it; an ICMP error goes back to whoever sent what it is about."""
    return ">" if (_ends(packet)[0] == talk.caller) != bool(packet.about) else "<"


def _stream(talk: Talk, seen: Sequence[Seen], names: Names, late: Late, given_up: int) -> Iterator[str]:
    """The opening in its order, what was carried each way, and how it ended."""
    awaited = [row for row in seen if row[0].time <= given_up + LATE or not row[1].again]
    yield from _noted(_opening(talk, awaited, names))
    for way in "><":
        carried = [(packet, segment) for packet, segment in seen if packet.length and _way(packet, talk) == way]
        if carried:
            yield f"{way} DATA {_amount(carried)} bytes"
        if _is_lost(carried):
            yield f"{way} DATA again"
    moot = resets_nothing(packet for packet, _ in seen)
    yield from _closing(talk, [row for row, nothing in zip(seen, moot, strict=True) if not nothing], late)


def _opening(talk: Talk, seen: Sequence[Seen], names: Names) -> Iterator[str]:
    """SYN, SYN-ACK, the ACK that completes them, and ICMP errors."""
    answered = False
    for packet, _ in seen:
        kind, way = label(packet), _way(packet, talk)
        if packet.about:
            yield f"{way} {_icmp(packet, talk, names)}"
        elif "SYN" in packet.flags:
            answered = kind == "SYN-ACK"
            yield f"{way} {kind}"
        elif answered and way == ">":
            answered = False
            if kind == "ACK":
                yield "> ACK"


def _noted(labels: Iterable[str]) -> Iterator[str]:
    """Each once, and once that it came again: how often may depend on a deadline."""
    counts: Counter[str] = Counter()
    for text in labels:
        counts[text] += 1
        if counts[text] <= 2:
            yield text + " again" * (counts[text] - 1)


def _icmp(packet: Packet, talk: Talk, names: Names) -> str:
    """`ICMP port-unreachable`, and who says so where it is not the end that was called."""
    about_called = plain(packet.source) in (plain(talk.called[0]), plain(talk.caller[0]))
    return label(packet) + ("" if about_called else f" from {names.text(packet.source)}")


def _amount(carried: Sequence[Seen]) -> int:
    """How many different bytes there were."""
    total = reached = 0
    for begin, end in sorted((segment.seq or 0, (segment.seq or 0) + packet.length) for packet, segment in carried):
        total += max(0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def _is_lost(carried: Sequence[Seen]) -> bool:
    """Whether something was sent again that was no mere probe of the stream's end."""
    top = since = 0
    for packet, segment in carried:
        end = (segment.seq or 0) + packet.length
        if segment.again and (end < top or packet.time - since > PROBE):
            return True
        if end > top:
            top, since = end, packet.time
    return False


def _closing(talk: Talk, seen: Sequence[Seen], late: Late) -> Iterator[str]:
    """FINs, the first one first, then RSTs; each once a way."""
    fins = {_way(packet, talk): _end(packet, segment) for packet, segment in seen if "FIN" in packet.flags}
    found: set[tuple[int, bool, str]] = set()
    for packet, segment in seen:
        way = _way(packet, talk)
        other = fins.get("<" if way == ">" else ">")
        second = other is not None and segment.ack is not None and segment.ack >= other
        if "RST" in packet.flags:
            found.add((2, way == "<", f"{way} RST"))
        elif "FIN" in packet.flags and not (second and late(packet)):
            found.add((int(second), way == "<", f"{way} FIN"))
    yield from (text for _, _, text in sorted(found))


def _end(packet: Packet, segment: Segment) -> int:
    """The number behind a FIN, which acknowledges it."""
    return (segment.seq or 0) + packet.length + 1


def _datagrams(talk: Talk, seen: Sequence[Seen], names: Names) -> Iterator[str]:
    for way in "><":
        sent = (_datagram(packet, talk, names) for packet, _ in seen if _way(packet, talk) == way)
        yield from (f"{way} {words}" for words in run_lengths(sent))


def _datagram(packet: Packet, talk: Talk, names: Names) -> str:
    if packet.about:
        return _icmp(packet, talk, names)
    if packet.dns:
        return f"DNS {names.text(packet.dns)}"
    return f"UDP {packet.length} bytes" if packet.protocol == "udp" else label(packet)
