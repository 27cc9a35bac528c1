"""Reports as JUnit XML: a test suite a scenario, a test case a case, as CI systems read it.

The document is ASCII with character references, valid whatever encoding it passes through. JUnit has no word for a
step: what kept a case from passing is in the text of its failure or error, a line each, with file, line and column, and
under it the rows of a pattern that does not fit.
"""

import re
from collections.abc import Iterable, Mapping
from xml.etree import ElementTree as ET

from lab.checks.base import Outcome
from lab.judge import Report
from lab.report import clean, columns, faults

TAGS = {Outcome.FAIL: "failure", Outcome.ERROR: "error", Outcome.SKIPPED: "skipped"}
COUNTS = {"failures": Outcome.FAIL, "errors": Outcome.ERROR, "skipped": Outcome.SKIPPED}


def document(reports: Iterable[Report], run: str = "") -> str:
    """The whole document. The suites' properties are the versions (engine, kernel, image, ...) and the run's id; a
    case's `line` is that of its first complaint, else of its first step."""
    cases = list(reports)
    suites: dict[tuple[str, str], list[Report]] = {}
    for report in cases:
        suites.setdefault((report.scenario, report.file), []).append(report)
    root = ET.Element("testsuites", {"name": "lab"} | _totals(cases))
    for suite in suites.values():
        _suite(root, suite, run)
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="us-ascii", xml_declaration=True)
    return text.decode("ascii") + "\n"


def _totals(reports: list[Report]) -> dict[str, str]:
    counts = {name: str(sum(report.outcome is outcome for report in reports)) for name, outcome in COUNTS.items()}
    return {"tests": str(len(reports))} | counts | {"time": f"{sum(report.seconds for report in reports):.3f}"}


def _suite(root: ET.Element, reports: list[Report], run: str) -> None:
    suite = ET.SubElement(root, "testsuite", {"name": clean(reports[0].scenario)} | _totals(reports))
    versions = {key: value for report in reports for key, value in report.versions.items()}
    _properties(suite, dict(sorted(versions.items())) | ({"run": run} if run else {}))
    for report in reports:
        _case(suite, report)


def _properties(suite: ET.Element, values: Mapping[str, str]) -> None:
    if values:
        parent = ET.SubElement(suite, "properties")
        for name, value in values.items():
            ET.SubElement(parent, "property", name=clean(name), value=clean(value))


def _case(suite: ET.Element, report: Report) -> None:
    told = list(faults(report))
    found = list(map(str, told))
    case = ET.SubElement(
        suite,
        "testcase",
        classname=clean(report.scenario),
        name=clean(report.case),
        file=clean(report.file),
        line=_line([*found, *(step.mark for step in report.steps)]),
        time=f"{report.seconds:.3f}",
    )
    if report.outcome is Outcome.SKIPPED:
        ET.SubElement(case, "skipped", message=clean(report.skipped))
    elif report.outcome in TAGS:
        lines = found or [f"{clean(report.file)}: {report.outcome} without a reason"]
        element = ET.SubElement(case, TAGS[report.outcome], message=lines[0], type=report.outcome.value)
        rows = [line for item in told for line in (str(item), *(f"    {row}" for row in columns(item.aligned)))]
        element.text = "\n".join(rows or lines)


def _line(places: list[str]) -> str:
    """The line number of the first text that begins with `file:line:column`."""
    matches = (re.match(r"(?s).*?:(\d+):\d+(?::|$)", place) for place in places)
    return next((match[1] for match in matches if match), "1")
