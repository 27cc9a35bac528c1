"""Patterns beside what was observed: every part and item once, in order, at the least cost; fits as it should."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.align import FAR, Pair, align

ANY = None
LETTERS = st.sampled_from("abAB.")
PATTERNS = st.lists(st.sampled_from(["a", "b", "A", ".", ANY]), max_size=7)


def distance(part: str, item: str) -> int:
    """`.` is any letter; a letter in the other case is near."""
    return 0 if part in (".", item) else FAR - (part.lower() == item.lower())


def rows(pattern: Sequence[str | None], items: str) -> list[str]:
    def written(pair: Pair) -> str:
        part = "" if pair.part is None else pattern[pair.part] or "..."
        return f"{part}{'=' if pair.same else '!'}{''.join(items[index] for index in pair.items)}"

    return [written(pair) for pair in align(pattern, items, distance)]


def fits(pattern: Sequence[str | None], items: Sequence[str]) -> bool:
    """The meaning of a pattern, as slow as it is plain."""
    if not pattern:
        return not items
    if pattern[0] is None:
        return any(fits(pattern[1:], items[skipped:]) for skipped in range(len(items) + 1))
    return bool(items) and not distance(pattern[0], items[0]) and fits(pattern[1:], items[1:])


def cheapest(pattern: Sequence[str | None], items: Sequence[str]) -> int:
    """What the best alignment costs, by trying all of them."""
    if not pattern:
        return FAR * len(items)
    if pattern[0] is None:
        return min(cheapest(pattern[1:], items[skipped:]) for skipped in range(len(items) + 1))
    ways = [FAR + cheapest(pattern[1:], items)]
    if items:
        ways.append(FAR + cheapest(pattern, items[1:]))
        ways.append(distance(pattern[0], items[0]) + cheapest(pattern[1:], items[1:]))
    return min(ways)


@pytest.mark.parametrize(
    ("pattern", "items", "expected"),
    [
        ([], "", []),
        ([], "ab", ["!a", "!b"]),
        (["a", "b"], "ab", ["a=a", "b=b"]),
        (["a", "b"], "", ["a!", "b!"]),
        (["a", ANY, "b"], "aabb", ["a=a", "...=ab", "b=b"]),
        ([ANY], "", ["...="]),
        ([ANY], "abab", ["...=abab"]),
        (["a", "b", "a"], "ab", ["a=a", "b=b", "a!"]),
        (["a", "b"], "aab", ["a=a", "!a", "b=b"]),
        (["a", "A", "b"], "abb", ["a=a", "A!b", "b=b"]),
        (["a", "A"], "aba", ["a=a", "!b", "A!a"]),
        (["a", ANY, "A"], "abb", ["a=a", "...=bb", "A!"]),
        (["a"], "bb", ["a!b", "!b"]),
        (["a"], "baa", ["!b", "!a", "a=a"]),
    ],
)
def test_rows(pattern: list[str | None], items: str, expected: list[str]) -> None:
    assert rows(pattern, items) == expected


@given(PATTERNS, st.lists(LETTERS, max_size=6))
def test_it_fits_exactly_where_a_plain_matcher_says_so(pattern: list[str | None], items: list[str]) -> None:
    assert all(pair.same for pair in align(pattern, items, distance)) == fits(pattern, items)


@given(PATTERNS, st.lists(LETTERS, max_size=40))
def test_rows_hold_both_sides_in_order(pattern: list[str | None], items: list[str]) -> None:
    pairs = align(pattern, items, distance)
    assert [pair.part for pair in pairs if pair.part is not None] == list(range(len(pattern)))
    assert [index for pair in pairs for index in pair.items] == list(range(len(items)))
    for pair in pairs:
        part = None if pair.part is None else pattern[pair.part]
        taken = [items[index] for index in pair.items]
        if pair.part is not None and part is None:
            assert pair.same
        elif part is None:
            assert len(taken) == 1 and not pair.same
        else:
            assert len(taken) <= 1 and pair.same == (bool(taken) and not distance(part, taken[0]))


@given(st.lists(st.sampled_from(["a", "b", "A", ".", ANY]), max_size=4), st.lists(LETTERS, max_size=5))
def test_no_alignment_costs_less(pattern: list[str | None], items: list[str]) -> None:
    def cost(pair: Pair) -> int:
        part = None if pair.part is None else pattern[pair.part]
        return 0 if pair.same else FAR if part is None or not pair.items else distance(part, items[pair.items[0]])

    assert sum(map(cost, align(pattern, items, distance))) == cheapest(pattern, items)


def test_many_items_are_no_burden() -> None:
    pattern = ["a", "b", ANY, "a", "b"]
    pairs = align(pattern, "ab" * 50_000, distance)
    assert [len(pair.items) for pair in pairs] == [1, 1, 99_996, 1, 1]
