"""Plans made by hand, and a host's agent as a test speaks to it: the contract leans on no scenario and no planner."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from itertools import count
from typing import TypeVar

from lab.calls import parse_call
from lab.engines.base import Deployment, Engine
from lab.errors import SubnetTaken
from lab.history import Call, Exit, Note, Observation, Output, Packet, SocketRow, Tap
from lab.plan import Interface, Plan, PlannedHost, PlannedNetwork, Route
from lab.remote import Remote

SYSCTLS = {"net.ipv4.icmp_ratelimit": "0", "net.ipv4.ip_forward": "0", "net.ipv4.tcp_syn_retries": "2"}
SYSCTLS |= {"net.ipv6.conf.lo.disable_ipv6": "0"}
PYTHON = ("python3", "-IuS", "-c")
T = TypeVar("T", bound=Observation)
_steps = count()
_ports = count(20001)


def port() -> int:
    """One that no other test uses."""
    return next(_ports)


def plan_of(networks: Sequence[PlannedNetwork], hosts: Sequence[PlannedHost], **more: object) -> Plan:
    """A plan of these, with the hosts' names."""
    names = {host.name: tuple(item.address for item in host.interfaces) for host in hosts}
    values = {"scenario": "contract", "file": "contract.yaml", "case": "only", "title": "Contract", "steps": ()}
    return Plan(networks=tuple(networks), hosts=tuple(hosts), names=names, **values | more)  # type: ignore[arg-type]


def host(name: str, *attached: tuple[PlannedNetwork, int], routes: Sequence[Route] = (), **sysctls: str) -> PlannedHost:
    """A host with the n-th address of each network."""
    interfaces = [
        Interface(
            network=network.name,
            address=str(ip_network(network.subnet)[number]),
            ipv6=str(ip_network(network.subnet6)[number]) if network.subnet6 else None,
        )
        for network, number in attached
    ]
    settings = SYSCTLS | {key.replace("__", "."): value for key, value in sysctls.items()}
    return PlannedHost(name=name, interfaces=tuple(interfaces), routes=tuple(routes), sysctls=settings)


def pair(subnets: Sequence[str], **more: object) -> Plan:
    """Two hosts on one network."""
    lan = PlannedNetwork(name="lan", subnet=subnets[0])
    return plan_of([lan], [host("one", (lan, 2)), host("two", (lan, 3))], **more)


def _routes(to: PlannedNetwork, by: Interface) -> list[Route]:
    assert to.subnet6 and by.ipv6
    return [Route(to=to.subnet, via=by.address), Route(to=to.subnet6, via=by.ipv6)]


def estate(subnets: Sequence[str]) -> Plan:
    """server and client on `lan`; west and east with a router between them (all with IPv6); loner by itself, who has
    `somaxconn` 2."""
    lan = PlannedNetwork(name="lan", subnet=subnets[0], subnet6="fd4c:6162:77:1::/64")
    left = PlannedNetwork(name="left", subnet=subnets[1], subnet6="fd4c:6162:77:2::/64", internal=False)
    right = PlannedNetwork(name="right", subnet=subnets[2], subnet6="fd4c:6162:77:3::/64", internal=False)
    apart = PlannedNetwork(name="apart", subnet=subnets[3])
    router = host("router", (left, 3), (right, 3), net__ipv4__ip_forward="1", net__ipv6__conf__all__forwarding="1")
    on_left, on_right = router.interfaces
    west = host("west", (left, 2), routes=_routes(right, on_left))
    east = host("east", (right, 2), routes=_routes(left, on_right))
    hosts = [host("server", (lan, 2)), host("client", (lan, 3)), west, router, east]
    return plan_of([lan, left, right, apart], [*hosts, host("loner", (apart, 2), net__core__somaxconn="2")])


@contextmanager
def deployed(
    engine: Engine, run: str, sizes: Sequence[int], make: Callable[[Sequence[str]], Plan]
) -> Iterator[tuple[Plan, Deployment]]:
    """A plan on subnets that are free, up; others may take them in between, so there is more than one try."""
    avoid: tuple[str, ...] = ()
    for _ in range(8):
        subnets = engine.subnets(sizes, avoid)
        avoid += subnets
        plan = make(subnets)
        with ExitStack() as stack:
            try:
                deployment = stack.enter_context(engine.deploy(plan, run, lambda text: None))
            except SubnetTaken:
                continue
            yield plan, deployment
            return
    raise SubnetTaken(", ".join(avoid))


@dataclass
class Hand:
    """One host's agent, with a step number for everything that is asked."""

    deployment: Deployment
    plan: Plan
    name: str

    @property
    def remote(self) -> Remote:
        return self.deployment.agents[self.name]

    @property
    def planned(self) -> PlannedHost:
        return next(item for item in self.plan.hosts if item.name == self.name)

    @property
    def address(self) -> str:
        return self.planned.interfaces[0].address

    def call(self, text: str, timeout: float = 10.0) -> Call:
        """The call, made to its end."""
        step = next(_steps)
        assert self.remote.call(step, parse_call(text), pending=False, timeout=timeout), f"{text} did not end"
        return self.only(Call, step)

    def pending(self, text: str) -> int:
        """The step of a call that was left asleep."""
        step = next(_steps)
        assert not self.remote.call(step, parse_call(text), pending=True, timeout=10.0), f"{text} did not sleep"
        return step

    def joined(self, step: int, timeout: float = 10.0) -> Call:
        """A pending call, at its end."""
        assert self.remote.join(step, timeout)
        return self.only(Call, step)

    def listen(self, number: int, backlog: int = 5, address: str = "", name: str = "s") -> None:
        """A listening socket of that name."""
        for text in (f"{name} = socket()", f"{name}.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)"):
            assert self.call(text).error is None
        assert self.call(f"{name}.bind(({address!r}, {number}))").error is None
        assert self.call(f"{name}.listen({backlog})").error is None

    def connect(self, address: str, number: int, name: str = "c", timeout: float | None = None) -> Call:
        """A new socket's attempt to connect."""
        self.call(f"{name} = socket()")
        if timeout is not None:
            self.call(f"{name}.settimeout({timeout})")
        return self.call(f"{name}.connect(({address!r}, {number}))", timeout=20.0)

    def start(self, *argv: str, trace: bool = False, files: dict[str, str] | None = None) -> int:
        """The step of a program that runs."""
        step = next(_steps)
        self.remote.start(step, argv, trace, files)
        return step

    def run(self, *argv: str, trace: bool = False) -> int:
        """The step of a program that has ended."""
        step = self.start(*argv, trace=trace)
        assert self.remote.join(step, 10.0)
        return step

    def output(self, step: int, stream: str = "stdout") -> bytes:
        """All that a program wrote."""
        return b"".join(item.data for item in self.seen(Output, step) if item.stream == stream)

    def seen(self, kind: type[T], step: int) -> list[T]:
        """The observations of a step."""
        return [it for it in self.remote.observations() if isinstance(it, kind) and getattr(it, "step", step) == step]

    def only(self, kind: type[T], step: int) -> T:
        """The one observation of its kind."""
        (found,) = self.seen(kind, step)
        return found

    def exit(self, step: int) -> Exit:
        """How a program ended."""
        return self.only(Exit, step)

    def notes(self, step: int, what: str) -> list[Note]:
        """The notes about a step."""
        return [note for note in self.seen(Note, step) if note.what == what]

    def packets(self, number: int) -> list[Packet]:
        """All TCP packets from or to a port, and the ICMP about them, in their order."""
        self.remote.drain()
        packets = [item for item in self.remote.observations() if isinstance(item, Packet)]
        return sorted((it for it in packets if number in _ports_of(it)), key=lambda it: it.time)

    def wire(self, number: int) -> list[str]:
        """The same, told briefly: `> SYN`."""
        return [f"{'>' if it.outgoing else '<'} {'-'.join(it.flags) or it.icmp}" for it in self.packets(number)]

    def tap(self) -> Tap:
        """The proof that the tap was awake since the last one."""
        return self.remote.drain()

    def rows(self, number: int, state: str | None = None) -> list[SocketRow]:
        """The socket table's lines with a port."""
        rows = self.remote.sockets(next(_steps)).rows
        return [row for row in rows if number in (row.local[1], row.remote[1]) and state in (None, row.state)]

    def counters(self) -> dict[str, int]:
        """The counters now."""
        return self.remote.counters(next(_steps)).values

    def firewall(self, rule: str) -> tuple[int, str]:
        """An iptables command."""
        return self.remote.firewall(rule.split())


def _ports_of(packet: Packet) -> tuple[int, ...]:
    return (packet.about[2], packet.about[4]) if packet.about else (packet.sport, packet.dport)
