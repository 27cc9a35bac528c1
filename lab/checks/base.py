"""What a check is: a pure function of the history that answers PASS, FAIL or ERROR.

ERROR means "could not tell" and is never a pass: nothing to look at, an observer that was not awake, a line that
could not be read. Each family of checks is a module beside this one; `@check` enters a function in the one table.
"""

from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from lab.attempts import Attempt, attempts
from lab.history import Call, Exit, History, Note, Output


class Outcome(StrEnum):
    """The answer of a check; SKIPPED is a case's alone."""

    PASS = "PASS"
    FAIL = "FAIL"
    ERROR = "ERROR"
    SKIPPED = "SKIPPED"


class Aligned(Struct, frozen=True):
    """A row of what was expected in order beside what was observed; a side that has nothing there is empty."""

    expected: str
    observed: str
    same: bool


class Verdict(Struct, frozen=True):
    """A check's answer, in words for a projector. `evidence` indexes the history's observations; `aligned` shows where
    a pattern and what was seen part."""

    outcome: Outcome
    expected: str
    observed: str
    evidence: tuple[int, ...] = ()
    aligned: tuple[Aligned, ...] = ()


Own = TypeVar("Own", Call, Output, Exit)


class Seen(Struct, frozen=True, dict=True):
    """What a check may look at: the whole history, and which part of it is this step's.

    `step` is the number of the step that acted (of the pending one, for a `wait`); `host` acted, `on` looks; the window
    (ns) is from the beginning of that step to the end of the one that expects. `action` is a model.ACTIONS word or
    `observe`; `targets` are the names a call assigned; `traced`: the program was run to have its calls seen. A step
    that is done `turns` times is looked at as a whole, or at one `turn`.
    """

    history: History
    step: int
    host: str
    on: str
    action: str
    window: tuple[int, int]
    observed_at: int
    targets: tuple[str, ...] = ()
    time_scale: float = 1.0
    traced: bool = False
    turns: int = 1
    turn: int | None = None
    whole: "Seen | None" = None

    @cached_property
    def attempts(self) -> tuple[Attempt, ...]:
        """The acting host's attempts to connect, as they stood at the window's end; many checks ask for them."""
        if self.whole is not None:
            return tuple(one for one in self.whole.attempts if one.calls[0].turn == self.turn)
        found = attempts(self.history, self.step, self.window[1])
        return tuple(one for one in found if one.host == self.host and one.started <= self.window[1])

    @cached_property
    def each(self) -> "tuple[Seen, ...]":
        """The turns one by one, each from its own beginning."""
        notes = (note for note in self.history.all(Note, self.host) if note.what == "turn" and note.step == self.step)
        begun = {int(note.text): note.time for note in notes}
        return tuple(
            replace(self, turn=turn, whole=self, window=(begun.get(turn, self.window[0]), self.window[1]))
            for turn in range(self.turns)
        )

    def own(self, kind: type[Own]) -> Iterator[Own]:
        """What the acting host told of the step, or of its turn, by the window's end."""
        for one in self.history.all(kind, self.host):
            if one.step == self.step and self.turn in (None, one.turn) and one.time <= self.window[1]:
                yield one


CheckFunction = Callable[[Any, Seen], Verdict]


class Check(Struct, frozen=True):
    """A check by its name in `expect:`, and the actions after which it makes sense."""

    name: str
    function: CheckFunction
    actions: frozenset[str]


CHECKS: dict[str, Check] = {}


def check(name: str, *actions: str) -> Callable[[CheckFunction], CheckFunction]:
    """Enter a check under its name; `actions` are the steps it goes with (all, where none is named)."""

    def enter(function: CheckFunction) -> CheckFunction:
        CHECKS[name] = Check(name, function, frozenset(actions))
        return function

    return enter


def passed(expected: str, observed: str, *evidence: int) -> Verdict:
    """The expectation holds."""
    return Verdict(Outcome.PASS, expected, observed, evidence)


def failed(expected: str, observed: str, *evidence: int, aligned: tuple[Aligned, ...] = ()) -> Verdict:
    """It was observed that the expectation does not hold."""
    return Verdict(Outcome.FAIL, expected, observed, evidence, aligned)


def could_not_tell(expected: str, observed: str, *evidence: int, aligned: tuple[Aligned, ...] = ()) -> Verdict:
    """Nothing was observed that would answer; `observed` says why and what to do."""
    return Verdict(Outcome.ERROR, expected, observed, evidence, aligned)
