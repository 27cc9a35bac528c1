"""The fake engine's verbs: hosts made of objects, pipes made of queues, gone when their block ends."""

import json
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address, ip_network
from itertools import count

from lab.engines.base import Capabilities, Leftover, Progress
from lab.engines.fake.agent import Agent
from lab.engines.fake.host import Device, Host, Softirq, Wire
from lab.engines.fake.world import SECOND, World
from lab.errors import EngineError, MissingCapability, PoolExhausted, SubnetTaken
from lab.i18n import _
from lab.model import TOOLS
from lab.plan import Plan, PlannedHost
from lab.remote import Remote

SYSCTLS = (
    "net.core.somaxconn",
    "net.ipv4.ip_forward",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_nonlocal_bind",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_retries2",
    "net.ipv4.tcp_syn_linear_timeouts",
    "net.ipv4.tcp_syn_retries",
)
HAS = frozenset(
    {"capture", "firewall", "ipv6", "link", "router", "sysctl", "trace", *(f"sysctl:{key}" for key in SYSCTLS)}
)
LACKS = {
    "impair": "the fake engine's links are good: it models none that loses or holds packets",
    "dns": "the fake engine has no UDP, and so no name server",
    "together": "the fake engine does one thing at a time",
    "udp": "the fake engine models TCP only",
    **{f"tool:{name}": f"the fake engine has no {name}" for name in TOOLS},
    "own-programs": "the fake engine runs the lab's own programs only",
}


class FakeChannel:
    """A pipe to a fake agent, which does what is written to it before `write` returns."""

    def __init__(self) -> None:
        self.agent: Agent | None = None
        self._changed = threading.Condition()
        self._out = bytearray()
        self._closed = False
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        """What came, at most so many bytes; empty at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._out or self._closed)
            data = bytes(self._out[:size])
            del self._out[:size]
            return data

    def write(self, data: bytes, /) -> None:
        """Requests, line by line."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if self._closed or self.agent is None:
                raise OSError("the host is gone")
            with self.agent.world.lock:
                self.agent.take(json.loads(line))

    def close(self) -> None:
        """End it; what was written before can still be read."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def emit(self, data: bytes) -> None:
        """The agent writes."""
        with self._changed:
            self._out += data
            self._changed.notify_all()


@dataclass
class FakeDeployment:
    """Hosts that are up, in one world."""

    world: World
    agents: Mapping[str, Remote]

    def enter(self, host: str) -> str:
        """There is no shell."""
        raise EngineError(f"{host} is a fake host without a shell; use the docker engine")

    def keep(self) -> None:
        """Nothing outlives this process."""
        raise EngineError("the fake engine's hosts live in this process and cannot be kept; use the docker engine")

    def now(self) -> int:
        """The virtual clock."""
        with self.world.lock:
            self.world.now += 1
            return self.world.now

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        with self.world.lock:
            self.world.run(lambda: False, self.world.now + round(seconds * SECOND))


class FakeEngine:
    """Networks and hosts in memory; needs nothing and waits for nothing.

    `start` is the virtual clock's first time (ns since the epoch; now, unless given). `trusted` lets a scenario's own
    programs run, which nothing confines in this process.
    """

    name = "fake"

    def __init__(self, start: int | None = None, trusted: bool = False) -> None:
        self._start, self._trusted = start, trusted
        self._lock = threading.Lock()
        self._held: dict[IPv4Network, str] = {}

    def capabilities(self) -> Capabilities:
        """What is modelled."""
        return Capabilities(HAS, LACKS, {"engine": "fake", "kernel": "none (a model)", "image": "none"})

    def prepare(self, run: str) -> None:
        """Nothing."""

    def subnets(self, sizes: Sequence[int], avoid: Collection[str] = ()) -> tuple[str, ...]:
        """Free subnets of the pool; PoolExhausted names who holds it."""
        from lab.engines import pool

        within = pool.pool()
        with self._lock:
            taken = [*self._held, *map(IPv4Network, avoid)]
            holders = [f"{net} by run {run}" for net, run in self._held.items() if net.overlaps(within)]
        try:
            return tuple(map(str, pool.choose(within, sizes, taken, 0)))
        except PoolExhausted as error:
            remedy = f"end those runs, or set {pool.VARIABLE}"
            raise PoolExhausted(f"{error}: {', '.join(holders) or 'it is too small'}; {remedy}") from error

    @contextmanager
    def deploy(self, plan: Plan, run: str, progress: Progress) -> Iterator[FakeDeployment]:
        """The plan's hosts, up; gone after the block."""
        for need in plan.needs:
            if need not in HAS:
                raise MissingCapability(LACKS.get(need, f"the fake engine does not model {need}"))
        subnets = [IPv4Network(network.subnet) for network in plan.networks]
        self._take(subnets, run)
        world = World(self._start if self._start is not None else time.time_ns())
        remotes: dict[str, Remote] = {}
        try:
            progress(_("starting {hosts}", hosts=", ".join(host.name for host in plan.hosts)))
            self._make(plan, world, remotes)
            yield FakeDeployment(world, remotes)
        finally:
            for remote in remotes.values():
                remote.close()
            with world.lock:
                world.stop()
            with self._lock:
                for subnet in subnets:
                    del self._held[subnet]

    def sweep(self, run: str | None = None) -> tuple[Leftover, ...]:
        """A dead process leaves nothing in memory."""
        return ()

    def leftovers(self) -> tuple[Leftover, ...]:
        """The networks of the deployments that are up."""
        with self._lock:
            return tuple(Leftover("network", str(net), run, alive=True) for net, run in self._held.items())

    def close(self) -> None:
        """There is no connection."""

    def _take(self, subnets: Sequence[IPv4Network], run: str) -> None:
        with self._lock:
            for index, subnet in enumerate(subnets):
                if any(subnet.overlaps(other) for other in (*self._held, *subnets[:index])):
                    raise SubnetTaken(str(subnet))
            self._held.update(dict.fromkeys(subnets, run))

    def _make(self, plan: Plan, world: World, remotes: dict[str, Remote]) -> None:
        softirq, macs = Softirq(world), count(1)
        wires = {network.name: Wire() for network in plan.networks}
        for planned in plan.hosts:
            host = Host(planned.name, world, softirq, planned.sysctls)
            _attach(host, plan, planned, wires, macs)
            channel = FakeChannel()
            names = _names(plan, planned)
            channel.agent = Agent(host, names, channel.emit, self._trusted)
            remotes[planned.name] = Remote(planned.name, channel)
            remotes[planned.name].hello()
            remotes[planned.name].configure(planned)


def _attach(host: Host, plan: Plan, planned: PlannedHost, wires: Mapping[str, Wire], macs: Iterator[int]) -> None:
    networks = {network.name: network for network in plan.networks}
    for index, item in enumerate(planned.interfaces):
        network = networks[item.network]
        texts = [text for text in (item.address, item.ipv6) if text]
        subnets = [ip_network(text) for text in (network.subnet, network.subnet6) if text]
        device = Device(
            host,
            index + 2,
            f"eth{index}",
            f"eth{index}",
            mac=bytes([2, 0, 0]) + next(macs).to_bytes(3, "big"),
            wire=wires[item.network],
            addresses=tuple(map(ip_address, texts)),
            subnets=tuple(subnets),
        )
        host.devices.append(device)
        wires[item.network].devices.append(device)


def _names(plan: Plan, planned: PlannedHost) -> dict[str, tuple[str, ...]]:
    """The host's /etc/hosts. IPv6 comes first where the host has it, as getaddrinfo sorts localhost."""
    own6 = any(item.ipv6 for item in planned.interfaces)
    return {**plan.names, "localhost": ("::1", "127.0.0.1") if own6 else ("127.0.0.1", "::1")}
