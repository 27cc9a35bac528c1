"""What a proof says: a matrix a scenario, a row a case, a column for each sibling and each mutation. Values only."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from msgspec import Struct, field

from lab.checks.base import Outcome
from lab.errors import EXIT_ERROR, EXIT_FAILED, EXIT_PASSED
from lab.i18n import _, counted, later


class Answer(StrEnum):
    """What came of holding a case against something; MEANINGS tells them apart. The worst comes first."""

    UNCLEAR = later("unclear")
    SURVIVED = later("survived")
    SKIPPED = later("skipped")
    NOTICED = later("noticed")
    SAME = later("same")
    NONE = later("not applicable")


MEANINGS = {
    Answer.NOTICED: later("a check FAILs, as it must (of the empty capture, that it could not tell is enough)"),
    Answer.SURVIVED: later("the checks pass all the same"),
    Answer.UNCLEAR: later("no check FAILs, and one could not tell"),
    Answer.SAME: later("of what both do, the sibling expects the same"),
    Answer.NONE: later("the change would change nothing here"),
    Answer.SKIPPED: later("the engine cannot do it"),
}


class Finding(Struct, frozen=True):
    """What no check noticed (SURVIVED), or none could tell (UNCLEAR): at `place` (`file:line:column`), in words.
    `checks` are those that could have noticed, a line each."""

    answer: Answer
    place: str
    words: str
    checks: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.place}: {self.words}"


class Cell(Struct, frozen=True):
    """One case against one sibling, in `tried` checks, or against one mutation, in `tried` places. `refuted`: a check
    FAILed, whatever else survived."""

    answer: Answer
    tried: int = 0
    findings: tuple[Finding, ...] = ()
    refuted: bool = False


class Row(Struct, frozen=True):
    """One case, with a cell for each of the scenario's cases (None: itself) and each mutation; none where it did not
    pass unchanged. `findings` are about the case as a whole, `reason` tells why it was skipped."""

    case: str
    outcome: Outcome
    siblings: Mapping[str, Cell | None] = field(default_factory=dict)
    mutations: Mapping[str, Cell] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    reason: str = ""

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        """Those of the case and those of its cells."""
        cells = [*self.siblings.values(), *self.mutations.values()]
        return self.findings + tuple(found for cell in cells if cell for found in cell.findings)


class Proof(Struct, frozen=True):
    """One scenario's matrix."""

    scenario: str
    file: str
    title: str
    rows: tuple[Row, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that speaks against the scenario's checks."""
        return tuple(found for row in self.rows for found in row.all_findings)


def worst(answers: Iterable[Answer]) -> Answer:
    """The answer that counts, of many; NONE of none."""
    found = set(answers)
    return next((answer for answer in Answer if answer in found), Answer.NONE)


def applied(proof: Proof) -> tuple[str, ...]:
    """The mutations that apply to any case of the scenario."""
    names = dict.fromkeys(name for row in proof.rows for name in row.mutations)
    answers = {name: {row.mutations[name].answer for row in proof.rows if row.mutations} for name in names}
    return tuple(name for name in names if answers[name] != {Answer.NONE})


def summary(proofs: Iterable[Proof]) -> str:
    """`3 scenarios, 12 cases, 57 changes and siblings: 55 noticed, 2 survived`."""
    rows = [row for proof in proofs for row in proof.rows]
    cells = [cell for row in rows for cell in (*row.siblings.values(), *row.mutations.values()) if cell]
    tried = [cell for cell in cells if cell.answer not in (Answer.NONE, Answer.SAME, Answer.SKIPPED)]
    survivors = sum(found.answer is Answer.SURVIVED for row in rows for found in row.all_findings)
    unclear = sum(found.answer is Answer.UNCLEAR for row in rows for found in row.all_findings)
    parts = [counted("{count} survivor", "{count} survivors", survivors) if survivors else _("no survivors")]
    parts += [counted("{count} unclear", "{count} unclear", unclear)] * bool(unclear)
    skipped = sum(row.outcome is Outcome.SKIPPED for row in rows)
    parts += [counted("{count} skipped", "{count} skipped", skipped)] * bool(skipped)
    cases, trials = len(rows), counted("{count} trial", "{count} trials", len(tried))
    return f"{counted('{count} case', '{count} cases', cases)}, {trials}: {', '.join(parts)}"


def exit_code(proofs: Iterable[Proof]) -> int:
    """What could not be told comes before what survived; where all was skipped, nothing was proved."""
    rows = [row for proof in proofs for row in proof.rows]
    answers = {found.answer for row in rows for found in row.all_findings}
    if Answer.UNCLEAR in answers or all(row.outcome is Outcome.SKIPPED for row in rows):
        return EXIT_ERROR
    return EXIT_FAILED if Answer.SURVIVED in answers else EXIT_PASSED
