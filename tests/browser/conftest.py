"""A page of real histories in a real Chromium, without a network; skipped, with the reason, where there is none."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Browser

from lab.report.html import document
from lab.report.saved import told

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
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(document(told(HISTORIES / name for name in CASES), "20261123-081640-3f9a1c07"), "utf-8")
    return file.as_uri()
