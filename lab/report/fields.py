"""What is known of an event, as (name, value) pairs in the words of those who read packets and manuals. Pure.

Times count from the case's first step. Values are made harmless by whoever shows them.
"""

from collections.abc import Iterator, Sequence
from functools import singledispatch

from lab.history import Call, Exit, History, Note, Observation, Output, Packet, SocketRow, SocketSeen
from lab.i18n import _, counted, later
from lab.report import clip, duration
from lab.report.printed import printed
from lab.report.svg import milliseconds
from lab.spoken import asked, spoken
from lab.timeline import Event

Field = tuple[str, str]
SHOWN_PAYLOAD, SHOWN_VALUE, SHOWN_LINES = 48, 240, 12


def fields(event: Event, history: History, start: int) -> tuple[Field, ...]:
    """All of them, in the order in which they are looked for."""
    seen = [history.observations[place] for place in event.evidence]
    return tuple((name, value) for name, value in _fields(event, seen, start) if value)


def _fields(event: Event, seen: Sequence[Observation], start: int) -> Iterator[Field]:
    if event.kind == "fold":
        yield _("stands for"), event.words
        yield _("from"), f"{milliseconds(min(item.time for item in seen) - start)} ms"
        yield _("until"), f"{milliseconds(max(item.time for item in seen) - start)} ms"
    elif event.kind == "packet":
        yield from _packet(event, [item for item in seen if isinstance(item, Packet)], start)
    elif event.kind == "output":
        yield from _output([item for item in seen if isinstance(item, Output)], start)
    else:
        for item in seen[: len(event.also) + 1]:
            yield from _told(item, start)
    yield _("evidence"), _lines(event.evidence)


def _lines(evidence: Sequence[int]) -> str:
    """Where it stands in history.jsonl."""
    if len(evidence) > 6:
        known = {"count": len(evidence), "first": min(evidence) + 1, "last": max(evidence) + 1}
        return _("{count:,} lines of history.jsonl, {first} to {last}", **known)
    numbers = ", ".join(str(place + 1) for place in evidence)
    count = len(evidence)
    return counted("history.jsonl, line {numbers}", "history.jsonl, lines {numbers}", count, numbers=numbers)


def _packet(event: Event, seen: Sequence[Packet], start: int) -> Iterator[Field]:
    packet = seen[0]
    yield _("kind"), event.words
    yield _("interface"), packet.interface
    yield _("direction"), _direction(event)
    yield _("from"), _end(packet.source, packet.sport)
    yield _("to"), _end(packet.destination, packet.dport)
    yield _("flags"), " ".join(packet.flags)
    yield _("seq"), "" if event.segment.seq is None else _absolute(event.segment.seq, packet.seq)
    yield _("ack"), "" if event.segment.ack is None else _absolute(event.segment.ack, packet.ack)
    if packet.protocol in ("tcp", "udp"):
        yield _("payload"), f"{_bytes(packet.length)}{': ' * bool(packet.data)}{_payload(packet.data)}"
    yield _("window"), f"{packet.window:,}" if packet.protocol == "tcp" else ""
    yield _("ttl"), str(packet.ttl or "")
    if packet.about:
        protocol, source, sport, destination, dport = packet.about
        yield _("about"), _way(f"{protocol} {_end(source, sport)}", _end(destination, dport))
    yield _("dns"), packet.dns
    yield _("frame"), _bytes(packet.size) if packet.size else ""
    yield _("sent again"), _("yes: all that it carries had passed before") if event.again else ""
    yield _("lost"), _("yes: the tap of {host} was awake and did not see it", host=event.to) if event.lost else ""
    for item in seen:
        verb = _("{host} saw it leave", host=item.host) if item.outgoing else _("{host} saw it come", host=item.host)
        yield verb, _("at {time} ms", time=milliseconds(item.time - start))
    if event.arrived is not None and event.arrived > event.time:
        yield _("on the way"), _span(event.arrived - event.time)


def _bytes(size: int) -> str:
    return counted("{count:,} byte", "{count:,} bytes", size)


def _absolute(relative: int, absolute: int) -> str:
    return _("{number:,} (absolute {absolute})", number=relative, absolute=absolute)


def _span(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e3:.0f} µs" if nanoseconds < 1_000_000 else duration(nanoseconds / 1e9)


def _direction(event: Event) -> str:
    if event.host == event.to:
        return _("within {host}", host=event.host)
    return _way(event.host or _("from nobody that was watched"), event.to or _("nobody of the plan"))


def _way(begin: str, end: str) -> str:
    return _("{host} to {other}", host=begin, other=end)


def _end(address: str, port: int) -> str:
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _payload(data: bytes) -> str:
    left_out = len(data) - SHOWN_PAYLOAD
    more = f" {_('... ({count:,} more captured)', count=left_out)}" if left_out > 0 else ""
    return f"{data[:SHOWN_PAYLOAD]!r}{more}" if data else ""


def _output(seen: Sequence[Output], start: int) -> Iterator[Field]:
    data = b"".join(item.data for item in seen)
    yield _("stream"), ", ".join(dict.fromkeys(item.stream for item in seen))
    yield _("size"), _bytes(len(data))
    yield _("written"), " ⏎ ".join(printed(data, SHOWN_LINES, SHOWN_VALUE))
    yield _("from"), f"{milliseconds(seen[0].time - start)} ms"
    yield _("until"), f"{milliseconds(seen[-1].time - start)} ms" if len(seen) > 1 else ""


@singledispatch
def _told(seen: Observation, start: int) -> Iterator[Field]:
    yield _("at"), f"{milliseconds(seen.time - start)} ms"


@_told.register
def _call(seen: Call, start: int) -> Iterator[Field]:
    yield _("call"), asked(seen)
    yield _("made as"), _made_as(seen)
    yield _("socket"), seen.caller
    yield _("arguments"), clip(", ".join(map(repr, seen.arguments)), SHOWN_VALUE)
    yield _("result"), "" if seen.error else clip(repr(seen.result), SHOWN_VALUE)
    yield _("error"), f"{seen.error}{': ' * bool(seen.message)}{seen.message}" if seen.error else ""
    yield _("local"), _end(*seen.local) if seen.local else ""
    yield _("remote"), _end(*seen.remote) if seen.remote else ""
    yield _("began"), f"{milliseconds(seen.time - start)} ms"
    yield _("ended"), _("never") if seen.ended is None else f"{milliseconds(seen.ended - start)} ms"
    yield _("took"), "" if seen.ended is None else _span(seen.ended - seen.time)


def _made_as(seen: Call) -> str:
    if seen.program:
        return _("{call} by a program, seen by strace", call=seen.function)
    return _("{call} by the step", call=spoken(seen))


@_told.register
def _socket(seen: SocketSeen, start: int) -> Iterator[Field]:
    yield _("state"), _("gone; what follows was seen last") if seen.gone else seen.row.state
    for name, value in zip(COLUMNS, cells(seen.row), strict=True):
        yield _(name), "" if name == "state" and not seen.gone else value
    yield _("kernel's id"), str(seen.id)
    yield _("seen at"), f"{milliseconds(seen.time - start)} ms"


@_told.register
def _exit(seen: Exit, start: int) -> Iterator[Field]:
    yield _("exit status"), str(seen.code)
    yield _("because"), seen.because or _("it ended by itself")
    yield _("at"), f"{milliseconds(seen.time - start)} ms"


@_told.register
def _note(seen: Note, start: int) -> Iterator[Field]:
    yield seen.what, clip(seen.text, SHOWN_VALUE) or _("step {number}", number=seen.step + 1)
    yield _("at"), f"{milliseconds(seen.time - start)} ms"


COLUMNS = (later("protocol"), later("state"), later("local"), later("remote"), "Recv-Q", "Send-Q")


def cells(row: SocketRow) -> tuple[str, ...]:
    """A line of a socket table, under COLUMNS."""
    return (row.protocol, row.state, _end(*row.local), _end(*row.remote), str(row.recv_q), str(row.send_q))
