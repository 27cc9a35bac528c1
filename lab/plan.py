"""Scenario + Case + subnets -> Plan: everything decided before anything is made. Pure and printable.

A plan knows no engine; an engine makes what the plan says. `lab plan NAME` prints one, `runs` saves it beside the
history, and `judge` needs nothing else of the scenario.
"""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from msgspec import structs, to_builtins

from lab.addressing import Interface, address_names, interfaces_of, subnet6
from lab.errors import UsageError, did_you_mean
from lab.library import PROGRAMS
from lab.mistakes import place
from lab.model import TALKING_TOOLS, TOOLS, Host, Model, Step
from lab.patterns import OF_NO_SOCKET, kinds, seconds
from lab.rules import Numbered
from lab.scenario import Case, Scenario, steps_of
from lab.source import Path_

PROGRAM_FOLDER = "/opt/lab/programs"
STEP_TIMEOUT = 10.0
BY_CALLS = frozenset({"connect", "calls", "interface", "packets", "ttl", "peer", "local", "within", "after"})
# What every host has unless it says otherwise. ICMP rate limits would turn the seventh refusal into silence; two SYN
# retries let ARP give up first, so that a missing host is "unreachable"; ::1 exists as 127.0.0.1 does.
SYSCTLS = {
    "net.ipv4.icmp_ratelimit": "0",
    "net.ipv4.ip_forward": "0",
    "net.ipv4.tcp_syn_retries": "2",
    "net.ipv6.conf.lo.disable_ipv6": "0",
}


class Route(Model, frozen=True):
    """Packets to `to` (a subnet) go to the router's address `via`."""

    to: str
    via: str


class PlannedNetwork(Model, frozen=True):
    """A segment and its subnets. `internal` is False where a router must forward on it (the engine's isolation would
    drop what it forwards)."""

    name: str
    subnet: str
    subnet6: str | None = None
    internal: bool = True


class PlannedHost(Model, frozen=True):
    """One host, complete: what the engine makes, and what the agent sets once it runs. `nameserver` is the address that
    is asked for names that are not in /etc/hosts."""

    name: str
    interfaces: tuple[Interface, ...]
    routes: tuple[Route, ...] = ()
    sysctls: dict[str, str] = {}
    nameserver: str | None = None


class PlannedStep(Model, frozen=True):
    """A step with all names resolved. `number` counts the file's steps from 0 (a case may skip some); `target` is the
    number of the step that `wait`, `stop` or `kill` names; `argv` what `start` or `run` executes; `trace` asks for its
    network calls, `waits` for those that belong to no socket too; steps of one `group` begin at once; `marks` gives the
    place (`file:line:column`) of the step (key "") and of each check ("0.connect": the first expectation's connect)."""

    number: int
    step: Step
    target: int | None = None
    argv: tuple[str, ...] = ()
    trace: bool = False
    waits: bool = False
    timeout: float = STEP_TIMEOUT
    group: int | None = None
    marks: dict[str, str] = {}

    @property
    def text(self) -> str:
        """The step in one line, as in `client: run echo-client 10.1.2.3 65432`."""
        step = self.step
        if step.action == "observe":
            return f"{step.host}: observe" if step.expect else f"{step.host}: show {', '.join(step.show)}"
        value = getattr(step, step.action)
        if step.impair:
            value = step.impair.text
        if isinstance(value, tuple):
            value = shlex.join(map(str, value))
        elif isinstance(value, dict):
            value = ", ".join(f"{network} {state}" for network, state in value.items())
        at_once = self.group is not None
        times = f"{step.repeat} {'at once' if at_once else 'times'}" if step.repeat else "at once" if at_once else ""
        more = f"as {step.as_}" if step.as_ else times
        return f"{step.host}: {step.action} {value}" + (f"  ({more})" if more else "")


class Plan(Model, frozen=True, kw_only=True):
    """One case, decided. `names` is every host's /etc/hosts; `needs` the capabilities it cannot do without; `programs`
    the sources of the scenario's own programs (name -> text); times are stretched by `time_scale`."""

    scenario: str
    file: str
    case: str
    title: str
    lesson: str = ""
    parameters: dict[str, Any] = {}
    networks: tuple[PlannedNetwork, ...]
    hosts: tuple[PlannedHost, ...]
    names: dict[str, tuple[str, ...]] = {}
    steps: tuple[PlannedStep, ...]
    needs: tuple[str, ...] = ()
    programs: dict[str, str] = {}
    time_scale: float = 1.0


def case_of(scenario: Scenario, name: str) -> Case:
    """The case of that name; UsageError with the one that was meant."""
    for case in scenario.cases:
        if case.name == name:
            return case
    names = [case.name for case in scenario.cases]
    raise UsageError(f"{scenario.name} has no case {name!r}" + did_you_mean(name, names))


def sizes(case: Case) -> tuple[int, ...]:
    """How many addresses each network must hold, one unused among them, in the networks' order: what to ask an
    engine's `subnets` for."""
    return tuple(1 + sum(name in host.networks for host in case.hosts.values()) for name in case.networks)


def make_plan(scenario: Scenario, case: Case, subnets: Sequence[str], time_scale: float = 1.0) -> Plan:
    """The case on these subnets (one a network, in order)."""
    networks = _networks(case, subnets)
    interfaces = interfaces_of(case.networks, case.hosts, subnets)
    steps = steps_of(scenario, case, address_names(case.networks, case.hosts, subnets))
    hosts = tuple(
        PlannedHost(
            name=name,
            interfaces=interfaces[name],
            routes=_routes(case, networks, interfaces, name) if host.routes == "auto" else (),
            sysctls=_sysctls(case, host),
            **_nameserver(host, interfaces),
        )
        for name, host in case.hosts.items()
    )
    return Plan(
        scenario=scenario.name,
        file=scenario.source.file,
        case=case.name,
        title=scenario.title,
        lesson=scenario.lesson,
        parameters=dict(case.parameters),
        networks=tuple(networks.values()),
        hosts=hosts,
        names=_names(interfaces),
        steps=_steps(scenario, steps, time_scale),
        needs=_needs(case, steps, scenario.programs),
        programs=dict(scenario.programs),
        time_scale=time_scale,
    )


def _networks(case: Case, subnets: Sequence[str]) -> dict[str, PlannedNetwork]:
    routed = {network for host in case.hosts.values() if host.router for network in host.networks}
    return {
        name: PlannedNetwork(
            name=name,
            subnet=subnet,
            subnet6=subnet6(subnet) if network.ipv6 else None,
            internal=name not in routed,
        )
        for (name, network), subnet in zip(case.networks.items(), subnets, strict=True)
    }


def _names(interfaces: Mapping[str, tuple[Interface, ...]]) -> dict[str, tuple[str, ...]]:
    """A host's name for all of its addresses, and `host.network` for those on one network."""
    names: dict[str, tuple[str, ...]] = {}
    for host, attached in interfaces.items():
        for item in attached:
            here = tuple(filter(None, (item.address, item.ipv6)))
            names[f"{host}.{item.network}"] = here
            names[host] = (*names.get(host, ()), *here)
    return names


def _routes(
    case: Case,
    networks: Mapping[str, PlannedNetwork],
    interfaces: Mapping[str, tuple[Interface, ...]],
    host: str,
) -> tuple[Route, ...]:
    """The shortest way over routers to each network that the host is not on; a router on the way is named by its
    address on a network that the host shares with it."""
    attached = set(case.hosts[host].networks)
    first: dict[str, tuple[str, str]] = {}  # network -> (router next to the host, network shared with it)
    frontier = sorted(attached)
    reached = set(attached)
    while frontier:
        network = frontier.pop(0)
        for name, router in case.hosts.items():
            if router.router and network in router.networks and name != host:
                for beyond in router.networks:
                    if beyond not in reached:
                        reached.add(beyond)
                        frontier.append(beyond)
                        first[beyond] = first.get(network, (name, network))
    routes = []
    for beyond, (neighbour, shared) in first.items():
        via = next(item for item in interfaces[neighbour] if item.network == shared)
        routes.append(Route(to=networks[beyond].subnet, via=via.address))
        to6 = networks[beyond].subnet6
        if to6 and via.ipv6:
            routes.append(Route(to=to6, via=via.ipv6))
    return tuple(routes)


def _nameserver(host: Host, interfaces: Mapping[str, tuple[Interface, ...]]) -> dict[str, str]:
    """Its address on the first network that the host shares with it."""
    if host.nameserver is None:
        return {}
    return {"nameserver": next(face.address for face in interfaces[host.nameserver] if face.network in host.networks)}


def _sysctls(case: Case, host: Host) -> dict[str, str]:
    values = dict(SYSCTLS)
    if host.router:
        values["net.ipv4.ip_forward"] = "1"
        if any(case.networks[name].ipv6 for name in host.networks):
            values["net.ipv6.conf.all.forwarding"] = "1"
    return values | {name: str(value) for name, value in host.sysctls.items()}


def _needs(case: Case, steps: Sequence[Numbered], beside: Mapping[str, str]) -> tuple[str, ...]:
    needs = {f"sysctl:{name}" for host in case.hosts.values() for name in host.sysctls}
    needs |= {f"sysctl:{name}" for item in steps for name in item.step.sysctl or {}}
    if any(network.ipv6 for network in case.networks.values()):
        needs.add("ipv6")
    if any(host.router for host in case.hosts.values()):
        needs.add("router")
    if any(item.group is not None for item in steps):
        needs.add("together")
    if any(host.nameserver for host in case.hosts.values()):
        needs.add("dns")
    if any(_is_traced(item.step, beside) for item in steps) and any(map(_asks_of_calls, steps)):
        needs.add("trace")
    words = {str(argv[0]) for item in steps if (argv := item.step.start or item.step.run)}
    needs |= {f"tool:{name}" for name in words & {*TOOLS}}
    needs |= {item.step.action for item in steps} & {"firewall", "impair", "link", "sysctl"}
    return tuple(sorted(needs))


def _is_traced(step: Step, beside: Mapping[str, str]) -> bool:
    return _argv(step.start or step.run or (), beside)[1]


def _asks_of_calls(item: Numbered) -> bool:
    """Whether a program's calls must be seen to judge the step."""
    asked = {name for expectation in item.step.expect for name in expectation.checks()}
    asked |= {spread.of for expectation in item.step.expect for spread in expectation.spread or ()}
    return item.step.call is None and bool(asked & BY_CALLS)


def _steps(scenario: Scenario, steps: Sequence[Numbered], time_scale: float) -> tuple[PlannedStep, ...]:
    named: dict[tuple[str, str], int] = {}
    planned = []
    for item in steps:
        number, step = item.number, item.step
        argv, trace = _argv(step.start or step.run or (), scenario.programs)
        timeout = seconds(step.timeout) if step.timeout else STEP_TIMEOUT
        target = step.stop or step.kill or step.wait or ""
        one = PlannedStep(
            number=number,
            step=step,
            target=named.get((step.host, target)),
            argv=argv,
            trace=trace,
            timeout=timeout * time_scale,
            marks=_marks(scenario, item.path, step),
        )
        planned.append(one if item.group is None else structs.replace(one, group=item.group))
        for name in (step.as_, str(step.start[0]) if step.start else None):
            if name:
                named[step.host, name] = number
    waiting = {item.number if item.target is None else item.target for item in planned if _asks_of_waits(item.step)}
    return tuple(structs.replace(item, waits=True) if item.number in waiting else item for item in planned)


def _asks_of_waits(step: Step) -> bool:
    """Whether the step expects calls of no socket. A loop may make many: who does not ask is spared them."""
    asked = (kinds(expectation.calls) for expectation in step.expect if expectation.calls)
    return any(names & OF_NO_SOCKET for names in asked)


def _argv(words: Sequence[str | int], beside: Mapping[str, str]) -> tuple[tuple[str, ...], bool]:
    """What is executed, and whether its calls are traced."""
    if not words:
        return (), False
    name, *rest = map(str, words)
    if name in beside:
        return ("python3", "-IuS", f"@{name}.py", *rest), True
    if (PROGRAMS / f"{name}.py").is_file():
        return ("python3", "-IuS", f"{PROGRAM_FOLDER}/{name}.py", *rest), True
    return (name, *rest), name in TALKING_TOOLS


def _marks(scenario: Scenario, path: Path_, step: Step) -> dict[str, str]:
    marks = {"": str(scenario.source.mark(path))}
    for index, expectation in enumerate(step.expect):
        for name in expectation.checks():
            marks[f"{index}.{name}"] = str(place(scenario.source, (*path, "expect", index, name)))
    return marks


def printed(plan: Plan) -> str:
    """The plan as YAML, without what is as always."""
    value = to_builtins(plan)
    for key in ("programs", "lesson", "time_scale"):
        value.pop(key, None)
    for step in value["steps"]:
        marks = step.pop("marks")
        step["mark"] = marks.pop("")
        if marks:
            step["marks"] = marks
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, explicit_start=True, width=110)
