"""Pages, of real histories and of a proof, in a real Chromium; skipped, with the reason, where there is none."""

import shutil
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest
from chromium import Browser

from lab.checks.base import Outcome
from lab.diff import compare
from lab.prove.matrix import Answer, Cell, Finding, Proof, Row
from lab.prove.mutations import MUTATIONS
from lab.report.html import difference, document, proof
from lab.report.saved import told
from lab.runs import load_case
from lab.transcript import transcript

HISTORIES = Path(__file__).parents[1] / "golden" / "histories"
CASES = ("refused.open", "refused.firewall-icmp")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One for all tests; each finds it as if it had just been opened."""
    program, driver = map(shutil.which, ("chromium", "chromedriver"))
    if not program or not driver:
        pytest.skip("no chromium and chromedriver here; on Debian: apt-get install chromium chromium-driver")
    browser = Browser(program, driver)
    yield browser
    browser.quit()


@pytest.fixture
def browser(chromium: Browser) -> Browser:
    chromium.reset()
    return chromium


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page's address."""
    return _saved(tmp_path_factory, document(told(HISTORIES / name for name in CASES), "20261123-081640-3f9a1c07"))


@pytest.fixture(scope="session")
def proof_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a proof's page: eight cases, and every change that there is applies to one of them."""
    names = ("open", "nothing-listening", "bound-to-loopback", *(f"case-{number}" for number in range(5)))
    finding = Finding(
        Answer.SURVIVED,
        "scenarios/refused.yaml:14:5",
        "open: every check passes although the firewall rule was left out",
        ("scenarios/refused.yaml:15:9: within: expected at most 6 s, passes",),
    )
    answers = cycle([*Answer, Answer.NOTICED])
    rows = tuple(
        Row(
            name,
            Outcome.PASS,
            {other: None if other == name else Cell(next(answers), 3) for other in (*names, "without")},
            {mutation: Cell(next(answers), 1, (finding,) if name == "open" else ()) for mutation in MUTATIONS},
        )
        for name in names
    )
    skipped = Row("without", Outcome.SKIPPED, reason="the kernel lacks it")
    text = proof([Proof("refused", "scenarios/refused.yaml", "One symptom and four causes", (*rows, skipped))])
    return _saved(tmp_path_factory, text)


@pytest.fixture(scope="session")
def difference_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the page of two cases, side by side."""
    left, right = (transcript(*load_case(HISTORIES / name)) for name in CASES)
    return _saved(tmp_path_factory, difference([compare(left, right)], "latest open", "latest firewall-icmp"))


def _saved(factory: pytest.TempPathFactory, text: str) -> str:
    file = factory.mktemp("page") / "report.html"
    file.write_text(text, "utf-8")
    return file.as_uri()
