"""A case's transcript: what chance decides is not in it, and each fact is."""

import pytest
from msgspec.structs import asdict, replace
from saved_cases import MS, added, calls, changed, copied, dropped, later, packets, saved, told

from lab.diff import Row, compare
from lab.history import Call, Exit, History, Note, Output, Packet, SocketRow, Sockets, SocketSeen
from lab.judge import judge
from lab.transcript import Transcript, skipped, transcript

OPEN, PORT, SERVER, CLIENT = "refused-open", 45596, "10.213.73.34", "10.213.73.35"
BEGIN = 1795518365608000000
POLL = BEGIN + 2 * MS


def tcp(host: str, at: float, *flags: str, back: bool = False, port: int = PORT, **fields: object) -> Packet:
    """A packet of the client's connection, ms after the last step's begin."""
    ends = ((CLIENT, port), (SERVER, 65432))
    (source, sport), (destination, dport) = reversed(ends) if back else ends
    known = {"interface": "lan", "protocol": "tcp", "outgoing": back == (host == "server")} | fields
    return Packet(
        host,
        BEGIN + int(at * MS),
        source=source,
        sport=sport,
        destination=destination,
        dport=dport,
        flags=flags,
        **known,
    )  # type: ignore[arg-type]


def udp(host: str, at: float) -> Packet:
    return tcp(host, at, protocol="udp", length=5, port=5000)


def is_data(packet: Packet) -> bool:
    return packet.protocol == "tcp" and packet.length > 0


@pytest.mark.parametrize("name", ["refused-open", "multiconn", "no-such-host", "ethernet-router", "another-port"])
def test_it_reads_well(golden, name):
    golden(f"diffs/{name}.transcript.txt", str(told(name)))


def test_a_step_that_was_not_reached_says_so():
    plan, history = saved(OPEN)
    whole = dropped(Note, lambda note: note.step == 3 and note.what.startswith("step"))(history)
    broken = added(Note("server", BEGIN, "problem", 2, f"cannot reach {CLIENT}"))(whole)
    sections = transcript(plan, broken).sections
    assert sections[-2].lines == ("not reached",)
    assert "problem: cannot reach client.lan" in sections[-3].lines


def test_a_skipped_case_has_its_reason_only():
    plan, _ = saved(OPEN)
    told = skipped(plan, "no router here")
    assert (told.sections, told.skipped) == ((), "no router here")
    assert str(told) == "refused.open: skipped, no router here\n"


def test_a_section_has_its_steps_number_and_the_hosts_have_none():
    sections = told(OPEN).sections
    assert [section.number for section in sections] == [-1, 0, 2, 3, -1]
    assert (sections[0].heading, sections[-1].heading) == ("the hosts", "beside the steps")


def test_a_report_may_be_given():
    plan, history = saved(OPEN)
    assert transcript(plan, history, judge(plan, history)) == transcript(plan, history)
    other = judge(plan, dropped(Sockets, lambda _: True)(history))
    assert "sockets: ERROR" in lines(transcript(plan, history, other), 2)


def lines(case: Transcript, number: int) -> tuple[str, ...]:
    """Those of a step; -1: beside the steps."""
    return next(section.lines for section in reversed(case.sections) if section.number == number)


@pytest.mark.parametrize(
    ("what", "line"),
    [("trace", "calls not seen: no {}"), ("truncated", "truncated: no {}"), ("output", "output: no {}")],
)
@pytest.mark.parametrize("step", [3, -1])
def test_a_note_stands_in_its_step_or_beside_them(what, line, step):
    noted = told(OPEN, added(Note("client", BEGIN, what, step, f"no {CLIENT}")))
    found = [section.number for section in noted.sections if line.format("client.lan") in section.lines]
    assert found == [step]


def test_a_datagram_belongs_to_whoever_sent_it_else_to_the_step_of_its_time():
    sent = added(udp("client", 1))
    assert "UDP client.lan:* > server.lan:65432" in lines(told(OPEN, sent), 3)
    begun = added(udp("client", -999))
    assert "UDP client.lan:* > server.lan:65432" in lines(told(OPEN, begun), -1)
    to = {"program": True, "remote": (SERVER, 65432), "ended": BEGIN + 3 * MS // 2}
    asks = Call("client", BEGIN + 9 * MS // 10, 0, "8.9", "sendto", (b"x", 1), 1, **to)
    assert "UDP client.lan:* > server.lan:65432" in lines(told(OPEN, sent, added(asks)), 0)
    before = replace(asks, time=BEGIN - MS, ended=BEGIN, step=2)  # it is over, but strace may stamp its end too early
    assert "UDP client.lan:* > server.lan:65432" in lines(told(OPEN, sent, added(asks), added(before)), 0)
    for other in ({"time": BEGIN + 2 * MS}, {"ended": BEGIN - 99 * MS}, {"remote": (SERVER, 65433)}):
        assert "UDP client.lan:* > server.lan:65432" in lines(told(OPEN, sent, added(replace(asks, **other))), 3)


def test_a_neighbour_that_answers_a_step_later_is_not_silent():
    addresses = {"source": "10.213.210.238", "destination": "10.213.210.227", "icmp": "is-at", "outgoing": False}
    late = copied(Packet, packets("client", protocol="arp"), time=1795518376498219597, **addresses)
    silent = "client: nobody answers for lan.unused"
    assert silent in lines(told("no-such-host"), 6)
    assert silent not in lines(told("no-such-host", late), 6)


def test_nobody_waits_for_a_program_that_is_left_running():
    """Its exit, and when it answers a close, depend on who is faster."""
    plan, history = saved(OPEN)
    left = replace(plan.steps[-1], step=replace(plan.steps[-1].step, as_="later"))
    plan = replace(plan, steps=(*plan.steps[:-1], left))
    assert "exit 0" in lines(told(OPEN), 3) and "exit 0" not in lines(transcript(plan, history), 3)
    server_first = changed(
        Packet, packets(flag="FIN", sport=65432), time=lambda packet: packet.time - 6 * MS, ack=2460612583
    )(history)
    answered = changed(Packet, packets(flag="FIN", sport=PORT), ack=1186945312)(server_first)
    silent = dropped(Packet, packets(flag="FIN", sport=PORT))(server_first)
    assert transcript(plan, answered) == transcript(plan, silent)
    assert transcript(saved(OPEN)[0], answered) != transcript(saved(OPEN)[0], silent)


def test_an_empty_history_tells_of_nothing():
    plan, _ = saved(OPEN)
    assert all(section.lines == ("not reached",) for section in transcript(plan, History()).sections[1:])


BY_CHANCE = {
    "another time": later(3600),
    "another process": changed(Call, lambda call: call.program, caller=lambda call: f"9{call.caller}7"),
    "other numbers": changed(
        Packet, packets(protocol="tcp"), seq=lambda packet: packet.seq + 9, ack=lambda packet: packet.ack + 9
    ),
    "no acknowledgements": dropped(
        Packet, lambda packet: packet.flags == ("ACK",) and packet.length == 0 and packet.time > BEGIN + MS
    ),
    "an acknowledgement more": copied(Packet, packets("client", "ACK", flags=("ACK",)), time=BEGIN + 2 * MS),
    "a probe of the stream's end": copied(Packet, is_data, time=lambda packet: packet.time + 4 * MS),
    "neighbours asked for again": copied(Packet, packets(protocol="arp"), time=lambda packet: packet.time + MS),
    "a router's upkeep": added(tcp("client", 1, protocol="icmp6", icmp="router-solicitation")),
    "a late end of the server's": dropped(
        Call,
        lambda call: (
            call.host == "server" and (call.function == "close" or (call.result == 0 and "recv" in call.function))
        ),
    ),
    "a server that was ended": changed(Exit, lambda end: end.host == "server", code=143, because="case-end"),
    "a server's FIN that nobody waited for": dropped(
        Packet, lambda packet: "FIN" in packet.flags and packet.sport == 65432
    ),
    "a state of a socket": added(
        SocketSeen("client", BEGIN, 5, SocketRow("tcp", "ESTAB", (CLIENT, PORT), (SERVER, 65432), 0, 0))
    ),
    "a poll of the socket": added(
        Call("client", POLL, 3, "12.3", "recvfrom", (None, 1024), -1, "EAGAIN", "", POLL + 9, program=True)
    ),
}


@pytest.mark.parametrize("change", BY_CHANCE.values(), ids=BY_CHANCE.keys())
def test_what_chance_decides_makes_no_difference(change):
    assert told(OPEN, change) == told(OPEN)
    assert saved(OPEN)[1] != change(saved(OPEN)[1])


FACTS = {
    "an errno": (OPEN, changed(Call, calls("client", "connect"), error="ECONNREFUSED", result=-1)),
    "a missing RST": ("ethernet-other", dropped(Packet, packets("client", "RST"))),
    "an RST more": (OPEN, added(tcp("client", 2, "RST", back=True))),
    "another interface": (OPEN, changed(Packet, packets("server", protocol="tcp"), interface="lo")),
    "an extra connection": (
        OPEN,
        copied(Packet, packets(protocol="tcp", sport=PORT), sport=PORT + 2, seq=lambda packet: packet.seq + 999),
    ),
    "another exit status": (OPEN, changed(Exit, lambda end: end.host == "client", code=3)),
    "a crash of the server": (OPEN, changed(Exit, lambda end: end.host == "server", code=1)),
    "a longer text": (OPEN, changed(Output, lambda seen: b"Received" in seen.data, data=lambda seen: seen.data + b"!")),
    "a text on the other stream": (OPEN, changed(Output, lambda seen: seen.host == "client", stream="stderr")),
    "a byte more": (OPEN, changed(Packet, is_data, length=13)),
    "other data": (OPEN, changed(Call, calls("client", "sendto"), arguments=(b"Hullo, world", 12, 0, None, 0))),
    "a SYN sent again": (
        "no-such-host",
        added(
            *(
                Packet(
                    "client",
                    1795518373430000000 + at * 1000 * MS,
                    "lan",
                    True,
                    "tcp",
                    "10.213.210.227",
                    "10.213.210.238",
                    45366,
                    65432,
                    ("SYN",),
                    7,
                )
                for at in range(2)
            )
        ),
    ),
    "nobody closed": (OPEN, dropped(Packet, packets("client", "FIN"))),
    "an address that answers": (
        "no-such-host",
        copied(
            Packet,
            packets("client", protocol="arp"),
            icmp="is-at",
            outgoing=False,
            source="10.213.210.238",
            destination="10.213.210.227",
        ),
    ),
    "another backlog": (
        OPEN,
        changed(
            Sockets,
            lambda _: True,
            rows=lambda table: tuple(SocketRow(**asdict(row) | {"send_q": 5}) for row in table.rows),
        ),
    ),
    "a listener": (
        OPEN,
        added(SocketSeen("client", BEGIN, 5, SocketRow("tcp", "LISTEN", ("::", 80), ("::", 0), 0, 1))),
    ),
    "calls that were not seen": (OPEN, added(Note("client", BEGIN, "trace", 3, "no strace"))),
    "a verdict": (OPEN, dropped(Sockets, lambda table: table.step == 2)),
    "a socket that stays open": (OPEN, dropped(Call, calls("client", "close"))),
}


def differing(one: Transcript, other: Transcript) -> list[Row]:
    parts = compare(one, other).parts
    return [row for part in parts for row in part.rows if row.kind not in ("same", "perhaps")]


@pytest.mark.parametrize(("name", "change"), FACTS.values(), ids=FACTS.keys())
def test_each_fact_is_seen(name, change):
    rows = differing(told(name), told(name, change))
    assert 0 < len(rows) <= 12, rows


def test_a_lost_datagram_is_seen():
    sent = added(*(udp("client", at) for at in (1, 2)))
    both, one = (told(OPEN, sent, added(*(udp("server", at) for at in came))) for came in ((1, 2), (1,)))
    (row,) = differing(both, one)
    assert (row.left, row.right) == ("  server on lan: > 2 x UDP 5 bytes", "  server on lan: > UDP 5 bytes")


def test_data_that_was_lost_and_sent_again_is_no_probe():
    longer = changed(
        Note, lambda note: (note.what, note.step) == ("step-end", 3), time=lambda note: note.time + 999 * MS
    )
    soon, late = (copied(Packet, is_data, time=lambda packet, by=by: packet.time + by * MS) for by in (4, 204))
    assert told(OPEN, longer, soon) == told(OPEN, longer)
    rows = differing(told(OPEN, longer), told(OPEN, longer, late))
    assert len(rows) == 2 and all("> DATA again, < DATA 12 bytes, < DATA again" in str(row.right) for row in rows)


def test_pieces_of_a_stream_are_one_line():
    """However often it is cut, and in whatever order connections come."""
    difference = compare(told("multiconn"), told("multiconn-again"))
    kinds = [row.kind for part in difference.parts for row in part.rows if row.kind != "same"]
    assert (difference.differing, kinds) == (0, ["perhaps"])


def test_what_a_deadline_cuts_short_makes_no_difference():
    """A SYN is sent again after a second: whether anybody still looks then, though nobody waits any more."""
    again = copied(Packet, packets(flag="SYN"), time=lambda packet: packet.time + 600 * MS)
    assert told("another-port", again) == told("another-port")


def test_an_answer_that_is_sent_again_after_the_connect_is_seen():
    longer = changed(
        Note, lambda note: (note.what, note.step) == ("step-end", 3), time=lambda note: note.time + 2999 * MS
    )
    again = copied(
        Packet,
        lambda packet: {"SYN", "ACK"} <= set(packet.flags),
        time=lambda packet: packet.time + 1000 * MS,
    )
    rows = differing(told(OPEN, longer), told(OPEN, longer, again))
    assert len(rows) == 2 and all("< SYN-ACK again" in str(row.right) for row in rows)


def test_listeners_have_an_order():
    rows = [SocketRow("tcp", "LISTEN", ("::", port), ("::", 0), 0, 1) for port in range(80, 90)]
    seen = (SocketSeen("client", BEGIN, number, row) for number, row in enumerate(rows))
    lines = [line for line in told(OPEN, added(*seen)).sections[-1].lines if line.startswith("client: tcp LISTEN")]
    assert lines == [f"client: tcp LISTEN [::]:{port}, backlog 1" for port in range(80, 90)]
