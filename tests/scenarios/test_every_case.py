"""Every case of every scenario that comes with the lab passes: on the fake engine, and on Docker.

All that are asked for run side by side in one session, as `lab run` has them; a failure is told as its lines
`file:line:column: expected ..., observed ...`. What a case proves by failing elsewhere is for `test_they_can_fail`.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from shipped_cases import FAKE_LACKS, JOBS, Silence, named

from lab.checks.base import Outcome
from lab.flow import open_session, run_jobs
from lab.judge import Report
from lab.report import faults

AT_ONCE = {"fake": 2, "docker": 4}
Reports = Callable[[str], Report]


@pytest.fixture(scope="module")
def reports(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Reports:
    """A case's report, by engine and name; an engine's cases are all run when the first is asked for."""
    made: dict[str, dict[str, Report]] = {}

    def report(engine: str, name: str) -> Report:
        if engine not in made:
            made[engine] = _run(engine, _asked_for(request.session.items, engine), tmp_path_factory.mktemp(engine))
        return made[engine][name]

    return report


def _asked_for(items: list[pytest.Item], engine: str) -> list[str]:
    function = f"test_on_{engine}"
    return [item.callspec.params["name"] for item in items if getattr(item, "originalname", "") == function]


def _run(engine: str, names: list[str], folder: Path) -> dict[str, Report]:
    jobs = {name: JOBS[name] for name in names}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_RUNS", str(folder))
        with open_session(engine, keep=False, time_scale=1.0) as session:
            reports = run_jobs(session, list(jobs.values()), Silence, AT_ONCE[engine])
    return dict(zip(jobs, reports, strict=True))


def _passes(report: Report) -> None:
    told = "\n".join(map(str, faults(report)))
    if report.outcome is not Outcome.PASS:
        pytest.fail(f"{report.outcome}: {report.skipped or told}", pytrace=False)
    assert not told


@named
def test_on_fake(reports, name):
    if reason := FAKE_LACKS.get(name):
        pytest.skip(reason)
    _passes(reports("fake", name))


@pytest.mark.docker
@named
def test_on_docker(reports, name):
    _passes(reports("docker", name))
