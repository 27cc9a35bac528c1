import os

import pytest
from msgspec.structs import replace

from lab.errors import HostError
from lab.history import Packet
from lab.plan import Interface, PlannedHost, Route

ALONE = PlannedHost(name="server", interfaces=(Interface(network="lo", address="127.0.0.1"),))
SUBNET = """
ip link add lab0 type veth peer name lab1
ip address add 10.9.9.1/24 dev lab0
ip link set lab0 up
ip link set lab1 up
ip route add default via 10.9.9.9
"""
ON_LAN = PlannedHost(
    name="server",
    interfaces=(Interface(network="lan", address="10.9.9.1"),),
    routes=(Route(to="10.8.0.0/16", via="10.9.9.2"),),
)


def packets(agent):
    return [seen for seen in agent.remote.observations() if isinstance(seen, Packet)]


def test_the_tap_sees_loopback_once_and_proves_that_it_was_awake(lonely):
    agent = lonely("")
    devices = agent.remote.configure(ALONE)
    assert [(device.index, device.network) for device in devices] == [(1, "lo")]
    first = agent.remote.drain()
    agent.call("c = socket()")
    refused = agent.call("c.connect(('127.0.0.1', 9))")
    second = agent.remote.drain()
    seen = packets(agent)
    assert [(item.interface, item.flags, item.dport) for item in seen] == [
        ("lo", ("SYN",), 9),
        ("lo", ("ACK", "RST"), refused.local[1]),
    ]
    assert refused.time <= seen[0].time <= seen[1].time <= refused.ended <= second.until
    assert first.until == second.time and (second.seen, second.dropped) == (2, 0)


def test_of_a_thousand_datagrams_none_is_missed_or_counted_twice(lonely):
    agent = lonely("")
    agent.remote.configure(ALONE)
    agent.call("receiver = socket(AF_INET, SOCK_DGRAM)")
    agent.call("receiver.bind(('127.0.0.1', 6000))")
    source = (
        "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "for number in range(1000): s.sendto(b'%d' % number, ('127.0.0.1', 6000))"
    )
    agent.step += 1
    if os.geteuid() != 0:
        pytest.skip("programs need a second user, which this user namespace does not have")
    agent.remote.start(agent.step, ["python3", "-IuS", "@sender.py"], False, {"sender": source})
    assert agent.remote.join(agent.step, 10)
    tap = agent.remote.drain()
    assert [item.data for item in packets(agent)] == [b"%d" % number for number in range(1000)]
    assert (tap.seen, tap.dropped) == (1000, 0)


def test_there_is_no_way_out_and_the_link_comes_back_with_its_routes(lonely):
    agent = lonely(SUBNET)
    devices = {device.network: device for device in agent.remote.configure(ON_LAN, forbidden=["10.9.9.3"])}
    assert devices["lan"].device == "lab0" and "10.9.9.1" in devices["lan"].addresses

    def tried(address):
        agent.call("c = socket(AF_INET, SOCK_DGRAM)")
        return agent.call(f"c.connect(('{address}', 9))").error

    expected = {"1.1.1.1": "ENETUNREACH", "10.9.9.3": "EHOSTUNREACH", "10.8.1.1": None, "10.9.9.2": None}
    assert {address: tried(address) for address in expected} == expected
    agent.remote.link("lan", "down")
    assert tried("10.9.9.2") == "ENETUNREACH"
    agent.remote.link("lan", "up")
    assert {address: tried(address) for address in expected} == expected


def test_addresses_that_are_not_the_plans_are_told(lonely):
    agent = lonely("")
    with pytest.raises(HostError, match=r"no interface has 10\.9\.9\.1"):
        agent.remote.configure(ON_LAN)
    agent = lonely(SUBNET)
    unreachable = replace(ON_LAN, routes=(Route(to="10.8.0.0/16", via="10.7.0.1"),))
    with pytest.raises(HostError, match=r"no route to 10\.8\.0\.0/16 by 10\.7\.0\.1: Network is unreachable"):
        agent.remote.configure(unreachable)


def test_without_loopback_the_tap_does_not_claim_to_be_awake(lonely):
    agent = lonely("")
    agent.remote.configure(ALONE)
    agent.remote.drain()
    agent.remote.link("lo", "down")
    with pytest.raises(HostError, match="Network is down"):
        agent.remote.drain()
