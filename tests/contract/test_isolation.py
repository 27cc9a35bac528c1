"""No host reaches the machine that it runs on, whatever a scenario's own program tries; nor does what it tries leave.

The same program shows that it could: where the guard is lifted, the machine hears it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

import pytest
from contract.house import Hand, deployed, host, plan_of
from contract.machine import PROGRAMS, Listener, listener

from lab.engines.base import Engine
from lab.engines.docker import bodies
from lab.plan import Plan, PlannedNetwork, Route

EVERYBODY = ("255.255.255.255", "224.0.0.1", "ff02::1")
SECONDS = 1.0
PROBE = (PROGRAMS / "probe.py").read_text("utf-8")


def estate(subnets: Sequence[str]) -> Plan:
    """`inside` is on two networks that nobody forwards on; `west` and `east` have a router between them. On one network
    of each kind there is IPv6, too."""
    plain = PlannedNetwork(name="plain", subnet=subnets[0])
    dual = PlannedNetwork(name="dual", subnet=subnets[1], subnet6="fd4c:6162:78:1::/64")
    left = PlannedNetwork(name="left", subnet=subnets[2], internal=False)
    right = PlannedNetwork(name="right", subnet=subnets[3], subnet6="fd4c:6162:78:2::/64", internal=False)
    router = host("router", (left, 2), (right, 2), net__ipv4__ip_forward="1", net__ipv6__conf__all__forwarding="1")
    by_left, by_right = (item.address for item in router.interfaces)
    west = host("west", (left, 3), routes=[Route(to=right.subnet, via=by_left)])
    east = host("east", (right, 3), routes=[Route(to=left.subnet, via=by_right)])
    return plan_of([plain, dual, left, right], [host("inside", (plain, 2), (dual, 2)), router, west, east])


@dataclass
class Estate:
    """Hosts that try, and a machine that listens."""

    hands: Mapping[str, Hand]
    listener: Listener
    gateways: Sequence[str]

    def try_everything(self) -> dict[str, list[str]]:
        """What each host's program got for an answer; all try at the same time."""
        for hand in self.hands.values():
            hand.tap()
        steps = {name: self._probe(hand) for name, hand in self.hands.items()}
        answers = {}
        for name, step in steps.items():
            hand = self.hands[name]
            assert hand.remote.join(step, 10)
            *answers[name], tried = hand.output(step).decode().splitlines()
            assert int(tried.removeprefix("tried ")) > len(self.gateways), hand.output(step, "stderr")
        return answers

    def _probe(self, hand: Hand) -> int:
        targets = sorted({*self.listener.addresses, *self.gateways, *EVERYBODY})
        devices = ",".join(f"eth{number}" for number in range(len(hand.planned.interfaces)))
        files = {"probe": PROBE}
        arguments = [str(self.listener.port), str(SECONDS), devices, *targets]
        return hand.start("python3", "-IuS", "@probe.py", *arguments, files=files)

    def strays(self) -> dict[str, set[str]]:
        """Where packets were for that left a host and are for none of the plan's networks."""
        return {name: set(filter(self._outside, self._sent(hand))) for name, hand in self.hands.items()}

    def _sent(self, hand: Hand) -> Iterator[str]:
        for packet in hand.packets(self.listener.port):
            if packet.outgoing and packet.interface != "lo":
                yield packet.destination

    def _outside(self, address: str) -> bool:
        networks = next(iter(self.hands.values())).plan.networks
        subnets = [ip_network(subnet) for item in networks for subnet in (item.subnet, item.subnet6) if subnet]
        return not any(ip_address(address) in subnet for subnet in subnets)


@pytest.fixture
def tried(engine: Engine) -> Iterator[Estate]:
    where = listener(of_docker=engine.name == "docker")
    with deployed(engine, "contract-isolation", [2, 2, 2, 2], estate) as (plan, deployment), where as machine:
        hands = {item.name: Hand(deployment, plan, item.name) for item in plan.hosts}
        gateways = [address for network in plan.networks for address in bodies.gateways(network, plan.hosts)]
        yield Estate(hands, machine, gateways)


def on(name):
    """On this engine only."""
    marked = pytest.param(name, marks=getattr(pytest.mark, name))
    return pytest.mark.parametrize("engine", [marked], indirect=True, scope="module")


@on("namespaces")
def test_behind_a_bridge_of_the_hosts_own_is_no_machine(tried):
    assert tried.try_everything() == {name: [] for name in tried.hands}
    assert tried.listener.heard() == []


@on("docker")
def test_the_machine_hears_nobody_but_where_the_guard_is_lifted(tried):
    assert tried.try_everything() == {name: [] for name in tried.hands}
    assert tried.listener.heard() == []
    assert tried.strays() == {name: set() for name in tried.hands}

    for hand in tried.hands.values():
        for command in ("iptables", "ip6tables"):
            assert hand.firewall(f"{command} -t security -F OUTPUT") == (0, "")
    tried.try_everything()
    heard = "\n".join(tried.listener.heard())
    faces = [face for hand in tried.hands.values() for face in hand.planned.interfaces]
    assert [face.address for face in faces if f" from {face.address} " not in heard] == []
    assert any(f" from {face.ipv6} " in heard for face in faces if face.ipv6)
    assert all(tried.strays().values())
