"""What was asked of sockets, without what scheduling decides. Pure.

A `call` step tells its calls as they are. Of a program each socket is told by itself: how a stream was cut into sends
and receives is left out (their bytes are summed up), and so is asking again and again. Who is faster decides when each
of the processes that share a socket lets go of it: only the last close is told; and what a program that nobody waits
for does at its end (closing, waiting for more), which is left out too.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from msgspec.structs import replace

from lab.decode import dns
from lab.history import Call, History, Value
from lab.netcalls import of_networks
from lab.spoken import SHOWN_BYTES, answered, asked, spoken
from lab.timeline import LATE
from lab.transcript.blocks import Block, run_lengths
from lab.transcript.names import Names
from lab.tries import error_of, is_so_error

AGAIN = frozenset({"EAGAIN", "EWOULDBLOCK", "EALREADY"})
CUT_SHORT = frozenset({"ERESTARTSYS", "ERESTARTNOINTR", "ERESTARTNOHAND"})
SENDS, RECEIVES = frozenset({"send", "sendall"}), frozenset({"recv"})
ACCEPTED = "socket(TCP) from accept"
WAITING = "= still waiting"


def as_of(history: History, end: int) -> list[Call]:
    """The calls on sockets of the Internet's families that began before `end` (ns); what ended later, or was cut short,
    was still waiting."""
    calls = [call for call in of_networks(history) if call.time <= end]
    return [_waiting(call) if _is_open(call, end) else call for call in calls]


def _is_open(call: Call, end: int) -> bool:
    until = end + LATE if _is_data(call) and spoken(call) in SENDS else end  # its bytes may be seen before its end is
    return call.ended is None or call.ended > until or call.error in CUT_SHORT


def _waiting(call: Call) -> Call:
    return replace(call, ended=None, error=None, result=None, remote=None if "accept" in call.function else call.remote)


def steps_own(calls: Sequence[Call], names: Names) -> Iterator[str]:
    """The calls of a `call` step, a line each."""
    for call in calls:
        if call.function == "socket":
            yield f"{call.caller} = {asked(call)}"
        elif _is_data(call):
            yield names.text(f"{call.caller}.{_data_line([call])}")
        else:
            yield names.text(f"{call.caller}.{_line(call, names)}")


def sockets(calls: Sequence[Call], names: Names, loose: bool) -> list[Block]:
    """A program's sockets, one block each; `loose`: nobody waits for its end."""
    lives: dict[str, list[list[Call]]] = {}
    for call in calls:
        known = lives.setdefault(call.caller, [])
        if not known or call.function == "socket":
            known.append([])
        known[-1].append(call)
    return [_block(life, names, loose) for known in lives.values() for life in known]


def last_deed(calls: Sequence[Call]) -> int:
    """When a program's last call began that was no farewell (ns): it was alive, and what it wrote before was seen."""
    made = (call for call in calls if call.ended is not None and error_of(call) not in AGAIN)
    return max((call.time for call in made if spoken(call) == "accept" or not _is_farewell(call, ())), default=0)


def is_stream(life: Sequence[Call]) -> bool:
    """Whether these are calls on a socket of TCP's."""
    return "SOCK_DGRAM" not in repr(life[0].arguments) if life[0].function == "socket" else True


def _block(life: Sequence[Call], names: Names, loose: bool) -> Block:
    life = [call for call, after in zip(life, [*life[1:], None], strict=True) if call.function != "close" or not after]
    made = [call for call, before in zip(life, [None, *life], strict=False) if not _is_poll(call, before)]
    head = asked(made.pop(0)) if made and made[0].function == "socket" else ACCEPTED
    while loose and made and _is_farewell(made[-1], made):
        made.pop()
    lines = _summed(made, names) if is_stream(life) else (_line(call, names) for call in made)
    return (head, *run_lengths(map(names.text, lines)))


def _is_poll(call: Call, before: Call | None) -> bool:
    """Whether it asks in vain, or again what was answered."""
    again = (
        before is not None and is_so_error(call) and (call.function, call.result) == (before.function, before.result)
    )
    return again or error_of(call) in AGAIN


def _is_farewell(call: Call, made: Sequence[Call]) -> bool:
    """Whether a program that is about to end makes it, or would have made it a moment later."""
    if spoken(call) == "accept":
        return call.ended is None and any(other.function == call.function for other in made[:-1])
    return call.ended is None or call.function in ("close", "shutdown") or _is_end_of_stream(call)


def _summed(made: Sequence[Call], names: Names) -> Iterator[str]:
    for data, run in groupby(made, key=_is_data):
        group = list(run)
        if data:
            yield from map(_data_line, _by_direction(group))
        else:
            lines = [_line(call, names) for call in group]
            yield from sorted(lines) if {spoken(call) for call in group} == {"accept"} else lines


def _by_direction(group: Sequence[Call]) -> list[list[Call]]:
    ways: dict[bool, list[Call]] = {}
    for call in group:
        ways.setdefault(spoken(call) in SENDS, []).append(call)
    return list(ways.values())


def _is_data(call: Call) -> bool:
    """Whether it moved bytes."""
    return spoken(call) in SENDS | RECEIVES and call.ended is not None and not error_of(call) and _size(call) > 0


def _is_end_of_stream(call: Call) -> bool:
    return spoken(call) in RECEIVES and call.ended is not None and not error_of(call) and _size(call) == 0


def _size(call: Call) -> int:
    value = _value(call)
    return value if isinstance(value, int) else len(_bytes(call))


def _bytes(call: Call) -> bytes:
    value = _value(call)
    if isinstance(value, bytes):
        return value
    return next((item for item in call.arguments if isinstance(item, bytes)), b"")


def _value(call: Call) -> Value:
    """What it returned; a `call` step tells it by the name that it gave it."""
    value = call.result
    return next(iter(value.values())) if isinstance(value, dict) and len(value) == 1 else value


def _data_line(group: Sequence[Call]) -> str:
    """`send 44 bytes, b'Message 1 from client.Me'...`"""
    name, size, data = spoken(group[0]), sum(map(_size, group)), b""
    for call in group:
        data += _bytes(call)[: _size(call)]
        if len(_bytes(call)) < _size(call):  # strace shows the beginning of long ones
            break
    return f"{name} {size} bytes, {data[:SHOWN_BYTES]!r}{'...' * (size > SHOWN_BYTES)}"


def _line(call: Call, names: Names) -> str:
    """`connect(server.lan:80) = ECONNREFUSED`, `recv() = b''`, `accept() = still waiting`."""
    name, error = spoken(call), error_of(call)
    if call.ended is None:
        return f"{_asked(call)} {WAITING}"
    if _is_end_of_stream(call):
        return (
            "recv = b'', the end of the stream" if call.remote is None else f"recv = b'' from {names.end(call.remote)}"
        )
    if name in SENDS | RECEIVES:
        peer = f", {names.end(call.remote)}" if call.remote else ""
        if error:
            return f"{name}{peer} = {error}"
        question = dns.words(_bytes(call))  # its number is by lot
        return f"{name} {question}{peer}" if question else f"{_data_line([call])}{peer}"
    if name in ("getsockname", "getpeername") and not error and call.program:
        end = call.local or call.remote
        return f"{name}() = {names.end(end) if end else '?'}"
    return f"{_asked(call)} {answered(call)}"


def _asked(call: Call) -> str:
    """The call as it was made, without its socket's name."""
    return asked(call).removeprefix(f"{call.caller}.")
