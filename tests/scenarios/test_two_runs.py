"""Two runs of a case are alike, and two cases of a scenario differ: on the fake engine, and on Docker."""

from itertools import combinations
from pathlib import Path

import pytest
from shipped_cases import JOBS, SCENARIOS, named
from silence import Silence

from lab.diff import compare, side
from lab.engines import open_engine
from lab.flow import open_session, run_jobs
from lab.transcript import Transcript

Told = dict[str, list[Transcript]]
# Where packets are lost or connections break, a busy machine decides how often one is sent again.
EXACT = frozenset("backlog bind echo ethernet firewall-opened loopback multiconn refused timed-out database".split())


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Two transcripts of every case that the fake engine can run."""
    return _told("fake", tmp_path_factory.mktemp("runs"), list(JOBS))


@pytest.fixture(scope="module")
def docker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """The same on Docker, of the cases that are asked for."""
    items = [item for item in request.session.items if item.fspath == request.path]  # type: ignore[attr-defined]
    names = {item.callspec.params.get("name", "") for item in items if hasattr(item, "callspec")}
    names |= {name for name in JOBS if name.startswith("refused::")}
    return _told("docker", tmp_path_factory.mktemp("runs"), [name for name in JOBS if name in names])


def _told(engine: str, folder: Path, names: list[str]) -> Told:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_RUNS", str(folder))
        with open_session(open_engine(engine), keep=False, time_scale=1.0) as session:
            run_jobs(session, [JOBS[name] for name in names for _ in range(2)], Silence, 2)
        told: Told = {}
        for transcript in side("latest"):
            told.setdefault(f"{transcript.scenario}::{transcript.case}", []).append(transcript)
        return told


def _are_alike(one: Transcript, other: Transcript) -> None:
    assert not one.skipped and not other.skipped
    parts = compare(one, other).parts
    rows = [row for part in parts for row in part.rows if row.kind not in ("same", "perhaps")]
    assert not rows


def _differ(told: Told, scenario: str) -> None:
    cases = [repeats[0] for name, repeats in told.items() if name.startswith(f"{scenario}::")]
    assert len(cases) > 1
    if any(case.skipped for case in cases):
        pytest.skip(next(case.skipped for case in cases if case.skipped))
    alike = [(one.case, other.case) for one, other in combinations(cases, 2) if not compare(one, other).differing]
    assert not alike


@named
def test_a_case_is_alike_on_fake(fake, name):
    if reason := fake[name][0].skipped:
        pytest.skip(reason)
    _are_alike(*fake[name])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_all_cases_differ_on_fake(fake, scenario):
    _differ(fake, scenario)


@pytest.mark.docker
@pytest.mark.parametrize("name", [name for name in JOBS if name.partition("::")[0] in EXACT])
def test_a_case_is_alike_on_docker(docker, name):
    _are_alike(*docker[name])


@pytest.mark.docker
def test_all_cases_of_refused_differ_on_docker(docker):
    _differ(docker, "refused")
