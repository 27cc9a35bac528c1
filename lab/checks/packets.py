"""Which packets went over the wire: in their order with times and interfaces, none, or so many of each kind."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from lab.align import FAR
from lab.attempts import TOLERANCE
from lab.checks.base import Seen, Verdict, check, could_not_tell, failed, passed
from lab.checks.look import Talk, asleep, evidence_of_talks, lasted, talks_of, watched
from lab.checks.ordered import Ordered, listed, ordered, said
from lab.history import Packet
from lab.i18n import _, counted
from lab.patterns import PacketPart, Times, amount
from lab.patterns import packet as part_of
from lab.patterns import packets as parts_of
from lab.segments import segments
from lab.wire import ends, label, outbound


class _Item(Struct, frozen=True):
    """A packet of a talk: which way it went, what it is, and how long (ns) after the one before it came, the first one
    after the beginning."""

    way: str
    kind: str
    interface: str
    again: bool
    gap: int


@check("packets", "run", "start", "call", "wait")
def packets(expected: str | Mapping[str, int | str], seen: Seen) -> Verdict:
    """The packets of each attempt, in their order; `none`; or how many of each kind there were in all."""
    text = said(expected)
    talks = talks_of(seen)
    if isinstance(talks, str):
        return could_not_tell(text, talks)
    try:
        return _in_order(expected, talks, seen) if isinstance(expected, str) else _counted(expected, text, talks, seen)
    except ValueError as error:
        return could_not_tell(text, str(error))


def _in_order(text: str, talks: Sequence[Talk], seen: Seen) -> Verdict:
    pattern = parts_of(text)
    parts, again = [part for part in pattern if part], _again(seen)
    rows = [(talk, _items(talk, parts, again, seen)) for talk in talks]
    answers = [_fit(pattern, items, seen) for _, items in rows]
    wrong = next((index for index, answer in enumerate(answers) if not answer.fits), None)
    talk, items = rows[wrong or 0]
    plain = all(part is None or part.text == f"{part.way} {part.kind}" for part in pattern)
    observed = listed([f"{item.way} {item.kind}" if plain else _timed(item) for item in items])
    shown, aligned = evidence_of_talks(seen, [talk]), answers[wrong or 0].rows
    stray = not pattern and bool(items)  # a packet where none may be is certain, whoever slept
    if not stray and not all(watched(seen, one.started, one.ended) for one in talks):
        return could_not_tell(text, asleep(seen, observed), *shown, aligned=aligned)
    return passed(text, observed, *shown) if wrong is None else failed(text, observed, *shown, aligned=aligned)


def _fit(pattern: Sequence[PacketPart | None], items: Sequence[_Item], seen: Seen) -> Ordered:
    def distance(part: PacketPart, item: _Item) -> int:
        return 0 if _is(part, item, seen.time_scale) else FAR - _is_kind(part, item)

    return ordered(
        pattern,
        items,
        distance,
        _timed,
        lambda taken: counted("... {count:,} packet", "... {count:,} packets", len(taken)),
    )


def _timed(item: _Item) -> str:
    again = " again" if item.again else ""
    return f"+{lasted(item.gap)} {item.way} {item.kind} on {item.interface}{again}"


def _counted(expected: Mapping[str, int | str], text: str, talks: Sequence[Talk], seen: Seen) -> Verdict:
    parts, again = {key: part_of(key) for key in expected}, _again(seen)
    items = [item for talk in talks for item in _items(talk, parts.values(), again, seen)]
    counts = {key: sum(_is(part, item, seen.time_scale) for item in items) for key, part in parts.items()}
    ranges = {key: amount(wanted) for key, wanted in expected.items()}
    observed = ", ".join(_("{count} of {item}", count=count, item=key) for key, count in counts.items())
    awake = all(watched(seen, talk.started, talk.ended) for talk in talks)
    too_many = any(counts[key] > most for key, (_, most) in ranges.items())
    too_few = any(counts[key] < least for key, (least, _) in ranges.items())
    timed = any(part.times != Times() for part in parts.values())  # what was missed would change what is long after
    open_above = all(most == float("inf") for _, most in ranges.values())
    if not awake and (timed or (not too_many and (too_few or not open_above))):
        return could_not_tell(text, asleep(seen, observed), *evidence_of_talks(seen, talks))
    return (failed if too_many or too_few else passed)(text, observed, *evidence_of_talks(seen, talks))


def _again(seen: Seen) -> set[int]:
    """The ids of the packets that were sent again: what was may have gone first before the talk began."""
    tapped = tuple(seen.history.all(Packet, seen.on))
    return {id(packet) for packet, segment in zip(tapped, segments(tapped), strict=True) if segment.again}


def _items(talk: Talk, parts: Iterable[PacketPart], again: set[int], seen: Seen) -> list[_Item]:
    """The packets; with what the two ends asked each other by ARP, where a part asks for that."""
    found = _and_arp(talk, seen) if any(part.kind.startswith("ARP") for part in parts) else talk.packets
    before = [talk.started, *(packet.time for packet in found)]
    return [
        _Item(
            _way(packet, talk, seen),
            label(packet),
            packet.interface,
            id(packet) in again,
            max(0, packet.time - earlier),
        )
        for earlier, packet in zip(before, found, strict=False)
    ]


def _way(packet: Packet, talk: Talk, seen: Seen) -> str:
    if ends(packet) is not None:
        return ">" if outbound(packet, talk.remote) else "<"
    if talk.local:
        return ">" if packet.source == talk.local[0] else "<"
    return ">" if packet.outgoing == (seen.on == seen.host) else "<"  # the caller's end is not known: it sent nothing


def _and_arp(talk: Talk, seen: Seen) -> list[Packet]:
    """The packets, and what the two ends asked each other by ARP in the meantime."""
    between = {talk.remote[0]} | ({talk.local[0]} if talk.local else set())
    until = seen.window[1] if talk.ended is None else talk.ended + TOLERANCE
    asked = [
        packet
        for packet in seen.history.all(Packet, seen.on)
        if packet.protocol == "arp" and talk.started - TOLERANCE <= packet.time <= until
        if {packet.source, packet.destination} & between
    ]
    return sorted([*talk.packets, *asked], key=lambda packet: packet.time)


def _is(part: PacketPart, item: _Item, time_scale: float) -> bool:
    """Whether a packet is what a part asks for."""
    return (
        _is_kind(part, item)
        and part.interface in ("", item.interface)
        and (item.again or not part.again)
        and part.times.hold(item.gap, time_scale)
    )


def _is_kind(part: PacketPart, item: _Item) -> bool:
    """A kind without a detail (`ICMP`, `ARP`) is all of theirs; `any` is all but ARP, which asks for a neighbour and is
    no part of the talk."""
    if part.kind == "any":
        return part.way == item.way and not item.kind.startswith("ARP")
    return part.way == item.way and f"{item.kind} ".startswith(f"{part.kind} ")
