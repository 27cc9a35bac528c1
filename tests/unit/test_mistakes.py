"""Where a mistake was written, and what is said of a value; tests/golden/errors has the whole sentences."""

from typing import Any

import pytest
from pydantic import ValidationError

from lab.errors import Mark
from lab.mistakes import path_of, place, problems_of
from lab.model import Step
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
        (("steps", 1, "expect", 0, "exit", "function-after[x(), str]"), ("steps", 1, "expect", 0, "exit")),
        (("steps", 1, "expect", 7), ("steps", 1, "expect")),
        (("steps", 7, "host"), ("steps",)),
        (("steps", 2, "expect", 0, "connect", "dict[str]", "[key]"), ("cases", "one", "sees", "connect")),
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


def said(step: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Step.model_validate({"host": "a"} | step)
    return [problem.message for problem in problems_of(caught.value, Step, parse(b"{}", "x"), ())]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"expect": {"connect": "refusd"}}, "did you mean 'refused'?"),
        ({"expect": {"connect": {"refusd": 1}}}, "did you mean 'refused'?"),
        ({"expect": {"connect": {"refused": "x"}}}, "expected a number or a range"),
        ({"expect": {"connect": True}}, "or a mapping, observed true"),
        ({"expect": {"connect": None, "exit": []}}, 'as in 3, ">= 2" or "2..4", observed a list'),
        ({"expect": {"packets": 1.5}}, "expected text or a mapping, observed 1.5"),
        ({"expect": {"packets": "SIN"}}, "expected a packet, as in"),
        ({"expect": {"calls": "conect"}}, "no call is named 'conect'; did you mean 'connect'?"),
        ({"expect": {"calls": {"recv = EAGIAN": 1}}}, "observed 'EAGIAN'; did you mean 'EAGAIN'?"),
        ({"expect": {"calls": 1}}, "expected text or a mapping, observed 1"),
        ({"expect": {"states": 1}}, "expected text or a list, observed 1"),
        ({"expect": {"states": "ESTABLISHED"}}, "observed 'ESTABLISHED'; did you mean 'ESTAB'?"),
        ({"expect": {"states": {"port": 1, "passes": "LISTENING"}}}, "did you mean 'LISTEN'?"),
        ({"expect": {"states": [{"port": 1}]}}, "expected the key 'passes', observed none"),
        ({"expect": {"states": [{"prot": 1, "passes": "gone"}]}}, "unknown key 'prot'; did you mean 'port'?"),
        ({"run": [True]}, "expected text or a whole number, observed true"),
        ({"expect": {"stdout": {"contains": 1}}}, "expected text, observed 1"),
        ({"expect": {"listening": {"port": 1, "protcol": "tcp"}}}, "unknown key 'protcol'; did you mean 'protocol'?"),
        ({"expect": [{"sockets": [{"recv-qq": 1}]}]}, "unknown key 'recv-qq'; did you mean 'recv-q'?"),
        ({"zzz": 1}, "unknown key 'zzz'; known: as, because, call, expect,"),
        ({"link": {"lan": {"down": None}}}, 'expected up or down, observed a mapping; quote it: "{down}"'),
        ({"as": "x" * 500}, "expected a name (small letters, digits, -; at most 31), observed the text 'xxx"),
    ],
)  # fmt: skip
def test_one_mistake_is_one_sentence_in_yamls_words(step: dict[str, Any], message: str) -> None:
    (words,) = said(step)
    assert message in words
    assert len(words) < 250
    assert not any(word in words for word in ("Input", " dict", "valid ", "string", "tuple", "None"))
