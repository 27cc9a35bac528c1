"""No claim hangs on the lab's haste: every case passes where each of its steps begins late."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.engines import open_engine
from lab.flow import Job, Turn, open_session, run_case
from lab.judge import Report
from lab.library import shipped
from lab.plan import PlannedStep
from lab.report import faults
from lab.scenario import load
from lab.slots import Slots

pytestmark = [pytest.mark.soak, pytest.mark.namespaces]

LATE_SECONDS = 0.5  # longer than any step was held up beside busy loops
AT_ONCE = 16


class Late(Turn):
    """Holds each step up, as a machine does that has too much to do."""

    def step_begins(self, planned: PlannedStep) -> None:
        """A step would be about to act."""
        time.sleep(LATE_SECONDS)
        super().step_begins(planned)


def test_every_case_passes_where_each_step_is_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_RUNS", str(tmp_path))
    slots = Slots(AT_ONCE)
    with open_session(open_engine("namespaces"), keep=False, time_scale=1.0) as session:

        def late(job: Job) -> Report:
            with slots.one() as slot:
                return run_case(session, job, Late(first=False), slot)

        jobs = [Job(scenario, case) for scenario in map(load, shipped()) for case in scenario.cases]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            reports = list(pool.map(late, jobs))
    assert len(reports) == len(jobs) > 0
    assert not [f"{report.scenario}.{report.case}: {fault}" for report in reports for fault in faults(report)]
