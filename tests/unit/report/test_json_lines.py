"""JSON lines: one object a case, all keys in each."""

import json
from collections.abc import Callable

import pytest
from report_samples import ALL, ATTACK, ERRING, FAILING, HOSTILE, PASSING, SKIPPED

from lab.judge import Report
from lab.report.json import lines


@pytest.mark.parametrize("report", ALL, ids=lambda report: report.outcome.lower())
def test_golden(report: Report, golden: Callable[[str, str], None]) -> None:
    text = lines([report], "20261123-081640-3f9a1c07")
    golden(f"reports/{report.outcome.lower()}.json", json.dumps(json.loads(text), indent=2) + "\n")


def test_a_line_a_case_and_the_same_keys_in_all() -> None:
    cases = [json.loads(line) for line in lines(ALL).splitlines()]
    assert [case["outcome"] for case in cases] == ["PASS", "FAIL", "ERROR", "SKIPPED"]
    assert len({tuple(case) for case in cases}) == 1


def test_times_count_from_the_first_step() -> None:
    passing, erring, skipped = (json.loads(line) for line in lines([PASSING, ERRING, SKIPPED]).splitlines())
    assert [(step["started"], step["seconds"]) for step in passing["steps"]] == [(0.0, 0.031), (0.04, 1.02)]
    assert [(step["started"], step["seconds"]) for step in erring["steps"]] == [(0.0, 0.031), (None, None)]
    assert skipped["steps"] == []


def test_hostile_output_is_ascii_and_comes_back_equal() -> None:
    text = lines([ATTACK, FAILING])
    assert text.isascii() and text.replace("\n", "").isprintable()
    assert json.loads(text.splitlines()[0])["steps"][0]["checks"][0]["expected"] == HOSTILE


def test_rows_of_a_pattern_are_lists_of_expected_observed_and_whether_they_are_the_same() -> None:
    check = json.loads(lines([FAILING]))["steps"][1]["checks"][1]
    assert check["aligned"][:2] == [
        ["> SYN", "+0.021 ms > SYN on lan", True],
        ["< SYN-ACK within 5 ms", "+1.02 s < SYN-ACK on lan", False],
    ]
