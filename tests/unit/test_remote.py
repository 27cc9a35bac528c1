import json
import queue
import struct
import time
from base64 import b64encode
from pathlib import Path

import pytest
from msgspec.structs import replace

import lab.agent
from lab.bootstrap import MODULES, agent_source
from lab.calls import parse_call
from lab.errors import EngineError, HostError
from lab.history import Call, Exit, Note, Output, Packet, SocketSeen, Tap, View
from lab.plan import Interface, PlannedHost, Route
from lab.remote import TURN, Device, Hello, Remote

SYN = bytes.fromhex(
    "0000000000000000000000000800450000280000400040063cce7f0000017f000001c350000900000001000000005002000000000000"
)
HOST = PlannedHost(
    name="server",
    interfaces=(Interface(network="lan", address="10.1.0.2", ipv6="fd00::2"),),
    routes=(Route(to="10.2.0.0/28", via="10.1.0.3"),),
)


class Script:
    """An agent in memory: each request is answered by the next line of the script, a result or whole messages."""

    def __init__(self, *answers):
        self.asked = []
        self.closed = False
        self._answers = list(answers)
        self._output = queue.SimpleQueue()
        self._rest = b""

    def read(self, size, /):
        self._rest = self._rest or self._output.get()
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece

    def write(self, data, /):
        request = json.loads(data)
        self.asked.append(request)
        answer = self._answers.pop(0) if self._answers else None
        for message in answer if isinstance(answer, list) else [] if answer is None else [{"result": answer}]:
            self.say(message if "event" in message else {"id": request["id"], **message})

    def say(self, message):
        self._output.put(json.dumps(message).encode() + b"\n")

    def say_raw(self, data):
        self._output.put(data)

    def end(self):
        self._output.put(b"")

    def close(self):
        self.closed = True
        self.end()


@pytest.fixture
def remote():
    remotes = []

    def make(*answers):
        remotes.append(Remote("server", Script(*answers)))
        return remotes[-1], remotes[-1]._channel

    yield make
    for made in remotes:
        made.close()


def answered(**result):
    return {"result": result}


def event(kind, **fields):
    return {"event": kind, **fields}


def called(step, **fields):
    plain = {"caller": "c", "function": "connect", "arguments": [{"tuple": ["10.1.0.9", 80]}], "result": None}
    rest = {"error": None, "message": "", "time": 5, "ended": None, "local": None, "remote": ["10.1.0.9", 80]}
    return event("call", step=step, **plain | rest | fields)


def test_the_source_holds_every_module_in_the_order_of_their_imports():
    folder = Path(lab.agent.__file__).parent
    assert sorted(MODULES) == sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    for number, name in enumerate(MODULES):
        imported = [
            word
            for line in (folder / f"{name}.py").read_text().splitlines()
            if line.startswith("from .")
            for word in ([line.split()[1][1:]] if line.split()[1] != "." else line.partition("import ")[2].split(", "))
        ]
        assert set(imported) <= set(MODULES[:number]), name
    source = agent_source()
    assert int(source[:10]) == len(source) - 10
    assert list(json.loads(source[10:])["modules"]) == MODULES


def test_the_agent_imports_nothing_slow_and_nothing_of_the_lab():
    for name in MODULES:
        text = (Path(lab.agent.__file__).parent / f"{name}.py").read_text()
        for slow in ("asyncio", "dataclasses", "inspect", "logging", "pathlib", "tempfile", "subprocess"):
            assert f"\nimport {slow}" not in text and f"\nfrom {slow}" not in text, (name, slow)
        assert "import lab" not in text and "from lab" not in text


def test_questions_go_out_and_answers_come_back_typed(remote):
    lan = {"index": 7, "device": "eth0", "network": "lan", "mac": "02:00", "addresses": ["10.1.0.2", "fd00::2"]}
    host, script = remote(
        {"kernel": "6", "python": "3.11.2", "machine": "x86_64", "strace": "", "uid": 0},
        {"interfaces": [lan]},
        {"ended": False},
        {"pid": 12},
        {"ended": True},
        {"ended": True},
        {"ended": True},
        {"code": 4, "output": "no"},
        {},
        {},
    )
    assert host.hello() == Hello("6", "3.11.2", "x86_64", "", 0)
    assert host.configure(HOST, ["10.1.0.1"]) == (Device(7, "eth0", "lan", "02:00", ("10.1.0.2", "fd00::2")),)
    assert host.call(1, parse_call("c.connect(('10.1.0.9', 80))"), True, 2.0) is False
    assert host.start(2, ("python3", "@x.py"), True, {"x": "pass"}, waits=True) == 12
    assert host.join(2, 3.0) is True
    assert host.stop(2, 1.0, "stopped") is True
    assert host.kill(2, "stopped") is True
    assert host.firewall(("iptables", "-F")) == (4, "no")
    host.link("lan", "down")
    host.stay()
    asked = [{key: value for key, value in request.items() if key != "id"} for request in script.asked]
    assert asked == [
        {"do": "hello"},
        {
            "do": "configure",
            "addresses": {"10.1.0.2": "lan", "fd00::2": "lan"},
            "routes": [{"to": "10.2.0.0/28", "via": "10.1.0.3"}],
            "forbidden": ["10.1.0.1"],
        },
        {
            "do": "call",
            "step": 1,
            "call": {
                "targets": [],
                "receiver": "c",
                "method": "connect",
                "arguments": [{"tuple": ["10.1.0.9", 80]}],
            },
            "pending": True,
            "timeout": 2.0,
        },
        {"do": "start", "step": 2, "argv": ["python3", "@x.py"], "trace": True, "files": {"x": "pass"}, "waits": True},
        {"do": "join", "step": 2, "timeout": 3.0},
        {"do": "stop", "step": 2, "grace": 1.0, "because": "stopped"},
        {"do": "kill", "step": 2, "because": "stopped"},
        {"do": "firewall", "argv": ["iptables", "-F"]},
        {"do": "link", "network": "lan", "state": "down"},
        {"do": "stay"},
    ]


def test_packets_have_the_networks_name_and_the_tap_its_proof(remote):
    frame = [9, 1, False, 54, b64encode(SYN).decode()]
    unknown = [10, 99, True, 60, b64encode(SYN).decode()]
    host, _ = remote(
        [event("frames", frames=[frame, unknown]), {"result": {"from": 1, "until": 20, "seen": 2, "dropped": 0}}]
    )
    tap = host.drain()
    assert tap == Tap("server", 1, 20, 2, 0)
    first, second, kept = host.observations()
    assert isinstance(first, Packet) and isinstance(second, Packet) and kept == tap
    assert (first.time, first.interface, first.outgoing, first.protocol, first.flags) == (
        9,
        "lo",
        False,
        "tcp",
        ("SYN",),
    )
    assert (first.source, first.sport, first.dport, first.size) == ("127.0.0.1", 50000, 9, 54)
    assert (second.interface, second.outgoing) == ("interface-99", True)


def listener(cookie, waiting):
    body = struct.pack("=BBBB", 2, 10, 0, 0) + struct.pack("!HH", 80, 0) + bytes(36)
    body += struct.pack("=IIIIIII", cookie, 1, 0, waiting, 5, 1000, 9)
    return struct.pack("=IHHII", 16 + len(body), 18, 2, 1, 0) + body


def reading(time, *rows, gone=()):
    return event("sockets", time=time, rows={"tcp": b64encode(b"".join(rows)).decode()}, gone=list(gone))


def test_sockets_that_changed_are_known_by_their_cookies_and_end_with_their_last_row(remote):
    host, _ = remote(
        [reading(5, listener(7, 0), listener(8, 0)), {"result": {"from": 1, "until": 4, "seen": 0, "dropped": 0}}],
        [reading(9, listener(7, 2), gone=[1 << 32 | 8]), {"result": {"from": 4, "until": 8, "seen": 0, "dropped": 0}}],
    )
    host.drain()
    first = [seen for seen in host.observations() if isinstance(seen, SocketSeen)]
    assert [(seen.id, seen.row.state, seen.row.recv_q) for seen in first] == [
        (1 << 32 | 7, "LISTEN", 0),
        (1 << 32 | 8, "LISTEN", 0),
    ]
    host.drain()
    later = [seen for seen in host.observations() if isinstance(seen, SocketSeen)][2:]
    assert [(seen.id & 7, seen.time, seen.row.recv_q, seen.gone) for seen in later] == [
        (7, 9, 2, False),
        (0, 9, 0, True),
    ]
    assert later[1].row == first[1].row


def test_what_became_of_a_packet_is_decoded(remote):
    packet = {"data": b64encode(SYN[14:]).decode(), "size": len(SYN) - 14}
    told = event("fate", time=5, network="lan", outgoing=False, number=3, effects=["lost"], **packet)
    host, script = remote({"lacks": "no queue"}, [told, {"result": {}}], {})
    assert host.impairable() == "no queue"
    host.impair("lan", "in", {"lose": {"every": 3, "from": 3}})
    host.repair("lan")
    (fate,) = host.observations()
    assert (fate.host, fate.time, fate.number, fate.effects) == ("server", 5, 3, ("lost",))
    assert (fate.packet.interface, fate.packet.flags, fate.packet.size) == ("lan", ("SYN",), len(SYN))
    assert [{**asked, "id": 0} for asked in script.asked[1:]] == [
        {"id": 0, "do": "impair", "network": "lan", "direction": "in", "orders": {"lose": {"every": 3, "from": 3}}},
        {"id": 0, "do": "repair", "network": "lan"},
    ]


def test_views_are_bytes(remote):
    host, script = remote({"views": [{"command": "ss -tuan", "code": 0, "data": "/wA=", "time": 5}]})
    assert host.views(3, ["ss"]) == (View("server", 5, 3, "ss -tuan", 0, b"\xff\0"),)
    assert {**script.asked[0], "id": 0} == {"id": 0, "do": "view", "step": 3, "tools": ["ss"]}


def test_a_pending_call_is_there_once_before_and_after_its_end(remote):
    host, _ = remote(
        [called(3), answered(ended=False)],
        [called(3, ended=9, error="ECONNREFUSED", message="no", local=["10.1.0.2", 5]), answered(ended=True)],
    )
    host.call(3, parse_call("c.connect(('10.1.0.9', 80))"), True, 1.0)
    (pending,) = host.observations()
    assert pending == Call("server", 5, 3, "c", "connect", (("10.1.0.9", 80),), remote=("10.1.0.9", 80))
    host.join(3, 1.0)
    (ended,) = host.observations()
    assert (ended.ended, ended.error, ended.local) == (9, "ECONNREFUSED", ("10.1.0.2", 5))


def test_values_are_unwrapped_and_constants_keep_their_names(remote):
    peer = {"tuple": [{"socket": "conn"}, {"tuple": ["10.1.0.9", 80]}]}
    arguments = [{"constant": "AF_INET"}, {"repeat": [{"bytes": "eA=="}, 9]}, {"bytes": "eHk="}]
    host, _ = remote([called(1, result=peer, arguments=arguments), answered(ended=True)])
    host.call(1, parse_call("s.accept()"), False, 1.0)
    (call,) = host.observations()
    assert call.result == ({"socket": "conn"}, ("10.1.0.9", 80))
    assert call.arguments == ({"constant": "AF_INET"}, {"repeat": [b"x", 9]}, b"xy")


def test_a_programs_trace_grows_and_what_cannot_be_read_is_noted(remote):
    begun = '12 1.000000001 connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("10.1.0.9")}, 16'
    host, _ = remote(
        [event("trace", step=4, lines=[begun + " <unfinished ...>"]), answered(ended=False)],
        [
            event("output", step=4, stream="stdout", time=1_500_000_000, data=b64encode(b"hi").decode()),
            event("trace", step=4, lines=["12 2.000000001 <... connect resumed>) = 0 <1.000000000>", "gibberish"]),
            event("note", what="truncated", text="words", time=1_600_000_000, step=4),
            event("exit", step=4, time=2_100_000_000, code=3, because=""),
            answered(ended=True),
        ],
    )
    host.join(4, 0.1)
    (call,) = host.observations()
    assert (call.function, call.ended, call.program) == ("connect", None, True)
    host.join(4, 0.1)
    seen = host.observations()
    assert seen[:3] == [
        Output("server", 1_500_000_000, 4, "stdout", b"hi"),
        Note("server", 1_600_000_000, "truncated", 4, "words"),
        Exit("server", 2_100_000_000, 4, 3),
    ]
    assert seen[3].ended == 2_000_000_001
    assert seen[4] == Note("server", 2_100_000_000, "trace", 4, "gibberish") and len(seen) == 5


def test_a_refusal_is_told_with_the_hosts_name(remote):
    host, _ = remote([{"error": "no such thing"}], {"code": 0, "output": ""})
    with pytest.raises(HostError, match=r"^server: no such thing$"):
        host.hello()
    assert host.firewall(["iptables", "-F"]) == (0, "")


def test_silence_has_a_deadline_and_a_late_answer_harms_nobody(remote):
    host, script = remote(None, {"code": 0, "output": ""})
    began = time.monotonic()
    with pytest.raises(HostError, match=r"server: no answer to 'hello' within 0.05 s"):
        host.request("hello", 0.05)
    assert time.monotonic() - began < 2
    script.say({"id": 1, "result": {}})
    assert host.firewall(["iptables", "-F"]) == (0, "")


@pytest.mark.parametrize(
    ("last_words", "reason"),
    [
        (b"", "its output ended"),
        (b"Segmentation fault\n", "not the agent's protocol"),
        (b'{"event": "x"}\n', "protocol"),
    ],
)
def test_death_reaches_whoever_waits_and_whoever_asks_later(remote, last_words, reason):
    host, script = remote()
    script.say_raw(last_words)
    for _ in range(2):
        with pytest.raises(HostError, match=f"server: the agent ended before it answered 'hello': .*{reason}"):
            host.hello()


def test_a_pipe_that_nobody_reads_is_death_too(remote):
    host, script = remote()

    def refuse(data, /):
        raise EngineError("write to a host: Broken pipe")

    script.write = refuse
    with pytest.raises(HostError, match="Broken pipe"):
        host.hello()


def test_close_ends_the_agents_input(remote):
    host, script = remote()
    host.close()
    assert script.closed
    with pytest.raises(HostError):
        host.hello()


def test_the_turns_of_a_step_are_told_apart(remote):
    told = [
        event("output", step=3 + 2 * TURN, stream="stdout", time=5, data=b64encode(b"x").decode()),
        event("exit", step=3 + 2 * TURN, time=6, code=1, because=""),
        event("note", step=3 + 2 * TURN, time=7, what="truncated", text="t"),
        event("note", step=-1, time=8, what="unmodelled", text="u"),
        called(4 + TURN, ended=9),
        answered(ended=True),
    ]
    host, script = remote({"pid": 1}, {"ended": True}, {"ended": True}, told)
    host.start(3, ("true",), False, turn=2)
    host.join(3, 1.0, 2)
    host.stop(3, 1.0, "timeout", 2)
    host.call(4, parse_call("c.connect(('10.1.0.9', 80))"), False, 1.0, 1)
    assert [request["step"] for request in script.asked] == [3 + 2 * TURN, 3 + 2 * TURN, 3 + 2 * TURN, 4 + TURN]
    seen = host.observations()
    assert [(one.step, one.turn) for one in seen if isinstance(one, Output | Exit | Call)] == [(3, 2), (3, 2), (4, 1)]
    assert [one.step for one in seen if isinstance(one, Note)] == [3, -1]


def test_a_host_is_told_whom_to_ask_for_names(remote):
    host, script = remote({"interfaces": []})
    host.configure(replace(HOST, nameserver="10.1.0.3"))
    assert script.asked[0]["nameserver"] == "10.1.0.3"
