"""The machine that an engine runs its hosts on, as somebody there would see them come: a listener on all its addresses.

An engine may live in a network namespace of its own; then that is its machine.
"""

import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = Path(__file__).parent / "programs"


@dataclass
class Listener:
    """TCP and UDP, IPv4 and IPv6, on one port of every address that the machine has."""

    port: int
    addresses: tuple[str, ...]
    process: "subprocess.Popen[str]"

    def heard(self) -> list[str]:
        """All that came since the last time; it was awake, or the test fails."""
        assert self.process.stdin is not None
        self.process.stdin.write("?\n")
        self.process.stdin.flush()
        told = _told(self.process)
        assert told["awake"], "the listener did not hear itself"
        return list(told["heard"])


@contextmanager
def listener(of_docker: bool = True) -> Iterator[Listener]:
    """On the engine's machine, until the block's end; skips where that cannot be entered."""
    command = [*(into_the_engines_network() if of_docker else ()), sys.executable, "-I", str(PROGRAMS / "listener.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        told = _told(process)
        try:
            yield Listener(told["port"], tuple(told["addresses"]), process)
        finally:
            process.communicate()


def _told(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the listener died"
    return dict(json.loads(line))


def into_the_engines_network() -> Sequence[str]:
    """What to put before a command so that it runs where the engine does: nothing, mostly."""
    path = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if not path.startswith("unix://"):
        pytest.skip(f"the engine at {path} may run on another machine")
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(path.removeprefix("unix://"))
        pid, _, _ = struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    network = Path(f"/proc/{pid}/ns/net")
    try:
        here = network.readlink() == Path("/proc/self/ns/net").readlink()
    except OSError as error:
        pytest.skip(f"the engine's network cannot be looked at: {error.strerror}")
    return () if here else ("nsenter", f"--net={network}")
