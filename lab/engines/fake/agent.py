"""The agent's protocol spoken for a fake host: the same requests, answers and events, made of the fake kernel's state.

Socket calls are performed and recorded by the agent's own code (`lab.agent.sockets`), which is given the fake's
`socket` and `time` modules instead of Python's.
"""

import importlib.util
import json
import platform
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab.agent.tasks import Task
from lab.agent.wire import Refused, text64
from lab.engines.fake.firewall import Refusal, Unknown
from lab.engines.fake.host import Host
from lab.engines.fake.process import Beyond, Process, Unmodelled
from lab.engines.fake.program import Program, prepare
from lab.engines.fake.stdlib import clock, socket_module
from lab.engines.fake.tables import Watcher, tables
from lab.engines.fake.views import view
from lab.engines.fake.world import SECOND

USER = 1000
FOREVER = float("inf")
TCP = ("ActiveOpens", "PassiveOpens", "AttemptFails", "EstabResets", "InSegs", "OutSegs", "RetransSegs", "OutRsts")
TCP_EXT = ("ListenOverflows", "ListenDrops", "TCPAbortOnData")


class Pipe:
    """The agent's side of the pipe, with the methods of `lab.agent.wire.Wire`: a message becomes a line."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write

    def send(self, *messages: Mapping[str, Any]) -> None:
        """Write objects, all at once."""
        self._write(b"".join(json.dumps(message, separators=(",", ":")).encode() + b"\n" for message in messages))

    def event(self, event: str, **fields: Any) -> None:
        """Tell what was seen."""
        self.send({"event": event, **fields})

    def answer(self, request: int, result: Mapping[str, Any]) -> None:
        """Answer a request."""
        self.send({"id": request, "result": result})

    def refuse(self, request: int, words: str) -> None:
        """Answer a request with the reason why it was not done."""
        self.send({"id": request, "error": words})


class Agent:
    """All that a fake host does and sees. Requests are handled one after the other, with the world's lock held."""

    def __init__(
        self, host: Host, names: Mapping[str, Sequence[str]], write: Callable[[bytes], None], trusted: bool
    ) -> None:
        self.host, self.world, self.names, self.trusted = host, host.world, names, trusted
        self.wire: Any = Pipe(write)
        self._process = Process(host, names)
        self._calls = _agent_sockets(self._process)
        self._sockets = self._calls.Sockets()
        self._tasks: dict[int, Task] = {}
        self._pid = 100
        self._since = 0
        self._watcher = Watcher(host, self.wire)
        self._tasked: dict[str, Callable[..., None]] = {"call": self._call, "join": self._join}
        self._verbs: dict[str, Callable[..., dict[str, Any]]] = {
            "hello": self._hello,
            "configure": self._configure,
            "drain": self._drain,
            "start": self._start,
            "stop": self._stop,
            "kill": self._kill,
            "sockets": self._read_sockets,
            "counters": self._counters,
            "firewall": self._firewall,
            "link": self._link,
            "sysctl": self._sysctl,
            "view": self._view,
        }

    def take(self, request: dict[str, Any]) -> None:
        """Do what is asked, and answer."""
        number, verb = request.pop("id"), request.pop("do")
        try:
            self._do(number, verb, request)
        except Refused as reason:
            if isinstance(reason, Beyond):
                self._unmodelled(reason)
            self.wire.refuse(number, str(reason))
        except Exception as error:
            self.wire.refuse(number, f"{type(error).__name__}: {error}")

    def _do(self, number: int, verb: str, fields: dict[str, Any]) -> None:
        if verb in self._tasked:
            self._tasked[verb](number, **fields)
        elif verb in self._verbs:
            self.wire.answer(number, self._verbs[verb](**fields))
        else:
            raise Refused(f"expected one of {', '.join(sorted([*self._verbs, *self._tasked]))}; observed {verb!r}")

    def _hello(self) -> dict[str, Any]:
        return {"kernel": "fake", "python": platform.python_version(), "machine": "fake", "strace": "fake", "uid": 0}

    def _configure(
        self, addresses: dict[str, str], routes: list[dict[str, str]], forbidden: Sequence[str] = ()
    ) -> dict[str, Any]:
        missing = addresses.keys() - {str(address) for device in self.host.devices for address in device.addresses}
        if missing:
            raise Refused(f"no interface has {', '.join(sorted(missing))}")
        self.host.configure(addresses, routes)
        self._since = self._since or self.world.now
        self.host.stir = self._watcher.look
        interfaces = [
            {
                "index": device.index,
                "device": device.name,
                "network": device.network,
                "mac": device.mac.hex(":"),
                "addresses": [str(address) for address in device.addresses],
            }
            for device in self.host.devices
        ]
        return {"interfaces": interfaces}

    def _drain(self) -> dict[str, Any]:
        if not self._since:
            raise Refused("the tap does not run yet: ask for `configure` first")
        self.world.run()
        frames = [[when, index, out, len(raw), text64(raw)] for when, index, out, raw in self.host.tap]
        self.host.tap.clear()
        if frames:
            self.wire.event("frames", frames=frames)
        self._watcher.look()
        since, self._since = self._since, self.world.now
        return {"from": since, "until": self._since, "seen": len(frames), "dropped": 0}

    def _call(self, request: int, step: int, call: dict[str, Any], pending: bool, timeout: float) -> None:
        task = self._enter(self._calls.Call(self.wire, step, call))
        task.wait(request, FOREVER)
        self.world.spawn(lambda: self._perform(task))
        self._run(task, None if pending else timeout)
        task.expire(FOREVER)
        self.host.stir()

    def _perform(self, task: Any) -> None:
        try:
            self._sockets.perform(task)
        except Unmodelled as problem:
            self._unmodelled(problem)
            task.refuse(str(problem))
        except Exception as error:
            task.refuse(f"{type(error).__name__}: {error}")
        self.host.stir()

    def _unmodelled(self, what: BaseException) -> None:
        self.wire.event("note", what="unmodelled", text=str(what), time=self.world.now, step=-1)

    def _start(
        self, step: int, argv: list[str], trace: bool, files: dict[str, str] | None = None, waits: bool = False
    ) -> dict[str, Any]:
        if waits:
            raise Beyond("the fake engine does not tell what a program waits with, or whom it starts")
        code, words = prepare(argv, files or {}, self.trusted)
        self._pid += 1
        process = Process(self.host, self.names, USER, self._pid, self._tracer(step) if trace else None)
        program = self._enter(Program(self.wire, step, process, code, words))
        process.actor = self.world.spawn(program.main)
        self.world.run()
        return {"pid": self._pid}

    def _join(self, request: int, step: int, timeout: float) -> None:
        task = self._find(step)
        task.wait(request, FOREVER)
        self._run(task, timeout)
        task.expire(FOREVER)

    def _stop(self, step: int, grace: float, because: str) -> dict[str, Any]:
        return self._signal(step, because, {signal.SIGTERM: grace, signal.SIGKILL: 1.0})

    def _kill(self, step: int, because: str) -> dict[str, Any]:
        return self._signal(step, because, {signal.SIGKILL: 1.0})

    def _signal(self, step: int, because: str, pauses: Mapping[int, float]) -> dict[str, Any]:
        """One signal after the other, each with a pause in which it may end."""
        program = self._find(step)
        if not isinstance(program, Program):
            raise Refused(f"step {step} is a call; only a program can be stopped")
        for number, pause in pauses.items():
            if not program.ended:
                program.because = because
                program.process.signal(number)
                self._run(program, pause)
        return {"ended": program.ended}

    def _read_sockets(self) -> dict[str, Any]:
        return {"time": self.world.now, "tables": {name: text64(data) for name, data in tables(self.host).items()}}

    def _view(self, step: int, tools: Sequence[str]) -> dict[str, Any]:
        return {"views": [view(self.host, name) for name in tools]}

    def _counters(self) -> dict[str, Any]:
        texts = {"snmp": _table("Tcp", TCP, self.host), "netstat": _table("TcpExt", TCP_EXT, self.host), "snmp6": ""}
        return {"time": self.world.now} | texts

    def _firewall(self, argv: list[str]) -> dict[str, Any]:
        if not argv or argv[0] not in ("iptables", "ip6tables"):
            raise Refused(f"expected iptables or ip6tables, observed {' '.join(argv)!r}")
        version = 4 if argv[0] == "iptables" else 6
        self.world.tick()
        try:
            self.host.firewalls[version].command(argv[1:])
        except Refusal as refusal:
            if isinstance(refusal, Unknown):
                self._unmodelled(refusal)
            return {"code": refusal.code, "output": f"{argv[0]}: {refusal}\n"}
        return {"code": 0, "output": ""}

    def _link(self, network: str, state: str) -> dict[str, Any]:
        try:
            self.host.link(network, {"up": True, "down": False}[state])
        except KeyError as error:
            known = ", ".join(device.network for device in self.host.devices[1:])
            raise Refused(f"expected one of {known} up or down, observed {network} {state}") from error
        return {}

    def _sysctl(self, key: str, value: str) -> dict[str, Any]:
        if key not in self.host.sysctls:
            raise Beyond(f"the fake engine does not model the setting {key}")
        if not value.isdigit():
            raise Refused(f"the kernel does not set {key} to {value!r}: Invalid argument")
        self.host.sysctls[key] = value
        return {}

    def _run(self, task: Task, timeout: float | None) -> None:
        deadline = None if timeout is None else self.world.now + round(timeout * SECOND)
        self.world.run(lambda: task.ended, deadline)

    def _enter(self, task: Any) -> Any:
        known = self._tasks.get(task.step)
        if known and not known.ended:
            raise Refused(f"what step {task.step} started has not ended")
        self._tasks[task.step] = task
        return task

    def _find(self, step: int) -> Task:
        if step not in self._tasks:
            raise Refused(f"no call and no program of step {step} was started here")
        return self._tasks[step]

    def _tracer(self, step: int) -> Callable[[str], None]:
        def tell(line: str) -> None:
            self.wire.event("trace", step=step, lines=[line], time=self.world.now)
            self.host.stir()

        return tell


def _agent_sockets(process: Process) -> Any:
    """The agent's module once more, with the fake's modules in place of Python's."""
    spec = importlib.util.find_spec("lab.agent.sockets")
    assert spec and spec.loader
    made: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    made.socket, made.time = socket_module(process), clock(process)
    return made


def _table(prefix: str, names: Sequence[str], host: Host) -> str:
    values = (str(host.counters[prefix + name]) for name in names)
    return f"{prefix}: {' '.join(names)}\n{prefix}: {' '.join(values)}\n"
