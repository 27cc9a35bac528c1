"""Two runs, or two cases, and where they differ: transcripts, aligned step by step and line by line.

A run is told by its folder's transcripts; cases of two runs are matched by their scenarios and names. How the rows look
is for `report.difference` to say.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from pathlib import Path
from typing import Literal, TypeVar

from msgspec import Struct

from lab.i18n import _, counted
from lab.runs import find, load_case, load_plan, only, skip_reason
from lab.transcript import Section, Transcript, skipped, transcript

T = TypeVar("T")
NOTHING = Section(-1, "", ())
_TIMES = re.compile(r"\b\d+ x ")
_ABOUT = re.compile(r"\s*(\d+ x )?[^=:(|,\d]*")


class Row(Struct, frozen=True):
    """A line of the left side, of the right, or one of each; equal or not. `perhaps`: that only one side has it, or has
    it more often, may be for want of time."""

    left: str | None
    right: str | None
    perhaps: bool = False

    @property
    def kind(self) -> Literal["same", "perhaps", "changed", "left", "right"]:
        """`left` and `right`: only that side has it."""
        if self.left == self.right:
            return "same"
        if self.perhaps:
            return "perhaps"
        return "left" if self.right is None else "right" if self.left is None else "changed"


class Part(Struct, frozen=True):
    """A step of both sides, or of one: its numbers in the file (from 0; -1: no step; None: this side has none), and the
    rows, of which the first is the heading."""

    numbers: tuple[int | None, int | None]
    rows: tuple[Row, ...]

    @property
    def differing(self) -> int:
        """How many rows are not the same."""
        return sum(row.kind not in ("same", "perhaps") for row in self.rows)


class Comparison(Struct, frozen=True):
    """A case of the left side and one of the right by their names (None: this side has none), part by part."""

    left: str | None
    right: str | None
    parts: tuple[Part, ...]

    @property
    def differing(self) -> int:
        """How many lines are not the same; a case that only one side has counts as one."""
        return sum(part.differing for part in self.parts) or int(None in (self.left, self.right))


def side(name: str, case: str = "") -> tuple[Transcript, ...]:
    """The transcripts of a run, or of its cases of that name (`open`, `refused.open`); `name` is what `runs.find`
    understands. UsageError where there is none."""
    return tuple(map(_told, only(find(name), case)))


def _told(folder: Path) -> Transcript:
    reason = skip_reason(folder)
    return skipped(load_plan(folder), reason) if reason else transcript(*load_case(folder))


def compared(left: Sequence[Transcript], right: Sequence[Transcript]) -> tuple[Comparison, ...]:
    """Each case of either side with its like; where both are one case only, these two, whatever their names."""
    if len(left) == len(right) == 1:
        return (compare(left[0], right[0]),)
    matched: dict[str, tuple[list[Transcript], list[Transcript]]] = defaultdict(lambda: ([], []))
    for place, told in enumerate((left, right)):
        for item in told:
            matched[_name(item)][place].append(item)
    return tuple(compare(*pair) for ours, theirs in matched.values() for pair in zip_longest(ours, theirs))


def summary(comparisons: Sequence[Comparison]) -> str:
    """`alike: 5 cases`, `3 of 5 cases differ, in 7 lines`."""
    differing = [comparison.differing for comparison in comparisons if comparison.differing]
    if not differing:
        return counted("alike: {count:,} case", "alike: {count:,} cases", len(comparisons))
    lines = counted("in {count:,} line", "in {count:,} lines", sum(differing))
    if len(comparisons) == 1:
        return f"{_('1 case differs')}, {lines}"
    known = {"all": len(comparisons)}
    cases = counted("{count} of {all:,} cases differs", "{count} of {all:,} cases differ", len(differing), **known)
    return f"{cases}, {lines}"


def compare(left: Transcript | None, right: Transcript | None) -> Comparison:
    """Two cases, of which one may be missing."""
    names = (_name(left) if left else None, _name(right) if right else None)
    if left is None or right is None:
        return Comparison(*names, ())
    if left.skipped or right.skipped:
        return Comparison(*names, (Part((-1, -1), (Row(_whether_run(left), _whether_run(right)),)),))
    pairs = _paired(left.sections, right.sections, _program, _action)
    return Comparison(*names, tuple(_part(*pair) for pair in pairs))


def _name(told: Transcript) -> str:
    return f"{told.scenario}.{told.case}"


def _whether_run(told: Transcript) -> str:
    return _("skipped: {reason}", reason=told.skipped) if told.skipped else _("it was run")


def _part(left: Section | None, right: Section | None) -> Part:
    ours, theirs = left or NOTHING, right or NOTHING
    heading = Row(left.heading if left else None, right.heading if right else None)
    pairs = _paired(ours.lines, theirs.lines, str, _about)
    excused = ours.perhaps | theirs.perhaps if left and right else frozenset()
    rows = (Row(mine, yours, _is_perhaps(mine, yours, excused)) for mine, yours in pairs)
    return Part((left.number if left else None, right.number if right else None), (heading, *rows))


def _is_perhaps(mine: str | None, yours: str | None, excused: frozenset[str]) -> bool:
    told = [line for line in (mine, yours) if line is not None]
    return excused.issuperset(told) and len({_TIMES.sub("", line) for line in told}) == 1


def _program(section: Section) -> str:
    """Host, action and program, or socket and method: what makes two steps the same one."""
    return " ".join(section.heading.partition("(")[0].split()[:3])


def _action(section: Section) -> str:
    """Host and action: what makes two steps alike."""
    return " ".join(section.heading.split()[:2])


def _about(line: str) -> str:
    """What a line tells of: `  connect`, `exit `, `stdout `."""
    found = _ABOUT.match(line)
    return found[0].replace(found[1] or "", "") if found else line


def _paired(
    left: Sequence[T], right: Sequence[T], same: Callable[[T], str], alike: Callable[[T], str]
) -> Iterator[tuple[T | None, T | None]]:
    """What is the same side by side; between it, what is alike; the others alone; all in their order."""
    for _same, ours, theirs in _stretches(left, right, same):
        for paired, mine, yours in _stretches(ours, theirs, alike):
            if paired:
                yield from zip(mine, yours, strict=True)
            else:
                yield from ((item, None) for item in mine)
                yield from ((None, item) for item in yours)


def _stretches(
    left: Sequence[T], right: Sequence[T], kin: Callable[[T], str]
) -> Iterator[tuple[bool, Sequence[T], Sequence[T]]]:
    matcher = SequenceMatcher(None, list(map(kin, left)), list(map(kin, right)), autojunk=False)
    for what, begin, end, begins, ends in matcher.get_opcodes():
        yield what == "equal", left[begin:end], right[begins:ends]
