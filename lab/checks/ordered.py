"""An ordered pattern against what was seen: whether it fits, and the rows that show where it does not."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from msgspec import Struct

from lab.align import Distance, Pair, align
from lab.checks.base import Aligned
from lab.i18n import _
from lab.patterns import ANY_RUN, NONE

SHOWN_ITEMS = 24
SHOWN_ROWS = 60

Part = TypeVar("Part")
Item = TypeVar("Item")


class Ordered(Struct, frozen=True):
    """The answer; `rows` are there for what does not fit."""

    fits: bool
    rows: tuple[Aligned, ...] = ()


def ordered(
    pattern: Sequence[Part | None],
    items: Sequence[Item],
    distance: Distance[Part, Item],
    of_item: Callable[[Item], str],
    of_run: Callable[[Sequence[Item]], str],
) -> Ordered:
    """Whether the items are those of the pattern, in its order. `of_item` says how an item is written in a row,
    `of_run` how those are that a `...` took."""
    pairs = align(pattern, items, distance)
    if all(pair.same for pair in pairs):
        return Ordered(True)
    return Ordered(False, tuple(_cut(_rows(pattern, items, pairs, of_item, of_run), len(pairs))))


def _rows(
    pattern: Sequence[Part | None],
    items: Sequence[Item],
    pairs: Iterable[Pair],
    of_item: Callable[[Item], str],
    of_run: Callable[[Sequence[Item]], str],
) -> Iterator[Aligned]:
    for pair in pairs:
        part = None if pair.part is None else pattern[pair.part]
        taken = items[pair.items.start : pair.items.stop]
        if pair.part is not None and part is None:
            yield Aligned(ANY_RUN, of_run(taken) if taken else "", pair.same)
        else:
            yield Aligned("" if part is None else str(part), "".join(map(of_item, taken)), pair.same)


def _cut(rows: Iterator[Aligned], count: int) -> Iterator[Aligned]:
    """The first ones, and how many are left out."""
    yield from islice(rows, SHOWN_ROWS)
    if count > SHOWN_ROWS:
        yield Aligned("", _("({count:,} more rows)", count=count - SHOWN_ROWS), False)


def said(expected: str | Mapping[str, int | str]) -> str:
    """A pattern, or how many of each kind are expected."""
    if isinstance(expected, str):
        return expected
    return ", ".join(_("{count} of {item}", count=count, item=item) for item, count in expected.items())


def listed(texts: Sequence[str]) -> str:
    """The first of them with commas, and how many more there are; `none` where there is none."""
    more = ", ... " + _("and {count:,} more", count=len(texts) - SHOWN_ITEMS) if len(texts) > SHOWN_ITEMS else ""
    return ", ".join(texts[:SHOWN_ITEMS]) + more or NONE
