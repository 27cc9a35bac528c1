"""The published schema says what the model says; what a schema cannot see (names, order) is the loader's."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from lab import model
from lab.library import SCENARIOS, shipped
from lab.schema import schema
from lab.source import parse

VALIDATOR = Draft7Validator(schema())
ERRORS = Path(__file__).parent.parent / "golden" / "errors"


def test_it_is_valid_and_the_published_one(golden: Any) -> None:
    Draft7Validator.check_schema(schema())
    published = SCENARIOS / "scenario.schema.json"
    type(golden)(published.parent, golden.update)(published.name, json.dumps(schema(), indent=2) + "\n")


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
def test_the_shipped_scenarios_fit(path: Path) -> None:
    VALIDATOR.validate(parse(path.read_bytes(), path.name).value)
    assert path.read_text("utf-8").startswith("# yaml-language-server: $schema=scenario.schema.json\n")


NOUNS = (model.Network, model.Host, model.Step, model.Expectation, model.TextExpectation)
MORE = (model.ListeningExpectation, model.SocketExpectation, model.StatesExpectation)


@pytest.mark.parametrize("noun", [*NOUNS, *MORE], ids=lambda noun: noun.__name__)
def test_every_key_is_in_it(noun: type[model.Model]) -> None:
    known = schema()["definitions"][noun.__name__]
    assert known["additionalProperties"] is False
    assert known["properties"].keys() == {*noun.__struct_encode_fields__}
    assert schema()["properties"].keys() == {*model.ScenarioFile.__struct_fields__}


GOOD: dict[str, Any] = {
    "title": "x",
    "networks": {"lan": None, "wan": {"ipv6": True}},
    "hosts": {"server": {"networks": ["lan"], "router": False, "routes": "none", "sysctls": {"net.core.somaxconn": 1}}},
    "cases": {"a": None, "b": {"p": [1]}},
    "steps": [
        {
            "host": "server",
            "run": ["echo-client", 1],
            "as": "x",
            "only": "a",
            "timeout": "3 s",
            "link": {"lan": "up"},
            "impair": {"network": "lan", "lose": "every 3 from 2", "duplicate": [2, 5], "rate": "1.5 Mbit/s"},
            "expect": {
                "connect": {"refused": ">= 1"},
                "within": "500 ms",
                "exit": 0,
                "stdout": {"contains": "x"},
                "listening": {"port": 1},
                "sockets": [{"count": "2..3", "recv-q": 1}],
                "counters": {"x": 1},
                "impaired": {"lost": ">= 1"},
                "packets": "> SYN, > SYN again after 900 ms..1.5 s on lan, < RST, ...",
                "calls": {"recv = EAGAIN": ">= 1", "connect within 3 s": 1},
                "states": [{"port": 80, "passes": "LISTEN, gone"}],
                "ttl": 64,
                "interface": "lo",
                "errno": "EPIPE",
            },
        }
    ],
}
STEP: tuple[str | int, ...] = ("steps", 0)
EXPECT = (*STEP, "expect")


def changed(path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    whole = copy.deepcopy(GOOD)
    node: Any = whole
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return whole


def accepts(value: Any) -> bool:
    fits: bool = VALIDATOR.is_valid(value)
    return fits


def test_the_good_one_is_good() -> None:
    VALIDATOR.validate(GOOD)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("tilte",), "x"),
        (("title",), ""),
        (("title",), 3),
        (("guide",), 3),
        (("networks", "lan"), {"ipv5": True}),
        (("networks", "lan"), {"ipv6": "yes"}),
        (("networks", "LAN"), {}),
        (("networks",), {f"n{number}": None for number in range(17)}),
        (("hosts",), {}),
        (("hosts", "server"), {}),
        (("hosts", "server", "networks"), "lan"),
        (("hosts", "server", "networks"), [3]),
        (("hosts", "server", "router"), 1),
        (("hosts", "server", "routes"), "nothing"),
        (("hosts", "server", "sysctls"), {"kernel.core_pattern": "x"}),
        (("hosts", "server", "sysctls", "net.a"), True),
        (("cases", "A"), {}),
        (("cases", "a"), [1]),
        (("cases", "a"), {"b c": 1}),
        (("steps",), []),
        (("steps",), [{"host": "server"}] * 1001),
        (("steps", 0), "text"),
        (("steps", 0), {"run": ["ss"]}),
        ((*STEP, "comment"), "x"),
        ((*STEP, "host"), {"server": None}),
        ((*STEP, "run"), "echo-client"),
        ((*STEP, "run"), []),
        ((*STEP, "run"), [True]),
        ((*STEP, "timeout"), "3"),
        ((*STEP, "timeout"), 3),
        ((*STEP, "link"), {"lan": "dwn"}),
        ((*STEP, "link"), {}),
        ((*STEP, "impair"), {"lose": "all"}),
        *(
            ((*STEP, "impair"), {"network": "lan", key: value})
            for key, value in (
                ("lose", "every third"),
                ("lose", []),
                ("none", False),
                ("direction", "both"),
                ("reorder", 1),
                ("delay", "50"),
                ("rate", "1 Mbit"),
                ("queue", "4"),
                ("of", {"protocol": "sctp"}),
            )
        ),
        ((*EXPECT, "impaired"), {"broken": 1}),
        ((*STEP, "as"), "A"),
        (EXPECT, "text"),
        ((*EXPECT, "conect"), "refused"),
        ((*EXPECT, "connect"), "refusd"),
        ((*EXPECT, "connect"), {"refusd": 1}),
        ((*EXPECT, "connect"), {"refused": "many"}),
        ((*EXPECT, "connect"), {}),
        ((*EXPECT, "connect"), None),
        ((*EXPECT, "within"), 500),
        ((*EXPECT, "within"), "500"),
        ((*EXPECT, "exit"), True),
        ((*EXPECT, "exit"), "=3"),
        ((*EXPECT, "stdout"), "x"),
        ((*EXPECT, "stdout"), {"contain": "x"}),
        ((*EXPECT, "listening"), {}),
        ((*EXPECT, "listening"), {"port": 65536}),
        ((*EXPECT, "listening"), {"port": "x"}),
        ((*EXPECT, "sockets"), [{"recv_qq": 1}]),
        ((*EXPECT, "counters"), {}),
        ((*EXPECT, "packets"), "> SIN"),
        ((*EXPECT, "packets"), {"> SIN": 1}),
        ((*EXPECT, "packets"), "> SYN within 3"),
        ((*EXPECT, "calls"), "recv = many"),
        ((*EXPECT, "calls"), {"...": 1}),
        ((*EXPECT, "states"), "ESTABLISHED"),
        ((*EXPECT, "states"), [{"port": 80}]),
        ((*EXPECT, "states"), {"port": 80, "passes": "..."}),
        ((*EXPECT, "ttl"), 0),
        ((*EXPECT, "interface"), 3),
        ((*EXPECT, "errno"), "refused"),
    ],
)
def test_what_a_schema_can_see_is_refused(path: tuple[str | int, ...], value: Any) -> None:
    assert not accepts(changed(path, value))


@pytest.mark.parametrize(
    "path",
    [
        *(("networks",), ("networks", "lan"), ("networks", "wan", "ipv6"), ("hosts",), ("hosts", "server")),
        *(("hosts", "server", key) for key in ("networks", "router", "routes", "sysctls")),
        ("hosts", "server", "sysctls", "net.core.somaxconn"),
        *((*STEP, key) for key in ("host", "run", "link", "timeout", "expect")),
        (*STEP, "link", "lan"),
        *((*EXPECT, key) for key in GOOD["steps"][0]["expect"]),
        (*EXPECT, "connect", "refused"),
        (*EXPECT, "stdout", "contains"),
        (*EXPECT, "listening", "port"),
        (*EXPECT, "sockets", 0),
        (*EXPECT, "sockets", 0, "count"),
        (*EXPECT, "counters", "x"),
    ],
    ids=lambda path: ".".join(map(str, path)),
)
def test_a_parameter_may_stand_there(path: tuple[str | int, ...]) -> None:
    assert accepts(changed(path, "{parameter}"))
    assert accepts(changed(path, "parameter}")) == (path[-1] in ("contains", "interface", "net.core.somaxconn"))


@pytest.mark.parametrize("path", [("title",), ("steps",), ("cases",), STEP], ids=str)
def test_a_parameter_may_not_stand_there(path: tuple[str | int, ...]) -> None:
    assert path == ("title",) or not accepts(changed(path, "{parameter}"))


def test_text_with_a_form_may_hold_a_parameter() -> None:
    assert accepts(changed((*EXPECT, "within"), "{n} ms"))
    assert accepts(changed((*EXPECT, "packets"), "> SYN, {more}"))
    assert not accepts(changed((*EXPECT, "ttl"), "x{n}"))


@pytest.mark.parametrize("name", ["unknown-keys", "wrong-types", "wrong-words", "forms"])
def test_the_files_of_mistakes_are_refused(name: str) -> None:
    assert not accepts(parse((ERRORS / f"{name}.yaml").read_bytes(), name).value)
