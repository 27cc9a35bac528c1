"""Plan + Deployment -> History: the only loop that acts.

It does what each step says, through the host's agent, and waits for facts: a table is read again until it shows what
the step expects or the deadline has passed. What the facts mean is `judge`'s to say.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from itertools import groupby
from typing import Protocol

from lab.calls import parse_call
from lab.checks.base import Outcome
from lab.engines.base import Deployment
from lab.errors import HostError
from lab.history import Exit, History, Note, Observation
from lab.impairments import orders
from lab.iptables import firewall_rule
from lab.judge import StepReport, judge_step
from lab.patterns import seconds
from lab.plan import Plan, PlannedStep
from lab.remote import Remote

Waiting = Callable[[], AbstractContextManager[object]]
Enough = Callable[[StepReport], bool]

SETTLE_SECONDS = 2.0
POLL_SECONDS, SLOWEST_POLL_SECONDS = 0.002, 0.05
GRACE_SECONDS = 1.0
NAP_SECONDS = 0.25
# What may come true a moment after its cause; the rest is over when the step is, but for a program left running.
SETTLING = frozenset(
    {"listening", "packets", "sockets", "states", "counters", "impaired", "stdout", "stderr", "peer", "local"}
)


class Listener(Protocol):
    """Who is told of each step as it happens."""

    def step_begins(self, planned: PlannedStep) -> None: ...

    def step_ends(self, report: StepReport, history: History) -> None: ...


def never(_: StepReport) -> bool:
    """Nothing is enough: to the last step."""
    return False


class StepProblem(Exception):
    """A step could not be done; what follows it cannot be judged."""


def run(
    plan: Plan,
    deployment: Deployment,
    versions: Mapping[str, str],
    listener: Listener,
    waiting: Waiting = nullcontext,
    enough: Enough = never,
) -> History:
    """Every step in order, to the last one, to the first that could not be done (its problem is noted), or to the first
    that is `enough`. `waiting` is entered for each step: what lasts there is a wait for the hosts, or for what settles
    on them."""
    return _Run(plan, deployment, versions, waiting).whole(listener, enough)


class _Run:
    def __init__(self, plan: Plan, deployment: Deployment, versions: Mapping[str, str], waiting: Waiting) -> None:
        self.plan = plan
        self.deployment = deployment
        self.waiting = waiting
        self.agents = deployment.agents
        self.notes: list[Observation] = []
        for what, text in versions.items():
            self._note("", what, text=text)

    def whole(self, listener: Listener, enough: Enough) -> History:
        counted = self._hosts_with("counters")
        for host in counted:
            self.agents[host].keep(self.agents[host].counters(-1))
        for steps in self._groups():
            listener.step_begins(steps[0])
            done = self._step(steps[0]) if steps[0].group is None else self._together(steps)
            history = self.history()
            reports = []
            for planned in steps:
                if planned is not steps[0]:
                    listener.step_begins(planned)
                reports.append(judge_step(self.plan, history, planned))
                listener.step_ends(reports[-1], history)
            if not done or any(map(enough, reports)):
                break
        self._end_programs()
        self._take_the_rest()
        return self.history()

    def _groups(self) -> Iterator[list[PlannedStep]]:
        """The steps in their order: those that begin at once, or one alone."""
        for _, steps in groupby(self.plan.steps, key=lambda step: (step.group, step.group is None and step.number)):
            yield list(steps)

    def history(self) -> History:
        """All that was observed so far."""
        seen = [item for agent in self.agents.values() for item in agent.observations()]
        return History.of([*self.notes, *seen])

    def _step(self, planned: PlannedStep) -> bool:
        """Do it and look; False where it could not be done."""
        self._note(planned.step.host, "step-begin", planned.number)
        return self._tried(planned, ACTS[planned.step.action])

    def _looked(self, planned: PlannedStep) -> bool:
        return self._tried(planned, _Run._nothing)

    def _tried(self, planned: PlannedStep, act: "Act") -> bool:
        try:
            with self.waiting():
                act(self, planned)
                self._observe(planned)
            self._show(planned)
        except (StepProblem, HostError) as problem:
            self._note(planned.step.host, "problem", planned.number, str(problem))
            return False
        return True

    def _together(self, steps: list[PlannedStep]) -> bool:
        """Begin all of their turns at once, wait for all, and look; False where one could not be done."""
        for planned in steps:
            self._note(planned.step.host, "step-begin", planned.number)
        turns = [(planned, turn) for planned in steps for turn in range(planned.step.repeat or 1)]
        with self.waiting(), ThreadPoolExecutor(len(turns)) as pool:
            done = [pool.submit(self._turn, planned, turn) for planned, turn in turns]
        failed: set[int] = set()
        for (planned, _), one in zip(turns, done, strict=True):
            try:
                one.result()
            except (StepProblem, HostError) as problem:
                if planned.number not in failed:
                    self._note(planned.step.host, "problem", planned.number, str(problem))
                failed.add(planned.number)
        return not failed and all(self._looked(planned) for planned in steps)

    def _observe(self, planned: PlannedStep) -> None:
        """Read what the step's checks ask for, until they pass or the deadline for what settles has passed."""
        names = {name for expectation in planned.step.expect for name in expectation.checks()}
        started = planned.step.action == "start"
        settling = names if started else names & SETTLING
        starting = started or (planned.step.action == "observe" and "listening" in names)  # of a pending program
        limit = planned.timeout if starting else SETTLE_SECONDS * self.plan.time_scale
        deadline = self.deployment.now() + (int(limit * 1e9) if settling else 0)
        pause = POLL_SECONDS
        lookers = {expectation.on or planned.step.host for expectation in planned.step.expect}
        while True:
            self._drain(lookers and lookers | {planned.step.host})
            self._read_tables(planned)
            self._note(planned.step.host, "step-end", planned.number)
            if self.deployment.now() >= deadline or not (settling and self._unsettled(planned, settling)):
                return
            self.notes.pop()
            self.deployment.sleep(pause)
            pause = min(2 * pause, SLOWEST_POLL_SECONDS)

    def _show(self, planned: PlannedStep) -> None:
        """What the step's tools print, once it has ended: nothing of it is judged."""
        if planned.step.show:
            for view in self._agent(planned).views(planned.number, planned.step.show):
                self._agent(planned).keep(view)

    def _unsettled(self, planned: PlannedStep, settling: Collection[str]) -> bool:
        """Whether a check may still come to pass; what a program that has ended has not done, it will not do."""
        history = self.history()
        if any(ended.step == planned.number for ended in history.all(Exit)):
            settling = SETTLING - {"stdout", "stderr"}
        report = judge_step(self.plan, history, planned)
        return any(item.check in settling and item.verdict.outcome is not Outcome.PASS for item in report.judgements)

    def _drain(self, hosts: Iterable[str]) -> None:
        """Take what the hosts' taps hold; those on which nobody looks keep it for later."""
        for host in hosts:
            self.agents[host].drain()

    def _take_the_rest(self) -> None:
        """The packets that nobody asked for, also where a step could not be done: they may tell why. A host that is
        gone, though no step missed one, is a problem."""
        missed = any(isinstance(note, Note) and note.what == "problem" for note in self.notes)
        for host in self.agents:
            try:
                self._drain([host])
            except HostError as problem:
                if not missed:
                    self._note(host, "problem", text=str(problem).removeprefix(f"{host}: "))

    def _read_tables(self, planned: PlannedStep) -> None:
        """The last reading of a step is the one that is kept."""
        for expectation in planned.step.expect:
            agent = self.agents[expectation.on or planned.step.host]
            checks = expectation.checks()
            if checks.keys() & {"listening", "sockets"}:
                agent.keep(agent.sockets(planned.number))
            if "counters" in checks:
                agent.keep(agent.counters(planned.number))

    def _hosts_with(self, check: str) -> set[str]:
        return {
            expectation.on or planned.step.host
            for planned in self.plan.steps
            for expectation in planned.step.expect
            if check in expectation.checks()
        }

    def _end_programs(self) -> None:
        for planned in self.plan.steps:
            if planned.step.action == "start" and self._begun(planned.number):
                with suppress(HostError):
                    self.agents[planned.step.host].stop(planned.number, 0.0, "case-end")

    def _begun(self, number: int) -> bool:
        return any(isinstance(note, Note) and note.step == number for note in self.notes)

    def _note(self, host: str, what: str, step: int = -1, text: str = "") -> None:
        self.notes.append(Note(host, self.deployment.now(), what, step, text))

    def _agent(self, planned: PlannedStep) -> Remote:
        return self.agents[planned.step.host]

    def _start(self, planned: PlannedStep, turn: int = 0) -> None:
        self._agent(planned).start(
            planned.number, planned.argv, planned.trace, self._files(planned), planned.waits, turn
        )

    def _files(self, planned: PlannedStep) -> dict[str, str]:
        return {name: text for name, text in self.plan.programs.items() if f"@{name}.py" in planned.argv}

    def _run(self, planned: PlannedStep, turn: int) -> None:
        self._start(planned, turn)
        if planned.step.as_ is None:
            self._join(planned, planned.number, turn)

    def _turns(self, planned: PlannedStep) -> None:
        for turn in range(planned.step.repeat or 1):
            self._turn(planned, turn)

    def _turn(self, planned: PlannedStep, turn: int) -> None:
        """Do a call or run once; of a repeated one, each beginning is told."""
        if planned.step.repeat:
            self._note(planned.step.host, "turn", planned.number, str(turn))
        (self._call if planned.step.call else self._run)(planned, turn)

    def _join(self, planned: PlannedStep, number: int, turn: int = 0) -> None:
        agent = self._agent(planned)
        if agent.join(number, planned.timeout, turn):
            return
        acted = next(item for item in self.plan.steps if item.number == number)
        if acted.step.action == "call":
            raise StepProblem(f"the call had not returned after {planned.timeout:g} s; `as: NAME` leaves it pending")
        agent.stop(number, GRACE_SECONDS, "timeout", turn)
        raise StepProblem(
            f"the program had not ended after {planned.timeout:g} s and was stopped; `start` leaves one running"
        )

    def _stop(self, planned: PlannedStep) -> None:
        self._agent(planned).stop(self._target(planned), GRACE_SECONDS * self.plan.time_scale, "stopped")

    def _kill(self, planned: PlannedStep) -> None:
        self._agent(planned).kill(self._target(planned), "stopped")

    def _call(self, planned: PlannedStep, turn: int) -> None:
        call = parse_call(planned.step.call or "")
        pending = planned.step.as_ is not None
        ended = self._agent(planned).call(planned.number, call, pending, planned.timeout, turn)
        if not pending and not ended:
            raise StepProblem(f"the call had not returned after {planned.timeout:g} s; `as: NAME` leaves it pending")

    def _wait(self, planned: PlannedStep) -> None:
        if planned.target is not None:
            self._join(planned, planned.target)
            return
        end = self.deployment.now() + int(seconds(planned.step.wait or "") * self.plan.time_scale * 1e9)
        while (left := (end - self.deployment.now()) / 1e9) > 0:
            self.deployment.sleep(min(left, NAP_SECONDS))
            self._agent(planned).hello()  # a host that died is not waited for

    def _firewall(self, planned: PlannedStep) -> None:
        argv = firewall_rule(planned.step.firewall or "")
        code, output = self._agent(planned).firewall(argv)
        if code != 0:
            raise StepProblem(f"{argv[0]} ended with {code}: {output.strip()}")

    def _link(self, planned: PlannedStep) -> None:
        for network, state in (planned.step.link or {}).items():
            self._agent(planned).link(network, state)

    def _sysctl(self, planned: PlannedStep) -> None:
        for key, value in (planned.step.sysctl or {}).items():
            self._agent(planned).sysctl(key, str(value))

    def _impair(self, planned: PlannedStep) -> None:
        impair = planned.step.impair
        assert impair is not None
        if impair.none:
            self._agent(planned).repair(impair.network)
        else:
            self._agent(planned).impair(impair.network, impair.direction or "in", orders(impair.badness()))
        self._note(planned.step.host, "impaired", planned.number, impair.text)

    def _nothing(self, planned: PlannedStep) -> None:
        """A bare `expect` acts on nothing."""

    def _target(self, planned: PlannedStep) -> int:
        if planned.target is None:
            raise StepProblem("the step names no earlier one")
        return planned.target


Act = Callable[[_Run, PlannedStep], None]
ACTS: dict[str, Act] = {
    "start": _Run._start,
    "run": _Run._turns,
    "stop": _Run._stop,
    "kill": _Run._kill,
    "call": _Run._turns,
    "wait": _Run._wait,
    "firewall": _Run._firewall,
    "link": _Run._link,
    "sysctl": _Run._sysctl,
    "impair": _Run._impair,
    "observe": _Run._nothing,
}
