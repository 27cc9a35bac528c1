"""The fake engine's own promises: virtual time, determinism, true frames, and refusals in words. What it shares with
the other engines is in tests/contract."""

import time
from contextlib import ExitStack
from ipaddress import ip_network
from types import SimpleNamespace

import dpkt
import pytest
from contract.house import PYTHON, Hand, deployed, estate, host, pair, plan_of
from msgspec.structs import replace

from lab.engines.fake import FakeEngine, world
from lab.engines.fake.sockets import Socket
from lab.engines.fake.world import SECOND, World
from lab.errors import EngineError, HostError
from lab.history import History, dumps
from lab.plan import PlannedNetwork, Route

PORT = 5000


class House:
    """Hosts of one fake deployment."""

    def __init__(self, plan, deployment):
        self.plan, self.deployment = plan, deployment

    def __getitem__(self, name):
        return Hand(self.deployment, self.plan, name)


@pytest.fixture
def build():
    """`build(make, sizes)` brings a plan up until the test ends."""
    with ExitStack() as stack:

        def up(make=pair, sizes=(2,), **options):
            options = {"trusted": True} | options
            return House(*stack.enter_context(deployed(FakeEngine(**options), "unit", sizes, make)))

        yield up


@pytest.fixture
def house(build):
    return build()


@pytest.fixture
def grounds(build):
    return build(estate, (2, 2, 2, 1))


def lasted(call):
    return (call.ended - call.time) / SECOND


def with_sysctls(**sysctls):
    def make(subnets):
        lan = PlannedNetwork(name="lan", subnet=subnets[0])
        return plan_of([lan], [host("one", (lan, 2), **sysctls), host("two", (lan, 3))])

    return make


@pytest.mark.parametrize(
    ("retries", "linear", "syns", "seconds"),
    [(1, 4, 3, 3.06), (2, 4, 6, 7.1), (3, 4, 8, 19.4), (1, 0, 2, 3.06), (2, 0, 3, 7.1), (3, 0, 4, 15.3)],
)
def test_a_kernel_gives_up_when_linux_does_and_nobody_waits(build, retries, linear, syns, seconds):
    names = {"net__ipv4__tcp_syn_retries": str(retries), "net__ipv4__tcp_syn_linear_timeouts": str(linear)}
    house = build(with_sysctls(**names))
    house["two"].firewall("iptables -A INPUT -p tcp -j DROP")
    began = time.monotonic()
    call = house["one"].connect(house["two"].address, PORT)
    assert time.monotonic() - began < 2
    assert call.error == "ETIMEDOUT"
    assert house["one"].wire(PORT) == ["> SYN"] * syns
    assert lasted(call) == pytest.approx(seconds, abs=0.3)


@pytest.mark.parametrize(("retries", "error"), [(1, "ETIMEDOUT"), (2, "EHOSTUNREACH")])
def test_an_unused_address_is_told_by_whichever_gives_up_first(build, retries, error):
    house = build(with_sysctls(net__ipv4__tcp_syn_retries=str(retries)))
    nobody = house["one"].address.rpartition(".")[0] + ".14"
    call = house["one"].connect(nobody, PORT)
    assert call.error == error
    assert lasted(call) == pytest.approx(3.06, abs=0.05)


def test_the_same_run_twice_is_the_same_history():
    texts = []
    for _ in range(2):
        with deployed(FakeEngine(start=10**18, trusted=True), "unit", [2], pair) as (_, deployment):
            one, two = deployment.agents["one"], deployment.agents["two"]
            address = "/opt/lab/programs/"
            one.start(0, ["python3", "-IuS", address + "multiconn-server.py", "", "5000"], trace=True)
            two.start(1, ["python3", "-IuS", address + "multiconn-client.py", "one", "5000", "3"], trace=True)
            assert two.join(1, 10)
            one.stop(0, 1, "stopped")
            one.drain(), two.drain()
            texts.append(dumps(History.of(one.observations() + two.observations())))
    assert texts[0] == texts[1]
    assert texts[0].count('"kind": "packet"') > 30


def test_frames_are_what_others_read_too(grounds):
    client, server = grounds["client"], grounds["server"]
    server.listen(PORT)
    client.connect(server.address, PORT)
    client.call("c.sendall(b'odd')")
    frames = [raw for *_, raw in _frames(client)]
    kinds = set()
    for raw in frames:
        ethernet = dpkt.ethernet.Ethernet(raw)
        kinds.add(type(ethernet.data).__name__)
        if isinstance(ethernet.data, dpkt.ip.IP):
            ip, sums = ethernet.data, (ethernet.data.sum, ethernet.data.data.sum)
            ip.sum = ip.data.sum = 0
            again = dpkt.ip.IP(bytes(ip))
            assert (again.sum, again.data.sum) == sums
            assert ip.len == len(raw) - 14
    assert kinds == {"ARP", "IP"}
    assert any(dpkt.ethernet.Ethernet(raw).data.data.data == b"odd" for raw in frames if raw[12:14] == b"\x08\x00")


def _frames(hand):
    agent = hand.remote._channel.agent
    return list(agent.host.tap)


def test_an_icmp_error_quotes_what_it_is_about(grounds):
    west, east = grounds["west"], grounds["east"]
    grounds["router"].firewall("iptables -A FORWARD -p tcp -j REJECT --reject-with icmp-admin-prohibited")
    call = west.connect(east.address, PORT, timeout=2)
    assert call.error == "EHOSTUNREACH"
    (error,) = (packet for packet in west.packets(PORT) if packet.icmp)
    assert (error.icmp, error.source) == ("admin-prohibited", grounds["router"].address)
    assert error.about[3:] == (east.address, PORT)
    assert east.packets(PORT) == []


def test_a_router_that_does_not_forward_is_silent(build):
    def make(subnets):
        plan = estate(subnets)
        silent = [replace(item, sysctls={}) if item.name == "router" else item for item in plan.hosts]
        return replace(plan, hosts=tuple(silent))

    grounds = build(make, (2, 2, 2, 1))
    call = grounds["west"].connect(grounds["east"].address, PORT, timeout=0.5)
    assert call.error == "TIMEOUT"
    assert grounds["router"].wire(PORT) == ["< SYN"]
    assert grounds["east"].packets(PORT) == []


def test_the_longest_prefix_wins(build):
    def make(subnets):
        plan = estate(subnets)
        (west,) = (item for item in plan.hosts if item.name == "west")
        silent = str(ip_network(subnets[1])[9])
        wide = Route(to="10.0.0.0/8", via=silent)
        hosts = [replace(it, routes=(wide, *it.routes)) if it == west else it for it in plan.hosts]
        return replace(plan, hosts=tuple(hosts))

    grounds = build(make, (2, 2, 2, 1))
    assert grounds["west"].connect(grounds["east"].address, PORT).error == "ECONNREFUSED"
    assert grounds["west"].connect("10.255.0.1", PORT).error == "EHOSTUNREACH"


@pytest.mark.parametrize(
    ("answer", "error", "seconds"),
    [
        ("tcp-reset", "ECONNREFUSED", 0),
        ("icmp6-port-unreachable", "ECONNREFUSED", 1),
        ("icmp6-no-route", "ENETUNREACH", 1),
        ("icmp6-addr-unreachable", "EHOSTUNREACH", 1),
        ("icmp6-adm-prohibited", "EACCES", 1),
    ],
)
def test_rejections_of_ipv6(grounds, answer, error, seconds):
    server, client = grounds["server"], grounds["client"]
    assert server.firewall(f"ip6tables -A INPUT -p tcp -j REJECT --reject-with {answer}") == (0, "")
    client.call("c = socket(AF_INET6, SOCK_STREAM)")
    client.call("c.settimeout(3)")
    call = client.call(f"c.connect(({server.planned.interfaces[0].ipv6!r}, {PORT}))")
    assert call.error == error
    assert lasted(call) == pytest.approx(seconds, abs=0.1)


def test_a_listener_of_both_families_shows_mapped_addresses(grounds):
    server, client = grounds["server"], grounds["client"]
    server.call("s = socket(AF_INET6, SOCK_STREAM)")
    server.call(f"s.bind(('::', {PORT}))")
    server.call("s.listen(1)")
    client.connect(server.address, PORT)
    assert server.call("conn, peer = s.accept()").result[1][0] == f"::ffff:{client.address}"
    assert {row.local[0] for row in server.rows(PORT)} == {"::", f"::ffff:{server.address}"}


def test_v6only_leaves_ipv4_to_others(grounds):
    server = grounds["server"]
    server.call("s = socket(AF_INET6, SOCK_STREAM)")
    server.call("s.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 1)")
    server.call(f"s.bind(('::', {PORT}))")
    server.call("s.listen(1)")
    assert grounds["client"].connect(server.address, PORT).error == "ECONNREFUSED"
    assert server.rows(PORT)[0].v6only
    server.call("four = socket()")
    assert server.call(f"four.bind(('', {PORT}))").error is None


def test_a_full_queue_is_entered_by_the_next_syn(house):
    one, two = house["one"], house["two"]
    one.listen(PORT, backlog=0)
    two.connect(one.address, PORT)
    two.call("late = socket()")
    step = two.pending(f"late.connect(({one.address!r}, {PORT}))")
    one.call("conn, peer = s.accept()")
    call = two.joined(step)
    assert call.error is None
    assert lasted(call) == pytest.approx(1.02, abs=0.05)


def test_what_a_firewall_swallowed_is_sent_again(house):
    one, two = house["one"], house["two"]
    one.listen(PORT)
    two.connect(one.address, PORT)
    one.call("conn, peer = s.accept()")
    one.firewall("iptables -A INPUT -j DROP")
    two.call("c.sendall(b'lost')")
    step = one.pending("conn.recv(10)")
    assert one.remote.join(step, 1.0) is False
    assert [row.send_q for row in two.rows(PORT)] == [4]
    one.firewall("iptables -F INPUT")
    assert one.joined(step).result == b"lost"
    assert sum(packet.data == b"lost" for packet in two.packets(PORT)) > 2
    assert two.counters()["TcpRetransSegs"] >= 2


def test_nobody_answers_any_more(build):
    house = build(with_sysctls(net__ipv4__tcp_retries2="3"))
    one, two = house["one"], house["two"]
    two.listen(PORT)
    one.connect(two.address, PORT)
    two.firewall("iptables -A INPUT -j DROP")
    one.call("c.sendall(b'lost')")
    assert one.call("c.recv(1)", timeout=60).error == "ETIMEDOUT"
    assert one.call("c.send(b'x')").error == "EPIPE"


def test_a_small_buffer_takes_what_it_can(house):
    one, two = house["one"], house["two"]
    one.listen(PORT)
    two.connect(one.address, PORT)
    one.call("conn, peer = s.accept()")
    two.call("c.setblocking(False)")
    taken = [two.call("c.send(b'x' * 1000000)").result for _ in range(2)]
    assert 0 < taken[0] < 1_000_000
    assert two.call("c.send(b'x')").error in ("EAGAIN", None)
    got = 0
    while got < sum(filter(None, taken)):
        got += len(one.call("conn.recv(60000)").result)
    assert two.call("c.send(b'x')").result == 1


def test_sendall_goes_on_until_all_is_sent(house):
    one, two = house["one"], house["two"]
    one.listen(PORT)
    two.connect(one.address, PORT)
    one.call("conn, peer = s.accept()")
    step = two.pending("c.sendall(b'x' * 1000000)")
    got = b""
    while len(got) < 1_000_000:
        got += one.call("conn.recv(65536)").result
    assert two.joined(step).error is None
    assert got == b"x" * 1_000_000


def test_time_wait_keeps_the_port(house):
    one, two = house["one"], house["two"]
    one.call("s = socket()")
    one.call(f"s.bind(('', {PORT}))")
    one.call("s.listen(1)")
    two.connect(one.address, PORT)
    one.call("conn, peer = s.accept()")
    one.call("conn.close()")
    two.call("c.recv(1)")
    two.call("c.close()")
    one.call("s.close()")
    assert [row.state for row in one.rows(PORT)] == ["TIME-WAIT"]
    one.call("again = socket()")
    one.call("again.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)")
    assert one.call(f"again.bind(('', {PORT}))").error == "EADDRINUSE"
    house.deployment.sleep(61)
    assert one.rows(PORT) == []
    assert one.call(f"again.bind(('', {PORT}))").error is None


def test_an_error_of_a_connect_in_progress_is_told_once(house):
    one, two = house["one"], house["two"]
    one.call("c = socket()")
    one.call("c.setblocking(False)")
    text = f"c.connect_ex(({two.address!r}, {PORT}))"
    assert one.call(text).result == 115
    assert one.call("c.getsockopt(SOL_SOCKET, SO_ERROR)").result == 111
    assert one.call("c.getsockopt(SOL_SOCKET, SO_ERROR)").result == 0
    assert one.call("c.send(b'x')").error == "EPIPE"
    assert one.call(text).result == 115
    assert one.call(text).result == 111


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("s.bind(('', 65536))", "OverflowError"),
        ("s.bind(('', 'http'))", "TypeError"),
        ("s.bind('')", "TypeError"),
        ("s.bind(('192.0.2.1', 1))", "EADDRNOTAVAIL"),
        ("s.accept()", "EINVAL"),
        ("s.recv(1)", "ENOTCONN"),
        ("s.shutdown(SHUT_WR)", "ENOTCONN"),
        ("s.getpeername()", "ENOTCONN"),
        ("s.send(b'x')", "EPIPE"),
        ("s.connect(('::1', 1))", "gaierror"),
        ("s.connect(('nobody', 1))", "gaierror"),
    ],
)
def test_what_python_and_linux_say_to_nonsense(house, text, error):
    house["one"].call("s = socket()")
    assert house["one"].call(text).error == error


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("u = socket(AF_INET, SOCK_DGRAM)", "SOCK_DGRAM"),
        ("s.setsockopt(IPPROTO_TCP, TCP_USER_TIMEOUT, 500)", "TCP_USER_TIMEOUT"),
        ("s.getsockopt(SOL_SOCKET, SO_SNDBUF)", "SO_SNDBUF"),
        ("s.sendto(b'x', ('127.0.0.1', 1))", "sendto"),
        ("s.recv(1, MSG_OOB)", "flags"),
    ],
)
def test_what_is_not_modelled_is_refused(house, text, words):
    house["one"].call("s = socket()")
    with pytest.raises(HostError, match=f"fake engine does not model.*{words}"):
        house["one"].call(text)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["ss", "-tan"], "no program 'ss'"),
        ([*PYTHON, "import threading"], "no module threading"),
        (["python3", "-IuS", "/opt/lab/programs/absent.py"], "no program"),
        (["python3"], "expected a program"),
    ],
)
def test_programs_that_it_cannot_run_are_refused(house, argv, words):
    with pytest.raises(HostError, match=words):
        house["one"].start(*argv)


def test_a_scenarios_own_program_needs_trust(build):
    with pytest.raises(HostError, match="nothing would confine"):
        build(trusted=False)["one"].start(*PYTHON, "print(1)")


@pytest.mark.parametrize(
    "source", ["import socket; socket.create_server", "open('/etc/passwd')", "__import__('os')", "input()"]
)
def test_a_program_meets_the_end_of_the_model(house, source):
    step = house["one"].run(*PYTHON, source)
    assert house["one"].exit(step).code == 1
    (note,) = house["one"].notes(step, "unmodelled")
    assert "fake engine does not model" in note.text


def test_a_program_that_computes_for_ever_is_ended(house, monkeypatch):
    monkeypatch.setattr(world, "STUCK", 0.2)
    step = house["one"].start(*PYTHON, "while True: pass")
    assert house["one"].remote.join(step, 1)
    assert house["one"].exit(step).code == 137
    assert "computed without end" in house["one"].notes(step, "problem")[0].text


def test_a_signals_handler_runs_in_the_program(house):
    source = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\nsignal.pause()"
    step = house["one"].start(*PYTHON, source)
    assert house["one"].remote.stop(step, 1, "stopped")
    assert house["one"].exit(step).code == 7


def test_sleep_costs_nothing(house):
    began = time.monotonic()
    step = house["one"].start(*PYTHON, "import time; a = time.time(); time.sleep(3600); print(round(time.time() - a))")
    assert house["one"].remote.join(step, 10) is False
    assert house["one"].remote.join(step, 4000)
    assert house["one"].output(step) == b"3600\n"
    assert time.monotonic() - began < 2


def test_nothing_can_be_kept_or_entered(house):
    with pytest.raises(EngineError, match="docker"):
        house.deployment.keep()
    with pytest.raises(EngineError, match="docker"):
        house.deployment.enter("one")


@pytest.mark.parametrize(
    ("rule", "code", "words"),
    [
        ("iptables -A INPUT -p tcp --dport 80 -j ACCEPT", 0, ""),
        ("iptables -P FORWARD DROP", 0, ""),
        ("iptables -A INPUT -p tcp --dport", 2, "requires an argument"),
        ("iptables -A INPUT -m statistic --mode nth -j DROP", 2, "match 'statistic'"),
        ("iptables -A INPUT --dport 80 -j DROP", 2, "-p tcp"),
        ("iptables -A INPUT -j REJECT --reject-with tcp-reset", 4, "Invalid argument"),
        ("iptables -A INPUT -p tcp -j REJECT --reject-with nonsense", 2, "nonsense"),
        ("iptables -A INPUT -p tcp --dport x -j DROP", 2, "invalid port"),
        ("iptables -A INPUT -s nowhere -j DROP", 2, "not found"),
        ("iptables -A NOWHERE -j DROP", 2, "NOWHERE"),
        ("iptables -t nat -A OUTPUT -j DROP", 2, "filter table"),
        ("iptables -D INPUT -j DROP", 1, "matching rule"),
        ("iptables -D INPUT 3", 1, "too big"),
        ("iptables -P INPUT REJECT", 2, "policy"),
        ("iptables -p tcp", 2, "no command"),
        ("iptables -A INPUT -p tcp -f -j DROP", 2, "'-f'"),
    ],
)
def test_the_firewalls_language(house, rule, code, words):
    status, output = house["one"].firewall(rule)
    assert status == code
    assert words in output
    assert bool(output) == bool(code)


def test_the_first_rule_that_matches_decides(house):
    one, two = house["one"], house["two"]
    one.listen(PORT)
    one.firewall("iptables -P INPUT DROP")
    assert two.connect(one.address, PORT, timeout=0.2).error == "TIMEOUT"
    assert one.connect("127.0.0.1", PORT, timeout=0.2).error == "TIMEOUT"
    one.firewall("iptables -A INPUT -i lo -j ACCEPT")
    assert one.connect("127.0.0.1", PORT, timeout=0.2).error is None
    one.firewall(f"iptables -I INPUT 1 -p tcp -s {two.address} --dport {PORT - 1}:{PORT} -j ACCEPT")
    assert two.connect(one.address, PORT, timeout=0.2).error is None
    one.firewall("iptables -D INPUT 1")
    assert two.connect(one.address, PORT, timeout=0.2).error == "TIMEOUT"


@pytest.mark.parametrize(
    ("rule", "error", "wire"),
    [("REJECT --reject-with tcp-reset", "ECONNREFUSED", ["< ACK-RST"]), ("DROP", "TIMEOUT", [])],
)
def test_a_rule_on_the_way_out_shows_nothing_on_the_wire(house, rule, error, wire):
    one, two = house["one"], house["two"]
    one.firewall(f"iptables -A OUTPUT -p tcp --dport {PORT} -j {rule}")
    assert one.connect(two.address, PORT, timeout=0.5).error == error
    assert one.wire(PORT) == wire
    assert {packet.interface for packet in one.packets(PORT)} <= {"lo"}
    assert two.packets(PORT) == []


def test_timers_fire_in_their_order_when_somebody_waits():
    here, fired = World(0), []
    here.after(2, lambda: fired.append("late"))
    here.after(1, lambda: fired.append("early"))
    cancelled = here.after(1.5, lambda: fired.append("never"))
    cancelled.cancelled = True
    here.run()
    assert fired == []
    assert here.run(lambda: bool(fired), deadline=5 * SECOND)
    assert (fired, here.now) == (["early"], SECOND)
    assert here.run(lambda: False, deadline=5 * SECOND) is False
    assert (fired, here.now) == (["early", "late"], 5 * SECOND)


def test_an_actor_sleeps_until_its_condition_or_its_time():
    here, seen = World(0), []

    def sleeper():
        seen.append(here.block(lambda: False, deadline=3))
        seen.append(here.block(lambda: "go" in seen))

    here.spawn(sleeper)
    here.run()
    assert seen == []
    here.run(lambda: bool(seen), deadline=10)
    assert (seen, here.now) == ([False], 3)
    seen.append("go")
    here.run()
    assert seen == [False, "go", True]
    here.stop()


def test_so_many_sockets_are_not_modelled(house, monkeypatch):
    monkeypatch.setattr("lab.engines.fake.process.MOST_SOCKETS", 3)
    source = "import socket\nheld = [socket.socket() for _ in range({})]"
    few, many = (house["one"].start(*PYTHON, source.format(count)) for count in (3, 4))
    for step, code in ((few, 0), (many, 1)):
        assert house["one"].remote.join(step, 1)
        assert house["one"].exit(step).code == code
    assert not house["one"].notes(few, "unmodelled")
    assert "more than 3 sockets" in house["one"].notes(many, "unmodelled")[0].text


def test_a_forgotten_socket_is_closed_by_its_own_program_alone(monkeypatch):
    """Python collects garbage in any thread, and only an actor may wait for the world's clock."""
    closed, forgotten = [], world.World(0)
    monkeypatch.setattr(Socket, "close", lambda self: closed.append(self._fd))

    class Mine(Socket):
        process = SimpleNamespace(world=forgotten)

        def __init__(self):
            self._fd = 3

    forgotten.spawn(Mine)
    with forgotten.lock:
        forgotten.run()
    assert len(closed) == 1
    forgotten.current = forgotten.spawn(lambda: None)
    Mine()
    assert len(closed) == 1
