"""Siblings: what one case expects must not be true of another, where the two expect different things. Pure.

A case is planned on its sibling's addresses and judged by its sibling's history, check by check: those that both make
of the same host's step, seen from the same host, and resolve differently, must FAIL. A step is the same if it stands
at the same place in the file, or does the same instead of one that the other leaves out. A check that passes is a
survivor; one that cannot tell (ERROR) refutes nothing. Two cases that expect the same prove nothing to each other.
"""

from collections import Counter, defaultdict, deque

from msgspec import Struct
from msgspec.structs import replace

from lab.checks.base import Outcome, Verdict
from lab.flow import Job
from lab.history import History
from lab.i18n import _
from lab.judge import Judgement, judge
from lab.plan import Plan, make_plan
from lab.prove.matrix import Answer, Cell, Finding

Key = tuple[int, str, int, str]


class Answered(Struct, frozen=True):
    """A check of one case as its sibling's run answers it: its place (`file:line:column`), and what the sibling expects
    instead."""

    place: str
    check: str
    verdict: Verdict
    instead: str


def expected(plan: Plan) -> dict[Key, tuple[str, object]]:
    """What a plan expects, and of which host's step: by the step's number, the host that looks, how often it looked
    before at that step's end, and the check."""
    found: dict[Key, tuple[str, object]] = {}
    for planned in plan.steps:
        looked = Counter[str]()
        for expectation in planned.step.expect:
            on = expectation.on or planned.step.host
            for check, value in expectation.checks().items():
                found[planned.number, on, looked[on], check] = planned.step.host, value
            looked[on] += 1
    return found


def numbered_as(sibling: Plan, plan: Plan) -> Plan:
    """The plan with its steps numbered as the same ones of its sibling; those that it has for itself are behind all."""
    ours, theirs = ({planned.number for planned in one.steps} for one in (plan, sibling))
    instead: dict[str, deque[int]] = defaultdict(deque)
    for planned in sibling.steps:
        if planned.number not in ours and planned.step.action != "observe":
            instead[planned.text].append(planned.number)
    numbers: dict[int | None, int] = {}
    for planned in plan.steps:
        own = max(ours | theirs) + 1 + planned.number
        if planned.number in theirs:
            numbers[planned.number] = planned.number
        elif instead[planned.text]:
            numbers[planned.number] = instead[planned.text].popleft()
        else:
            numbers[planned.number] = own
    steps = (
        replace(planned, number=numbers[planned.number], target=numbers.get(planned.target)) for planned in plan.steps
    )
    return replace(plan, steps=tuple(steps))


def differing(one: Plan, other: Plan) -> set[Key]:
    """The checks that both make of the same host's step, seen from the same host, and resolve differently."""
    ours, theirs = expected(numbered_as(other, one)), expected(other)
    both = ours.keys() & theirs.keys()
    return {key for key in both if ours[key][0] == theirs[key][0] and ours[key][1] != theirs[key][1]}


def sibling_cell(job: Job, sibling: Plan, history: History) -> Cell:
    """The case against its sibling's run."""
    answered = crossed(job, sibling, history)
    outcomes = {one.verdict.outcome for one in answered}
    refuted = Outcome.FAIL in outcomes
    if not answered:
        return Cell(Answer.SAME)
    if Outcome.PASS in outcomes:
        passing = [one for one in answered if one.verdict.outcome is Outcome.PASS]
        findings = tuple(_survivor(job.case.name, sibling.case, one) for one in passing)
        return Cell(Answer.SURVIVED, len(answered), findings, refuted)
    if not refuted:
        known = {"case": job.case.name, "sibling": sibling.case, "observed": answered[0].verdict.observed}
        words = _("{case}: no check fails on the run of {sibling}: {observed}", **known)
        return Cell(Answer.UNCLEAR, len(answered), (Finding(Answer.UNCLEAR, answered[0].place, words),))
    return Cell(Answer.NOTICED, len(answered), (), refuted)


def _survivor(case: str, sibling: str, one: Answered) -> Finding:
    known = {"expected": one.verdict.expected, "sibling": sibling, "instead": one.instead}
    words = _("expected {expected}, passes although it is the run of {sibling}, which expects {instead}", **known)
    return Finding(Answer.SURVIVED, one.place, f"{case}: {one.check}: {words}")


def crossed(job: Job, sibling: Plan, history: History) -> tuple[Answered, ...]:
    """The case's differing checks, answered by its sibling's run; what is only written differently (`''` and
    `0.0.0.0`) does not differ."""
    plan = make_plan(job.scenario, job.case, [network.subnet for network in sibling.networks], sibling.time_scale)
    ours, theirs = _answers(numbered_as(sibling, plan), history), _answers(sibling, history)
    return tuple(
        Answered(ours[key].mark, ours[key].check, ours[key].verdict, theirs[key].verdict.expected)
        for key in sorted(differing(plan, sibling))
        if ours[key].verdict.expected != theirs[key].verdict.expected
    )


def _answers(plan: Plan, history: History) -> dict[Key, Judgement]:
    """The judgements on what is expected; those on what is implied come last in a step, and are left out."""
    keys = iter(expected(plan))
    return {
        next(keys): judgement
        for planned, step in zip(plan.steps, judge(plan, history).steps, strict=True)
        for judgement in step.judgements[: sum(len(expectation.checks()) for expectation in planned.step.expect)]
    }
