"""Numbers within a connection, and what was sent again: by hand, and as Wireshark says."""

import random
import time
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest
from capture_files import wireshark, wireshark_is_there
from msgspec.structs import asdict

from lab.decode.packets import decode
from lab.engines.fake.wire import ACK, FIN, PSH, RST, SYN, frame
from lab.engines.fake.wire import Packet as Sent
from lab.engines.fake.wire import Segment as SentSegment
from lab.history import History, Packet
from lab.pcapng import captures
from lab.segments import NONE, WRAP, Segment, segments

MS = 1_000_000
HOUR = 3_600_000 * MS
BEGIN = 1_700_000_000_000 * MS
FLAGS = {"S": SYN, ".": ACK, "F": FIN, "R": RST, "P": PSH}


@dataclass
class Talk:
    """TCP packets between two ends, a hundred milliseconds apart unless told; flags are tcpdump's letters."""

    port: int = 40000
    began: int = BEGIN
    interface: str = "lan"
    client: str = "10.9.0.3"
    server: str = "10.9.0.2"
    packets: list[Packet] = field(default_factory=list)

    def out(self, flags: str, seq: int, ack: int = 0, size: int = 0, **more: object) -> "Talk":
        return self._add(True, flags, seq, ack, size, **more)

    def back(self, flags: str, seq: int, ack: int = 0, size: int = 0, **more: object) -> "Talk":
        return self._add(False, flags, seq, ack, size, **more)

    def _add(
        self, out: bool, flags: str, seq: int, ack: int, size: int, pause: float = 100, interface: str = ""
    ) -> "Talk":
        self.began += round(pause * MS)
        bits = sum(FLAGS[letter] for letter in flags)
        ends = [(ip_address(self.client), self.port), (ip_address(self.server), 80)]
        (source, sport), (destination, dport) = ends if out else reversed(ends)
        sent = SentSegment(sport, dport, seq, ack, bits, data=b"x" * size)
        raw = frame(bytes(6), bytes(6), Sent(source, destination, sent))
        known = {"host": "h", "time": self.began, "interface": interface or self.interface}
        self.packets.append(decode(raw, outgoing=out, size=len(raw), **known))  # type: ignore[arg-type]
        return self

    def opened(self, seq: int = 1000, other: int = 5000) -> "Talk":
        self.out("S", seq).back("S.", other, seq + 1)
        return self.out(".", seq + 1, other + 1)


def plain(talk: Talk) -> Talk:
    talk.opened().out("P.", 1001, 5001, 10).back(".", 5001, 1011).back("P.", 5001, 1011, 20)
    return talk.out("F.", 1011, 5021).back("F.", 5021, 1012).out(".", 1012, 5022)


def wrapping(talk: Talk) -> Talk:
    talk.opened(WRAP - 3, WRAP - 1).out("P.", WRAP - 2, 0, 10).back("P.", 0, 8, 5)
    return talk.out("P.", WRAP - 2, 0, 10).out("P.", 8, 5, 10)


def lost_syn(talk: Talk) -> Talk:
    return talk.out("S", 1000).out("S", 1000, pause=1000).back("S.", 5000, 1001).back("S.", 5000, 1001, pause=1000)


def lost_data(talk: Talk) -> Talk:
    talk.opened().out("P.", 1001, 5001, 100).out("P.", 1001, 5001, 100).back(".", 5001, 1101)
    return talk.out("P.", 1101, 5001, 50).out("F.", 1151, 5001).out("F.", 1151, 5001, pause=300)


def reordered(talk: Talk) -> Talk:
    talk.opened().out("P.", 1001, 5001, 100).out("P.", 1201, 5001, 100, pause=0.1)
    return talk.out("P.", 1101, 5001, 100, pause=0.1).back(".", 5001, 1301, pause=0.1).out("P.", 1101, 5001, 100)


def overlapping(talk: Talk) -> Talk:
    talk.opened().out("P.", 1001, 5001, 100).out("P.", 1051, 5001, 100)
    return talk.out("P.", 1001, 5001, 150)


def partly_new(talk: Talk) -> Talk:
    """The last one has ten bytes that are new; Wireshark takes it for sent again."""
    return overlapping(talk).out("P.", 1101, 5001, 60)


def in_pieces(talk: Talk) -> Talk:
    """Holes are left and filled, by what overlaps what came before and after; Wireshark has other words for that."""
    talk.opened().out("P.", 1011, 5001, 10).out("P.", 1031, 5001, 10).out("P.", 1016, 5001, 20)
    talk.out("P.", 1011, 5001, 30).out("P.", 1001, 5001, 15).out("P.", 1061, 5001, 10)
    return talk.out("P.", 1001, 5001, 40).out("P.", 1041, 5001, 20).out("P.", 1021, 5001, 50)


def answered_otherwise(talk: Talk) -> Talk:
    """The second answer begins at another number; the question is the same one."""
    return talk.out("S", 1000).back("S.", 5000, 1001).back("S.", 9000, 1001).out("S", 1000, pause=1000)


def reset_with_words(talk: Talk) -> Talk:
    """A reset is no retransmission, whatever it carries; Wireshark says otherwise."""
    return talk.opened().out("P.", 1001, 5001, 10).out("R.", 1001, 5001, 10)


def keepalive(talk: Talk) -> Talk:
    talk.opened().out("P.", 1001, 5001, 10).back(".", 5001, 1011)
    return talk.out(".", 1010, 5001, pause=1000).back(".", 5001, 1011).out("P.", 1011, 5001, 10)


def keepalive_with_a_byte(talk: Talk) -> Talk:
    """The byte had passed before; Wireshark has another word for it."""
    return talk.opened().out("P.", 1001, 5001, 10).back(".", 5001, 1011).out(".", 1010, 5001, 1, pause=1000)


def tail_loss_probe(talk: Talk) -> Talk:
    talk.opened().out("P.", 1001, 5001, 100).out("P.", 1101, 5001, 100, pause=0.1)
    return talk.out("P.", 1101, 5001, 100, pause=20).back(".", 5001, 1101).out("P.", 1101, 5001, 100, pause=200)


def same_ports(talk: Talk) -> Talk:
    talk.opened().out("P.", 1001, 5001, 10).out("F.", 1011, 5001).back("F.", 5001, 1012)
    talk.out(".", 1012, 5002).opened(70_000, 90_000).out("P.", 70_001, 90_001, 10)
    return talk.out("R", 70_011).out("S", 200_000).back("R.", 0, 200_001).out("S", 200_000, pause=1000)


def same_ports_and_a_late_answer(talk: Talk) -> Talk:
    talk.opened().out("S", 70_000).back("S.", 90_000, 70_001)
    return talk.out("S", 70_000).back("S.", 90_000, 70_001)


def from_the_middle(talk: Talk) -> Talk:
    talk.out("P.", 7_000, 9_000, 100).back(".", 9_000, 7_100).back("P.", 9_000, 7_100, 10)
    return talk.out("P.", 7_000, 9_000, 100).out("P.", 7_100, 9_010, 1)


def refused(talk: Talk) -> Talk:
    return talk.out("S", 1000).back("R.", 0, 1001)


def reset(talk: Talk) -> Talk:
    return talk.opened().out("P.", 1001, 5001, 10).back("R.", 5001, 1011).back("R.", 5001, 1011).back("R", 5001)


def both_open(talk: Talk) -> Talk:
    talk.out("S", 1000).back("S", 5000).out("S.", 1000, 5001).back("S.", 5000, 1001)
    return talk.out("P.", 1001, 5001, 5).back(".", 5001, 1006)


def on_loopback(talk: Talk) -> Talk:
    talk.interface, talk.client, talk.server = "lo", "127.0.0.1", "127.0.0.1"
    talk.opened()
    return talk.out("P.", 1001, 5001, 65483).back(".", 5001, 66484).back("P.", 5001, 66484, 1).out("P.", 66484, 5002, 5)


def over_ipv6(talk: Talk) -> Talk:
    talk.client, talk.server = "fd00::3", "fd00::2"
    return talk.opened().out("P.", 1001, 5001, 7).out("P.", 1001, 5001, 7)


def with_data_in_the_syn(talk: Talk) -> Talk:
    talk.out("S", 1000, size=10).back("S.", 5000, 1011).out("P.", 1011, 5001, 5)
    return talk.out("P.", 1001, 5001, 15)


def stray(talk: Talk) -> Talk:
    """A long talk of both, with losses and repetitions by chance."""
    chance, sent, got = random.Random(7), WRAP - 4999, WRAP - 8999
    talk.opened(WRAP - 5000, WRAP - 9000)
    for _ in range(300):
        size = chance.choice([1, 100, 1448])
        talk.out("P.", sent % WRAP, got % WRAP, size)
        if chance.random() < 0.2 and size > 1:
            talk.out("P.", sent % WRAP, got % WRAP, size, pause=250)
        sent += size
        talk.back("P.", got % WRAP, sent % WRAP, 10)
        got += 10
    return talk


CASES = {
    plain: ["0", "0/1", "1/1", "1/1", "1/11", "1/11", "11/21", "21/12", "12/22"],
    wrapping: ["0", "0/1", "1/1", "1/1", "1/11", "1/1 again", "11/6"],
    lost_syn: ["0", "0 again", "0/1", "0/1 again"],
    lost_data: ["0", "0/1", "1/1", "1/1", "1/1 again", "1/101", "101/1", "151/1", "151/1 again"],
    reordered: ["0", "0/1", "1/1", "1/1", "201/1", "101/1", "1/301", "101/1 again"],
    overlapping: ["0", "0/1", "1/1", "1/1", "51/1", "1/1 again"],
    partly_new: ["0", "0/1", "1/1", "1/1", "51/1", "1/1 again", "101/1"],
    in_pieces: [
        *["0", "0/1", "1/1", "11/1", "31/1", "16/1"],
        *["11/1 again", "1/1", "61/1", "1/1 again", "41/1", "21/1 again"],
    ],
    answered_otherwise: ["0", "0/1", "0/1", "0 again"],
    reset_with_words: ["0", "0/1", "1/1", "1/1", "1/1"],
    keepalive: ["0", "0/1", "1/1", "1/1", "1/11", "10/1", "1/11", "11/1"],
    keepalive_with_a_byte: ["0", "0/1", "1/1", "1/1", "1/11", "10/1 again"],
    tail_loss_probe: ["0", "0/1", "1/1", "1/1", "101/1", "101/1 again", "1/101", "101/1 again"],
    same_ports: [
        *["0", "0/1", "1/1", "1/1", "11/1", "1/12", "12/2"],
        *["0", "0/1", "1/1", "1/1", "11", "0", "1/1", "0 again"],
    ],
    same_ports_and_a_late_answer: ["0", "0/1", "1/1", "0", "0/1", "0 again", "0/1 again"],
    from_the_middle: ["1/1", "1/101", "1/101", "1/1 again", "101/11"],
    refused: ["0", "1/1"],
    reset: ["0", "0/1", "1/1", "1/1", "1/11", "1/11", "1"],
    both_open: ["0", "0", "0/1 again", "0/1 again", "1/1", "1/6"],
    on_loopback: ["0", "0/1", "1/1", "1/1", "1/65484", "1/65484", "65484/2"],
    over_ipv6: ["0", "0/1", "1/1", "1/1", "1/1 again"],
    with_data_in_the_syn: ["0", "0/11", "11/1", "1/1 again"],
}


def told(segment: Segment) -> str:
    ack = "" if segment.ack is None else f"/{segment.ack}"
    return f"{segment.seq}{ack}{' again' * segment.again}"


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_numbers_and_what_was_sent_again(make) -> None:
    assert [told(segment) for segment in segments(make(Talk()).packets)] == CASES[make]


def test_only_tcp_has_numbers() -> None:
    other = Packet("h", BEGIN, "lan", True, "udp", "10.9.0.3", "10.9.0.2", 40000, 80)
    assert segments([other, *refused(Talk()).packets])[0] == NONE


def test_a_router_sees_a_packet_twice_and_it_was_sent_once() -> None:
    talk = Talk(interface="left")
    talk.out("S", 1000).out("S", 1000, pause=0.01, interface="right").back("S.", 5000, 1001, interface="right")
    talk.back("S.", 5000, 1001, pause=0.01).out("S", 1000).out("S", 1000, pause=0.01, interface="right")
    assert [told(segment) for segment in segments(talk.packets)] == ["0", "0", "0/1", "0/1", "0 again", "0 again"]


def test_each_host_is_read_by_itself() -> None:
    mine, other = (
        refused(Talk()).packets,
        [Packet(**{**asdict(packet), "host": "other"}) for packet in refused(Talk()).packets],
    )
    assert [told(segment) for segment in segments([*mine, *other])] == ["0", "1/1"] * 2


def test_a_host_that_talks_to_itself_on_one_port() -> None:
    """Both ends are one: a connect to the port that the caller itself has."""
    talk = Talk(port=80, client="127.0.0.1", server="127.0.0.1", interface="lo")
    talk.out("S", 1000).out("S.", 1000, 1001).out(".", 1001, 1001).out("P.", 1001, 1001, 5).out(".", 1006, 1006)
    assert [told(segment) for segment in segments(talk.packets)] == ["0", "0/1 again", "1/1", "1/1", "6/6"]


def test_beyond_four_gigabytes_nothing_was_sent_before() -> None:
    talk, size, packets = Talk().opened(), 1 << 30, []
    for number in range(9):
        (sent,) = Talk().out("P.", (1001 + number * size) % WRAP, 5001).packets
        packets.append(Packet(**{**asdict(sent), "length": size}))
    read = segments([*talk.packets, *packets, packets[-1]])
    assert [segment.again for segment in read[3:]] == [False] * 9 + [True]
    assert read[-2].seq == 1, "eight gigabytes further, modulo four"


@pytest.mark.parametrize("shuffled", [False, True])
def test_twenty_thousand_packets_take_no_time(shuffled: bool) -> None:
    """In order, and with every second one missing at first."""
    packets = [
        Packet("h", BEGIN + n, "lan", True, "tcp", "a", "b", 1, 2, ("ACK",), (7 + 10 * n) % WRAP, 1, 10)
        for n in range(20_000)
    ]
    order = [*packets[::2], *packets[1::2]] if shuffled else packets
    began = time.process_time()
    assert not any(segment.again for segment in segments(order))
    assert time.process_time() - began < 3, "a tenth of it is usual"


@wireshark_is_there
def test_wireshark_says_the_same(tmp_path: Path) -> None:
    others = (partly_new, in_pieces, reset_with_words, keepalive_with_a_byte)
    makers = [make for make in (*CASES, stray) if make not in others]
    talks = [make(Talk(40_000 + number, BEGIN + number * HOUR)) for number, make in enumerate(makers)]
    packets = [packet for talk in talks for packet in talk.packets]
    file = tmp_path / "h.pcapng"
    file.write_bytes(captures(History(tuple(packets)))["h"])
    rows = wireshark(file, "tcp.seq", "tcp.flags.ack", "tcp.ack", "tcp.analysis.retransmission")
    expected = [
        f"{seq}{'/' + ack if acks in ('1', 'True') else ''}{' again' if again else ''}"
        for seq, acks, ack, again in rows
    ]
    assert [told(segment) for segment in segments(packets)] == expected
    assert sum(item.endswith("again") for item in expected) > 50
