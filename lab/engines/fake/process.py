"""What a fake process has of its kernel: descriptors, signals, sleep, and system calls that strace can tell of."""

import errno
import itertools
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from lab.agent.wire import Refused
from lab.engines.fake.endpoint import Endpoint, failure
from lab.engines.fake.host import Host
from lab.engines.fake.world import MICROSECOND, SECOND, Actor, Killed

T = TypeVar("T")
SYSTEM_CALL = 5 * MICROSECOND
MOST_SOCKETS = 150  # each looks at all the others, time and again
Handler = Callable[[int, None], object]


class Unmodelled(BaseException):
    """Something that this engine does not model: nothing true can be said about it."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the fake engine does not model {what}; use an engine with a real kernel")


class Beyond(Refused):
    """A request that this engine does not model."""


class Process:
    """A process of a host; `trace` gets strace's lines, if anybody wants them."""

    def __init__(
        self,
        host: Host,
        names: Mapping[str, Sequence[str]],
        uid: int = 0,
        pid: int = 1,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self.host, self.world, self.uid, self.pid = host, host.world, uid, pid
        self.names = names
        self.trace = trace
        self.descriptors: dict[int, Endpoint] = {}
        self.handlers: dict[int, Handler | int] = {}
        self.actor: Actor | None = None
        self.signalled = 0
        self._pending: list[int] = []

    def open(self, endpoint: Endpoint) -> int:
        """The lowest free descriptor, from 3."""
        if len(self.descriptors) >= MOST_SOCKETS:
            raise Unmodelled(f"a process with more than {MOST_SOCKETS} sockets")
        number = next(it for it in itertools.count(3) if it not in self.descriptors)
        self.descriptors[number] = endpoint
        return number

    def signal(self, number: int) -> None:
        """Somebody sends it a signal."""
        handler = self.handlers.get(number, signal.SIG_DFL)
        if number == signal.SIGKILL or handler == signal.SIG_DFL:
            self.signalled = number
            if self.actor:
                self.actor.killed = True
        elif handler != signal.SIG_IGN:
            self._pending.append(number)

    def sleep(self, condition: Callable[[], bool], seconds: float | None = None) -> bool:
        """Until the condition holds (True) or so many seconds are over (False); signals are handled meanwhile."""
        deadline = None if seconds is None else self.world.now + round(seconds * SECOND)
        while True:
            held = self.world.block(lambda: condition() or bool(self._pending), deadline)
            if not self._pending:
                return held
            self.handle_signals()

    def handle_signals(self) -> int:
        """Call the handlers of what has come; how many."""
        count = 0
        while self._pending:
            number = self._pending.pop(0)
            handler = self.handlers[number]
            if callable(handler):
                handler(number, None)
            count += 1
        return count

    def system(self, name: str, before: str, action: Callable[[], tuple[T, int, str]]) -> T:
        """Make a system call. The action gives its value, what strace shows as the result, and as the arguments."""
        began = self.world.now
        self.world.tick(SYSTEM_CALL)
        try:
            value, result, shown = action()
        except OSError as error:
            code = errno.errorcode.get(error.errno or 0, "EINVAL")
            self._tell(began, f"{name}({before}) = -1 {code} ({os.strerror(error.errno or 0)})", ended=True)
            raise
        except (Killed, Unmodelled):
            self._tell(began, f"{name}({before} <unfinished ...>) = ?")
            raise
        self._tell(began, f"{name}({shown}) = {result}", ended=True)
        return value

    def tell_end(self, code: int) -> None:
        """strace's last line."""
        if self.signalled:
            text = f"+++ killed by {signal.Signals(self.signalled).name} +++"
        else:
            text = f"+++ exited with {code} +++"
        self._tell(self.world.now, text)

    def exit(self) -> None:
        """The kernel closes what the process left open."""
        for endpoint in self.descriptors.values():
            endpoint.close()
        self.descriptors.clear()

    def endpoint(self, descriptor: int) -> Endpoint:
        """Whose descriptor it is; EBADF."""
        if descriptor not in self.descriptors:
            raise failure(errno.EBADF)
        return self.descriptors[descriptor]

    def _tell(self, began: int, text: str, ended: bool = False) -> None:
        if self.trace:
            duration = f" <{_stamp(self.world.now - began)}>" if ended else ""
            self.trace(f"{self.pid} {_stamp(began)} {text}{duration}")


def _stamp(nanoseconds: int) -> str:
    return f"{nanoseconds // SECOND}.{nanoseconds % SECOND:09d}"
