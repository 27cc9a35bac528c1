"""The agent's one loop: read requests, have them done, answer; end with the input.

Whatever may block is done in a thread, and what goes wrong in a request becomes its answer.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time

from . import tables
from .children import Children, find, is_mapped
from .impair import Impairments
from .net import Network
from .programs import USER, Program
from .sockets import Call, Sockets
from .tap import Tap
from .tasks import Deadlines, Task, Workers
from .views import views
from .watch import Watcher
from .wire import Refused, Wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

STACK = 512 * 1024
PROMPT = frozenset("getpeername getsockname getsockopt listen setblocking setsockopt settimeout socket".split())


class Agent:
    """All that this host does and sees."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._tasks: dict[int, Task] = {}
        self._deadlines = Deadlines()
        self._workers = Workers()
        self._children = Children()
        self._network = Network(self._children)
        self._impairments = Impairments(wire, self._network.tables)
        self._sockets = Sockets()
        self._watcher: Watcher | None = None
        self._tap: Tap | None = None
        self.stays = False
        self._verbs: dict[str, Callable[..., dict[str, Any]]] = {
            "hello": self._hello,
            "configure": self._configure,
            "drain": self._drain,
            "start": self._start,
            "stop": self._stop,
            "kill": self._kill,
            "sockets": tables.sockets,
            "counters": tables.counters,
            "firewall": self._network.firewall,
            "link": self._link,
            "sysctl": self._sysctl,
            "impairable": self._impairable,
            "impair": self._impair,
            "repair": self._repair,
            "view": self._view,
            "stay": self._stay,
        }
        self._tasked: dict[str, Callable[..., None]] = {"call": self._call, "join": self._join}

    def serve(self) -> None:
        """Do what is asked until the input ends."""
        while (requests := self._wire.receive(self._deadlines.pause())) is not None:
            for request in requests:
                self._take(**request)
            self._deadlines.strike()

    def end(self) -> None:
        """Leave nothing running and nothing lying about."""
        self._children.kill_all()
        for task in self._tasks.values():
            if isinstance(task, Program):
                task.remove()

    def _take(self, id: int, do: str, **fields: Any) -> None:
        if do in self._tasked:
            self._try(id, self._tasked[do], id, **fields)
        elif do in self._verbs:
            self._try(id, self._workers.do, self._answer, id, self._verbs[do], fields)
        else:
            words = ", ".join(sorted([*self._verbs, *self._tasked]))
            self._wire.refuse(id, f"expected one of {words}; observed {do!r}")

    def _answer(self, request: int, verb: Callable[..., dict[str, Any]], fields: dict[str, Any]) -> None:
        self._try(request, lambda: self._wire.answer(request, verb(**fields)))

    def _try(self, request: int, action: Callable[..., None], *arguments: Any, **fields: Any) -> None:
        try:
            action(*arguments, **fields)
        except Refused as reason:
            self._wire.refuse(request, str(reason))
        except Exception as error:
            self._wire.refuse(request, f"{type(error).__name__}: {error}")

    def _hello(self) -> dict[str, Any]:
        system = os.uname()
        return {
            "kernel": system.release,
            "python": ".".join(map(str, sys.version_info[:3])),
            "machine": system.machine,
            "strace": find("strace") or "",
            "uid": os.geteuid(),
        }

    def _configure(
        self,
        addresses: dict[str, str],
        routes: list[dict[str, str]],
        forbidden: list[str] | None = None,
        nameserver: str = "",
    ) -> dict[str, Any]:
        interfaces = self._network.configure(addresses, routes, forbidden or [])
        if nameserver:
            self._network.ask(nameserver)
        self._watcher = self._watcher or Watcher(self._wire)
        self._tap = self._tap or Tap(self._wire, self._watcher.stir)
        return {"interfaces": interfaces}

    def _drain(self) -> dict[str, Any]:
        if self._tap is None or self._watcher is None:
            raise Refused("the tap does not run yet: ask for `configure` first")
        self._impairments.settle()
        drained = self._tap.drain()
        self._watcher.look()
        return drained

    def _call(self, request: int, step: int, call: dict[str, Any], pending: bool, timeout: float) -> None:
        task = Call(self._wire, step, call)
        self._enter(task)
        self._wait(task, request, timeout)
        if task.method in PROMPT:
            self._stirring(self._sockets.perform, task)
        else:
            self._workers.do(self._stirring, self._sockets.perform, task)
        if pending:
            self._workers.do(self._stirring, task.watch, request)

    def _join(self, request: int, step: int, timeout: float) -> None:
        self._wait(self._find(step), request, timeout)

    def _start(
        self, step: int, argv: list[str], trace: bool, files: dict[str, str] | None = None, waits: bool = False
    ) -> dict[str, Any]:
        program = Program(self._wire, step, argv, files or {}, self._stir)
        self._enter(program)
        try:
            return {"pid": program.start(self._children, trace, waits)}
        except Exception:
            program.remove()
            del self._tasks[step]
            raise

    def _stop(self, step: int, grace: float, because: str) -> dict[str, Any]:
        return {"ended": self._program(step).stop(grace, because)}

    def _kill(self, step: int, because: str) -> dict[str, Any]:
        return {"ended": self._program(step).kill(because)}

    def _program(self, step: int) -> Program:
        program = self._find(step)
        if not isinstance(program, Program):
            raise Refused(f"step {step} is a call; only a program can be stopped")
        return program

    def _link(self, network: str, state: str) -> dict[str, Any]:
        self._network.link(network, state)
        return {}

    def _sysctl(self, key: str, value: str) -> dict[str, Any]:
        self._network.sysctl(key, value)
        return {}

    def _impairable(self) -> dict[str, Any]:
        self._network.cut_at_once()
        return {"lacks": self._impairments.lacks()}

    def _impair(self, network: str, direction: str, orders: dict[str, Any]) -> dict[str, Any]:
        self._impairments.impair(network, self._network.device(network), direction, orders)
        return {}

    def _repair(self, network: str) -> dict[str, Any]:
        self._impairments.repair(network)
        return {}

    def _stay(self) -> dict[str, Any]:
        self.stays = True
        return {}

    def _view(self, step: int, tools: list[str]) -> dict[str, Any]:
        return {"views": views(self._children, self._wire, step, tools)}

    def _stirring(self, action: Callable[..., None], *arguments: Any) -> None:
        """Something that may change a socket, and a look at the sockets after it."""
        action(*arguments)
        self._stir()

    def _stir(self) -> None:
        if self._watcher:
            self._watcher.stir()

    def _wait(self, task: Task, request: int, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        self._deadlines.add(deadline, task)
        task.wait(request, deadline)

    def _find(self, step: int) -> Task:
        if step not in self._tasks:
            raise Refused(f"no call and no program of step {step} was started here")
        return self._tasks[step]

    def _enter(self, task: Task) -> None:
        known = self._tasks.get(task.step)
        if known and not known.ended:
            raise Refused(f"what step {task.step} started has not ended")
        self._tasks[task.step] = task


def main() -> None:
    """Take over standard input and output, so that nothing else writes there, and serve."""
    source, sink = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    threading.stack_size(STACK)
    sys.setswitchinterval(0.0005)
    wake, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(waker)  # a signal may be taken by any thread, but is handled by this one
    agent = Agent(Wire(source, sink, wake))

    def leave(*_: object) -> None:
        agent.end()
        os._exit(0)

    def stay(*_: object) -> None:  # ignoring a signal would be inherited by programs
        pass

    # Where programs are this process's own user, they may signal it, and only its house may end it.
    signal.signal(signal.SIGTERM, leave if is_mapped(USER) else stay)
    signal.signal(signal.SIGINT, stay)  # Ctrl-C is the lab's
    try:
        agent.serve()
    except (OSError, TypeError, ValueError) as error:
        sys.stderr.write(f"agent: {error}\n")
    while agent.stays:
        select.select([wake], [], [])
        os.read(wake, 64)
    leave()
