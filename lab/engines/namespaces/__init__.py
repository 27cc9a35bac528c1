"""The namespaces engine: hosts are made of the kernel's namespaces, by an unprivileged user; no daemon, no image.

spare       a house's process, begun before it is known what it is to hold
machine     what this machine can do, what it lacks or forbids, and the remedies
deployment  a plan, up, and gone again
house       the program that makes the hosts and holds them; it runs by itself

The kernel keeps hosts apart from each other and from the machine: networks, processes, names, and a read-only view of
the machine's programs and libraries. It shares its CPU, its memory and itself: this is for programs that you would run
yourself, not for malware. Nothing can be left behind: all of a run is in one PID namespace, and ends with its house.
"""

import contextlib
import os
import platform
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

from lab.engines import pool
from lab.engines.base import Capabilities, Deployment, Leftover, Progress
from lab.engines.namespaces import machine
from lab.engines.namespaces.spare import MARK, PLACE, House, start
from lab.errors import EngineError

if TYPE_CHECKING:
    from lab.plan import Plan

PROC = Path("/proc")


class NamespacesEngine:
    """This machine's kernel."""

    name = "namespaces"

    def __init__(self) -> None:
        self._prepared: dict[str, House] = {}

    def prepare(self, run: str) -> None:
        """A house for the run's first case, which comes up while the case is read."""
        if sys.platform == "linux":
            self._prepared[run] = start(run)

    def capabilities(self) -> Capabilities:
        """What this machine can do; EngineError where it is not Linux."""
        if platform.system() != "Linux":
            raise EngineError(f"namespaces are Linux's, and this is {platform.system()}; use Docker")
        lacks = dict(machine.lacks())
        has = (machine.ALWAYS | machine.TOOLS.keys()) - lacks.keys()
        return Capabilities(has, lacks, {"engine": self.name, "kernel": platform.release()})

    def subnets(self, sizes: Sequence[int], avoid: Collection[str] = ()) -> tuple[str, ...]:
        """Any of the pool will do: no run sees another's networks."""
        within = pool.pool()
        chosen = pool.choose(
            within, sizes, map(IPv4Network, avoid), int.from_bytes(os.urandom(8)) % within.num_addresses
        )
        return tuple(map(str, chosen))

    def deploy(self, plan: "Plan", run: str, progress: Progress) -> AbstractContextManager[Deployment]:
        """The plan's networks and hosts, up, each agent answering; gone after the block."""
        from lab.engines.namespaces.deployment import deploy

        return deploy(plan, self._house(run), progress)

    def trial(self) -> None:
        """Make a host, and let it go; EngineError says why that cannot be, and what to do."""
        from lab.addressing import Interface
        from lab.engines.namespaces.deployment import deploy
        from lab.plan import Plan, PlannedHost, PlannedNetwork

        network = PlannedNetwork(name="lan", subnet="10.213.0.0/28")
        host = PlannedHost(name="host", interfaces=(Interface(network="lan", address="10.213.0.2"),))
        plan = Plan(scenario="trial", file="", case="", title="", networks=(network,), hosts=(host,), steps=())
        with deploy(plan, self._house("trial"), lambda text: None):
            pass

    def sweep(self, run: str | None = None) -> tuple[Leftover, ...]:
        """End what the named run has; dead runs leave nothing."""
        from lab.engines.namespaces.deployment import kill

        ended = tuple(item for item in self.leftovers() if item.run == run) if run is not None else ()
        for item in ended:
            kill(int(item.name))
        return ended

    def leftovers(self) -> tuple[Leftover, ...]:
        """The houses that stand: each is a run's that lives, or that was kept."""
        return tuple(Leftover("house", pid, run, alive=True) for pid, run in _houses())

    def close(self) -> None:
        """End what was prepared in vain."""
        while self._prepared:
            self._prepared.popitem()[1].end()

    def _house(self, run: str) -> House:
        return self._prepared.pop(run, None) or start(run)


def _houses() -> Iterator[tuple[str, str]]:
    """(process id, run) of the first process of each house."""
    for folder in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            inside = len(re.findall(r"\d+", _line(folder / "status", "NSpid:"))) > _depth()
            if len(words) > PLACE and words[PLACE].startswith(MARK) and not inside:
                yield folder.name, words[PLACE].removeprefix(MARK)


def _depth() -> int:
    """In how many PID namespaces this process is counted, as far as it sees."""
    return len(re.findall(r"\d+", _line(PROC / str(os.getpid()) / "status", "NSpid:")))


def _line(status: Path, name: str) -> str:
    return next((line for line in status.read_text().splitlines() if line.startswith(name)), "")
