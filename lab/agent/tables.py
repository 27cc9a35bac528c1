"""What the kernel keeps of this network namespace: its sockets and its counters. `lab.decode` reads them."""

from __future__ import annotations

import socket
import struct
import time

from . import netlink
from .wire import text64

SOCK_DIAG_BY_FAMILY = 20
ALL_STATES = 0xFFFFFFFF
QUESTION = struct.Struct("=BBBxI48x")


def sockets() -> dict[str, object]:
    """Every TCP and UDP socket, listening or not, as sock_diag's answers (base64)."""
    now = time.time_ns()
    protocols = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
    return {"time": now, "tables": {name: text64(_sockets(number)) for name, number in protocols.items()}}


def _sockets(protocol: int) -> bytes:
    return b"".join(
        netlink.dump(netlink.SOCK_DIAG, SOCK_DIAG_BY_FAMILY, QUESTION.pack(family, protocol, 0, ALL_STATES))
        for family in (socket.AF_INET, socket.AF_INET6)
    )


def counters() -> dict[str, object]:
    """The text of the kernel's counters."""
    now = time.time_ns()
    return {"time": now} | {name: _read(f"/proc/net/{name}") for name in ("netstat", "snmp", "snmp6")}


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return ""  # a kernel without IPv6 has no snmp6
