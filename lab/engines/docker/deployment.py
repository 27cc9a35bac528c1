"""One plan, up: networks and hosts made side by side, an agent answering in each, and all of it gone at the end.

What is made is found again by its label, so the clean-up needs no memory of how far the making came.
"""

import contextlib
import secrets
import signal
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from lab.bootstrap import BOOTSTRAP, agent_source
from lab.engines.base import Progress
from lab.engines.docker import bodies, lease
from lab.engines.docker.client import Client, Pipe, Refused
from lab.engines.docker.sweep import WORKERS, remove_labelled
from lab.errors import EngineError, LabError, MissingCapability, SubnetTaken
from lab.i18n import _
from lab.plan import Plan, PlannedHost, PlannedNetwork
from lab.remote import Remote

TURN_SECONDS = 0.2
COMMAND = ("python3", "-I", "-S", "-u", "-c", BOOTSTRAP)


@dataclass
class DockerDeployment:
    """Hosts that are up."""

    names: bodies.Names
    agents: Mapping[str, Remote] = field(default_factory=dict)
    offset: int = 0
    kept: bool = False

    def enter(self, host: str) -> str:
        """The command that opens a shell on the host."""
        return f"docker exec -it {self.names.of(host)} sh"

    def keep(self) -> None:
        """Leave the hosts up after the block, and their agents running without us."""
        for agent in self.agents.values():
            agent.stay()
        self.kept = True

    def now(self) -> int:
        """The hosts' clock, ns since the epoch: the engine may run on another machine."""
        return time.time_ns() + self.offset

    def sleep(self, seconds: float) -> None:
        """Return when so much time has passed."""
        time.sleep(seconds)


@contextlib.contextmanager
def deploy(client: Client, image: str, plan: Plan, run: str, progress: Progress) -> Iterator[DockerDeployment]:
    """The plan's hosts, up; gone after the block, unless it asked to keep them."""
    deployment = DockerDeployment(bodies.Names(run, secrets.token_hex(2), lease.own().dumps()))
    maker = _Maker(client, image, plan, deployment.names)
    try:
        progress(_("starting {hosts}", hosts=", ".join(host.name for host in plan.hosts)))
        deployment.agents = maker.make()
        deployment.offset = _offset(deployment.agents)
        yield deployment
    except BaseException as error:
        with _uninterrupted():
            _undo(maker, error)
        raise
    with _uninterrupted():
        if not deployment.kept:
            maker.unmake()
        maker.close()


def _offset(agents: Mapping[str, Remote]) -> int:
    """How far the hosts' clock is from ours (ns); 0 where the difference is less than asking takes."""
    for agent in agents.values():
        before = time.time_ns()
        seen = int(agent.request("counters")["time"])
        after = time.time_ns()
        return 0 if before <= seen <= after else seen - (before + after) // 2
    return 0


def _undo(maker: "_Maker", error: BaseException) -> None:
    """Clean up after an error, which stays the first thing that is told."""
    try:
        maker.unmake()
    except LabError as second:
        error.add_note(f"and while tidying up: {second}")
    finally:
        maker.close()


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits until the clean-up, which has a deadline of its own, is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Maker:
    """The making of one deployment, and its undoing from wherever it came to."""

    def __init__(self, client: Client, image: str, plan: Plan, names: bodies.Names) -> None:
        self.client = client
        self.image = image
        self.plan = plan
        self.names = names
        self.pool = ThreadPoolExecutor(WORKERS)
        self.gateways = {network.name: bodies.gateways(network, plan.hosts) for network in plan.networks}
        self.made = self.ended = False
        self.pipes: list[Pipe] = []

    def make(self) -> dict[str, Remote]:
        """All at once, for a container needs its networks only when it starts."""
        self.pool.submit(agent_source)  # kept: who needs it finds it made
        networks = {network.name: self.pool.submit(self._network, network) for network in self.plan.networks}
        hosts = [self.pool.submit(self._host, host, networks) for host in self.plan.hosts]
        # Even where one fails, all are waited for: what is still being made could not be removed.
        _all_done(networks.values())
        _all_done(hosts)
        for network in networks.values():
            network.result()
        agents = {remote.host: remote for remote in (host.result() for host in hosts)}
        self.pool.shutdown()
        self.made = True
        return agents

    def unmake(self) -> None:
        """Remove it all; what is still being made is stopped first, for it could not be found."""
        if not self.made:
            self.close()
            self.pool.shutdown(cancel_futures=True)
        remove_labelled(self.client, f"{bodies.DEPLOYMENT}={self.names.token}")

    def close(self) -> None:
        """Let go of the agents' pipes: whoever waits for one of them sees its end."""
        self.ended = True
        for pipe in tuple(self.pipes):
            pipe.close()

    def _network(self, network: PlannedNetwork) -> None:
        labels = self.names.labels(bodies.NETWORK, network.name)
        body = bodies.network_body(network, self.gateways[network.name], labels, self.client.api)
        try:
            self.client.create_network(self.names.of(network.name), **body)
        except Refused as error:
            if "overlap" in error.reason.lower():
                raise SubnetTaken(network.subnet) from error
            raise

    def _host(self, host: PlannedHost, networks: Mapping[str, Future[None]]) -> Remote:
        body = bodies.container_body(self.plan, host, self.names, self.image, COMMAND, self.client.api)
        container = self.client.create_container(self.names.of(host.name), body)
        pipe = self.client.attach(container)
        self.pipes.append(pipe)
        for face in host.interfaces:
            networks[face.network].result()
        if self.ended:
            raise EngineError(f"host {host.name} is not wanted any more")
        if self.client.api < bodies.ENDPOINTS_AT_ONCE:
            for face in host.interfaces[1:]:
                self.client.connect(container, self.names.of(face.network), face.address, face.ipv6)
        try:
            self.client.start(container)
        except Refused as error:
            raise _why_not_started(host, error) from error
        # Not before the start: what does not fit into the engine's buffers would be waited for.
        with contextlib.suppress(OSError):  # it ended at once: `hello` finds out, and says why
            pipe.write(agent_source())
        remote = Remote(host.name, pipe)
        remote.hello()
        forbidden = [address for face in host.interfaces for address in self.gateways[face.network]]
        remote.configure(host, forbidden=forbidden)
        return remote


def _all_done(futures: Collection[Future[Any]]) -> None:
    """Wait for all, in short turns: Ctrl-C may come just before a long wait begins, and would be seen at its end."""
    while wait(futures, TURN_SECONDS).not_done:
        pass


def _why_not_started(host: PlannedHost, error: Refused) -> LabError:
    """A setting that this kernel lacks, or keeps from its hosts, is a missing capability; a value it refuses is not."""
    reason = error.reason
    key = next((key for key in host.sysctls if key in reason or key.replace(".", "/") in reason), None)
    if key is None:
        return EngineError(f"host {host.name} does not start: {reason}")
    if "no such file" in reason:
        return MissingCapability(f"the kernel has no sysctl {key} for a host to set, and {host.name} needs it")
    if "invalid argument" in reason:
        return EngineError(f"host {host.name}: the kernel refuses {host.sysctls[key]!r} as value of {key}")
    return MissingCapability(f"no host may set the sysctl {key} of the machine, and {host.name} needs it")
