"""What was observed is saved and read back equal."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.history import (
    KINDS,
    Call,
    Counters,
    Exit,
    Fate,
    History,
    Note,
    Observation,
    Output,
    Packet,
    SocketRow,
    Sockets,
    SocketSeen,
    Tap,
    View,
    dumps,
    loads,
)

TEXT = st.text(max_size=8)
NUMBER = st.integers(-(2**63), 2**63)
TIME = st.integers(0, 2**62)
ENDPOINT = st.tuples(TEXT, st.integers(0, 65535))
VALUE = st.recursive(
    st.none() | st.booleans() | NUMBER | st.floats(allow_nan=False) | TEXT | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(TEXT | st.sampled_from(["bytes", "tuple", "dict"]), inner, max_size=2)
    ),
    max_leaves=6,
)
ROW = st.builds(SocketRow, TEXT, TEXT, ENDPOINT, ENDPOINT, NUMBER, NUMBER, NUMBER, st.booleans())
ENDED = st.none() | TIME
WHERE = st.none() | ENDPOINT
CALL = st.builds(
    Call,
    *(TEXT, TIME, NUMBER, TEXT, TEXT, st.lists(VALUE, max_size=3).map(tuple), VALUE, st.none() | TEXT, TEXT),
    *(ENDED, WHERE, WHERE, st.booleans()),
)
ABOUT = st.none() | st.tuples(TEXT, TEXT, NUMBER, TEXT, NUMBER)
FLAGS = st.lists(TEXT, max_size=3).map(tuple)
PACKET = st.builds(Packet, TEXT, TIME, TEXT, st.booleans(), TEXT, flags=FLAGS, about=ABOUT, frame=st.binary(max_size=9))
OBSERVATION: st.SearchStrategy[Observation] = st.one_of(
    CALL,
    PACKET,
    st.builds(Tap, TEXT, TIME, TIME, NUMBER, NUMBER),
    st.builds(Sockets, TEXT, TIME, NUMBER, st.lists(ROW, max_size=2).map(tuple)),
    st.builds(SocketSeen, TEXT, TIME, NUMBER, ROW, st.booleans()),
    st.builds(View, TEXT, TIME, NUMBER, TEXT, NUMBER, st.binary(max_size=9)),
    st.builds(Fate, TEXT, TIME, NUMBER, st.tuples(TEXT), PACKET),
    st.builds(Counters, TEXT, TIME, NUMBER, st.dictionaries(TEXT, NUMBER, max_size=2)),
    st.builds(Output, TEXT, TIME, NUMBER, TEXT, st.binary(max_size=9)),
    st.builds(Exit, TEXT, TIME, NUMBER, NUMBER, TEXT),
    st.builds(Note, TEXT, TIME, TEXT, NUMBER, TEXT),
)


@given(st.lists(OBSERVATION, max_size=6))
def test_a_history_comes_back_equal(observations: list[Observation]) -> None:
    history = History.of(observations)
    text = dumps(history)
    assert loads(text) == history
    assert text.isascii() and text.count("\n") == len(observations)
    assert [seen.time for seen in history.observations] == sorted(seen.time for seen in observations)


def test_there_is_a_sample_of_every_kind() -> None:
    assert set(KINDS) == {
        "call",
        "packet",
        "tap",
        "sockets",
        "socket",
        "view",
        "counters",
        "output",
        "exit",
        "fate",
        "note",
    }


@pytest.mark.parametrize(
    "value", [{"bytes": "YQ=="}, {"tuple": [1]}, {"dict": {"bytes": 1}}, {"bytes": b"a", "tuple": ()}]
)
def test_a_mapping_that_looks_like_something_else_stays_one(value: Any) -> None:
    history = History((Call("a", 1, 0, "c", "recv", (value,), [value]),))
    assert loads(dumps(history)) == history


NOTES = [Note("a", 5, "step-end", 1), Note("a", 2, "step-begin", 1), Note("b", 3, "step-begin", 2)]


def test_observations_of_one_kind_and_one_host() -> None:
    history = History.of([*NOTES, Exit("a", 4, 1, 0)])
    assert list(history.all(Note, "b")) == [NOTES[2]]
    assert list(history.all(Note)) == [NOTES[1], NOTES[2], NOTES[0]]
    assert list(history.all(Exit)) == [Exit("a", 4, 1, 0)]
    assert not list(history.all(Packet))


def test_a_window_is_of_a_step_that_began_and_ended() -> None:
    history = History.of(NOTES)
    assert history.window(1) == (2, 5)
    assert history.window(2) is None
    assert history.window(3) is None


GOOD: dict[str, Any] = {"kind": "exit", "host": "a", "time": 1, "step": 1, "code": 0}


BAD: list[dict[str, Any]] = [
    GOOD | {"unknown": 1},
    {"kind": "exit", "host": "a"},
    {"kind": "nothing"},
    {"kind": ["exit"]},
    {"kind": "sockets", "host": "a", "time": 1, "step": 1, "rows": [{"no": 1}]},
    {"kind": "output", "host": "a", "time": 1, "step": 1, "stream": "x", "data": {"bytes": "é="}},
    {"kind": "output", "host": "a", "time": 1, "step": 1, "stream": "x", "data": {"bytes": "="}},
    {"kind": "output", "host": "a", "time": 1, "step": 1, "stream": "x", "data": {"bytes": None}},
    GOOD | {"code": {"tuple": 3}},
    GOOD | {"code": "0"},
    GOOD | {"because": None},
    {"kind": "packet", "host": "a", "time": 1, "interface": "lo", "outgoing": 1, "protocol": "tcp"},
    {"kind": "call", "host": "a", "time": 1, "step": 1, "caller": "c", "function": "f", "remote": ["10.9.0.2"]},
    {"kind": "sockets", "host": "a", "time": 1, "step": 1, "rows": [["tcp"]]},
]


@pytest.mark.parametrize("line", ["", "x", "[]", "3", "null", "{}", "[" * 100_000, *map(json.dumps, BAD)])
def test_a_line_that_is_none_is_named(line: str) -> None:
    with pytest.raises(ValueError, match=r"^line 2: "):
        loads(f"{json.dumps(GOOD)}\n{line}\n{json.dumps(GOOD)}\n")


@pytest.mark.parametrize("time", ['"x"', "1.5", "null", "true"])
def test_a_time_is_a_whole_number(time: str) -> None:
    line = f'{{"kind": "note", "host": "a", "time": {time}, "what": "step-begin"}}'
    with pytest.raises(ValueError, match=r"^line 1: Expected `int`, got .*`\$\.time`"):
        loads(line)
