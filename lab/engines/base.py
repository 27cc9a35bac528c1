"""What an engine owes the lab: networks, hosts with an agent in each, and the agents' pipes. Nothing else.

The engine offers subnets, makes what a plan says and hands back one pipe a host; `remote` speaks over it, and what is
said there is none of the engine's business. Whatever `deploy` makes carries the run's id and is gone after its block.
"""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from lab.plan import Plan
    from lab.remote import Remote

Progress = Callable[[str], None]


def new_run_id() -> str:
    """What names a run, and labels all that is made for it: UTC and chance, as in 20261123-081640-3f9a1c07."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.urandom(4).hex()}"


class Capabilities(Struct, frozen=True):
    """What this engine on this kernel can do (`ipv6`, `router`, `trace`, `sysctl:KEY`, …), and its versions for reports
    (`engine`, `kernel`, `image`). `lacks` gives the reason for each that is known to be missing."""

    has: frozenset[str]
    lacks: Mapping[str, str]
    versions: Mapping[str, str]


class Leftover(Struct, frozen=True):
    """Something of the lab's that no living run owns, or that a living run holds."""

    kind: str
    name: str
    run: str
    alive: bool
    detail: str = ""


class Deployment(Protocol):
    """Hosts that are up."""

    @property
    def agents(self) -> Mapping[str, "Remote"]:
        """Every host's agent, by the host's name."""
        ...

    def enter(self, host: str) -> str:
        """The command that opens a shell on the host."""
        ...

    def keep(self) -> None:
        """Leave them up after the block, until their run is swept by its name."""
        ...

    def now(self) -> int:
        """The hosts' clock, ns since the epoch; it stamps all that is observed, and need not be this machine's."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return when so much of the hosts' time has passed."""
        ...


class Engine(Protocol):
    """The verbs that every engine has; tests/contract holds them to it."""

    name: str

    def capabilities(self) -> Capabilities:
        """EngineError where the engine cannot be reached."""
        ...

    def prepare(self, run: str) -> None:
        """Begin in the background what the run's first deployment takes in any case, where there is such a thing."""
        ...

    def subnets(self, sizes: Sequence[int], avoid: Collection[str] = ()) -> tuple[str, ...]:
        """A free IPv4 subnet for each number of hosts, none of them in `avoid`; PoolExhausted names who holds them."""
        ...

    def deploy(self, plan: "Plan", run: str, progress: Progress) -> AbstractContextManager[Deployment]:
        """The plan's networks and hosts, up, each agent answering; all of it gone at the end of the block, whatever
        ends it. SubnetTaken: plan again. MissingCapability: nothing was left behind."""
        ...

    def sweep(self, run: str | None = None) -> tuple[Leftover, ...]:
        """Remove what dead runs left, and nothing of living ones; or all that the named run has, alive or not. Returns
        what was removed."""
        ...

    def leftovers(self) -> tuple[Leftover, ...]:
        """All that carries the lab's labels, with whether its run lives."""
        ...

    def close(self) -> None:
        """Give back the engine's connections, and what was prepared in vain."""
        ...
