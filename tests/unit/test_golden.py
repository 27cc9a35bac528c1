"""The golden helper itself: it must be able to fail."""

from pathlib import Path
from typing import Any

import pytest


def test_equal_text_passes_and_another_fails_with_the_difference(golden: Any, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\ntwo\n")
    check = type(golden)(tmp_path)
    check("a.txt", "one\ntwo\n")
    with pytest.raises(pytest.fail.Exception, match=r"(?s)a\.txt: expected the golden text.*-two\n\+three"):
        check("a.txt", "one\nthree\n")
    with pytest.raises(pytest.fail.Exception, match="line ends"):
        check("a.txt", "one\ntwo")


def test_missing_golden_fails_until_it_is_written(golden: Any, tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="observed none"):
        type(golden)(tmp_path)("deep/b.txt", "text\r\n")
    type(golden)(tmp_path, update=True)("deep/b.txt", "text\r\n")
    type(golden)(tmp_path)("deep/b.txt", "text\r\n")
