"""Plan + History -> Timeline: what happened on every host, in one order, in words short enough for a lane. Pure.

    calls ──────┐
    packets ────┼──> Event, Event, Event ... ──> report.ladder, report.svg draw them
    sockets ────┘

A packet that one tap saw leave and another saw come is one event. strace stamps the end of a call too early, on a
busy machine by milliseconds: it is put behind the packets that it must have waited for. How it is drawn is for `report`
to say.
"""

from bisect import bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from msgspec import Struct
from msgspec.structs import replace

from lab.addressing import Interface
from lab.history import Call, Exit, Fate, History, Note, Output, Packet, SocketRow, SocketSeen, Tap
from lab.i18n import _, later
from lab.netcalls import of_networks, of_no_socket
from lab.plan import Plan
from lab.segments import NONE, Segment, segments
from lab.spoken import answered, asked, spoken
from lab.tries import SLACK, error_of
from lab.wire import Endpoint, ends, label, matches, noise

LATE = 20_000_000  # ns by which strace's end of a call may be too early on a busy machine
CAUSES_FIRST = {"step": 0, "packet": 1}
LONGEST = 1000  # bytes of an output that may be told
TOLD = 1_000_000  # ns from which on it is told how long a call took
TAKEN = (later("lost"), later("overflowed"), later("duplicated"))
# What a traced call goes with: packets that come, or that it sends.
COMING = {"recv": ("DATA", "FIN", "RST"), "accept": ("ACK", "DATA")}
GOING = {"send": ("DATA",), "close": ("FIN", "RST"), "shutdown": ("FIN",)}


class Event(Struct, frozen=True):
    """One thing that happened on `host` at `time` (ns since the epoch), during step number `step` (-1: before).

    `kind` is step, call, return, packet, state, queues, output, exit, note or fold. `evidence` indexes the history.
    Of a packet: `host` is who sent it (empty: no tap saw it leave), `to` whom it was for (empty: no host of the plan),
    `arrived` when their tap saw it, `lost` that their tap was awake and did not; `interface` is where, `again` marks a
    retransmission, `noise` what only keeps the network going. `failed` marks a call that raised, or a program that did
    not end with 0. Of steps that begin at once, the first stands for all (`also`: the numbers and words of the others),
    and whatever happens then is during it. A fold stands for events that are not shown one by one.
    """

    kind: str
    time: int
    host: str
    words: str
    evidence: tuple[int, ...] = ()
    step: int = -1
    to: str = ""
    arrived: int | None = None
    interface: str = ""
    segment: Segment = NONE
    lost: bool = False
    noise: bool = False
    failed: bool = False
    also: tuple[tuple[int, str], ...] = ()

    @property
    def headings(self) -> tuple[str, ...]:
        """Of a step, and of those that begin at once with it: what is done, numbered as people count."""
        return tuple(f"{number + 1}. {words}" for number, words in ((self.step, self.words), *self.also))

    @property
    def again(self) -> bool:
        """Whether it was sent again."""
        return self.segment.again


class Timeline(Struct, frozen=True):
    """The hosts, a lane each, and the events in order; `start` is the case's beginning (ns)."""

    hosts: tuple[str, ...]
    start: int
    events: tuple[Event, ...]


def timeline(plan: Plan, history: History) -> Timeline:
    """All that a history holds."""
    places = {id(seen): place for place, seen in enumerate(history.observations)}
    found = [
        *_steps(plan, history, places),
        *_calls(history, places),
        *_packets(plan, history, places),
        *_fates(history, places),
        *_sockets(history, places),
        *_programs(history, places),
    ]
    begins = sorted((event.time, event.step) for event in found if event.kind == "step")
    found.sort(key=lambda event: (event.time, CAUSES_FIRST.get(event.kind, len(CAUSES_FIRST))))
    events = tuple(_merged([event if event.kind == "step" else _placed(event, begins) for event in found]))
    start = begins[0][0] if begins else min((event.time for event in events), default=0)
    return Timeline(_lanes(plan), start, events)


def _lanes(plan: Plan) -> tuple[str, ...]:
    """The hosts in the plan's order, but one on several networks between those that it stands between."""
    order = {host.name: float(place) for place, host in enumerate(plan.hosts)}
    on = {host.name: {face.network for face in host.interfaces} for host in plan.hosts}
    for name, networks in on.items():
        near = [order[other] for other, theirs in on.items() if len(theirs) == 1 and theirs <= networks]
        if len(networks) > 1 and near:
            order[name] = sum(near) / len(near)
    return tuple(sorted(order, key=lambda name: order[name]))


def _placed(event: Event, begins: Sequence[tuple[int, int]]) -> Event:
    index = bisect_right(begins, (event.time, 1 << 30)) - 1
    return replace(event, step=begins[index][1]) if index >= 0 else event


def _merged(events: Sequence[Event]) -> Iterator[Event]:
    """A call and its end are one event where nothing happened in between."""
    skip = False
    for event, after in zip(events, [*events[1:], None], strict=False):
        if skip:
            skip = False
        elif after and event.kind == "call" and after.kind == "return" and event.evidence == after.evidence:
            yield replace(event, words=f"{event.words} {after.words.partition(' ')[2]}", failed=after.failed)
            skip = True
        else:
            yield event


def _steps(plan: Plan, history: History, places: Mapping[int, int]) -> Iterator[Event]:
    yield from _begun(plan, history, places)
    for note in history.all(Note):
        place = (places[id(note)],)
        if note.what in ("trace", "problem", "truncated", "output"):
            words = _("calls not seen: {why}", why=note.text) if note.what == "trace" else note.text
            yield Event("note", note.time, note.host, words, place, failed=note.what == "problem")


def _begun(plan: Plan, history: History, places: Mapping[int, int]) -> Iterator[Event]:
    """One for each step, and for those that begin at once."""
    texts = {planned.number: planned.text for planned in plan.steps}
    groups = {planned.number: planned.group for planned in plan.steps}

    def at_once(event: Event) -> tuple[int | None, bool | int]:
        return (group := groups.get(event.step)), group is None and event.step

    begun = [
        Event("step", note.time, note.host, texts.get(note.step, ""), (places[id(note)],), note.step)
        for note in history.all(Note)
        if note.what == "step-begin"
    ]
    for first, *others in (list(run) for _group, run in groupby(begun, key=at_once)):
        also = tuple((event.step, event.words) for event in others)
        yield replace(first, evidence=evidence_of([first, *others]), also=also)


def evidence_of(events: Iterable[Event]) -> tuple[int, ...]:
    """All that these rest on."""
    return tuple(place for event in events for place in event.evidence)


def _fates(history: History, places: Mapping[int, int]) -> Iterator[Event]:
    """What an impaired link took from the wire, or added to it; what it held is seen by its time."""
    for fate in history.all(Fate):
        if done := [_(effect) for effect in fate.effects if effect in TAKEN]:
            known = {"effects": ", ".join(done), "packet": _words(fate.packet, NONE), "number": fate.number}
            way_out = _("{effects} by the link on the way out: {packet} (no. {number})", **known)
            way_in = _("{effects} by the link on the way in: {packet} (no. {number})", **known)
            words = way_out if fate.packet.outgoing else way_in
            yield Event("note", fate.time, fate.host, words, (places[id(fate)],))


def _programs(history: History, places: Mapping[int, int]) -> Iterator[Event]:
    for seen in history.all(Output):
        lines = [" ".join(line.split()) for line in seen.data[-LONGEST:].decode("utf-8", "replace").splitlines()]
        if words := next((line for line in reversed(lines) if line), ""):
            yield Event("output", seen.time, seen.host, f"{seen.stream}: {words}", (places[id(seen)],))
    for end in history.all(Exit):
        why = f" ({end.because})" if end.because else ""
        ended = Event("exit", end.time, end.host, f"exit {end.code}{why}", (places[id(end)],))
        yield replace(ended, failed=end.code != 0 and not end.because)


def _calls(history: History, places: Mapping[int, int]) -> Iterator[Event]:
    calls = [*of_networks(history), *filter(of_no_socket, history.all(Call))]
    true_end = _true_ends(history, calls)
    for call in calls:
        place = (places[id(call)],)
        yield Event("call", call.time, call.host, asked(call), place)
        if call.ended is not None:
            took = f" ({_lasted(call.ended - call.time)})" if call.ended - call.time >= TOLD else ""
            words = f"{spoken(call)} {answered(call)}{took}"
            yield Event("return", true_end(call), call.host, words, place, failed=is_failure(call))


def is_failure(call: Call) -> bool:
    """Whether the call went wrong; that it has nothing to give yet is no failure."""
    return error_of(call) not in (None, "EINPROGRESS", "EAGAIN", "EWOULDBLOCK")


def _true_ends(history: History, calls: Sequence[Call]) -> Callable[[Call], int]:
    """When a call that ended did so: a traced one not before the packet that it goes with, which came, or went, before
    its thread's next call."""
    packets: dict[str, list[Packet]] = defaultdict(list)
    for packet in history.all(Packet):
        packets[packet.host].append(packet)
    times = {host: [packet.time for packet in seen] for host, seen in packets.items()}
    threads: dict[tuple[str, int, str], list[int]] = defaultdict(list)
    for call in calls:
        threads[_thread(call)].append(call.time)

    def true_end(call: Call) -> int:
        ended = call.ended or call.time
        if not call.program:
            return ended
        following = threads[_thread(call)]
        index = bisect_right(following, call.time)
        limit = min([ended + (SLACK if _waits_long(call) else LATE), *following[index : index + 1]])
        begin, end = (bisect_right(times.get(call.host, []), at) for at in (ended, limit))
        awaited = [packet.time for packet in packets[call.host][begin:end] if _awaited(call, packet)]
        return ended if not awaited else awaited[-1] if _waits_long(call) else awaited[0]

    return true_end


def _thread(call: Call) -> tuple[str, int, str]:
    return call.host, call.step, call.caller.partition(".")[0]


def _waits_long(call: Call) -> bool:
    """Whether the call ended only when its handshake had."""
    return spoken(call) == "connect" and call.error != "EINPROGRESS"


def _awaited(call: Call, packet: Packet) -> bool:
    """Whether a call of this kind may have waited for the packet."""
    if spoken(call) == "connect":
        between = ends(packet)
        talks = label(packet) in ("DATA", "FIN")
        return not talks and between is not None and call.remote is not None and _is_one_of(call.remote, between)
    ways = (GOING, COMING) if packet.interface == "lo" else (GOING,) if packet.outgoing else (COMING,)
    return not call.error and any(label(packet) in way.get(spoken(call), ()) for way in ways)


def _is_one_of(end: Endpoint, between: tuple[Endpoint, Endpoint]) -> bool:
    return any(matches(end, other) for other in between)


def _lasted(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e9:.2f} s" if nanoseconds >= 1e9 else f"{nanoseconds / 1e6:.0f} ms"


def _packets(plan: Plan, history: History, places: Mapping[int, int]) -> Iterator[Event]:
    """What left somewhere and came elsewhere: the same frame on the same network, first in first out."""
    owners = {address: host.name for host in plan.hosts for face in host.interfaces for address in _addresses(face)}
    under_way: dict[tuple[object, ...], deque[Event]] = defaultdict(deque)
    whose = _told_apart(history)
    for seen, segment, quiet in _read(history):
        place = (places[id(seen)],)
        words = _words(seen, segment) + whose(seen)
        event = Event("packet", seen.time, seen.host, words, place, interface=seen.interface)
        event = replace(event, segment=segment, noise=quiet)
        if seen.interface == "lo":
            yield replace(event, to=seen.host, arrived=seen.time)
        elif seen.outgoing:
            under_way[_same(seen)].append(replace(event, to=owners.get(seen.destination, "")))
        elif waiting := under_way[_same(seen)]:
            sent = waiting.popleft()
            yield replace(sent, to=seen.host, arrived=seen.time, evidence=sent.evidence + place)
        else:
            yield replace(event, host="", to=seen.host, arrived=seen.time)
    awake = {host.name: [tap for tap in history.all(Tap, host.name) if not tap.dropped] for host in plan.hosts}
    for lost in under_way.values():
        yield from (replace(event, lost=_saw(awake.get(event.to, []), event.time)) for event in lost)


def _addresses(face: Interface) -> Iterator[str]:
    yield from filter(None, (face.address, face.ipv6))


def _saw(awake: Sequence[Tap], time: int) -> bool:
    """Whether a tap would have seen what came at that time."""
    return any(tap.time <= time <= tap.until for tap in awake)


def _read(history: History) -> Iterator[tuple[Packet, Segment, bool]]:
    """All packets in the order of their times; one that left stands before its like that came."""
    rows: list[tuple[Packet, Segment, bool]] = []
    for host in dict.fromkeys(packet.host for packet in history.all(Packet)):
        seen = list(history.all(Packet, host))
        rows += zip(seen, segments(seen), noise(seen), strict=True)
    return iter(sorted(rows, key=lambda row: (row[0].time, not row[0].outgoing)))


def _same(packet: Packet) -> tuple[object, ...]:
    """What is equal at both ends of a wire."""
    told = (packet.source, packet.sport, packet.destination, packet.dport, packet.seq, packet.ack, packet.flags)
    return (packet.interface, packet.protocol, *told, packet.length, packet.icmp, packet.about, packet.frame)


def _told_apart(history: History) -> Callable[[Packet], str]:
    """Where there are several conversations, what tells a packet's from the others: the port that is its own, of the
    end that spoke first where both are."""
    talks: dict[frozenset[Endpoint], tuple[Endpoint, Endpoint]] = {}
    for packet in history.all(Packet):
        if (between := ends(packet)) and not packet.dns:
            talks.setdefault(frozenset(between), between)
    shared = Counter(end for talk in talks for end in talk)
    own = {talk: f" :{min(first, key=lambda end: shared[end])[1]}" for talk, first in talks.items()}

    def whose(packet: Packet) -> str:
        return own.get(frozenset(ends(packet) or ()), "") if len(own) > 1 and not packet.dns else ""

    return whose


def _words(packet: Packet, segment: Segment) -> str:
    """`SYN`, `DATA 12 bytes`, `ICMP port-unreachable`, `ARP who-has 10.1.2.3`, `DNS query A server`."""
    words = label(packet)
    if packet.protocol == "arp":
        words += f" {packet.destination if packet.icmp == 'who-has' else packet.source}"
    elif packet.protocol == "udp" and not packet.dns:
        words = f"UDP {packet.length} bytes"
    elif packet.length and not packet.dns:
        words += f" {packet.length} bytes"
    return words + " again" * segment.again


def _sockets(history: History, places: Mapping[int, int]) -> Iterator[Event]:
    """Each socket where its state is new, or only its queues are."""
    states: dict[tuple[str, int], str] = {}
    for seen in history.all(SocketSeen):
        row, whose = seen.row, (seen.host, seen.id)
        state = "gone" if seen.gone else row.state
        kind = "queues" if states.get(whose) == state else "state"
        states[whose] = state
        yield Event(kind, seen.time, seen.host, _state(state, row), (places[id(seen)],))


def _state(state: str, row: SocketRow) -> str:
    """`LISTEN :80, Recv-Q 1`, `ESTAB :80 with :40000`, `gone :80`."""
    peer = f" {_('with :{port}', port=row.remote[1])}" if row.remote[1] else ""
    waiting = f", Recv-Q {row.recv_q}" if row.recv_q or state == "LISTEN" else ""
    return f"{state} :{row.local[1]}{peer}{waiting if state != 'gone' else ''}"
