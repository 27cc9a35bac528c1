"""What becomes of the packets of an impaired link: without a link, and with a clock by hand."""

import struct
from typing import Any

import pytest

from lab.agent.fates import Fates, Packet, is_meant
from lab.impairments import orders


def ipv4(protocol: int, rest: bytes, fragment: int = 0) -> bytes:
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(rest), 1, fragment, 64, protocol, 0, b"\x0a\0\0\1", b"\x0a\0\0\2"
    )
    return head + rest


def ipv6(protocol: int, rest: bytes) -> bytes:
    return struct.pack("!IHBB16s16s", 6 << 28, len(rest), protocol, 64, bytes(15) + b"\1", bytes(15) + b"\2") + rest


def udp(length: int = 3, port: int = 80) -> bytes:
    return struct.pack("!HHHH", 5000, port, 8 + length, 0) + bytes(length)


def tcp(length: int = 0, options: int = 3) -> bytes:
    head = struct.pack("!HHIIBBHHH", 5000, 80, 1, 2, (5 + options) << 4, 0x10, 9, 0, 0)
    return head + bytes(4 * options + length)


def passed(count: int, size: int = 3, every: float = 0.0, **said: Any) -> str:
    """The numbers of the packets in the order in which they go on, with the milliseconds where they were held."""
    fates = Fates(**orders(said))
    gone: list[tuple[float, Packet]] = []
    now = 0.0
    for number in range(1, count + 2):
        comes = number * every if number <= count else float("inf")
        while (pause := fates.pause(now)) is not None and now + pause < comes:
            now += pause
            gone += [(now, packet) for packet in fates.ripe(now)]
        if number <= count:
            now = comes
            fates.take(Packet(number, ipv4(17, udp(size))), now)
            gone += [(now, packet) for packet in fates.ripe(now)]
    return " ".join(f"{packet.id}" + f"@{when * 1000:.0f}" * (when > packet.id * every) for when, packet in gone)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, "1 2 3 4 5 6"),
        ({"lose": "every 3"}, "1 2 4 5"),
        ({"lose": "every 3 from 1"}, "2 3 5 6"),
        ({"lose": "every 1 from 4"}, "1 2 3"),
        ({"lose": [2, 5]}, "1 3 4 6"),
        ({"lose": "all"}, ""),
        ({"lose": "0 %"}, "1 2 3 4 5 6"),
        ({"lose": "100 %"}, ""),
        ({"reorder": 2}, "2 1 4 3 6 5"),
        ({"reorder": 4}, "4 3 2 1 6@500 5@500"),
        ({"delay": "50 ms"}, "1@50 2@50 3@50 4@50 5@50 6@50"),
        ({"delay": "50 ms", "reorder": 3}, "3@50 2@50 1@50 6@50 5@50 4@50"),
        ({"lose": [1], "duplicate": [2]}, "2 3 4 5 6"),
        ({"of": {"protocol": "tcp"}, "lose": "all"}, "1 2 3 4 5 6"),
    ],
)
def test_what_goes_on_and_when(said: dict[str, Any], expected: str) -> None:
    assert passed(6, **said) == expected


@pytest.mark.parametrize(
    ("every", "said", "expected"),
    [
        (0.0, {}, "1@10 2@20 3@30 4@40 5@50"),
        (0.0, {"queue": "2 packets"}, "1@10 2@20 3@30"),
        (0.0, {"queue": "250 bytes"}, "1@10 2@20 3@30"),
        (0.0, {"queue": "1 packet", "delay": "5 ms"}, "1@15 2@25"),
        (0.02, {"queue": "1 packet"}, "1@30 2@50 3@70 4@90 5@110"),
        (0.006, {"queue": "1 packet"}, "1@16 2@26 3@36 5@46"),
    ],
)
def test_a_line_sends_one_packet_after_the_other(every: float, said: dict[str, Any], expected: str) -> None:
    assert passed(5, size=125 - 28, every=every, rate="100 kbit/s", **said) == expected


def test_what_is_by_lot_is_by_the_seed() -> None:
    for said in ({"lose": "40 %"}, {"delay": "50 ms", "jitter": "40 ms"}):
        one, same, other = (passed(30, seed=seed, **said) for seed in (1, 1, 2))
        assert one == same != other
    times = [int(word.partition("@")[2]) for word in passed(200, delay="50 ms", jitter="40 ms").split()]
    assert min(times) >= 10 and max(times) <= 90 and max(times) - min(times) > 70
    assert 40 < len(passed(100, lose="50 %").split()) < 60


def test_effects_are_told() -> None:
    fates = Fates(**orders({"lose": [1], "duplicate": [2], "reorder": 2, "delay": "1 s", "of": {"port": 80}}))
    packets = [Packet(id, ipv4(17, udp())) for id in range(4)] + [Packet(9, ipv4(17, udp(port=81)))]
    assert [fates.take(packet, 0.0) for packet in packets] == [False, True, True, True, True]
    assert [packet.id for packet in fates.ripe(0.0)] == [9]
    assert [packet.id for packet in fates.all()] == [2, 1, 3] and fates.pause(0.0) is None
    assert [(packet.number, packet.effects) for packet in packets] == [
        (1, ["lost"]),
        (2, ["delayed", "duplicated", "reordered"]),
        (3, ["delayed", "reordered"]),
        (4, ["delayed"]),
        (0, []),
    ]


@pytest.mark.parametrize(
    ("data", "of", "meant"),
    [
        (ipv4(17, udp()), {}, True),
        (ipv4(17, udp()), {"protocol": "udp", "port": 5000, "data": True}, True),
        (ipv4(17, udp()), {"port": 81}, False),
        (ipv4(17, udp()), {"protocol": "tcp"}, False),
        (ipv4(17, udp(0)), {"data": True}, False),
        (ipv4(17, udp(), fragment=5), {"port": 80}, False),
        (ipv4(17, udp(), fragment=5), {"protocol": "udp"}, True),
        (ipv4(6, tcp(0)), {"data": False}, True),
        (ipv4(6, tcp(1)), {"protocol": "tcp", "port": 80, "data": True}, True),
        (ipv4(6, b""), {"port": 80}, False),
        (ipv4(1, b"\x08\0\0\0"), {"protocol": "icmp"}, True),
        (ipv6(58, b"\x80\0\0\0"), {"protocol": "icmp"}, True),
        (ipv6(58, b"\x87\0\0\0"), {}, False),
        (ipv6(0, bytes([58, 0, 5, 2, 0, 0, 0, 0, 143, 0])), {}, False),
        (ipv6(17, udp()), {"port": 80, "data": True}, True),
        (ipv6(44, bytes([17, 0, 0, 8, 0, 0, 0, 0]) + udp()), {"port": 80}, False),
        (ipv6(44, bytes([17, 0, 0, 1, 0, 0, 0, 0]) + udp()), {"port": 80}, True),
    ],
)
def test_which_packets_are_meant(data: bytes, of: dict[str, Any], meant: bool) -> None:
    assert is_meant(Packet(1, data), **of) is meant


def test_where_a_packet_goes() -> None:
    assert (Packet(1, ipv4(17, udp())).destination, Packet(1, ipv6(17, udp())).destination) == ("10.0.0.2", "::2")
