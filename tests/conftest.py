"""The golden helper: a text is compared with tests/golden/NAME, and `pytest --update-goldens` rewrites them all."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

import pytest
from hypothesis import settings

GOLDENS = Path(__file__).parent / "golden"
os.environ["LAB_LANG"] = "en"  # whoever runs the tests
settings.register_profile("lab", deadline=None)  # a busy machine is no failure
settings.load_profile("lab")


@dataclass(frozen=True)
class Golden:
    """The texts in a folder that were reviewed; `update` takes what comes as the new truth."""

    root: Path
    update: bool = False

    def __call__(self, name: str, text: str) -> None:
        """Fails where the text is not the golden one, with the difference, or where there is none."""
        path = self.root / name
        remedy = "if that is right, run pytest --update-goldens and review the difference"
        if self.update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        if not path.is_file():
            pytest.fail(f"{path}: expected a golden file, observed none; {remedy}", pytrace=False)
        golden = path.read_bytes().decode()
        if golden != text:
            lines = unified_diff(golden.splitlines(), text.splitlines(), "golden", "observed", lineterm="")
            shown = "\n".join(lines) or "(they differ in their line ends only)"
            pytest.fail(f"{path}: expected the golden text, observed another; {remedy}\n{shown}", pytrace=False)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="rewrite tests/golden with what is observed")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`golden(NAME, text)` compares the text with tests/golden/NAME."""
    return Golden(GOLDENS, request.config.getoption("--update-goldens"))
