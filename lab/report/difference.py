"""Two runs side by side, for a terminal: what only the left has (`-`), what only the right has (`+`), and the lines
around it. And the same for programs, as JSON lines.

What is alike is folded. Where rows come from is for `diff` to say. Importing this module imports rich: do it late.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rich.console import Console

from lab.diff import Comparison, Part, Row, summary
from lab.i18n import _, counted
from lab.report import clip_pair
from lab.report.console import Screen
from lab.transcript.blocks import times

CONTEXT = 1
STYLES = {"-": "red", "+": "green", " ": "", "~": ""}


def show(console: Console, comparisons: Sequence[Comparison], left: str, right: str) -> None:
    """All that differs, case by case, and a last line that counts. `left` and `right` say what is compared."""
    screen = Screen(console)
    for lead, words in (("- ", left), ("+ ", right)):
        screen.listing(words, lead, "bold")
    for comparison in comparisons:
        if comparison.parts and comparison.differing:
            screen.gap()
            screen.rule(" | ".join(dict.fromkeys(filter(None, (comparison.left, comparison.right)))))
            _case(screen, comparison)
    _alone(screen, "- ", _("only the left has"), [it.left for it in comparisons if it.left and not it.right])
    _alone(screen, "+ ", _("only the right has"), [it.right for it in comparisons if it.right and not it.left])
    screen.gap()
    screen.say(summary(comparisons), style="bold")


def json_lines(comparisons: Iterable[Comparison], left: str, right: str) -> str:
    """One line a case, in ASCII; all keys are there in every line:

    left_run, right_run     text: what is compared, as it was asked for
    left, right             "SCENARIO.CASE"; null: that side has no such case
    differing               how many lines are not the same; 0: the cases are alike
    parts                   [part]: the hosts, the steps, and what stands beside them

    part     left_step, right_step (from 0, as in the file; -1: no step; null: that side has none), rows [row]
    row      kind ("same", "changed", "left", "right"; "perhaps": only one side has it, which may be for want of time,
             and is no difference), left, right (text; null: that side has no such line); a part's first row is its
             heading, and a line that stands deeper begins with spaces
    """
    return "".join(json.dumps({"left_run": left, "right_run": right} | _plain(item)) + "\n" for item in comparisons)


def _plain(comparison: Comparison) -> dict[str, object]:
    return {
        "left": comparison.left,
        "right": comparison.right,
        "differing": comparison.differing,
        "parts": [
            {
                "left_step": part.numbers[0],
                "right_step": part.numbers[1],
                "rows": [{"kind": row.kind, "left": row.left, "right": row.right} for row in part.rows],
            }
            for part in comparison.parts
        ],
    }


def _alone(screen: Screen, lead: str, heading: str, names: Sequence[str]) -> None:
    """The cases that only one side has."""
    if names:
        screen.gap()
        screen.say(heading, style="bold")
        for name, count in Counter(names).items():
            screen.listing(times(name, count), lead, STYLES[lead[0]])


def _case(screen: Screen, comparison: Comparison) -> None:
    for alike, group in groupby(comparison.parts, key=lambda part: not part.differing):
        parts = list(group)
        if alike:
            screen.listing(counted("... {count:,} part alike ...", "... {count:,} parts alike ...", len(parts)), "  ")
        else:
            for part in parts:
                _part(screen, part)


def _part(screen: Screen, part: Part) -> None:
    numbers = dict.fromkeys(str(number + 1) for number in part.numbers if number is not None and number >= 0)
    lead = f"{'/'.join(numbers)}. " if numbers else ""
    _row(screen, part.rows[0], lead)
    for row in _folded(part.rows[1:]):
        if isinstance(row, int):
            screen.listing(counted("... {count:,} line alike ...", "... {count:,} lines alike ...", row), "     ")
        else:
            _row(screen, row, "   ")


def _row(screen: Screen, row: Row, indent: str) -> None:
    """One line where both sides say the same, else a line each; `~`: the other side had no time to say it."""
    marks = {"same": " ", "perhaps": "~"}
    left, right = clip_pair(row.left, row.right)
    for mark, text in [(marks[row.kind], left or right)] if row.kind in marks else [("-", left), ("+", right)]:
        if text is not None:
            plain = text.lstrip(" ")
            deeper = " " * (len(text) - len(plain))
            screen.listing(plain, f"{mark} {indent}{deeper}", STYLES[mark])


def _folded(rows: Sequence[Row]) -> Iterator[Row | int]:
    """The rows that differ, those around them, and the heads above; in place of others, how many they are."""
    shown: set[int] = set()
    for place, row in enumerate(rows):
        if row.kind not in ("same", "perhaps"):
            shown.update(range(max(0, place - CONTEXT), min(len(rows), place + CONTEXT + 1)), _heads(rows, place))
    for here, group in groupby(range(len(rows)), key=lambda place: place in shown):
        places = list(group)
        if here or len(places) == 1:
            yield from (rows[place] for place in places)
        else:
            yield len(places)


def _heads(rows: Sequence[Row], place: int) -> Iterator[int]:
    """The line below which this one stands."""
    if _depth(rows[place]):
        yield from [above for above in range(place) if not _depth(rows[above])][-1:]


def _depth(row: Row) -> bool:
    return (row.left or row.right or "").startswith(" ")
