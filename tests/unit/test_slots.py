"""Who may begin: so many at work, others in the place of those that wait, and never more than may have begun."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from lab import slots
from lab.slots import BEGUN_FOR_EACH, Slot, Slots

PATIENCE = 10
NEVER = 0.02  # what has not happened by then


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(64) as made:
        yield made


@contextmanager
def asked(pool: ThreadPoolExecutor, of: Slots) -> Iterator["Future[Slot]"]:
    """Somebody who asks for a slot, has it once the future is done, and keeps it for the block."""
    over, has = threading.Event(), Future[Slot]()

    def take() -> None:
        with of.one() as slot:
            has.set_result(slot)
            assert over.wait(PATIENCE)

    task = pool.submit(take)
    try:
        yield has
    finally:
        over.set()
        task.result(PATIENCE)


def begins(has: "Future[Slot]", within: float = PATIENCE) -> bool:
    try:
        has.result(within)
    except TimeoutError:
        return False
    return True


def test_so_many_are_at_work_and_the_next_begins_when_one_ends(pool: ThreadPoolExecutor) -> None:
    two = Slots(2)
    with ExitStack() as others:
        with asked(pool, two) as first:
            assert begins(first) and begins(others.enter_context(asked(pool, two)))
            third = others.enter_context(asked(pool, two))
            assert not begins(third, NEVER)
        assert begins(third)


def test_who_waits_lends_its_slot_after_a_moment_and_goes_on_without_asking(pool: ThreadPoolExecutor) -> None:
    two = Slots(2)
    with two.one() as first, two.one() as second, asked(pool, two) as third:
        begun = time.monotonic()
        with first.waiting():
            assert begins(third)
            assert time.monotonic() - begun >= slots.MOMENT_SECONDS
        # Three are at work now; nobody else begins until one of them waits, however long that takes.
        with asked(pool, two) as fourth, first.waiting():
            assert not begins(fourth, slots.MOMENT_SECONDS + NEVER)
            with second.waiting():
                assert begins(fourth)


def test_a_short_wait_lends_nothing(pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "MOMENT_SECONDS", PATIENCE)
    two = Slots(2)
    with ExitStack() as others, two.one() as first, two.one():
        third = others.enter_context(asked(pool, two))
        with first.waiting():
            assert not begins(third, NEVER)
        assert not begins(third, NEVER)


def test_a_wait_that_ends_in_an_error_is_over(pool: ThreadPoolExecutor) -> None:
    two = Slots(2)
    with ExitStack() as others, two.one() as first, two.one():
        with pytest.raises(OSError), first.waiting():
            raise OSError
        assert not begins(others.enter_context(asked(pool, two)), slots.MOMENT_SECONDS + NEVER)


def test_those_that_have_begun_are_bounded_though_all_of_them_wait(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "MOMENT_SECONDS", 0)
    two = Slots(2)
    assert two.most == 2 * BEGUN_FOR_EACH
    with ExitStack() as later, ExitStack() as everybody:
        for _ in range(two.most):
            has = everybody.enter_context(asked(pool, two))
            everybody.enter_context(has.result(PATIENCE).waiting())
        assert not begins(later.enter_context(asked(pool, two)), NEVER)


def test_a_single_slot_is_never_lent(pool: ThreadPoolExecutor) -> None:
    single = Slots(1)
    with ExitStack() as others, single.one() as slot:
        second = others.enter_context(asked(pool, single))
        with slot.waiting():
            assert not begins(second, slots.MOMENT_SECONDS + NEVER)
