"""Names for addresses and ports, in texts as programs write them."""

import pytest
from saved_cases import saved

from lab.history import Call, History, Packet, SocketRow, Sockets, SocketSeen
from lab.plan import Interface, Plan, PlannedHost, PlannedNetwork
from lab.transcript.names import Names, names_of, rows_of

PLAN = Plan(
    scenario="s",
    file="s.yaml",
    case="c",
    title="T",
    networks=(PlannedNetwork(name="lan", subnet="10.1.0.16/28", subnet6="fd4c:6162::/64"),),
    hosts=(
        PlannedHost(
            name="server", interfaces=(Interface(network="lan", address="10.1.0.18", ipv6="fd4c:6162::2"),), routes=()
        ),
        PlannedHost(name="client", interfaces=(Interface(network="lan", address="10.1.0.1"),)),
    ),
    steps=(),
)
NAMES = Names(names_of(PLAN, History()).addresses, frozenset({40000, 51234}))

TEXTS = {
    "Connected by ('10.1.0.18', 40000)": "Connected by ('server.lan', *)",
    "10.1.0.18:40000 > 10.1.0.1:80.": "server.lan:* > client.lan:80.",
    "10.1.0.181 and 110.1.0.18 and 10.1.0.18.5": "10.1.0.181 and 110.1.0.18 and 10.1.0.18.5",
    "10.1.0.16/28 dev eth0 via 10.1.0.17, 10.1.0.30": "lan/28 dev eth0 via lan.gateway, lan.unused",
    "fd4c:6162::/64 dev eth0": "lan.ipv6/64 dev eth0",
    "[fd4c:6162::2]:51234 and fd4c:6162::22": "[server.lan.ipv6]:* and fd4c:6162::22",
    "::ffff:10.1.0.18": "::ffff:server.lan",
    "fe80::42:5dff:fe64:e47e%eth0 link": "fe80::* link",
    "02:42:0a:d5:00:12 at 0x7ffc1d6dd7e0": "MAC at 0x*",
    "40000 bytes, 140000 bytes, v1.40000": "* bytes, 140000 bytes, v1.40000",
    "no number, no address": "no number, no address",
}


@pytest.mark.parametrize(("text", "named"), TEXTS.items())
def test_texts(text, named):
    assert NAMES.text(text) == named


def test_without_networks_nothing_is_named():
    assert Names({}, frozenset()).text("10.1.0.18 is 40000") == "10.1.0.18 is 40000"


@pytest.mark.parametrize(
    ("end", "named"),
    [
        (("10.1.0.18", 80), "server.lan:80"),
        (("::ffff:10.1.0.18", 40000), "server.lan:*"),
        (("::1", 80), "[::1]:80"),
        (("", 80), "'':80"),
        (("0.0.0.0", 80), "0.0.0.0:80"),
    ],
)
def test_ends(end, named):
    assert NAMES.end(end) == named


def call(function, *arguments, **ends):
    return Call("server", 1, 0, "7.3", function, arguments, 0, ended=2, program=True, **ends)


def given(*seen):
    return names_of(PLAN, History(seen)).given


def test_ports_that_a_call_chose_keep_their_numbers():
    bound = call("bind", ("0.0.0.0", 8000), 16, local=("0.0.0.0", 8000))
    asked = call("connect", ("10.1.0.18", 45000), 16, remote=("10.1.0.18", 45000))
    told = call("getsockname", local=("10.1.0.1", 50000))
    assert given(bound, asked, told) == {50000}
    hidden = (call("bind", path, 16) for path in ("/run/x", "0x7ffe", ()))
    assert given(*hidden, call("accept4", remote=("10.1.0.1", 1023)), call("accept4", remote=("10.1.0.1", 1024))) == {
        1024
    }


def test_a_port_that_was_told_is_not_chosen_by_connecting_to_it():
    bound = call("bind", ("0.0.0.0", 0), 16, local=("0.0.0.0", 45000))
    asked = call("connect", ("10.1.0.18", 45000), 16, remote=("10.1.0.18", 45000))
    assert given(bound, asked) == {45000}


def test_what_a_plan_or_a_listener_says_is_no_chance():
    packet = Packet("server", 1, "lan", False, "tcp", "10.1.0.1", "10.1.0.18", 40000, 8000, ("SYN",))
    table = Sockets("server", 1, 0, (SocketRow("tcp", "LISTEN", ("0.0.0.0", 8000), ("0.0.0.0", 0), 0, 5),))
    assert given(packet) == {40000, 8000}
    assert given(packet, table) == {40000}
    plan, history = saved("refused-open")
    assert names_of(plan, history).given == {45596}


def test_the_engines_name_server_is_nobodys_choice():
    rows = (SocketRow("tcp", "LISTEN", ("127.0.0.11", 38211), ("0.0.0.0", 0), 0, 4096),)
    history = History((Sockets("server", 1, 0, rows), SocketSeen("server", 2, 9, rows[0])))
    assert list(rows_of(history)) == []
    assert names_of(PLAN, history).given == frozenset()
