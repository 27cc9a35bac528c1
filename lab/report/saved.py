"""Saved cases with all that is known of them, for views that show more than a Report holds."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from lab.history import History
from lab.judge import Report, judge, skipped
from lab.plan import Plan
from lab.runs import load_case, load_plan, skip_reason


class Told(Struct, frozen=True):
    """A case. `name` is its own, with a number where it was run again; the history of a skipped one is empty."""

    name: str
    plan: Plan
    history: History
    report: Report


def told(folders: Iterable[Path]) -> tuple[Told, ...]:
    """The cases of these folders, judged again. UsageError names what cannot be read."""
    return tuple(_numbered(map(_load, folders)))


def _numbered(cases: Iterable[Told]) -> Iterable[Told]:
    times: Counter[tuple[str, str]] = Counter()
    for case in cases:
        key = (case.plan.file, case.name)
        times[key] += 1
        yield replace(case, name=f"{case.name} ({times[key]})") if times[key] > 1 else case


def _load(folder: Path) -> Told:
    reason = skip_reason(folder)
    plan, history = (load_plan(folder), History()) if reason else load_case(folder)
    report = skipped(plan, reason) if reason else judge(plan, history)
    return Told(plan.case or plan.scenario, plan, history, report)
