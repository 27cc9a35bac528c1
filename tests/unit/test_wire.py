"""Who talked to whom, which way, and whether anybody was looking."""

import pytest
from history_samples import CLIENT, OTHER, SERVER, Story, at
from msgspec.structs import replace

from lab.history import History, Packet, Tap
from lab.wire import awake, describe, flows, is_noise, label, noise, outbound, plain, unanswered


def taps(*spans: tuple[float, float, int]) -> History:
    return History.of(Tap("client", at(begin), at(end), 5, dropped) for begin, end, dropped in spans)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (taps((0, 10, 0)), True),
        (taps((0, 4, 0), (4, 10, 0)), True),
        (taps((0, 4, 0), (3, 10, 0)), True),
        (taps((-9, 1, 3), (0.5, 10, 0)), True),
        (taps((-9, -1, 3), (-1, 10, 0), (10, 12, 0)), True),
        (taps(), False),
        (taps((2, 10, 0)), False),
        (taps((0, 8, 0)), False),
        (taps((0, 4, 0), (5, 10, 0)), False),
        (taps((0, 4, 0), (4, 10, 1)), False),
    ],
)
def test_awake(history: History, expected: bool) -> None:
    assert awake(history, "client", at(1.5), at(9)) is expected
    assert awake(history, "server", at(1.5), at(9)) is False


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("::", "::1"),
        ("fe80:0::1%eth0", "fe80::1"),
        ("::ffff:10.9.0.2", "10.9.0.2"),
        ("server", "server"),
    ],
)
def test_plain(address: str, expected: str) -> None:
    assert plain(address) == expected


def packets(story: Story) -> list[Packet]:
    return list(story.history.all(Packet))


def test_flows_are_told_apart_by_their_ends_and_by_their_first_numbers() -> None:
    story = Story().syn(1).rst(2).syn(3, local=OTHER).icmp(4, "port-unreachable", local=OTHER).syn(5, seq=9)
    story.syn(6, remote=("10.9.0.2", 81)).packet(7, protocol="udp")
    found = flows(packets(story), SERVER)
    assert [(flow.local, flow.remote, len(flow.packets)) for flow in found] == [
        (CLIENT, SERVER, 2),
        (OTHER, SERVER, 2),
        (CLIENT, SERVER, 1),
    ]


def test_an_answer_alone_is_a_flow_too() -> None:
    (flow,) = flows(packets(Story().rst(1, interface="lo")), SERVER)
    assert flow.local == CLIENT


def test_which_way_does_not_depend_on_the_tap() -> None:
    story = Story().syn(1).rst(2).icmp(3, "port-unreachable")
    story.packet(4, "SYN", interface="lo", local=("127.0.0.1", 5), remote=("127.0.0.1", 80))
    assert [outbound(packet, SERVER) for packet in packets(story)] == [True, False, False, False]
    assert outbound(packets(story)[-1], ("", 80))


def asked(source: str, target: str, word: str, outgoing: bool) -> Packet:
    data = bytes.fromhex(target)
    return Packet("client", at(2), "lan", outgoing, "icmp6", source, "ff02::1", icmp=word, frame=data)


@pytest.mark.parametrize(("ack", "kept"), [(5002, False), (5001, True)])
def test_a_reset_between_ends_that_have_both_closed_resets_nothing(ack: int, kept: bool) -> None:
    story = Story().packet(1, "ACK", "FIN", seq=1001, ack=5001).packet(2, "ACK", back=True, seq=5001, ack=1002)
    story.packet(3, "ACK", "FIN", back=True, seq=5001, ack=1002).packet(4, "ACK", seq=1002, ack=ack)
    story.packet(5, "ACK", back=True, seq=5001, ack=1002).packet(6, "RST", back=True, seq=5002)
    (flow,) = flows(packets(story), SERVER)
    assert ("RST" in flow.packets[-1].flags) is kept


def test_unanswered() -> None:
    target = "fd" + "00" * 14 + "09"
    question = asked("fd00::3", target, "neighbour-solicitation", True)
    answer = asked("fd00::9", target, "neighbour-advertisement", False)
    double = asked("::", target, "neighbour-solicitation", True)
    incoming = asked("fd00::4", target, "neighbour-solicitation", False)
    assert unanswered([question], at(1), at(3)) == ("fd00::9",)
    assert unanswered([question], at(3), at(4)) == ()
    assert unanswered([question, answer], at(1), at(3)) == ()
    assert unanswered([double, incoming], at(1), at(3)) == ()
    signed = asked("fd00::3", f"{target}0101{'00' * 5}07", "neighbour-solicitation", True)
    assert unanswered([signed], at(1), at(3)) == ("fd00::9",), "its own hardware address stands behind"
    arp = Story().arp(2, "who-has").arp(2.5, "who-has")
    assert unanswered(packets(arp), at(1), at(3)) == (SERVER[0],)
    assert unanswered(packets(arp.arp(2.6, "is-at")), at(1), at(3)) == ()
    own = replace(packets(Story().arp(2, "who-has"))[0], destination=CLIENT[0])
    assert unanswered([own], at(1), at(3)) == (), "it tells its own address"


ENGINE = ("127.0.0.11", 42991)
BACK = ("127.0.0.1", 36871)


def dns(time: float, words: str, remote: tuple[str, int] = ENGINE, local: tuple[str, int] = BACK) -> Packet:
    story = Story().packet(time, protocol="udp", dns=words, interface="lo", local=local, remote=remote, length=24)
    return packets(story)[0]


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (packets(Story().arp(1, "who-has"))[0], True),
        (packets(Story().arp(1, "is-at"))[0], True),
        (asked("fe80::1", "fd" + "00" * 15, "neighbour-solicitation", False), True),
        (asked("fe80::1", "fd" + "00" * 15, "neighbour-advertisement", True), True),
        (asked("fe80::1", "", "router-solicitation", True), True),
        (asked("fe80::1", "", "router-advertisement", False), True),
        (asked("::", "04", "listener-report", False), True),
        (asked("fe80::1", "", "listener-query", False), True),
        (asked("fe80::1", "", "listener-done", True), True),
        (Packet("client", at(1), "lan", True, "igmp", "10.9.0.3", "224.0.0.22"), True),
        (dns(1, "query A server"), True),
        (dns(1, "answer A server 10.9.0.2", remote=BACK, local=("127.0.0.11", 53)), True),
        (dns(1, "query A server", remote=("10.9.0.9", 53)), False),
        (dns(1, ""), False),
        (packets(Story().syn(1, remote=ENGINE))[0], False),
        (packets(Story().icmp(1, "port-unreachable"))[0], False),
        (asked("fe80::1", "", "echo-request", True), False),
    ],
)
def test_is_noise(packet: Packet, expected: bool) -> None:
    assert is_noise(packet) is expected


def test_a_neighbour_that_answers_is_noise_and_one_that_does_not_is_none() -> None:
    answered = Story().arp(1, "who-has").syn(1.1).arp(1.2, "is-at")
    assert noise(packets(answered)) == (True, False, True)
    late = answered.arp(5, "who-has").arp(1005, "who-has").arp(1006, "is-at").arp(1007, "is-at")
    assert noise(packets(late)) == (True, False, True, False, True, True, True)
    assert noise(packets(late.arp(2000, "who-has", interface="other").arp(2001, "is-at"))) == (
        *(True, False, True, False, True, True, True),
        *(False, True),
    )


def test_the_neighbours_that_others_ask_for_are_noise() -> None:
    assert noise(packets(Story().arp(1, "who-has", outgoing=False))) == (True,)
    target = "fd" + "00" * 14 + "09"
    question = asked("fd00::3", target, "neighbour-solicitation", True)
    assert noise([question, asked("fe80::9", target, "neighbour-advertisement", False)]) == (True, True)
    other = asked("fd00::8", "fd" + "00" * 14 + "08", "neighbour-advertisement", False)
    double = asked("::", target, "neighbour-solicitation", True)
    assert noise([double, question, other]) == (True, False, True)


def test_what_the_engines_dns_asks_further_is_noise() -> None:
    further, own = ("127.0.0.1", 38575), ("127.0.0.1", 40001)
    query, server = "query A nobody", ("127.0.0.1", 53)
    passed, refused = dns(2, query, server, further), packets(Story().icmp(3, "port-unreachable", interface="lo"))[0]
    refused = replace(refused, about=("udp", *further, *server))
    elsewhere = dns(4, "query A other", server, own)
    assert noise([dns(1, query), passed, refused, elsewhere]) == (True, True, True, False)
    assert noise([passed, refused, elsewhere]) == (False, False, False)
    on_lan = replace(passed, interface="lan")
    assert noise([dns(1, query), on_lan]) == (True, False)
    assert noise([dns(1, ""), dns(2, "", server, further)]) == (False, False), "what is no DNS is not asked further"


@pytest.mark.parametrize(
    ("flags", "length", "word"),
    [
        (("SYN",), 0, "SYN"),
        (("SYN", "ACK"), 0, "SYN-ACK"),
        (("ACK", "RST"), 0, "RST"),
        (("ACK", "FIN", "PSH"), 5, "FIN"),
        (("ACK", "PSH"), 5, "DATA"),
        (("ACK",), 0, "ACK"),
    ],
)
def test_label(flags: tuple[str, ...], length: int, word: str) -> None:
    (packet,) = packets(Story().packet(1, *flags, length=length))
    assert label(packet) == word


def test_dns_is_labelled_with_its_words() -> None:
    query = dns(1, "query A server")
    assert (label(query), label(replace(query, dns=""))) == ("DNS query A server", "DATA")
    assert label(replace(query, dns="", length=0)) == "UDP"
    assert describe(query) == "DNS query A server from 127.0.0.1:36871 on lo"


def test_describe() -> None:
    rst, icmp, arp = packets(Story().rst(1).icmp(2, "host-prohibited", protocol="icmp6").arp(3, "who-has"))
    assert describe(rst) == "RST from 10.9.0.2:80 on lan"
    assert describe(replace(rst, source="fd00::2")) == "RST from [fd00::2]:80 on lan"
    assert describe(icmp) == "ICMP host-prohibited from 10.9.0.2 on lan"
    assert describe(arp) == "ARP who-has from 10.9.0.3 on lan"
