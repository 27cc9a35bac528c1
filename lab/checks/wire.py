"""What went over the wire, and between whom: interface, packets, ttl, peer, local.

Packets are those of the step's attempts to connect, as the tap of `on` saw them; of a call on a socket that is
connected already, or a datagram's, those between its two ends since the call began.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lab.attempts import TOLERANCE, Attempt, packets_of
from lab.checks.base import Seen, Verdict, check, could_not_tell, failed, passed
from lab.checks.look import ACCEPTS, accepts, call_of, indices, tried, watched
from lab.checks.tables import same_address
from lab.history import Call, Observation, Packet
from lab.model import amount, packet_pattern
from lab.wire import Endpoint, ends, flows, is_address, label, outbound

_ASKING = (*ACCEPTS, "getpeername", "getsockname", "recvfrom")
Item = tuple[str, str]


@dataclass(frozen=True)
class _Talk:
    """What the tap of `on` saw of one attempt or call, and when (ns); `ended` None: it goes on."""

    packets: tuple[Packet, ...]
    local: Endpoint | None
    remote: Endpoint
    started: int
    ended: int | None
    calls: tuple[Call, ...]


def _talks(seen: Seen) -> list[_Talk] | str:
    """At least one; or why there is nothing to look at."""
    made = tried(seen)
    if not isinstance(made, str):
        return [_talk(seen, attempt) for attempt in made]
    call = call_of(seen)
    if call is None or call.remote is None or call.error:
        return made
    begun = [one for one in seen.history.all(Packet, seen.on) if call.time - TOLERANCE <= one.time <= seen.window[1]]
    both = [flow for protocol in ("tcp", "udp") for flow in flows(begun, call.remote, protocol)]
    ours = [flow for flow in both if call.local is None or call.local[1] == flow.local[1]]
    found = sorted((packet for flow in ours for packet in flow.packets), key=lambda packet: packet.time)
    return [_Talk(tuple(found), call.local, call.remote, call.time, call.ended, (call,))]


def _talk(seen: Seen, attempt: Attempt) -> _Talk:
    packets = packets_of(attempt, seen.history, seen.on, seen.window[1])
    return _Talk(packets, attempt.local, attempt.remote, attempt.started, attempt.ended, attempt.calls)


def _shown(seen: Seen, talks: Iterable[_Talk]) -> tuple[int, ...]:
    shown: list[Observation] = [one for talk in talks for one in (*talk.calls, *talk.packets)]
    return indices(seen, shown)


@check("interface", "run", "start", "call", "wait")
def interface(expected: Sequence[str], seen: Seen) -> Verdict:
    """The packets of each attempt were on these interfaces, and on no other."""
    text, talks = " and ".join(expected), _talks(seen)
    if isinstance(talks, str):
        return could_not_tell(text, talks)
    wrong = [talk for talk in talks if _interfaces(talk) != set(expected)]
    told = (wrong or talks)[0]
    blind = next((talk for talk in talks if not watched(seen, talk.started, talk.ended)), None)
    observed = " and ".join(sorted(_interfaces(told))) or "no packets"
    # what was seen elsewhere is certain; that nothing more was seen is not, where the tap was not awake
    if blind and not any(_interfaces(talk) - set(expected) for talk in talks):
        return could_not_tell(text, _asleep(seen, observed), *_shown(seen, [blind]))
    return (failed if wrong else passed)(text, observed, *_shown(seen, [told]))


def _interfaces(talk: _Talk) -> set[str]:
    return {packet.interface for packet in talk.packets}


def _asleep(seen: Seen, observed: str) -> str:
    return f"{observed}; but the tap of {seen.on} was not awake all the time"


@check("packets", "run", "start", "call", "wait")
def packets(expected: str | Mapping[str, int | str], seen: Seen) -> Verdict:
    """The packets of each attempt, in their order; `none`; or how many of each kind there were in all."""
    text = (
        expected if isinstance(expected, str) else ", ".join(f"{count} of {item}" for item, count in expected.items())
    )
    talks = _talks(seen)
    if isinstance(talks, str):
        return could_not_tell(text, talks)
    try:
        return (
            _in_order(expected, text, talks, seen)
            if isinstance(expected, str)
            else _counted(expected, text, talks, seen)
        )
    except ValueError as error:
        return could_not_tell(text, str(error))


def _in_order(expected: str, text: str, talks: Sequence[_Talk], seen: Seen) -> Verdict:
    pattern = packet_pattern(expected)
    with_arp = any(what.startswith("ARP") for _, what in pattern)
    rows = [(talk, _items(talk, _and_arp(talk, seen) if with_arp else talk.packets)) for talk in talks]
    wrong = [row for row in rows if not fits(pattern, row[1])]
    talk, items = (wrong or rows)[0]
    observed = ", ".join(f"{way} {what}" for way, what in items) or "none"
    stray = not pattern and bool(items)  # a packet where none may be is certain, whoever slept
    if not stray and not all(watched(seen, one.started, one.ended) for one in talks):
        return could_not_tell(text, _asleep(seen, observed), *_shown(seen, [talk]))
    return (failed if wrong else passed)(text, observed, *_shown(seen, [talk]))


def _counted(expected: Mapping[str, int | str], text: str, talks: Sequence[_Talk], seen: Seen) -> Verdict:
    items = [item for talk in talks for item in _items(talk, _and_arp(talk, seen))]
    counts = {key: sum(_is(_kind(key), item) for item in items) for key in expected}
    ranges = {key: amount(wanted) for key, wanted in expected.items()}
    observed = ", ".join(f"{count} of {key}" for key, count in counts.items())
    awake = all(watched(seen, talk.started, talk.ended) for talk in talks)
    too_many = any(counts[key] > most for key, (_, most) in ranges.items())
    too_few = any(counts[key] < least for key, (least, _) in ranges.items())
    if not awake and not too_many and (too_few or any(most != float("inf") for _, most in ranges.values())):
        return could_not_tell(text, _asleep(seen, observed), *_shown(seen, talks))
    return (failed if too_many or too_few else passed)(text, observed, *_shown(seen, talks))


def _kind(key: str) -> Item:
    pattern = packet_pattern(key)
    if len(pattern) != 1 or not pattern[0][0]:
        raise ValueError(f'expected one kind of packet to count, as in "> SYN", observed {key!r}')
    return pattern[0]


def _items(talk: _Talk, seen: Iterable[Packet]) -> list[Item]:
    return [(_way(packet, talk), label(packet)) for packet in seen]


def _way(packet: Packet, talk: _Talk) -> str:
    if ends(packet) is None:
        return ">" if talk.local and packet.source == talk.local[0] else "<"
    return ">" if outbound(packet, talk.remote) else "<"


def _and_arp(talk: _Talk, seen: Seen) -> list[Packet]:
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


def fits(pattern: Sequence[Item], items: Sequence[Item]) -> bool:
    """Whether the packets are those of the pattern, in its order; `...` is any packets, or none."""
    reached = {0}  # how many packets may be behind us, after each part of the pattern
    for wanted in pattern:
        if wanted[1] == "...":
            reached = set(range(min(reached, default=len(items) + 1), len(items) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(items) and _is(wanted, items[at])}
    return len(items) in reached


def _is(wanted: Item, item: Item) -> bool:
    """Whether a packet is of a kind: `ICMP` and `ARP` alone are all of theirs; `any` is all but ARP, which asks for a
    neighbour and is no part of the talk."""
    way, what = wanted
    if what == "any":
        return way == item[0] and not item[1].startswith("ARP")
    return way == item[0] and (what == item[1] or (what in ("ICMP", "ARP") and item[1].startswith(what)))


@check("ttl", "run", "start", "call", "wait")
def ttl(expected: int, seen: Seen) -> Verdict:
    """What was left of the TTL of all packets that came from the caller."""
    talks = _talks(seen)
    if isinstance(talks, str):
        return could_not_tell(str(expected), talks)
    sent = [one for talk in talks for one in talk.packets if not one.about and outbound(one, talk.remote)]
    left = sorted({packet.ttl for packet in sent})
    observed = ", ".join(map(str, left)) or "no packets from the caller"
    if not sent and not all(watched(seen, talk.started, talk.ended) for talk in talks):
        return could_not_tell(str(expected), _asleep(seen, observed))
    return (passed if left == [expected] else failed)(str(expected), observed, *indices(seen, sent))


@check("peer", "run", "start", "call", "wait")
def peer(expected: str, seen: Seen) -> Verdict:
    """The address at the other end: where the attempts went, or where what was accepted came from."""
    return _ends(expected, seen, _far_ends(seen))


@check("local", "run", "start", "call", "wait")
def local(expected: str, seen: Seen) -> Verdict:
    """The address at this end of the attempts, or of what was accepted."""
    return _ends(expected, seen, _near_ends(seen))


def _far_ends(seen: Seen) -> list[tuple[Endpoint | None, Observation]]:
    if seen.on == seen.host:
        made = tried(seen)
        if not isinstance(made, str):
            return [(_resolved(attempt), attempt.calls[0]) for attempt in made]
    return [(call.remote, call) for call in _asked(seen)]


def _near_ends(seen: Seen) -> list[tuple[Endpoint | None, Observation]]:
    if seen.on == seen.host:
        made = tried(seen)
        if not isinstance(made, str):
            return [(attempt.local, attempt.calls[0]) for attempt in made]
    return [(call.local, call) for call in _asked(seen)]


def _resolved(attempt: Attempt) -> Endpoint:
    """Where it went, also where the call named a host: the packets tell the address."""
    if is_address(attempt.remote[0]) or not attempt.packets:
        return attempt.remote
    found = flows(attempt.packets, attempt.remote)
    return found[0].remote if found else attempt.remote


def _asked(seen: Seen) -> tuple[Call, ...]:
    """The calls that tell of a connection: the step's own, or what `on` accepted; of these, those that came from the
    step's attempts, where their ports are known."""
    call = call_of(seen)
    if seen.on == seen.host and call is not None:
        return (call,) if call.function in _ASKING and call.ended is not None and not call.error else ()
    taken, made = accepts(seen), tried(seen)
    ports = set() if isinstance(made, str) else {attempt.local[1] for attempt in made if attempt.local}
    ours = tuple(one for one in taken if one.remote and one.remote[1] in ports)
    return ours or taken


def _ends(expected: str, seen: Seen, found: Sequence[tuple[Endpoint | None, Observation]]) -> Verdict:
    known = [end for end, _ in found if end is not None]
    shown = indices(seen, (one for _, one in found))
    if not found:
        return could_not_tell(expected, f"no connection of {seen.on} was seen in this step that would tell", *shown)
    wrong = [end for end in known if not _is_end(expected, end)]
    if not wrong and len(known) < len(found):
        return could_not_tell(expected, "the call does not tell this end's address", *shown)
    end = (wrong or known)[0]
    return (failed if wrong else passed)(expected, _end(end), *shown)


def _is_end(expected: str, end: Endpoint) -> bool:
    return expected == _end(end) or same_address(expected, end[0])


def _end(end: Endpoint) -> str:
    return f"[{end[0]}]:{end[1]}" if ":" in end[0] else f"{end[0]}:{end[1]}"
