"""Frames: dpkt builds them and must agree; any bytes become a packet."""

import struct
from ipaddress import ip_address
from typing import Any

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.decode.packets import decode
from lab.history import Packet

V4, V6 = st.ip_addresses(v=4), st.ip_addresses(v=6)
PORTS, BYTE, WORD = st.integers(0, 65535), st.integers(0, 255), st.integers(0, 2**32 - 1)
PAYLOAD = st.binary(max_size=60)
FLAGS = {"SYN": 2, "ACK": 16, "FIN": 1, "RST": 4, "PSH": 8, "URG": 32}
CLIENT, SERVER = ip_address("10.9.0.3").packed, ip_address("10.9.0.2").packed


def read(frame: bytes, size: int | None = None) -> Packet:
    return decode(frame, host="h", time=5, interface="lan", outgoing=True, size=len(frame) if size is None else size)


def ethernet(data: Any, kind: int = 0x0800) -> bytes:
    return bytes(dpkt.ethernet.Ethernet(type=kind)) + bytes(data)


def ipv4(data: Any, protocol: int, **fields: Any) -> bytes:
    packet = dpkt.ip.IP(src=CLIENT, dst=SERVER, p=protocol, data=data, **fields)
    packet.len = 20 + len(packet.opts) + len(bytes(data))
    return bytes(packet)


def ipv6(data: bytes, following: int, source: bytes = b"\xfd" + bytes(15), length: int | None = None) -> bytes:
    header = struct.pack("!IHBB", 6 << 28, len(data) if length is None else length, following, 61)
    return header + source + b"\xfd" + bytes(14) + b"\1" + data


def tcp(flags: int = 2, data: bytes = b"", **fields: Any) -> bytes:
    return bytes(dpkt.tcp.TCP(sport=40000, dport=80, flags=flags, data=data, **fields))


SYN = ethernet(ipv4(tcp(), 6))


@given(V4, V4, PORTS, PORTS, WORD, WORD, st.integers(0, 63), PORTS, BYTE, PAYLOAD, st.binary(max_size=3))
def test_tcp_over_ipv4_is_what_dpkt_says(
    source: Any,
    destination: Any,
    sport: int,
    dport: int,
    seq: int,
    ack: int,
    flags: int,
    window: int,
    ttl: int,
    data: bytes,
    options: bytes,
) -> None:
    segment = dpkt.tcp.TCP(
        sport=sport, dport=dport, seq=seq, ack=ack, flags=flags, win=window, data=data, opts=(options * 4)[:8]
    )
    segment.opts = segment.opts[: len(segment.opts) // 4 * 4]
    segment.off = 5 + len(segment.opts) // 4
    packet = dpkt.ip.IP(src=source.packed, dst=destination.packed, p=6, ttl=ttl, data=segment)
    packet.len = 20 + len(bytes(segment))
    oracle = dpkt.ethernet.Ethernet(ethernet(packet)).data
    seen = read(ethernet(packet) + bytes(4))  # with padding, as short frames have
    assert (seen.source, seen.destination) == (str(source), str(destination))
    assert (seen.sport, seen.dport, seen.ttl) == (oracle.data.sport, oracle.data.dport, oracle.ttl)
    assert (seen.seq, seen.ack, seen.window) == (oracle.data.seq, oracle.data.ack, oracle.data.win)
    assert sum(FLAGS[word] for word in seen.flags) == oracle.data.flags
    assert (seen.length, seen.data) == (len(data), data)
    assert (seen.host, seen.time, seen.interface, seen.outgoing) == ("h", 5, "lan", True)


@given(V6, V6, PORTS, PORTS, PAYLOAD, st.lists(st.sampled_from([0, 43, 60]), max_size=3))
def test_udp_over_ipv6_with_extension_headers(
    source: Any, destination: Any, sport: int, dport: int, data: bytes, kinds: list[int]
) -> None:
    body, following = bytes(dpkt.udp.UDP(sport=sport, dport=dport, data=data, ulen=8 + len(data))), 17
    for kind in kinds:
        body, following = struct.pack("!BB6x", following, 0) + body, kind
    header = struct.pack("!IHBB", 6 << 28, len(body), following, 61)
    seen = read(ethernet(header + source.packed + destination.packed + body, 0x86DD))
    assert (seen.protocol, seen.ttl) == ("udp", 61)
    assert (ip_address(seen.source), ip_address(seen.destination)) == (source, destination)
    assert (seen.sport, seen.dport, seen.length, seen.data) == (sport, dport, len(data), data)


@pytest.mark.parametrize(
    ("bits", "words"), [(18, ("SYN", "ACK")), (20, ("ACK", "RST")), (57, ("ACK", "FIN", "PSH", "URG"))]
)
def test_flags_are_words_in_one_order(bits: int, words: tuple[str, ...]) -> None:
    assert read(ethernet(ipv4(tcp(bits), 6))).flags == words


def test_lengths_are_those_of_the_headers_and_not_of_what_was_captured() -> None:
    frame = ethernet(ipv4(tcp(24, b"x" * 1000), 6))
    seen = read(frame[:100], len(frame))
    assert (seen.length, seen.size, len(seen.data)) == (1000, 1054, 46)


def test_a_segment_too_long_for_the_field_has_the_length_of_its_frame() -> None:
    datagram = bytearray(ipv4(tcp(24, b"x" * 50), 6))
    datagram[2:4] = b"\0\0"
    assert read(ethernet(bytes(datagram))).length == 50
    assert read(ethernet(ipv6(tcp(24, b"x" * 50), 6, length=0), 0x86DD)).length == 50


def test_options_of_ipv4() -> None:
    seen = read(ethernet(ipv4(tcp(), 6, opts=b"\1" * 8, hl=7)))
    assert (seen.sport, seen.dport, seen.flags) == (40000, 80, ("SYN",))


@pytest.mark.parametrize(
    ("sport", "dport", "source", "said"),
    [
        (40000, 53, "10.9.0.3", True),
        (53, 40000, "10.9.0.3", True),
        (5353, 5353, "10.9.0.3", True),
        (40000, 42991, "127.0.0.11", True),
        (40000, 54, "10.9.0.3", False),
        (40000, 42991, "127.0.0.12", False),
    ],
)
def test_dns_is_told_in_words(sport: int, dport: int, source: str, said: bool) -> None:
    message = bytes(dpkt.dns.DNS(qd=[dpkt.dns.DNS.Q(name="server", type=1)]))
    datagram = bytes(dpkt.udp.UDP(sport=sport, dport=dport, ulen=8 + len(message), data=message))
    packet = dpkt.ip.IP(src=ip_address(source).packed, dst=SERVER, p=17, data=datagram)
    packet.len = 20 + len(datagram)
    seen = read(ethernet(packet))
    assert (seen.dns, seen.data) == ("query A server" if said else "", message)
    assert read(ethernet(packet)[:-1], len(ethernet(packet))).dns == ""
    assert read(ethernet(ipv4(icmp(3, 3, bytes(packet)), 1))).dns == ""


def fragment(body: bytes, offset: int) -> bytes:
    packet = bytearray(ipv4(body, 17))
    packet[6:8] = struct.pack("!H", offset)
    return bytes(packet)


def test_only_the_first_fragment_has_ports() -> None:
    body = bytes(dpkt.udp.UDP(sport=5, dport=6, ulen=3000, data=b"x" * 100))
    first, later = (read(ethernet(fragment(body, off))) for off in (0x2000, 0x2000 | 100))
    assert (first.protocol, first.sport, first.dport, first.length) == ("udp", 5, 6, 2992)
    assert (later.protocol, later.sport, later.dport, later.length) == ("udp", 0, 0, 0)
    last = read(ethernet(ipv6(struct.pack("!BBHI", 17, 0, 8 << 3, 1) + body, 44), 0x86DD))
    assert (last.protocol, last.sport) == ("udp", 0)
    whole = read(ethernet(ipv6(struct.pack("!BBHI", 17, 0, 1, 1) + body, 44), 0x86DD))
    assert (whole.protocol, whole.sport) == ("udp", 5)


def test_vlan_tags_are_looked_through() -> None:
    tagged = SYN[:12] + struct.pack("!HHHH", 0x88A8, 1, 0x8100, 2) + SYN[12:]
    assert (read(tagged).protocol, read(tagged).dport) == ("tcp", 80)


def test_loopback_frames() -> None:
    seen = read(bytes(12) + SYN[12:])
    assert (seen.protocol, seen.flags) == ("tcp", ("SYN",))


@pytest.mark.parametrize(("operation", "word"), [(1, "who-has"), (2, "is-at"), (9, "operation-9")])
def test_arp(operation: int, word: str) -> None:
    seen = read(ethernet(dpkt.arp.ARP(op=operation, spa=CLIENT, tpa=SERVER), 0x0806))
    assert (seen.protocol, seen.icmp, seen.source, seen.destination) == ("arp", word, "10.9.0.3", "10.9.0.2")


def icmp(kind: int, code: int, data: bytes = b"") -> bytes:
    return struct.pack("!BBHI", kind, code, 0, 0) + data


@pytest.mark.parametrize(
    ("kind", "code", "word"),
    [
        (0, 0, "echo-reply"),
        (3, 0, "net-unreachable"),
        (3, 1, "host-unreachable"),
        (3, 2, "proto-unreachable"),
        (3, 3, "port-unreachable"),
        (3, 4, "fragmentation-needed"),
        (3, 9, "net-prohibited"),
        (3, 10, "host-prohibited"),
        (3, 13, "admin-prohibited"),
        (3, 77, "unreachable-77"),
        (5, 1, "redirect"),
        (8, 0, "echo-request"),
        (11, 0, "time-exceeded"),
        (99, 0, "type-99"),
    ],
)
def test_icmp(kind: int, code: int, word: str) -> None:
    seen = read(ethernet(ipv4(icmp(kind, code), 1)))
    assert (seen.protocol, seen.icmp, seen.about) == ("icmp", word, None)


@pytest.mark.parametrize(
    ("kind", "code", "word"),
    [
        (1, 0, "no-route"),
        (1, 1, "admin-prohibited"),
        (1, 3, "address-unreachable"),
        (1, 4, "port-unreachable"),
        (1, 99, "unreachable-99"),
        (2, 0, "packet-too-big"),
        (3, 0, "time-exceeded"),
        (128, 0, "echo-request"),
        (133, 0, "router-solicitation"),
        (135, 0, "neighbour-solicitation"),
        (136, 0, "neighbour-advertisement"),
        (200, 0, "type-200"),
    ],
)
def test_icmp6(kind: int, code: int, word: str) -> None:
    seen = read(ethernet(ipv6(icmp(kind, code), 58), 0x86DD))
    assert (seen.protocol, seen.icmp, seen.about) == ("icmp6", word, None)


@pytest.mark.parametrize("quoted", [8, 12, 40])
def test_an_error_quotes_what_it_is_about(quoted: int) -> None:
    seen = read(ethernet(ipv4(icmp(3, 3, ipv4(tcp(), 6)[: 20 + quoted]), 1)))
    assert seen.about == ("tcp", "10.9.0.3", 40000, "10.9.0.2", 80)
    seen = read(ethernet(ipv6(icmp(1, 4, ipv6(tcp(), 6)[: 40 + quoted]), 58), 0x86DD))
    assert seen.about == ("tcp", "fd00::", 40000, "fd00::1", 80)
    assert (seen.sport, seen.dport) == (0, 0)


def test_errors_within_errors_are_not_followed() -> None:
    data = ipv4(tcp(), 6)
    for _ in range(2000):
        data = ipv4(icmp(3, 3, data[:60000]), 1)
    seen = read(ethernet(data))
    assert seen.about == ("icmp", "10.9.0.3", 0, "10.9.0.2", 0)


@pytest.mark.parametrize(
    ("frame", "protocol"),
    [
        (b"", "ethertype-unknown"),
        (bytes(13), "ethertype-unknown"),
        (bytes(12) + b"\x88\xb5", "ethertype-88b5"),
        (ethernet(ipv4(b"", 2)), "igmp"),
        (ethernet(ipv4(b"", 132)), "ip-132"),
        (SYN[:14] + b"\x00" + SYN[15:], "ethertype-0800"),
    ],
)
def test_other_protocols_have_names(frame: bytes, protocol: str) -> None:
    assert read(frame).protocol == protocol


def test_what_is_cut_off_leaves_what_is_known() -> None:
    assert (read(SYN[:30]).source, read(SYN[:30]).destination) == ("10.9.0.3", "")
    assert (read(SYN[:38]).sport, read(SYN[:38]).flags) == (40000, ())


@given(
    st.binary(max_size=120), st.sampled_from([b"", b"\x08\x00\x45", b"\x08\x06", b"\x86\xdd\x60", b"\x81\x00"]), PORTS
)
def test_any_bytes_are_a_packet(data: bytes, kind: bytes, size: int) -> None:
    assert read(bytes(12) + kind + data, size).size == size


@given(st.data())
def test_any_damage_leaves_a_packet(data: st.DataObject) -> None:
    quote = ipv4(icmp(3, 3, ipv4(tcp(), 6)), 1)
    frame = bytearray(data.draw(st.sampled_from([SYN, ethernet(quote), ethernet(ipv6(tcp(), 6), 0x86DD)])))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(BYTE)
    read(bytes(frame[: data.draw(st.integers(0, len(frame)))]))
