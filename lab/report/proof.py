"""A proof on a terminal or as JSON: a matrix a scenario, and below it what no check noticed, with its place."""

from collections.abc import Sequence

import msgspec

from lab.i18n import _, later
from lab.prove.matrix import Answer, Cell, Proof, summary
from lab.prove.mutations import MUTATIONS
from lab.report import clip, word
from lab.report.console import Screen

SIGNS = {
    Answer.NOTICED: "+",
    Answer.SURVIVED: later("SURVIVED"),
    Answer.UNCLEAR: later("unclear"),
    Answer.SAME: "=",
    Answer.SKIPPED: later("skipped"),
    Answer.NONE: ".",
}
LEGEND = later(
    "+ a check FAILs, as it must; = of what both do, the sibling expects the same; . does not apply; itself -"
)
WIDEST = 32


def show(screen: Screen, proofs: Sequence[Proof]) -> None:
    """Each scenario's matrix, a row a case; then all that speaks against the checks, and one line that counts."""
    for proof in proofs:
        screen.gap()
        screen.rule(proof.scenario)
        width = min(max([4, *(len(row.case) for row in proof.rows)]), WIDEST)
        for row in proof.rows:
            if not row.siblings:
                screen.say(f"{row.case}: {row.reason or word(row.outcome)}", indent=2)
                continue
            told = (f"{name} {_sign(cell)}" for name, cell in row.mutations.items() if cell.answer is not Answer.NONE)
            signs, changes = " ".join(map(_sign, row.siblings.values())), ", ".join(told) or _("no change applies")
            what = _("siblings {signs}; {changes}", signs=signs, changes=changes)
            screen.say(what, lead=f"{clip(row.case, width):{width}}  ", indent=2)
    screen.gap()
    screen.say(_(LEGEND))
    for finding in (finding for proof in proofs for finding in proof.findings):
        screen.line(str(finding))
        for check in finding.checks:
            screen.line(check, indent=2)
    screen.gap()
    screen.say("; ".join(f"{name}: {_(mutation.words)} ({_(mutation.where)})" for name, mutation in MUTATIONS.items()))
    screen.say(summary(proofs), style="bold")


def _sign(cell: Cell | None) -> str:
    return "-" if cell is None else _(SIGNS[cell.answer])


def lines(proofs: Sequence[Proof]) -> str:
    """One JSON object a scenario."""
    return "".join(msgspec.json.encode(proof).decode() + "\n" for proof in proofs)
