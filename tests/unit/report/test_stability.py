"""Repeated cases: how often each outcome came, how long they took, and which runs were not like the others."""

from io import StringIO

import pytest
from msgspec.structs import replace

from lab.checks.base import Outcome
from lab.judge import Report
from lab.report.console import make_console
from lab.report.stability import markdown, stability
from lab.report.terminal import Terminal

ONE = Report("s", "s.yaml", "a", "T", "", Outcome.PASS)


def runs(outcomes: str, case: str = "a") -> list[Report]:
    return [
        replace(ONE, case=case, outcome=Outcome(word), seconds=number / 1000)
        for number, word in enumerate(outcomes.split(), 1)
    ]


def test_a_case_that_always_passes_is_stable() -> None:
    (row,) = stability(runs(" ".join(["PASS"] * 100)))
    assert (row.told, row.runs, row.flakes, row.p50, row.p95) == ("100 PASS", 100, 0, 0.05, 0.095)


@pytest.mark.parametrize(
    ("outcomes", "told", "flakes"),
    [
        ("PASS FAIL PASS", "2 PASS, 1 FAIL", 1),
        ("FAIL FAIL FAIL", "3 FAIL", 0),
        ("PASS ERROR FAIL PASS", "2 PASS, 1 FAIL, 1 ERROR", 2),
    ],
)
def test_a_run_that_is_not_as_most_is_a_flake(outcomes: str, told: str, flakes: int) -> None:
    (row,) = stability(runs(outcomes))
    assert (row.told, row.flakes) == (told, flakes)


def test_each_case_has_a_row_in_files_and_on_terminals() -> None:
    reports = [*runs("PASS PASS"), *runs("PASS FAIL", "b")]
    assert markdown(stability(reports)).splitlines()[2:] == [
        "| s | a | 2 PASS | 1.0 ms | 2.0 ms | 0 |",
        "| s | b | 1 PASS, 1 FAIL | 1.0 ms | 2.0 ms | 1 |",
    ]
    text = StringIO()
    Terminal(make_console(text, "never", 80)).summary(reports, 1.0)
    head, *rows = [line for line in text.getvalue().splitlines() if line.strip()][:3]
    assert head.split() == ["case", "outcomes", "p50", "p95", "flakes"]
    assert [row.split()[0] for row in rows] == ["s.a", "s.b"]
