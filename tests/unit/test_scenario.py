"""Every mistake in a file is told, at its place, with what to do: the file name is the test."""

from pathlib import Path
from typing import Any

import pytest

from lab.errors import ScenarioError
from lab.scenario import scenario_of
from lab.source import parse

ERRORS = Path(__file__).parent.parent / "golden" / "errors"


def mistakes(data: bytes, name: str = "x.yaml") -> str:
    with pytest.raises(ScenarioError) as caught:
        scenario_of(parse(data, name), ERRORS / name)
    return f"{caught.value}\n"


@pytest.mark.parametrize("path", sorted(ERRORS.glob("*.yaml")), ids=lambda path: path.stem)
def test_all_mistakes_of_a_file_are_told_at_once(path: Path, golden: Any) -> None:
    golden(f"errors/{path.stem}.txt", mistakes(path.read_bytes(), path.name))
