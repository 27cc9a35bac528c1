"""No flake: every case thirty times over, and ten times with both processors busy. Each run prints what came out, and
all transcripts of a case are alike."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import pytest
from determinism import busy
from silence import Silence

from lab.checks.base import Outcome
from lab.diff import Row, compare, side
from lab.engines import open_engine
from lab.flow import Job, open_session, run_jobs
from lab.judge import Report
from lab.library import shipped
from lab.report import faults
from lab.scenario import load
from lab.transcript import Transcript

pytestmark = [pytest.mark.soak, pytest.mark.docker]


def repeated(times: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Report]:
    """The reports of every case, so many times over, two at once."""
    monkeypatch.setenv("LAB_RUNS", str(folder))
    scenarios = [load(path) for path in shipped()]
    jobs = [Job(scenario, case) for scenario in scenarios for case in scenario.cases for _ in range(times)]
    with open_session(open_engine("docker"), keep=False, time_scale=1.0) as session:
        return run_jobs(session, jobs, Silence, 2)


def told(reports: list[Report]) -> str:
    """A table: one line a case, how often it came out how; then everything that went wrong."""
    outcomes = Counter((f"{it.scenario}.{it.case}", str(it.outcome)) for it in reports)
    names = list(dict.fromkeys(name for name, _ in outcomes))
    width = max(map(len, names))
    table = [f"{'':{width}}" + "".join(f"{outcome:>9}" for outcome in Outcome)]
    table += [f"{name:{width}}" + "".join(f"{outcomes[name, str(it)]:>9}" for it in Outcome) for name in names]
    wrong = [f"{it.scenario}.{it.case}: {fault}" for it in reports for fault in faults(it)]
    return "\n".join([*table, *wrong])


def unlike(transcripts: Sequence[Transcript]) -> Iterator[Row]:
    """Where a case differs from any other run of it."""
    distinct: dict[str, dict[Transcript, None]] = defaultdict(dict)
    for told in transcripts:
        distinct[f"{told.scenario}.{told.case}"][told] = None
    for repeats in distinct.values():
        for one, other in combinations(repeats, 2):
            parts = compare(one, other).parts
            yield from (row for part in parts for row in part.rows if row.kind not in ("same", "perhaps"))


@pytest.mark.parametrize(("times", "processors"), [(30, 0), (10, 2)], ids=["quiet", "busy"])
def test_again_and_again(times, processors, tmp_path, monkeypatch, capsys):
    with busy(processors):
        reports = repeated(times, tmp_path, monkeypatch)
    table = told(reports)
    with capsys.disabled():
        print(f"\n{table}")
    assert {report.outcome for report in reports} == {Outcome.PASS}, table
    assert not list(unlike(side("latest")))
