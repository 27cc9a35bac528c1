"""The program that makes a deployment's hosts out of namespaces, and holds them up for as long as its input is open.

It runs by itself, under the plainest Python, in a user namespace of its own: standard library only, and nothing of the
lab but the agent. Its input is a socket, over which come each host's own input and output, and one JSON line that says
what to make. One line answers; then it waits for the end of its input.

    lab ──> first process ──> house: process 1 of a PID namespace; bridges, and a small read-only root
                                ├──> host: PID, network, mount, UTS and IPC namespace; the agent is its process 1
                                └──> host ...

When the house ends, however that comes, the kernel ends all that is in its PID namespace, and with it every network.
Root does not stay root: the machine's own settings would be open to it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket

from .hosts import make
from .kernel import (
    CLONE_NEWUSER,
    OWN,
    PR_SET_DUMPABLE,
    PR_SET_PDEATHSIG,
    Trouble,
    call,
    libc,
    write,
)
from .root import enter_root, make_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Spec = dict[str, Any]

NOBODY = 65534
SO_TIMESTAMPNS = 35


def main() -> None:
    """Enter the namespaces; once it is told what to make, make it, answer, and wait."""
    write("/proc/self/oom_score_adj", "1000")  # a machine without memory ends its hosts before anything else
    try:
        enter()
    except (Trouble, OSError) as trouble:
        answer(trouble)
        os._exit(1)
    child = os.fork()
    if child:
        os.closerange(0, 2)
        os.closerange(3, 65536)
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0x7F)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    stamps = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # asked early, and for as long as the house stands:
    stamps.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)  # the kernel takes up to 50 ms to begin to stamp packets
    stamps.detach()
    try:
        root = make_root()
        pairs, spec = told()
        enter_root(root, spec)
        hosts = make(spec, pairs)
    except (Trouble, OSError) as trouble:
        answer(trouble)
        os._exit(1)
    answer(None, hosts)
    hold()


def told() -> tuple[list[list[int]], Spec]:
    """Each host's input and output, and what is to be made; who asked may end before having said it."""
    pairs, data = [], b""
    with socket.socket(fileno=os.dup(0)) as asker:
        while True:
            mark, pair, _, _ = socket.recv_fds(asker, 1, 2)
            if mark != b"+":
                break
            pairs.append(pair)
        while mark and not data.endswith(b"\n"):
            mark = asker.recv(1 << 20)
            data += mark
    if not mark:
        os._exit(0)
    return pairs, json.loads(data)


def answer(trouble: Exception | None, hosts: dict[str, int] | None = None) -> None:
    """The one line: the hosts' process ids, or what went wrong."""
    told = (
        {"hosts": hosts}
        if trouble is None
        else {
            "kind": getattr(trouble, "kind", "host"),
            "error": str(trouble),
            "number": getattr(trouble, "number", 0) or getattr(trouble, "errno", 0) or 0,
        }
    )
    with contextlib.suppress(BrokenPipeError):
        os.write(1, json.dumps(told).encode() + b"\n")


def hold() -> None:
    """Until the input ends; after `keep`, until a signal comes."""
    while data := os.read(0, 4096):
        if b"keep" in data:
            while True:
                signal.pause()
    os._exit(0)


def enter() -> None:
    """A user namespace in which one unprivileged user is root, and the others that are made with it."""
    if os.geteuid() == 0:
        step_down()
    user, group = os.geteuid(), os.getegid()
    call("user-namespace", "unshare", CLONE_NEWUSER | OWN)
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"0 {user} 1")
    write("/proc/self/gid_map", f"0 {group} 1")


def step_down() -> None:
    """Root becomes nobody. Where a user namespace has root alone, that must be an unprivileged user outside of it."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        users = [[int(number) for number in line.split()] for line in file]
    if any(first <= NOBODY < first + count for first, _, count in users):
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    elif any(first == outside == 0 for first, outside, _ in users):
        raise Trouble("root", "this is root in a user namespace that has no other user to become")
