"""A plan, up, in namespaces: one house, a pipe to each host's agent, and nothing to tidy up but the house's input.

What the house does is told in `house`; here it is started, asked, and let go.
"""

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from lab.engines.base import Progress
from lab.engines.namespaces import machine
from lab.engines.namespaces.spare import END_SECONDS, House
from lab.errors import EngineError
from lab.i18n import _
from lab.library import PROGRAMS
from lab.plan import PROGRAM_FOLDER, Plan, PlannedHost
from lab.remote import Remote

PARALLEL = 16


class Pipe:
    """An agent's pipe."""

    def __init__(self, reads: int, writes: int) -> None:
        self._reads, self._writes = reads, writes
        self._lock = threading.Lock()

    def read(self, size: int, /) -> bytes:
        """What came; empty at the end."""
        data = os.read(self._reads, size) if self._reads >= 0 else b""
        if not data and self._reads >= 0:
            os.close(self._reads)
            self._reads = -1
        return data

    def write(self, data: bytes, /) -> None:
        """Send all of it; OSError where nobody reads any more."""
        with self._lock:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._writes, rest) :]

    def close(self) -> None:
        """End the agent's input, and so the agent."""
        with self._lock:
            if self._writes >= 0:
                os.close(self._writes)
                self._writes = -1


@dataclass
class NamespacesDeployment:
    """Hosts that are up."""

    house: House
    agents: Mapping[str, Remote]
    pids: Mapping[str, int] = field(default_factory=dict)
    kept: bool = False

    def enter(self, host: str) -> str:
        """The command that opens a shell on the host."""
        process = _outer(self.house.process.pid, self.pids[host])
        return f"nsenter --preserve-credentials -S 0 -t {process} -U -n -m -p -u -i sh"

    def keep(self) -> None:
        """Leave the hosts up after the block."""
        for agent in self.agents.values():
            agent.stay()
        self.house.telling.sendall(b"keep\n")
        self.kept = True

    def now(self) -> int:
        """The hosts' clock is this machine's."""
        return time.time_ns()

    def sleep(self, seconds: float) -> None:
        """Return when so much time has passed."""
        time.sleep(seconds)


@contextlib.contextmanager
def deploy(plan: Plan, house: House, progress: Progress) -> Iterator[NamespacesDeployment]:
    """The plan's hosts, up in the house; gone after the block, and it with them, unless it asked to keep them."""
    progress(_("starting {hosts}", hosts=", ".join(host.name for host in plan.hosts)))
    pipes, theirs = _pipes(plan)
    with contextlib.ExitStack() as leaving:
        for pipe in pipes.values():
            leaving.callback(pipe.close)
        remotes = {name: Remote(name, pipe) for name, pipe in pipes.items()}
        deployment = NamespacesDeployment(house, remotes)
        leaving.callback(_leave, deployment)
        try:
            with contextlib.suppress(ConnectionError):  # it has ended; its answer says why
                house.give(tuple(theirs.values()))
        finally:
            for descriptor in (descriptor for pair in theirs.values() for descriptor in pair):
                os.close(descriptor)
        deployment.pids = _make(house, plan)
        with ThreadPoolExecutor(min(PARALLEL, max(1, len(plan.hosts)))) as pool:
            list(pool.map(lambda host: _wake(remotes[host.name], host), plan.hosts))
        yield deployment


def _leave(deployment: NamespacesDeployment) -> None:
    if not deployment.kept:
        deployment.house.end()


def _pipes(plan: Plan) -> tuple[dict[str, Pipe], dict[str, tuple[int, int]]]:
    """Our ends of each host's pipe, and those that its agent gets as input and output."""
    ours, theirs = {}, {}
    for host in plan.hosts:
        reads, our_writes = os.pipe()
        our_reads, writes = os.pipe()
        ours[host.name] = Pipe(our_reads, our_writes)
        theirs[host.name] = (reads, writes)
    return ours, theirs


def _make(house: House, plan: Plan) -> dict[str, int]:
    """Have it all made; the hosts' process ids as the house counts them."""
    assert house.process.stdout
    spec = {
        "networks": [network.name for network in plan.networks],
        "hosts": [_host(plan, host) for host in plan.hosts],
        "names": _names(plan),
        "programs": {path.stem: path.read_text("utf-8") for path in PROGRAMS.glob("*.py")},
        "folder": PROGRAM_FOLDER,
    }
    with contextlib.suppress(ConnectionError):
        house.telling.sendall(json.dumps(spec).encode() + b"\n")
    answer = house.process.stdout.readline()
    if not answer:
        raise EngineError(f"the hosts could not be made: their house ended with {house.process.wait(END_SECONDS)}")
    told = json.loads(answer)
    if "error" in told:
        raise machine.trouble(told)
    return dict(told["hosts"])


def _host(plan: Plan, host: PlannedHost) -> dict[str, Any]:
    lengths = {network.name: ip_network(network.subnet).prefixlen for network in plan.networks}
    faces = [asdict(face) | {"length": lengths[face.network]} for face in host.interfaces]
    own = {"sysctls": host.sysctls, "nameserver": host.nameserver}
    return {"name": host.name, "interfaces": faces} | own


def _names(plan: Plan) -> str:
    own = ["127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback"]
    found: dict[str, list[str]] = {}
    for name, addresses in plan.names.items():
        for address in addresses:
            found.setdefault(address, []).append(name)
    return "\n".join([*own, *(f"{address}\t{' '.join(names)}" for address, names in found.items()), ""])


def _wake(remote: Remote, host: PlannedHost) -> None:
    """Hear that the agent runs, and set what is its own to set. There is no machine behind a bridge to be kept from."""
    remote.hello()
    remote.configure(host)


def kill(pid: int) -> None:
    """End a house; what it holds ends with it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _outer(house: int, inner: int) -> int:
    """The process that a house counts as `inner`, as this machine counts it; 0 where it is gone."""
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError, StopIteration):
            line = next(line for line in status.read_text().splitlines() if line.startswith("NSpid:"))
            numbers = [int(number) for number in line.split()[1:]]
            if (
                len(numbers) >= 3
                and numbers[-1] == 1
                and numbers[-2] == inner
                and _below(int(status.parent.name), house)
            ):
                return numbers[0]
    return 0


def _below(pid: int, ancestor: int) -> bool:
    """Whether a process descends from another."""
    while pid > 1:
        if pid == ancestor:
            return True
        stat = Path(f"/proc/{pid}/stat").read_text()
        pid = int(stat.rpartition(")")[2].split()[1])
    return False
