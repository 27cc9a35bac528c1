"""Whose things these are, and the removal of those that nobody lives to own.

A run lives while one of its agents runs. Otherwise its lease tells, where it can be read from here; where it cannot,
a run is dead when all it has left is older than ten minutes. Removal is by label, never by name, and never a prune.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any

from msgspec import Struct

from lab.engines.base import Leftover
from lab.engines.docker import bodies, lease
from lab.engines.docker.client import Client, Json, Refused
from lab.errors import EngineError

SETTLED_SECONDS = 600.0
PATIENCE_SECONDS = 8.0
RETRY_SECONDS = 0.01
MOST_SECONDS = 0.2
WORKERS = 8
NOT_FOUND = 404


class Belongings(Struct, frozen=True):
    """What the engine has of one run, as the API lists it."""

    run: str
    containers: tuple[Json, ...]
    networks: tuple[Json, ...]

    @property
    def alive(self) -> bool:
        """Whether somebody may still need them."""
        if any(container["State"] in ("running", "paused", "restarting") for container in self.containers):
            return True
        proofs = {lease.alive(holder) for holder in self._leases()}
        return True in proofs or (None in proofs and self.age < SETTLED_SECONDS)

    @property
    def age(self) -> float:
        """Seconds since the youngest of them was made, by the engine's clock against ours."""
        made = [float(container["Created"]) for container in self.containers]
        made += [_seconds(network["Created"]) for network in self.networks]
        return time.time() - max(made, default=0.0)

    def leftovers(self) -> tuple[Leftover, ...]:
        """The same in the lab's words."""
        alive = self.alive
        hosts = [
            Leftover("host", thing["Labels"].get(bodies.HOST, ""), self.run, alive, thing["Status"])
            for thing in self.containers
        ]
        networks = [
            Leftover("network", thing["Labels"].get(bodies.NETWORK, ""), self.run, alive, subnets(thing))
            for thing in self.networks
        ]
        return (*hosts, *networks)

    def _leases(self) -> Iterable[lease.Lease | None]:
        return {
            lease.Lease.loads(thing["Labels"].get(bodies.LEASE, "")) for thing in (*self.containers, *self.networks)
        }


def subnets(network: Json) -> str:
    """A network's subnets in one line."""
    return ", ".join(config.get("Subnet", "") for config in (network.get("IPAM") or {}).get("Config") or ())


def _seconds(stamp: str) -> float:
    """An RFC 3339 time as the engine writes it (nanoseconds, any zone) as seconds since the epoch."""
    text, _, zone = stamp.replace("Z", "+00:00").partition(".")
    digits = zone.lstrip("0123456789")
    try:
        return datetime.fromisoformat(text + digits).timestamp()
    except ValueError:
        return time.time()


def belongings(client: Client, label: str = bodies.RUN) -> tuple[Belongings, ...]:
    """What the engine has under a label, run by run: two requests."""
    containers, networks = client.containers(label), client.networks(label)
    runs = sorted({thing["Labels"][bodies.RUN] for thing in (*containers, *networks)})
    return tuple(
        Belongings(
            run,
            tuple(thing for thing in containers if thing["Labels"][bodies.RUN] == run),
            tuple(thing for thing in networks if thing["Labels"][bodies.RUN] == run),
        )
        for run in runs
    )


def sweep(client: Client, run: str | None = None) -> tuple[Leftover, ...]:
    """Remove what dead runs left, or all that a named run has, alive or not; returns what was removed.

    What cannot be removed keeps nothing else from going; its EngineError comes last.
    """
    gone: list[Leftover] = []
    errors: list[EngineError] = []
    for found in belongings(client, bodies.RUN if run is None else f"{bodies.RUN}={run}"):
        if run is None and found.alive:
            continue
        try:
            remove(client, found.containers, found.networks)
        except EngineError as error:
            errors.append(error)
        else:
            gone += found.leftovers()
    if errors:
        raise errors[0]
    return tuple(gone)


def remove_labelled(client: Client, label: str) -> None:
    """Remove whatever carries the label."""
    for found in belongings(client, label):
        remove(client, found.containers, found.networks)


def remove(client: Client, containers: Sequence[Json], networks: Sequence[Json]) -> None:
    """Containers and networks go, side by side; EngineError names what would not.

    A container leaves its networks first: then these can go while it is being killed, in two thirds of the time.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    with ThreadPoolExecutor(WORKERS) as pool:
        leaving = [
            pool.submit(_leave, client, container["Id"], network)
            for container in containers
            for network in _attached(container)
        ]
        _join(leaving)
        going = [pool.submit(_remove_container, client, container["Id"], deadline) for container in containers]
        going += [pool.submit(_remove_network, client, network, deadline) for network in networks]
        _join(going)


def _attached(container: Json) -> list[str]:
    if container["State"] != "running":
        return []
    networks: dict[str, Any] = (container.get("NetworkSettings") or {}).get("Networks") or {}
    return [network["NetworkID"] for network in networks.values() if network.get("NetworkID")]


def _join(futures: Iterable[Future[None]]) -> None:
    """Wait for all of them, then raise the first error."""
    errors = [error for future in futures if (error := future.exception()) is not None]
    if errors:
        raise errors[0]


def _leave(client: Client, container: str, network: str) -> None:
    """Only a head start: where the container is already on its way out, its end does the same."""
    try:
        client.disconnect(container, network)
    except Refused:
        return


def _remove_container(client: Client, container: str, deadline: float) -> None:
    """Until it is not found: one that is removing itself answers 409 meanwhile."""
    _insist(lambda: client.remove_container(container), deadline)


def _remove_network(client: Client, network: Json, deadline: float) -> None:
    """As soon as its last endpoint is gone; EngineError names the endpoints that stay."""
    try:
        _insist(lambda: client.remove_network(network["Id"]), deadline)
    except Refused as error:
        endpoints = client.network(network["Id"]).get("Containers") or {}
        holders = ", ".join(sorted(str(endpoint.get("Name")) for endpoint in endpoints.values()))
        raise EngineError(
            f"network {network['Name']} stays: {holders or error.reason} is still attached to it"
        ) from error


def _insist(act: Callable[[], None], deadline: float) -> None:
    """Act until it is done or found to be done, ever less often; raises the last refusal after the deadline."""
    pause = RETRY_SECONDS
    while True:
        try:
            return act()
        except Refused as error:
            if error.status == NOT_FOUND:
                return None
            if time.monotonic() > deadline:
                raise
        time.sleep(pause)
        pause = min(2 * pause, MOST_SECONDS)
