"""Where a mistake was written, and what is said of a value; tests/golden/errors has the whole sentences."""

import pytest

from lab.errors import Mark
from lab.mistakes import path_of, place
from lab.source import Path_, parse

SOURCE = parse(
    b"""\
cases:
  one: {sees: {connect: refused}, to: "{server.lan}", list: [a, b]}
steps:
  - {host: a, expect: {exit: 0}}
  - {host: b, expect: [{exit: 0}, {exit: "{to}"}]}
  - {host: c, expect: "{sees}", only: "{list}", run: ["{{to}}", "x {to}"]}
""",
    "x",
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((), ()),
        (("nothing",), ()),
        (("steps", 0, "expect", 0, "exit"), ("steps", 0, "expect", "exit")),
        (("steps", 1, "expect", 1, "exit"), ("cases", "one", "to")),
        (("steps", 1, "expect", 7), ("steps", 1, "expect")),
        (("steps", 7, "host"), ("steps",)),
        (("steps", 2, "expect", 0, "connect", "refusd"), ("cases", "one", "sees", "connect")),
        (("steps", 2, "only", 1), ("cases", "one", "list", 1)),
        (("steps", 2, "run", 0), ("steps", 2, "run", 0)),
        (("steps", 2, "run", 1), ("steps", 2, "run", 1)),
    ],
)
def test_the_part_of_a_path_that_was_written(path: Path_, expected: Path_) -> None:
    assert path_of(SOURCE, path, "one") == expected


def test_without_a_case_a_place_stays_in_the_steps() -> None:
    assert path_of(SOURCE, ("steps", 2, "expect", 0, "connect")) == ("steps", 2, "expect")
    assert path_of(SOURCE, ("steps", 2, "expect"), "two") == ("steps", 2, "expect")
    assert path_of(SOURCE, ("steps", 2, "expect"), "one", whole=False) == ("steps", 2, "expect")
    assert place(SOURCE, ("steps", 2, "expect", 0, "connect"), "one") == Mark("x", 2, 25)
