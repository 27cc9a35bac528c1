"""Every mistake in a file is told, at its place, with what to do: in tests/golden/errors the file name is the test."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lab import model
from lab.addressing import address_names
from lab.errors import ScenarioError
from lab.library import shipped
from lab.scenario import SAMPLE_SUBNETS, Scenario, load, scenario_of, steps_of
from lab.source import parse

ERRORS = Path(__file__).parent.parent / "golden" / "errors"
HEAD = """\
title: A claim
networks: {lan: {}}
hosts:
  server: {networks: [lan]}
  client: {networks: [lan]}
"""


def scenario(text: str, folder: Path = ERRORS) -> Scenario:
    return scenario_of(parse(text.encode(), "x.yaml"), folder / "x.yaml")


def mistakes(data: bytes, name: str = "x.yaml") -> str:
    with pytest.raises(ScenarioError) as caught:
        scenario_of(parse(data, name), ERRORS / name)
    return f"{caught.value}\n"


def steps(found: Scenario) -> dict[str, list[model.Step]]:
    result = {}
    for case in found.cases:
        addresses = address_names(case.networks, case.hosts, SAMPLE_SUBNETS[: len(case.networks)])
        result[case.name] = [item.step for item in steps_of(found, case, addresses)]
    return result


@pytest.mark.parametrize("path", sorted(ERRORS.glob("*.yaml")), ids=lambda path: path.stem)
def test_all_mistakes_of_a_file_are_told_at_once(path: Path, golden: Any) -> None:
    text = mistakes(path.read_bytes(), path.name)
    golden(f"errors/{path.stem}.txt", text)
    places = [re.match(rf"{path.name}:\d+:\d+: ", line) for line in text.splitlines()]
    assert all(places) and not re.search(r"Input|\bdict\b|msgspec|ValueError|<class", text)


def test_no_golden_text_is_left_over() -> None:
    assert {path.stem for path in ERRORS.glob("*.txt")} == {path.stem for path in ERRORS.glob("*.yaml")}


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
def test_the_shipped_scenarios_hold_no_mistake(path: Path) -> None:
    found = load(path)
    assert found.name == path.stem and found.title and found.lesson and found.guide
    assert all(steps(found).values())


def test_a_single_parameter_of_no_value_is_not_taken_for_braces() -> None:
    steps = 'steps:\n  - {host: server, run: [echo-client, "x{lan}"]}\n'
    found = scenario(HEAD.replace("{lan: {}}", "{lan: }") + "cases: {a: {lan: }}\n" + steps)
    assert found.cases[0].parameters == {"lan": None}


@pytest.mark.parametrize("cases", ["", "cases: {}\n", "cases: {a: }\n", "cases: {a: {}, b: }\n"])
def test_cases_may_be_none_or_set_nothing(cases: str) -> None:
    found = scenario(HEAD + cases + "steps:\n  - {host: server, run: [echo-client]}\n")
    names = [case.name for case in found.cases]
    assert names == (["a", "b"] if "b" in cases else ["a"] if "a:" in cases else ["only"])
    assert all(case.parameters == {} for case in found.cases)


def test_the_steps_of_a_case() -> None:
    found = scenario(
        HEAD
        + """
cases:
  one: {to: "{server.lan}", port: 1, sees: {exit: 0}, nothing: , braces: "{{x}} {client.lan}"}
  two: {to: "{lan.unused}", port: "2", sees: [{exit: 1}, {on: server, listening: {port: 1}}], nothing: "", braces: ""}
steps:
  - {host: client, run: [echo-client, "{to}", "{port}", "p{port}", "<{nothing}>", "{braces}"], expect: "{sees}"}
  - {host: client, only: two, run: [ss]}
  - {host: client, only: [one], call: "s = socket()"}
  - {host: client, only: [], wait: 1 s}
"""
    )
    one, two = steps(found)["one"], steps(found)["two"]
    assert one[0].run == ("echo-client", "192.168.0.2", 1, "p1", "<>", "{x} 192.168.0.3")
    assert two[0].run == ("echo-client", "192.168.0.254", "2", "p2", "<>", "")
    assert [step.action for step in one] == ["run", "call", "wait"]
    assert [step.action for step in two] == ["run", "run", "wait"]
    assert [len(steps[0].expect) for steps in (one, two)] == [1, 2]


def test_a_case_may_set_what_hosts_and_networks_are() -> None:
    found = scenario(
        """
title: A claim
networks: {lan: {ipv6: "{six}"}, wan: "{wan}"}
hosts:
  server: {networks: "{on}", router: "{routes}", sysctls: {net.core.somaxconn: "{queue}"}}
cases:
  one: {six: true, wan: {ipv6: false}, on: [lan, wan], routes: true, queue: 1}
  two: {six: false, wan: , on: [wan], routes: false, queue: "2"}
steps:
  - {host: server, run: [ss, "{server.wan}"]}
  - {host: server, only: one, run: [ss, "{server.lan.ipv6}"]}
"""
    )
    one, two = found.cases
    assert one.networks == {"lan": model.Network(ipv6=True), "wan": model.Network()}
    assert two.networks == {"lan": model.Network(), "wan": model.Network()}
    assert one.hosts["server"] == model.Host(networks=("lan", "wan"), router=True, sysctls={"net.core.somaxconn": 1})
    assert two.hosts["server"].sysctls == {"net.core.somaxconn": "2"}


def many(networks: int = 1, hosts: int = 1, steps: int = 1, cases: int = 1) -> bytes:
    lines = ["title: Many", "networks:", *(f"  n{number}: {{}}" for number in range(networks))]
    lines += ["hosts:", *(f"  h{number}: {{networks: [n0]}}" for number in range(hosts))]
    lines += ["cases:", *(f"  c{number}: {{p: {number}}}" for number in range(cases))]
    lines += ["steps:", *('  - {host: h0, run: [echo-client, "{p}"]}' for number in range(steps))]
    return "\n".join(lines).encode()


SIZES = {"networks": model.MAX_NETWORKS, "hosts": model.MAX_HOSTS, "steps": model.MAX_STEPS, "cases": model.MAX_CASES}


@pytest.mark.parametrize(("key", "most"), SIZES.items())
def test_sizes_are_bounded(key: str, most: int) -> None:
    scenario_of(parse(many(**{key: most}), "x.yaml"), ERRORS / "x.yaml")
    words = mistakes(many(**{key: most + 1}))
    assert re.fullmatch(rf"x.yaml:\d+:1: expected at most {most} {key}, observed {most + 1}\n", words)


def test_a_case_cannot_ask_for_more_than_a_file() -> None:
    networks = ", ".join(f"n{number}: {{}}" for number in range(17))
    text = f'title: x\nnetworks: "{{n}}"\nhosts: {{h: {{networks: [n0]}}}}\ncases: {{a: {{n: {{{networks}}}}}}}\n'
    assert mistakes(f"{text}steps: [{{host: h, run: [ss]}}]".encode()).startswith(
        "x.yaml:4:13: expected at most 16 networks"
    )


def test_what_is_put_into_text_cannot_blow_up() -> None:
    case = f"cases: {{a: {{bomb: {'x' * 400_000}}}}}\n"
    step = f'  - {{host: server, run: [echo-client, "{"{bomb}" * 50_000} "]}}\n'
    begun = time.process_time()
    assert "observed a long text in 'bomb'" in mistakes((HEAD + case + "steps:\n" + step).encode())
    assert time.process_time() - begun < 2


def test_programs_stand_beside_their_scenario(tmp_path: Path) -> None:
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs" / "mine.py").write_text("print('é')\n", "utf-8")
    text = HEAD + "steps:\n  - {host: server, run: [mine]}\n  - {host: server, run: [echo-client]}\n"
    assert scenario(text, tmp_path).programs == {"mine": "print('é')\n"}
    with pytest.raises(ScenarioError, match="no program is named 'mine'"):
        scenario(text)
    (tmp_path / "programs" / "other.py").write_bytes(b"\xff")
    (tmp_path / "programs" / "folder.py").mkdir()
    with pytest.raises(
        ScenarioError, match=r"expected a readable program in UTF-8, observed .*folder\.py(?s:.*)other\.py"
    ):
        scenario(text, tmp_path)


STEP = "steps:\n  - {{host: server, {}}}\n"


@pytest.mark.parametrize(
    ("step", "place"),
    [
        ("runn: [echo-client]", "7:20"),
        ("run: [echo-clien]", "7:26"),
        ("run: [echo-client], expect: {exitt: 0}", "7:49"),
        ("run: [echo-client], expect: {exit: x}", "7:55"),
        ("run: [echo-client], expect: [{exit: 0}, {exit: x}]", "7:67"),
        ("run: [echo-client], expect: {connect: {refusd: 1}}", "7:59"),
        ("run: [echo-client], expect: {connect: {refused: x}}", "7:68"),
        ("run: [echo-client], expect: {stdout: {contains: [a, 1]}}", "7:72"),
        ("expect: {sockets: [{port: 1}, {port: x}]}", "7:57"),
        ("run: [ss], expect: {interface: [lo, wan]}", "7:56"),
        ("firewall: iptables -L", "7:30"),
        ("link: {wan: up}", "7:32"),
    ],
)
def test_the_place_is_the_offending_key_or_value(step: str, place: str) -> None:
    (line,) = mistakes((HEAD + STEP.format(step)).encode()).splitlines()
    assert line.startswith(f"x.yaml:{place}: ")


def test_a_mistake_in_the_head_hides_none_in_the_steps() -> None:
    broken = HEAD.replace("title:", "tilte:").replace("client: {networks: [lan]}", "client: {networks: [nal]}")
    text = mistakes((broken + STEP.format('run: [echo-clien, "{client.lan}", "{client.wan}"]')).encode())
    assert [line.split(":")[1] for line in text.splitlines()] == ["1", "1", "5", "7", "7"]
    assert "client.lan'" in text.splitlines()[-1] and "'client.wan'" in text.splitlines()[-1]


def test_a_step_that_cannot_be_read_causes_no_other_mistake() -> None:
    text = """\
steps:
  - {host: server, call: s = soket()}
  - {host: server, call: s.listen()}
  - {host: server, run: [echo-client], as: Bad}
  - {host: server, wait: bad}
  - {host: server, start: [echo-server], stop: x}
  - {host: server, stop: echo-server}
  - {host: server, wait: bad, expect: {connect: accepted}}
  - {host: client, call: t.listen()}
"""
    assert [line.split(":")[1] for line in mistakes((HEAD + text).encode()).splitlines()] == ["7", "9", "11", "14"]


KEYS = st.sampled_from(
    [*model.Step.__struct_encode_fields__, *model.Expectation.__struct_fields__, "a", "lan", "server", "networks"]
)
VALUES = st.recursive(
    st.sampled_from(
        [None, True, 1, -1, "", "x", "{a}", "{{", "{server.lan}", "server", "lan", "3 s", "s = socket()", "-F"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=250, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "title": st.just("x") | VALUES,
            "steps": st.lists(st.dictionaries(KEYS, VALUES, max_size=4), max_size=4) | VALUES,
        },
        optional={
            "networks": st.just({"lan": None}) | VALUES,
            "hosts": st.just({"server": {"networks": ["lan"]}}) | VALUES,
            "cases": st.just({"one": {"a": 1}, "two": None}) | VALUES,
        },
    )
)
@example(
    {"title": "x", "networks": {"lan": None}, "hosts": {"server": {"networks": [["lan"]]}}, "steps": [{"host": []}]}
)
@example({"title": "x", "cases": {"one": {"lan": {}}}, "networks": "{lan}", "hosts": "{lan}", "steps": [{"only": {}}]})
def test_any_file_is_a_scenario_or_told_in_words(value: Any) -> None:
    try:
        found = scenario(yaml.safe_dump(value).replace("&", "").replace("*", ""))
    except ScenarioError as error:
        assert error.problems
    else:
        assert steps(found)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(shipped()),
    st.integers(0, 5000),
    st.sampled_from(["", "x", "{", "}", "[", ":", " ", "\n", '"', "\t"]),
    st.integers(0, 6),
)
def test_any_slip_of_the_pen_is_told_in_words(path: Path, at: int, slip: str, gone: int) -> None:  # fmt: skip
    text = path.read_text("utf-8")
    try:
        scenario(text[:at] + slip + text[at + gone :])
    except ScenarioError as error:
        assert all(problem.mark.line >= 1 and problem.message for problem in error.problems)
