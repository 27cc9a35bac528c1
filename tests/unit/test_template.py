"""Names are replaced once, and with the right type."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.template import MAX_INSERTED, Path, expand, names_in, steps_in

NAMES: dict[str, Any] = {
    "bind": "",
    "port": 65432,
    "yes": True,
    "family": "AF_INET6",
    "none": None,
    "half": 0.5,
    "list": ["a", {"b": 1}],
    "map": {"connect": "accepted"},
    "braces": "{port} {{x}}",
    "quote": "it's",
    "server.lan": "10.1.2.3",
    "server.lan.ipv6": "fd00::1",
    "server-on": "x",
    "long": "x" * (MAX_INSERTED + 1),
}


def replaced(value: Any, path: Path = ()) -> tuple[Any, list[tuple[Path, str]]]:
    refused: list[tuple[Path, str]] = []
    return expand(value, NAMES, lambda where, name: refused.append((where, name)), path), refused


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_name_keeps_its_type(name: str) -> None:
    assert replaced(f"{{{name}}}") == (NAMES[name], [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("--port={port}", "--port=65432"),
        (" {port}", " 65432"),
        ("{port}{port}", "6543265432"),
        ("{bind}:{port}", ":65432"),
        ("{yes} {none} {half}", "true  0.5"),
        ("to {server.lan} and {server.lan.ipv6}, {server-on}", "to 10.1.2.3 and fd00::1, x"),
        ("{{port}}", "{port}"),
        ("{{{port}}}", "{65432}"),
        ("{{", "{"),
        ("}}", "}"),
        ("{{}}", "{}"),
        ("{", "{"),
        ("{ port }", "{ port }"),
        ("{}", "{}"),
        ("{1}", "{1}"),
        ("{'a': 1}", "{'a': 1}"),
        ("${port}", "$65432"),
    ],
)
def test_within_text_it_becomes_text(text: str, expected: str) -> None:
    assert replaced(text) == (expected, [])


def test_nothing_expands_twice() -> None:
    assert replaced("{braces}")[0] == "{port} {{x}}"
    assert replaced("<{braces}>")[0] == "<{port} {{x}}>"
    assert replaced("{{{{port}}}}")[0] == "{{port}}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s.bind(({bind}, {port}))", "s.bind(('', 65432))"),
        ("s.connect(({server.lan}, {port}))", "s.connect(('10.1.2.3', 65432))"),
        ("s.settimeout({none})", "s.settimeout(None)"),
        ("s.setblocking({yes})", "s.setblocking(True)"),
        ("s.send({quote})", 's.send("it\'s")'),
        ("socket({family})", "socket(AF_INET6)"),
        ("{bind}", "''"),
        ("s.send(b'{{}}')", "s.send(b'{}')"),
    ],
)
def test_in_a_call_it_becomes_a_literal(text: str, expected: str) -> None:
    assert replaced({"call": text}) == ({"call": expected}, [])


def test_only_a_steps_own_call_is_a_call() -> None:
    assert replaced({"returns": {"call": "{port}"}})[0] == {"returns": {"call": 65432}}
    assert replaced({"hosts": {"call": "<{bind}>"}})[0] == {"hosts": {"call": "<>"}}
    assert replaced("<{bind}>", ("call",))[0] == "<''>"


def test_unknown_names_are_told_with_their_path_and_left() -> None:
    value = {"a": ["{nobody}", "x{nothing}y {port}"], "b": "{server.lna}"}
    assert replaced(value) == (
        {"a": ["{nobody}", "x{nothing}y 65432"], "b": "{server.lna}"},
        [(("a", 0), "nobody"), (("a", 1), "nothing"), (("b",), "server.lna")],
    )


@pytest.mark.parametrize("name", ["list", "map", "long"])
def test_what_is_no_text_is_not_put_into_text(name: str) -> None:
    assert replaced(f"x {{{name}}}") == (f"x {{{name}}}", [((), name)])
    assert replaced({"call": f"{{{name}}}"}) == ({"call": f"{{{name}}}"}, [(("call",), name)])


def test_keys_and_other_values_stay() -> None:
    assert replaced({"{port}": 1, "a": None, "b": True, "c": [1.5]}) == (
        {"{port}": 1, "a": None, "b": True, "c": [1.5]},
        [],
    )


def test_the_names_in_a_value() -> None:
    assert names_in({"a": ["{x} {y.z}", {"b": "{{w}}{v}"}], "{key}": 3, "c": None}) == {"x", "y.z", "v"}
    assert names_in({}) == names_in([]) == names_in(1) == set()


@given(st.text(alphabet="{}ab.-_ 1", max_size=30))
def test_braces_that_name_nothing_known_never_break(text: str) -> None:
    value, refused = replaced(text)
    assert isinstance(value, str)
    assert {name for _, name in refused} == names_in(text)
    if not refused and "{{" not in text and "}}" not in text:
        assert value == text


def test_the_steps_one_by_one() -> None:
    steps = [{"host": "a"}, {"together": [{"host": "b"}, 3], "only": "x"}, "nonsense", {"together": {}}, {"host": "c"}]
    assert list(steps_in(steps)) == [
        ({"host": "a"}, ("steps", 0), None),
        ({"host": "b", "only": "x"}, ("steps", 1, "together", 0), 1),
        (3, ("steps", 1, "together", 1), 1),
        ("nonsense", ("steps", 2), None),
        ({"host": "c"}, ("steps", 4), None),
    ]
