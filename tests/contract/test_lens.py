"""What every engine's packets look like through the lab's lens: capture files, and the engine's own DNS."""

import struct

import pytest
from capture_files import Row, read, wireshark, wireshark_is_there
from contract.house import port
from msgspec.structs import replace

from lab.history import History, Packet
from lab.pcapng import captures
from lab.segments import segments
from lab.wire import describe, noise


def seen_by(hand):
    """All packets of a host up to now."""
    hand.remote.drain()
    return list(History.of(hand.remote.observations()).all(Packet, hand.name))


@pytest.fixture
def talked(hosts):
    """West has talked to east through the router, and to itself; all that the three saw."""
    west, east, number = hosts("west"), hosts("east"), port()
    east.listen(number)
    west.listen(number, address="127.0.0.1")
    for address, name in ((east.address, "c"), ("127.0.0.1", "d")):
        assert west.connect(address, number, name=name).error is None
        assert west.call(f"{name}.sendall(b'x' * 20000)").error is None
    return History.of(packet for name in ("west", "router", "east") for packet in seen_by(hosts(name)))


def test_the_capture_file_of_each_host_has_all_its_packets_in_order(talked):
    files = captures(talked)
    assert files.keys() == {"west", "router", "east"}
    for host, data in files.items():
        _, _, found = read(data)
        mine = [Row(it.time, it.interface, it.outgoing, it.size, it.frame, "") for it in talked.all(Packet, host)]
        assert [replace(row, comment="") for row in found] == mine


@wireshark_is_there
def test_wireshark_reads_the_capture_of_the_caller(talked, tmp_path):
    packets = list(talked.all(Packet, "west"))
    file = tmp_path / "west.pcapng"
    file.write_bytes(captures(talked)["west"])
    names = "frame.interface_name frame.len tcp.srcport tcp.seq".split()
    told = [
        (it.interface, str(it.size), str(it.sport), str(segment.seq))
        for it, segment in zip(packets, segments(packets), strict=True)
        if it.protocol == "tcp"
    ]
    assert [row for row in wireshark(file, *names) if row[2]] == told
    assert {row[0] for row in told} == {"lo", "left"}


def test_the_engines_own_dns_is_noise(engine, hosts):
    if engine.name != "docker":
        pytest.skip(f"{engine.name} has no DNS of its own")
    client = hosts("client")
    assert b"127.0.0.11" in client.output(client.run("cat", "/etc/resolv.conf"))
    before = len(seen_by(client))
    assert client.call("u = socket(AF_INET, SOCK_DGRAM)").error is None
    for name in (b"nobody", b"server"):
        question = struct.pack("!6H", len(name), 0x100, 1, 0, 0, 0) + bytes([len(name)]) + name + b"\0\0\1\0\1"
        assert client.call(f"u.sendto({question!r}, ('127.0.0.11', 53))").error is None
    client.call("u.settimeout(5)")
    answers = (client.call("u.recv(512)") for _ in range(2))
    assert any(isinstance(it.result, bytes) and it.result.startswith(b"\0\x06") for it in answers), "the server's id"
    packets = seen_by(client)
    ours = [one for one in zip(packets[before:], noise(packets)[before:], strict=True) if one[0].interface == "lo"]
    said = [packet.dns for packet, _ in ours]
    assert "query A nobody" in said and "query A server" in said
    assert f"answer A server {hosts('server').address}" in said
    assert [describe(packet) for packet, noisy in ours if not noisy] == []
