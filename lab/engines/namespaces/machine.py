"""What this machine can do for hosts in its namespaces, what it lacks or forbids, and the remedy of each.

It finds out by looking, and changes nothing. Whether a host can be made is only known once one was: `trouble` says why
the house could not.
"""

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lab.errors import EngineError, MissingCapability

ALWAYS = frozenset({"capture", "dns", "ipv6", "link", "router", "sysctl", "together"})
# What a host needs of the machine: the command, and Debian's package.
TOOLS = {
    "firewall": ("iptables", "iptables"),
    "impair": ("iptables", "iptables"),
    "trace": ("strace", "strace"),
    "tool:getent": ("getent", "libc-bin"),
    "tool:ip": ("ip", "iproute2"),
    "tool:lsof": ("lsof", "lsof"),
    "tool:netstat": ("netstat", "net-tools"),
    "tool:ping": ("ping", "iputils-ping"),
    "tool:redis-cli": ("redis-cli", "redis-tools"),
    "tool:redis-server": ("redis-server", "redis-server"),
    "tool:ss": ("ss", "iproute2"),
}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SYSTEM = Path("/proc/sys")
STATUS = Path("/proc/self/status")
PROFILE = Path("/proc/self/attr/current")
# Settings that keep users from namespaces: where, what they must not be, and how they are switched.
SWITCHES = (
    ("kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl kernel.apparmor_restrict_unprivileged_userns=0"),
    ("user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=10000"),
)
# From this value on, nobody may trace without rights that a program does not have.
PTRACE_SCOPE, FORBIDDING = "kernel/yama/ptrace_scope", 2
CONTAINER = "with Docker: --security-opt seccomp=unconfined --security-opt systempaths=unconfined"
MASKED = (
    "in a container, /proc must not be masked (with Docker: --security-opt systempaths=unconfined); else use Docker"
)


def lacks() -> Iterator[tuple[str, str]]:
    """Each capability that is missing, and why."""
    for need, (tool, package) in TOOLS.items():
        if not any(os.access(f"{folder}/{tool}", os.X_OK) for folder in PATH.split(":")):
            yield need, f"{tool} is not on this machine (on Debian: apt-get install {package})"
        elif need == "trace" and (scope := _setting(PTRACE_SCOPE)).isdigit() and int(scope) >= FORBIDDING:
            yield (
                need,
                f"kernel.yama.ptrace_scope={scope} lets nobody trace (as root: sysctl kernel.yama.ptrace_scope=1)",
            )
    if not (SYSTEM / "net/ipv6").is_dir():
        yield "ipv6", "the kernel was started without IPv6"


def trouble(told: Mapping[str, Any]) -> EngineError | MissingCapability:
    """Why something could not be made, as the house told it, and what to do about it."""
    kind, words, number = told["kind"], told["error"], told["number"]
    if kind == "sysctl":
        if number == errno.EINVAL:
            return EngineError(f"the kernel refuses the value of {words}")
        return MissingCapability(f"the kernel has no sysctl {words} that a host may set, and one needs it")
    if kind == "user-namespace":
        return EngineError(f"no user namespace for an unprivileged user: {words}; {remedy()}")
    remedies = {"root": "run it as an ordinary user", "mount": MASKED if number == errno.EPERM else ""}
    return EngineError("; ".join(filter(None, [f"the hosts could not be made: {words}", remedies.get(kind)])))


def remedy() -> str:
    """What keeps unprivileged users from namespaces, and how it is switched."""
    for path, bad, words in SWITCHES:
        if _setting(path) == bad:
            return f"as root: {words}"
    if "Seccomp:\t2" in _text(STATUS):
        return f"a seccomp filter forbids it, as containers have one ({CONTAINER}); or use Docker"
    if (profile := _text(PROFILE).strip("\0\n ")) not in ("", "unconfined"):
        return f"the security profile {profile} forbids it (with Docker: --security-opt apparmor=unconfined)"
    return f"nothing that is known here forbids it; a container must allow it ({CONTAINER}); or use Docker"


def _setting(path: str) -> str:
    return _text(SYSTEM / path).strip()


def _text(path: Path) -> str:
    """What a file says; nothing where there is none."""
    with contextlib.suppress(OSError):
        return path.read_text()
    return ""
