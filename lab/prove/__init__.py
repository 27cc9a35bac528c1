"""Can the checks of a scenario fail? Every case is held against its siblings, and run in a world that was changed.

    every case is run ──┬── cross: what it expects, judged by each sibling's run
                        └── mutations: its world changed in one place, run again, judged as ever

A case that does not pass unchanged proves nothing. Runs are saved like others, a mutant as the case `open.rule`. How a
matrix looks is for `report.proof` to say.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from lab.checks.base import Outcome
from lab.counting import Counter
from lab.flow import Job, Session, run_jobs
from lab.i18n import _, later
from lab.judge import Judgement, Report, StepReport, judge
from lab.mistakes import place
from lab.plan import Plan, PlannedStep
from lab.prove.cross import sibling_cell
from lab.prove.matrix import Answer, Cell, Finding, Proof, Row, worst
from lab.prove.mutations import MUTATIONS, Mutant
from lab.prove.witness import Done, Witness
from lab.scenario import Scenario

Progress = Callable[[str], None]
UNREFUTED = later(
    "expected a sibling whose run refutes what this case expects, observed none; give one another outcome"
)
PATIENCE = 2.0


class Known(Struct, frozen=True):
    """A case and its run, unchanged."""

    job: Job
    done: Done

    @property
    def passed(self) -> bool:
        """Whether it can prove anything."""
        return self.done.report.outcome is Outcome.PASS

    @property
    def file(self) -> str:
        """The scenario's."""
        return self.job.scenario.source.file

    @property
    def place(self) -> str:
        """Where the case is written."""
        return str(place(self.job.scenario.source, ("cases", self.job.case.name)))


class Trial(Struct, frozen=True):
    """One mutant of a known case, by the name of its mutation."""

    known: Known
    mutation: str
    mutant: Mutant

    @property
    def job(self) -> Job:
        """The case, changed as the mutant says, up to the step whose check notices; its run has a name of its own."""
        return replace(self.known.job, change=self._changed, enough=_fails)

    def _changed(self, plan: Plan) -> Plan:
        assert self.mutant.plan
        changed = self.mutant.plan(plan)
        steps = tuple(map(self._hurried, changed.steps))
        return replace(changed, case=f"{plan.case}.{self.mutation}", steps=steps)

    def _hurried(self, planned: PlannedStep) -> PlannedStep:
        """What a program does after its start, and that it listens, is not waited for much longer than unchanged."""
        window = self.known.done.history.window(planned.number)
        if planned.step.action not in ("start", "observe") or window is None:
            return planned
        limit = PATIENCE * ((window[1] - window[0]) / 1e9 + 1)
        return replace(planned, timeout=min(planned.timeout, limit))


def prove(session: Session, scenarios: Iterable[Scenario], progress: Progress, side_by_side: int) -> tuple[Proof, ...]:
    """A matrix a scenario. `progress` is told what is being done."""
    jobs = [Job(scenario, case) for scenario in scenarios for case in scenario.cases]
    witness = Witness(progress, len(jobs))
    run_jobs(session, jobs, lambda: witness, side_by_side)
    known = [Known(job, done) for job, done in zip(jobs, witness.done, strict=True)]
    trials = [trial for one in known if one.passed for trial in trials_of(one)]
    tried = _tried(session, trials, progress, side_by_side)
    groups: dict[str, list[Known]] = defaultdict(list)
    for one in known:
        groups[one.file].append(one)
    return tuple(_proof(group, tried) for group in groups.values())


def trials_of(known: Known) -> Iterator[Trial]:
    """Every mutant that the case has."""
    for name, mutation in MUTATIONS.items():
        for mutant in mutation.mutants(known.done.plan, known.done.history):
            yield Trial(known, name, mutant)


def _fails(step: StepReport) -> bool:
    return any(judgement.verdict.outcome is Outcome.FAIL for judgement in step.judgements)


Tried = Mapping[tuple[str, str, str], Sequence[Cell]]


def _tried(session: Session, trials: Sequence[Trial], progress: Progress, side_by_side: int) -> Tried:
    """What came of each mutant, by its case's file and name, and its mutation."""
    acted = [trial for trial in trials if trial.mutant.plan]
    counter = Counter(progress, len(acted))
    reports = iter(run_jobs(session, [trial.job for trial in acted], lambda: counter, side_by_side))
    cells = defaultdict(list)
    for trial in trials:
        report = next(reports) if trial.mutant.plan else _judged_again(trial)
        cells[trial.known.file, trial.known.job.case.name, trial.mutation].append(_answered(trial, report))
    return cells


def _judged_again(trial: Trial) -> Report:
    assert trial.mutant.history
    return judge(trial.known.done.plan, trial.mutant.history(trial.known.done.history))


def _answered(trial: Trial, report: Report) -> Cell:
    """Whether any check noticed; where only what was observed is changed, that it could not tell is enough."""
    judgements = [judgement for step in report.steps for judgement in step.judgements]
    noticed = {Outcome.FAIL, Outcome.ERROR} if trial.mutant.history else {Outcome.FAIL}
    if report.outcome is Outcome.SKIPPED:
        return Cell(Answer.SKIPPED, 1)
    if any(judgement.verdict.outcome in noticed for judgement in judgements):
        return Cell(Answer.NOTICED, 1)
    case, although = trial.known.job.case.name, trial.mutant.words
    if report.outcome is Outcome.PASS:
        words = _("{case}: every check passes although {although}", case=case, although=although)
        checks = tuple(f"{it.mark}: {it.check}: {_passes(it)}" for it in judgements)
        return Cell(Answer.SURVIVED, 1, (Finding(Answer.SURVIVED, trial.mutant.place, words, checks),))
    known = {"case": case, "although": although, "problem": _problem(report)}
    words = _("{case}: no check fails although {although}: {problem}", **known)
    return Cell(Answer.UNCLEAR, 1, (Finding(Answer.UNCLEAR, trial.mutant.place, words),))


def _passes(judgement: Judgement) -> str:
    return _("expected {expected}, passes", expected=judgement.verdict.expected)


def _problem(report: Report) -> str:
    """The first thing that kept a case from passing."""
    for step in report.steps:
        if step.problem:
            return step.problem
        for judgement in step.judgements:
            if judgement.verdict.outcome is not Outcome.PASS:
                known = {"expected": judgement.verdict.expected, "observed": judgement.verdict.observed}
                return f"{judgement.check}: {_('expected {expected}, observed {observed}', **known)}"
    return "; ".join(report.problems)


def _proof(group: Sequence[Known], tried: Tried) -> Proof:
    scenario = group[0].job.scenario
    return Proof(scenario.name, scenario.source.file, scenario.title, tuple(_row(one, group, tried) for one in group))


def _row(known: Known, group: Sequence[Known], tried: Tried) -> Row:
    case, report = known.job.case.name, known.done.report
    if report.outcome is Outcome.SKIPPED:
        return Row(case, report.outcome, reason=report.skipped)
    if not known.passed:
        told = {"case": case, "outcome": _(report.outcome), "problem": _problem(report)}
        words = _("{case}: expected a case that passes unchanged, observed {outcome}: {problem}", **told)
        return Row(case, report.outcome, findings=(Finding(Answer.UNCLEAR, known.place, words),))
    siblings = {one.job.case.name: _against(known, one) for one in group}
    cells = [cell for cell in siblings.values() if cell]
    refuted = any(cell.answer is Answer.SKIPPED or cell.refuted for cell in cells)
    return Row(
        case,
        report.outcome,
        siblings,
        {name: _together(tried.get((known.file, case, name), ())) for name in MUTATIONS},
        () if refuted else (Finding(Answer.SURVIVED, known.place, f"{case}: {_(UNREFUTED)}"),),
    )


def _against(known: Known, sibling: Known) -> Cell | None:
    if sibling is known:
        return None
    if not sibling.passed:
        return Cell(Answer.SKIPPED)
    return sibling_cell(known.job, sibling.done.plan, sibling.done.history)


def _together(cells: Iterable[Cell]) -> Cell:
    """The mutants of one mutation."""
    cells = tuple(cells)
    findings = tuple(found for cell in cells for found in cell.findings)
    return Cell(worst(cell.answer for cell in cells), sum(cell.tried for cell in cells), findings)
