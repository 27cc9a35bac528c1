"""Source -> Scenario: everything that can be wrong with a file is found here, and raised at once.

A step is a template until its case and its hosts' addresses are known, so a scenario keeps the steps as they were
written; `steps_of` makes them for one case. Loading tries every case with sample addresses: what loads can be planned.
What cannot be read is told once and then left out, so that it hides no other mistake and causes none.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field, structs

from lab import guide, model
from lab.addressing import address_names
from lab.errors import Problem, ScenarioError, did_you_mean
from lab.library import programs_of
from lab.mistakes import place, problems_of
from lab.model import ACTIONS, Host, Network, ScenarioFile, Step, Together
from lab.rules import Numbered, Rules
from lab.shape import fit, made
from lab.source import Path_, Source, read
from lab.template import expand, names_in, steps_in
from lab.translation import translated

ONLY_CASE = "only"
RESERVED = {"lo": "the loopback interface", "unused": "an address that no host has", "localhost": "every host itself"}
FIELDS = {*Step.__struct_encode_fields__}
SAMPLE_SUBNETS = tuple(f"192.168.{number}.0/24" for number in range(model.MAX_NETWORKS))


class Case(Struct, frozen=True):
    """One setting of the scenario's parameters, and the networks and hosts that it asks for."""

    name: str
    parameters: Mapping[str, Any]
    networks: Mapping[str, Network]
    hosts: Mapping[str, Host]


class Scenario(Struct, frozen=True):
    """A file that holds no mistake. `programs` are the sources of the programs beside it, by name."""

    name: str
    title: str
    guide: tuple[str, ...]
    lesson: str
    cases: tuple[Case, ...]
    source: Source
    programs: Mapping[str, str] = field(default_factory=dict)


def load(path: Path) -> Scenario:
    """The scenario in a file, in the language that is spoken; ScenarioError with every mistake in it."""
    return scenario_of(translated(read(path), path), path)


def load_all(paths: Iterable[Path]) -> list[Scenario]:
    """The scenarios in some files; ScenarioError with every mistake in all of them."""
    scenarios: list[Scenario] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            scenarios.append(load(path))
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(problems)
    return scenarios


def scenario_of(source: Source, path: Path) -> Scenario:
    """The scenario in a source that stands, or could stand, at the path; ScenarioError with every mistake in it."""
    return _Loader(source, path).load()


def steps_of(scenario: Scenario, case: Case, addresses: Mapping[str, str]) -> tuple[Numbered, ...]:
    """The steps of a case, every name replaced. The scenario was loaded, so nothing here can be wrong."""
    names = case_names(case.parameters, addresses)
    return tuple(
        Numbered(number, made(Step, expand(raw, names, _impossible)), path, group)
        for number, (raw, path, group) in enumerate(steps_in(scenario.source.value["steps"]))
        if in_case(raw, case.name)
    )


def in_case(raw_step: Mapping[str, Any], case: str) -> bool:
    """Whether a step as written belongs to a case."""
    only = raw_step.get("only", case)
    return case == only or (isinstance(only, list) and case in only) or only == []


def case_names(parameters: Mapping[str, Any], addresses: Mapping[str, str]) -> dict[str, Any]:
    """What `{...}` may name in a case's steps; the parameters may themselves name addresses."""
    return {**addresses, **{name: expand(value, addresses, _left) for name, value in parameters.items()}}


def _impossible(path: Path_, name: str) -> None:
    raise LookupError(f"{name} at {path} is unknown; was the scenario loaded?")


def _left(path: Path_, name: str) -> None:
    """It was told before."""


class _Loader:
    """Goes through one file and collects its problems."""

    def __init__(self, source: Source, path: Path) -> None:
        self.source = source
        self.path = path
        self.problems: list[Problem] = []
        self.unquoted: list[Problem] = []
        self.refused: dict[tuple[Path_, str], list[tuple[str, Mapping[str, Any]]]] = {}
        self.raw: dict[str, Any] = source.value if isinstance(source.value, dict) else {}
        self.parameters = self._cases()

    def load(self) -> Scenario:
        if not isinstance(self.source.value, dict):
            self._add((), "expected a mapping with title, networks, hosts, cases and steps")
            raise ScenarioError(self.problems)
        self.raw = {key: self._quoted(value, self._names(), (key,)) for key, value in self.raw.items()}
        self.parameters = self._cases()
        heads = {name: self._head(name) for name in self.parameters or [ONLY_CASE]}
        self._guide(next(iter(heads.values())).guide)
        cases = tuple(self._case(name, head) for name, head in heads.items())
        steps = self.raw.get("steps")
        if isinstance(steps, list):
            self._groups(steps)
            if self._small(cases, steps):
                self._look_closely(cases, steps)
        programs = self._programs_beside()
        if problems := self._sifted():
            raise ScenarioError(problems)
        head = next(iter(heads.values()))
        return Scenario(self.path.stem, head.title, head.guide, head.lesson, cases, self.source, programs)

    def _cases(self) -> dict[str, dict[str, Any]]:
        """The cases' parameters; what is no case is told by the model."""
        cases = self.raw.get("cases") or {ONLY_CASE: {}}
        found = {name: value or {} for name, value in cases.items()} if isinstance(cases, dict) else {}
        if len(found) > model.MAX_CASES:
            self._add(("cases",), f"expected at most {model.MAX_CASES} cases, observed {len(found)}")
            return {}
        return {name: value for name, value in found.items() if isinstance(value, dict)}

    def _names(self) -> set[str]:
        """All that braces may name, in one case or another."""
        hosts, networks = (list(dict(_items(self.raw, key))) for key in ("hosts", "networks"))
        addresses = {f"{host}.{network}" for host in hosts for network in networks}
        parameters = {name for parameters in self.parameters.values() for name in parameters}
        return parameters | addresses | {f"{name}.ipv6" for name in addresses} | {f"{name}.unused" for name in networks}

    def _quoted(self, value: Any, names: Collection[str], path: Path_) -> Any:
        """The value with `{name}` for what YAML took for a mapping, since nobody quoted it."""
        if isinstance(value, list):
            return [self._quoted(item, names, (*path, index)) for index, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        name = next(iter(value), "")
        deep = len(path) > (2 if path[0] == "cases" else 1)
        if deep and len(value) == 1 and value[name] is None and name in names:
            words = f'expected text, observed a mapping; quote it: "{{{name}}}"'
            self.unquoted.append(Problem(self.source.mark(path), words))
            return f"{{{name}}}"
        return {key: self._quoted(item, names, (*path, key)) for key, item in value.items()}

    def _head(self, case: str) -> ScenarioFile:
        """The file as a case sets it, without its steps' values, which need addresses. What is wrong in it is told,
        and replaced by what causes no other mistake."""
        parameters = self.parameters.get(case, {})
        spots = {key: self.raw[key] for key in ("networks", "hosts") if key in self.raw}
        shape = self.raw | expand(spots, parameters, self._refuse((), case, parameters))
        head, misfits = fit(ScenarioFile, shape)
        self.problems += problems_of(misfits, self.source, (), case)
        if head:
            return head
        networks: dict[str, Network | None] = {
            name: fit(Network, value or {})[0] or Network(ipv6=True) for name, value in _items(shape, "networks")
        }
        anywhere = Host(networks=tuple(networks))
        hosts = {name: fit(Host, value)[0] or anywhere for name, value in _items(shape, "hosts")}
        return ScenarioFile(title="", networks=networks, hosts=hosts, steps=())

    def _guide(self, named: Sequence[str]) -> None:
        for index, name in enumerate(named):
            if name not in guide.names():
                path: Path_ = ("guide", index) if isinstance(self.raw["guide"], list) else ("guide",)
                self._add(path, f"the guide has no claim {name!r}{did_you_mean(name, guide.names())}")

    def _case(self, name: str, head: ScenarioFile) -> Case:
        networks = {network: value or Network() for network, value in head.networks.items()}
        return Case(name, self.parameters.get(name, {}), networks, head.hosts)

    def _small(self, cases: Sequence[Case], steps: list[Any]) -> bool:
        """Whether nothing is larger than a lab may be."""
        before = len(self.problems)
        sizes = [("steps", len(steps), model.MAX_STEPS, "")]
        for case in cases:
            sizes.append(("hosts", len(case.hosts), model.MAX_HOSTS, case.name))
            sizes.append(("networks", len(case.networks), model.MAX_NETWORKS, case.name))
        for key, size, most, name in sizes:
            if size > most:
                self._add((key,), f"expected at most {most} {key}, observed {size}", name)
        return len(self.problems) == before

    def _groups(self, steps: list[Any]) -> None:
        """What stands beside steps that begin at once."""
        for index, raw in enumerate(steps):
            if isinstance(raw, dict) and "together" in raw:
                inner = raw["together"]
                group = raw | {"together": [{"host": "host"}] * len(inner) if isinstance(inner, list) else inner}
                self.problems += problems_of(fit(Together, group)[1], self.source, ("steps", index))

    def _look_closely(self, cases: Sequence[Case], steps: list[Any]) -> None:
        for step, path, _ in steps_in(steps):
            if isinstance(step, dict):
                self._only(path, step)
            else:
                self._add(path, "expected a step: a mapping with the key 'host'")
        for case in cases:
            self._hosts(case)
            self._values(case)
            if case.hosts:
                self._steps(case, steps)
        self._unused()

    def _hosts(self, case: Case) -> None:
        if not case.hosts:
            self._add(("hosts",), "expected at least one host, observed none")
        for name, host in case.hosts.items():
            for index, network in enumerate(host.networks):
                path: Path_ = ("hosts", name, "networks", index)
                if network not in case.networks:
                    words = f"no network is named {network!r}" + did_you_mean(network, case.networks)
                    self._add(path, words, case.name)
                if network in host.networks[:index]:
                    self._add(path, f"expected each network once, observed {network!r} again", case.name)
            if host.nameserver and not self._is_near(host, case.hosts.get(host.nameserver)):
                words = f"expected a host on one of {name}'s networks, observed {host.nameserver!r}"
                near = [other for other, found in case.hosts.items() if self._is_near(host, found)]
                hint = did_you_mean(host.nameserver, near)
                self._add(("hosts", name, "nameserver"), words + hint, case.name)
            if host.router and len(host.networks) < 2:
                words = "expected a router to have two networks or more"
                self._add(("hosts", name, "router"), words, case.name)
        for key, found in (("networks", case.networks), ("hosts", case.hosts)):
            for name in found.keys() & RESERVED.keys():
                self._add((key, name), f"expected another name: {name} is {RESERVED[name]}", key=True)

    @staticmethod
    def _is_near(host: Host, other: Host | None) -> bool:
        return other is not None and bool(set(host.networks) & set(other.networks))

    def _values(self, case: Case) -> None:
        """Of the parameters."""
        addresses = self._addresses(case)
        for name, value in case.parameters.items():
            path: Path_ = ("cases", case.name, name)
            if name in case.hosts:
                words = f"expected a parameter with a name of its own, observed the host's name {name!r}"
                self._add(path, words, key=True)
            expand(value, addresses, self._refuse(path, case.name, addresses))

    def _unused(self) -> None:
        used = names_in([self.raw.get(key) for key in ("steps", "hosts", "networks")])
        told: set[str] = set()
        for case, parameters in self.parameters.items():
            named = {name for name in parameters if re.fullmatch(model.PARAMETER, name)}
            for name in sorted(named - used - told - dict(_items(self.raw, "hosts")).keys()):
                told.add(name)
                words = f"the parameter {name!r} is used nowhere" + did_you_mean(name, used)
                self._add(("cases", case, name), words, key=True)

    def _only(self, path: Path_, raw: dict[str, Any]) -> None:
        only = raw.get("only", [])
        for index, name in enumerate(only if isinstance(only, list) else [only]):
            if name not in list(self.parameters):
                words = f"no case is named {name or 'nothing'!r}" + did_you_mean(str(name), self.parameters)
                self._add((*path[:2], "only", index), words)

    def _addresses(self, case: Case) -> dict[str, str]:
        """Sample addresses; a host on a network that there is not may have one on each."""
        everywhere = tuple(case.networks)
        hosts = {
            name: host if set(host.networks) <= case.networks.keys() else structs.replace(host, networks=everywhere)
            for name, host in case.hosts.items()
        }
        return address_names(case.networks, hosts, SAMPLE_SUBNETS[: len(case.networks)])

    def _steps(self, case: Case, raw_steps: list[Any]) -> None:
        names = case_names(case.parameters, self._addresses(case))
        steps: list[Numbered] = []
        doubtful: set[str] = set()
        for number, (raw, path, group) in enumerate(steps_in(raw_steps)):
            if isinstance(raw, dict) and in_case(raw, case.name):
                value = expand(raw, names, self._refuse(path, case.name, names))
                step, whole = self._step(path, value, case.name)
                if step:
                    steps.append(Numbered(number, step, path, group))
                if not whole:
                    host = value.get("host")
                    doubtful |= {host} if host in list(case.hosts) else set(case.hosts)

        def tell(item: Numbered, path: Path_, message: str) -> None:
            self._add((*item.path, *path), message, case.name)

        Rules(case.hosts, programs_of(self.path.parent), doubtful, tell).hold(steps)

    def _step(self, path: Path_, value: dict[str, Any], case: str) -> tuple[Step | None, bool]:
        """The step, without what is wrong in it; None where nothing can be said of it. And whether it does all that it
        was meant to do."""
        step, misfits = fit(Step, value)
        wrong = {misfit.path[0] for misfit in misfits if misfit.path}
        if step is None:
            self.problems += problems_of(misfits, self.source, path, case)
            step = fit(Step, {key: item for key, item in value.items() if key not in wrong})[0]
            if step is None or wrong & {*ACTIONS, "as"} or (wrong - FIELDS and step.action == "observe"):
                return None, False
        given = [name for name in ACTIONS if getattr(step, name) is not None]
        if len(given) > 1 or not (given or step.expect or step.show or wrong & {"expect", "show"}):
            message = (
                f"expected one of {', '.join(ACTIONS)}, or expect or show alone; "
                f"observed {' and '.join(given) or 'none'}"
            )
            self._add(path, message)
            return None, False
        return step, True

    def _refuse(self, base: Path_, case: str, known: Mapping[str, Any]) -> Any:
        def refuse(path: Path_, name: str) -> None:
            self.refused.setdefault(((*base, *path), name), []).append((case, known))

        return refuse

    def _sifted(self) -> list[Problem]:
        """The problems without those that follow from a name not replaced at the same place, or that differ in no more
        than their hints. Where no case can be read, its names cannot be missed."""
        names = [Problem(place(self.source, path), self._words(path, name)) for path, name in self.refused]
        told = self.unquoted + (names if self.parameters else [])
        causes = {problem.mark for problem in self.unquoted + names}
        told += [problem for problem in self.problems if problem.mark not in causes]
        return list({(problem.mark, problem.message.split("; ")[0]): problem for problem in reversed(told)}.values())

    def _words(self, path: Path_, name: str) -> str:
        """Why a name could not be replaced, in all cases that have the place or in some."""
        found = self.refused[path, name]
        cases, known = [case for case, _ in found], found[0][1]
        if name in known:
            holds = "a long text" if isinstance(known[name], str) else "a list or a mapping"
            return f"expected a short text or a number to put in, observed {holds} in {name!r}"
        what = {"cases": "host's address", "steps": "parameter and no host's address"}.get(str(path[0]), "parameter")
        where = f" in case {', '.join(cases)}" if path[0] != "cases" and len(cases) < self._cases_at(path) else ""
        return f"no {what} is named {name!r}{where}{did_you_mean(name, known)}; a brace itself is {{{{"

    def _cases_at(self, path: Path_) -> int:
        """How many cases have what stands at the path."""
        if path[0] != "steps":
            return len(self.parameters)
        return sum(in_case(self.raw["steps"][path[1]], case) for case in self.parameters)

    def _programs_beside(self) -> dict[str, str]:
        programs = {}
        for item in sorted((self.path.parent / "programs").glob("*.py")):
            try:
                programs[item.stem] = item.read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                self._add((), f"expected a readable program in UTF-8, observed {item}: {error}")
        return programs

    def _add(self, path: Path_, message: str, case: str = "", key: bool = False) -> None:
        mark = self.source.key(path) if key else place(self.source, path, case)
        self.problems.append(Problem(mark, message))


def _items(shape: Mapping[str, Any], key: str) -> Iterable[tuple[str, Any]]:
    return shape[key].items() if isinstance(shape.get(key), dict) else ()
