"""The other end of an agent's pipe: requests with deadlines, and the observations that come back.

An engine starts an agent as `bootstrap` says, and hands its pipe to a `Remote`. What is asked, and what the
observations mean, is for others; what the pipe carries is told in `lab.agent`.
"""

import json
import threading
from base64 import b64decode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from lab.calls import SocketCall
from lab.decode import packets, sockets, strace
from lab.errors import HostError, LabError
from lab.history import (
    Call,
    Counters,
    Exit,
    Fate,
    Note,
    Observation,
    Output,
    SocketRow,
    Sockets,
    SocketSeen,
    Tap,
    View,
    to_value,
)

if TYPE_CHECKING:
    from lab.plan import PlannedHost

ANSWER_TIME = 15.0
TURN = 1 << 20  # an agent knows the turns of a repeated step as steps of their own: this far from one to the next


class Channel(Protocol):
    """A pipe to an agent: both directions, no messages of anybody else in between."""

    def read(self, size: int, /) -> bytes:
        """What came, at most `size` bytes; empty at the end."""
        ...

    def write(self, data: bytes, /) -> object:
        """Send all of it; OSError where nobody reads any more."""
        ...

    def close(self) -> object:
        """End the agent's input, and so the agent."""
        ...


class Hello(Struct, frozen=True):
    """Where an agent runs; `strace` is its path or empty, `uid` the agent's own."""

    kernel: str
    python: str
    machine: str
    strace: str
    uid: int


class Device(Struct, frozen=True):
    """One of a host's interfaces; `network` is `lo` or a network's name."""

    index: int
    device: str
    network: str
    mac: str
    addresses: tuple[str, ...]


@dataclass
class _Trace:
    """What strace wrote of a step, and what it was read as, so far."""

    lines: list[str] = field(default_factory=list)
    read: int = 0
    observations: tuple[Observation, ...] = ()


class Remote:
    """One host's agent. Its methods raise HostError where it refuses, died, or does not answer in time."""

    def __init__(self, host: str, channel: Channel) -> None:
        self.host = host
        self._channel = channel
        self._lock = threading.Lock()
        self._askers: dict[int, SimpleQueue[dict[str, Any] | None]] = {}
        self._number = 0
        self._death = ""
        self._seen: list[Observation] = []
        self._told: dict[int, dict[str, Any]] = {}
        self._calls: dict[int, Call] = {}
        self._traces: dict[int, _Trace] = {}
        self._readings: list[dict[str, Any]] = []
        self._rows: dict[int, SocketRow] = {}
        self._networks: dict[int, str] = {1: "lo"}
        self._reader = threading.Thread(target=self._read, name=f"agent of {host}", daemon=True)
        self._reader.start()

    def hello(self) -> Hello:
        """Where the agent runs; the first answer proves that it does."""
        return Hello(**self.request("hello"))

    def configure(self, host: "PlannedHost", forbidden: Sequence[str] = ()) -> tuple[Device, ...]:
        """Set the host's routes, none of them to the `forbidden` addresses, and begin to tap its interfaces."""
        addresses = {
            address: item.network for item in host.interfaces for address in (item.address, item.ipv6) if address
        }
        routes = [{"to": route.to, "via": route.via} for route in host.routes]
        fields = {"addresses": addresses, "routes": routes, "forbidden": list(forbidden)}
        if host.nameserver:
            fields["nameserver"] = host.nameserver
        raw = self.request("configure", **fields)["interfaces"]
        devices = tuple(Device(**{**item, "addresses": tuple(item["addresses"])}) for item in raw)
        self._networks.update({device.index: device.network for device in devices})
        return devices

    def drain(self) -> Tap:
        """Take all packets up to now, and what changed in the socket table; the proof that the tap was awake until
        now."""
        result = self.request("drain")
        tap = Tap(self.host, result["from"], result["until"], result["seen"], result["dropped"])
        self.keep(tap)
        return tap

    def call(self, step: int, call: SocketCall, pending: bool, timeout: float, turn: int = 0) -> bool:
        """Make the call. Whether it ended: a pending one is left once it sleeps in the kernel, any at its timeout."""
        plain = {
            "targets": call.targets,
            "receiver": call.receiver,
            "method": call.method,
            "arguments": call.arguments,
        }
        return self._ended("call", timeout, step=step + turn * TURN, call=plain, pending=pending, timeout=timeout)

    def start(
        self,
        step: int,
        argv: Sequence[str],
        trace: bool,
        files: Mapping[str, str] | None = None,
        waits: bool = False,
        turn: int = 0,
    ) -> int:
        """Start a program, `@NAME` being one of the files; its process id."""
        fields = {"argv": list(argv), "trace": trace, "files": dict(files or {}), "waits": waits}
        return int(self.request("start", step=step + turn * TURN, **fields)["pid"])

    def join(self, step: int, timeout: float, turn: int = 0) -> bool:
        """Wait for a pending call or a program; whether it ended, with all that it showed."""
        return self._ended("join", timeout, step=step + turn * TURN, timeout=timeout)

    def stop(self, step: int, grace: float, because: str, turn: int = 0) -> bool:
        """End a program; whether it did."""
        return self._ended("stop", grace, step=step + turn * TURN, grace=grace, because=because)

    def kill(self, step: int, because: str, turn: int = 0) -> bool:
        """End a program by a signal that it cannot handle; whether it did end."""
        return self._ended("kill", 0, step=step + turn * TURN, because=because)

    def sockets(self, step: int) -> Sockets:
        """The socket table now."""
        result = self.request("sockets")
        tables = {name: b64decode(data) for name, data in result["tables"].items()}
        return Sockets(self.host, result["time"], step, sockets.rows(tables))

    def views(self, step: int, tools: Sequence[str]) -> tuple[View, ...]:
        """What these tools print on the host now, side by side; names out of a step's `show`."""
        result = self.request("view", step=step, tools=list(tools))["views"]
        return tuple(View(self.host, step=step, **view | {"data": b64decode(view["data"])}) for view in result)

    def counters(self, step: int) -> Counters:
        """The kernel's counters now."""
        result = self.request("counters")
        values = sockets.counters(result["netstat"], result["snmp"], result["snmp6"])
        return Counters(self.host, result["time"], step, values)

    def firewall(self, argv: Sequence[str]) -> tuple[int, str]:
        """An iptables command's status, and what it said."""
        result = self.request("firewall", argv=list(argv))
        return result["code"], result["output"]

    def link(self, network: str, state: str) -> None:
        """Take the interface of a network `up` or `down`."""
        self.request("link", network=network, state=state)

    def sysctl(self, key: str, value: str) -> None:
        """Change a setting of the host's network; HostError says what the kernel has against it."""
        self.request("sysctl", key=key, value=value)

    def impairable(self) -> str:
        """Why this host's links cannot be impaired; empty where they can."""
        return str(self.request("impairable")["lacks"])

    def impair(self, network: str, direction: str, orders: Mapping[str, Any]) -> None:
        """Make a link worse, as `lab.impairments.orders` says it."""
        self.request("impair", network=network, direction=direction, orders=dict(orders))

    def repair(self, network: str) -> None:
        """Make a link as good as before."""
        self.request("repair", network=network)

    def stay(self) -> None:
        """Let the agent, and all that it runs, go on when its pipe ends."""
        self.request("stay")

    def keep(self, observation: Observation) -> None:
        """Make an observation part of what was seen."""
        with self._lock:
            self._seen.append(observation)

    def observations(self) -> list[Observation]:
        """All that was seen so far, pending calls included; the order is the caller's to make."""
        with self._lock:
            traced = [seen for step, trace in self._traces.items() for seen in self._decoded(step, trace)]
            self._calls |= {step: self._call(message) for step, message in self._told.items()}
            self._told.clear()
            self._seen += [seen for reading in self._readings for seen in self._changes(**reading)]
            self._readings.clear()
            return [*self._seen, *self._calls.values(), *traced]

    def close(self) -> None:
        """End the agent and with it all that it runs."""
        self._channel.close()
        if self._reader is not threading.current_thread():
            self._reader.join(5)

    def request(self, do: str, patience: float = ANSWER_TIME, /, **fields: Any) -> dict[str, Any]:
        """Ask the agent, and wait that many seconds for its answer."""
        answers: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        with self._lock:
            self._check(do)
            self._number += 1
            number = self._number
            self._askers[number] = answers
        try:
            self._channel.write(json.dumps({"id": number, "do": do, **fields}).encode() + b"\n")
        except (OSError, ValueError, LabError) as error:
            self._die(f"nobody reads its input any more ({error})")
        answer = None
        with suppress(Empty):
            answer = answers.get(timeout=patience)
        with self._lock:
            self._askers.pop(number, None)
        if answer is None:
            self._check(do)
            raise HostError(
                f"{self.host}: no answer to {do!r} within {patience:g} s; "
                "the machine may be overloaded: try again, or with a larger time scale"
            )
        if "error" in answer:
            raise HostError(f"{self.host}: {answer['error']}")
        return dict(answer["result"])

    def _ended(self, do: str, patience: float, /, **fields: Any) -> bool:
        return bool(self.request(do, patience + ANSWER_TIME, **fields)["ended"])

    def _check(self, do: str) -> None:
        if self._death:
            raise HostError(
                f"{self.host}: the agent ended before it answered {do!r}: {self._death}; "
                "was its host removed, or out of memory? Run it again"
            )

    def _die(self, reason: str) -> None:
        with self._lock:
            self._death = self._death or reason
            for asker in self._askers.values():
                asker.put(None)

    def _read(self) -> None:
        reason, rest = "its output ended", b""
        try:
            while data := self._channel.read(1 << 18):
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._take(json.loads(line))
        except (OSError, LabError) as error:
            reason = str(error)
        except Exception as error:  # whoever waits must hear of it
            reason = f"it wrote what is not the agent's protocol ({error!r})"
        self._die(reason)

    def _take(self, message: dict[str, Any]) -> None:
        kind = message.pop("event", None)
        with self._lock:
            if kind is None:
                if asker := self._askers.get(message["id"]):  # else: who asked did not wait for it
                    asker.put(message)
            elif kind == "call":
                self._told[message["step"]] = message  # read later: somebody waits for the answer behind it
            elif kind == "sockets":
                self._readings.append(message)  # read later, too
            elif kind == "trace":
                trace = self._traces.setdefault(message["step"], _Trace())
                trace.lines += message["lines"]
            else:
                self._seen += self._observed(kind, message)

    def _observed(self, kind: str, message: dict[str, Any]) -> Sequence[Observation]:
        if kind == "frames":
            return [self._packet(*frame) for frame in message["frames"]]
        if kind == "output":
            return [Output(self.host, **_turned(message) | {"data": b64decode(message["data"])})]
        if kind == "fate":
            return [self._fate(**message)]
        if kind == "exit":
            return [Exit(self.host, **_turned(message))]
        return [Note(self.host, **message | {"step": _turned(message)["step"]})]

    def _call(self, message: dict[str, Any]) -> Call:
        values = {name: to_value(value) for name, value in _turned(message).items()}
        ends = {name: tuple(values[name]) if values[name] else None for name in ("local", "remote")}
        return Call(self.host, **values | ends | {"arguments": tuple(values["arguments"])})

    def _changes(self, time: int, rows: Mapping[str, str], gone: Sequence[int]) -> list[SocketSeen]:
        changed = sockets.numbered({name: b64decode(data) for name, data in rows.items()})
        self._rows |= changed
        seen = [SocketSeen(self.host, time, number, row) for number, row in changed.items()]
        return seen + [SocketSeen(self.host, time, number, self._rows.pop(number), gone=True) for number in gone]

    def _packet(self, when: int, index: int, outgoing: bool, size: int, data: str) -> Observation:
        interface = self._networks.get(index, f"interface-{index}")
        frame = b64decode(data)
        return packets.decode(frame, host=self.host, time=when, interface=interface, outgoing=outgoing, size=size)

    def _fate(
        self, time: int, network: str, outgoing: bool, number: int, effects: Sequence[str], size: int, data: str
    ) -> Fate:
        packet = b64decode(data)
        frame = bytes(12) + (b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00") + packet
        fields: dict[str, Any] = {"host": self.host, "time": time, "interface": network, "outgoing": outgoing}
        return Fate(self.host, time, number, tuple(effects), packets.decode(frame, size=14 + size, **fields))

    def _decoded(self, number: int, trace: _Trace) -> tuple[Observation, ...]:
        """Decoded anew when lines were added: a call may end long after it began."""
        if trace.read < len(trace.lines):
            turn, step = divmod(number, TURN)
            calls, unread = strace.decode(trace.lines, host=self.host, step=step)
            calls = tuple(replace(call, turn=turn) for call in calls) if turn else calls
            latest = max((seen.time for seen in (*self._seen, *calls)), default=0)
            trace.observations = (*calls, *(Note(self.host, latest, "trace", step, line) for line in unread))
            trace.read = len(trace.lines)
        return trace.observations


def _turned(message: dict[str, Any]) -> dict[str, Any]:
    """The message of a turn as one of its step; what belongs to no step (-1) stays so."""
    turn, step = divmod(message["step"], TURN)
    return message | {"step": step, "turn": turn} if turn >= 0 else message
