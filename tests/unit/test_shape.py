"""What is said of a value that does not fit; tests/golden/errors has the sentences at their places."""

from typing import Any

import pytest

from lab.model import MAX_HOSTS, Step, Together
from lab.shape import fit


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"expect": {"connect": "refusd"}}, "did you mean 'refused'?"),
        ({"expect": {"connect": {"refusd": 1}}}, "did you mean 'refused'?"),
        ({"expect": {"connect": {"refused": "x"}}}, "expected a number or a range"),
        ({"expect": {"connect": True}}, "or a mapping, observed true"),
        ({"expect": {"connect": "refused", "exit": []}}, 'as in 3, ">= 2" or "2..4", observed a list'),
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
        ({"expect": {"connect": None}}, "expected what connect shall be, observed nothing"),
        ({"expect": {"exit": None}}, "expected what exit shall be, observed nothing; leave"),
        ({"run": [True]}, "expected text or a whole number, observed true"),
        ({"expect": {"stdout": {"contains": 1}}}, "expected text, observed 1"),
        ({"expect": {"listening": {"port": 1, "protcol": "tcp"}}}, "unknown key 'protcol'; did you mean 'protocol'?"),
        ({"expect": [{"sockets": [{"recv-qq": 1}]}]}, "unknown key 'recv-qq'; did you mean 'recv-q'?"),
        ({"zzz": 1}, "unknown key 'zzz'; known: as, because, call, expect,"),
        ({"link": {"lan": {"down": None}}}, 'expected down or up, observed a mapping; quote it: "{down}"'),
        ({"as": "x" * 500}, "expected a name (small letters, digits, -; at most 31), observed the text 'xxx"),
    ],
)  # fmt: skip
def test_one_mistake_is_one_sentence_in_yamls_words(step: dict[str, Any], message: str) -> None:
    (misfit,) = fit(Step, {"host": "a"} | step)[1]
    words = misfit.words
    assert message in words
    assert len(words) < 250
    assert not any(word in words for word in ("Input", " dict", "valid ", "string", "tuple", "None"))


def test_no_more_steps_begin_at_once_than_there_may_be_hosts() -> None:
    steps = [{"host": "a", "call": "s = socket()"}] * (MAX_HOSTS + 1)
    assert fit(Together, {"together": steps[1:]})[1] == ()
    (misfit,) = fit(Together, {"together": steps})[1]
    assert (misfit.path, misfit.words) == (("together",), f"expected at most {MAX_HOSTS}, observed {MAX_HOSTS + 1}")
