"""The fake network's packets, and the Ethernet frames that its taps record: real bytes, built here and nowhere else.

Reading them back is for `lab.decode`; who sends what to whom is for `host` and `tcp`.
"""

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

from msgspec import Struct

Address = IPv4Address | IPv6Address
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
TCP, ICMP, ICMP6 = 6, 1, 58
BROADCAST = b"\xff" * 6
NOBODY = b"\0" * 6


class Segment(Struct, frozen=True):
    """TCP's part of a packet; sequence numbers grow without end here and wrap on the wire."""

    sport: int
    dport: int
    seq: int
    ack: int
    flags: int
    window: int = 65535
    data: bytes = b""

    @property
    def end(self) -> int:
        """The sequence number after this segment."""
        return self.seq + len(self.data) + bool(self.flags & SYN) + bool(self.flags & FIN)


class Packet(Struct, frozen=True):
    """An IP packet with a TCP segment, or with an ICMP error (type, code) about another packet."""

    source: Address
    destination: Address
    segment: Segment | None = None
    icmp: tuple[int, int] = (0, 0)
    about: "Packet | None" = None
    ttl: int = 64


def frame(source: bytes, destination: bytes, packet: Packet) -> bytes:
    """The packet as an Ethernet frame."""
    kind = 0x0800 if packet.source.version == 4 else 0x86DD
    return destination + source + struct.pack("!H", kind) + ip_bytes(packet)


def ip_bytes(packet: Packet) -> bytes:
    """IP header and payload, with their checksums."""
    version = packet.source.version
    if packet.segment:
        protocol, payload = TCP, _tcp_bytes(packet)
    elif version == 4:
        protocol, payload = ICMP, _icmp_bytes(packet, b"")
    else:
        protocol, payload = ICMP6, _icmp_bytes(packet, _pseudo(packet, ICMP6, 8 + len(_quote(packet))))
    if version == 4:
        ends = packet.source.packed + packet.destination.packed
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, packet.ttl, protocol, 0) + ends
        return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload
    head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, packet.ttl)
    return head + packet.source.packed + packet.destination.packed + payload


def arp(operation: int, mac: bytes, address: Address, target_mac: bytes, target: Address) -> bytes:
    """who-has (1, to everybody) or is-at (2); of IPv6, the neighbour solicitation or advertisement."""
    to = BROADCAST if operation == 1 else target_mac
    if address.version == 6:
        return _neighbour(operation, mac, address, to, target)
    head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
    return to + mac + b"\x08\x06" + head + mac + address.packed + target_mac + target.packed


def checksum(data: bytes) -> int:
    """The Internet checksum."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def _neighbour(operation: int, mac: bytes, address: Address, to: bytes, target: Address) -> bytes:
    destination, about, flags = target, address, 0x60000000
    if operation == 1:
        destination = ip_address(IPv6Address("ff02::1:ff00:0").packed[:13] + target.packed[13:])
        to, about, flags = b"\x33\x33" + destination.packed[12:], target, 0
    body = struct.pack("!BBHI", 134 + operation, 0, 0, flags) + about.packed + bytes([operation, 1]) + mac
    total = checksum(_pseudo(Packet(address, destination), ICMP6, len(body)) + body)
    head = struct.pack("!IHBB", 6 << 28, len(body), ICMP6, 255) + address.packed + destination.packed
    return to + mac + b"\x86\xdd" + head + body[:2] + struct.pack("!H", total) + body[4:]


def _tcp_bytes(packet: Packet) -> bytes:
    it = packet.segment
    assert it
    seq, ack = it.seq & 0xFFFFFFFF, it.ack & 0xFFFFFFFF
    body = struct.pack("!HHIIBBHHH", it.sport, it.dport, seq, ack, 0x50, it.flags, it.window, 0, 0) + it.data
    total = checksum(_pseudo(packet, TCP, len(body)) + body)
    return body[:16] + struct.pack("!H", total) + body[18:]


def _icmp_bytes(packet: Packet, pseudo: bytes) -> bytes:
    body = struct.pack("!BBHI", *packet.icmp, 0, 0) + _quote(packet)
    return body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]


def _quote(packet: Packet) -> bytes:
    return ip_bytes(packet.about)[:548] if packet.about else b""


def _pseudo(packet: Packet, protocol: int, length: int) -> bytes:
    ends = packet.source.packed + packet.destination.packed
    if packet.source.version == 4:
        return ends + struct.pack("!BBH", 0, protocol, length)
    return ends + struct.pack("!II", length, protocol)
