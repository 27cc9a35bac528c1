"""Subnets out of one private pool: small ones, asked for explicitly, and never one that somebody holds.

Pure arithmetic, but for the machine's own routes, which are read where Linux shows them. Two labs may choose the same
subnet at the same time: the engine refuses the second, and the case is planned again with the next.
"""

import os
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network, ip_network
from itertools import islice
from pathlib import Path

from lab.errors import PoolExhausted, UsageError

DEFAULT = "10.213.0.0/16"
VARIABLE = "LAB_POOL"
SMALLEST = 28
RESERVED = 4  # the subnet's own address, broadcast, the gateway that the engine insists on, and one that nobody has


def pool() -> IPv4Network:
    """The pool that LAB_POOL names, or the default; UsageError where it is not a private IPv4 subnet."""
    text = os.environ.get(VARIABLE) or DEFAULT
    try:
        found = IPv4Network(text)
    except ValueError as error:
        raise UsageError(
            f"{VARIABLE}: expected an IPv4 subnet, as in {DEFAULT}, observed {text!r} ({error})"
        ) from error
    if not found.is_private or found.prefixlen > SMALLEST:
        raise UsageError(f"{VARIABLE}: expected a private subnet of at least /{SMALLEST}, observed {text!r}")
    return found


def prefix(hosts: int) -> int:
    """The prefix length of the smallest subnet for so many hosts, and never smaller than SMALLEST."""
    return min(SMALLEST, 32 - (hosts + RESERVED - 1).bit_length())


def choose(
    within: IPv4Network, sizes: Sequence[int], taken: Iterable[IPv4Network], start: int
) -> tuple[IPv4Network, ...]:
    """A free subnet for each number of hosts, none overlapping `taken` or another; PoolExhausted where there is none.

    The walk begins at `start` (any number) modulo the pool, so that labs that start together seldom meet.
    """
    held = [(int(net.network_address), int(net.broadcast_address)) for net in taken if net.overlaps(within)]
    chosen: list[IPv4Network] = []
    for hosts in sizes:
        length = prefix(hosts)
        found = next(_free(within, length, held, start), None)
        if found is None:
            raise PoolExhausted(f"no /{length} is free in {within}")
        held.append((int(found.network_address), int(found.broadcast_address)))
        chosen.append(found)
    return tuple(chosen)


def _free(within: IPv4Network, length: int, held: list[tuple[int, int]], start: int) -> Iterator[IPv4Network]:
    count, size = 2 ** max(0, length - within.prefixlen), 2 ** (32 - length)
    base = int(within.network_address)
    for step in range(count if length >= within.prefixlen else 0):
        first = base + (start + step) % count * size
        if not any(first <= high and low <= first + size - 1 for low, high in held):
            yield IPv4Network((first, length))


def subnets_of(network: dict[str, object]) -> Iterator[IPv4Network]:
    """The IPv4 subnets that one of the engine's networks (as the API lists it) holds."""
    ipam = network.get("IPAM")
    configs = ipam.get("Config") if isinstance(ipam, dict) else None
    for config in configs or ():
        try:
            subnet = ip_network(config.get("Subnet", ""), strict=False)
        except ValueError:
            continue
        if isinstance(subnet, IPv4Network):
            yield subnet


def routes(table: Path = Path("/proc/net/route")) -> tuple[IPv4Network, ...]:
    """The subnets that this machine has IPv4 routes to, the default route left out; none where Linux does not tell."""
    try:
        lines = table.read_text().splitlines()
    except OSError:
        return ()
    found = []
    for columns in (line.split() for line in islice(lines, 1, None)):
        address, mask = (socket.inet_ntoa(struct.pack("=I", int(columns[index], 16))) for index in (1, 7))
        if mask != "0.0.0.0":
            found.append(IPv4Network(f"{address}/{mask}", strict=False))
    return tuple(found)
