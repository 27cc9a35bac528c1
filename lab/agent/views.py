"""The classic tools, run for the eye: what `ss`, `netstat`, `lsof` and `ip` print on this host, byte by byte."""

from __future__ import annotations

import os
import time

from .children import PATH, Children, Tool, find
from .programs import ENVIRONMENT, USER
from .wire import Refused, Wire, text64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

COMMANDS = {name.split()[0]: name.split() for name in ("ss -tuan", "netstat -an", "lsof -i -n", "ip -brief address")}
TIME = 10
LIMIT = 256 << 10
MISSING = 127


def views(children: Children, wire: Wire, step: int, tools: Sequence[str]) -> list[dict[str, Any]]:
    """What each tool prints, all of them run side by side: command, code (127: it is not here), data, time (ns)."""
    if unknown := set(tools) - COMMANDS.keys():
        raise Refused(f"expected tools out of {', '.join(COMMANDS)}, observed {', '.join(sorted(unknown))}")
    running = [(COMMANDS[name], _begun(children, name)) for name in tools]
    return [_view(wire, step, argv, tools) for argv, tools in running]


def _begun(children: Children, name: str) -> list[Tool]:
    """The tool, run as programs are; `lsof` as the agent, too, since it shows each user that user's sockets alone.
    None of them where it is not here."""
    if not find(name):
        return []
    root = os.geteuid() == 0
    users = [None, USER] if root and name == "lsof" else [USER if root else None]
    try:
        return [Tool(children, COMMANDS[name], ENVIRONMENT, user) for user in users]
    except OSError as error:
        raise Refused(f"cannot run {name!r}: {error}") from error


def _view(wire: Wire, step: int, argv: Sequence[str], tools: Sequence[Tool]) -> dict[str, Any]:
    missing = MISSING, f"{argv[0]} is not on this host (PATH is {PATH})\n".encode()
    code, data = _joined([tool.end(TIME) for tool in tools]) if tools else missing
    view = {"command": " ".join(argv), "code": code, "data": text64(data[:LIMIT]), "time": time.time_ns()}
    if len(data) > LIMIT:
        words = f"{view['command']}: more than {LIMIT} bytes; the rest is not kept"
        wire.event("note", what="truncated", text=words, time=view["time"], step=step)
    return view


def _joined(ended: Sequence[tuple[int, bytes]]) -> tuple[int, bytes]:
    """One status and one text of those that printed anything, under one header."""
    printed = [(code, data) for code, data in ended if data] or list(ended)
    head, whole = b"", b""
    for _, data in printed:
        first, _, rest = data.partition(b"\n")
        whole += rest if head and first == head else data
        head = head or first
    return min(code for code, _ in printed), whole
