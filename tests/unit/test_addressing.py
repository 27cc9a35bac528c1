"""Addresses follow from the subnets alone."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from lab.addressing import Interface, address_names, interfaces_of, subnet6
from lab.model import Host, Network

NETWORKS = {"lan": Network(), "wan": Network(ipv6=True)}
HOSTS = {
    "server": Host(networks=("lan", "wan")),
    "alone": Host(networks=()),
    "client": Host(networks=("wan", "lan")),
}
SUBNETS = ("10.1.0.0/28", "10.2.0.16/28")


def test_hosts_count_from_the_second_address_in_the_order_of_their_networks() -> None:
    assert interfaces_of(NETWORKS, HOSTS, SUBNETS) == {
        "server": (
            Interface(network="lan", address="10.1.0.2"),
            Interface(network="wan", address="10.2.0.18", ipv6="fd4c:6162:a02:10::2"),
        ),
        "alone": (),
        "client": (
            Interface(network="wan", address="10.2.0.19", ipv6="fd4c:6162:a02:10::3"),
            Interface(network="lan", address="10.1.0.3"),
        ),
    }


def test_every_address_has_a_name() -> None:
    assert address_names(NETWORKS, HOSTS, SUBNETS) == {
        "lan.unused": "10.1.0.14",
        "wan.unused": "10.2.0.30",
        "server.lan": "10.1.0.2",
        "server.wan": "10.2.0.18",
        "server.wan.ipv6": "fd4c:6162:a02:10::2",
        "client.wan": "10.2.0.19",
        "client.wan.ipv6": "fd4c:6162:a02:10::3",
        "client.lan": "10.1.0.3",
    }


@given(st.integers(0, 2**28 - 1), st.integers(0, 2**28 - 1))
def test_other_subnets_make_other_ipv6_subnets(one: int, other: int) -> None:
    first, second = (subnet6(f"{ipaddress.IPv4Address(number << 4)}/28") for number in (one, other))
    assert (first == second) == (one == other)
    assert ipaddress.IPv6Network(first).is_private and ipaddress.IPv6Network(first).prefixlen == 64


@given(st.integers(1, 12))
def test_no_two_have_the_same_and_none_has_the_unused(count: int) -> None:
    hosts = {f"h{number}": Host(networks=("lan",)) for number in range(count)}
    names = address_names({"lan": Network()}, hosts, ["10.0.0.0/28"])
    assert len(set(names.values())) == count + 1
    assert all(ipaddress.ip_address(value) in ipaddress.ip_network("10.0.0.0/28") for value in names.values())
