"""What `tests.bench.lenses` takes away is still there to be taken away; what it costs is for the bench to measure."""

import ast
from pathlib import Path

from lab import bootstrap
from tests.bench.lenses import LEFT_OUT, copy


def test_the_agent_without_lenses_is_a_program_that_differs_in_these_places(tmp_path: Path) -> None:
    copy(tmp_path, LEFT_OUT)
    for name in bootstrap.MODULES:
        text, ours = (tmp_path / f"{name}.py").read_text("utf-8"), (bootstrap.AGENT / f"{name}.py").read_text("utf-8")
        ast.parse(text)
        assert (text != ours) == (name in {place for place, _, _ in LEFT_OUT})
