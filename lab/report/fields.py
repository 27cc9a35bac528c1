"""What is known of an event, as (name, value) pairs in the words of those who read packets and manuals. Pure.

Times count from the case's first step. Values are made harmless by whoever shows them.
"""

from collections.abc import Iterator, Sequence
from functools import singledispatch

from lab.history import Call, Exit, History, Note, Observation, Output, Packet, SocketRow, SocketSeen
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
        yield "stands for", event.words
        yield "from", f"{milliseconds(min(item.time for item in seen) - start)} ms"
        yield "until", f"{milliseconds(max(item.time for item in seen) - start)} ms"
    elif event.kind == "packet":
        yield from _packet(event, [item for item in seen if isinstance(item, Packet)], start)
    elif event.kind == "output":
        yield from _output([item for item in seen if isinstance(item, Output)], start)
    elif seen:
        yield from _told(seen[0], start)
    yield "evidence", _lines(event.evidence)


def _lines(evidence: Sequence[int]) -> str:
    """Where it stands in history.jsonl."""
    if len(evidence) > 6:
        return f"{len(evidence):,} lines of history.jsonl, {min(evidence) + 1} to {max(evidence) + 1}"
    return f"history.jsonl, line{'s' * (len(evidence) > 1)} {', '.join(str(place + 1) for place in evidence)}"


def _packet(event: Event, seen: Sequence[Packet], start: int) -> Iterator[Field]:
    packet = seen[0]
    yield "kind", event.words
    yield "interface", packet.interface
    yield "direction", _direction(event)
    yield "from", _end(packet.source, packet.sport)
    yield "to", _end(packet.destination, packet.dport)
    yield "flags", " ".join(packet.flags)
    yield "seq", "" if event.segment.seq is None else f"{event.segment.seq:,} (absolute {packet.seq})"
    yield "ack", "" if event.segment.ack is None else f"{event.segment.ack:,} (absolute {packet.ack})"
    if packet.protocol in ("tcp", "udp"):
        yield "payload", f"{packet.length:,} bytes{': ' * bool(packet.data)}{_payload(packet.data)}"
    yield "window", f"{packet.window:,}" if packet.protocol == "tcp" else ""
    yield "ttl", str(packet.ttl or "")
    if packet.about:
        protocol, source, sport, destination, dport = packet.about
        yield "about", f"{protocol} {_end(source, sport)} to {_end(destination, dport)}"
    yield "dns", packet.dns
    yield "frame", f"{packet.size:,} bytes" if packet.size else ""
    yield "sent again", "yes: all that it carries had passed before" if event.again else ""
    yield "lost", f"yes: the tap of {event.to} was awake and did not see it" if event.lost else ""
    for item in seen:
        verb = "saw it leave" if item.outgoing else "saw it come"
        yield f"{item.host} {verb}", f"at {milliseconds(item.time - start)} ms"
    if event.arrived is not None and event.arrived > event.time:
        yield "on the way", _span(event.arrived - event.time)


def _span(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e3:.0f} µs" if nanoseconds < 1_000_000 else duration(nanoseconds / 1e9)


def _direction(event: Event) -> str:
    if event.host == event.to:
        return f"within {event.host}"
    return f"{event.host or 'from nobody that was watched'} to {event.to or 'nobody of the plan'}"


def _end(address: str, port: int) -> str:
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _payload(data: bytes) -> str:
    more = f" ... ({len(data) - SHOWN_PAYLOAD:,} more captured)" if len(data) > SHOWN_PAYLOAD else ""
    return f"{data[:SHOWN_PAYLOAD]!r}{more}" if data else ""


def _output(seen: Sequence[Output], start: int) -> Iterator[Field]:
    data = b"".join(item.data for item in seen)
    yield "stream", ", ".join(dict.fromkeys(item.stream for item in seen))
    yield "size", f"{len(data):,} bytes"
    yield "written", " ⏎ ".join(printed(data, SHOWN_LINES, SHOWN_VALUE))
    yield "from", f"{milliseconds(seen[0].time - start)} ms"
    yield "until", f"{milliseconds(seen[-1].time - start)} ms" if len(seen) > 1 else ""


@singledispatch
def _told(seen: Observation, start: int) -> Iterator[Field]:
    yield "at", f"{milliseconds(seen.time - start)} ms"


@_told.register
def _call(seen: Call, start: int) -> Iterator[Field]:
    yield "call", asked(seen)
    yield "made as", f"{seen.function} by a program, seen by strace" if seen.program else f"{spoken(seen)} by the step"
    yield "socket", seen.caller
    yield "arguments", clip(", ".join(map(repr, seen.arguments)), SHOWN_VALUE)
    yield "result", "" if seen.error else clip(repr(seen.result), SHOWN_VALUE)
    yield "error", f"{seen.error}{': ' * bool(seen.message)}{seen.message}" if seen.error else ""
    yield "local", _end(*seen.local) if seen.local else ""
    yield "remote", _end(*seen.remote) if seen.remote else ""
    yield "began", f"{milliseconds(seen.time - start)} ms"
    yield "ended", "never" if seen.ended is None else f"{milliseconds(seen.ended - start)} ms"
    yield "took", "" if seen.ended is None else _span(seen.ended - seen.time)


@_told.register
def _socket(seen: SocketSeen, start: int) -> Iterator[Field]:
    yield "state", "gone; what follows was seen last" if seen.gone else seen.row.state
    for name, value in zip(COLUMNS, cells(seen.row), strict=True):
        yield name, "" if name == "state" and not seen.gone else value
    yield "kernel's id", str(seen.id)
    yield "seen at", f"{milliseconds(seen.time - start)} ms"


@_told.register
def _exit(seen: Exit, start: int) -> Iterator[Field]:
    yield "exit status", str(seen.code)
    yield "because", seen.because or "it ended by itself"
    yield "at", f"{milliseconds(seen.time - start)} ms"


@_told.register
def _note(seen: Note, start: int) -> Iterator[Field]:
    yield seen.what, clip(seen.text, SHOWN_VALUE) or f"step {seen.step + 1}"
    yield "at", f"{milliseconds(seen.time - start)} ms"


COLUMNS = ("protocol", "state", "local", "remote", "Recv-Q", "Send-Q")


def cells(row: SocketRow) -> tuple[str, ...]:
    """A line of a socket table, under COLUMNS."""
    return (row.protocol, row.state, _end(*row.local), _end(*row.remote), str(row.recv_q), str(row.send_q))
