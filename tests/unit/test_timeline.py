"""What happened on every host, in one order: packets that cross, are lost, go round; calls and their true ends."""

from collections.abc import Iterable
from typing import Any

import pytest
from history_samples import CLIENT, OTHER, SERVER, Story, at
from msgspec.structs import replace

from lab.history import Note, Observation, Packet, SocketRow, SocketSeen
from lab.model import Step
from lab.plan import Interface, Plan, PlannedHost, PlannedNetwork, PlannedStep
from lab.shape import made
from lab.timeline import Event, timeline

LO = {"local": ("127.0.0.1", 40000), "remote": ("127.0.0.1", 80), "interface": "lo"}


def plan_of(**hosts: dict[str, str]) -> Plan:
    """Hosts with their addresses on networks, and step 1 of `client`."""
    faces = {
        name: tuple(Interface(network=network, address=address) for network, address in attached.items())
        for name, attached in hosts.items()
    }
    step = PlannedStep(number=1, step=made(Step, {"host": "client", "call": "c.connect(('10.9.0.2', 80))"}))
    return Plan(
        scenario="s",
        file="s.yaml",
        case="c",
        title="T",
        networks=(PlannedNetwork(name="lan", subnet="10.9.0.0/29"),),
        hosts=tuple(PlannedHost(name=name, interfaces=faces[name]) for name in hosts),
        steps=(step,),
    )


PAIR = plan_of(server={"lan": SERVER[0]}, client={"lan": CLIENT[0]})


def events(story: Story, plan: Plan = PAIR) -> list[Event]:
    return list(timeline(plan, story.history).events)


def packets(story: Story, plan: Plan = PAIR) -> list[tuple[str, str, str]]:
    return [(event.host, event.to, event.words) for event in events(story, plan) if event.kind == "packet"]


def told(found: Iterable[Event]) -> list[str]:
    return [f"{event.kind} {event.words}" for event in found if event.kind != "step"]


def both(story: Story, time: float, *flags: str, back: bool = False, **fields: Any) -> Story:
    """A packet as the sender's tap and then the receiver's saw it."""
    sender, receiver = ("server", "client") if back else ("client", "server")
    story.packet(time, *flags, back=back, host=sender, **fields)
    seen = story.seen[-1]
    assert isinstance(seen, Packet)
    story.seen[-1] = replace(seen, outgoing=True)
    return story.add(replace(seen, host=receiver, time=at(time + 0.02), outgoing=False))


def test_a_packet_that_two_taps_saw_is_one_event_from_one_to_the_other() -> None:
    story = both(Story(), 1, "SYN")
    both(story, 1.1, "ACK", "RST", back=True, seq=0)
    assert packets(story) == [("client", "server", "SYN"), ("server", "client", "RST")]
    crossing = next(event for event in events(story) if event.kind == "packet")
    assert (crossing.time, crossing.arrived, len(crossing.evidence)) == (at(1), at(1.02), 2)
    assert {story.history.observations[place].host for place in crossing.evidence} == {"client", "server"}


def test_equal_packets_cross_in_their_order() -> None:
    story = both(both(Story(), 1, "SYN"), 1000, "SYN")
    crossed = [event for event in events(story) if event.kind == "packet"]
    assert [(event.time, event.arrived, event.again) for event in crossed] == [
        (at(1), at(1.02), False),
        (at(1000), at(1000.02), True),
    ]
    assert [event.words for event in crossed] == ["SYN", "SYN again"]


@pytest.mark.parametrize(("awake", "dropped", "lost"), [(True, 0, True), (True, 3, False), (False, 0, False)])
def test_only_a_tap_that_missed_nothing_proves_that_a_packet_was_lost(awake: bool, dropped: int, lost: bool) -> None:
    story = Story().syn(1)
    if awake:
        story.tap("server", dropped=dropped)
    (event,) = (event for event in events(story) if event.kind == "packet")
    assert (event.host, event.to, event.arrived, event.lost) == ("client", "server", None, lost)


def test_what_is_for_nobody_has_no_end_and_is_not_called_lost() -> None:
    story = Story().tap("server").syn(1, remote=("10.9.0.6", 80))
    (event,) = (event for event in events(story) if event.kind == "packet")
    assert (event.to, event.lost) == ("", False)


def test_what_nobody_was_seen_to_send_has_no_beginning() -> None:
    assert packets(Story().rst(1)) == [("", "client", "RST")]


def test_on_lo_a_packet_stays_on_its_host() -> None:
    assert packets(Story().syn(1, **LO)) == [("client", "client", "SYN")]


def test_a_question_for_a_name_is_told_by_what_it_asks() -> None:
    asks = Story().packet(1, protocol="udp", dns="query A server", length=30, remote=("10.9.0.2", 53))
    assert packets(asks)[0][2] == "DNS query A server"
    assert packets(Story().packet(1, protocol="udp", length=30))[0][2] == "UDP 30 bytes"


def test_a_router_stands_between_those_whom_it_joins_and_is_crossed_twice() -> None:
    plan = plan_of(
        server={"front": "10.9.1.2"}, client={"lan": CLIENT[0]}, router={"front": "10.9.1.3", "lan": "10.9.0.9"}
    )
    story = Story().syn(1, interface="lan", remote=("10.9.1.2", 80))
    first = story.seen[-1]
    assert isinstance(first, Packet)
    story.add(
        replace(first, host="router", time=at(1.01), outgoing=False),
        replace(first, host="router", time=at(1.02), interface="front", ttl=63),
        replace(first, host="server", time=at(1.03), interface="front", outgoing=False, ttl=63),
    )
    assert timeline(plan, story.history).hosts == ("server", "router", "client")
    assert packets(story, plan) == [("client", "router", "SYN"), ("router", "server", "SYN")]


def test_several_conversations_are_told_apart_by_their_own_ports() -> None:
    story = Story().syn(1).syn(2, local=OTHER)
    assert [words for _, _, words in packets(story)] == ["SYN :40000", "SYN :40002"]
    assert [words for _, _, words in packets(Story().syn(1))] == ["SYN"]


def test_a_call_and_its_end_are_one_where_nothing_came_between() -> None:
    assert told(events(Story().call(1, "listen", 5, caller="s"))) == ["call s.listen(5) = ok (1 ms)"]
    between = Story().call(1, error="ECONNREFUSED").syn(1.2).rst(1.4)
    assert told(events(between)) == [
        "call c.connect(10.9.0.2:80)",
        "packet SYN",
        "packet RST",
        "return connect = ECONNREFUSED (1 ms)",
    ]


def test_a_call_that_goes_on_has_no_end() -> None:
    assert told(events(Story().call(1, "accept", caller="s", ended=None))) == ["call s.accept()"]


def test_a_traced_call_does_not_end_before_the_packet_that_it_waited_for() -> None:
    early = Story().program(1, ended=1.1).syn(1.2)
    early.packet(1.3, "SYN", "ACK", back=True).packet(1.35, "ACK")
    assert told(events(early))[-1] == "return connect = ok"
    assert events(early)[-1].time == at(1.35)


def test_a_connect_ends_with_its_handshake_and_not_with_what_came_after_it() -> None:
    story = Story().program(1, ended=1.1).syn(1.2)
    story.packet(1.3, "SYN", "ACK", back=True).packet(1.35, "ACK").packet(1.4, "ACK", "PSH", length=5, back=True, seq=9)
    assert told(events(story))[-2:] == ["return connect = ok", "packet DATA 5 bytes"]


def test_nor_after_its_threads_next_call() -> None:
    story = Story().program(1, ended=1.1).syn(1.2).packet(1.3, "SYN", "ACK", back=True)
    story.program(1.32, "sendto", b"x", 1, ended=1.33, result=1).packet(1.4, "ACK", "PSH", length=1, seq=40001)
    words = told(events(story))
    assert words[-4:] == ["return connect = ok", "call send(b'x', 1 bytes)", "packet DATA 1 bytes", "return send = 1"]


def test_a_connect_under_way_does_not_wait_for_its_answers() -> None:
    story = Story().program(1, ended=1.1, error="EINPROGRESS").syn(1.2).syn(1001.2)
    assert told(events(story))[:3] == ["call connect(10.9.0.2:80)", "packet SYN", "return connect = EINPROGRESS"]


def test_a_named_sockets_call_ends_when_it_said() -> None:
    story = Story().call(1, ended=1.1).syn(1.2)
    assert told(events(story)) == ["call c.connect(10.9.0.2:80) = ok", "packet SYN"]


def test_calls_of_other_families_are_none_of_the_networks() -> None:
    story = Story().program(1, "socket", "AF_UNIX", "SOCK_STREAM", 0, result=3)
    story.program(3, "connect", "/run/nscd", ended=4)
    story.program(5, "socket", "AF_INET", "SOCK_STREAM", 0, result=3, caller="7.3#2")
    assert told(events(story)) == ["call socket(TCP) = ok (1 ms)"]


def test_states_are_told_when_they_change_and_queues_when_only_these_do() -> None:
    row = SocketRow("tcp", "LISTEN", ("0.0.0.0", 80), ("0.0.0.0", 0), 0, 1)
    seen: list[Observation] = [
        SocketSeen("server", at(1), 7, row),
        SocketSeen("server", at(2), 7, replace(row, recv_q=1)),
        SocketSeen("server", at(3), 7, replace(row, recv_q=1), gone=True),
    ]
    assert told(events(Story().add(*seen))) == [
        "state LISTEN :80, Recv-Q 0",
        "queues LISTEN :80, Recv-Q 1",
        "state gone :80",
    ]


def test_what_the_lens_did_not_see_is_said() -> None:
    blind = Story().add(Note("client", at(1), "trace", 1, "strace is not on this host"))
    assert told(events(blind)) == ["note calls not seen: strace is not on this host"]


def test_programs_write_and_end() -> None:
    story = Story().output(1, "Received\n  b'x'  \n").exit(2, 1)
    assert told(events(story)) == ["output stdout: b'x'", "exit exit 1"]
    assert events(story)[-1].failed
    assert told(events(Story().exit(2, 137, "case-end"))) == ["exit exit 137 (case-end)"]
    assert not events(Story().exit(2, 137, "case-end"))[-1].failed


def test_each_event_is_of_the_step_that_had_begun() -> None:
    story = Story().syn(-5).syn(1, seq=9)
    assert [(event.kind, event.step) for event in events(story)] == [("packet", -1), ("step", 1), ("packet", 1)]


def test_what_happens_while_steps_begin_at_once_is_during_the_first_which_stands_for_all() -> None:
    step, other = PAIR.steps[0], replace(PAIR.steps[0], number=2)
    plan = replace(PAIR, steps=(replace(step, group=0), replace(other, group=0), replace(step, number=3)))
    story = Story().add(Note("client", at(0.1), "step-begin", 2), Note("client", at(20), "step-begin", 3))
    found = events(story.syn(1).syn(21, seq=9), plan)
    assert [(event.kind, event.step) for event in found] == [("step", 1), ("packet", 1), ("step", 3), ("packet", 3)]
    assert found[0].headings == (f"2. {found[0].words}", f"3. {found[0].words}")
    assert len(found[0].evidence) == 2


def test_each_packet_of_a_conversation_is_told_by_the_same_port() -> None:
    story = both(both(Story(), 1, "SYN"), 2, "SYN", "ACK", back=True)
    both(story, 3, "SYN", local=OTHER, remote=(SERVER[0], 9))
    assert [words for _, _, words in packets(story)] == ["SYN :40000", "SYN-ACK :40000", "SYN :40002"]
