"""Every case of every scenario that comes with the lab passes: on the fake engine, on Docker, and in namespaces.

All that are asked for run side by side in one session, as `lab run` has them; a failure is told as its lines
`file:line:column: expected ..., observed ...`. What a case proves by failing elsewhere is for `test_they_can_fail`.
"""

from pathlib import Path

import pytest
from shipped_cases import JOBS, named
from silence import Silence

from lab.checks.base import Outcome
from lab.engines import open_engine
from lab.engines.namespaces import NamespacesEngine
from lab.errors import LabError
from lab.flow import open_session, run_jobs
from lab.judge import Report
from lab.report import faults

Reports = dict[str, Report]


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Reports:
    """The reports of all cases on the fake engine, whose clock waits for nothing."""
    return _run("fake", list(JOBS), tmp_path_factory.mktemp("runs"), at_once=2)


@pytest.fixture(scope="module")
def docker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Reports:
    """The same on Docker."""
    names = _asked_for(request.session.items, "test_on_docker")
    return _run("docker", names, tmp_path_factory.mktemp("runs"), at_once=2)


@pytest.fixture(scope="module")
def namespaces(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Reports:
    """The same in namespaces."""
    try:
        NamespacesEngine().trial()
    except LabError as reason:
        pytest.skip(f"namespaces: {reason}")
    names = _asked_for(request.session.items, "test_in_namespaces")
    return _run("namespaces", names, tmp_path_factory.mktemp("runs"), at_once=4)


def _asked_for(items: list[pytest.Item], function: str) -> list[str]:
    return [item.callspec.params["name"] for item in items if getattr(item, "originalname", "") == function]


def _run(engine: str, names: list[str], folder: Path, at_once: int) -> Reports:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_RUNS", str(folder))
        with open_session(open_engine(engine), keep=False, time_scale=1.0) as session:
            reports = run_jobs(session, [JOBS[name] for name in names], Silence, at_once)
    return dict(zip(names, reports, strict=True))


def _passes(report: Report) -> None:
    told = "\n".join(map(str, faults(report)))
    if report.outcome is not Outcome.PASS:
        pytest.fail(f"{report.outcome}: {report.skipped or told}", pytrace=False)
    assert not told


@named
def test_on_fake(fake, name):
    if reason := fake[name].skipped:
        pytest.skip(reason)
    _passes(fake[name])


def test_what_the_fake_engine_skips(fake, golden):
    """All that it models, it runs."""
    skipped = {name: report.skipped for name, report in fake.items() if report.outcome is Outcome.SKIPPED}
    golden("scenarios/skipped-on-fake.txt", "".join(f"{name}: {reason}\n" for name, reason in skipped.items()))


@pytest.mark.docker
@named
def test_on_docker(docker, name):
    _passes(docker[name])


@pytest.mark.namespaces
@named
def test_in_namespaces(namespaces, name):
    _passes(namespaces[name])
