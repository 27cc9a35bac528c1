"""Source -> Scenario: everything that can be wrong with a file is found here, and raised at once.

A step is a template until its case and its hosts' addresses are known, so a scenario keeps the steps as they were
written; `steps_of` makes them for one case. Loading tries every case with sample addresses: what loads can be planned.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lab import model
from lab.addressing import address_names
from lab.calls import SocketCall, parse_call
from lab.checks import CHECKS
from lab.errors import Mark, Problem, ScenarioError, UsageError
from lab.mistakes import did_you_mean, problems_of
from lab.model import ACTIONS, TOOLS, Host, Network, ScenarioFile, Step
from lab.source import Path_, Source, read
from lab.template import expand, names_in

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = ROOT / "scenarios"
PROGRAMS = ROOT / "images" / "host" / "programs"
ONLY_CASE = "only"
SAMPLE_SUBNETS = tuple(f"192.168.{number}.0/24" for number in range(model.MAX_NETWORKS))


@dataclass(frozen=True)
class Case:
    """One setting of the scenario's parameters, and the networks and hosts that it asks for."""

    name: str
    parameters: Mapping[str, Any]
    networks: Mapping[str, Network]
    hosts: Mapping[str, Host]


@dataclass(frozen=True)
class Scenario:
    """A file that holds no mistake. `programs` are the sources of the programs beside it, by name."""

    name: str
    title: str
    guide: tuple[str, ...]
    lesson: str
    cases: tuple[Case, ...]
    source: Source
    programs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Numbered:
    """A step of one case: its number in the file, and its value."""

    number: int
    step: Step


def find(name: str) -> Path:
    """The file of a scenario, by its name or its path; UsageError with what was meant."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or "/" in name:
        return path
    found = SCENARIOS / f"{name}.yaml"
    if not found.is_file():
        raise UsageError(f"no scenario is named {name!r}" + did_you_mean(name, (item.stem for item in shipped())))
    return found


def shipped() -> list[Path]:
    """The files of the scenarios that come with the lab, by name."""
    return sorted(SCENARIOS.glob("*.yaml"))


def outline(path: Path) -> tuple[str, list[str]]:
    """A file's title and the names of its cases, without a look for mistakes."""
    value = read(path).value
    found = value if isinstance(value, dict) else {}
    cases = found.get("cases")
    return str(found.get("title", "")), list(cases) if isinstance(cases, dict) else []


def load(path: Path) -> Scenario:
    """The scenario in a file; ScenarioError with every mistake in it."""
    source = read(path)
    return _Loader(source, path).load()


def steps_of(scenario: Scenario, case: Case, addresses: Mapping[str, str]) -> tuple[Numbered, ...]:
    """The steps of a case, every name replaced. The scenario was loaded, so nothing here can be wrong."""
    names = case_names(case.parameters, addresses)
    return tuple(
        Numbered(number, Step.model_validate(expand(raw, names, _impossible)))
        for number, raw in enumerate(scenario.source.value["steps"])
        if in_case(raw, case.name)
    )


def in_case(raw_step: Mapping[str, Any], case: str) -> bool:
    """Whether a step as written belongs to a case."""
    only = raw_step.get("only", case)
    return case == only or (isinstance(only, list) and case in only) or only == []


def case_names(parameters: Mapping[str, Any], addresses: Mapping[str, str]) -> dict[str, Any]:
    """What `{...}` may name in a case's steps; the parameters may themselves name addresses."""
    return {**addresses, **expand(dict(parameters), addresses, lambda path, name: None)}


def _impossible(path: Path_, name: str) -> None:
    raise LookupError(f"{name} at {path} is unknown; was the scenario loaded?")


class _Loader:
    """Goes through one file and collects its problems."""

    def __init__(self, source: Source, path: Path) -> None:
        self.source = source
        self.path = path
        self.problems: list[Problem] = []

    def load(self) -> Scenario:
        raw = self.source.value
        if not isinstance(raw, dict):
            raise ScenarioError([self._problem((), "expected a mapping (title, networks, hosts, cases, steps)")])
        cases = raw.get("cases") or {ONLY_CASE: {}}
        named = {name: value or {} for name, value in cases.items()} if isinstance(cases, dict) else {ONLY_CASE: {}}
        heads = {name: self._head(raw, value if isinstance(value, dict) else {}) for name, value in named.items()}
        complete = {name: head for name, head in heads.items() if head is not None}
        if len(complete) == len(heads):
            self._whole(raw, named, complete)
        if self.problems:
            raise ScenarioError(self.problems)
        head = next(iter(complete.values()))
        return Scenario(
            name=self.path.stem,
            title=head.title,
            guide=head.guide,
            lesson=head.lesson,
            cases=tuple(self._case(name, named[name], head) for name, head in complete.items()),
            source=self.source,
            programs=self._programs_beside(),
        )

    def _head(self, raw: dict[str, Any], parameters: dict[str, Any]) -> ScenarioFile | None:
        """The file as a case sets it, without its steps' values, which need addresses. None where it is wrong."""
        shape = dict(raw)
        for key in ("networks", "hosts"):
            shape[key] = expand(raw.get(key), parameters, self._unknown((key,), parameters, "no parameter"))
        steps = raw.get("steps")
        if isinstance(steps, list):
            shape["steps"] = [{"host": "host"}] * len(steps)
        try:
            return ScenarioFile.model_validate(shape)
        except ValidationError as error:
            self.problems += problems_of(error, ScenarioFile, self.source, ())
        return None

    def _whole(self, raw: dict[str, Any], named: dict[str, Any], heads: dict[str, ScenarioFile]) -> None:
        for head in heads.values():
            self._sizes(head)
            self._hosts(head)
        if self.problems:
            return
        for number, step in enumerate(raw["steps"]):
            self._only(number, step, list(named))
        for name, head in heads.items():
            self._case_steps(self._case(name, named[name], head), raw["steps"], head)
        self._unused(named, names_in([raw["steps"], raw["hosts"], raw["networks"]]))

    def _case(self, name: str, parameters: dict[str, Any], head: ScenarioFile) -> Case:
        networks = {network: value or Network() for network, value in head.networks.items()}
        return Case(name, parameters, networks, head.hosts)

    def _sizes(self, head: ScenarioFile) -> None:
        for key, most in (("hosts", model.MAX_HOSTS), ("networks", model.MAX_NETWORKS), ("steps", model.MAX_STEPS)):
            if len(getattr(head, key)) > most:
                self._add((key,), f"expected at most {most} {key}, observed {len(getattr(head, key))}")

    def _hosts(self, head: ScenarioFile) -> None:
        if not head.hosts:
            self._add(("hosts",), "expected at least one host")
        for name, host in head.hosts.items():
            for index, network in enumerate(host.networks):
                path: Path_ = ("hosts", name, "networks", index)
                if network not in head.networks:
                    self._add(path, f"no network is named {network!r}" + did_you_mean(network, head.networks))
                if network in host.networks[:index]:
                    self._add(path, f"expected each network once, observed {network!r} again")
            if host.router and len(host.networks) < 2:
                self._add(("hosts", name, "router"), "expected a router to have two networks or more")
        if "lo" in head.networks:
            self._add(("networks", "lo"), "expected another name: lo is the loopback interface")

    def _unused(self, named: dict[str, Any], used: set[str]) -> None:
        for case, parameters in named.items():
            for name in parameters:
                if name not in used:
                    words = f"the parameter {name!r} is used nowhere" + did_you_mean(name, used)
                    self._add(("cases", case, name), words)

    def _only(self, number: int, raw: Any, cases: list[str]) -> None:
        only = raw.get("only", []) if isinstance(raw, dict) else []
        for index, name in enumerate(only if isinstance(only, list) else [only]):
            if name not in cases:
                self._add(
                    ("steps", number, "only", index), f"no case is named {name!r}" + did_you_mean(str(name), cases)
                )

    def _case_steps(self, case: Case, raw_steps: list[Any], head: ScenarioFile) -> None:
        samples = address_names(case.networks, case.hosts, SAMPLE_SUBNETS[: len(case.networks)])
        for name, value in case.parameters.items():
            path: Path_ = ("cases", case.name, name)
            if name in case.hosts:
                self._add(path, f"expected a parameter with a name of its own, observed the host's name {name!r}")
            expand(value, samples, self._unknown(path, samples, "no host's address"))
        names = case_names(case.parameters, samples)
        unknown = f"in case {case.name!r} no parameter and no host's address"
        steps = []
        for number, raw in enumerate(raw_steps):
            if not isinstance(raw, dict):
                self._add(("steps", number), "expected a step: a mapping with the key 'host'")
            elif in_case(raw, case.name):
                step = self._step(number, expand(raw, names, self._unknown(("steps", number), names, unknown)))
                if step is not None:
                    steps.append(Numbered(number, step))
        _Rules(self, head, steps, self.path).hold()

    def _unknown(self, base: Path_, known: Mapping[str, Any], words: str) -> Any:
        def tell(path: Path_, name: str) -> None:
            self._add((*base, *path), f"{words} is named {name!r}{did_you_mean(name, known)}; a brace itself is {{{{")

        return tell

    def _step(self, number: int, value: dict[str, Any]) -> Step | None:
        try:
            step = Step.model_validate(value)
        except ValidationError as error:
            self.problems += problems_of(error, Step, self.source, ("steps", number))
            return None
        given = [name for name in ACTIONS if getattr(step, name) is not None]
        if len(given) > 1 or (not given and not step.expect):
            message = f"expected one of {', '.join(ACTIONS)}, or expect alone; observed {' and '.join(given) or 'none'}"
            self._add(("steps", number), message)
            return None
        return step

    def _programs_beside(self) -> dict[str, str]:
        folder = self.path.parent / "programs"
        return {item.stem: item.read_text("utf-8") for item in sorted(folder.glob("*.py"))} if folder.is_dir() else {}

    def _problem(self, path: Path_, message: str) -> Problem:
        return Problem(self.source.mark(path), message)

    def _add(self, path: Path_, message: str) -> None:
        self.problems.append(self._problem(path, message))


class _Rules:
    """What must hold between the steps of one case: names known before they are used, pending steps waited for, checks
    that fit what they judge."""

    def __init__(self, loader: _Loader, head: ScenarioFile, steps: list[Numbered], path: Path) -> None:
        self.loader = loader
        self.head = head
        self.steps = steps
        self.programs = program_names(path.parent)
        self.sockets: dict[str, set[str]] = {name: set() for name in head.hosts}
        self.pending: dict[str, Numbered] = {}
        self.joined: set[str] = set()
        self.started: set[tuple[str, str]] = set()

    def hold(self) -> None:
        for item in self.steps:
            if item.step.host not in self.head.hosts:
                self._add(
                    item,
                    ("host",),
                    f"no host is named {item.step.host!r}" + did_you_mean(item.step.host, self.head.hosts),
                )
                continue
            getattr(self, f"_{item.step.action}")(item)
            self._as(item)
            self._expectations(item)
        for name, item in self.pending.items():
            if name not in self.joined:
                self._add(
                    item,
                    ("as",),
                    f"expected a later step with wait: {name}; a pending step never joined proves nothing",
                )

    def _start(self, item: Numbered) -> None:
        argv = item.step.start or item.step.run or ()
        key = "start" if item.step.start is not None else "run"
        if not argv:
            self._add(item, (key,), "expected a program and its arguments, observed an empty list")
            return
        program = str(argv[0])
        if program not in self.programs and program not in TOOLS:
            self._add(
                item, (key, 0), f"no program is named {program!r}" + did_you_mean(program, (*self.programs, *TOOLS))
            )
        if key == "start":
            self.started |= {(item.step.host, program), (item.step.host, item.step.as_ or program)}

    _run = _start

    def _stop(self, item: Numbered) -> None:
        name = item.step.stop or ""
        if (item.step.host, name) not in self.started:
            known = [program for host, program in self.started if host == item.step.host]
            self._add(
                item, ("stop",), f"no program {name!r} was started on {item.step.host}" + did_you_mean(name, known)
            )

    def _call(self, item: Numbered) -> None:
        call: SocketCall = parse_call(item.step.call or "")
        known = self.sockets[item.step.host]
        if call.receiver and call.receiver not in known:
            words = f"no socket is named {call.receiver!r} on {item.step.host} yet"
            self._add(item, ("call",), words + did_you_mean(call.receiver, known))
        if call.targets and call.method in ("socket", "accept"):
            known.add(call.targets[0])

    def _wait(self, item: Numbered) -> None:
        name = item.step.wait or ""
        if name[:1].isdigit():
            try:
                model.seconds(name)
            except ValueError as error:
                self._add(item, ("wait",), str(error))
        elif name not in self.pending:
            self._add(
                item, ("wait",), f"no pending step is named {name!r} before this one" + did_you_mean(name, self.pending)
            )
        elif self.pending[name].step.host != item.step.host:
            self._add(item, ("host",), f"expected the host of the pending step, {self.pending[name].step.host!r}")
        else:
            self.joined.add(name)

    def _firewall(self, item: Numbered) -> None:
        """Its form was checked by the model; what the kernel thinks of it shows when it is set."""

    def _link(self, item: Numbered) -> None:
        for network in item.step.link or {}:
            self._interface(item, ("link", network), network, item.step.host)

    def _observe(self, item: Numbered) -> None:
        """Nothing but expectations."""

    def _as(self, item: Numbered) -> None:
        step = item.step
        if step.as_ is None:
            return
        if step.action not in ("call", "run", "start"):
            self._add(item, ("as",), f"expected `as` with call, run or start; a {step.action} is never pending")
        if step.as_ in self.pending or any(step.as_ == name for _, name in self.started if step.action != "start"):
            self._add(item, ("as",), f"expected a name of its own, observed {step.as_!r} again")
        if step.action in ("call", "run"):
            self.pending[step.as_] = item
            if step.expect:
                self._add(item, ("expect",), f"expected this at `wait: {step.as_}`: the step is pending until then")

    def _expectations(self, item: Numbered) -> None:
        step = item.step
        action = "start" if step.action == "stop" else step.action
        if action == "wait":
            action = self.pending[step.wait].step.action if step.wait in self.pending else "observe"
        for index, expectation in enumerate(step.expect):
            path: Path_ = ("expect", index)
            checks = expectation.checks()
            if not checks:
                self._add(item, path, f"expected a check ({', '.join(CHECKS)}), observed none: nothing to check")
            if expectation.on and expectation.on not in self.head.hosts:
                message = f"no host is named {expectation.on!r}" + did_you_mean(expectation.on, self.head.hosts)
                self._add(item, (*path, "on"), message)
                continue
            for name in checks:
                fits = CHECKS[name].actions
                if fits and action not in fits:
                    words = f"expected `{name}` after {' or '.join(sorted(fits))}, observed it after {action}"
                    self._add(item, (*path, name), words)
            for network in expectation.interface or ():
                self._interface(item, (*path, "interface"), network, expectation.on or step.host, "lo")

    def _interface(self, item: Numbered, path: Path_, name: str, host: str, *more: str) -> None:
        known = (*self.head.hosts[host].networks, *more)
        if name not in known:
            self._add(item, path, f"{host} has no interface on {name!r}" + did_you_mean(name, known))

    def _add(self, item: Numbered, path: Path_, message: str) -> None:
        self.loader.problems.append(Problem(place(self.loader.source, item.number, *path), message))


def program_names(folder: Path) -> dict[str, Path]:
    """The programs that a scenario in this folder may start: the lab's own, and those in `programs/` beside it."""
    own = {item.stem: item for item in sorted(PROGRAMS.glob("*.py"))}
    return own | {item.stem: item for item in sorted((folder / "programs").glob("*.py"))}


def place(source: Source, number: int, *path: str | int) -> Mark:
    """Where a part of a step stands in the file, whether or not a list is written around one expectation."""
    raw = source.value["steps"][number]
    if path[:1] == ("expect",) and isinstance(raw.get("expect"), dict):
        path = ("expect", *path[2:])
    return source.mark(("steps", number, *path))
