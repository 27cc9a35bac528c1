"""Saved histories, and what may be changed in one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace

from lab.history import Call, History, Observation, Packet
from lab.plan import Plan
from lab.runs import load_case
from lab.transcript import Transcript, transcript

HISTORIES = Path(__file__).parents[2] / "golden" / "histories"
MS = 1_000_000
T = TypeVar("T", bound=Observation)
Change = Callable[[History], History]


def saved(name: str) -> tuple[Plan, History]:
    return load_case(HISTORIES / f"diff-{name}")


def told(name: str, *changes: Change) -> Transcript:
    """The transcript of a saved case in which something was changed."""
    plan, history = saved(name)
    for change in changes:
        history = change(history)
    return transcript(plan, history)


def dropped(kind: type[T], which: Callable[[T], bool]) -> Change:
    """Some observations are missing."""
    return lambda history: History(
        tuple(seen for seen in history.observations if not (isinstance(seen, kind) and which(seen)))
    )


def changed(kind: type[T], which: Callable[[T], bool], **fields: Any) -> Change:
    """Some observations say something else; a field may be a function of what was observed."""

    def one(seen: Observation) -> Observation:
        if not (isinstance(seen, kind) and which(seen)):
            return seen
        return replace(seen, **{name: value(seen) if callable(value) else value for name, value in fields.items()})

    return lambda history: History.of(map(one, history.observations))


def later(seconds: int) -> Change:
    """All happened so much later."""
    by = seconds * 1000 * MS

    def moved(seen: Observation) -> Observation:
        stamps = {name: getattr(seen, name, None) for name in ("time", "ended", "until")}
        return replace(seen, **{name: at + by for name, at in stamps.items() if at is not None})

    return lambda history: History(tuple(map(moved, history.observations)))


def added(*observations: Observation) -> Change:
    return lambda history: History.of([*history.observations, *observations])


def copied(kind: type[T], which: Callable[[T], bool], **fields: Any) -> Change:
    """Some observations are there once more, with something else in them."""

    def copy(history: History) -> History:
        seen = tuple(item for item in history.all(kind) if which(item))
        return added(*changed(kind, which, **fields)(History(seen)).observations)(history)

    return copy


def calls(host: str, function: str) -> Callable[[Call], bool]:
    return lambda call: (call.host, call.function) == (host, function)


def packets(host: str = "", flag: str = "", **fields: Any) -> Callable[[Packet], bool]:
    """Packets that a host's tap saw, with that flag and these fields."""

    def which(packet: Packet) -> bool:
        return (
            host in ("", packet.host)
            and (not flag or flag in packet.flags)
            and all(getattr(packet, name) == value for name, value in fields.items())
        )

    return which
