"""The Docker engine: networks are its bridges, hosts its containers, and agents their first processes.

client      the API in the lab's words; the only module that knows docker-py
images      the image that hosts are made of
pool        subnets
bodies      what the API is asked for
deployment  a plan, up, and gone again
sweep       whose things these are, and the removal of dead runs'
lease       whether the process that made a thing lives
"""

import platform
import re
import secrets
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from ipaddress import IPv4Network
from pathlib import Path

from lab.engines import pool
from lab.engines.base import Capabilities, Deployment, Leftover, Progress
from lab.engines.docker import bodies, images, sweep
from lab.engines.docker.client import Client, Json, connect
from lab.errors import PoolExhausted
from lab.model import TOOLS
from lab.plan import Plan

CAPABILITIES = frozenset(
    {
        "capture",
        "dns",
        "firewall",
        "impair",
        "ipv6",
        "link",
        "router",
        "together",
        "trace",
        *(f"tool:{name}" for name in TOOLS),
    }
)
# The kernel that first had a setting; asking an older one for it fails at the start of a host.
SYSCTLS_SINCE = {"net.ipv4.tcp_syn_linear_timeouts": (6, 5), "net.ipv4.tcp_rto_min_us": (6, 11)}
NAMED_HOLDERS = 8
IPV6 = Path("/proc/sys/net/ipv6")


class DockerEngine:
    """Docker Engine 20.10 or newer, at DOCKER_HOST or the current Docker context."""

    name = "docker"

    @cached_property
    def client(self) -> Client:
        """The connection, opened by the first verb that needs it; EngineError where there is no engine."""
        return connect()

    def capabilities(self) -> Capabilities:
        """What this engine and its kernel can do."""
        version = self.client.version
        kernel = str(version.get("KernelVersion", ""))
        lacks = {
            f"sysctl:{key}": f"{key} needs Linux {'.'.join(map(str, since))}; the engine's kernel is {kernel}"
            for key, since in SYSCTLS_SINCE.items()
            if _numbers(kernel) < since
        }
        lacks["sysctl"] = (
            "a container's settings are read-only once it runs; `sysctls` of its host sets them at its start"
        )
        if kernel == platform.release() and IPV6.parent.is_dir() and not IPV6.is_dir():
            lacks["ipv6"] = "the kernel was started without IPv6"
        known = {f"sysctl:{key}" for key in SYSCTLS_SINCE} | CAPABILITIES
        versions = {"engine": f"docker {version.get('Version')}", "kernel": kernel, "image": images.image_tag()}
        return Capabilities(frozenset(known - lacks.keys()), lacks, versions)

    def prepare(self, run: str) -> None:
        """Nothing."""

    def subnets(self, sizes: Sequence[int], avoid: Collection[str] = ()) -> tuple[str, ...]:
        """A free subnet of the pool for each number of hosts; PoolExhausted names who holds it."""
        networks = self.client.networks()
        within = pool.pool()
        taken = [subnet for network in networks for subnet in pool.subnets_of(network)]
        taken += [*pool.routes(), *map(IPv4Network, avoid)]
        try:
            chosen = pool.choose(within, sizes, taken, secrets.randbelow(within.num_addresses))
        except PoolExhausted as error:
            raise PoolExhausted(f"{error}: {_holders(within, networks)}") from error
        return tuple(map(str, chosen))

    def deploy(self, plan: Plan, run: str, progress: Progress) -> AbstractContextManager[Deployment]:
        """The plan's networks and hosts, up, each agent answering; gone after the block."""
        from lab.engines.docker.deployment import deploy

        return deploy(self.client, self.image(progress), plan, run, progress)

    def image(self, say: Progress) -> str:
        """The tag of the hosts' image, built first where it is missing."""
        return images.ensure_image(self.client, say)

    def missing_image(self) -> str | None:
        """The tag of the hosts' image where it is yet to be built; None where it is there."""
        tag = images.image_tag()
        return None if self.client.has_image(tag) else tag

    def sweep(self, run: str | None = None) -> tuple[Leftover, ...]:
        """Remove what dead runs left, or all of one run's; returns what was removed."""
        return sweep.sweep(self.client, run)

    def leftovers(self) -> tuple[Leftover, ...]:
        """All that carries the lab's labels."""
        return tuple(thing for found in sweep.belongings(self.client) for thing in found.leftovers())

    def close(self) -> None:
        """Give back the connections."""
        if "client" in self.__dict__:
            self.client.close()
            del self.client


def _numbers(kernel: str) -> tuple[int, ...]:
    match = re.match(r"(\d+)\.(\d+)", kernel)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _holders(within: IPv4Network, networks: Sequence[Json]) -> str:
    """Who has which part of the pool, and what to do about it."""
    held = [
        f"{subnet} by run {network['Labels'][bodies.RUN]}"
        if bodies.RUN in (network.get("Labels") or {})
        else f"{subnet} by network {network['Name']}"
        for network in networks
        for subnet in pool.subnets_of(network)
        if subnet.overlaps(within)
    ]
    more = f" and {len(held) - NAMED_HOLDERS} more" if len(held) > NAMED_HOLDERS else ""
    named = ", ".join(held[:NAMED_HOLDERS]) or "it is too small, or this machine has routes to it"
    return f"{named}{more}; end those runs, remove what dead ones left (`lab sweep`), or set {pool.VARIABLE}"
