"""Named sockets, and the real calls on them, each recorded with its start, its end and what came of it.

`tasks` answers whoever waits; whether a call makes sense is for the scenario. A name may hold what a call returned,
as in Python: rebinding it drops the old socket, and dropping the last name closes it.
"""

from __future__ import annotations

import errno
import socket
import threading
import time
import weakref
from binascii import a2b_base64

from .blocked import asleep
from .tasks import Task
from .wire import Refused, Wire, text64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

METHODS = frozenset(
    "accept bind close connect connect_ex getpeername getsockname getsockopt listen recv recvfrom send sendall sendto "
    "setblocking setsockopt settimeout shutdown".split()
)
FAMILIES = (socket.AF_INET, socket.AF_INET6)
TYPES = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
FLAGS = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
WILDCARDS = ("0.0.0.0", "::")
RECORDED = 64 * 1024


class Ends:
    """The two addresses of a socket, as last known: the kernel forgets those of a connection that failed."""

    def __init__(self) -> None:
        self.local: list[Any] | None = None
        self.remote: list[Any] | None = None

    def look(self, sock: socket.socket) -> None:
        """Ask the kernel; what it does not know any more stays."""
        local = _address(sock.getsockname)
        if local and not (self.local and local[0] in WILDCARDS and local[1] == self.local[1]):
            self.local = local
        self.remote = _address(sock.getpeername) or self.remote


class Call(Task):
    """One call of the socket API, from its request to its end."""

    def __init__(self, wire: Wire, step: int, call: dict[str, Any]) -> None:
        super().__init__(wire, step)
        self.targets: list[str] = call["targets"]
        self.receiver: str = call["receiver"]
        self.method: str = call["method"]
        self.raw: list[Any] = call["arguments"]
        self.arguments = [_unwrap(item) for item in self.raw]
        self.socket: socket.socket | None = None
        self.ends = Ends()
        self.thread = 0
        self.time = 0

    def record(self, ended: int | None, result: Any, error: str | None, message: str) -> dict[str, Any]:
        """The event that tells of it."""
        peer = self.arguments[-1] if self.method == "sendto" and self.arguments else None
        if self.method == "recvfrom" and ended and not error:
            peer = result[1]
        return {
            "event": "call",
            "step": self.step,
            "caller": self.receiver or "".join(self.targets[:1]),
            "function": self.method,
            "arguments": self.raw,
            "result": self._wrap(result),
            "error": error,
            "message": message,
            "time": self.time,
            "ended": ended,
            "local": self.ends.local,
            "remote": _pair(peer) or self.ends.remote,
        }

    def unended(self) -> None:
        """Tell that it began and goes on."""
        if self.thread:
            if sock := self.socket:
                self.ends.look(sock)
            self.wire.send(self.record(None, None, None, ""))

    def watch(self, request: int) -> None:
        """Let the request go as soon as the call sleeps in the kernel."""
        pause = 0.0001
        while self.awaited(request):
            sock = self.socket
            if self.thread and sock and asleep(self.thread, sock.fileno()):
                self.let_go(request)
            time.sleep(pause)
            pause = min(pause * 1.5, 0.005)

    def _wrap(self, value: Any) -> Any:
        if isinstance(value, socket.socket):
            return {"socket": "".join(self.targets[:1])}
        if isinstance(value, bytes):
            if len(value) > RECORDED:
                words = f"{self.method} returned {len(value)} bytes; the record keeps the first {RECORDED}"
                self.wire.event("note", what="truncated", text=words, time=self.time, step=self.step)
            return {"bytes": text64(value[:RECORDED])}
        if isinstance(value, tuple):
            return {"tuple": [self._wrap(item) for item in value]}
        return value


class Sockets:
    """What the names of this host hold."""

    def __init__(self) -> None:
        self._names: dict[str, Any] = {}
        self._ends: weakref.WeakKeyDictionary[socket.socket, Ends] = weakref.WeakKeyDictionary()

    def perform(self, call: Call) -> None:
        """Make the call, record it, keep what it assigned."""
        try:
            function = self._function(call)
        except Refused as reason:
            return call.refuse(str(reason))
        error, message = None, ""
        result: Any = None
        call.time = time.time_ns()
        call.thread = threading.get_native_id()
        try:
            result = function(*call.arguments)
            ended = time.time_ns()
        except Exception as exception:
            ended = time.time_ns()
            error, message = _name(exception), f"{type(exception).__name__}: {exception}"
        if not error:
            self._assign(call.targets, result)
        self._look(call, result)
        if error and error != "gaierror" and call.socket and call.method in ("connect", "connect_ex"):
            call.ends.remote = _resolved(call.socket, call.ends.remote)
        call.end(call.record(ended, result, error, message))
        call.socket = None
        return None

    def _function(self, call: Call) -> Callable[..., Any]:
        if call.method == "socket" and not call.receiver:
            _lawful(call.arguments)
            return socket.socket
        if call.method not in METHODS:
            raise Refused(f"expected one of {', '.join(sorted(METHODS))}; observed {call.method!r}")
        sock = self._names.get(call.receiver)
        if not isinstance(sock, socket.socket):
            names = ", ".join(name for name, value in self._names.items() if isinstance(value, socket.socket))
            raise Refused(f"no socket is named {call.receiver!r} here (there are: {names or 'none'}); make it first")
        call.socket = sock
        call.ends = self._ends.setdefault(sock, call.ends)
        if call.method == "close":
            call.ends.look(sock)
        if call.method in ("connect", "connect_ex") and call.arguments:
            call.ends.remote = _address(sock.getpeername) or _pair(call.arguments[0])
        return getattr(sock, call.method)  # type: ignore[no-any-return]

    def _assign(self, targets: list[str], result: Any) -> None:
        values = (result,) if len(targets) == 1 else result if isinstance(result, tuple) else ()
        self._names.update(zip(targets, values, strict=False))

    def _look(self, call: Call, result: Any) -> None:
        sock = result[0] if call.method == "accept" and result else call.socket
        if sock and sock.fileno() >= 0:
            call.ends = self._ends.setdefault(sock, Ends())
            call.ends.look(sock)


def _lawful(arguments: list[Any]) -> None:
    """Sockets keep to the lab's networks: no raw ones, none that configure the kernel, no descriptor of the agent's."""
    family, kind = (*arguments, *(socket.AF_INET, socket.SOCK_STREAM)[len(arguments) :])[:2]
    known = family in FAMILIES and isinstance(kind, int) and kind & ~FLAGS in TYPES
    if len(arguments) > 3 or (isinstance(family, int) and not known):
        raise Refused(
            "expected socket(family, type, proto) with AF_INET or AF_INET6, SOCK_STREAM or SOCK_DGRAM; "
            f"observed {len(arguments)} arguments, family {family!r}, type {kind!r}"
        )


def _unwrap(raw: Any) -> Any:
    if isinstance(raw, list):
        return [_unwrap(item) for item in raw]
    if not isinstance(raw, dict):
        return raw
    ((kind, value),) = raw.items()
    if kind == "bytes":
        return a2b_base64(value)
    if kind == "tuple":
        return tuple(_unwrap(item) for item in value)
    if kind == "repeat":
        return _unwrap(value[0]) * value[1]
    if kind == "constant" and hasattr(socket, value):
        return getattr(socket, value)
    raise Refused(f"the Python of this host knows no {kind} {value!r} in an argument")


def _address(ask: Callable[[], Any]) -> list[Any] | None:
    """(address, port) as the kernel tells it; None where it has none."""
    try:
        address = _pair(ask())
    except OSError:
        return None
    return address if address and address[1] else None


def _pair(address: Any) -> list[Any] | None:
    known = isinstance(address, tuple) and len(address) >= 2 and isinstance(address[0], str)
    return [address[0], address[1]] if known and isinstance(address[1], int) else None


def _resolved(sock: socket.socket, target: list[Any] | None) -> list[Any] | None:
    """The address behind a target's name: the first that the call tried."""
    if not target or not target[0]:
        return target
    try:
        return _pair(socket.getaddrinfo(target[0], target[1], sock.family, sock.type)[0][4])
    except (OSError, ValueError, OverflowError):
        return target


def _name(exception: Exception) -> str:
    """The errno's name, TIMEOUT for the socket's own deadline, else the exception's class."""
    if isinstance(exception, TimeoutError) and exception.errno is None:
        return "TIMEOUT"
    number = exception.errno if isinstance(exception, OSError) else None
    return errno.errorcode.get(number or 0) or type(exception).__name__
