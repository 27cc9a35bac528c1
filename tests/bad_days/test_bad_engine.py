"""The engine goes away, runs out of addresses, or loses a host; the disk is full: one clear line, and nothing left."""

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bad_days.house import Ended, nothing_left, pair, run, start, until

pytestmark = pytest.mark.docker

POOL = "10.214.88.0/28"


class Proxy:
    """The engine's socket under another name, until it is cut: an engine that dies, as a client sees it."""

    def __init__(self, path: Path) -> None:
        self.host = f"unix://{path}"
        self._sockets: list[socket.socket] = []
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(64)
        self._real = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
        self._threads: list[threading.Thread] = []
        self._go(self._accept)

    def cut(self) -> None:
        """Every connection ends, and no new one is accepted."""
        for end in (self._server, *self._sockets):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Wait for the pumps."""
        self.cut()
        for thread in self._threads:
            thread.join()
        for end in (self._server, *self._sockets):
            end.close()

    def _go(self, target: Callable[..., None], *arguments: socket.socket) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._server.accept()
                real = socket.socket(socket.AF_UNIX)
                real.connect(self._real)
                self._sockets += [caller, real]
                self._go(self._pump, caller, real)
                self._go(self._pump, real, caller)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy(folder: Path) -> Iterator[Proxy]:
    if not os.environ.get("DOCKER_HOST", "unix://").startswith("unix://"):
        pytest.skip("the engine is not reached through a Unix socket")
    made = Proxy(folder / "docker.sock")
    yield made
    made.close()


def one_line(ended: Ended) -> str:
    """What it told on standard error: a single line, and exit code 3."""
    assert (ended.code, len(ended.told)) == (3, 1), ended
    return ended.err


@pytest.mark.parametrize("moment", ["while hosts are made", "in a step"])
def test_the_engine_dies(engine, events, folder, proxy, moment):
    lab = start("run", pair(folder, "30 s"), runs=folder / "runs", environment={"DOCKER_HOST": proxy.host})
    if moment == "in a step":
        lab.shows("\n 4. ")
    else:
        events.wait(lab, "container create", 2)
    proxy.cut()
    line = one_line(lab.end(15))
    assert "the engine" in line
    assert "Traceback" not in line

    def swept() -> bool:
        assert run("sweep", runs=folder / "sweep").code == 0
        return not engine.left(lab.run)

    until(swept, "the next start sweeps what the engine had", 20)


def test_no_address_is_left(engine, folder):
    with engine.network("somebodys-network", POOL):
        ended = run("run", pair(folder, "1 s"), runs=folder / "runs", environment={"LAB_POOL": POOL})
    line = one_line(ended)
    assert f"{POOL} by network somebodys-network" in line
    assert "LAB_POOL" in line


@pytest.mark.parametrize("host", ["client", "server"])
def test_a_host_is_removed(engine, folder, host):
    """The acting one is missed at once, the other when its turn would have come."""
    lab = start("run", pair(folder, "1 s"), runs=folder / "runs")
    lab.shows("\n 4. ")
    engine.remove_host(lab.run, host)
    ended = lab.end(10)
    assert (ended.code, ended.err) == (3, "")
    assert "ERROR" in ended.out
    assert f"{host}: the agent ended" in " ".join(ended.out.split())
    assert "was its host removed" in " ".join(ended.out.split())
    nothing_left(engine, [lab])


@pytest.fixture
def full_disk(folder: Path) -> Iterator[Path]:
    """A folder in which files can be made, but nothing written into them."""
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        with contextlib.suppress(OSError), (disk / "full").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_the_disk_is_full(engine, folder, full_disk):
    lab = start("run", pair(folder, "100 ms"), runs=full_disk)
    until(lambda: lab.run or lab.over, "the run has a folder")
    line = one_line(lab.end())
    assert f"cannot save the run in {full_disk}" in line
    assert "no space is left there" in line
    nothing_left(engine, [lab])


def test_nobody_reads(engine, folder):
    """`lab run ... | head -1`"""
    reader, writer = os.pipe()
    os.close(reader)
    lab = start("run", pair(folder, "100 ms"), runs=folder / "runs", stdout=writer)
    os.close(writer)
    until(lambda: lab.run or lab.over, "the run has a folder")
    assert (lab.end().code, lab.text("err")) == (3, "")
    nothing_left(engine, [lab])


def test_two_runs_of_one_scenario(engine, folder):
    labs = [start("run", "bind", "--case", "loopback", runs=folder / name) for name in ("one", "two")]
    for lab in labs:
        until(lambda lab=lab: lab.run or lab.over, "the run has a folder")
    assert [lab.end().code for lab in labs] == [0, 0]
    assert labs[0].run != labs[1].run
    nothing_left(engine, labs)
