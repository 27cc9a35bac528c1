"""The nouns: which forms are accepted, and what they mean."""

from typing import Any

import pytest

from lab.iptables import firewall_rule
from lab.model import (
    ACTIONS,
    OUTCOMES,
    Expectation,
    Host,
    ListeningExpectation,
    Network,
    ScenarioFile,
    Step,
)
from lab.shape import made


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("iptables -A INPUT -j DROP", "iptables -A INPUT -j DROP"),
        ("-P INPUT DROP", "iptables -P INPUT DROP"),
        ("ip6tables -I INPUT 1 -p tcp -s fd00::1 ! --dport 1:9 -j REJECT --reject-with tcp-reset", None),
        ("iptables -t mangle -F", None),
        ("iptables --append INPUT --protocol tcp --match multiport --dports 1,2 --jump DROP", None),
        ("iptables -A INPUT -m statistic --mode nth --every 3 --packet 0 -j DROP", None),
        ("iptables -A INPUT -m mac --mac-source 00:11:22:33:44:55 -g other", None),
    ],
)
def test_rules_as_words(text: str, words: str | None) -> None:
    assert firewall_rule(text) == tuple((words or text).split())
    assert firewall_rule("-A INPUT -m comment --comment 'a b; $(id)'")[-1] == "a b; $(id)"


NO_RULES = """\
iptables -A INPUT -M /tmp/x
iptables -A INPUT --modprobe=/tmp/x
iptables -A INPUT --modprobe /tmp/x
iptables -A INPUT --modp=x
iptables -A INPUT --mo x
iptables -A INPUT --m x
-M /tmp/x -A INPUT
--modprobe=x -F
iptables -AINPUT
iptables -A INPUT -jDROP
iptables -vnL
iptables -L
iptables -S
iptables -w -F
nft flush ruleset
/sbin/iptables -F
sh -c 'iptables -F'
iptables-restore -F x
sudo iptables -F

''
iptables
iptables -t nat
iptables 'open
iptables -A INPUT \\
"""


@pytest.mark.parametrize("text", NO_RULES.splitlines())
def test_what_is_no_rule(text: str) -> None:
    with pytest.raises(ValueError, match="expected "):
        firewall_rule(text)


def test_a_step_has_one_action_or_observes() -> None:
    values: dict[str, Any] = {
        "start": ["echo-server"],
        "run": ["echo-client", 1],
        "stop": "echo-server",
        "kill": "echo-server",
        "call": "s = socket()",
        "wait": "3 s",
        "firewall": "-F",
        "link": {"lan": "down"},
        "sysctl": {"net.core.somaxconn": 2},
        "impair": {"network": "lan", "lose": "all"},
    }
    assert tuple(values) == ACTIONS
    for action, value in values.items():
        step = made(Step, {"host": "a", action: value})
        assert step.action == action
    assert made(Step, {"host": "a"}).action == "observe"


def test_one_stands_for_a_list_of_one() -> None:
    step = made(Step, {"host": "a", "only": "b", "expect": {"interface": "lo", "listening": {"port": 1}}})
    assert step.only == ("b",)
    assert step.expect[0].interface == ("lo",)
    assert step.expect[0].listening == (ListeningExpectation(port=1),)
    many = {"stdout": {"contains": ["a", "b"], "lacks": "c"}, "sockets": [{"port": 1}, {"port": 2}]}
    expectation = made(Expectation, many)
    assert expectation.stdout is not None and expectation.sockets is not None
    assert (expectation.stdout.contains, expectation.stdout.lacks) == (("a", "b"), ("c",))
    assert len(expectation.sockets) == 2


def test_what_was_asked_for_is_checked_and_no_more() -> None:
    expectation = made(Expectation, {"on": "a", "returns": None, "connect": "refused", "exit": 0})
    assert expectation.checks() == {"returns": None, "connect": "refused", "exit": 0}
    assert made(Expectation, {"on": "a"}).checks() == {}
    assert list(expectation.checks()) == ["connect", "returns", "exit"], "in the order of the model, not of chance"


def test_nothing_changes_and_nothing_is_guessed() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        Network().ipv6 = True  # type: ignore[misc]
    for value in (
        {"networks": ["a"], "router": 1},
        {"networks": ["a"], "router": "yes"},
        {"networks": "a"},
        {"networks": [1]},
    ):
        with pytest.raises(ValueError, match=r"expected|unknown"):
            made(Host, value)
    for value in ({"port": "1"}, {"port": True}, {"port": 1.0}, {"port": 65536}, {"port": -1}, {"port": 1, "x": 2}, {}):
        with pytest.raises(ValueError, match=r"expected|unknown"):
            made(ListeningExpectation, value)


@pytest.mark.parametrize("name", ["Server", "1st", "-a", "a_b", "a.b", "", "a" * 32, "a\n", "a/b", "é"])
def test_what_is_no_name(name: str) -> None:
    file = {"title": "x", "networks": {"lan": {}}, "hosts": {"a": {"networks": ["lan"]}}, "steps": [{"host": "a"}]}
    assert made(ScenarioFile, file)
    for key, value in (("networks", {}), ("hosts", {"networks": []})):
        with pytest.raises(ValueError, match="expected a "):
            made(ScenarioFile, file | {key: {name: value}})
    with pytest.raises(ValueError, match="expected a "):
        made(Step, {"host": name})


@pytest.mark.parametrize(
    "name", ["kernel.core_pattern", "net", "net.", "net..a", "net.ipv4/x", "net.ipv4.../x", "fs.file-max", "vm.x"]
)
def test_only_the_networks_own_settings_are_a_hosts(name: str) -> None:  # fmt: skip
    with pytest.raises(ValueError, match="expected a "):
        made(Host, {"networks": ["lan"], "sysctls": {name: 1}})


def test_settings_of_the_network() -> None:
    sysctls = {"net.ipv4.tcp_syn_retries": 1, "net.ipv4.conf.eth0.forwarding": "1", "net.core.somaxconn": 2}
    assert made(Host, {"networks": ["lan"], "sysctls": sysctls}).sysctls == sysctls


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_can_be_expected(outcome: str) -> None:
    assert made(Expectation, {"connect": outcome}).connect == outcome
    assert made(Expectation, {"connect": {outcome: ">= 1"}}).connect == {outcome: ">= 1"}


@pytest.mark.parametrize("key", ["connect", "counters", "packets"])
def test_an_empty_count_proves_nothing(key: str) -> None:
    with pytest.raises(ValueError, match="at least one"):
        made(Expectation, {key: {}})
