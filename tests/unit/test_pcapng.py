"""Capture files, read back by dpkt and by Wireshark."""

from ipaddress import ip_network
from pathlib import Path

import pytest
from capture_files import Row, facts, options, read, wireshark, wireshark_is_there
from contract.house import Hand, deployed, estate
from history_samples import Story, at
from msgspec.structs import replace

from lab import __version__
from lab.engines.fake import FakeEngine
from lab.history import History, Note, Packet
from lab.pcapng import captures
from lab.wire import is_noise

PORT = 5000
NOTES = [Note("", at(0), "engine", text="docker 20.10.24"), Note("", at(0), "kernel", text="6.1.0")]


@pytest.fixture(scope="module")
def history() -> History:
    """A connection through a router, one over loopback, a refusal, and a neighbour who is not there."""
    with deployed(FakeEngine(trusted=True), "unit", (2, 2, 2, 1), estate) as (plan, deployment):
        east, west, client = (Hand(deployment, plan, name) for name in ("east", "west", "client"))
        east.listen(PORT)
        assert west.connect(east.address, PORT, name="a").error is None
        assert west.call("a.sendall(b'x' * 5000)").error is None
        assert west.connect(east.address, PORT + 1, name="b").error == "ECONNREFUSED"
        assert east.connect("127.0.0.1", PORT, name="c").error is None
        nobody = ip_network(plan.networks[0].subnet)[4]
        assert client.connect(str(nobody), PORT, timeout=1.5).error == "TIMEOUT"
        for agent in deployment.agents.values():
            agent.drain()
        seen = [it for agent in deployment.agents.values() for it in agent.observations()]
    return History.of([*NOTES, *seen])


def rows(packets: list[Packet]) -> list[Row]:
    return [Row(one.time, one.interface, one.outgoing, one.size, one.frame, "") for one in packets]


def test_each_hosts_file_has_all_its_packets_in_order(history: History) -> None:
    files = captures(history)
    assert files.keys() == {packet.host for packet in history.all(Packet)} >= {"east", "router", "west", "client"}
    for host, data in files.items():
        _, _, found = read(data)
        assert [replace(row, comment="") for row in found] == rows(list(history.all(Packet, host)))


def test_who_made_it_and_where(history: History) -> None:
    section, interfaces, _ = read(captures(history)["east"])
    assert section == {2: b"docker 20.10.24", 3: b"kernel 6.1.0", 4: f"socket-lab {__version__}".encode()}
    assert [options(block) for block in interfaces] == [{2: b"right", 9: b"\x09"}, {2: b"lo", 9: b"\x09"}]
    assert [(block.linktype, block.snaplen) for block in interfaces] == [(1, 2048)] * 2
    section, _, _ = read(captures(History.of(history.all(Packet)))["east"])
    assert section == {4: f"socket-lab {__version__}".encode()}


def framed(story: Story) -> list[Packet]:
    """The story's packets, with frames of different lengths."""
    return [replace(packet, frame=bytes(60 + n), size=60 + n) for n, packet in enumerate(story.history.all(Packet))]


def test_comments_say_what_wireshark_cannot_know() -> None:
    story = Story().arp(1, "who-has").arp(1.1, "is-at").syn(2).syn(1002).rst(1003).arp(2000, "who-has")
    _, _, found = read(captures(History.of(framed(story)))["client"])
    assert [row.comment for row in found] == ["noise", "noise", "", "retransmission", "", "unanswered"]


def test_what_has_no_frame_is_left_out_and_still_counts() -> None:
    first, again = framed(Story().syn(1).syn(1001))
    bare = replace(first, frame=b"")
    _, interfaces, found = read(captures(History.of([replace(bare, interface="other"), bare, again]))["client"])
    assert [options(block)[2] for block in interfaces] == [b"lan"]
    assert [(row.time, row.comment) for row in found] == [(again.time, "retransmission")]
    assert captures(History.of([bare])) == {}
    assert captures(History()) == {}


def test_what_was_cut_off_keeps_its_length() -> None:
    (packet,) = framed(Story().syn(1))
    _, _, (cut,) = read(captures(History.of([replace(packet, size=65550)]))["client"])
    assert (cut.size, len(cut.frame)) == (65550, 60)
    _, _, (unknown,) = read(captures(History.of([replace(packet, size=0)]))["client"])
    assert unknown.size == 60, "a length that is not known is no shorter than what was captured"


@pytest.fixture(scope="module")
def file(history: History, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What east saw, on its two interfaces."""
    file = tmp_path_factory.mktemp("captures") / "east.pcapng"
    file.write_bytes(captures(history)["east"])
    return file


@wireshark_is_there
def test_wireshark_reads_the_same(file: Path) -> None:
    _, _, found = read(file.read_bytes())
    told = [
        (f"{row.time // 10**9}.{row.time % 10**9:09}", row.interface, row.outgoing, str(row.size), row.comment)
        for row in found
    ]
    names = "frame.time_epoch frame.interface_name frame.packet_flags_direction frame.len frame.comment".split()
    seen = [(when, name, int(way, 0) == 2, *rest) for when, name, way, *rest in wireshark(file, *names)]
    assert seen == told
    for text in (f"socket-lab {__version__}", "kernel 6.1.0", "docker 20.10.24", "Strict time order:   True"):
        assert text in facts(file)


@wireshark_is_there
def test_wireshark_decodes_what_the_lab_decodes(file: Path, history: History) -> None:
    mine = [
        (it.source, it.destination, str(it.sport), str(it.dport), str(it.seq), str(it.length), str(it.ttl))
        for it in history.all(Packet, "east")
        if it.protocol == "tcp"
    ]
    names = "ip.src ip.dst tcp.srcport tcp.dstport tcp.seq_raw tcp.len ip.ttl".split()
    assert [row for row in wireshark(file, *names) if row[2]] == mine


def test_the_fakes_unanswered_neighbour_is_told(history: History) -> None:
    _, _, found = read(captures(history)["client"])
    assert [row.comment for row in found] == ["unanswered"] * len(found)
    assert all(is_noise(packet) for packet in history.all(Packet, "client")) and found
