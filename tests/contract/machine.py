"""The machine that an engine runs its hosts on, as something that somebody could reach: its addresses, and a listener
on all of them. The engine may live in a network namespace of its own; then that is its machine."""

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

# The kernel keeps what came; the listener looks when it is told to, and proves by its own greetings that it could.
LISTENER = r"""
import json, re, socket, sys
LOCAL = re.compile(r"\|-- (\S+)\n\s+/32 host LOCAL")
addresses = {found for found in LOCAL.findall(open("/proc/net/fib_trie").read()) if not found.startswith("127.")}
lines = [line.split() for line in open("/proc/net/if_inet6")]
addresses |= {socket.inet_ntop(socket.AF_INET6, bytes.fromhex(line[0])) for line in lines if line[5] != "lo"}
port, ends = 0, []
kinds = socket.SOCK_STREAM, socket.SOCK_DGRAM
for family, kind in [(family, kind) for family in (socket.AF_INET, socket.AF_INET6) for kind in kinds]:
    end = socket.socket(family, kind)
    if family == socket.AF_INET6:
        end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    end.bind(("", port))
    port = end.getsockname()[1]
    if kind == socket.SOCK_STREAM:
        end.listen(1000)
    ends.append(end)
print(json.dumps({"port": port, "addresses": sorted(addresses)}), flush=True)
for _ in sys.stdin:
    heard, awake = [], 0
    for end in ends:
        caller = socket.socket(end.family, end.type)
        caller.connect(("127.0.0.1" if end.family == socket.AF_INET else "::1", port))
        caller.send(b"awake")
        end.setblocking(False)
        try:
            while True:
                if end.type == socket.SOCK_STREAM:
                    data, peer = b"", end.accept()[1]
                else:
                    data, peer = end.recvfrom(1000)
                if peer[0] == caller.getsockname()[0]:
                    awake += 1
                else:
                    heard.append(f"{end.type.name} from {peer[0]} {data.decode()}".strip())
        except BlockingIOError:
            pass
    print(json.dumps({"awake": awake == len(ends), "heard": heard}), flush=True)
"""


@dataclass
class Listener:
    """Listens for TCP and UDP, IPv4 and IPv6, on one port of every address that the machine has."""

    port: int
    addresses: tuple[str, ...]
    process: "subprocess.Popen[str]"

    def heard(self) -> list[str]:
        """All that came since the last time; it was awake, or the test fails."""
        assert self.process.stdin is not None
        self.process.stdin.write("?\n")
        self.process.stdin.flush()
        told = _line(self.process)
        assert told["awake"], "the listener did not hear itself"
        return list(told["heard"])


@contextmanager
def listener() -> Iterator[Listener]:
    """On the engine's machine, until the block's end. Skips where that cannot be entered."""
    command = [*_into_the_engines_network(), sys.executable, "-IS", "-c", LISTENER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        told = _line(process)
        try:
            yield Listener(told["port"], tuple(told["addresses"]), process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


def _line(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the listener died"
    return dict(json.loads(line))


def _into_the_engines_network() -> Sequence[str]:
    """What to put before a command so that it runs where the engine does: nothing, mostly."""
    path = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if not path.startswith("unix://"):
        pytest.skip(f"the engine at {path} runs on another machine")
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(path.removeprefix("unix://"))
        pid, _, _ = struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    network = Path(f"/proc/{pid}/ns/net")
    try:
        if network.readlink() == Path("/proc/self/ns/net").readlink():
            return ()
    except OSError as error:
        pytest.skip(f"the engine's network cannot be looked at: {error.strerror}")
    return ("nsenter", f"--net={network}")
