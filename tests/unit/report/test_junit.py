"""JUnit XML: suites, cases, and the text of what did not pass."""

from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace
from report_samples import ALL, ATTACK, ERRING, FAILING, PASSING

from lab.judge import Report
from lab.report.junit import document


@pytest.mark.parametrize("report", ALL, ids=lambda report: report.outcome.lower())
def test_golden(report: Report, golden: Callable[[str, str], None]) -> None:
    golden(f"reports/{report.outcome.lower()}.junit.xml", document([report], "20261123-081640-3f9a1c07"))


def test_a_suite_a_scenario_in_order_and_the_counts_add_up() -> None:
    other = replace(FAILING, scenario="refused", file="scenarios/refused.yaml")
    root = ET.fromstring(document([PASSING, other, *ALL[1:]]))
    assert [suite.get("name") for suite in root] == ["bind-address", "refused"]
    assert [root.get(key) for key in ("tests", "failures", "errors", "skipped")] == ["5", "2", "1", "1"]
    assert [root[0].get(key) for key in ("tests", "failures", "errors", "skipped")] == ["4", "1", "1", "1"]


def test_a_case_that_did_not_pass_never_looks_passed() -> None:
    without_a_reason = replace(ERRING, steps=(), problems=())
    case = ET.fromstring(document([without_a_reason])).find("testsuite/testcase")
    assert case is not None and [child.tag for child in case] == ["error"]


def test_the_line_is_the_first_fault_s() -> None:
    cases = ET.fromstring(document(ALL)).iter("testcase")
    assert [case.get("line") for case in cases] == ["16", "27", "17", "1"]


def test_hostile_output_makes_a_valid_document() -> None:
    text = document([replace(ATTACK, scenario=ATTACK.steps[0].problem, versions={"\x00": "\x1b"})])
    assert text.isascii() and text.replace("\n", "").isprintable() and len(text) < 20_000
    failure = ET.fromstring(text).find("testsuite/testcase/failure")
    assert failure is not None and "<script>" in str(failure.text) and r"\x1b[2J" in str(failure.text)
