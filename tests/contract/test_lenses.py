"""What every engine's hosts show beside calls: each socket while it changes, what the classic tools print, and packets
of which none is missed or told twice, stamped by clocks that agree."""

from collections.abc import Iterable

import pytest
from contract.house import PYTHON, port

from lab.history import Packet, SocketSeen

THOUSAND = 1000
SENDER = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range(1000):
    s.sendto(b'%d' % number, (sys.argv[1], int(sys.argv[2])))
"""
LISTENER = """
import signal, socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', int(sys.argv[1])))
s.listen(3)
print('ready', flush=True)
signal.pause()
"""


def lives(hand, number):
    """What was told of the sockets with this local port, by their ids, each in the order of time."""
    hand.tap()
    found = [it for it in hand.remote.observations() if isinstance(it, SocketSeen) and it.row.local[1] == number]
    told: dict[int, list[SocketSeen]] = {}
    for item in sorted(found, key=lambda item: item.time):
        told.setdefault(item.id, []).append(item)
    return told


def states(life):
    """The states one after the other; readings that differ in their queues alone are one."""
    words = ["gone" if item.gone else item.row.state for item in life]
    return [word for index, word in enumerate(words) if words[index - 1 : index] != [word]]


def with_states(told, *words):
    """The one socket that was seen in these states."""
    (life,) = (life for life in told.values() if set(words) <= set(states(life)))
    return life


def test_a_connection_is_one_socket_from_its_beginning_to_its_end(hosts):
    server, client, number = hosts("server"), hosts("client"), port()
    server.listen(number)
    listener = with_states(lives(server, number), "LISTEN")
    call = client.connect(server.address, number)
    lives(client, call.local[1])
    server.call("conn, peer = s.accept()")
    lives(server, number)
    client.call("c.close()")
    lives(server, number)
    server.call("conn.close()")
    server.call("s.close()")
    client.call("c.getsockname()")
    here, there = lives(client, call.local[1]), lives(server, number)
    assert len(here) == 1 and len(there) == 2
    conn = with_states(there, "CLOSE-WAIT")
    assert [word for word in states(conn) if word not in ("SYN-RECV", "LAST-ACK")] == ["ESTAB", "CLOSE-WAIT", "gone"]
    assert conn[0].row.remote == call.local
    assert states(with_states(there, "LISTEN"))[-2:] == ["LISTEN", "gone"]
    assert with_states(there, "LISTEN")[0].id == listener[0].id
    caller = [word for word in states(with_states(here, "ESTAB")) if word not in ("UNCONN", "SYN-SENT", "gone")]
    assert caller[0] == "ESTAB" and caller[-1] == "TIME-WAIT"
    assert set(caller[1:-1]) <= {"FIN-WAIT-1", "FIN-WAIT-2"}


def test_a_queue_is_seen_to_grow_and_to_be_emptied(hosts):
    server, client, number = hosts("server"), hosts("client"), port()
    server.listen(number)
    client.connect(server.address, number)
    server.call("conn, peer = s.accept()")
    assert lives(server, number)
    for text in ("hello", " and more"):
        client.call(f"c.sendall({text.encode()!r})")
        assert lives(server, number)
    server.call("data = conn.recv(100)")
    conn = with_states(lives(server, number), "ESTAB")
    assert [item.row.recv_q for item in conn if item.row.state == "ESTAB"] == [0, 5, 14, 0]
    client.call("c.close()")


def test_a_socket_of_ipv6_is_seen_like_others(hosts):
    server, number = hosts("server"), port()
    server.call("six = socket(AF_INET6, SOCK_STREAM)")
    server.call("six.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 1)")
    server.call(f"six.bind(('::', {number}))")
    server.call("six.listen(2)")
    (row,) = server.rows(number)
    assert with_states(lives(server, number), "LISTEN")[-1].row == row
    assert (row.local, row.v6only, row.send_q) == (("::", number), True, 2)
    server.call("six.close()")
    assert states(with_states(lives(server, number), "LISTEN"))[-1] == "gone"
    assert server.rows(number) == []


def test_where_nothing_changes_nothing_is_told(hosts):
    server, number = hosts("server"), port()
    server.listen(number, name="still")
    before = lives(server, number)
    for _ in range(3):
        server.call("still.getsockname()")
        assert lives(server, number) == before
    assert states(with_states(before, "LISTEN"))[-1] == "LISTEN"


def test_a_drain_reads_the_table_after_all_that_the_tap_saw(hosts):
    server, client = hosts("server"), hosts("client")
    for _ in range(20):
        number = port()
        server.listen(number)
        call = client.connect(server.address, number)
        client.tap()
        life = with_states(lives(client, call.local[1]), "ESTAB")
        seen = next(item for item in life if item.row.state == "ESTAB")
        packet = client.packets(number)[1]
        assert packet.flags == ("SYN", "ACK")
        assert packet.time <= seen.time <= client.tap().time + 1e9


def shown(hand, *tools):
    """What the tools print, as text, by their commands."""
    views = hand.remote.views(0, tools)
    assert [view.command.split()[0] for view in views] == list(tools)
    return {view.command: (view.code, view.data.decode()) for view in views}


def lines(text: str, *words: str) -> list[str]:
    return [line for line in text.splitlines() if all(word in line for word in words)]


def test_ss_netstat_and_ip_print_what_is_there(hosts):
    server, number = hosts("server"), port()
    server.listen(number, backlog=3)
    views = shown(server, "ss", "netstat", "ip")
    assert views.keys() == {"ss -tuan", "netstat -an", "ip -brief address"}
    assert {code for code, _ in views.values()} == {0}
    (line,) = lines(views["ss -tuan"][1], f"0.0.0.0:{number} ")
    assert line.split()[:5] == ["tcp", "LISTEN", "0", "3", f"0.0.0.0:{number}"]
    (line,) = lines(views["netstat -an"][1], f"0.0.0.0:{number} ")
    assert line.split() == ["tcp", "0", "0", f"0.0.0.0:{number}", "0.0.0.0:*", "LISTEN"]
    assert lines(views["ip -brief address"][1], f" {server.address}/", "UP")
    assert lines(views["ip -brief address"][1], "lo ", "UNKNOWN", "127.0.0.1/8")


def test_lsof_prints_the_sockets_of_calls_and_of_programs(hosts, engine):
    server, number, other = hosts("server"), port(), port()
    server.listen(number)
    step = server.start(*PYTHON, LISTENER, str(other))
    while not server.rows(other, "LISTEN"):
        assert not server.remote.join(step, 0.01)
    ((code, text),) = shown(server, "lsof").values()
    assert server.remote.stop(step, 2.0, "stopped")
    if engine.name == "fake":
        assert (code, text) == (127, "the fake engine has no lsof; use an engine with a real kernel\n")
        return
    assert code == 0
    assert len(lines(text, "COMMAND", "PID", "USER", "NAME")) == 1
    for local in (number, other):
        (line,) = lines(text, f"*:{local} (LISTEN)")
        assert line.startswith("python3")


def test_a_tool_that_nobody_knows_is_refused(hosts):
    with pytest.raises(Exception, match=r"expected .*ss, netstat, lsof, ip, observed '?nmap"):
        hosts("server").remote.views(0, ["nmap"])


@pytest.fixture(params=["lo", "lan"])
def target(request, hosts):
    """The interface that a thousand messages cross, and where they are sent to."""
    server = hosts("server")
    return (request.param, server, server) if request.param == "lo" else (request.param, hosts("client"), server)


def numbers(packets: Iterable[Packet]) -> list[int]:
    return [int(packet.data) for packet in sorted(packets, key=lambda it: it.time)]


def test_of_a_thousand_packets_none_is_missed_or_told_twice(target, engine):
    interface, sender, receiver = target
    number = port()
    sender.tap(), receiver.tap()
    if engine.name == "fake":
        _thousand_messages(sender, receiver, number)
    else:
        receiver.call("sink = socket(AF_INET, SOCK_DGRAM)")
        assert receiver.call(f"sink.bind(('', {number}))").error is None
        step = sender.start(*PYTHON, SENDER, receiver.address, str(number))
        assert sender.remote.join(step, 10)
        assert sender.exit(step).code == 0
    for hand in {sender.name: sender, receiver.name: receiver}.values():
        tap = hand.tap()
        seen = [it for it in hand.remote.observations() if isinstance(it, Packet) and it.dport == number and it.data]
        assert {it.interface for it in seen} == {interface}
        assert numbers(seen) == list(range(THOUSAND))
        assert tap.dropped == 0


def _thousand_messages(sender, receiver, number):
    """The fake engine models TCP only: each message is a segment of its own there."""
    receiver.listen(number)
    assert sender.connect(receiver.address, number).error is None
    receiver.call("conn, peer = s.accept()")
    for value in range(THOUSAND):
        sender.call(f"c.send(b'{value}')")
    receiver.call("data = conn.recv(10000)")


def test_the_clocks_of_two_hosts_agree(hosts):
    server, client, number = hosts("server"), hosts("client"), port()
    server.listen(number)
    client.connect(server.address, number)
    server.call("conn, peer = s.accept()")
    for _ in range(100):
        client.call("c.sendall(b'ping')")
        server.call("data = conn.recv(4)")
        server.call("conn.sendall(b'pong')")
        client.call("data = c.recv(4)")
    here, there = (_by_frame(hand.packets(number)) for hand in (client, server))
    assert here.keys() == there.keys() and len(here) >= 200
    gaps = [(there[frame].time - it.time) * (1 if it.outgoing else -1) for frame, it in here.items()]
    assert min(gaps) >= 0
    assert min(gaps) < 100_000


def _by_frame(packets: Iterable[Packet]) -> dict[bytes, Packet]:
    """The packets with data by their bytes, which a bridge leaves as they are. An acknowledgement alone may still be on
    its way when the second host is asked."""
    return {packet.frame: packet for packet in packets if packet.data}
