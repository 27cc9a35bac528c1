"""Hosts in namespaces end with the lab, whenever and however it ends: the kernel takes everything down."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bad_days.house import NOWHERE, pair, run, start, until

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
    """Those in whose command line the text stands; seen from outside of all of them."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if mark in words and int(folder.name) != os.getpid():
            yield int(folder.name)


def machine() -> tuple[list[str], list[str]]:
    """The machine's links that are named as a house names its own, and mounts where a house has its root: others may
    come and go meanwhile."""
    links = [path.name for path in Path("/sys/class/net").iterdir() if OURS.fullmatch(path.name)]
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    return sorted(links), [line for line in mounts if line.split()[1].startswith(("/mnt", "/opt/lab"))]


def hurt(folder: Path, number: int, moment: float) -> str:
    runs = folder / f"runs-{number}"
    lab = start("run", pair(folder, "600 ms"), "--engine", "namespaces", runs=runs)
    until(lambda: lab.run or lab.over, "the run has a folder")
    time.sleep(moment)  # the moment is what is random here
    os.kill(lab.process.pid, signal.SIGKILL)  # it may have ended; nobody has asked for its status yet
    lab.end()
    return lab.run


def test_killed_at_fifty_moments(folder: Path) -> None:
    before = machine()
    chance = random.Random(SEED)
    moments = [chance.uniform(0, LONGEST) for _ in range(TIMES)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        names = list(pool.map(lambda item: hurt(folder, *item), enumerate(moments)))
    seen = [name for name in names if name]
    assert len(seen) == TIMES
    for name in seen:
        until(lambda name=name: not list(processes(f"socket-lab-run={name}")), f"run {name} is gone", 2)
    assert machine() == before


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
