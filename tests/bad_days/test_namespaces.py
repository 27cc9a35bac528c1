"""Hosts in namespaces end with the lab, whenever and however it ends: the kernel takes everything down."""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from bad_days.house import NOWHERE, PAIR, pair, run, start, until

pytestmark = pytest.mark.namespaces

TIMES, AT_ONCE, SEED = 50, 4, 20261124
OURS = re.compile(r"(v|net)\d+")
LONGEST = 1.0  # s: from before the first host is made to behind the last step


@pytest.fixture(autouse=True)
def possible(tmp_path: Path) -> None:
    ended = run("doctor", "--engine", "namespaces", runs=tmp_path / "doctor")
    if ended.code:
        pytest.skip(f"namespaces: {ended.out.splitlines()[-1]}")


def processes(mark: str) -> Iterator[int]:
    """Those in whose command line or environment the text stands; seen from outside of all of them."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if mark.encode() in words and int(folder.name) != os.getpid():
            yield int(folder.name)


def depth(pid: int) -> int:
    """In how many PID namespaces a process is: a lab or what starts a house in 1, a house in 2, an agent in 3."""
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text()
        return len(re.findall(r"\d+", next(line for line in status.splitlines() if line.startswith("NSpid:"))))
    return 0


def machine(marks: Collection[str]) -> tuple[list[str], list[str], list[str]]:
    """The machine's links that are named as a house names its own, and mounts where a house has its root: others may
    come and go meanwhile. And files that are named after these."""
    links = [path.name for path in Path("/sys/class/net").iterdir() if OURS.fullmatch(path.name)]
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    places = [Path("/tmp"), Path("/run"), Path("/dev/shm"), Path("/run/netns")]
    files = [path.name for place in places if place.is_dir() for path in place.iterdir()]
    return (
        sorted(links),
        [line for line in mounts if line.split()[1].startswith(("/mnt", "/opt/lab")) or _kept_network(line)],
        [name for name in files if any(mark in name for mark in marks)],
    )


def _kept_network(mount: str) -> bool:
    """Whether a namespace is held by a mount, and not by Docker, for a container of its own."""
    return " nsfs " in mount and "/docker/" not in mount


PROGRAM = "import signal\nprint('here', flush=True)\nsignal.pause()\n"
BUSY = """  - {host: server, start: [waits, TOKEN]}
  - {host: client, wait: 600 ms}
"""


@dataclass(frozen=True)
class Death:
    """Who is killed, how long after its run began or after its hosts were there, and what tells its processes."""

    number: int
    victim: str
    moment: float
    token: str


def hurt(folder: Path, death: Death) -> tuple[str, bool]:
    """The run's id, and whether it was that victim that was killed: later there may be none."""
    (folder / f"{death.token}.yaml").write_text(PAIR.partition("  - ")[0] + BUSY.replace("TOKEN", death.token))
    temporary = folder / death.token
    temporary.mkdir()
    environment = {"LAB_TEST": death.token, "TMPDIR": str(temporary)}
    scenario = str(folder / f"{death.token}.yaml")
    runs = folder / f"runs-{death.number}"
    lab = start("run", scenario, "--engine", "namespaces", runs=runs, environment=environment)
    until(lambda: lab.run or lab.over, "the run has a folder")
    deep = {"lab": 0, "house": 2, "agent": 3}[death.victim]
    until(lambda: lab.over or not deep or _deep(lab.run, deep), "it has hosts")
    time.sleep(death.moment)  # the moment is what is random here
    pids = _deep(lab.run, deep)[-1:] if deep else [lab.process.pid]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # the lab may have ended; nobody has asked for its status yet
    ended = lab.end()
    assert ended.code in (0, 3, -signal.SIGKILL), ended
    return lab.run, bool(pids)


def _deep(run: str, deep: int) -> list[int]:
    return [pid for pid in processes(f"socket-lab-run={run}") if depth(pid) == deep]


def test_killed_at_fifty_moments(folder: Path) -> None:
    (folder / "programs").mkdir()
    (folder / "programs" / "waits.py").write_text(PROGRAM)
    chance = random.Random(SEED)
    victims = [*["lab"] * (TIMES // 2), *["house", "agent"] * (TIMES // 4), "lab"][:TIMES]
    mark = f"death{os.getpid()}"
    deaths = [Death(n, victim, chance.uniform(0, LONGEST), f"{mark}-{n}-") for n, victim in enumerate(victims)]
    before = machine([])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda death: hurt(folder, death), deaths))
    hit = Counter(death.victim for death, (_, killed) in zip(deaths, found, strict=True) if killed)
    assert min(hit[victim] for victim in ("lab", "house", "agent")) > TIMES // 10, hit
    for death, (name, _) in zip(deaths, found, strict=True):
        assert name
        for told in (death.token, f"socket-lab-run={name}"):
            until(lambda told=told: not list(processes(told)), f"nothing of {death} runs", 2)
        assert list((folder / death.token).iterdir()) == []
    assert machine([mark, *(name for name, _ in found)]) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(folder: Path, number: int) -> None:
    lab = start("run", pair(folder, "30 s"), "--engine", "namespaces", runs=folder / "runs")
    lab.shows("\n 4. ")
    name = lab.run
    assert list(processes(f"socket-lab-run={name}"))
    lab.signal(number)
    assert (lab.end(20).code, list(processes(f"socket-lab-run={name}"))) == (130, [])


def test_a_house_that_is_killed_is_an_error_and_no_pass(folder: Path) -> None:
    lab = start("run", pair(folder, "30 s"), "--engine", "namespaces", runs=folder / "runs")
    lab.shows("\n 4. ")
    for pid in processes(f"socket-lab-run={lab.run}"):
        os.kill(pid, signal.SIGKILL)
    ended = lab.end(20)
    assert ended.code == 3
    assert "the agent ended" in ended.out


def test_kept_hosts_stay_until_they_are_swept(folder: Path) -> None:
    lab = start("run", pair(folder, "1 ms"), "--engine", "namespaces", "--keep", runs=folder / "runs")
    ended = lab.end()
    assert ended.code == 0
    assert "nsenter" in ended.out
    assert f"lab sweep --run {lab.run} --engine namespaces" in ended.out
    name = lab.run
    try:
        assert list(processes(f"socket-lab-run={name}"))
        assert f"run {name} is alive" in run("doctor", "--engine", "namespaces", runs=folder / "doctor").out
    finally:
        swept = run("sweep", "--engine", "namespaces", "--run", name, runs=folder / "sweep")
    assert "removed house" in swept.out
    until(lambda: not list(processes(f"socket-lab-run={name}")), "what was kept is gone", 5)


GREEDY = """
import os, signal, sys
children = []
try:
    while len(children) < 1000:
        child = os.fork()
        if child == 0:
            signal.pause()
        children.append(child)
except OSError as error:
    print("fewer than 256:", len(children) < 256, error.strerror)
for child in children:
    os.kill(child, signal.SIGKILL)
try:
    bytearray(4 << 30)
except MemoryError:
    print("no more memory")
"""
GREED = """
title: Greed
networks: {lan: {}}
hosts: {server: {networks: [lan]}}
steps:
  - {host: server, run: [greedy], expect: {stdout: {contains: ["256: True Resource", no more memory]}}}
"""


def test_a_greedy_program_is_bounded_and_told(folder: Path) -> None:
    (folder / "programs").mkdir()
    (folder / "programs" / "greedy.py").write_text(GREEDY)
    (folder / "greed.yaml").write_text(GREED)
    ended = run("run", str(folder / "greed.yaml"), "--engine", "namespaces", runs=folder / "runs")
    assert ended.code == 0, ended.out


SDK = "import sys; from lab.__main__ import main\ntry: main()\nfinally: print('docker' in sys.modules, file=sys.stderr)"


def test_docker_is_not_even_imported(folder: Path) -> None:
    command = [sys.executable, "-c", SDK, "run", pair(folder, "1 ms"), "--engine", "namespaces"]
    ended = subprocess.run(
        command, env={**os.environ, "LAB_RUNS": str(folder)}, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "False\n"), ended.stdout


def test_without_docker_the_choice_is_said_aloud(folder: Path) -> None:
    ended = run("run", pair(folder, "1 ms"), runs=folder / "runs", environment=NOWHERE)
    assert ended.code == 0
    assert "engine namespaces: Docker does not answer" in ended.err
