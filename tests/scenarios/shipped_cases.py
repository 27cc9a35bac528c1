"""The cases of the scenarios that come with the lab, by the names that tests have: `refused::open`."""

from collections.abc import Callable
from typing import Any

import pytest

from lab.flow import Job
from lab.library import shipped
from lab.plan import Plan, make_plan, sizes
from lab.scenario import load

SCENARIOS = {path.stem: load(path) for path in shipped()}
JOBS = {f"{name}::{case.name}": Job(it, case) for name, it in SCENARIOS.items() for case in it.cases}
SUBNETS = tuple(f"10.77.{number}.0/24" for number in range(16))

named: Callable[[Any], Any] = pytest.mark.parametrize("name", JOBS)


def plan_of(job: Job) -> Plan:
    """Its plan, on any subnets."""
    return make_plan(job.scenario, job.case, SUBNETS[: len(sizes(job.case))])


def siblings(job: Job) -> list[Job]:
    """The other cases of its scenario."""
    return [Job(job.scenario, case) for case in job.scenario.cases if case.name != job.case.name]
