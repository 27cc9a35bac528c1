"""What every engine's hosts do with a link made worse; each test puts back what it changed."""

import time

import pytest
from contract.house import port

from lab.errors import HostError
from lab.history import Fate, Packet
from lab.impairments import orders

UDP = {"protocol": "udp"}


@pytest.fixture
def bad(engine, hosts):
    """Make a host's link worse, for one test."""
    if "impair" in engine.capabilities().lacks:
        pytest.skip(engine.capabilities().lacks["impair"])
    touched = []

    def impair(name, network, direction="in", **said):
        host = hosts(name)
        assert (reason := host.remote.impairable()) == "", reason
        touched.append((host, network))
        host.remote.impair(network, direction, orders(said))
        return host

    yield impair
    for host, network in touched:
        host.remote.repair(network)


def sent(sender, address, number, count, size=1):
    """Datagrams that begin with 1, 2, 3, …, each sent on its own."""
    family = "AF_INET6" if ":" in address else "AF_INET"
    assert sender.call(f"u = socket({family}, SOCK_DGRAM)").error is None
    for one in range(1, count + 1):
        data = str(one % 10).encode()
        assert sender.call(f"u.sendto({data!r} * {size}, ({address!r}, {number}))").error is None


def received(host, name="r"):
    """What comes until nothing came for 0.3 s: a digit for each datagram."""
    text = b""
    while not (call := host.call(f"{name}.recv(4096)")).error:
        text += call.result[:1]
    assert call.error == "TIMEOUT"
    return text.decode()


def receiver(host, family="AF_INET"):
    """A datagram socket on a port of its own."""
    number = port()
    for text in (f"r = socket({family}, SOCK_DGRAM)", f"r.bind(('', {number}))", "r.settimeout(0.3)"):
        assert host.call(text).error is None
    return number


def fates(host, number):
    """What became of the packets of a port, and how the tap saw them."""
    host.remote.drain()
    seen = [it for it in host.remote.observations() if isinstance(it, Fate) and it.packet.dport == number]
    taps = [it for it in host.remote.observations() if isinstance(it, Packet) and it.dport == number]
    return [(it.number, *it.effects) for it in seen], [
        it.data[:1].decode() for it in sorted(taps, key=lambda it: it.time)
    ]


@pytest.mark.parametrize(
    ("said", "arrived", "effect"),
    [
        ({"lose": "every 3"}, "1245", "lost"),
        ({"lose": "every 3 from 1"}, "2356", "lost"),
        ({"lose": [2, 5]}, "1346", "lost"),
        ({"lose": "all"}, "", "lost"),
        ({"reorder": 2}, "214365", "reordered"),
        ({"reorder": 3}, "321654", "reordered"),
        ({"delay": "20 ms"}, "123456", "delayed"),
        ({"lose": "every 3", "reorder": 2}, "2154", "reordered"),
    ],
)
def test_on_the_way_in_it_was_on_the_wire_before(hosts, bad, said, arrived, effect):
    server = hosts("server")
    number = receiver(server)
    bad("server", "lan", of=UDP | {"port": number}, **said)
    sent(hosts("client"), server.address, number, 6)
    assert received(server) == arrived
    told, tapped = fates(server, number)
    assert "".join(tapped) == "123456"
    assert any(effect in one for one in told) and sorted(one[0] for one in told) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("said", "arrived"),
    [
        ({"lose": "every 3"}, "1245"),
        ({"duplicate": "every 3"}, "12334566"),
        ({"duplicate": "all", "reorder": 2}, "221144336655"),
    ],
)
def test_on_the_way_out_the_wire_has_what_is_left(hosts, bad, said, arrived):
    server, client = hosts("server"), hosts("client")
    number = receiver(server)
    bad("client", "lan", "out", of=UDP | {"port": number}, **said)
    sent(client, server.address, number, 6)
    assert received(server) == arrived
    assert "".join(fates(client, number)[1]) == "".join(fates(server, number)[1]) == arrived


def test_ipv6_and_loopback_too(hosts, bad):
    server, client = hosts("server"), hosts("client")
    number = receiver(server, "AF_INET6")
    bad("client", "lan", "out", lose=[1], duplicate=[2])
    sent(client, server.planned.interfaces[0].ipv6, number, 3)
    assert received(server) == "223"
    bad("server", "lo", lose="every 2", of={"port": number})
    sent(server, "::1", number, 4)
    assert received(server) == "13"


def test_a_slow_line_loses_what_its_queue_does_not_hold(hosts, bad):
    server, client = hosts("server"), hosts("client")
    number = receiver(server)
    bad("client", "lan", "out", of=UDP, rate="40 kbit/s", queue="3 packets")
    begun = time.time_ns()
    sent(client, server.address, number, 9, size=972)
    assert received(server) == "1234"
    told, _ = fates(client, number)
    assert [one[1:] for one in told if "overflowed" in one] == [("overflowed",)] * 5
    stamps = [it.time for it in client.remote.observations() if isinstance(it, Packet) and it.dport == number]
    assert all(stamp - begun > 0.19e9 * place for place, stamp in enumerate(stamps)), "not faster than the line"


def test_the_same_seed_holds_and_loses_the_same(hosts, bad):
    server = hosts("server")
    number = receiver(server)
    found = []
    for seed in (7, 7, 8):
        bad("server", "lan", of=UDP, lose="40 %", delay="60 ms", jitter="60 ms", seed=seed)
        sent(hosts("client"), server.address, number, 9)
        found.append("".join(sorted(received(server))))
    assert found[0] == found[1] and len(found[0]) < 9


def test_tcp_loses_nothing_and_a_packet_is_a_segment(hosts, bad):
    server, client, number = hosts("server"), hosts("client"), port()
    assert client.remote.impairable() == ""
    bad("server", "lan", of={"port": number, "data": True}, lose="every 10")
    server.listen(number)
    assert client.connect(server.address, number).error is None
    assert server.call("conn, peer = s.accept()").error is None
    assert client.call("c.sendall(b'x' * 100000)", timeout=20).error is None
    assert client.call("c.close()").error is None
    got = 0
    while (call := server.call("conn.recv(65536)", timeout=20)).result:
        got += len(call.result)
    assert (got, call.error) == (100000, None)
    told, _ = fates(server, number)
    assert len(told) > 60 and [one for one in told if "lost" in one] == [
        (n, "lost") for n in range(10, len(told) + 1, 10)
    ]
    assert max(it.length for it in server.packets(number)) <= 1460
    server.call("s.close()")


def test_what_is_said_last_holds_and_held_packets_go_on(hosts, bad):
    server = hosts("server")
    number = receiver(server)
    bad("server", "lan", of=UDP, delay="3 s")
    sent(hosts("client"), server.address, number, 2)
    server.tap()
    bad("server", "lan", of=UDP, lose=[1])
    sent(hosts("client"), server.address, number, 2)
    assert received(server) == "122"
    server.remote.repair("lan")
    sent(hosts("client"), server.address, number, 2)
    assert received(server) == "12"
    code, output = server.firewall("iptables -t mangle -S")
    assert (code, "NFQUEUE" in output) == (0, False)


def test_a_firewall_does_not_undo_it_and_is_not_undone(hosts, bad):
    server = hosts("server")
    number = receiver(server)
    bad("server", "lan", of=UDP, lose=[2])
    for rule in ("-A INPUT -p udp -m statistic --mode nth --every 3 --packet 0 -j DROP", "-L", "-F INPUT"):
        assert server.firewall(f"iptables {rule}")[0] == 0
        if rule == "-L":
            sent(hosts("client"), server.address, number, 5)
            assert received(server) == "34"
    assert server.firewall("iptables -F")[0] == 0
    bad("server", "lan", of=UDP, lose=[2])
    sent(hosts("client"), server.address, number, 3)
    assert received(server) == "13"


def test_there_is_no_such_link(engine, hosts, bad):
    with pytest.raises(HostError, match="expected one of lo, lan, observed nowhere"):
        bad("server", "nowhere", lose="all")
