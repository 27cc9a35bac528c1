"""Plan -> what the engine's API is asked for: networks and containers with the least of everything. Pure.

Every thing carries the run's labels; the sweep knows the lab's own by nothing else.
"""

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from msgspec import Struct

from lab.plan import Plan, PlannedHost, PlannedNetwork

RUN, LEASE, DEPLOYMENT = "socket-lab.run", "socket-lab.lease", "socket-lab.deployment"
HOST, NETWORK = "socket-lab.host", "socket-lab.network"

# NET_ADMIN and NET_RAW are the agent's work; the others let it run programs as somebody else, and end them.
CAPABILITIES = ("NET_ADMIN", "NET_RAW", "SETUID", "SETGID", "KILL")
MEMORY = 256 << 20
PROCESSES = 256
TMPFS = "rw,noexec,nosuid,nodev,size=64m"

# Docker 28: `isolated` keeps the machine off a network's bridge; but for `routed`, it drops what a router forwards.
GATEWAY_MODES = (1, 48)
ENDPOINT_SYSCTLS = (1, 46)  # Docker 27: what belongs to one interface is said of its endpoint
ENDPOINTS_AT_ONCE = (1, 44)  # Docker 25: a container is created with all its networks
_INTERFACE_SYSCTL = re.compile(r"(net\.ipv[46]\.(?:conf|neigh)\.)eth(\d+)(\..+)")


class Names(Struct, frozen=True):
    """What a deployment's things are called and labelled; `token` tells two deployments of one run apart."""

    run: str
    token: str
    lease: str

    def of(self, what: str) -> str:
        """The name of a host's container or of a network."""
        return f"lab-{self.run}-{self.token}-{what}"

    def labels(self, key: str, value: str) -> dict[str, str]:
        """The labels of one thing."""
        return {RUN: self.run, DEPLOYMENT: self.token, LEASE: self.lease, key: value}


def gateways(network: PlannedNetwork, hosts: Sequence[PlannedHost]) -> tuple[str, ...]:
    """The address in each of a network's subnets that the engine takes for itself: the first that no host has."""
    used = {address for host in hosts for face in host.interfaces for address in (face.address, face.ipv6) if address}
    taken = {ip_address(address) for address in used}
    subnets = [ip_network(subnet) for subnet in (network.subnet, network.subnet6) if subnet]
    return tuple(str(next(address for address in subnet.hosts() if address not in taken)) for subnet in subnets)


def network_body(
    network: PlannedNetwork, gateway: Sequence[str], labels: Mapping[str, str], api: tuple[int, ...]
) -> dict[str, Any]:
    """The settings of a bridge that leads to its hosts and nowhere else: no address of the machine's on it."""
    options = {
        "com.docker.network.bridge.inhibit_ipv4": "true",
        "com.docker.network.bridge.enable_ip_masquerade": "false",
    }
    if api >= GATEWAY_MODES:
        mode = "isolated" if network.internal else "routed"
        options["com.docker.network.bridge.gateway_mode_ipv4"] = mode
        options["com.docker.network.bridge.gateway_mode_ipv6"] = mode
    subnets = [subnet for subnet in (network.subnet, network.subnet6) if subnet]
    config = [{"Subnet": subnet, "Gateway": address} for subnet, address in zip(subnets, gateway, strict=True)]
    return {
        "driver": "bridge",
        "internal": network.internal,
        "enable_ipv6": network.subnet6 is not None,
        "ipam": {"Driver": "default", "Config": config},
        "options": options,
        "labels": dict(labels),
    }


def container_body(
    plan: Plan, host: PlannedHost, names: Names, image: str, command: Sequence[str], api: tuple[int, ...]
) -> dict[str, Any]:
    """One host's container: its agent as first process, attached to its first network (all of them, where the engine
    knows how). What it may do is what the agent needs."""
    at_once = host.interfaces if api >= ENDPOINTS_AT_ONCE else host.interfaces[:1]
    common, by_interface = _sysctls(host.sysctls, api)
    return {
        "Image": image,
        "Hostname": host.name,
        "Cmd": list(command),
        "User": "0:0",
        "WorkingDir": "/tmp",
        "Tty": False,
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "Labels": names.labels(HOST, host.name),
        "HostConfig": {
            "AutoRemove": True,
            "NetworkMode": names.of(host.interfaces[0].network) if host.interfaces else "none",
            "CapDrop": ["ALL"],
            "CapAdd": list(CAPABILITIES),
            "SecurityOpt": ["no-new-privileges"],
            # The engine's own files of names are read-only where the root is; programs may write nothing there anyhow.
            "ReadonlyRootfs": host.nameserver is None,
            "Tmpfs": {"/tmp": TMPFS, "/run": TMPFS},
            "Memory": MEMORY,
            "PidsLimit": PROCESSES,
            "LogConfig": {"Type": "none"},
            "Sysctls": common,
            "ExtraHosts": _names(plan, host),
            # Names are in /etc/hosts; a program that asks a server all the same finds none, and soon.
            "Dns": ["127.0.0.1"],
            "DnsOptions": ["timeout:1", "attempts:1"],
            "DnsSearch": ["."],
        },
        "NetworkingConfig": {
            "EndpointsConfig": {
                names.of(face.network): _endpoint(face.address, face.ipv6, by_interface.get(number, ()))
                for number, face in enumerate(at_once)
            }
        },
    }


def _endpoint(address: str, address6: str | None, sysctls: Sequence[str]) -> dict[str, Any]:
    fixed = {"IPv4Address": address} | ({"IPv6Address": address6} if address6 else {})
    options = {"com.docker.network.endpoint.sysctls": ",".join(sysctls)} if sysctls else {}
    return {"IPAMConfig": fixed, "DriverOpts": options or None}


def _names(plan: Plan, host: PlannedHost) -> list[str]:
    """/etc/hosts, but for the host's own name, which the engine puts there."""
    return [f"{name}:{address}" for name, found in plan.names.items() if name != host.name for address in found]


def _sysctls(wanted: Mapping[str, str], api: tuple[int, ...]) -> tuple[dict[str, str], dict[int, list[str]]]:
    """The settings of the namespace, and those of its interfaces by number, where the engine wants them apart."""
    common: dict[str, str] = {}
    by_interface: dict[int, list[str]] = {}
    for key, value in wanted.items():
        match = _INTERFACE_SYSCTL.fullmatch(key)
        if match and api >= ENDPOINT_SYSCTLS:
            by_interface.setdefault(int(match[2]), []).append(f"{match[1]}IFNAME{match[3]}={value}")
        else:
            common[key] = value
    return common, by_interface
