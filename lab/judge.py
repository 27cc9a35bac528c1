"""Plan + History -> Report: every check of every step answered. Pure, and repeatable years later."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, field, to_builtins
from msgspec.structs import replace

from lab.calls import parse_call
from lab.checks import CHECKS
from lab.checks.base import Outcome, Seen, Verdict, could_not_tell
from lab.history import History, Note
from lab.i18n import _, later
from lab.model import Model
from lab.plan import Plan, PlannedStep

VERSIONS = (later("lab"), later("engine"), later("kernel"), later("image"))
COUNTING = ("connect", "calls", "packets")  # as a mapping, over all turns


class Judgement(Struct, frozen=True):
    """One check's verdict, and the place in the file (`file:line:column`) of what it expected."""

    check: str
    on: str
    mark: str
    verdict: Verdict


class StepReport(Struct, frozen=True):
    """One step: what was done (`text`, as in `client: run echo-client 10.1.2.3 65432`), when (ns; None: it was not
    reached), and the verdicts on it. `problem` says why it could not be done."""

    number: int
    host: str
    action: str
    text: str
    mark: str
    predict: str
    because: str
    started: int | None
    ended: int | None
    judgements: tuple[Judgement, ...]
    problem: str = ""


class Report(Struct, frozen=True):
    """A case, judged. The outcome is PASS, FAIL, ERROR or SKIPPED (`skipped` says why); ERROR beats FAIL beats PASS.
    `problems` could not be tied to a step. `seconds` is from the first step's beginning to the last one's end,
    or to its problem."""

    scenario: str
    file: str
    case: str
    title: str
    lesson: str
    outcome: Outcome
    steps: tuple[StepReport, ...] = ()
    problems: tuple[str, ...] = ()
    skipped: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def judge(plan: Plan, history: History) -> Report:
    """The report on a finished case."""
    steps = tuple(judge_step(plan, history, planned) for planned in plan.steps)
    problems = tuple(
        f"{note.host}: {note.text}" for note in history.all(Note) if note.what == "problem" and note.step < 0
    )
    if not problems and all(step.ended is not None and not step.judgements for step in steps):
        problems = (_("nothing was judged: no step expects anything"),)
    times = [time for step in steps for time in (step.started, step.ended) if time is not None]
    times += [note.time for note in history.all(Note) if note.what == "problem" and note.step >= 0]
    return Report(
        scenario=plan.scenario,
        file=plan.file,
        case=plan.case,
        title=plan.title,
        lesson=plan.lesson,
        outcome=_outcome(steps, problems),
        steps=steps,
        problems=problems,
        versions={note.what: note.text for note in history.all(Note) if note.what in VERSIONS},
        seconds=(max(times) - min(times)) / 1e9 if times else 0.0,
    )


def skipped(plan: Plan, reason: str) -> Report:
    """The report on a case that needs what is not there."""
    return Report(plan.scenario, plan.file, plan.case, plan.title, plan.lesson, Outcome.SKIPPED, skipped=reason)


def judge_step(plan: Plan, history: History, planned: PlannedStep) -> StepReport:
    """The report on one step, as soon as its observations are in."""
    notes = {note.what: note for note in history.all(Note) if note.step == planned.number}
    begun, ended, problem = (notes.get(what) for what in ("step-begin", "step-end", "problem"))
    return StepReport(
        number=planned.number,
        host=planned.step.host,
        action=planned.step.action,
        text=planned.text,
        mark=planned.marks[""],
        predict=planned.step.predict or "",
        because=planned.step.because or "",
        started=begun.time if begun else None,
        ended=ended.time if ended else None,
        judgements=tuple(_judgements(plan, history, planned)),
        problem=problem.text if problem else "",
    )


def _judgements(plan: Plan, history: History, planned: PlannedStep) -> Iterator[Judgement]:
    for index, expectation in enumerate(planned.step.expect):
        on = expectation.on or planned.step.host
        seen = _seen(plan, history, planned, on)
        for name, expected in expectation.checks().items():
            mark = planned.marks[f"{index}.{name}"]
            yield Judgement(name, on, mark, _verdict(name, expected, seen))
    implied = _implied(plan, planned)
    if implied:
        name, expected = implied
        verdict = _verdict(name, expected, _seen(plan, history, planned, planned.step.host))
        if verdict.outcome is not Outcome.PASS:
            yield Judgement(name, planned.step.host, planned.marks[""], verdict)


def _verdict(name: str, expected: Any, seen: Seen | None) -> Verdict:
    if seen is None:
        return could_not_tell(said(expected), _("the step was not reached"))
    check = CHECKS[name]
    over_all = name == "spread" or not check.actions or (name in COUNTING and isinstance(expected, Mapping))
    if seen.turns == 1 or over_all:
        return check.function(expected, seen)
    return _of_turns([check.function(expected, turn) for turn in seen.each])


def _of_turns(verdicts: Sequence[Verdict]) -> Verdict:
    """Of a repeated step: what failed in one turn has failed."""
    for outcome in (Outcome.FAIL, Outcome.ERROR):
        for number, verdict in enumerate(verdicts, start=1):
            if verdict.outcome is outcome:
                return replace(
                    verdict,
                    observed=_(
                        "turn {number} of {count}: {observed}",
                        number=number,
                        count=len(verdicts),
                        observed=verdict.observed,
                    ),
                )
    return replace(
        verdicts[0],
        observed=_("{observed}; so in each of {count} turns", observed=verdicts[0].observed, count=len(verdicts)),
    )


def said(expected: Any) -> str:
    """What a check expects, about as the file says it."""
    if isinstance(expected, Model):
        expected = to_builtins(expected)
    if isinstance(expected, Mapping):
        return ", ".join(f"{key} {said(value)}" for key, value in expected.items())
    return ", ".join(map(said, expected)) if isinstance(expected, list | tuple) else str(expected) or "''"


def _seen(plan: Plan, history: History, planned: PlannedStep, on: str) -> Seen | None:
    """What the checks of a step may look at; None where the step did not begin and end."""
    acted = next((item for item in plan.steps if item.number == planned.target), planned)
    window, beginning = history.window(planned.number), history.window(acted.number)
    if window is None or beginning is None:
        return None
    call = parse_call(acted.step.call) if acted.step.call else None
    return Seen(
        history=history,
        step=acted.number,
        host=acted.step.host,
        on=on,
        action=acted.step.action,
        window=(beginning[0], window[1]),
        observed_at=planned.number,
        targets=call.targets if call else (),
        time_scale=plan.time_scale,
        traced=acted.trace,
        turns=acted.step.repeat or 1,
    )


def _implied(plan: Plan, planned: PlannedStep) -> tuple[str, Any] | None:
    """What every step promises without saying so: a call succeeds, a program that is waited for ends with 0. One that
    says how it ends says otherwise."""
    step = planned.step
    acted = next((item.step for item in plan.steps if item.number == planned.target), step)
    if step.action not in ("call", "run", "wait") or (step.action != "wait" and step.as_):
        return None
    said = {name for expectation in step.expect for name in expectation.checks()}
    said |= {spread.of for expectation in step.expect for spread in expectation.spread or ()}
    if acted.action == "call" and not said & {"connect", "raises", "errno", "returns"}:
        return "raises", "nothing"
    if acted.action == "run" and not said & {"connect", "exit"}:
        return "exit", 0
    return None


def _outcome(steps: Iterable[StepReport], problems: Sequence[str]) -> Outcome:
    """ERROR beats FAIL beats PASS; a case with nothing judged could not tell anything."""
    outcomes = {judgement.verdict.outcome for step in steps for judgement in step.judgements}
    if problems or not outcomes or any(step.problem or step.ended is None for step in steps):
        return Outcome.ERROR
    return next(kind for kind in (Outcome.ERROR, Outcome.FAIL, Outcome.PASS) if kind in outcomes)
