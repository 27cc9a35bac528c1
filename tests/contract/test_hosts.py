"""What every engine's hosts do: networks, sockets, packets, tables. None of these tests changes the deployment for
another: each has its own ports."""

import time

import pytest
from contract.house import port

from lab.errors import HostError
from lab.history import Call, Packet


def flags(packets: list[Packet], *words: str) -> list[Packet]:
    return [packet for packet in packets if packet.flags == words]


@pytest.mark.parametrize("name", ["server", "client", "west", "router", "east", "loner"])
def test_each_agent_answers(hosts, name):
    hello = hosts(name).remote.hello()
    assert hello.kernel
    assert hello.python.startswith("3.")


@pytest.mark.parametrize("name", ["server", "client", "west", "router", "east", "loner"])
def test_addresses_are_the_plans(hosts, name):
    hand = hosts(name)
    devices = hand.remote.configure(hand.planned)
    found = {device.network: device.addresses for device in devices}
    assert found.keys() == {"lo"} | {item.network for item in hand.planned.interfaces}
    for item in hand.planned.interfaces:
        assert item.address in found[item.network]
        assert item.ipv6 is None or item.ipv6 in found[item.network]


def test_an_address_of_somebody_else_cannot_be_bound(hosts):
    server, client = hosts("server"), hosts("client")
    client.call("b = socket()")
    assert client.call(f"b.bind(({server.address!r}, {port()}))").error == "EADDRNOTAVAIL"
    assert client.call(f"b.bind(({client.address!r}, {port()}))").error is None


def test_names_resolve(hosts):
    server, client, number = hosts("server"), hosts("client"), port()
    server.listen(number, address=server.address)
    made = client.connect("server", number)
    assert made.error is None
    assert made.remote == (server.address, number)


def test_an_unknown_name_does_not(hosts):
    call = hosts("client").connect("nobody-of-that-name", port())
    assert call.error == "gaierror"


def test_a_conversation(hosts):
    server, client, number = hosts("server"), hosts("client"), port()
    server.listen(number)
    step = server.pending("conn, peer = s.accept()")
    connect = client.connect(server.address, number)
    accept = server.joined(step)
    assert connect.error is None
    assert connect.local[0] == client.address
    assert accept.result == ({"socket": "conn"}, connect.local)
    assert accept.remote == connect.local
    assert client.call("c.send(b'Hello')").result == 5
    assert server.call("data = conn.recv(1024)").result == b"Hello"
    assert server.call("conn.sendall(b'Hello back')").error is None
    assert client.call("data = c.recv(5)").result == b"Hello"
    assert client.call("data = c.recv(1024)").result == b" back"
    assert client.call("c.close()").error is None
    assert server.call("end = conn.recv(1024)").result == b""


def test_the_capture_has_every_packet_at_both_ends(hosts):
    server, client, number = hosts("server"), hosts("client"), port()
    server.listen(number)
    client.connect(server.address, number)
    server.call("conn, peer = s.accept()")
    for _ in range(5):
        client.call("c.sendall(b'ping')")
        server.call("data = conn.recv(4)")
    client.call("c.close()")
    server.call("conn.close()")
    here, there = client.packets(number), server.packets(number)
    assert client.wire(number)[:3] == ["> SYN", "< SYN-ACK", "> ACK"]
    assert b"".join(packet.data for packet in there if not packet.outgoing) == b"ping" * 5
    key = [(it.source, it.sport, it.flags, it.seq, it.ack, it.length) for it in here]
    assert sorted(key) == sorted((it.source, it.sport, it.flags, it.seq, it.ack, it.length) for it in there)
    assert {packet.interface for packet in here + there} == {"lan"}
    assert all(here[index].time <= here[index + 1].time for index in range(len(here) - 1))


def test_a_drain_proves_that_the_tap_was_awake(hosts):
    server, client, number = hosts("server"), hosts("client"), port()
    first = client.tap()
    call = client.connect(server.address, number)
    second = client.tap()
    assert first.until == second.time <= call.time <= call.ended <= second.until
    assert second.seen >= len(client.packets(number)) == 2
    assert second.dropped == 0


def test_nobody_listens(hosts):
    server, client, number = hosts("server"), hosts("client"), port()
    call = client.connect(server.address, number)
    assert call.error == "ECONNREFUSED"
    assert client.wire(number) == ["> SYN", "< ACK-RST"] or client.wire(number) == ["> SYN", "< RST-ACK"]


@pytest.mark.parametrize("target", ["loopback", "own address"])
def test_what_is_for_oneself_stays_on_lo(hosts, target):
    server, number = hosts("server"), port()
    server.listen(number)
    address = "127.0.0.1" if target == "loopback" else server.address
    call = server.connect(address, number)
    assert call.error is None
    assert call.local[0] == address
    packets = server.packets(number)
    assert {packet.interface for packet in packets} == {"lo"}
    assert [packet.flags for packet in packets] == [("SYN",), ("SYN", "ACK"), ("ACK",)]


def test_bound_to_loopback_nobody_else_gets_through(hosts):
    server, client, number = hosts("server"), hosts("client"), port()
    server.listen(number, address="127.0.0.1")
    assert server.connect("127.0.0.1", number).error is None
    assert client.connect(server.address, number).error == "ECONNREFUSED"


@pytest.mark.parametrize("bound", ["::", "own"])
def test_ipv6(hosts, bound):
    server, client, number = hosts("server"), hosts("client"), port()
    address = server.planned.interfaces[0].ipv6
    server.call("s = socket(AF_INET6, SOCK_STREAM)")
    server.call(f"s.bind(({'::' if bound == '::' else address!r}, {number}))".replace("(::,", "('::',"))
    server.call("s.listen(1)")
    client.call("c = socket(AF_INET6, SOCK_STREAM)")
    assert client.call(f"c.connect(({address!r}, {number}))").error is None
    peer = server.call("conn, peer = s.accept()").result[1]
    assert peer[0] == client.planned.interfaces[0].ipv6
    assert len(peer) == 4
    assert client.wire(number)[:3] == ["> SYN", "< SYN-ACK", "> ACK"]
    expected = None if bound == "::" else "ECONNREFUSED"
    assert client.connect(server.address, number).error == expected


def test_ipv6_loopback(hosts):
    server, number = hosts("server"), port()
    server.call("s = socket(AF_INET6, SOCK_STREAM)")
    server.call(f"s.bind(('::1', {number}))")
    server.call("s.listen(1)")
    server.call("c = socket(AF_INET6, SOCK_STREAM)")
    assert server.call(f"c.connect(('::1', {number}))").error is None
    assert {packet.interface for packet in server.packets(number)} == {"lo"}


def test_separate_networks_do_not_reach_each_other(hosts):
    server, loner, number = hosts("server"), hosts("loner"), port()
    server.listen(number)
    before = loner.tap()
    call = loner.connect(server.address, number)
    after = loner.tap()
    assert call.error == "ENETUNREACH"
    assert before.until <= call.time <= call.ended <= after.until
    assert loner.packets(number) == []
    assert server.packets(number) == []


def test_a_router_forwards_with_one_less_to_live(hosts):
    west, east, number = hosts("west"), hosts("east"), port()
    east.listen(number)
    call = west.connect(east.address, number)
    assert call.error is None
    assert east.call("conn, peer = s.accept()").result[1] == call.local
    assert {packet.ttl for packet in west.packets(number) if packet.outgoing} == {64}
    assert {packet.ttl for packet in east.packets(number) if not packet.outgoing} == {63}
    router = hosts("router").packets(number)
    assert {(packet.interface, packet.outgoing) for packet in flags(router, "SYN")} == {
        ("left", False),
        ("right", True),
    }


def test_a_router_finds_its_neighbours_of_ipv6_at_once(hosts):
    west, east, number = hosts("west"), hosts("east"), port()
    address = east.planned.interfaces[0].ipv6
    east.call("s = socket(AF_INET6, SOCK_STREAM)")
    east.call(f"s.bind(('::', {number}))")
    east.call("s.listen(1)")
    for state in ("down", "up"):
        hosts("router").remote.link("right", state)
    west.call("c = socket(AF_INET6, SOCK_STREAM)")
    call = west.call(f"c.connect(({address!r}, {number}))")
    assert call.error is None
    hosts("router").tap()
    seen = [packet for packet in hosts("router").remote.observations() if isinstance(packet, Packet)]
    packets = (packet for packet in seen if packet.dport == number and not packet.outgoing)
    syns = [packet.time for packet in packets if packet.flags == ("SYN",)]
    asked = [packet.time for packet in seen if packet.icmp == "neighbour-solicitation" and packet.time > syns[0]]
    # A bridge that is slow to learn of the link may lose the question, and so the SYN.
    assert len(syns) == 1 or asked[0] - syns[0] < 0.5e9, "the router did not ask"


def test_a_route_leads_to_its_own_network_only(hosts):
    west, loner, number = hosts("west"), hosts("loner"), port()
    loner.listen(number)
    assert west.connect(loner.address, number).error == "ENETUNREACH"
    assert hosts("router").packets(number) == []


def test_an_address_that_nobody_has(hosts):
    client, number = hosts("client"), port()
    nobody = client.address.rpartition(".")[0] + "." + str(int(client.address.rpartition(".")[2]) + 3)
    call = client.connect(nobody, number)
    assert call.error == "EHOSTUNREACH"
    assert 2.5e9 < call.ended - call.time < 6e9
    client.tap()
    asked = [
        packet
        for packet in client.remote.observations()
        if isinstance(packet, Packet) and packet.icmp == "who-has" and packet.destination == nobody and packet.outgoing
    ]
    assert len(asked) >= 3


def test_the_callers_own_deadline(hosts):
    client, number = hosts("client"), port()
    nobody = client.address.rpartition(".")[0] + "." + str(int(client.address.rpartition(".")[2]) + 4)
    call = client.connect(nobody, number, timeout=0.3)
    assert call.error == "TIMEOUT"
    assert 0.28e9 < call.ended - call.time < 2e9


def test_connecting_without_blocking(hosts):
    server, client, number = hosts("server"), hosts("client"), port()
    server.listen(number)
    client.call("c = socket()")
    client.call("c.setblocking(False)")
    names = client.call(f"c.connect_ex(({server.address!r}, {number}))")
    assert names.result == 115
    assert client.call(f"c.connect_ex(({server.address!r}, {number}))").result == 0
    assert client.call(f"c.connect_ex(({server.address!r}, {number}))").result == 106
    assert client.call("c.recv(1)").error == "EAGAIN"


def test_closed_with_data_unread(hosts):
    server, client, number = hosts("server"), hosts("client"), port()
    server.listen(number)
    client.connect(server.address, number)
    server.call("conn, peer = s.accept()")
    client.call("c.sendall(b'unread')")
    deadline = time.monotonic() + 5
    while not any(row.recv_q == 6 for row in server.rows(number, "ESTAB")) and time.monotonic() < deadline:
        pass
    server.call("conn.close()")
    assert client.call("c.recv(10)").error == "ECONNRESET"
    assert client.call("c.recv(10)").result == b""
    assert client.call("c.send(b'x')").error == "EPIPE"


def test_closed_in_order(hosts):
    server, client, number = hosts("server"), hosts("client"), port()
    server.listen(number)
    client.connect(server.address, number)
    server.call("conn, peer = s.accept()")
    server.call("conn.close()")
    assert client.call("c.recv(10)").result == b""
    assert client.call("c.send(b'x')").result == 1
    assert client.call("c.recv(10)").result == b""
    assert client.call("c.send(b'x')").error == "EPIPE"


def test_the_table_shows_a_listener_and_who_waits(hosts):
    server, client, number = hosts("server"), hosts("client"), port()
    server.listen(number, backlog=3)
    (row,) = server.rows(number)
    assert (row.state, row.local, row.recv_q, row.send_q) == ("LISTEN", ("0.0.0.0", number), 0, 3)
    client.connect(server.address, number)
    (row,) = server.rows(number, "LISTEN")
    assert (row.recv_q, row.send_q) == (1, 3)
    (here,), (there,) = client.rows(number), server.rows(number, "ESTAB")
    assert (here.state, here.local, here.remote) == ("ESTAB", there.remote, there.local)
    server.call("s.close()")
    assert server.rows(number, "LISTEN") == []


def test_somaxconn_caps_the_backlog(hosts):
    loner, number = hosts("loner"), port()
    loner.listen(number, backlog=128)
    (row,) = loner.rows(number)
    assert row.send_q == 2


@pytest.mark.parametrize("backlog", [0, 2])
def test_one_more_than_the_backlog(hosts, backlog):
    server, client, number = hosts("server"), hosts("client"), port()
    server.listen(number, backlog)
    before = server.counters()
    for index in range(backlog + 1):
        assert client.connect(server.address, number, name=f"c{index}", timeout=0.5).error is None
    late = client.connect(server.address, number, name="late", timeout=0.5)
    after = server.counters()
    assert late.error == "TIMEOUT"
    assert [packet.flags for packet in server.packets(number) if packet.dport == late.local[1]] == []
    for name in ("TcpExtListenOverflows", "TcpExtListenDrops"):
        assert after[name] - before[name] == 1
    (row,) = server.rows(number, "LISTEN")
    assert (row.recv_q, row.send_q) == (backlog + 1, backlog)


def test_a_call_that_never_returns_is_left_at_its_deadline(hosts):
    server, number = hosts("server"), port()
    server.listen(number, name="never")
    step = server.pending("conn, peer = never.accept()")
    began = time.monotonic()
    assert server.remote.join(step, 0.2) is False
    assert time.monotonic() - began < 3
    call = server.only(Call, step)
    assert (call.function, call.ended) == ("accept", None)


def test_a_step_that_was_never_started_is_refused_in_words(hosts):
    with pytest.raises(HostError, match=r"server: .*999999"):
        hosts("server").remote.join(999999, 1)


def test_the_hosts_clock_stamps_what_they_do(hosts):
    client = hosts("client")
    before = client.deployment.now()
    call = client.call("z = socket()")
    after = client.deployment.now()
    assert before <= call.time <= call.ended <= after
    client.deployment.sleep(0.05)
    assert client.deployment.now() - after >= 0.05e9
