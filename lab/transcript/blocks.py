"""Lines in a canonical order: what happened side by side has none of its own. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby

Block = tuple[str, ...]
DEEPER = "  "


def told(blocks: Iterable[Block]) -> Iterator[str]:
    """Blocks of lines that came in any order, sorted; equal ones once, as `3 x ...`. What follows a block's first line
    stands deeper."""
    for block, count in sorted(Counter(blocks).items()):
        yield times(block[0], count)
        yield from (DEEPER + line for line in block[1:])


def run_lengths(lines: Iterable[str]) -> Iterator[str]:
    """Lines in their order; equal ones that follow each other once, as `3 x ...`."""
    for line, run in groupby(lines):
        yield times(line, len(list(run)))


def times(line: str, count: int) -> str:
    """`3 x line`, or the line."""
    return f"{count} x {line}" if count > 1 else line
