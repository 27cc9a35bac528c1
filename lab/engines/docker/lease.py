"""Who made a thing: the process that a run's labels name, and whether it can be shown to live.

The lease is evidence only where all of it can be read from here: same boot, same PID namespace, same host name. A
label that cannot be read so proves neither life nor death; what follows from that is for `sweep` to say.
"""

import json
import os
import platform
from functools import cache
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

PROC = Path("/proc")


class Lease(Struct, frozen=True):
    """A process, told apart from every other that ever had its number. What cannot be read is empty."""

    pid: int
    start: str = ""
    boot: str = ""
    namespace: str = ""
    host: str = ""

    def dumps(self) -> str:
        """The label's text."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def loads(cls, text: str) -> "Lease | None":
        """The lease that a label holds; None where it holds none."""
        try:
            raw = json.loads(text)
            return cls(int(raw["pid"]), *(str(raw[key]) for key in ("start", "boot", "namespace", "host")))
        except (ValueError, TypeError, KeyError):
            return None


@cache
def own() -> Lease:
    """This process's lease."""
    return Lease(os.getpid(), _start(os.getpid()), *_place())


def alive(lease: Lease | None, proc: Path = PROC) -> bool | None:
    """Whether the lease's process lives; None where that cannot be told from here."""
    place = _place(proc)
    if lease is None or not lease.start or not all(place):
        return None
    if (lease.boot, lease.namespace, lease.host) != place:
        return None
    return _start(lease.pid, proc) == lease.start


def _place(proc: Path = PROC) -> tuple[str, str, str]:
    """Boot, PID namespace and host name; the first two are empty where there is no /proc."""
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
        namespace = str((proc / "self/ns/pid").readlink())
    except OSError:
        boot = namespace = ""
    return boot, namespace, platform.node()


def _start(pid: int, proc: Path = PROC) -> str:
    """When the process started, in the kernel's ticks; empty where there is none, or only its corpse."""
    try:
        text = (proc / str(pid) / "stat").read_text()
    except OSError:
        return ""
    state, *rest = text.rpartition(")")[2].split()
    return "" if state in "ZX" else rest[18]
