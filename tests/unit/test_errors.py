"""The tree of errors: exit codes, and problems in the order of their places."""

import pytest

from lab import errors
from lab.errors import LabError, Mark, Problem, ScenarioError, did_you_mean


def test_every_error_has_its_exit_code() -> None:
    found = {
        name: value for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, LabError)
    }
    codes = {name: value.exit_code for name, value in found.items()}
    assert codes == dict.fromkeys(codes, 3) | {"UsageError": 2, "ScenarioError": 2}
    assert set(codes) - {"LabError"} == {name for name in codes if name in (errors.__doc__ or "")} - {"LabError"}


def test_problems_are_told_once_and_in_order() -> None:
    late, early = Problem(Mark("a", 10, 1), "late"), Problem(Mark("a", 9, 30), "early")
    error = ScenarioError([late, early, late, Problem(Mark("a", 9, 4), "first")])
    assert str(error) == "a:9:4: first\na:9:30: early\na:10:1: late"
    assert error.problems[0].mark == Mark("a", 9, 4)


def test_who_holds_a_subnet_can_be_avoided() -> None:
    assert errors.SubnetTaken("10.0.0.0/29").subnet == "10.0.0.0/29"
    assert "10.0.0.0/29" in str(errors.SubnetTaken("10.0.0.0/29"))


@pytest.mark.parametrize(
    ("word", "known", "words"),
    [
        ("lisen", ["listen", "bind"], "; did you mean 'listen'?"),
        ("zzz", ["b", "a", "b"], "; known: a, b"),
        ("zzz", [], ""),
        ("", ["a"], "; known: a"),
    ],
)
def test_did_you_mean(word: str, known: list[str], words: str) -> None:
    assert did_you_mean(word, known) == words
