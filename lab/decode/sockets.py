"""Socket tables and counters: the kernel's sock_diag answers -> SocketRow, /proc/net -> numbers named as nstat does.

Asking the kernel is the agent's; comparing is for the checks.
"""

import struct
from collections.abc import Iterator, Mapping
from socket import AF_INET, AF_INET6, inet_ntop

from lab.decode.dns import ENGINES_OWN
from lab.decode.errnos import errno_name
from lab.history import SocketRow

_HEADER = struct.Struct("=IHHII")
_MESSAGE = struct.Struct("=BBBB HH 16s16s I8s IIIII".replace(" ", ""))
_PORTS = struct.Struct("!HH")
_ATTRIBUTE = struct.Struct("=HH")
_COOKIE, _COOKIE_AT = struct.Struct("=II"), 44
_ERROR, _DONE, _BOTH_FAMILIES, _BY_FAMILY = 2, 3, 18, 20
_V6ONLY = 11
_STATES = {
    1: "ESTAB",
    2: "SYN-SENT",
    3: "SYN-RECV",
    4: "FIN-WAIT-1",
    5: "FIN-WAIT-2",
    6: "TIME-WAIT",
    7: "UNCONN",
    8: "CLOSE-WAIT",
    9: "LAST-ACK",
    10: "LISTEN",
    11: "CLOSING",
    12: "SYN-RECV",
}


def rows(tables: Mapping[str, bytes]) -> tuple[SocketRow, ...]:
    """The rows of each protocol's concatenated sock_diag answers, without those of Docker's embedded DNS.

    ValueError where the kernel answered with an error or an answer is cut off: part of a table is not a table.
    """
    return tuple(numbered(tables).values())


def numbered(tables: Mapping[str, bytes]) -> dict[int, SocketRow]:
    """The same by their ids: the kernel's cookie of each socket."""
    found = {}
    for protocol, data in tables.items():
        for body in _messages(protocol, data):
            row = _row(protocol, body)
            if row.local[0] != ENGINES_OWN:
                low, high = _COOKIE.unpack_from(body, _COOKIE_AT)
                found[low | high << 32] = row
    return found


def _messages(protocol: str, data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        if len(data) - at < _HEADER.size:
            raise ValueError(f"{protocol} table: an answer is cut off at byte {at} of {len(data)}")
        length, kind, *_ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size or at + length > len(data):
            raise ValueError(f"{protocol} table: an answer of {length} bytes at byte {at} of {len(data)}")
        body = data[at + _HEADER.size : at + length]
        if kind == _ERROR and (error := int.from_bytes(body[:4], "little", signed=True)):
            raise ValueError(f"{protocol} table: the kernel answered {errno_name(-error)}")
        if kind in (_BOTH_FAMILIES, _BY_FAMILY):
            yield body
        at += (length + 3) & ~3


def _row(protocol: str, body: bytes) -> SocketRow:
    if len(body) < _MESSAGE.size:
        raise ValueError(f"{protocol} table: a socket of {len(body)} bytes, expected {_MESSAGE.size}")
    family, state, _, _, _, _, source, destination, *_, recv_q, send_q, uid, _ = _MESSAGE.unpack_from(body)
    sport, dport = _PORTS.unpack_from(body, 4)
    return SocketRow(
        protocol=protocol,
        state=_STATES.get(state, f"STATE-{state}"),
        local=(_address(family, source), sport),
        remote=(_address(family, destination), dport),
        recv_q=recv_q,
        send_q=send_q,
        uid=uid,
        v6only=_v6only(body[_MESSAGE.size :]),
    )


def _address(family: int, raw: bytes) -> str:
    # AF_INET is 2 everywhere, AF_INET6 is not: these are Linux's numbers, wherever this runs
    return inet_ntop(AF_INET, raw[:4]) if family == 2 else inet_ntop(AF_INET6, raw)


def _v6only(attributes: bytes) -> bool:
    at = 0
    while at + _ATTRIBUTE.size <= len(attributes):
        length, kind = _ATTRIBUTE.unpack_from(attributes, at)
        if length < _ATTRIBUTE.size:
            break
        if kind == _V6ONLY:
            return any(attributes[at + _ATTRIBUTE.size : at + length])
        at += (length + 3) & ~3
    return False


def counters(netstat: str, snmp: str, snmp6: str) -> dict[str, int]:
    """The texts of /proc/net/{netstat,snmp,snmp6} as {TcpExtListenOverflows: 3, Ip6InReceives: 7, …}.

    ValueError where names and values do not match.
    """
    values: dict[str, int] = {}
    for text in (netstat, snmp):
        lines = text.splitlines()
        if len(lines) % 2:
            raise ValueError(f"expected pairs of names and values, observed {len(lines)} lines")
        for names, numbers in zip(lines[::2], lines[1::2], strict=True):
            prefix, *words = names.replace(":", "", 1).split()
            values |= zip((prefix + word for word in words), map(int, numbers.split()[1:]), strict=True)
    for line in snmp6.splitlines():
        name, number = line.split()
        values[name] = int(number)
    return values
