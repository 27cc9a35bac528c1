"""A Report in the forms that people and programs read, a module a format; here are the words that the forms share.

Nothing here judges, and nothing trusts what it shows: a program's output reaches a terminal or a file only `clean`.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from lab.checks.base import Aligned, Outcome
from lab.i18n import _, counted, later
from lab.judge import Judgement, Report, StepReport

LONGEST = 1000
OUTCOMES = (later("PASS"), later("FAIL"), later("ERROR"), later("SKIPPED"))


def clean(text: str) -> str:
    r"""One line, made harmless: control characters, line ends and invisible ones are written out (`\x1b`, `\n`)."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _written_out(char) for char in text)


def _written_out(char: str) -> str:
    if unicodedata.category(char) == "Zs":
        return " "
    return char.encode("unicode_escape").decode("ascii")


def clip(text: str, longest: int = LONGEST) -> str:
    """The text, or its beginning and how many characters are left out, where that is shorter."""
    if len(text) <= longest:
        return text
    left_out = counted("... ({count:,} more character)", "... ({count:,} more characters)", len(text) - longest)
    return min(text, f"{text[:longest]} {left_out}", key=len)


def clip_pair(left: str | None, right: str | None) -> tuple[str | None, str | None]:
    """Two texts, of which one may be missing, clipped so that where they differ can be seen."""
    if left is None or right is None or left == right or max(len(left), len(right)) <= LONGEST:
        return None if left is None else clip(left), None if right is None else clip(right)
    pairs = enumerate(zip(left, right, strict=False))
    alike = next((place for place, (ours, theirs) in pairs if ours != theirs), min(len(left), len(right)))
    skipped = max(0, alike - LONGEST // 2)
    lead = counted("({count:,} character alike) ... ", "({count:,} characters alike) ... ", skipped) if skipped else ""
    return lead + clip(left[skipped:]), lead + clip(right[skipped:])


def duration(seconds: float) -> str:
    """A time as a person says it: `0.2 ms`, `24 ms`, `1.02 s`, `6.1 s`, `2 min 5 s`."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds == 0:
        return "0 ms"
    for below, scale, digits, unit in (
        (0.00995, 1000, 1, "ms"),
        (0.9995, 1000, 0, "ms"),
        (1.995, 1, 2, "s"),
        (59.95, 1, 1, "s"),
    ):
        if seconds < below:
            return f"{seconds * scale:.{digits}f} {unit}"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def word(outcome: str) -> str:
    """An outcome, as it is told."""
    return _(str(outcome))


class Fault(Struct, frozen=True):
    """Something that kept a case from passing: `place` is `file:line:column`, `words` say what, `check` names the check
    (empty where it was none), `aligned` shows where a pattern and what was seen part."""

    outcome: Outcome
    place: str
    words: str
    check: str = ""
    aligned: tuple[Aligned, ...] = ()

    def __str__(self) -> str:
        return f"{self.place}: {self.words}" + (f" [{self.check}]" if self.check else "")


def fault(step: StepReport, judgement: Judgement) -> Fault:
    """A check that did not pass: `expected X, observed Y`; `check` says `on HOST` where another looked."""
    expected, observed = (clean(clip(text)) for text in (judgement.verdict.expected, judgement.verdict.observed))
    check = judgement.check + seen_from(step, judgement)
    words = _("expected {expected}, observed {observed}", expected=expected, observed=observed)
    return Fault(judgement.verdict.outcome, clean(judgement.mark), words, clean(check), judgement.verdict.aligned)


def seen_from(step: StepReport, judgement: Judgement) -> str:
    """` on HOST`, where another looked than the one that acted."""
    return f" {_('on {host}', host=judgement.on)}" if judgement.on != step.host else ""


def columns(aligned: Sequence[Aligned]) -> list[str]:
    """The rows as lines of text, the sides under each other, `x` before a row in which they differ."""
    sides = [(" " if row.same else "x", clean(clip(row.expected)), clean(clip(row.observed))) for row in aligned]
    width = max((len(expected) for _, expected, _ in sides), default=0)
    return [f"{mark} {expected:{width}}  {observed}".rstrip() for mark, expected, observed in sides]


def faults(report: Report) -> Iterator[Fault]:
    """All that kept a case from passing, in the order of its steps."""
    for step in report.steps:
        if step.problem:
            yield Fault(Outcome.ERROR, clean(step.mark), clean(clip(step.problem)))
        for judgement in step.judgements:
            if judgement.verdict.outcome is not Outcome.PASS:
                yield fault(step, judgement)
    for problem in report.problems:
        yield Fault(Outcome.ERROR, clean(report.file), clean(clip(problem)))


def decided(report: Report, siblings: Iterable[Report]) -> str:
    """What decided a case, in a few words: the reason why it did not pass; else what was observed where the scenario's
    cases (`siblings`) part, connects first."""
    if report.outcome is Outcome.SKIPPED:
        return clean(clip(report.skipped))
    if report.outcome is not Outcome.PASS:
        return next((found.words for found in faults(report) if found.outcome is report.outcome), "")
    parting = _parting([_checks(sibling) for sibling in siblings])
    checks = _checks(report)
    connects = {key: judgement for key, judgement in checks.items() if judgement.check == "connect"}
    choice = [
        *(judgement for key, judgement in connects.items() if key in parting),
        *list(connects.values())[-1:],
        *(judgement for key, judgement in checks.items() if key in parting),
        *list(checks.values())[-1:],
    ]
    return clean(clip(choice[0].verdict.observed)) if choice else ""


Checks = dict[tuple[int, int], Judgement]


def _checks(report: Report) -> Checks:
    """The judgements by their step's number and their place in it, which are the same in every case."""
    return {(step.number, place): judgement for step in report.steps for place, judgement in enumerate(step.judgements)}


def _parting(cases: Sequence[Checks]) -> set[tuple[int, int]]:
    """The checks of which different cases expect different things."""
    keys = {key for case in cases for key in case}
    return {key for key in keys if len({case[key].verdict.expected for case in cases if key in case}) > 1}
