"""calls -> Try: each try to connect as its caller saw it, before anybody looks at the wire. Pure.

One try is the `connect` and what completes it on that socket: SO_ERROR, a second `connect`, or the first failed send or
receive. Whether the wire agrees is for `attempts` to say.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from lab.decode.errnos import errno_name
from lab.history import Call
from lab.wire import Endpoint, plain

_CONNECTS = frozenset({"connect", "connect_ex"})
_SENDS = frozenset({"send", "sendall", "sendto", "sendmsg", "sendmmsg"})
_RECEIVES = frozenset({"recv", "recvfrom", "recvmsg", "recvmmsg"})
_UNDER_WAY = frozenset({"EINPROGRESS", "EALREADY", "EINTR", "ERESTARTSYS", "ERESTARTNOINTR", "ERESTARTNOHAND"})
_NOT_YET = frozenset({"EAGAIN", "EWOULDBLOCK", "ENOTCONN", "TIMEOUT", "ERESTARTSYS", "EINTR"})
_DEADLINES = frozenset({"ETIMEDOUT", "TIMEOUT"})
SLACK = 1_000_000_000  # ns that strace may take for a line, where nothing that follows tells better
PROHIBITIONS = frozenset({"EACCES", "EPERM"})
_BLOCKED = frozenset({"EHOSTUNREACH", "ENETUNREACH", "ENOPROTOOPT", "EHOSTDOWN", "ENETDOWN"}) | PROHIBITIONS

Turn = tuple[int, int]  # a step's number, and which of its turns
Thread = tuple[Turn, str]


class Try(Struct, frozen=True):
    """A try as its caller saw it.

    `saw` is accepted, refused, reset, timed-out, blocked (unreachable or prohibited), failed (an errno of another
    kind), under way, or pending (the call has not returned). `exact` is False where `ended` is only the latest time at
    which it can have ended. `latest` is until when its packets can have been sent: strace stamps a call before it has
    written its arguments down, and counts its duration from after that.
    """

    calls: tuple[Call, ...]
    saw: str
    error: str | None
    ended: int | None
    remote: Endpoint
    local: Endpoint | None
    exact: bool = True
    latest: int = 0

    @property
    def started(self) -> int:
        """When its first call began."""
        return self.calls[0].time


def error_of(call: Call) -> str | None:
    """What went wrong, as the errno's name; `connect_ex` and SO_ERROR tell it by what they return."""
    if call.error is None and (call.function == "connect_ex" or is_so_error(call)):
        number = call.result
        if isinstance(number, int) and number != 0:
            return errno_name(number)
        return number if isinstance(number, str) else None
    return call.error


def is_so_error(call: Call) -> bool:
    """Whether the call asks how a connect ended."""
    if call.function != "getsockopt":
        return False
    return "SO_ERROR" in repr(call.arguments) or tuple(call.arguments[:2]) == (1, 4)


def tries(calls: Sequence[Call], exits: Mapping[Turn, int]) -> tuple[Try, ...]:
    """The tries that one host's calls made, in the order of their beginnings. `exits`: when a turn's process ended."""
    lives: dict[tuple[Turn | None, str], list[list[Call]]] = {}
    for call in sorted(calls, key=lambda call: call.time):
        known = lives.setdefault((_turn(call) if call.program else None, call.caller), [[]])
        if call.function == "socket" and known[-1]:
            known.append([])
        known[-1].append(call)
    ends = _next_lives(lives)
    found: list[Try] = []
    for (turn, _), known in lives.items():
        for life in known:
            gone = ends.get(id(life[0]), exits.get(turn) if turn is not None else None)
            if _is_stream(life):
                found.extend(_tries_of(life, gone))
    threads = _threads(calls)
    found = [replace(tried, latest=_latest(tried, threads, exits)) for tried in found]
    return tuple(sorted(found, key=lambda tried: tried.started))


def _threads(calls: Sequence[Call]) -> dict[Thread, list[int]]:
    """When each thread of a program called, in order."""
    threads: dict[Thread, list[int]] = {}
    for call in sorted(calls, key=lambda call: call.time):
        if call.program:
            threads.setdefault(_thread(call), []).append(call.time)
    return threads


def _thread(call: Call) -> Thread:
    return _turn(call), call.caller.partition(".")[0]


def _turn(call: Call) -> Turn:
    return call.step, call.turn


def _latest(tried: Try, threads: Mapping[Thread, Sequence[int]], exits: Mapping[Turn, int]) -> int:
    """For a program, when its thread called next, or the process ended: by then the try was over."""
    last = tried.calls[-1]
    ended = tried.started if tried.ended is None else tried.ended
    if not last.program:
        return ended
    called = threads[_thread(last)]
    following = bisect_right(called, last.time)
    return max(ended, *called[following : following + 1] or [exits.get(_turn(last), ended + SLACK)])


def _next_lives(lives: dict[tuple[Turn | None, str], list[list[Call]]]) -> dict[int, int]:
    """When the next socket of the same name or number began, by the first call of the life that it ended."""
    ends: dict[int, int] = {}
    before: dict[tuple[Turn | None, str], list[Call]] = {}
    for (step, caller), known in lives.items():
        for life in known:
            name = (step, caller.partition("#")[0])
            if name in before and life[0].function == "socket":
                ends[id(before[name][0])] = life[0].time
            before[name] = life
    return ends


def _is_stream(life: Sequence[Call]) -> bool:
    made = repr(life[0].arguments) if life[0].function == "socket" else ""
    return not any(word in made for word in ("SOCK_DGRAM", "SOCK_RAW", "AF_UNIX", "AF_NETLINK", "AF_PACKET"))


def _remote(call: Call) -> Endpoint | None:
    if call.remote is not None:
        return call.remote
    first = call.arguments[0] if call.arguments else None
    if isinstance(first, tuple | list) and len(first) >= 2:
        address, port = first[:2]
        if isinstance(address, str) and isinstance(port, int):
            return address, port
    return None


def _local(life: Sequence[Call]) -> Endpoint | None:
    """The caller's end, where its calls agree on the port; bound to any address, it has one once it is connected."""
    told = [call.local for call in life if call.local and call.local[1]]
    if len({port for _, port in told}) != 1:
        return None
    return next((local for local in told if plain(local[0]) == local[0]), told[0])


def _tries_of(life: Sequence[Call], gone: int | None) -> Iterator[Try]:
    """The tries of one socket's life: each connect, and what completes it. `gone` is when its owner was no more."""
    current: list[Call] = []
    saw = ""
    for call in life:
        if call.function in _CONNECTS and saw in ("", "accepted"):
            if current:
                yield _try(current, saw, life)
            current, saw = ([call], _first(call)) if _remote(call) else ([], "")
        elif current:
            after = _next(call, saw)
            if after not in (saw, "done") or call.function in _CONNECTS:
                current.append(call)
            saw = after
        if saw in ("done", "refused", "reset", "timed-out", "blocked", "failed"):
            yield _try(current, "accepted" if saw == "done" else saw, life)
            current, saw = [], ""
    if current and saw == "under way" and gone is not None:
        yield replace(_try(current, "timed-out", life), ended=gone, exact=False)
    elif current:
        yield _try(current, saw, life)


def _first(call: Call) -> str:
    error = error_of(call)
    if call.ended is None:
        return "pending"
    if error is None:
        return "accepted"
    if error in _UNDER_WAY:
        return "under way"
    if error == "EAGAIN" and call.function == "connect_ex":
        return "timed-out"
    return _meaning(error)


def _meaning(error: str) -> str:
    if error in _DEADLINES:
        return "timed-out"
    if error in _BLOCKED:
        return "blocked"
    return {"ECONNREFUSED": "refused", "ECONNRESET": "reset"}.get(error, "failed")


def _next(call: Call, saw: str) -> str:
    """What the caller knows after one more call on the socket."""
    error = error_of(call)
    talks = call.function in _SENDS | _RECEIVES
    if call.ended is None or saw == "pending":
        return saw
    if saw == "accepted":
        if talks and error == "ECONNRESET":
            return "reset"
        heard = call.function in _RECEIVES and error not in _NOT_YET
        return "done" if heard or call.function == "close" or (talks and error not in _NOT_YET | {None}) else saw
    if call.function == "close":
        return "timed-out"
    if call.function in _CONNECTS:
        if error in _UNDER_WAY:
            return saw
        return "accepted" if error in (None, "EISCONN") else _meaning(error)
    if talks or is_so_error(call):
        return saw if error in _NOT_YET else "accepted" if error is None else _meaning(error)
    return "accepted" if call.function == "getpeername" and error is None else saw


def _try(calls: Sequence[Call], saw: str, life: Sequence[Call]) -> Try:
    remote, last = _remote(calls[0]), calls[-1]
    assert remote is not None
    own_deadline = saw == "timed-out" and error_of(last) != "ETIMEDOUT"
    error = None if saw == "accepted" else "TIMEOUT" if own_deadline else error_of(last)
    return Try(tuple(calls), saw, error, last.ended, remote, _local(calls) or _local(life))
