"""The lab as a process of its own, as a user has it: started, watched, killed, and asked what it left behind."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import docker
import docker.errors

ROOT = Path(__file__).parents[2]
RUN, HOST = "socket-lab.run", "socket-lab.host"
ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}")
NOWHERE = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}
PATIENCE = 60.0
T = TypeVar("T")

PAIR = """
title: Two hosts
networks: {lan: {}}
hosts: {server: {networks: [lan]}, client: {networks: [lan]}}
steps:
  - {host: server, call: s = socket()}
  - {host: server, call: "s.bind(('', 65432))"}
  - {host: server, call: s.listen(1)}
  - {host: client, wait: WAIT}
  - {host: client, call: c = socket()}
  - {host: client, call: "c.connect(({server.lan}, 65432))", expect: {connect: accepted}}
"""


def pair(folder: Path, wait: str, name: str = "pair") -> str:
    """The path of a scenario: two hosts, a wait, and a connection that is accepted."""
    path = folder / f"{name}.yaml"
    path.write_text(PAIR.replace("WAIT", wait), "utf-8")
    return str(path)


@dataclass
class Ended:
    """How a lab ended; `memory` is the most that it had (bytes)."""

    code: int
    out: str
    err: str
    seconds: float
    memory: int = 0

    @property
    def told(self) -> list[str]:
        """The lines of its standard error."""
        return self.err.splitlines()

    def cases(self) -> list[dict[str, Any]]:
        """What `--json` printed."""
        return [json.loads(line) for line in self.out.splitlines() if line.startswith("{")]


@dataclass
class Lab:
    """A lab that runs; what it writes is collected as it comes."""

    process: "subprocess.Popen[bytes]"
    runs: Path
    began: float = field(default_factory=time.monotonic)
    written: dict[str, list[bytes]] = field(default_factory=lambda: {"out": [], "err": []})
    readers: list[threading.Thread] = field(default_factory=list)
    _run: str = ""

    @property
    def run(self) -> str:
        """The id of its run; empty while it has none. It is remembered: a run that saved nothing leaves no folder."""
        if not self._run and self.runs.is_dir():
            names = (path.name for path in self.runs.iterdir())
            self._run = next(filter(ID.fullmatch, names), "")
        return self._run

    def text(self, stream: str = "out") -> str:
        """What it wrote so far."""
        return b"".join(self.written[stream]).decode()

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def shows(self, text: str) -> None:
        """Wait until its standard output shows the text."""
        until(lambda: text in self.text() or self.over, f"the lab shows {text!r}")
        assert text in self.text(), self.text() + self.text("err")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, patience: float = PATIENCE) -> Ended:
        """Wait for its end; one that does not end is killed, and fails the test."""
        watchdog = threading.Timer(patience, self.process.kill)
        watchdog.start()
        _, status, usage = os.wait4(self.process.pid, 0)
        alive, took = watchdog.is_alive(), time.monotonic() - self.began
        watchdog.cancel()
        self.process.returncode = os.waitstatus_to_exitcode(status)
        for reader in self.readers:
            reader.join()
        ended = Ended(self.process.returncode, self.text(), self.text("err"), took, usage.ru_maxrss * 1024)
        assert alive, f"the lab had not ended after {patience:g} s: {ended}"
        return ended


def start(
    *arguments: str, runs: Path, environment: Mapping[str, str] | None = None, stdout: int = subprocess.PIPE
) -> Lab:
    """`lab ARGUMENTS`, with its runs in a folder of their own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lab", *arguments],
        cwd=ROOT,
        env={**os.environ, "LAB_RUNS": str(runs), "PYTHONUNBUFFERED": "1", **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )
    lab = Lab(process, runs)
    for name, stream in (("out", process.stdout), ("err", process.stderr)):
        if stream:
            lab.readers.append(threading.Thread(target=_collect, args=(stream, lab.written[name]), daemon=True))
            lab.readers[-1].start()
    return lab


def run(*arguments: str, runs: Path, environment: Mapping[str, str] | None = None) -> Ended:
    """The same, to its end."""
    return start(*arguments, runs=runs, environment=environment).end()


def _collect(stream: Any, pieces: list[bytes]) -> None:
    with stream:
        while piece := stream.read1(1 << 16):
            pieces.append(piece)


def until(fact: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    """Wait for the fact, and return it."""
    deadline = time.monotonic() + patience
    while not (found := fact()):
        assert time.monotonic() < deadline, f"expected within {patience:g} s that {what}"
        time.sleep(0.005)
    return found


class Engine:
    """The engine, asked by another way than the lab's."""

    def __init__(self) -> None:
        self.client = docker.from_env()

    def containers(self, run: str) -> list[Any]:
        return list(self.client.api.containers(all=True, filters={"label": f"{RUN}={run}"}))

    def networks(self, run: str) -> list[Any]:
        return list(self.client.api.networks(filters={"label": f"{RUN}={run}"}))

    def left(self, run: str) -> list[str]:
        """All that carries the run's label, by name."""
        assert run, "the run has no id: what would it have left?"
        return [*(it["Names"][0] for it in self.containers(run)), *(it["Name"] for it in self.networks(run))]

    def remove_host(self, run: str, host: str) -> None:
        """What a careless person does."""
        (found,) = [it for it in self.containers(run) if it["Labels"][HOST] == host]
        self.client.api.remove_container(found["Id"], force=True)

    @contextmanager
    def network(self, name: str, subnet: str) -> Iterator[None]:
        """Somebody else's network."""
        pool = docker.types.IPAMPool(subnet=subnet)
        made = self.client.networks.create(name, ipam=docker.types.IPAMConfig(pool_configs=[pool]))
        try:
            yield
        finally:
            made.remove()


class Events:
    """What the engine tells of containers and networks, as `network create`; each watcher hears what has its run."""

    def __init__(self, engine: Engine) -> None:
        self._stream = engine.client.api.events(decode=True, filters={"type": ["container", "network"]})
        self._heard: list[tuple[str, str]] = []
        self._changed = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for event in self._stream:
            names = " ".join(map(str, event["Actor"]["Attributes"].values()))
            with self._changed:
                self._heard.append((f"{event['Type']} {event['Action']}", names))
                self._changed.notify_all()

    def wait(self, lab: Lab, event: str, times: int = 1) -> None:
        """Until the event was told so often of the lab's run."""
        with self._changed:
            came = self._changed.wait_for(lambda: self._count(lab.run, event) >= times, PATIENCE)
        assert came, f"expected {times} of {event!r}, observed {self._heard}"

    def _count(self, run: str, event: str) -> int:
        return sum(bool(run) and kind == event and run in names for kind, names in self._heard)

    def close(self) -> None:
        self._stream.close()


def nothing_left(engine: Engine, labs: Sequence[Lab]) -> None:
    """Fails where something of these labs' runs is still there."""
    left = {lab.run: found for lab in labs if lab.run and (found := engine.left(lab.run))}
    assert left == {}


def kill(lab: Lab) -> None:
    """As the kernel does it when memory is short: no chance to tidy up."""
    lab.signal(signal.SIGKILL)
