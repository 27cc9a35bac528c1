"""What the kernel keeps of this network namespace: its sockets and its counters. `lab.decode` reads them."""

from __future__ import annotations

import socket
import struct
import time

from . import netlink
from .wire import text64

TCPDIAG_GETSOCK, SOCK_DIAG_BY_FAMILY = 18, 20
ALL_STATES = 0xFFFFFFFF
QUESTION = struct.Struct("=BBBxI48x")
# The older question asks for both families: of TCP, whose table takes the longest to walk, it takes half the time.
BOTH_FAMILIES = struct.pack("=B3x48xII", 0, ALL_STATES, 0)
UDP = tuple(QUESTION.pack(family, socket.IPPROTO_UDP, 0, ALL_STATES) for family in (socket.AF_INET, socket.AF_INET6))


def read(link: netlink.Link) -> dict[str, bytes]:
    """Every TCP and UDP socket, listening or not, as sock_diag answers over this link."""
    tcp = link.dump(TCPDIAG_GETSOCK, BOTH_FAMILIES)
    return {"tcp": tcp, "udp": b"".join(link.dump(SOCK_DIAG_BY_FAMILY, question) for question in UDP)}


def sockets() -> dict[str, object]:
    """The same once, in base64."""
    now = time.time_ns()
    with netlink.Link(netlink.SOCK_DIAG) as link:
        return {"time": now, "tables": {name: text64(data) for name, data in read(link).items()}}


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
