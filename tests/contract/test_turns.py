"""What every engine's hosts do again and again, and all at once: each turn of a step is told apart."""

import pytest
from contract.house import PYTHON, Hand, deployed, host, plan_of, port
from msgspec.structs import replace

from lab.calls import parse_call as parsed
from lab.history import Call, Exit, Output, Packet
from lab.plan import PlannedNetwork

SERVER = ("python3", "-IuS", "/opt/lab/programs/name-server.py")
STEP = 900_001


def test_the_turns_of_a_program(hosts):
    client = hosts("client")
    for turn in range(3):
        client.remote.start(
            STEP, (*PYTHON, f"import sys; sys.stdout.write('{turn}'); sys.exit({turn})"), False, turn=turn
        )
        assert client.remote.join(STEP, 10, turn)
    assert [(one.turn, one.data) for one in client.seen(Output, STEP)] == [(0, b"0"), (1, b"1"), (2, b"2")]
    assert [(one.turn, one.code) for one in client.seen(Exit, STEP)] == [(0, 0), (1, 1), (2, 2)]


def test_the_turns_of_a_call(hosts):
    client, number = hosts("client"), port()
    client.call("t = socket()")
    for turn in range(2):
        assert client.remote.call(STEP + 1, parsed(f"t.bind(('', {number}))"), False, 10, turn)
    first, second = client.seen(Call, STEP + 1)
    assert [(first.turn, first.error), (second.turn, second.error)] == [(0, None), (1, "EINVAL")]


def test_turns_at_once(hosts):
    """All of them wait for the listener's end."""
    client, number = hosts("client"), port()
    client.listen(number, backlog=16, name="all")
    waiting = f"import socket; s = socket.create_connection(('127.0.0.1', {number})); s.recv(1)"
    for turn in range(8):
        client.remote.start(STEP + 2, (*PYTHON, waiting), False, turn=turn)
    for _ in range(2000):
        if [row.recv_q for row in client.rows(number, "LISTEN")] == [8]:
            break
    assert not client.seen(Exit, STEP + 2)
    client.call("all.close()")
    assert all(client.remote.join(STEP + 2, 10, turn) for turn in range(8))
    assert {one.turn for one in client.seen(Exit, STEP + 2)} == set(range(8))


def test_the_traced_calls_of_each_turn(hosts):
    client = hosts("client")
    for turn in range(2):
        client.remote.start(STEP + 3, (*PYTHON, "import socket; socket.socket()"), True, turn=turn)
    assert all(client.remote.join(STEP + 3, 10, turn) for turn in range(2))
    assert sorted(one.turn for one in client.seen(Call, STEP + 3) if one.function == "socket") == [0, 1]


def names(subnets):
    """client asks ns; loner asks nobody."""
    lan = PlannedNetwork(name="lan", subnet=subnets[0])
    ns, client, loner = host("ns", (lan, 2)), host("client", (lan, 3)), host("loner", (lan, 4))
    address = ns.interfaces[0].address
    return plan_of([lan], [ns, replace(client, nameserver=address), loner])


@pytest.fixture(scope="module")
def named(engine):
    if "dns" in engine.capabilities().lacks:
        pytest.skip(engine.capabilities().lacks["dns"])
    if "tool:getent" not in engine.capabilities().has:
        pytest.skip("getent is not on this machine")
    with deployed(engine, "contract-names", [3], names) as (plan, deployment):
        hands = {name: Hand(deployment, plan, name) for name in ("ns", "client", "loner")}
        hands["ns"].start(*SERVER, "--order", "rotate", "service.lab=10.1.2.3,10.1.2.4,fd00::1")
        for _ in range(2000):
            if any(row.local[1] == 53 for row in hands["ns"].rows(53)):
                break
        yield hands


def found(hand, name, database="ahostsv4"):
    """How getent ended, and the addresses in the C library's order."""
    step = hand.run("getent", database, name)
    return hand.exit(step).code, [
        line.split()[0] for line in hand.output(step).decode().splitlines() if "STREAM" in line
    ]


def test_a_name_server_is_asked_and_its_order_rotates(named):
    answers = [found(named["client"], "service.lab") for _ in range(4)]
    assert {code for code, _ in answers} == {0}
    assert {tuple(addresses) for _, addresses in answers} == {("10.1.2.3", "10.1.2.4"), ("10.1.2.4", "10.1.2.3")}


def test_queries_are_packets(named):
    found(named["client"], "service.lab")
    named["ns"].remote.drain()
    told = {one.dns for one in named["ns"].remote.observations() if isinstance(one, Packet) and one.dns}
    assert "query A service.lab" in told
    assert any(text.startswith("answer A service.lab 10.1.2.") for text in told)


def test_a_hosts_name_is_nobodys_question_and_another_name_is_none(named):
    assert found(named["client"], "ns") == (0, [named["ns"].address])
    assert found(named["client"], "nobody.lab") == (2, [])


def test_who_has_no_name_server_knows_no_such_name(named):
    assert found(named["loner"], "service.lab") == (2, [])
