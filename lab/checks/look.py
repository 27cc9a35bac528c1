"""What the families of checks look at, found in the history: the step's attempts, its call, its process.

Where there is nothing to look at, these answer with the reason as text, which makes a check an ERROR.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from lab.attempts import Attempt, attempts
from lab.checks.base import Seen
from lab.history import Call, Exit, Note, Observation, Tap
from lab.wire import awake

ACCEPTS = ("accept", "accept4")
SHOWN = 16


def tried(seen: Seen) -> tuple[Attempt, ...] | str:
    """The step's attempts to connect, at least one; or why there are none to judge."""
    if reason := untraced(seen):
        return reason
    found = attempts(seen.history, seen.step, seen.window[1])
    made = tuple(one for one in found if one.host == seen.host and one.started <= seen.window[1])
    return made or "no attempt to connect was seen in this step; does it connect at all?"


def untraced(seen: Seen) -> str:
    """Why the program's calls cannot be judged; empty where they can."""
    notes = (note for note in seen.history.all(Note, seen.host) if note.what == "trace" and note.step == seen.step)
    return next((f"the program's calls were not all seen: {note.text}" for note in notes), "")


def call_of(seen: Seen) -> Call | None:
    """The call that the step made, as it stood when the expecting step ended."""
    for call in seen.history.all(Call, seen.host):
        if call.step == seen.step and not call.program and call.time <= seen.window[1]:
            late = call.ended is not None and call.ended > seen.window[1]
            return replace(call, ended=None, result=None, error=None) if late else call
    return None


def exit_of(seen: Seen) -> Exit | None:
    """How the step's process ended, if it has by now."""
    exits = (end for end in seen.history.all(Exit, seen.host) if end.step == seen.step and end.time <= seen.window[1])
    return next(exits, None)


def accepts(seen: Seen) -> tuple[Call, ...]:
    """The connections that `on` accepted in the window: those of the step, where `on` is the acting host."""
    begin, end = seen.window
    return tuple(
        call
        for call in seen.history.all(Call, seen.on)
        if call.function in ACCEPTS and call.error is None and call.ended is not None and begin <= call.ended <= end
        if seen.on != seen.host or call.step == seen.step
    )


def watched(seen: Seen, start: int, end: int | None) -> bool:
    """Whether the tap of `on` missed nothing from `start` to its last look in the window, and looked after `end`."""
    looks = [tap.until for tap in seen.history.all(Tap, seen.on) if tap.time <= seen.window[1]]
    last = min(max(looks, default=0), seen.window[1])
    return last >= (end or start) and awake(seen.history, seen.on, start, last)


def indices(seen: Seen, evidence: Iterable[Observation]) -> tuple[int, ...]:
    """Where in the history the first few of these observations are."""
    wanted = {id(one) for one in evidence}
    found = (number for number, one in enumerate(seen.history.observations) if id(one) in wanted)
    return tuple(number for number, _ in zip(found, range(SHOWN), strict=False))


def evidence_of(seen: Seen, made: Sequence[Attempt]) -> tuple[int, ...]:
    """The calls and packets of the attempts."""
    return indices(seen, (one for attempt in made for one in (*attempt.calls, *attempt.packets)))


def lasted(nanoseconds: float) -> str:
    """`0.24 ms`, `300 ms`, `1.02 s`."""
    milliseconds = nanoseconds / 1e6
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.2f} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.2g} ms"
