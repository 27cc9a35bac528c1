"""What the caller saw and what the wire showed, put together: every outcome, and every way not to know it."""

import time

import pytest
from history_samples import CLIENT, OTHER, SERVER, Story, at
from msgspec.structs import replace

from lab.attempts import attempts, packets_of
from lab.history import Call, History, Packet
from lab.netcalls import of_networks


def outcome(story: Story) -> tuple[str, str]:
    (attempt,) = attempts(story.history, story.step)
    return attempt.outcome, attempt.why


@pytest.mark.parametrize(
    ("story", "expected", "why"),
    [
        (Story().call(1).handshake(1.1), "accepted", "SYN, SYN-ACK, ACK on lan"),
        # a link may hold the last packet of the handshake back
        (
            Story().call(1).syn(1.1).packet(1.2, "SYN", "ACK", back=True).packet(30, "ACK"),
            "accepted",
            "SYN, SYN-ACK, ACK on lan",
        ),
        (
            Story().call(1, error="ECONNREFUSED").syn(1.1).rst(1.2),
            "refused",
            "RST from 10.9.0.2:80 on lan",
        ),
        (
            Story().call(1, error="ECONNREFUSED", ended=1020).syn(1.1).icmp(1.2, "port-unreachable"),
            "refused",
            "ICMP port-unreachable from 10.9.0.2 on lan",
        ),
        # one's own firewall answers on lo, and nothing leaves the host
        (Story().call(1, error="ECONNREFUSED").rst(1.2, interface="lo"), "refused", "RST from 10.9.0.2:80 on lo"),
        (
            Story()
            .call(1)
            .handshake(1.1)
            .call(3, "sendall")
            .call(5, "recv", error="ECONNRESET")
            .packet(3.1, "ACK", "PSH", length=5)
            .rst(3.2),
            "reset",
            "RST from 10.9.0.2:80 on lan after the handshake",
        ),
        (Story().call(1, error="TIMEOUT", ended=301).syn(1.1), "timed-out", "1 SYN, then silence"),
        (Story().call(1, "connect_ex", result=11, ended=301).syn(1.1), "timed-out", "1 SYN, then silence"),
        # what comes after its own deadline, the caller did not wait for
        (
            Story().call(1, error="TIMEOUT", ended=301).syn(1.1).packet(600, "SYN", "ACK", back=True),
            "timed-out",
            "1 SYN, then silence",
        ),
        (
            Story().call(1, error="ETIMEDOUT", ended=3070).syn(1.1).syn(1001).syn(2001),
            "timed-out",
            "3 SYNs, then silence",
        ),
        (
            Story().call(1, error="EHOSTUNREACH", ended=1020).syn(1.1).icmp(1.2, "host-unreachable"),
            "unreachable",
            "ICMP host-unreachable from 10.9.0.2 on lan",
        ),
        (
            Story().call(1, error="EHOSTUNREACH").syn(1.1).icmp(1.2, "admin-prohibited"),
            "prohibited",
            "ICMP admin-prohibited from 10.9.0.2 on lan",
        ),
        (
            Story().call(1, error="EACCES").syn(1.1).icmp(1.2, "admin-prohibited", protocol="icmp6"),
            "prohibited",
            "ICMP admin-prohibited from 10.9.0.2 on lan",
        ),
        (
            Story().call(1, error="ENOPROTOOPT").syn(1.1).icmp(1.2, "proto-unreachable"),
            "unreachable",
            "ICMP proto-unreachable from 10.9.0.2 on lan",
        ),
        (Story().call(1, error="ENETUNREACH"), "unreachable", "nothing was sent"),
        (Story().call(1, error="EACCES"), "prohibited", "nothing was sent"),
        (
            Story().call(1, error="EHOSTUNREACH", ended=3060).arp(1.1, "who-has").arp(1001, "who-has"),
            "unreachable",
            "nobody answered for 10.9.0.2",
        ),
        (Story().call(1, error="EADDRNOTAVAIL"), "failed", "EADDRNOTAVAIL"),
        (Story().call(1, error="OverflowError"), "failed", "OverflowError"),
        (Story().call(1, "connect_ex", result=106), "failed", "EISCONN"),
    ],
)
def test_both_sides_tell_the_same(story: Story, expected: str, why: str) -> None:
    assert outcome(story) == (expected, why)


@pytest.mark.parametrize(
    ("story", "why"),
    [
        (Story().call(1), "none of its packets"),
        (Story().call(1).syn(1.1), "no SYN-ACK"),
        (Story().call(1).syn(1.1).packet(1.2, "SYN", "ACK", back=True), "no ACK"),
        (Story().call(1).syn(1.1).rst(1.2), "RST from"),
        (Story().call(1, error="ECONNREFUSED"), "neither RST nor ICMP"),
        (Story().call(1, error="ECONNREFUSED").syn(1.1), "neither RST nor ICMP"),
        (Story().call(1, error="ECONNREFUSED").handshake(1.1), "a SYN-ACK"),
        (Story().call(1, error="ECONNREFUSED").syn(1.1).icmp(1.2, "host-unreachable"), "neither RST nor ICMP"),
        (Story().call(1).handshake(1.1).call(3, "recv", error="ECONNRESET"), "no RST"),
        (Story().call(1).syn(1.01).rst(1.05).handshake(1.1).call(3, "recv", error="ECONNRESET"), "no RST after"),
        (Story().call(1, error="TIMEOUT", ended=301), "no SYN was seen to leave"),
        (Story().call(1, error="TIMEOUT", ended=301).arp(2, "who-has"), "nobody answered for 10.9.0.2"),
        (Story(awake=False).call(1, error="TIMEOUT", ended=301).syn(1.1), "not awake"),
        (Story(awake=False).tap("client", until=200).call(1, error="TIMEOUT", ended=301).syn(1.1), "not awake"),
        (Story(awake=False).tap("client", dropped=1).call(1, error="TIMEOUT", ended=301).syn(1.1), "not awake"),
        (Story().call(1, error="ETIMEDOUT", ended=3070).syn(1.1), "only once"),
        (
            Story().call(1, error="TIMEOUT", ended=301).syn(1.1).packet(1.2, "SYN", "ACK", back=True),
            "saw SYN-ACK from",
        ),
        (Story().call(1, error="EHOSTUNREACH").syn(1.1), "no ICMP"),
        (Story().call(1, error="EHOSTUNREACH").syn(1.1).icmp(1.2, "port-unreachable"), "port-unreachable"),
        (Story(awake=False).call(1, error="ENETUNREACH"), "not awake to see why"),
        (Story().call(1, ended=None).syn(1.1), "still pending"),
        (Story().call(1, "connect_ex", result=115).handshake(1.1), "still under way"),
    ],
)
def test_what_disagrees_or_cannot_be_told_is_unknown(story: Story, why: str) -> None:
    observed = outcome(story)
    assert observed[0] == "unknown"
    assert why in observed[1]


def under_way(story: Story | None = None) -> Story:
    return (story or Story()).program(0.5, "socket", "AF_INET", "SOCK_STREAM").program(1, error="EINPROGRESS")


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        (under_way().program(3, "getsockopt", "SOL_SOCKET", "SO_ERROR", result=0).handshake(1.1), "accepted"),
        (
            under_way().program(3, "getsockopt", "SOL_SOCKET", "SO_ERROR", result="ECONNREFUSED").syn(1.1).rst(1.2),
            "refused",
        ),
        (under_way().program(3, "sendto", b"x", result=1).handshake(1.1), "accepted"),
        (under_way().program(3, "recvfrom", error="EAGAIN").exit(9).syn(1.1), "timed-out"),
        (under_way().program(3, "recvfrom", error="ECONNREFUSED").syn(1.1).rst(1.2), "refused"),
        (under_way().program(3, error="EISCONN").handshake(1.1), "accepted"),
        (under_way().program(3, error="EALREADY").program(5).handshake(1.1), "accepted"),
        # its own deadline: nothing follows, and the process ends or uses the number for another socket
        (under_way().syn(1.1).exit(320), "timed-out"),
        (under_way().syn(1.1).program(305, "socket", caller="7.3#2"), "timed-out"),
        (under_way().handshake(1.1).exit(320), "unknown"),
        (under_way().syn(1.1), "unknown"),
    ],
)
def test_a_connect_that_goes_on_is_completed_by_what_follows(story: Story, expected: str) -> None:
    assert outcome(story)[0] == expected


def test_the_own_deadline_of_a_program_ends_when_it_does_something_else() -> None:
    (attempt,) = attempts(under_way().syn(1.1).exit(320).history, 1)
    assert (attempt.error, attempt.ended) == ("TIMEOUT", at(320))


@pytest.mark.parametrize(
    "made",
    [("AF_INET", "SOCK_DGRAM|SOCK_CLOEXEC", "IPPROTO_IP"), ("AF_UNIX", "SOCK_STREAM", 0), ("AF_NETLINK", "SOCK_RAW")],
)
def test_what_is_no_stream_of_ip_makes_no_attempt(made: tuple[str, ...]) -> None:
    story = Story().program(1, "socket", *made).program(2, remote=("10.9.0.2", 53))
    assert attempts(story.history, 1) == ()


def test_a_named_datagram_socket_makes_no_attempt() -> None:
    story = Story().call(1, "socket", {"constant": "AF_INET"}, {"constant": "SOCK_DGRAM"}).call(2)
    assert attempts(story.history, 1) == ()


def test_packets_are_joined_by_time_where_the_port_is_not_known_in_the_order_of_beginnings() -> None:
    story = Story().program(1).program(2, caller="7.4", error="ECONNREFUSED")
    story.handshake(1.1).syn(2.1, local=OTHER).rst(2.2, local=OTHER)
    first, second = attempts(story.history, 1)
    assert (first.outcome, first.local) == ("accepted", CLIENT)
    assert (second.outcome, second.local) == ("refused", OTHER)
    assert {packet.sport for packet in first.packets} == {CLIENT[1], SERVER[1]}
    assert len(first.packets) == 3


def test_two_at_the_same_time_have_the_flow_that_agrees() -> None:
    story = Story().program(1, error="ECONNREFUSED", ended=3).program(1.1, caller="7.4", ended=3)
    story.handshake(1.2).syn(1.3, local=OTHER).rst(1.4, local=OTHER)
    refused, accepted = attempts(story.history, 1)
    assert (refused.outcome, refused.local) == ("refused", OTHER)
    assert (accepted.outcome, accepted.local) == ("accepted", CLIENT)


def test_a_flow_that_no_try_agrees_with_is_not_passed_over() -> None:
    story = Story().program(1, error="ENETUNREACH").handshake(1.1)
    assert outcome(story)[0] == "unknown"


def test_the_known_port_decides() -> None:
    story = Story().call(1, local=OTHER).handshake(1.1).handshake(1.2, local=OTHER)
    (attempt,) = attempts(story.history, 1)
    assert attempt.local == OTHER
    assert {packet.seq for packet in attempt.packets} == {OTHER[1]}


def from_elsewhere(story: Story) -> Story:
    """What was told so far, as the far end's tap or a router's sees it: it comes in."""
    story.seen = [replace(it, outgoing=not it.outgoing) if isinstance(it, Packet) else it for it in story.seen]
    return story


@pytest.mark.parametrize("told", [CLIENT[1], None])
def test_what_another_host_began_with_the_same_port_is_not_its_own(told: int | None) -> None:
    story = from_elsewhere(Story(host="server").syn(1.05).rst(1.06))
    here = (SERVER[0], CLIENT[1])
    story.call(1, error="ECONNREFUSED", local=told and (SERVER[0], told))
    story.syn(1.1, local=here, interface="lo", seq=7).rst(1.2, local=here, interface="lo")
    (attempt,) = attempts(story.history, 1)
    assert (attempt.outcome, attempt.local, len(attempt.packets)) == ("refused", here, 2)


@pytest.mark.parametrize("local", [CLIENT, ("0.0.0.0", CLIENT[1])])
def test_what_came_in_is_no_proof_that_anything_left(local: tuple[str, int]) -> None:
    story = from_elsewhere(Story().handshake(1.05)).call(1, local=local)
    assert outcome(story) == ("unknown", "the call succeeded, but the tap saw none of its packets")


def test_of_two_own_addresses_with_the_same_port_each_has_its_flow() -> None:
    other = ("10.9.1.3", CLIENT[1])
    story = Story().call(1, local=CLIENT).call(1.01, caller="d", local=other)
    story.handshake(1.2, local=other, seq=7).handshake(1.3)
    assert [one.packets[0].source for one in attempts(story.history, 1)] == [CLIENT[0], other[0]]


def test_syns_sent_again_belong_and_a_new_connection_of_the_same_ports_does_not() -> None:
    story = Story().call(1, error="TIMEOUT", ended=1900).syn(1.1).syn(1001).handshake(3000, seq=7)
    (attempt,) = attempts(story.history, 1)
    assert (attempt.outcome, len(attempt.packets)) == ("timed-out", 2)


def test_what_is_sent_again_after_the_caller_gave_up_is_no_part_of_it() -> None:
    story = Story().call(1, error="TIMEOUT", ended=501).syn(1.1).syn(1.2, host="server")
    story.syn(1001).syn(1001.1, host="server").syn(2001)
    (attempt,) = attempts(story.history, 1)
    assert (attempt.outcome, len(attempt.packets)) == ("timed-out", 1)
    assert len(packets_of([attempt], story.history, "server")[0]) == 1


@pytest.mark.parametrize(
    ("error", "word", "expected"),
    [("ECONNREFUSED", "port-unreachable", "refused"), ("EHOSTUNREACH", "host-unreachable", "unreachable")],
)
def test_what_is_sent_again_after_the_caller_heard_of_an_icmp_error_is_no_part_of_it(
    error: str, word: str, expected: str
) -> None:
    story = Story().call(1, error=error).syn(1.1).icmp(1.2, word).syn(1001).icmp(1001.1, word)
    (attempt,) = attempts(story.history, 1)
    assert (attempt.outcome, len(attempt.packets)) == (expected, 2)


def test_other_steps_and_hosts_have_their_own() -> None:
    story = Story().call(1).handshake(1.1).call(50, step=2, caller="d", error="ECONNREFUSED")
    story.syn(50.1, local=OTHER).rst(50.2, local=OTHER)
    assert [one.outcome for one in attempts(story.history, 1)] == ["accepted"]
    assert [one.outcome for one in attempts(story.history, 2)] == ["refused"]


def test_a_later_step_that_learns_the_end_has_the_attempt_too() -> None:
    story = Story().call(1, "connect_ex", result=115).handshake(1.1)
    story.call(100, "getsockopt", {"constant": "SOL_SOCKET"}, {"constant": "SO_ERROR"}, result=0, step=2)
    assert [one.outcome for one in attempts(story.history, 1)] == ["unknown"]
    assert [one.outcome for one in attempts(story.history, 2)] == ["accepted"]


def test_a_reset_in_a_later_step_leaves_the_connect_accepted() -> None:
    story = Story().call(1).handshake(1.1).rst(50).call(60, "recv", 10, error="ECONNRESET", step=2)
    assert [one.outcome for one in attempts(story.history, 1)] == ["accepted"]
    assert [one.outcome for one in attempts(story.history, 2)] == ["reset"]


def test_what_is_received_is_no_part_of_the_attempt() -> None:
    story = Story().program(1).handshake(1.1).program(3, "recvfrom", result=4)
    (attempt,) = attempts(story.history, 1)
    assert (attempt.outcome, attempt.ended, len(attempt.calls)) == ("accepted", at(2), 1)


def test_bytes_received_before_the_reset_make_it_no_reset_of_the_attempt() -> None:
    story = Story().program(1).handshake(1.1).rst(5)
    story.program(3, "recvfrom", result=4).program(6, "recvfrom", error="ECONNRESET")
    assert outcome(story)[0] == "accepted"


def test_as_of_a_time_nothing_later_is_known() -> None:
    story = Story().call(1, error="ECONNREFUSED", ended=1020).syn(1.1).icmp(1.2, "port-unreachable").syn(1001).rst(1002)
    (early,) = attempts(story.history, 1, at(500))
    (late,) = attempts(story.history, 1)
    assert (early.outcome, len(early.packets)) == ("unknown", 2)
    assert (late.outcome, len(late.packets)) == ("refused", 4)


def test_a_connect_to_everywhere_is_one_to_loopback() -> None:
    ends = {"local": ("127.0.0.1", 40000), "remote": ("127.0.0.1", 80), "interface": "lo"}
    story = Story().call(1, remote=("0.0.0.0", 80)).handshake(1.1, **ends)
    assert outcome(story) == ("accepted", "SYN, SYN-ACK, ACK on lo")


def test_a_connect_to_a_name_goes_where_the_port_is() -> None:
    story = Story().call(1, remote=("server", 80)).handshake(1.1)
    assert outcome(story)[0] == "accepted"


def test_packets_of_another_host() -> None:
    story = Story().call(1).handshake(1.1).handshake(1.15, host="server", ttl=63).syn(0.5, host="server", local=OTHER)
    (attempt,) = attempts(story.history, 1)
    seen = packets_of([attempt], story.history, "server")[0]
    assert [packet.ttl for packet in seen] == [63, 63, 63]
    assert packets_of([attempt], story.history, "client")[0] == attempt.packets
    assert packets_of([attempt], story.history, "nobody") == [()]


def test_packets_of_another_connection_of_the_same_ports_are_not_its_own() -> None:
    story = Story().call(1, error="ECONNREFUSED").syn(1.1).rst(1.2).syn(1.11, host="server")
    story.handshake(400, seq=7).handshake(400, seq=7, host="server")
    (attempt,) = attempts(story.history, 1)
    assert len(packets_of([attempt], story.history, "server")[0]) == 1


def test_packets_of_another_host_where_the_port_is_unknown_are_all_to_the_target() -> None:
    story = Story().program(1, error="TIMEOUT", ended=301).syn(2, host="server")
    (attempt,) = attempts(story.history, 1)
    assert attempt.local is None
    assert len(packets_of([attempt], story.history, "server")[0]) == 1


def test_many_packets_take_no_time() -> None:
    story = Story().call(1).handshake(1.1)
    flood = [Packet("client", at(2) + n, "lan", True, "tcp", "10.9.0.3", "10.9.0.9", 5, 6) for n in range(20_000)]
    history = History.of([*story.seen, *flood])
    assert [one.outcome for one in attempts(history, 1)] == ["accepted"]


def test_eight_times_as_many_tries_are_no_sixty_four_times_the_work() -> None:
    def seconds(count: int) -> float:
        story = Story(step=2)
        for number in range(count):
            own, later = f"7.{number}", number / count
            story.program(later, "socket", "AF_INET", "SOCK_STREAM", "IPPROTO_TCP", caller=own)
            story.program(1 + later, caller=own, error="EINPROGRESS")
            story.handshake(1.1 + later, local=("10.9.0.3", 10_000 + number))
            story.program(2 + later, "getsockopt", 1, 4, caller=own, result=0)
            story.program(2 + later, "accept4", step=1, host="server", result=1000 + number)
            story.program(4 + later, "recv", caller=f"7.{1000 + number}", step=1, host="server")
        took = []
        for _ in range(3):
            begun = time.process_time()
            assert {one.outcome for one in attempts(story.history, 2)} == {"accepted"}
            assert len(of_networks(story.history)) == len(list(story.history.all(Call)))
            took.append(time.process_time() - begun)
        return min(took)

    assert seconds(2400) < 20 * seconds(300)
