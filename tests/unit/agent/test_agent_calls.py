import os
import socket
import threading
import time

import pytest

from lab.agent import blocked
from lab.errors import HostError
from lab.history import Note


@pytest.fixture
def port(agent):
    agent.call("s = socket()")
    agent.call("s.bind(('127.0.0.1', 0))")
    return agent.call("s.listen(1)").local[1]


@pytest.fixture
def closed_port():
    """A port that is bound, so that nobody else takes it, and where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_a_connection_is_recorded_at_both_ends(agent, port):
    accepting = agent.call("conn, peer = s.accept()", pending=True)
    assert accepting.ended is None and accepting.local == ("127.0.0.1", port)

    agent.call("c = socket()")
    connected = agent.call(f"c.connect(('127.0.0.1', {port}))")
    assert agent.remote.join(accepting.step, 5)
    accepted = agent.record(accepting.step)

    assert connected.error is None and connected.remote == ("127.0.0.1", port)
    assert accepted.result == ({"socket": "conn"}, connected.local)
    assert (accepted.local, accepted.remote) == (connected.remote, connected.local)
    assert accepted.time < connected.time < connected.ended

    agent.call("c.sendall(b'x' * 5)")
    received = agent.call("conn.recv(10)")
    assert (received.caller, received.function, received.arguments, received.result) == (
        "conn",
        "recv",
        (10,),
        b"xxxxx",
    )
    closed = agent.call("c.close()")
    assert closed.local == connected.local
    assert agent.call("conn.recv(10)").result == b""


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_refusal_tells_errno_class_and_both_ends(agent, closed_port, name):
    agent.call("c = socket()")
    refused = agent.call(f"c.connect(('{name}', {closed_port}))")
    assert refused.error == "ECONNREFUSED"
    assert refused.message == "ConnectionRefusedError: [Errno 111] Connection refused"
    assert refused.remote == ("127.0.0.1", closed_port)
    assert refused.local and refused.local[1] > 0
    assert refused.time < refused.ended


def test_connect_ex_returns_its_error(agent, closed_port):
    agent.call("c = socket()")
    call = agent.call(f"c.connect_ex(('127.0.0.1', {closed_port}))")
    assert (call.result, call.error) == (111, None)


def test_errors_without_an_errno_have_their_own_names(agent, port):
    agent.call("s.settimeout(0.02)")
    timed_out = agent.call("s.accept()")
    assert (timed_out.error, timed_out.message) == ("TIMEOUT", "TimeoutError: timed out")
    assert timed_out.ended - timed_out.time >= 20_000_000
    agent.call("c = socket()")
    assert agent.call("c.bind(('127.0.0.1', 70000))").error == "OverflowError"
    assert agent.call("c.bind(7)").error == "TypeError"
    assert agent.call("c.connect(('', -1))").error == "OverflowError"


def test_a_blocked_call_holds_up_nobody_and_ends_late(agent, port):
    blocked_call = agent.call("conn, peer = s.accept()", timeout=0.05)
    assert blocked_call.ended is None
    assert agent.call("c = socket()").ended
    assert agent.remote.join(blocked_call.step, 0.02) is False
    agent.call(f"c.connect(('127.0.0.1', {port}))")
    assert agent.remote.join(blocked_call.step, 5)
    assert agent.record(blocked_call.step).ended


def test_a_pending_call_with_a_timeout_has_begun_while_python_polls(agent, port):
    agent.call("s.settimeout(0.3)")
    began = time.monotonic()
    call = agent.call("conn, peer = s.accept()", pending=True)
    assert call.ended is None and time.monotonic() - began < 0.25
    assert agent.remote.join(call.step, 5)
    assert agent.record(call.step).error == "TIMEOUT"


def test_a_pending_call_that_need_not_block_just_ends(agent, port):
    assert agent.call("s.getsockname()", pending=True).ended


def test_datagrams_tell_the_other_end(agent):
    agent.call("a = socket(AF_INET, SOCK_DGRAM)")
    bound = agent.call("a.bind(('127.0.0.1', 0))").local
    agent.call("b = socket(AF_INET, SOCK_DGRAM)")
    sent = agent.call(f"b.sendto(b'hi', ('127.0.0.1', {bound[1]}))")
    received = agent.call("data, peer = a.recvfrom(100)")
    assert (sent.result, sent.remote) == (2, bound)
    assert received.result == (b"hi", ("127.0.0.1", sent.local[1])) and received.remote == received.result[1]


def test_what_is_too_long_for_the_record_is_noted(agent):
    agent.call("a = socket(AF_INET, SOCK_DGRAM)")
    bound = agent.call("a.bind(('127.0.0.1', 0))").local
    agent.call("b = socket(AF_INET, SOCK_DGRAM)")
    agent.call(f"b.sendto(b'x' * 65507, ('127.0.0.1', {bound[1]}))")
    assert len(agent.call("a.recv(70000)").result) == 65507
    agent.call("s = socket()")
    agent.call("s.bind(('127.0.0.1', 0))")
    port = agent.call("s.listen()").local[1]
    agent.call("c = socket()")
    agent.call(f"c.connect(('127.0.0.1', {port}))")
    agent.call("conn, peer = s.accept()")
    agent.call("c.sendall(b'x' * 100000)")
    received = agent.call("conn.recv(100000, MSG_WAITALL)")
    assert len(received.result) == 65536
    assert [note.what for note in agent.of(Note, received.step)] == ["truncated"]


def test_a_name_that_is_bound_again_lets_go_of_its_socket(agent, port):
    agent.call("c = socket()")
    agent.call(f"c.connect(('127.0.0.1', {port}))")
    agent.call("conn, peer = s.accept()")
    agent.call("c = socket()")
    agent.call("conn.settimeout(5)")
    assert agent.call("conn.recv(1)").result == b""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nobody.listen(1)", "no socket is named 'nobody'"),
        ("s = socket(AF_PACKET)", "family <AddressFamily.AF_PACKET: 17>"),
        ("s = socket(AF_INET, SOCK_RAW)", "expected socket"),
        ("s = socket(16, 3, 0)", "family 16"),
        ("s = socket(AF_INET, SOCK_STREAM, 0, 1)", "observed 4 arguments"),
        ("s = socket(AF_NOWHERE)", "knows no constant 'AF_NOWHERE'"),
    ],
)
def test_what_may_not_be_called_is_refused_in_words(agent, text, words):
    with pytest.raises(HostError, match="server: .*" + words):
        agent.call(text)
    assert agent.call("fine = socket()").error is None


def test_the_socket_table_and_the_counters_are_read_without_rights(agent, port):
    rows = agent.remote.sockets(3).rows
    listening = [row for row in rows if row.local == ("127.0.0.1", port)]
    assert [(row.state, row.send_q) for row in listening] == [("LISTEN", 1)]
    assert agent.remote.counters(3).values["TcpActiveOpens"] >= 0


@pytest.mark.parametrize("hidden", [False, True], ids=["syscall", "wchan"])
def test_a_thread_sleeps_in_its_call_or_for_the_interpreter(monkeypatch, hidden):
    if hidden:
        read = blocked._read

        def no_syscall(thread, name):
            if name == "syscall":
                raise FileNotFoundError(name)
            return read(thread, name)

        monkeypatch.setattr(blocked, "_read", no_syscall)
    one, other = socket.socketpair()
    lock = threading.Lock()
    lock.acquire()
    receiver = threading.Thread(target=one.recv, args=(1,), daemon=True)
    waiter = threading.Thread(target=lock.acquire, daemon=True)
    for thread in (receiver, waiter):
        thread.start()
    deadline = time.monotonic() + 5
    while not blocked.asleep(receiver.native_id, one.fileno()) and time.monotonic() < deadline:
        os.sched_yield()
    assert blocked.asleep(receiver.native_id, one.fileno())
    assert not blocked.asleep(waiter.native_id, one.fileno())
    other.send(b"x")
    lock.release()
    for thread in (receiver, waiter):
        thread.join(5)
    assert not blocked.asleep(receiver.native_id or 0, one.fileno())
    one.close()
    other.close()
