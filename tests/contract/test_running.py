"""What every engine's hosts do with programs, firewalls and links; each test puts back what it changed."""

import pytest
from contract.house import PYTHON, port

from lab.errors import HostError
from lab.history import Call

ECHO_SERVER = ("python3", "-IuS", "/opt/lab/programs/echo-server.py")
ECHO_CLIENT = ("python3", "-IuS", "/opt/lab/programs/echo-client.py")
STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('ready', flush=True)
while True:
    signal.pause()
"""
# strace begins to measure a call after it has written down its beginning, so the end that it tells is too early.
STRACE_LATE = 50_000_000
ENDLESS = "while True: print('x' * 1000)"


def listening(hand, number):
    """Wait for the fact: a program's listener in the table."""
    for _ in range(2000):
        if hand.rows(number, "LISTEN"):
            return
    raise AssertionError(f"nothing listens on {number}")


@pytest.mark.parametrize(("code", "source"), [(0, "print(1)"), (3, "import sys; sys.exit(3)"), (1, "1 / 0")])
def test_how_a_program_ends(hosts, code, source):
    client = hosts("client")
    step = client.run(*PYTHON, source)
    assert (client.exit(step).code, client.exit(step).because) == (code, "")


def test_what_a_program_writes(hosts):
    client = hosts("client")
    step = client.run(*PYTHON, "import sys; print('out', sys.argv[1:]); print('err', file=sys.stderr)", "a", "b c")
    assert client.output(step) == b"out ['a', 'b c']\n"
    assert client.output(step, "stderr") == b"err\n"


def test_a_traceback_is_seen(hosts):
    client = hosts("client")
    step = client.run(*PYTHON, "import socket; socket.socket().connect(('127.0.0.1', 1))")
    assert client.exit(step).code == 1
    assert client.output(step, "stderr").endswith(b"ConnectionRefusedError: [Errno 111] Connection refused\n")


def test_a_scenarios_own_file(hosts):
    client = hosts("client")
    step = client.start("python3", "-IuS", "@own.py", "me", files={"own": "import sys; print('hello', sys.argv[1])"})
    assert client.remote.join(step, 10)
    assert client.output(step) == b"hello me\n"


def test_a_program_that_is_not_there(hosts):
    client = hosts("client")
    with pytest.raises(HostError, match="no-such-program"):
        client.start("no-such-program")


def test_stopping_a_program(hosts):
    client = hosts("client")
    step = client.start(*PYTHON, "import signal; signal.pause()")
    assert client.remote.join(step, 0.1) is False
    assert client.remote.stop(step, 2.0, "stopped")
    assert (client.exit(step).code, client.exit(step).because) == (143, "stopped")


def stubborn(client):
    """The step of a program that is past all signals which can be handled."""
    step = client.start(*PYTHON, STUBBORN)
    for _ in range(100):
        if client.output(step):
            break
        client.remote.join(step, 0.05)
    assert client.output(step) == b"ready\n"
    return step


def test_a_program_that_ignores_the_signal_is_killed(hosts):
    client = hosts("client")
    step = stubborn(client)
    assert client.remote.stop(step, 0.2, "timeout")
    assert (client.exit(step).code, client.exit(step).because) == (137, "timeout")


def test_a_program_that_would_handle_a_signal_is_killed(hosts):
    client = hosts("client")
    step = stubborn(client)
    assert client.remote.kill(step, "stopped")
    assert (client.exit(step).code, client.exit(step).because) == (137, "stopped")


def test_an_endless_printer_is_bounded(hosts):
    client = hosts("client")
    step = client.start(*PYTHON, ENDLESS)
    for _ in range(100):
        if client.notes(step, "truncated"):
            break
        client.remote.join(step, 0.1)
    assert client.remote.stop(step, 1.0, "timeout")
    assert client.notes(step, "truncated")
    assert 1000 < len(client.output(step)) <= 1 << 20


def test_the_guides_programs_talk_to_each_other(hosts):
    server, client, number = hosts("server"), hosts("client"), port()
    serving = server.start(*ECHO_SERVER, "--host", "", "--port", str(number))
    listening(server, number)
    asking = client.run(*ECHO_CLIENT, "--host", server.address, "--port", str(number))
    assert client.output(asking) == b"Received b'Hello, world'\n"
    assert server.remote.join(serving, 5)
    local = next(it.source for it in client.packets(number) if it.outgoing)
    assert server.output(serving).startswith(f"Connected by ('{local}', ".encode())
    assert server.exit(serving).code == 0


def test_many_connections_at_once(hosts):
    server, client, number = hosts("server"), hosts("client"), port()
    folder = ECHO_SERVER[2].rpartition("/")[0]
    serving = server.start("python3", "-IuS", f"{folder}/multiconn-server.py", "", str(number))
    listening(server, number)
    asking = client.run("python3", "-IuS", f"{folder}/multiconn-client.py", server.address, str(number), "3")
    assert client.exit(asking).code == 0
    for connection in (1, 2, 3):
        for message in (1, 2):
            assert f"Sending b'Message {message} from client.' to connection {connection}".encode() in client.output(
                asking
            )
        assert f"Closing connection {connection}".encode() in client.output(asking)
    assert server.remote.stop(serving, 2.0, "stopped")
    assert server.output(serving).count(b"Accepted connection from ") == 3


def test_a_programs_calls_are_traced(hosts):
    server, client, number = hosts("server"), hosts("client"), port()
    step = client.run(*ECHO_CLIENT, "--host", server.address, "--port", str(number), trace=True)
    calls = [call for call in client.seen(Call, step) if call.program]
    assert [call.function for call in calls][:2] == ["socket", "connect"]
    made = calls[1]
    assert (made.error, made.remote) == ("ECONNREFUSED", (server.address, number))
    assert made.time <= client.packets(number)[0].time <= made.ended + STRACE_LATE
    assert client.exit(step).code == 1
    assert client.notes(step, "trace") == []


def test_an_accept_that_goes_on_is_traced_when_the_program_is_stopped(hosts):
    server, number = hosts("server"), port()
    step = server.start(*ECHO_SERVER, "--host", "", "--port", str(number), trace=True)
    listening(server, number)
    assert server.remote.stop(step, 2.0, "stopped")
    functions = [call.function for call in server.seen(Call, step)]
    assert functions[:3] == ["socket", "bind", "listen"]
    assert server.notes(step, "trace") == []
    assert server.rows(number) == []


@pytest.fixture
def rule(hosts):
    """Insert a rule on the server, and take it away again."""
    server, given = hosts("server"), []

    def insert(text):
        code, output = server.firewall(f"iptables -I INPUT {text}")
        assert code == 0, output
        given.append(text)

    yield insert
    for text in given:
        assert server.firewall(f"iptables -D INPUT {text}")[0] == 0


@pytest.mark.parametrize(
    ("answer", "error", "seen"),
    [
        ("tcp-reset", "ECONNREFUSED", "< ACK-RST"),
        ("icmp-port-unreachable", "ECONNREFUSED", "< port-unreachable"),
        ("icmp-host-prohibited", "EHOSTUNREACH", "< host-prohibited"),
    ],
)
def test_a_firewall_that_rejects(hosts, rule, answer, error, seen):
    server, client, number = hosts("server"), hosts("client"), port()
    server.listen(number)
    rule(f"-p tcp --dport {number} -j REJECT --reject-with {answer}")
    call = client.connect(server.address, number, timeout=3)
    assert call.error == error
    assert call.ended - call.time < 0.9e9
    assert [word.replace("RST-ACK", "ACK-RST") for word in client.wire(number)] == ["> SYN", seen]
    assert server.rows(number, "ESTAB") == []


def test_a_patient_caller_hears_of_an_icmp_only_at_the_second_syn(hosts, rule):
    server, client, number = hosts("server"), hosts("client"), port()
    rule(f"-p tcp --dport {number} -j REJECT --reject-with icmp-port-unreachable")
    call = client.connect(server.address, number)
    assert call.error == "ECONNREFUSED"
    assert 0.9e9 < call.ended - call.time < 3e9
    assert client.wire(number) == ["> SYN", "< port-unreachable"] * 2


def test_a_firewall_that_drops(hosts, rule):
    server, client, number = hosts("server"), hosts("client"), port()
    server.listen(number)
    rule(f"-p tcp --dport {number} -j DROP")
    call = client.connect(server.address, number, timeout=0.4)
    assert call.error == "TIMEOUT"
    assert client.wire(number) == ["> SYN"]
    assert server.wire(number) == ["< SYN"]
    assert server.rows(number, "SYN-RECV") == []


def test_a_rule_on_the_way_out_leaves_the_other_waiting(hosts):
    server, client, number = hosts("server"), hosts("client"), port()
    server.listen(number)
    assert server.firewall(f"iptables -A OUTPUT -p tcp --sport {number} -j DROP")[0] == 0
    call = client.connect(server.address, number, timeout=0.4)
    rows = server.rows(number, "SYN-RECV")
    assert server.firewall(f"iptables -D OUTPUT -p tcp --sport {number} -j DROP")[0] == 0
    assert call.error == "TIMEOUT"
    assert server.wire(number)[:1] == ["< SYN"]
    assert len(rows) == 1


def test_a_rule_that_is_none_says_so(hosts):
    code, output = hosts("server").firewall("iptables -A INPUT -p tcp --dport 80 -j NOWHERE")
    assert code != 0
    assert "NOWHERE" in output


def test_a_link_down_and_up_again(hosts):
    west, east, number = hosts("west"), hosts("east"), port()
    east.listen(number)
    west.remote.link("left", "down")
    assert west.connect(east.address, number).error == "ENETUNREACH"
    assert west.packets(number) == []
    west.remote.link("left", "up")
    assert west.connect(east.address, number, timeout=5).error is None
    with pytest.raises(HostError, match="nowhere"):
        west.remote.link("nowhere", "down")


def test_a_setting_is_changed_while_the_host_runs(engine, hosts):
    if reason := engine.capabilities().lacks.get("sysctl"):
        pytest.skip(reason)
    server, client, key = hosts("server"), hosts("client"), "net.core.somaxconn"
    server.remote.sysctl(key, "2")
    rows = []
    for hand in (server, client):
        number = port()
        hand.listen(number, backlog=5)
        rows += [row.send_q for row in hand.rows(number, "LISTEN")]
    server.remote.sysctl(key, "4096")
    assert rows == [2, 5]
    for name, value in (("net.ipv4.no_such_setting", "1"), (key, "nonsense")):
        with pytest.raises(HostError, match=name):
            server.remote.sysctl(name, value)
