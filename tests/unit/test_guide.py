"""Every claim of the guide is shown by a scenario, and what the README says of that is what the scenarios say."""

from pathlib import Path

import pytest

from lab.errors import ScenarioError
from lab.guide import claims, names
from lab.library import ROOT, shipped
from lab.report import coverage
from lab.scenario import Scenario, load, scenario_of
from lab.source import parse

README = ROOT / "README.md"
BEGINS, ENDS = "<!-- made by `make goldens` -->\n", "<!-- until here -->\n"
SCENARIO = """\
title: T
guide: {guide}
networks: {{lan: {{}}}}
hosts: {{one: {{networks: [lan]}}}}
cases: {{a: {{error: nothing, many: 1}}, b: {{error: OSError, many: 1}}}}
steps:
  - {{host: one, call: s = socket(), expect: {{raises: "{{error}}"}}}}
  - {{host: one, expect: {{sockets: {{state: CLOSE, count: "{{many}}"}}}}}}
"""


def scenario(guide: str) -> Scenario:
    return scenario_of(parse(SCENARIO.format(guide=guide).encode(), "t.yaml"), Path("t.yaml"))


@pytest.fixture(scope="module")
def scenarios() -> list[Scenario]:
    return [load(path) for path in shipped()]


def test_the_guide_makes_47_claims_in_10_sections() -> None:
    assert len(claims()) == 47 and len(names()) == 57
    assert claims()["echo-server.8"] == "`accept` blocks until somebody connects."


@pytest.mark.parametrize("claim", claims())
def test_a_claim_is_shown(claim: str, scenarios: list[Scenario]) -> None:
    """By the cases of a scenario, which show when it holds and what makes it stop holding."""
    showing = coverage.shown(scenarios)[claim]
    assert any(len(scenario.cases) > 1 for scenario in showing), f"no scenario shows: {claims()[claim]}"


def test_an_unknown_claim_is_a_mistake() -> None:
    with pytest.raises(ScenarioError) as told:
        scenario("[tcp.1, tpc.2]")
    (problem,) = told.value.problems
    assert str(problem) == "t.yaml:2:16: the guide has no claim 'tpc.2'; did you mean 'tcp.2'?"


def test_an_outcome_is_where_the_cases_part() -> None:
    assert coverage.outcomes(scenario("tcp.1")) == {"a": "raises nothing", "b": "raises OSError"}


def test_the_readme_says_what_the_scenarios_say(scenarios: list[Scenario], request: pytest.FixtureRequest) -> None:
    head, _, rest = README.read_text("utf-8").partition(BEGINS)
    written, _, tail = rest.partition(ENDS)
    tables = coverage.markdown(scenarios)
    if request.config.getoption("--update-goldens"):
        README.write_text(head + BEGINS + tables + ENDS + tail, "utf-8")
    elif written != tables:
        pytest.fail("README.md: expected the tables that `lab guide --markdown` prints; make goldens", pytrace=False)
