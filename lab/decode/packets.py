"""Frames -> Packet: Ethernet, ARP, IPv4 and IPv6, TCP, UDP, ICMP and ICMPv6, in the words of `lab.history`.

Any bytes become a packet: what is cut off or unknown leaves its fields empty. Lengths are those that the headers
tell, not those that were captured. Which packets belong together is for `wire` to say.
"""

import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Any

from lab.decode import dns
from lab.history import Packet

Fields = dict[str, Any]
Layer = Callable[[bytes, int, Fields], None]

_FLAGS = (("SYN", 0x02), ("ACK", 0x10), ("FIN", 0x01), ("RST", 0x04), ("PSH", 0x08), ("URG", 0x20))
_PROTOCOLS = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 58: "icmp6"}
_VLAN_TAGS = (0x8100, 0x88A8)
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION_OPTIONS = 0, 43, 44, 51, 60
_DNS_PORTS = {53, 5353}
_ARP_OPERATIONS = {1: "who-has", 2: "is-at"}

_ICMP = {
    0: "echo-reply",
    4: "source-quench",
    5: "redirect",
    8: "echo-request",
    9: "router-advertisement",
    10: "router-solicitation",
    11: "time-exceeded",
    12: "parameter-problem",
    13: "timestamp-request",
    14: "timestamp-reply",
}
_ICMP_UNREACHABLE = (
    "net-unreachable",
    "host-unreachable",
    "proto-unreachable",
    "port-unreachable",
    "fragmentation-needed",
    "source-route-failed",
    "net-unknown",
    "host-unknown",
    "host-isolated",
    "net-prohibited",
    "host-prohibited",
    "net-tos-unreachable",
    "host-tos-unreachable",
    "admin-prohibited",
    "precedence-violation",
    "precedence-cutoff",
)
_ICMP_ERRORS = (3, 4, 5, 11, 12)
_ICMP6 = {
    2: "packet-too-big",
    3: "time-exceeded",
    4: "parameter-problem",
    128: "echo-request",
    129: "echo-reply",
    130: "listener-query",
    131: "listener-report",
    132: "listener-done",
    133: "router-solicitation",
    134: "router-advertisement",
    135: "neighbour-solicitation",
    136: "neighbour-advertisement",
    137: "redirect",
    143: "listener-report",
}
_ICMP6_UNREACHABLE = (
    "no-route",
    "admin-prohibited",
    "beyond-scope",
    "address-unreachable",
    "port-unreachable",
    "policy-failed",
    "reject-route",
)
_ICMP6_ERRORS = (1, 2, 3, 4)

# The words that may stand behind a kind, as in `ICMP port-unreachable`; what has no name has a number.
DETAILS: Mapping[str, frozenset[str]] = {
    "ICMP": frozenset({*_ICMP.values(), *_ICMP_UNREACHABLE, *_ICMP6.values(), *_ICMP6_UNREACHABLE}),
    "ARP": frozenset(_ARP_OPERATIONS.values()),
    "DNS": frozenset({"query", "answer"}),
}
NUMBERED = r"(?:type|unreachable|operation)-[0-9]+"


def decode(frame: bytes, *, host: str, time: int, interface: str, outgoing: bool, size: int) -> Packet:
    """The packet in a frame of which the first bytes were captured; `size` is its length on the wire. Never raises."""
    fields: Fields = {"protocol": "ethertype-unknown", "header": len(frame)}
    with suppress(struct.error, ValueError):  # cut off there: what stands before it is known
        _ethernet(frame, size, fields)
    fields |= {"interface": interface, "outgoing": outgoing, "size": size, "frame": frame}
    return Packet(host=host, time=time, **fields)


def _ethernet(frame: bytes, size: int, fields: Fields) -> None:
    at, (ethertype,) = 14, struct.unpack_from("!H", frame, 12)
    while ethertype in _VLAN_TAGS:
        fields["protocol"] = f"ethertype-{ethertype:04x}"
        (ethertype,) = struct.unpack_from("!H", frame, at + 2)
        at += 4
    fields["protocol"] = f"ethertype-{ethertype:04x}"
    layer = {0x0800: _ipv4, 0x86DD: _ipv6}.get(ethertype)
    if ethertype == 0x0806:
        _arp(frame[at:], fields)
    elif layer:
        fields["header"] = at
        layer(frame[at:], size - at, fields, _LAYERS)


def _arp(data: bytes, fields: Fields) -> None:
    fields["protocol"] = "arp"
    hardware, length, operation = struct.unpack_from("!xxxxBBH", data)
    fields["icmp"] = _ARP_OPERATIONS.get(operation, f"operation-{operation}")
    if length == 4:
        sender = 8 + hardware
        fields["source"] = inet_ntop(AF_INET, data[sender : sender + 4])
        target = sender + 4 + hardware
        fields["destination"] = inet_ntop(AF_INET, data[target : target + 4])


def _ipv4(data: bytes, size: int, fields: Fields, layers: Mapping[int, Layer]) -> None:
    first, total, fragment, ttl, number = struct.unpack_from("!BxHxxHBB", data)
    header = (first & 0x0F) * 4
    if first >> 4 != 4 or header < 20:
        raise ValueError("not an IPv4 header")
    fields["protocol"] = _PROTOCOLS.get(number, f"ip-{number}")
    fields["ttl"] = ttl
    fields["source"] = inet_ntop(AF_INET, data[12:16])
    fields["destination"] = inet_ntop(AF_INET, data[16:20])
    end = total or size  # segments that the kernel has yet to cut may be too long for the field
    fields["header"] += header
    _payload(layers.get(number), data[header:end], end - header, fragment & 0x1FFF, fields)


def _ipv6(data: bytes, size: int, fields: Fields, layers: Mapping[int, Layer]) -> None:
    first, length, number, ttl = struct.unpack_from("!BxxxHBB", data)
    if first >> 4 != 6:
        raise ValueError("not an IPv6 header")
    fields["ttl"] = ttl
    fields["protocol"] = _PROTOCOLS.get(number, f"ip-{number}")
    fields["source"] = inet_ntop(AF_INET6, data[8:24])
    fields["destination"] = inet_ntop(AF_INET6, data[24:40])
    end = 40 + length if length else size
    at, offset = 40, 0
    while number in (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION_OPTIONS) and not offset:
        following, words, fragment = struct.unpack_from("!BBH", data, at)
        if number == _FRAGMENT:
            at, offset = at + 8, fragment >> 3
        else:
            at += (words + 2) * 4 if number == _AUTHENTICATION else (words + 1) * 8
        number = following
        fields["protocol"] = _PROTOCOLS.get(number, f"ip-{number}")
    fields["header"] += at
    _payload(layers.get(number), data[at:end], end - at, offset, fields)


def _payload(layer: Layer | None, data: bytes, length: int, offset: int, fields: Fields) -> None:
    """What IP carries: `length` bytes, of which `data` was captured; `offset` is that of a later fragment."""
    if layer and not offset:
        layer(data, length, fields)


def _tcp(data: bytes, length: int, fields: Fields) -> None:
    fields["sport"], fields["dport"] = struct.unpack_from("!HH", data)
    fields["seq"], fields["ack"], offset, bits, fields["window"] = struct.unpack_from("!4xIIBBH", data)
    fields["flags"] = tuple(word for word, bit in _FLAGS if bits & bit)
    header = max(20, (offset >> 4) * 4)
    fields["length"] = max(0, length - header)
    fields["header"] += header


def _udp(data: bytes, length: int, fields: Fields) -> None:
    fields["sport"], fields["dport"], told = struct.unpack_from("!HHH", data)
    fields["length"] = max(0, (told or length) - 8)
    fields["header"] += 8
    ends = fields["source"], fields["destination"]
    if _DNS_PORTS & {fields["sport"], fields["dport"]} or dns.ENGINES_OWN in ends:
        fields["dns"] = dns.words(data[8 : told or length])


def _icmp(data: bytes, length: int, fields: Fields) -> None:
    kind, code = struct.unpack_from("!BB", data)
    if kind == 3:
        fields["icmp"] = _word(_ICMP_UNREACHABLE, code)
    else:
        fields["icmp"] = _ICMP.get(kind, f"type-{kind}")
    fields["header"] += 8
    if kind in _ICMP_ERRORS:
        fields["about"] = _quoted(data[8:], _ipv4)


def _icmp6(data: bytes, length: int, fields: Fields) -> None:
    kind, code = struct.unpack_from("!BB", data)
    if kind == 1:
        fields["icmp"] = _word(_ICMP6_UNREACHABLE, code)
    else:
        fields["icmp"] = _ICMP6.get(kind, f"type-{kind}")
    fields["header"] += 8
    if kind in _ICMP6_ERRORS:
        fields["about"] = _quoted(data[8:], _ipv6)


def _word(words: tuple[str, ...], code: int) -> str:
    return words[code] if code < len(words) else f"unreachable-{code}"


def _quoted(
    data: bytes, network: Callable[[bytes, int, Fields, Mapping[int, Layer]], None]
) -> tuple[str, str, int, str, int] | None:
    """What an ICMP error is about; None where not even its addresses were quoted."""
    inner: Fields = {"header": 0}
    with suppress(struct.error, ValueError):
        network(data, len(data), inner, _QUOTED_LAYERS)
    if "destination" not in inner:
        return None
    return (
        inner["protocol"],
        inner["source"],
        inner.get("sport", 0),
        inner["destination"],
        inner.get("dport", 0),
    )


_QUOTED_LAYERS: dict[int, Layer] = {6: _tcp, 17: _udp}
_LAYERS: dict[int, Layer] = {1: _icmp, 58: _icmp6} | _QUOTED_LAYERS
