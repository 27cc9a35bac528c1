import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from lab.engines.docker import lease
from lab.engines.docker.lease import Lease

LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc")


def test_a_lease_is_read_back_from_its_label() -> None:
    mine = lease.own()
    assert mine.pid == os.getpid()
    assert Lease.loads(mine.dumps()) == mine


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"pid": "x"}', "null"])
def test_what_is_no_lease_is_none(text: str) -> None:
    assert Lease.loads(text) is None


@LINUX
def test_this_process_lives() -> None:
    assert lease.alive(lease.own()) is True


@LINUX
def test_an_ended_process_is_dead_and_so_is_one_that_has_its_number_now() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = lease._start(child.pid)
    of_child = replace(lease.own(), pid=child.pid, start=started)
    assert lease.alive(of_child) is True
    assert lease.alive(replace(of_child, start=f"{started}1")) is False
    child.communicate()
    assert lease.alive(of_child) is False


@LINUX
@pytest.mark.parametrize("field", ["boot", "namespace", "host"])
def test_a_lease_from_elsewhere_tells_nothing(field: str) -> None:
    assert lease.alive(replace(lease.own(), **{field: "another"})) is None


def test_without_proc_nothing_can_be_told(tmp_path: Path) -> None:
    assert lease.alive(lease.own(), tmp_path) is None
    assert lease.alive(None) is None


def test_a_corpse_is_dead(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    fields = " ".join(map(str, range(4, 40)))
    for state, expected in (("S", "22"), ("Z", "")):
        (tmp_path / "7/stat").write_text(f"7 (a) name) {state} {fields}")
        assert lease._start(7, tmp_path) == expected
