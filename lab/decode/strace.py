"""strace's lines -> Call: what a program asked of its sockets, one by one.

Understands `strace -f -e trace=%network,close` with absolute unix times and the calls' durations, both in nanoseconds,
and the calls that wait for several sockets, or make a thread or a process: those belong to no socket. A line that is
not understood is handed back, so that nobody judges by half a trace. Which calls make an attempt to
connect is for `attempts` to say.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from lab.history import Call, Value

_LINE = re.compile(r"(?:\[pid +(?P<tid>\d+)\] +|(?P<pid>\d+) +)?(?P<time>\d{1,12}\.\d{1,9}) (?P<rest>.*)", re.DOTALL)
_EVENT = re.compile(r"(---|\+\+\+) .* (---|\+\+\+)", re.DOTALL)
_CHATTER = re.compile(r"strace: Process \d+ (attached|detached).*|\s*")
_BEGUN = re.compile(r"(?P<head>(?P<name>[a-z_0-9]+)\(.*?) ?<unfinished \.\.\.>(?P<end>\) += \?)?", re.DOTALL)
_RESUMED = re.compile(r"<\.\.\. (?P<name>[a-z_0-9]+) resumed> ?(?P<tail>.*)", re.DOTALL)
_CALL = re.compile(
    r"(?P<name>[a-z_0-9]+)\((?P<arguments>.*)\) += "
    r"(?P<result>-?\d{1,20}|0x[0-9a-f]+|\?)(?:<(?:socket:\[(?P<inode>\d{1,20})\]|[^ ]*)>)?"
    r"(?: (?P<error>E[A-Z0-9]+)(?: \((?P<message>[^()]*(?:\([^()]*\))?[^()]*)\))?)?(?: \([^()]*\))?"
    r"(?: <(?:(?P<duration>\d{1,12}\.\d{1,9})|unavailable)>)?",
    re.DOTALL,
)
_CUT_OFF = re.compile(r"(?P<name>[a-z_0-9]+)\((?P<arguments>.*)", re.DOTALL)
_DESCRIPTOR = re.compile(r"(-?\d{1,9})(?:<(?:socket:\[(\d{1,20})\]|.*)>)?", re.DOTALL)
_HELD = re.compile(r"(\d{1,9})(?:<socket:\[(\d{1,20})\]>)?")
_ADDRESS = re.compile(
    r"\{sa_family=AF_INET6?, sin6?_port=htons\((?P<port>\d{1,5})\),[^{}]{0,99}?"
    r'(?:inet_addr\("(?P<v4>[^"]*)"\)|inet_pton\(AF_INET6, "(?P<v6>[^"]*)", )',
    re.DOTALL,
)
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"?(?:\.\.\.)?|[([{]|[)\]}]|, |.', re.DOTALL)
_BYTES = re.compile(r'"((?:\\.|[^"\\])*)"(?:\.\.\.)?', re.DOTALL)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "f": "\f", "a": "\a", "b": "\b"}
_NOT_OF_SOCKETS = ("execve(", "execveat(")  # traced where somebody wants to know that the program began
_CLOSE = re.compile(r"close\((\d{1,9})(?:<socket:\[(\d{1,20})\]>|(<)|\))")
_ACCEPTS = ("accept", "accept4")
_REMOTE = ("connect", "sendto", "sendmsg", "recvfrom", "recvmsg", "getpeername", *_ACCEPTS)
_LOCAL = ("bind", "getsockname")
_WAITS = ("select", "pselect6", "poll", "ppoll", "epoll_wait", "epoll_pwait", "epoll_pwait2")
_CLONES = ("clone", "clone3", "fork", "vfork")


@dataclass
class _Lives:
    """Whose socket a descriptor is: `pid.fd`, and `pid.fd#2` once that number was given out again.

    The socket's inode tells, whoever holds it: a child closes its copies, and its parent's sockets live on. Where
    strace has none, a life begins where the kernel hands out a number for a socket, and ends where it is closed; a
    descriptor that its thread never got is another thread's, or its parent's: whoever got that number last.
    """

    numbers: dict[tuple[str, int], int] = field(default_factory=dict)
    latest: dict[int, str] = field(default_factory=dict)
    alive: set[str] = field(default_factory=set)
    inodes: dict[str, str] = field(default_factory=dict)

    def begin(self, pid: str, descriptor: int, inode: str | None = None) -> str:
        self.numbers[pid, descriptor] = self.numbers.get((pid, descriptor), 0) + 1
        self.latest[descriptor] = pid
        caller = self.caller(pid, descriptor)
        self.alive.add(caller)
        if inode:
            self.inodes[inode] = caller
        return caller

    def close(self, pid: str, descriptor: int, inode: str | None = None) -> bool:
        """Whether it was a socket, known and open: programs close other files too."""
        if inode:
            return inode in self.inodes
        caller = self.caller(pid, descriptor)
        known = caller in self.alive
        self.alive.discard(caller)
        return known

    def caller(self, pid: str, descriptor: int, inode: str | None = None) -> str:
        if inode and inode in self.inodes:
            return self.inodes[inode]
        if (pid, descriptor) not in self.numbers:
            pid = self.latest.get(descriptor, pid)
        life = self.numbers.get((pid, descriptor), 1)
        return f"{pid}.{descriptor}" + (f"#{life}" if life > 1 else "")


class _Begun(Struct, frozen=True):
    """A call that has begun: its thread, its time and its text so far; `line` is where it stands."""

    pid: str
    time: int
    text: str
    line: str


def decode(lines: Sequence[str], *, host: str, step: int) -> tuple[tuple[Call, ...], tuple[str, ...]]:
    """The calls that the lines tell, in the order of their beginnings, and the lines that could not be read.

    A call that never ended has `ended` None. `arguments` are those after the descriptor (bytes as far as strace shows
    them, addresses as (address, port)); `result` is the system call's, and for SO_ERROR what it told (0 or the
    errno's name). Never raises.
    """
    calls: list[Call] = []
    unread: list[str] = []
    lives = _Lives()
    for begun, text in _whole_calls(lines, unread):
        closed = _CLOSE.match(text)
        if text.startswith(_NOT_OF_SOCKETS):
            continue
        if closed and (closed[3] or not lives.close(begun.pid, int(closed[1]), closed[2])):
            continue
        call = _call(begun, text, lives, host, step)
        if call is not None:
            calls.append(call)
        else:
            unread.append(begun.line)
    return tuple(sorted(calls, key=lambda call: call.time)), tuple(unread)


def _whole_calls(lines: Sequence[str], unread: list[str]) -> Iterator[tuple[_Begun, str]]:
    """Each call on one line: the two halves of an interrupted one are put together."""
    pending: dict[str, _Begun] = {}
    for index, line in enumerate(lines):
        match = _LINE.fullmatch(line.rstrip("\n"))
        if match is None:
            if not _CHATTER.fullmatch(line):
                unread.append(line)
            continue
        pid, rest = match["tid"] or match["pid"] or "0", match["rest"]
        begun = _Begun(pid, _nanoseconds(match["time"]), rest, line)
        if half := _BEGUN.fullmatch(rest):
            if pid in pending:
                unread.append(pending[pid].line)
            pending[pid] = _Begun(pid, begun.time, half["head"], line)
        elif half := _RESUMED.fullmatch(rest):
            if pid in pending and pending[pid].text.startswith(half["name"] + "("):
                first = pending.pop(pid)
                yield first, first.text + half["tail"]
            else:
                unread.append(line)
        elif index == len(lines) - 1 and _CUT_OFF.fullmatch(rest) and not _CALL.fullmatch(rest):
            pending[pid] = begun  # strace itself was killed while it wrote
        elif not _EVENT.fullmatch(rest):
            yield begun, rest
    for begun in pending.values():
        yield begun, f"{begun.text}) = ?"


def _call(begun: _Begun, text: str, lives: _Lives, host: str, step: int) -> Call | None:
    match = _CALL.fullmatch(text)
    if match is None:
        return None
    name, arguments = match["name"], _split(match["arguments"])
    result = _result(match["result"])
    descriptor, inode = -1, None
    if name == "socket":
        descriptor = result if result is not None else -1
    elif name in _CLONES:
        name = "thread" if "CLONE_THREAD" in match["arguments"] else "fork"
    elif name in _WAITS:
        pass  # of several sockets, or of none
    elif found := _DESCRIPTOR.fullmatch(arguments[0]) if arguments else None:
        descriptor, inode, arguments = int(found[1]), found[2], arguments[1:]
    caller = lives.caller(begun.pid, descriptor, inode)
    if result is not None and result >= 0:
        if name == "socketpair" and arguments:
            for number, its_inode in _HELD.findall(arguments[-1]):
                lives.begin(begun.pid, int(number), its_inode)
            arguments[-1] = _HELD.sub(r"\1", arguments[-1])
        elif name == "socket" or name in _ACCEPTS:
            born = lives.begin(begun.pid, result, match["inode"])
            caller = born if name == "socket" else caller
    address = next((_pair(found) for found in map(_ADDRESS.search, arguments) if found), None)
    duration = match["duration"]
    over = duration is not None or result is not None
    return Call(
        host=host,
        time=begun.time,
        step=step,
        caller=caller,
        function=name,
        arguments=tuple(map(_value, arguments)),
        result=_told(arguments) if name == "getsockopt" and result == 0 else result,
        error=match["error"],
        message=match["message"] or "",
        ended=begun.time + _nanoseconds(duration or "0.0") if over else None,
        local=address if name in _LOCAL else None,
        remote=address if name in _REMOTE else None,
        program=True,
    )


def _result(text: str) -> int | None:
    return None if text == "?" else int(text, 16) if text.startswith("0x") else int(text)


def _nanoseconds(text: str) -> int:
    whole, _, fraction = text.partition(".")
    return int(whole) * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))


def _split(text: str) -> list[str]:
    """Arguments, split at the commas outside of brackets and strings."""
    parts, depth = [""], 0
    for token in _TOKEN.findall(text):
        depth += (token in ("(", "[", "{")) - (token in (")", "]", "}"))
        if token == ", " and depth <= 0:
            parts.append("")
        else:
            parts[-1] += token
    return [part.strip() for part in parts] if text.strip() else []


def _value(text: str) -> Value:
    if text == "NULL":
        return None
    if re.fullmatch(r"-?\d{1,20}", text):
        return int(text)
    if found := _BYTES.fullmatch(text):
        return _unescape(found[1])
    if found := _ADDRESS.match(text):
        return _pair(found)
    return text


def _pair(found: re.Match[str]) -> tuple[str, int]:
    return found["v4"] or found["v6"], int(found["port"])


def _unescape(text: str) -> bytes:
    """A C string's bytes: `\\n`, `\\0`, `\\377`, `\\"`."""

    def one(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] == "x" and len(code) > 1:
            return chr(int(code[1:], 16))
        if code[0] in "01234567":
            return chr(int(code, 8))
        return _ESCAPED.get(code, code)

    return _ESCAPE.sub(one, text).encode("latin-1", "replace")


def _told(arguments: Sequence[str]) -> Value:
    """The value of an option, as strace shows it: for SO_ERROR 0 or the errno's name."""
    return _value(arguments[2].strip("[]")) if len(arguments) > 2 else None
