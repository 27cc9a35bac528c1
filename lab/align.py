"""A pattern beside what was observed, like a diff: which part belongs to which item, at the least cost. Pure.

The one mechanism that decides whether a pattern fits, and shows where it does not. What a part asks of an item is the
caller's to say, and so is how a row reads.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from msgspec import Struct

FAR = 2  # how far a part and an item are apart that have nothing in common; as far as from nothing at all
_PAIR, _MISSING, _EXTRA, _ABSORB, _END = range(5)

Part = TypeVar("Part")
Item = TypeVar("Item")
Distance = Callable[[Part, Item], int]


class Pair(Struct, frozen=True):
    """A row, by indices: a part of the pattern (None: nothing was expected here) beside the items that belong to it
    (none: nothing was observed; any number of them beside a `...`)."""

    part: int | None
    items: range
    same: bool


def align(pattern: Sequence[Part | None], items: Sequence[Item], distance: Distance[Part, Item]) -> tuple[Pair, ...]:
    """The rows, which hold each part and each item once, in order; the pattern fits where all of them are the same.

    None in the pattern is any run of items. `distance` is 0 where an item is what a part asks for, and up to FAR.
    """
    head = _alike(pattern, items, distance)
    tail = _alike(pattern[head:][::-1], items[head:][::-1], distance)
    parts, rest = pattern[head : len(pattern) - tail], items[head : len(items) - tail]
    return (
        *_same(0, 0, head),
        *_rows(parts, rest, distance, head),
        *_same(len(pattern) - tail, len(items) - tail, tail),
    )


def _same(part: int, item: int, count: int) -> Iterator[Pair]:
    return (Pair(part + index, range(item + index, item + index + 1), True) for index in range(count))


def _alike(pattern: Sequence[Part | None], items: Sequence[Item], distance: Distance[Part, Item]) -> int:
    """How many items at the beginning are what the parts ask for, one by one: no other way could cost less."""
    for index, (part, item) in enumerate(zip(pattern, items, strict=False)):
        if part is None or distance(part, item):
            return index
    return min(len(pattern), len(items))


def _rows(
    pattern: Sequence[Part | None], items: Sequence[Item], distance: Distance[Part, Item], head: int
) -> Iterator[Pair]:
    """The cheapest way through, a row a step; what a `...` takes is one row. Indices count from `head`."""
    moves = _moves(pattern, items, distance)
    number = at = 0
    while number < len(pattern) or at < len(items):
        move, begin = _EXTRA, at
        if number < len(pattern):
            while (move := moves[number][at]) == _ABSORB:
                at += 1
        part = pattern[number] if move == _PAIR else None
        same = move == _END or (part is not None and not distance(part, items[at]))
        at += move in (_PAIR, _EXTRA)
        yield Pair(None if move == _EXTRA else head + number, range(head + begin, head + at), same)
        number += move != _EXTRA


def _moves(pattern: Sequence[Part | None], items: Sequence[Item], distance: Distance[Part, Item]) -> list[bytearray]:
    """The first move of the cheapest way, by part and item that come next."""
    below = [FAR * (len(items) - at) for at in range(len(items) + 1)]
    moves: list[bytearray] = []
    for part in reversed(pattern):
        below, move = _any_run(below) if part is None else _one(part, items, below, distance)
        moves.append(move)
    return moves[::-1]


def _any_run(below: Sequence[int]) -> tuple[list[int], bytearray]:
    """What the rest costs from each item on if a `...` comes next, and the first move; `below` is without it."""
    costs, moves = list(below), bytearray([_END]) * len(below)
    for at in range(len(below) - 2, -1, -1):
        if costs[at + 1] <= costs[at]:
            costs[at], moves[at] = costs[at + 1], _ABSORB
    return costs, moves


def _one(
    part: Part, items: Sequence[Item], below: Sequence[int], distance: Distance[Part, Item]
) -> tuple[list[int], bytearray]:
    """The same, if this part comes next."""
    costs, moves = [cost + FAR for cost in below], bytearray([_MISSING]) * len(below)
    for at in range(len(items) - 1, -1, -1):
        pair, extra = below[at + 1] + distance(part, items[at]), costs[at + 1] + FAR
        if pair <= costs[at] and pair <= extra:
            costs[at], moves[at] = pair, _PAIR
        elif extra < costs[at]:
            costs[at], moves[at] = extra, _EXTRA
    return costs, moves
