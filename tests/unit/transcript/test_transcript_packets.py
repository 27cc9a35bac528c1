"""What went over the wires, whatever scheduling made of it."""

import pytest
from history_samples import CLIENT, SERVER, Story, at

from lab.transcript.names import Names
from lab.transcript.packets import block, talks

NAMES = Names({"10.9.0.3": "client.lan", "10.9.0.2": "server.lan"}, frozenset({40000}))
ACK, FIN, PUSH = ("ACK",), ("ACK", "FIN"), ("ACK", "PSH")


def told(story: Story, late: bool = False, given_up: float = 9999) -> list[str]:
    """The lines of all talks."""
    found = talks(story.history, at(9999))
    return [line for talk in found for line in block(talk, NAMES, lambda _: late, at(given_up))]


def opened() -> Story:
    """A connection whose client counts from 1001, and its server from 5001."""
    story = Story().packet(0, "SYN", seq=1000).packet(1, "SYN", "ACK", back=True, seq=5000, ack=1001)
    return story.packet(2, *ACK, seq=1001, ack=5001)


def labels(story: Story, **more: object) -> str:
    return told(story, **more)[1].partition(": ")[2]  # type: ignore[arg-type]


def test_a_talk_is_told_by_each_tap():
    story = Story().handshake(0).handshake(0.05, host="server").syn(3, interface="lo", host="router")
    assert told(story) == [
        "connection client.lan:* > server.lan:80",
        "client on lan: > SYN, < SYN-ACK, > ACK",
        "router on lo: > SYN",
        "server on lan: > SYN, < SYN-ACK, > ACK",
    ]


def test_data_is_summed_up_without_what_was_sent_twice():
    whole = (
        opened()
        .packet(3, *PUSH, seq=1001, ack=5001, length=9)
        .packet(4, *PUSH, back=True, seq=5001, ack=1010, length=9)
    )
    cut = (
        opened().packet(3, *ACK, seq=1001, ack=5001, length=4).packet(4, *PUSH, back=True, seq=5001, ack=1005, length=9)
    )
    cut.packet(5, *PUSH, seq=1005, ack=5010, length=5).packet(9, *PUSH, seq=1005, ack=5010, length=5)
    assert labels(whole) == labels(cut) == "> SYN, < SYN-ACK, > ACK, > DATA 9 bytes, < DATA 9 bytes"


def test_a_hole_that_is_filled_was_a_loss():
    lost = (
        opened()
        .packet(3, *ACK, seq=1001, length=4)
        .packet(4, *ACK, seq=1005, length=4)
        .packet(5, *ACK, seq=1001, length=4)
    )
    assert labels(lost).endswith("> DATA 8 bytes, > DATA again")


def test_what_came_in_another_order_was_no_loss():
    story = opened().packet(3, *ACK, seq=1005, length=4).packet(3.1, *ACK, seq=1001, length=4)
    assert labels(story).endswith("> ACK, > DATA 8 bytes")


def test_a_probe_that_goes_on_is_a_loss():
    story = opened().packet(3, *PUSH, seq=1001, length=4).packet(63, *PUSH, seq=1001, length=4)
    assert labels(story).endswith("> ACK, > DATA 4 bytes")
    assert labels(story.packet(123, *PUSH, seq=1001, length=4)).endswith("> DATA 4 bytes, > DATA again")


def test_the_handshake_ends_with_the_callers_next_packet():
    assert labels(opened().packet(1.5, *PUSH, back=True, seq=5001, length=4)).startswith("> SYN, < SYN-ACK, > ACK,")
    piggyback = Story().packet(0, "SYN", seq=1000).packet(1, "SYN", "ACK", back=True, seq=5000, ack=1001)
    assert labels(piggyback.packet(2, *PUSH, seq=1001, length=4)) == "> SYN, < SYN-ACK, > DATA 4 bytes"
    assert labels(Story().packet(1, *ACK, seq=1001, ack=5001)) == ""


def test_who_closed_first_is_told_and_a_late_answer_is_not():
    client = opened().packet(3, *FIN, seq=1001, ack=5001).packet(4, *FIN, back=True, seq=5001, ack=1002)
    server = opened().packet(3, *FIN, back=True, seq=5001, ack=1001).packet(4, *FIN, seq=1001, ack=5002)
    crossed = opened().packet(3, *FIN, back=True, seq=5001, ack=1001).packet(3.1, *FIN, seq=1001, ack=5001)
    assert [labels(story)[25:] for story in (client, server, crossed)] == [
        "> FIN, < FIN",
        "< FIN, > FIN",
        "> FIN, < FIN",
    ]
    assert [labels(story, late=True)[25:] for story in (client, server)] == ["> FIN", "< FIN"]


def test_a_fin_may_carry_data_and_resets_are_told_once():
    story = opened().packet(3, *FIN, seq=1001, ack=5001, length=5)
    for time in (4, 5):
        story.packet(time, "RST", back=True, seq=5001)
    assert labels(story)[25:] == "> DATA 5 bytes, > FIN, < RST"
    assert labels(story.packet(6, "RST", seq=1007))[25:] == "> DATA 5 bytes, > FIN, > RST, < RST"


def test_a_reset_after_all_was_said_is_not_told():
    closed = opened().packet(3, *FIN, seq=1001, ack=5001).packet(4, *FIN, back=True, seq=5001, ack=1002)
    assert labels(closed.packet(5, "RST", back=True, seq=5002))[25:] == "> FIN, < FIN, < RST"
    over = opened().packet(3, *FIN, seq=1001, ack=5001).packet(4, *FIN, back=True, seq=5001, ack=1002)
    over.packet(4.5, *ACK, seq=1002, ack=5002).packet(5, "RST", back=True, seq=5002)
    assert labels(over)[25:] == "> FIN, < FIN"


@pytest.mark.parametrize(("ack", "observed"), [(1007, "> FIN"), (1006, "> FIN, < FIN")])
def test_a_late_answer_knows_of_the_fin_and_not_of_its_data_alone(ack, observed):
    story = opened().packet(3, *FIN, seq=1001, ack=5001, length=5).packet(4, *FIN, back=True, seq=5001, ack=ack)
    assert labels(story, late=True)[25:] == f"> DATA 5 bytes, {observed}"


@pytest.mark.parametrize(("given_up", "observed"), [(9999, "> SYN, > SYN again"), (500, "> SYN")])
def test_a_syn_is_sent_again_however_often_while_somebody_waits(given_up, observed):
    story = Story()
    for time in (0, 1000, 2000, 3000):
        story.syn(time)
    assert labels(story, given_up=given_up) == observed
    assert labels(Story().syn(0).syn(510), given_up=500) == "> SYN, > SYN again", "taps are late"
    assert labels(Story().syn(0).icmp(1001, "port-unreachable"), given_up=500) == "> SYN, < ICMP port-unreachable"


def test_an_icmp_error_belongs_to_the_talk_that_it_is_about():
    story = Story().syn(0).icmp(1, "port-unreachable").syn(1000).icmp(1001, "host-unreachable", source="10.9.0.9")
    assert labels(story) == "> SYN, < ICMP port-unreachable, > SYN again, < ICMP host-unreachable from 10.9.0.9"


def test_the_same_ends_may_talk_twice():
    story = Story().packet(0, "SYN", seq=1).rst(1).packet(2, "SYN", seq=7).rst(3)
    assert [line for line in told(story) if "on lan" in line] == ["client on lan: > SYN, < RST"] * 2


def test_datagrams_pings_and_names():
    story = Story()
    for time in range(3):
        story.packet(time, protocol="udp", length=5)
    story.packet(4, protocol="udp", length=7, back=True).icmp(5, "port-unreachable")
    ends = {"local": (CLIENT[0], 0), "remote": (SERVER[0], 0)}
    story.packet(6, protocol="icmp", icmp="echo-request", **ends).packet(
        7, protocol="icmp", icmp="echo-reply", back=True, **ends
    )
    story.packet(8, protocol="udp", dns="query A server", remote=("127.0.0.11", 53), interface="lo")
    lines = told(story)
    assert lines[:2] == ["UDP client.lan:* > server.lan:80", "client on lan: > 3 x UDP 5 bytes, < UDP 7 bytes"]
    assert lines[-4:] == [
        "ICMP client.lan > server.lan",
        "client on lan: > ICMP echo-request, < ICMP echo-reply",
        "UDP client.lan:* > 127.0.0.11:53",
        "client on lo: > DNS query A server",
    ]


def test_upkeep_is_left_out():
    story = Story().arp(0, "who-has").packet(1, protocol="igmp").packet(2, protocol="ethertype-88cc")
    story.packet(3, protocol="icmp6", icmp="listener-report").packet(4, protocol="udp", remote=("224.0.0.251", 5353))
    assert told(story) == []
