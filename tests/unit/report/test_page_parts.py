"""What a page is put together of: saved cases, their comparison, the sockets' lives, the fields, the drawn hosts."""

from pathlib import Path

import pytest
from msgspec.structs import asdict, replace
from report_samples import START, plan

from lab.history import Call, History, Output, Packet, SocketRow, Sockets, SocketSeen
from lab.judge import skipped
from lab.plan import Interface, Plan, PlannedHost, PlannedNetwork
from lab.report import compare, topology
from lab.report.fields import fields
from lab.report.lives import at, lives
from lab.report.printed import printed
from lab.report.saved import Told, told
from lab.runs import new_run
from lab.timeline import Event

HISTORIES = Path(__file__).parents[2] / "golden" / "histories"
LISTEN = SocketRow("tcp", "LISTEN", ("0.0.0.0", 80), ("0.0.0.0", 0), 0, 5)
ESTAB = SocketRow("tcp", "ESTAB", ("10.1.2.3", 80), ("10.1.2.4", 40000), 0, 0)


def case(name: str, **changes: object) -> Told:
    made = replace(plan(name), **changes)
    return Told(name, made, History(), skipped(made, "why not"))


def test_a_case_that_was_run_again_is_told_apart_and_a_skipped_one_has_its_reason(tmp_path: Path) -> None:
    with new_run(tmp_path) as run:
        again = replace(plan("a"), steps=())
        folders = [run.save(again, History()), run.save(again, History()), run.skip(plan("b"), "no IPv6")]
        found = told(folders)
    assert [each.name for each in found] == ["a", "a (2)", "b"]
    assert found[2].report.skipped == "no IPv6"


def lines(*cases: Told) -> dict[str, compare.Line]:
    return {line.head: line for line in compare.lines(cases)}


def test_what_is_not_like_most_others_is_marked() -> None:
    found = lines(*(case(str(port), parameters={"port": port, "same": "x"}) for port in (80, 80, 81)))
    assert [cell.differs for cell in found["port"].cells] == [False, False, True]
    assert not found["port"].alike and found["same"].alike


def test_where_there_is_no_majority_all_is_marked_and_what_is_missing_differs() -> None:
    found = lines(case("a", parameters={"port": 80}), case("b", parameters={}))
    assert [(cell.text, cell.differs) for cell in found["port"].cells] == [("80", True), ("-", True)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("refused in 0.23 ms: RST from 10.213.0.2:65432 on lan", "refused in 1.01 s: RST from 10.213.0.2:65432 on lan"),
        ("peer 10.213.0.3:40000", "peer 10.213.0.3:51234"),
    ],
)
def test_times_and_chosen_ports_are_no_difference(one: str, other: str) -> None:
    know = compare._Comparable(plan())
    assert know(one) == know(other)


def test_addresses_are_the_same_where_they_are_the_same_host_s() -> None:
    here, there = compare._Comparable(plan()), compare._Comparable(_elsewhere())
    assert here("RST from 10.213.0.2:80") == there("RST from 10.213.0.18:80")
    assert here("RST from 10.213.0.3:80") != there("RST from 10.213.0.18:80")
    assert here("to 10.213.0.6") == there("to 10.213.0.22"), "addresses that nobody has"
    assert here("to 192.0.2.1") == "to 192.0.2.1" and here("port 80") != here("port 81")
    assert here("9:99:999:9999 and 1.2.3") == "9:99:999:9999 and 1.2.3"


def _elsewhere() -> Plan:
    faces = {"server": "10.213.0.18", "client": "10.213.0.19"}
    hosts = (
        PlannedHost(name=name, interfaces=(Interface(network="lan", address=text),)) for name, text in faces.items()
    )
    network = PlannedNetwork(name="lan", subnet="10.213.0.16/29")
    return replace(plan(), hosts=tuple(hosts), networks=(network,))


def test_nested_parameters_are_told_in_words() -> None:
    found = lines(case("a", parameters={"sees": {"connect": "refused", "packets": {"> SYN": 1}}, "none": []}))
    assert found["sees"].cells[0].text == "connect refused, packets > SYN 1"
    assert found["none"].cells[0].text == "none"


def test_a_watched_socket_lives_from_change_to_change() -> None:
    seen = History.of(
        [
            SocketSeen("server", 10, 1, LISTEN),
            SocketSeen("server", 20, 2, ESTAB),
            SocketSeen("server", 30, 2, ESTAB, gone=True),
            Sockets("server", 25, 0, ()),
        ]
    )
    found = lives(seen)
    assert [(life.row.state, life.begin, life.end) for life in found] == [("LISTEN", 10, None), ("ESTAB", 20, 30)]
    assert [life.row.state for life in at(found, 20)] == ["LISTEN", "ESTAB"]
    assert [life.row.state for life in at(found, 30)] == ["LISTEN"]
    assert at(found, 9) == ()


def test_one_that_was_only_read_lives_from_table_to_table() -> None:
    tables = ((10, (LISTEN,)), (20, (LISTEN, ESTAB)), (30, (LISTEN,)))
    found = lives(History.of(Sockets("client", time, 0, rows) for time, rows in tables))
    assert [(life.row.state, life.begin, life.end) for life in found] == [("LISTEN", 10, None), ("ESTAB", 20, 30)]


def known(event: Event, *seen: object) -> dict[str, str]:
    return dict(fields(event, History(tuple(seen)), START))  # type: ignore[arg-type]


def test_the_fields_of_a_packet_are_those_of_both_ends() -> None:
    sent = Packet("client", START + 1_000_000, "lan", True, "tcp", "10.1.2.4", "10.1.2.3", 40000, 80, ("PSH", "ACK"))
    frame = {"length": 5, "ttl": 64, "window": 502, "size": 71, "frame": b"h" * 66 + b"hello", "header": 66}
    ends = [Packet(**asdict(sent) | frame), Packet(**asdict(sent) | frame)]
    ends[1] = Packet(**asdict(ends[1]) | {"host": "server", "time": START + 1_023_000, "outgoing": False})
    told_ = Event("packet", ends[0].time, "client", "DATA 5 bytes", (0, 1), to="server", arrived=ends[1].time)
    found = known(told_, *ends)
    assert found["direction"] == "client to server" and found["from"] == "10.1.2.4:40000"
    assert found["payload"] == "5 bytes: b'hello'" and found["flags"] == "PSH ACK" and found["ttl"] == "64"
    assert found["client saw it leave"] == "at 1.000 ms" and found["server saw it come"] == "at 1.023 ms"
    assert found["on the way"] == "23 µs" and found["evidence"] == "history.jsonl, lines 1, 2"
    assert "sent again" not in found and "lost" not in found


def test_the_fields_of_a_call() -> None:
    call = Call("client", START, 2, "7.3", "connect", (), None, "ECONNREFUSED", "refused", START + 2_000_000)
    found = known(Event("return", START, "client", "x", (0,)), call)
    assert found["error"] == "ECONNREFUSED: refused" and found["took"] == "2.0 ms" and "result" not in found
    pending = known(Event("call", START, "client", "x", (0,)), Call("client", START, 2, "s", "accept"))
    assert pending["ended"] == "never" and "took" not in pending


def test_the_fields_of_output_are_its_size_and_some_of_it() -> None:
    pieces = [Output("client", START + place, 2, "stdout", b"x" * 1000 + b"\n") for place in range(100)]
    found = known(Event("output", START, "client", "stdout: x", tuple(range(100))), *pieces)
    assert found["size"] == "100,100 bytes" and len(found["written"]) < 5000
    assert found["evidence"] == "100 lines of history.jsonl, 1 to 100"


def test_the_fields_of_a_fold_are_its_bounds() -> None:
    pieces = [Output("client", START + at * 1_000_000, 2, "stdout", b"x\n") for at in (1, 2, 5)]
    found = known(Event("fold", START, "client", "3 x", (0, 1, 2)), *pieces)
    assert (found["stands for"], found["from"], found["until"]) == ("3 x", "1.000 ms", "5.000 ms")


def test_printed_has_head_and_tail() -> None:
    assert list(printed(b"")) == [] and list(printed(b"a\tb\r\n")) == ["a       b"]
    found = list(printed(b"".join(b"%d\n" % number for number in range(100)), lines=6))
    assert found == ["0", "1", "2", "... 94 lines (275 bytes) left out ...", "97", "98", "99"]
    assert list(printed(b"1\n2\n3", lines=2)) == ["1", "2", "3"], "one line is not left out"
    assert list(printed(b"x" * 50, longest=10)) == ["xxxxxxxxxx ... (a line of 50 bytes)"]
    assert list(printed(b"\xff")) == [r"\xff"]


def test_hosts_are_joined_to_their_networks() -> None:
    found = topology.draw(plan())
    assert [(box.name, box.router, len(box.joints)) for box in found.boxes] == [
        ("server", False, 1),
        ("client", False, 1),
    ]
    assert found.boxes[0].joints[0].y == found.wires[0].y and found.boxes[0].joints[0].addresses == ("10.213.0.2",)
    assert found.words == "server: lan 10.213.0.2; client: lan 10.213.0.3"
    assert all(box.x + box.width <= found.width for box in found.boxes)
    assert all(wire.begin < wire.end < found.width for wire in found.wires)


def test_a_router_is_named_and_ipv6_is_shown() -> None:
    networks = (PlannedNetwork(name="a", subnet="10.1.0.0/29"), PlannedNetwork(name="b", subnet="10.1.0.8/29"))
    faces = (Interface(network="b", address="10.1.0.10"), Interface(network="a", address="10.1.0.2", ipv6="fd00::2"))
    router = PlannedHost(name="middle", interfaces=faces, sysctls={"net.ipv4.ip_forward": "1"})
    alone = PlannedHost(name="alone", interfaces=())
    found = topology.draw(replace(plan(), networks=networks, hosts=(router, alone)))
    assert found.boxes[0].router and [joint.network for joint in found.boxes[0].joints] == ["a", "b"]
    assert found.words == "router middle: b 10.1.0.10, a 10.1.0.2 fd00::2; alone: no network"
    assert topology.shape(plan("a")) == topology.shape(_elsewhere()), "addresses make no other shape"
