"""Every check proves that it can pass, fail and err: the tables `CASES` of the modules beside this one, run."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from lab.checks import CHECKS
from lab.checks.base import Outcome, Seen
from lab.model import Expectation

MODULES = [path.stem for path in sorted(Path(__file__).parent.glob("cases_*.py"))]
CASES: list[tuple[str, Outcome, Any, Seen]] = [
    (name, outcome, expected, seen)
    for module in MODULES
    for (name, outcome), cases in importlib.import_module(module).CASES.items()
    for expected, seen in cases
]


@pytest.mark.parametrize(
    ("name", "outcome", "expected", "seen"),
    [pytest.param(*case, id=f"{case[0]}-{case[1]}-{number}") for number, case in enumerate(CASES)],
)
def test_verdict(name: str, outcome: Outcome, expected: Any, seen: Seen) -> None:
    verdict = CHECKS[name].function(expected, seen)
    assert (verdict.outcome, bool(verdict.expected), bool(verdict.observed)) == (outcome, True, True), verdict
    assert all(0 <= index < len(seen.history.observations) for index in verdict.evidence)
    assert len(verdict.observed) < 1000
    assert not verdict.aligned or (verdict.outcome is not Outcome.PASS and not all(row.same for row in verdict.aligned))


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_each_check_can_pass_fail_and_err(name: str) -> None:
    proven = {outcome for check, outcome, _, _ in CASES if check == name}
    assert proven >= {Outcome.PASS, Outcome.FAIL, Outcome.ERROR}, f"{name} lacks cases: {proven}"


def test_the_checks_are_the_keys_of_expect() -> None:
    assert set(CHECKS) == {*Expectation.__struct_fields__} - {"on"}


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_nothing_to_look_at_is_an_error(name: str) -> None:
    from history_samples import Story

    expected = next(expected for check, _, expected, _ in CASES if check == name)
    verdict = CHECKS[name].function(expected, Story(awake=False).look("wait"))
    assert verdict.outcome is Outcome.ERROR
