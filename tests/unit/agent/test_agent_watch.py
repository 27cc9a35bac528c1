"""The socket table in view while it changes, with a real agent in a network namespace of its own."""

import itertools
import os
import time
from pathlib import Path

import pytest

from lab.errors import HostError
from lab.history import Note, SocketSeen
from lab.plan import Interface, PlannedHost

ALONE = PlannedHost(name="server", interfaces=(Interface(network="lo", address="127.0.0.1"),))


@pytest.fixture
def alone(lonely):
    agent = lonely("")
    agent.remote.configure(ALONE)
    return agent


def seen(agent):
    """What the agent told of sockets, by their ids, each socket's rows in the order of time."""
    lives = {}
    found = [item for item in agent.remote.observations() if isinstance(item, SocketSeen)]
    for item in sorted(found, key=lambda item: item.time):
        lives.setdefault(item.id, []).append(item)
    return lives


def states(life):
    return ["gone" if item.gone else item.row.state for item in life]


def test_a_socket_keeps_its_id_from_its_beginning_to_its_end(alone):
    alone.call("s = socket()")
    alone.call("s.bind(('127.0.0.1', 6000))")
    alone.call("s.listen(1)")
    alone.remote.drain()
    alone.call("s.close()")
    alone.remote.drain()
    (life,) = seen(alone).values()
    assert states(life)[-2:] == ["LISTEN", "gone"]
    assert life[-1].row == life[-2].row
    assert set(states(life)[:-2]) <= {"UNCONN"}


def test_a_connection_at_both_its_ends(alone):
    script = """s = socket(); s.bind(('127.0.0.1', 6000)); s.listen(1); c = socket()
    c.connect(('127.0.0.1', 6000)); conn, peer = s.accept(); c.sendall(b'hello'); data = conn.recv(5)
    c.close(); conn.close()"""
    for text in script.replace("\n", ";").split(";"):
        assert alone.call(text.strip()).error is None
        alone.remote.drain()
    lives = list(seen(alone).values())
    (listener,) = (life for life in lives if life[-1].row.state == "LISTEN")
    (server,) = (life for life in lives if "CLOSE-WAIT" in states(life))
    (client,) = (life for life in lives if life not in (listener, server))
    assert [item.row.recv_q for item in listener if item.row.state == "LISTEN"] == [0, 1, 0]
    assert [item.row.recv_q for item in server if item.row.state == "ESTAB"] == [0, 5, 0]
    assert states(server)[-2:] == ["CLOSE-WAIT", "gone"]
    assert "ESTAB" in states(client) and states(client)[-1] in ("TIME-WAIT", "gone")
    assert {"FIN-WAIT-1", "FIN-WAIT-2"} & set(states(client))


def test_nothing_is_told_where_nothing_changes(alone):
    alone.call("s = socket(AF_INET, SOCK_DGRAM)")
    alone.call("s.bind(('127.0.0.1', 6000))")
    alone.remote.drain()
    before = seen(alone)
    for _ in range(3):
        alone.call("s.getsockname()")
        alone.remote.drain()
    assert seen(alone) == before
    assert [states(life) for life in before.values()] == [["UNCONN"]]


def test_a_change_is_seen_without_a_drain_and_never_before_its_cause(alone):
    alone.call("s = socket(AF_INET, SOCK_DGRAM)")
    bound = alone.call("s.bind(('127.0.0.1', 6000))")
    deadline = time.monotonic() + 5
    while not seen(alone):
        assert time.monotonic() < deadline, "nothing was told of the bound socket"
    ((first,),) = seen(alone).values()
    assert bound.time <= first.time


@pytest.mark.skipif(os.geteuid() != 0, reason="programs need a second user, which a user namespace does not have")
def test_a_burst_is_read_with_rests_and_its_last_state_without_being_asked(lonely, changed):
    alone = lonely("", source=changed(("watch", "LEAST_REST = 3, 0.0003", "LEAST_REST = 3, 0.02")))
    alone.remote.configure(ALONE)
    alone.call("s = socket(AF_INET, SOCK_DGRAM)")
    alone.call("s.bind(('127.0.0.1', 6000))")
    source = (
        "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "for number in range(5000): s.sendto(b'x', ('127.0.0.1', 6000))"
    )
    step = alone.start("python3", "-IuS", "@burst.py", burst=source)
    assert alone.remote.join(step, 10)
    (waiting,) = {row.recv_q for row in alone.remote.sockets(0).rows if row.local[1] == 6000}
    deadline = time.monotonic() + 5
    while (life := next(life for life in seen(alone).values() if life[0].row.local[1] == 6000))[
        -1
    ].row.recv_q != waiting:
        assert time.monotonic() < deadline, "the last state was not told"
    assert waiting > 0
    assert all(later.time - item.time >= 20_000_000 for item, later in itertools.pairwise(life))


def test_five_hundred_sockets_are_told_once_each(alone):
    for number in range(500):
        alone.call(f"s{number} = socket(AF_INET, SOCK_DGRAM)")
        alone.call(f"s{number}.bind(('127.0.0.1', {7000 + number}))")
    alone.remote.drain()
    lives = seen(alone)
    assert sorted(life[0].row.local[1] for life in lives.values()) == list(range(7000, 7500))
    assert {len(life) for life in lives.values()} == {1}
    began = worked(alone)
    for _ in range(10):
        alone.remote.drain()
    assert worked(alone) - began < 2, "a tenth of it is usual"


def worked(agent):
    """How long (s) a processor has worked for the agent."""
    _, _, words = Path(f"/proc/{agent.pipe.process.pid}/stat").read_text().rpartition(") ")
    return sum(map(int, words.split()[11:13])) / os.sysconf("SC_CLK_TCK")


def test_the_engines_own_name_server_is_none_of_the_hosts(alone):
    for name, address in (("a", "127.0.0.11"), ("b", "127.0.0.1")):
        alone.call(f"{name} = socket(AF_INET, SOCK_DGRAM)")
        assert alone.call(f"{name}.bind(('{address}', 6000))").error is None
    alone.remote.drain()
    assert [life[0].row.local for life in seen(alone).values()] == [("127.0.0.1", 6000)]


def test_who_is_missed_by_one_reading_alone_is_not_gone(lonely, changed):
    flaky = "reads = []\ndef _flaky(link):\n    reads.append(0)\n"
    flaky += "    return tables.read(link) if len(reads) % 2 else {}\n"
    call, head = ("watch", "tables.read(self._link)", "_flaky(self._link)"), "RESTS, LEAST_REST = "
    agent = lonely("", source=changed(call, ("watch", head, flaky + head)))
    agent.remote.configure(ALONE)
    agent.call("s = socket(AF_INET, SOCK_DGRAM)")
    agent.call("s.bind(('127.0.0.1', 6000))")
    for _ in range(6):
        agent.remote.drain()
    assert [states(life) for life in seen(agent).values()] == [["UNCONN"]]


def test_a_table_that_cannot_be_read_is_told_and_a_drain_is_refused(lonely, changed):
    broken = "left = [{}]\ndef _broken():\n    if left:\n        return left.pop()\n    raise OSError('no table')\n"
    call, head = ("watch", "tables.read(self._link)", "_broken()"), "RESTS, LEAST_REST = "
    agent = lonely("", source=changed(call, ("watch", head, broken + head)))
    agent.remote.configure(ALONE)
    agent.call("s = socket()")
    agent.call("s.bind(('127.0.0.1', 6000))")
    for _ in range(2):
        with pytest.raises(HostError, match="no table"):
            agent.remote.drain()
    deadline = time.monotonic() + 10  # the watcher tells it when it comes to it
    while not (notes := [it for it in agent.remote.observations() if isinstance(it, Note)]):
        assert time.monotonic() < deadline, "the trouble is told"
    (note,) = notes
    assert (note.what, note.step, note.text) == ("sockets", -1, "the socket table could not be read: no table")


def test_what_one_reading_misses_while_another_socket_goes_is_not_gone(lonely, changed):
    missing = (
        "last = [0, False]\ndef _missing(link):\n    read = tables.read(link)\n"
        "    size = sum(map(len, read.values()))\n"
        "    if last[1]:\n        last[1] = False\n        return {}\n"
        "    last[:] = size, size < last[0]\n    return read\n"
    )
    call, head = ("watch", "tables.read(self._link)", "_missing(self._link)"), "RESTS, LEAST_REST = "
    agent = lonely("", source=changed(call, ("watch", head, missing + head)))
    agent.remote.configure(ALONE)
    for name, port in (("s", 6000), ("t", 6001)):
        agent.call(f"{name} = socket(AF_INET, SOCK_DGRAM)")
        agent.call(f"{name}.bind(('127.0.0.1', {port}))")
    agent.remote.drain()
    agent.call("s.close()")
    agent.remote.drain()
    assert sorted((life[0].row.local[1], states(life)[-1]) for life in seen(agent).values()) == [
        (6000, "gone"),
        (6001, "UNCONN"),
    ]
    assert all("gone" not in states(life)[:-1] for life in seen(agent).values())
