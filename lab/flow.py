"""The program on one screen: each case is planned, deployed, run, saved and judged.

`run_case` is that line for one case; `run_jobs` does it for many, side by side, tells the audience in the order of the
jobs, and ends all of them at an interrupt. How an engine makes hosts, and what a step does, is not known here.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from lab import __version__
from lab.engines.base import Capabilities, Deployment, Engine, Leftover
from lab.errors import EngineError, MissingCapability, SubnetTaken
from lab.history import History, Note, Output, View
from lab.i18n import _
from lab.judge import Report, StepReport, judge, skipped
from lab.plan import Plan, PlannedStep, make_plan, sizes
from lab.remote import Remote
from lab.runner import Enough, never, run
from lab.runs import Run, load_case, load_plan, new_run, skip_reason
from lab.scenario import Case, Scenario
from lab.slots import Slot, Slots


class Audience(Protocol):
    """Who is told what happens; `report.terminal` is one."""

    def scenario_begins(self, title: str, file: str) -> None: ...
    def case_begins(self, plan: Plan, parameters: Mapping[str, object]) -> None: ...
    def progress(self, text: str) -> None: ...
    def step_begins(self, planned: PlannedStep, text: str) -> None: ...
    def step_ends(self, report: StepReport, output: bytes, views: Sequence[View]) -> None: ...
    def case_seen(self, plan: Plan, history: History) -> None: ...
    def case_ends(self, report: Report, run_folder: Path | None) -> None: ...
    def kept(self, commands: Mapping[str, str]) -> None: ...


def _unchanged(plan: Plan) -> Plan:
    return plan


class Job(Struct, frozen=True):
    """One case to be run once, as it is planned, or with that plan changed; to its end, or to the step that is
    `enough`."""

    scenario: Scenario
    case: Case
    change: Callable[[Plan], Plan] = _unchanged
    enough: Enough = never


@dataclass
class Session:
    """What all cases of one command share."""

    engine: Engine
    capabilities: Capabilities
    saved: Run
    swept: tuple[Leftover, ...] = ()
    keep: bool = False
    time_scale: float = 1.0
    interrupted: threading.Event = field(default_factory=threading.Event)
    agents: set[Remote] = field(default_factory=set)

    @property
    def versions(self) -> dict[str, str]:
        """Of the lab and of what it ran on."""
        return {"lab": __version__, **self.capabilities.versions}

    def go_on(self) -> None:
        """KeyboardInterrupt where nothing is to be done any more."""
        if self.interrupted.is_set():
            raise KeyboardInterrupt

    def interrupt(self) -> None:
        """End what runs: no step begins any more, and no agent is waited for."""
        self.interrupted.set()
        for agent in tuple(self.agents):
            agent.close()


@contextmanager
def open_session(engine: Engine, keep: bool, time_scale: float, run_id: str | None = None) -> Iterator[Session]:
    """An engine that answers, rid of what dead runs left, and a new run in which to save; closed at the end."""
    with closing(engine):
        capabilities, swept = engine.capabilities(), engine.sweep()
        with new_run(run_id=run_id) as saved:
            yield Session(engine, capabilities, saved, swept, keep, time_scale)


def run_case(session: Session, job: Job, turn: "Turn", slot: Slot) -> Report:
    """The flow. Facts are saved before they are judged; what the engine lacks makes the case SKIPPED."""
    scenario, case, engine = job.scenario, job.case, session.engine
    avoid: set[str] = set()
    while True:
        subnets = engine.subnets(sizes(case), avoid)
        plan = job.change(make_plan(scenario, case, subnets, session.time_scale))
        turn.begins(plan)
        try:
            _refuse_what_is_missing(plan, session.capabilities)
            with engine.deploy(plan, session.saved.id, turn.progress) as deployment, _watched(session, deployment):
                _refuse_links_that_cannot_be_impaired(plan, deployment)
                history = run(plan, deployment, session.versions, turn, slot.waiting, job.enough)
                _refuse_what_is_unmodelled(history)
                session.go_on()
                folder = session.saved.save(plan, history)
                if session.keep:
                    deployment.keep()
                    turn.kept(deployment, plan, f"{session.saved.id} --engine {engine.name}")
        except SubnetTaken as taken:
            avoid.add(taken.subnet)
        except MissingCapability as missing:
            report = skipped(plan, str(missing))
            turn.ends(report, session.saved.skip(plan, str(missing)))
            return report
        else:
            report = judge(plan, history)
            turn.seen(plan, history)
            turn.ends(report, folder)
            return report


def _refuse_what_is_missing(plan: Plan, capabilities: Capabilities) -> None:
    lacking = [capabilities.lacks[need] for need in plan.needs if need in capabilities.lacks]
    if lacking:
        raise MissingCapability("; ".join(lacking))


def _refuse_what_is_unmodelled(history: History) -> None:
    """An engine without a real kernel may find out late that it cannot follow."""
    if beyond := [note.text for note in history.all(Note) if note.what == "unmodelled"]:
        raise MissingCapability(beyond[0])


def _refuse_links_that_cannot_be_impaired(plan: Plan, deployment: Deployment) -> None:
    """Only a host can tell: the queue for packets is its own kernel's, and not the machine's business."""
    if "impair" in plan.needs:
        reasons = [f"{name}: {reason}" for name, agent in deployment.agents.items() if (reason := agent.impairable())]
        if reasons:
            raise MissingCapability("; ".join(reasons))


@contextmanager
def _watched(session: Session, deployment: Deployment) -> Iterator[None]:
    """The deployment's agents, known to `interrupt` while they are used."""
    agents = set(deployment.agents.values())
    session.agents |= agents
    try:
        if session.interrupted.is_set():
            session.interrupt()
        yield
    finally:
        session.agents -= agents


def run_jobs(
    session: Session, jobs: Sequence[Job], make_audience: Callable[[], Audience], side_by_side: int
) -> list[Report]:
    """The reports in the jobs' order; so many jobs are at work at once, and more where some only wait. The first error
    that is no case's own ends the run; so does an interrupt. The audience, whose libraries are heavy, is made while the
    first hosts come up."""
    turns = [Turn(first) for first in _firsts(jobs)]
    futures: list[Future[Report]] = []
    reports: list[Report] = []
    slots = Slots(side_by_side)
    with ThreadPoolExecutor(slots.most, thread_name_prefix="case") as pool:
        try:
            for job, turn in zip(jobs, turns, strict=True):
                futures.append(pool.submit(_unless_interrupted, session, job, turn, slots))
            audience = make_audience()
            for item in session.swept:
                audience.progress(
                    _("removed {kind} {name}, left by run {run}", kind=item.kind, name=item.name, run=item.run)
                )
            for turn, future in zip(turns, futures, strict=True):
                turn.take(audience)
                reports.append(future.result())
        except BaseException as error:
            for turn in turns:
                turn.leave()
            _end(session, futures, error)
            raise
    return reports


def _firsts(jobs: Iterable[Job]) -> list[bool]:
    """Whether each job is the first one of its scenario in a row."""
    names = [job.scenario.source.file for job in jobs]
    return [index == 0 or names[index - 1] != name for index, name in enumerate(names)]


def _unless_interrupted(session: Session, job: Job, turn: "Turn", slots: Slots) -> Report:
    with slots.one() as slot:
        session.go_on()
        return run_case(session, job, turn, slot)


def _end(session: Session, futures: Sequence[Future[Report]], error: BaseException) -> None:
    """Wait until nothing runs any more; what could not be tidied up is told with the error that came first."""
    for future in futures:
        future.cancel()
    session.interrupt()
    wait(futures)
    for future in futures:
        other = None if future.cancelled() else future.exception()
        if isinstance(other, EngineError) and other is not error:
            error.add_note(str(other))


def tell_again(folder: Path, audience: Audience) -> Report:
    """Judge a saved case, and tell it as if it happened now."""
    reason = skip_reason(folder)
    plan, history = (load_plan(folder), History()) if reason else load_case(folder)
    report = skipped(plan, reason) if reason else judge(plan, history)
    audience.scenario_begins(plan.title, plan.file)
    audience.case_begins(plan, plan.parameters)
    for planned, step in zip(plan.steps, report.steps, strict=False):
        audience.step_begins(planned, planned.text)
        audience.step_ends(step, _output(history, step), _views(history, step))
    audience.case_seen(plan, history)
    audience.case_ends(report, folder)
    return report


def _output(history: History, step: StepReport) -> bytes:
    return b"".join(item.data for item in history.all(Output, step.host) if item.step == step.number)


def _views(history: History, step: StepReport) -> tuple[View, ...]:
    return tuple(view for view in history.all(View, step.host) if view.step == step.number)


class Turn:
    """A job's place before the audience: what happens early is told when its turn has come, then at once."""

    def __init__(self, first: bool) -> None:
        self._first = first
        self._audience: Audience | None = None
        self._early: list[Callable[[Audience], None]] = []
        self._over = False
        self._lock = threading.RLock()

    def take(self, audience: Audience) -> None:
        """It is this job's turn."""
        with self._lock:
            self._audience = audience
            for tell in self._early:
                tell(audience)
            self._early.clear()

    def leave(self) -> None:
        """Nobody listens any more."""
        with self._lock:
            self._over = True

    def begins(self, plan: Plan) -> None:
        """The case has a plan; told again where its subnets were taken."""
        if self._first:
            self._first = False
            self._tell(lambda audience: audience.scenario_begins(plan.title, plan.file))
        self._tell(lambda audience: audience.case_begins(plan, plan.parameters))

    def progress(self, text: str) -> None:
        """What the engine is busy with; of no interest later."""
        with self._lock:
            if self._audience and not self._over:
                self._audience.progress(text)

    def step_begins(self, planned: PlannedStep) -> None:
        """A step is about to act."""
        self._tell(lambda audience: audience.step_begins(planned, planned.text))

    def step_ends(self, report: StepReport, history: History) -> None:
        """A step was done and seen."""
        output, views = _output(history, report), _views(history, report)
        self._tell(lambda audience: audience.step_ends(report, output, views))

    def seen(self, plan: Plan, history: History) -> None:
        """All that was observed of the case is there."""
        self._tell(lambda audience: audience.case_seen(plan, history))

    def ends(self, report: Report, folder: Path) -> None:
        """The case was judged."""
        self._tell(lambda audience: audience.case_ends(report, folder))

    def kept(self, deployment: Deployment, plan: Plan, run: str) -> None:
        """The case's hosts stay up."""
        commands = {_("enter {host}", host=host.name): deployment.enter(host.name) for host in plan.hosts}
        commands[_("end it")] = f"lab sweep --run {run}"
        self._tell(lambda audience: audience.kept(commands))

    def _tell(self, tell: Callable[[Audience], None]) -> None:
        with self._lock:
            if self._over:
                return
            if self._audience:
                tell(self._audience)
            else:
                self._early.append(tell)
