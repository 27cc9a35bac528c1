"""Who may begin, where several cases run side by side: a slot is for work, not for waiting.

A case that waits for the kernel (for a call, for a program, for time to pass) keeps its slot for a moment, then lends
it, and another case may begin. It goes on without asking, so that none of its own times is stretched: for a while, more
cases may be at work than there are slots. How many have begun is bounded, too. What a case does is not known here.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

MOMENT_SECONDS = 0.1
BEGUN_FOR_EACH = 4


class Slot:
    """A case's own."""

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self._since = float("inf")

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """In this block nothing is done but to wait."""
        with self._changed:
            self._since = time.monotonic()
            self._changed.notify()
        try:
            yield
        finally:
            self._since = float("inf")

    def lent_in(self) -> float:
        """In how many seconds another may use it, if the wait lasts; infinite while there is none."""
        return self._since + MOMENT_SECONDS - time.monotonic()


class Slots:
    """So many cases at work at once; a single slot is never lent."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.most = number * BEGUN_FOR_EACH if number > 1 else 1
        self._begun: set[Slot] = set()
        self._changed = threading.Condition()
        self._door = threading.Lock()  # one after the other: whoever came first waits for the next slot

    @contextmanager
    def one(self) -> Iterator[Slot]:
        """A slot, as soon as one is free or lent; given back at the end of the block."""
        slot = Slot(self._changed)
        with self._door, self._changed:
            while (pause := self._pause()) > 0:
                self._changed.wait(min(pause, threading.TIMEOUT_MAX))
            self._begun.add(slot)
        try:
            yield slot
        finally:
            with self._changed:
                self._begun.remove(slot)
                self._changed.notify()

    def _pause(self) -> float:
        """In how many seconds a case may begin, if nothing changes; none: now."""
        free = self._number - len(self._begun)
        if len(self._begun) >= self.most:
            return float("inf")
        return 0.0 if free > 0 else sorted(slot.lent_in() for slot in self._begun)[-free]
