"""Every scenario proves that it can fail: it has cases that expect different things, and what one case expects is not
true of another.

A case is planned anew on its sibling's addresses and judged by its sibling's saved history. Among the checks that the
two resolve differently, one at least must FAIL: an ERROR does not count. Two cases that expect the same, for different
reasons, prove nothing to each other, but each case has a sibling that refutes it.

And where a case's world is changed, a check notices: in a few scenarios on the fake engine, and with a real kernel in
those that have all kinds of changes; `make prove` does it for all.
"""

import pytest
from shipped_cases import JOBS, SCENARIOS, named, plan_of, siblings
from silence import Silence

from lab.checks.base import Outcome
from lab.engines import open_engine
from lab.engines.namespaces import NamespacesEngine
from lab.errors import LabError
from lab.flow import open_session, run_jobs
from lab.prove import prove
from lab.prove.cross import crossed, differing
from lab.prove.matrix import Answer
from lab.prove.mutations import MUTATIONS
from lab.runs import find, load_case, skip_reason

SAMPLE_ON_FAKE = ("backlog", "bind", "half-close", "refused")
SAMPLE = ("abort-on-overflow", "refused", "duplicated", "vanished")
NOT_SHIPPED = {"sysctl"}  # no scenario changes a kernel setting while it runs


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_cases_differ(scenario):
    plans = [plan_of(JOBS[f"{scenario.name}::{case.name}"]) for case in scenario.cases]
    assert len(plans) >= 2
    assert all(any(differing(plan, other) for other in plans) for plan in plans)
    assert scenario.lesson.strip()
    assert scenario.guide


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """What was planned and observed in every case that the fake engine can run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_RUNS", str(tmp_path_factory.mktemp("runs")))
        with open_session(open_engine("fake"), keep=False, time_scale=1.0) as session:
            run_jobs(session, list(JOBS.values()), Silence, 2)
        cases = [load_case(folder) for folder in find("latest") if not skip_reason(folder)]
    return {f"{plan.scenario}::{plan.case}": (plan, history) for plan, history in cases}


@named
def test_a_sibling_refutes_it(saved, name):
    job, refuted = JOBS[name], []
    known = [sibling for sibling in siblings(job) if f"{job.scenario.name}::{sibling.case.name}" in saved]
    if name not in saved or not known:
        pytest.skip("the fake engine models no two cases of it")
    for sibling in known:
        if answered := crossed(job, *saved[f"{job.scenario.name}::{sibling.case.name}"]):
            failed = [one for one in answered if one.verdict.outcome is Outcome.FAIL]
            assert failed, f"what {name} expects is true of {sibling.case.name}, too: {answered}"
            refuted.append(sibling.case.name)
    assert refuted, f"no sibling expects anything else than {name}"


def proved(engine, names, folder):
    """The matrices of these scenarios, in which nothing speaks against their checks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_RUNS", str(folder))
        with open_session(open_engine(engine), keep=False, time_scale=1.0) as session:
            proofs = prove(session, [SCENARIOS[name] for name in names], lambda _: None, 4)
    told = "\n".join(str(finding) for proof in proofs for finding in proof.findings)
    if told:
        pytest.fail(told, pytrace=False)
    return proofs


def test_every_change_is_noticed_on_fake(tmp_path):
    proofs = proved("fake", SAMPLE_ON_FAKE, tmp_path)
    assert {row.outcome for proof in proofs for row in proof.rows} == {Outcome.PASS}


@pytest.mark.namespaces
def test_every_change_is_noticed_in_namespaces(tmp_path):
    try:
        NamespacesEngine().trial()
    except LabError as reason:
        pytest.skip(f"namespaces: {reason}")
    proofs = proved("namespaces", SAMPLE, tmp_path)
    cells = [(name, cell) for proof in proofs for row in proof.rows for name, cell in row.mutations.items()]
    noticed = {name for name, cell in cells if cell.answer is Answer.NOTICED}
    assert noticed == MUTATIONS.keys() - NOT_SHIPPED
