"""Everything is decided before anything is made; plans of shipped scenarios are in tests/golden/plans."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import convert, to_builtins

from lab.errors import UsageError
from lab.library import shipped
from lab.plan import Plan, PlannedHost, Route, case_of, make_plan, printed, sizes
from lab.scenario import Scenario, scenario_of
from lab.source import parse

SUBNETS = tuple(f"10.213.0.{16 * number}/28" for number in range(16))


def scenario(text: str, folder: Path = Path("nowhere")) -> Scenario:
    return scenario_of(parse(text.encode(), "x.yaml"), folder / "x.yaml")


def plan_of(text: str, case: str = "only", time_scale: float = 1.0, folder: Path = Path("nowhere")) -> Plan:
    found = scenario(text, folder)
    chosen = case_of(found, case)
    return make_plan(found, chosen, SUBNETS[: len(chosen.networks)], time_scale)


def hosts(plan: Plan) -> dict[str, PlannedHost]:
    return {host.name: host for host in plan.hosts}


GOLDEN = frozenset("backlog bind echo ethernet loss multiconn one-way refused timed-out".split())  # one of each kind
SHIPPED = [(path, case) for path in shipped() for case in parse(path.read_bytes(), "x").value["cases"]]


@pytest.mark.parametrize(("path", "case"), SHIPPED, ids=[f"{path.stem}.{case}" for path, case in SHIPPED])
def test_plans_of_the_shipped_scenarios(path: Path, case: str, golden: Any) -> None:
    found = scenario_of(parse(path.read_bytes(), f"scenarios/{path.name}"), path)
    chosen = case_of(found, case)
    plan = make_plan(found, chosen, SUBNETS[: len(chosen.networks)])
    assert convert(to_builtins(plan), Plan) == plan
    if path.stem in GOLDEN:
        golden(f"plans/{path.stem}.{case}.yaml", printed(plan))


def test_no_golden_plan_is_left_over() -> None:
    goldens = Path(__file__).parent.parent / "golden" / "plans"
    assert {path.stem for path in goldens.iterdir()} == {
        f"{path.stem}.{case}" for path, case in SHIPPED if path.stem in GOLDEN
    }


ROUTERS = """
title: Two routers
networks: {a: {ipv6: true}, b: {ipv6: true}, c: {ipv6: true}, d: {}, apart: {}}
hosts:
  one: {networks: [a]}
  north: {networks: [a, b], router: true}
  two: {networks: [b]}
  south: {networks: [b, c, d], router: true}
  three: {networks: [c]}
  stubborn: {networks: [c], routes: none}
  four: {networks: [d]}
  both: {networks: [a, c]}
  alone: {networks: [apart]}
steps:
  - {host: one, run: [echo-client]}
"""


def routes(plan: Plan, host: str) -> dict[str, str]:
    """The other networks by their names, and the next router by its own."""
    nets = {subnet: net.name for net in plan.networks for subnet in (net.subnet, net.subnet6)}
    owner = {end: host.name for host in plan.hosts for item in host.interfaces for end in (item.address, item.ipv6)}
    return {nets[route.to] + ("6" if ":" in route.to else ""): owner[route.via] for route in hosts(plan)[host].routes}


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("one", {"b": "north", "b6": "north", "c": "north", "c6": "north", "d": "north"}),
        ("two", {"a": "north", "a6": "north", "c": "south", "c6": "south", "d": "south"}),
        ("three", {"b": "south", "b6": "south", "d": "south", "a": "south", "a6": "south"}),
        ("four", {"b": "south", "c": "south", "a": "south"}),
        ("north", {"c": "south", "c6": "south", "d": "south"}),
        ("south", {"a": "north", "a6": "north"}),
        ("both", {"b": "north", "b6": "north", "d": "south"}),
        ("stubborn", {}),
        ("alone", {}),
    ],
)
def test_routes_lead_over_routers_by_the_shortest_way(host: str, expected: dict[str, str]) -> None:
    assert routes(plan_of(ROUTERS), host) == expected


def test_a_route_goes_by_the_routers_address_on_the_shared_network() -> None:
    assert hosts(plan_of(ROUTERS))["four"].routes[0] == Route(to="10.213.0.16/28", via="10.213.0.50")


def test_only_what_a_router_forwards_is_open_to_forwarding() -> None:
    plan = plan_of(ROUTERS)
    assert {net.name for net in plan.networks if not net.internal} == {"a", "b", "c", "d"}
    assert plan.needs == ("ipv6", "router")
    forwards = {name: host.sysctls["net.ipv4.ip_forward"] for name, host in hosts(plan).items()}
    assert forwards == dict.fromkeys(forwards, "0") | {"north": "1", "south": "1"}
    assert hosts(plan)["north"].sysctls["net.ipv6.conf.all.forwarding"] == "1"
    assert "net.ipv6.conf.all.forwarding" not in hosts(plan)["one"].sysctls


ONE = """
title: One host
networks: {{lan: {{}}}}
hosts: {{server: {{networks: [lan]{}}}}}
steps:
{}
"""


def test_settings_are_the_labs_unless_the_host_says_otherwise() -> None:
    more = ", sysctls: {net.ipv4.tcp_syn_retries: 1, net.core.somaxconn: '2'}"
    plan = plan_of(ONE.format(more, "  - {host: server, run: [ss]}"))
    assert hosts(plan)["server"].sysctls == {
        "net.ipv4.icmp_ratelimit": "0",
        "net.ipv4.ip_forward": "0",
        "net.ipv4.tcp_syn_retries": "1",
        "net.ipv6.conf.lo.disable_ipv6": "0",
        "net.core.somaxconn": "2",
    }
    assert plan.needs == ("sysctl:net.core.somaxconn", "sysctl:net.ipv4.tcp_syn_retries", "tool:ss")


def test_names_are_what_every_host_can_resolve() -> None:
    names = plan_of(ROUTERS).names
    assert names["both.a"] == ("10.213.0.4", "fd4c:6162:ad5:0::4".replace(":0::", "::"))
    assert names["both"] == (*names["both.a"], *names["both.c"])
    assert names["four"] == names["four.d"] == ("10.213.0.51",)


STEPS = """\
  - {host: server, start: [echo-server, --port, 65432], as: one}
  - {host: server, start: [mine, "{x}"], timeout: 500 ms}
  - {host: server, run: [ss, -l], as: pending}
  - {host: server, stop: one}
  - {host: server, kill: mine}
  - {host: server, wait: pending, expect: [{exit: 0}, {on: server, listening: {port: 1}}]}
  - {host: server, wait: 3 s}
  - {host: server, firewall: -F}
  - {host: server, link: {lan: down}}
  - {host: server, sysctl: {net.core.somaxconn: 2}}
  - host: server
    expect: {returns: , listening: {port: 1}}
"""


def test_steps_are_resolved(tmp_path: Path) -> None:
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs" / "mine.py").write_text("pass")
    text = (ONE.format("", STEPS) + "cases: {a: {x: 1}}").replace("returns: , ", "")
    plan = plan_of(text, "a", 3.0, tmp_path)
    assert [step.target for step in plan.steps] == [None, None, None, 0, 1, 2, None, None, None, None, None]
    assert [step.argv for step in plan.steps[:3]] == [
        ("python3", "-IuS", "/opt/lab/programs/echo-server.py", "--port", "65432"),
        ("python3", "-IuS", "@mine.py", "1"),
        ("ss", "-l"),
    ]
    assert [step.trace for step in plan.steps] == [True, True, *[False] * 9]
    assert [step.timeout for step in plan.steps[:3]] == [30.0, 1.5, 30.0]
    assert plan.programs == {"mine": "pass"} and plan.time_scale == 3.0
    assert plan.needs == ("firewall", "link", "sysctl", "sysctl:net.core.somaxconn", "tool:ss")
    assert plan.steps[5].marks == {"": "x.yaml:11:5", "0.exit": "x.yaml:11:51", "1.listening": "x.yaml:11:68"}
    assert plan.steps[10].marks == {"": "x.yaml:16:5", "0.listening": "x.yaml:17:14"}
    assert [step.text for step in plan.steps] == [
        "server: start echo-server --port 65432  (as one)",
        "server: start mine 1",
        "server: run ss -l  (as pending)",
        "server: stop one",
        "server: kill mine",
        "server: wait pending",
        "server: wait 3 s",
        "server: firewall -F",
        "server: link lan down",
        "server: sysctl net.core.somaxconn 2",
        "server: observe",
    ]


def test_the_latest_of_a_name_is_meant() -> None:
    steps = """\
  - {host: server, start: [echo-server]}
  - {host: server, stop: echo-server}
  - {host: server, start: [echo-server]}
  - {host: server, stop: echo-server}
"""
    assert [step.target for step in plan_of(ONE.format("", steps)).steps] == [None, 0, None, 2]


def test_the_places_of_checks_that_a_case_carries_are_in_the_step() -> None:
    steps = '  - {host: server, run: [ss], expect: "{sees}"}\n'
    plan = plan_of(ONE.format("", steps) + "cases: {a: {sees: [{exit: 0}, {stdout: {lacks: x}}]}}", "a")
    assert plan.steps[0].marks == {"": "x.yaml:6:5", "0.exit": "x.yaml:6:39", "1.stdout": "x.yaml:6:39"}


def test_a_network_holds_its_hosts_and_one_that_is_nobodys() -> None:
    assert sizes(scenario(ROUTERS).cases[0]) == (4, 4, 5, 3, 2)


def test_waits_are_traced_where_a_step_asks_for_them() -> None:
    steps = """\
  - {host: server, start: [echo-server], expect: {calls: {accept: 0}}}
  - {host: server, start: [echo-server], as: two}
  - {host: server, run: [echo-client], expect: {calls: "socket, poll, ..."}}
  - {host: server, stop: two, expect: {calls: {fork: 0}}}
"""
    assert [step.waits for step in plan_of(ONE.format("", steps)).steps] == [False, True, True, False]


def test_an_unknown_case_is_told() -> None:
    with pytest.raises(UsageError, match=r"x has no case 'onyl'; did you mean 'only'\?"):
        case_of(scenario(ROUTERS), "onyl")


def test_what_was_not_asked_for_is_not_asked_for_after_a_round_trip() -> None:
    text = ONE.format("", "  - {host: server, call: s = socket(), expect: {returns: }}\n")
    again = convert(to_builtins(plan_of(text)), Plan)
    assert again.steps[0].step.expect[0].checks() == {"returns": None}
    assert "returns: null" in printed(again)


def test_a_printed_plan_leaves_out_what_is_empty_and_nothing_else() -> None:
    steps = "  - {host: server, start: [echo-server]}\n  - {host: server, stop: echo-server, expect: {exit: 0}}\n"
    lines = printed(plan_of(ONE.format("", steps))).splitlines()
    assert lines[0] == "---" and "- number: 0" in lines and "  target: 0" in lines and "    - exit: 0" in lines
    assert "  mark: x.yaml:7:5" in lines and "    0.exit: x.yaml:7:54" in lines
    assert not [line for line in lines if line.endswith((": null", ": []", ": {}"))]


@pytest.mark.parametrize(("tool", "traced"), [("ping", True), ("getent", True), ("ss", False), ("ip", False)])
def test_tools_that_talk_are_traced(tool: str, traced: bool) -> None:
    text = f"steps: [{{host: a, run: [{tool}], expect: {{exit: 0}}}}]"
    plan = plan_of(f"{{title: T, networks: {{lan: {{}}}}, hosts: {{a: {{networks: [lan]}}}}, {text}}}")
    assert (plan.steps[0].argv, plan.steps[0].trace) == ((tool,), traced)


BURST = """
title: All at once
networks: {lan: {}, wan: {}}
hosts:
  server: {networks: [wan, lan]}
  client: {networks: [lan], nameserver: server}
cases: {quiet: {}, loud: {}}
steps:
  - {host: server, run: [ss]}
  - together:
      - {host: client, run: [echo-client], repeat: 3, expect: {connect: refused}}
      - {host: server, call: s = socket()}
    only: loud
  - {host: server, run: [ss], repeat: 2}
"""


def test_steps_that_begin_at_once_are_steps_of_one_group() -> None:
    loud = plan_of(BURST, "loud")
    assert [(step.number, step.group) for step in loud.steps] == [(0, None), (1, 1), (2, 1), (3, None)]
    assert [step.text for step in loud.steps][1:] == [
        "client: run echo-client  (3 at once)",
        "server: call s = socket()  (at once)",
        "server: run ss  (2 times)",
    ]
    assert loud.steps[1].marks == {"": "x.yaml:11:9", "0.connect": "x.yaml:11:73"}
    assert "together" in loud.needs
    quiet = plan_of(BURST, "quiet")
    assert [step.number for step in quiet.steps] == [0, 3]
    assert "together" not in quiet.needs


def test_a_name_server_is_asked_where_it_is_near() -> None:
    plan = plan_of(BURST, "quiet")
    near = next(face.address for face in hosts(plan)["server"].interfaces if face.network == "lan")
    assert (hosts(plan)["client"].nameserver, hosts(plan)["server"].nameserver) == (near, None)
    assert "dns" in plan.needs
