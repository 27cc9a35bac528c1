"""Saved cases with all that is known of them, for views that show more than a Report holds."""

import contextlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from lab.errors import LabError
from lab.history import History
from lab.judge import Report, judge, skipped
from lab.library import outline
from lab.plan import Plan
from lab.runs import PLAN, load_case, load_plan, skip_reason


@dataclass(frozen=True)
class Told:
    """A case. `name` is its own, with a number where it was run again; `began` is when (ns); the history of a skipped
    one is empty."""

    name: str
    plan: Plan
    history: History
    report: Report
    began: int = 0


def told(folders: Iterable[Path]) -> tuple[Told, ...]:
    """The cases of these folders, judged again. Those of one scenario follow each other in the order of their file, if
    that is still there, else of their beginnings. UsageError names what cannot be read."""
    cases = sorted(map(_load, folders), key=lambda case: case.began)
    files = {case.plan.file: number for number, case in reversed(list(enumerate(cases)))}
    orders = {file: _order(file) for file in files}
    cases.sort(key=lambda case: (files[case.plan.file], orders[case.plan.file].get(case.plan.case, 0)))
    return tuple(_numbered(cases))


def _order(file: str) -> dict[str, int]:
    """The places of the cases in a scenario's file; none where it cannot be read any more."""
    with contextlib.suppress(LabError):
        return {name: place for place, name in enumerate(outline(Path(file)).cases)}
    return {}


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
    times = [seen.time for seen in history.observations[:1]]
    # a case that was skipped was saved when it would have begun
    began = min(times, default=(folder / PLAN).stat().st_mtime_ns)
    return Told(plan.case or plan.scenario, plan, history, report, began)
