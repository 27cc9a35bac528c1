"""Subnets -> every host's addresses, and the names a scenario gives them. Pure.

`{host.network}` is a host's IPv4 address, `{host.network.ipv6}` the other, `{network.unused}` one that no host has.
Which subnets are free is for an engine to say.
"""

import ipaddress
from collections.abc import Mapping, Sequence

from lab.model import Host, Model, Network


class Interface(Model, frozen=True):
    """One attachment of a host to a network; prefix lengths are the network's."""

    network: str
    address: str
    ipv6: str | None = None


def subnet6(subnet: str) -> str:
    """A unique local /64 that is as free as the IPv4 subnet it is made of."""
    number = int(ipaddress.IPv4Network(subnet).network_address)
    return str(ipaddress.IPv6Network((0xFD4C << 112 | 0x6162 << 96 | number << 64, 64)))


def interfaces_of(
    networks: Mapping[str, Network], hosts: Mapping[str, Host], subnets: Sequence[str]
) -> dict[str, tuple[Interface, ...]]:
    """Each host's interfaces on these subnets (one a network, in order). Hosts count from a subnet's second address:
    the first is the gateway's, whether there is one or not."""
    subnet = dict(zip(networks, subnets, strict=True))
    used = dict.fromkeys(networks, 1)
    found = {}
    for name, host in hosts.items():
        attached = []
        for network in host.networks:
            used[network] += 1
            address = ipaddress.IPv4Network(subnet[network])[used[network]]
            ipv6 = ipaddress.IPv6Network(subnet6(subnet[network]))[used[network]] if networks[network].ipv6 else None
            attached.append(Interface(network=network, address=str(address), ipv6=str(ipv6) if ipv6 else None))
        found[name] = tuple(attached)
    return found


def address_names(networks: Mapping[str, Network], hosts: Mapping[str, Host], subnets: Sequence[str]) -> dict[str, str]:
    """Every address that `{...}` may name."""
    names = {
        f"{network}.unused": str(ipaddress.IPv4Network(subnet)[-2])
        for network, subnet in zip(networks, subnets, strict=True)
    }
    for host, attached in interfaces_of(networks, hosts, subnets).items():
        for item in attached:
            names[f"{host}.{item.network}"] = item.address
            if item.ipv6:
                names[f"{host}.{item.network}.ipv6"] = item.ipv6
    return names
