"""What is done on one host stays there: rules, queues and settings are its own, seen neither on another nor on the
machine; and its programs have its processes, names and files, and no rights.

Whoever looks shows first that it would see: the same look at the host itself finds what was done there.
"""

import contextlib
import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest
from contract.conftest import REAL
from contract.house import port
from contract.machine import into_the_engines_network

KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
OWN = frozenset({"ipc", "mnt", "net", "pid", "uts"})
ODD = "54321b"  # a limit that nobody else would choose
on_real_hosts = pytest.mark.parametrize("engine", REAL, indirect=True, scope="module")


def shell(hand, script):
    """What a script prints in the shell that a user is offered there, with the host's own root's rights."""
    command = shlex.split(hand.deployment.enter(hand.name).replace(" -it ", " -i "))
    made = subprocess.run(command, input=script, capture_output=True, text=True, timeout=30, check=False)
    assert made.returncode == 0, made.stderr
    return made.stdout


def machine(engine, *command):
    """What a command prints on the engine's machine; skips for whoever may not look there."""
    if os.geteuid() != 0:
        pytest.skip("only root may look at the machine's own rules and queues")
    where = into_the_engines_network() if engine.name == "docker" else ()
    return subprocess.run([*where, *command], capture_output=True, text=True, timeout=30, check=True).stdout


def printed(hand, *argv):
    """What a program of the host's prints."""
    step = hand.run(*argv)
    assert hand.exit(step).code == 0, hand.output(step, "stderr")
    return hand.output(step).decode()


def needs(engine, *names):
    found = engine.capabilities()
    for name in names:
        if name in found.lacks:
            pytest.skip(f"{engine.name}: {found.lacks[name]}")


@contextlib.contextmanager
def rule(hand, text):
    """An iptables rule, for the block."""
    assert hand.firewall(f"iptables -A {text}") == (0, "")
    try:
        yield
    finally:
        assert hand.firewall(f"iptables -D {text}") == (0, "")


def test_a_rule_is_the_hosts_own(engine, hosts):
    needs(engine, "firewall")
    server, client, number = hosts("server"), hosts("client"), port()
    server.listen(number)
    client.listen(number)
    with rule(server, f"INPUT -p tcp --dport {number} -j REJECT --reject-with tcp-reset"):
        assert client.connect(server.address, number).error == "ECONNREFUSED"
        assert server.connect(client.address, number).error is None
    assert client.connect(server.address, number).error is None


@on_real_hosts
def test_a_rule_is_listed_on_its_host_alone(engine, hosts):
    needs(engine, "firewall")
    number = str(port())
    with rule(hosts("server"), f"INPUT -p tcp --dport {number} -j DROP"):
        assert number in hosts("server").firewall("iptables -S INPUT")[1]
        code, elsewhere = hosts("client").firewall("iptables -S INPUT")
        assert code == 0 and "-P INPUT" in elsewhere and number not in elsewhere
        assert f"--dport {number}" not in machine(engine, "iptables-save")


@on_real_hosts
def test_a_queue_is_the_hosts_own(engine, hosts):
    needs(engine, "tool:ip")
    server, client = hosts("server"), hosts("client")
    try:
        assert ODD in shell(server, "tc qdisc add dev eth0 root bfifo limit 54321 && tc qdisc show")
        elsewhere = shell(client, "tc qdisc show")
        assert "eth0" in elsewhere and ODD not in elsewhere
        assert ODD not in machine(engine, "tc", "qdisc", "show")
    finally:
        shell(server, "tc qdisc del dev eth0 root")
    assert ODD not in shell(server, "tc qdisc show")


def test_a_setting_is_the_hosts_own(engine, hosts):
    needs(engine, "sysctl")
    server, client = hosts("server"), hosts("client")
    before = effective_backlog(client)
    usual = effective_backlog(server)
    server.remote.sysctl("net.core.somaxconn", "3")
    try:
        assert effective_backlog(server) == 3
        assert effective_backlog(client) == before > 3
    finally:
        server.remote.sysctl("net.core.somaxconn", str(usual))


def effective_backlog(hand):
    """What somaxconn leaves of a large backlog."""
    number = port()
    hand.listen(number, backlog=4096, name="wide")
    (row,) = hand.rows(number, "LISTEN")
    hand.call("wide.close()")
    return row.send_q


@pytest.mark.namespaces
@pytest.mark.parametrize("engine", ["namespaces"], indirect=True, scope="module")
def test_a_setting_is_not_the_machines(engine, hosts):
    path = Path("/proc/sys/net/ipv4/tcp_retries2")
    before, server = path.read_text(), hosts("server")
    other = "9" if before.strip() != "9" else "8"
    server.remote.sysctl("net.ipv4.tcp_retries2", other)
    assert printed(server, "cat", str(path)).strip() == other
    assert printed(hosts("client"), "cat", str(path)) == path.read_text() == before
    server.remote.sysctl("net.ipv4.tcp_retries2", before.strip())


@on_real_hosts
def test_each_host_is_in_namespaces_of_its_own(engine, hosts):
    here, seen = {kind: str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in KINDS}, {}
    for name in ("server", "client", "router"):
        links = printed(hosts(name), "readlink", *(f"/proc/self/ns/{kind}" for kind in KINDS)).split()
        seen[name] = dict(zip(KINDS, links, strict=True))
    for kind in OWN:
        assert len({here[kind], *(links[kind] for links in seen.values())}) == 1 + len(seen), kind


@on_real_hosts
def test_a_programs_processes_and_name_are_its_hosts(engine, hosts):
    server = hosts("server")
    assert printed(server, "hostname") == "server\n"
    first = printed(server, "sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline; ls -d /proc/[0-9]* | wc -l")
    assert "python3" in first
    assert int(first.split()[-1]) < 10  # the agent, and this
    me = f"{Path('/proc/self').resolve().name} {os.urandom(4).hex()}"
    assert me not in printed(server, "sh", "-c", "cat /proc/*/cmdline | tr '\\0' ' '")


@on_real_hosts
def test_a_program_has_no_rights_and_gets_none(engine, hosts):
    lines = printed(hosts("server"), "cat", "/proc/self/status").splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert {name: int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == dict.fromkeys(
        ("CapInh", "CapPrm", "CapEff", "CapAmb"), 0
    )
    assert status["NoNewPrivs"] == "1"
    assert status["Uid"].split() == ["1000"] * 4


@on_real_hosts
@pytest.mark.parametrize(
    "attempt",
    [
        "iptables -A INPUT -j DROP",
        "tc qdisc add dev eth0 root bfifo",
        "ip link set eth0 down",
        "echo 1 > /proc/sys/net/ipv4/ip_forward",
        "echo x > /etc/hosts",
        "touch /new",
        "hostname another",
        "cat /proc/1/environ",
    ],
)
def test_a_program_cannot(engine, hosts, attempt):
    server = hosts("server")
    step = server.run("sh", "-c", attempt)
    assert server.exit(step).code not in (0, 127)
    assert server.remote.hello().kernel


@on_real_hosts
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL, signal.SIGSTOP])
def test_a_program_does_not_end_its_host(engine, hosts, number):
    server = hosts("server")
    server.run("sh", "-c", f"kill -{int(number)} 1")
    assert printed(server, "hostname") == "server\n"


@on_real_hosts
def test_nothing_of_the_machines_users_is_there(engine, hosts, tmp_path):
    (tmp_path / "secret").write_text("of the machine's")
    for path in (tmp_path / "secret", Path(__file__), Path("/etc/shadow"), Path("/proc/1/root") / str(tmp_path)[1:]):
        step = hosts("server").run("cat", str(path))
        assert hosts("server").exit(step).code == 1, path
    assert printed(hosts("server"), "cat", "/etc/hosts")
    asked = [line for line in printed(hosts("server"), "cat", "/etc/resolv.conf").splitlines() if "nameserver" in line]
    assert set(asked) <= {"nameserver 127.0.0.11"}  # the engine's own


def test_names_are_files(engine, hosts):
    """Each name has the addresses that the plan says, and no other."""
    if engine.name == "fake":
        pytest.skip("fake: it has no getent; `test_names_resolve` asks its sockets")
    server = hosts("server")
    for name, addresses in server.plan.names.items():
        found = printed(server, "getent", "ahostsv4", name).splitlines()
        own = [line.split()[0] for line in found if "STREAM" in line]
        assert sorted(own) == sorted(item for item in addresses if ":" not in item), name
    assert printed(server, "getent", "hosts", "localhost").split()[0] in ("::1", "127.0.0.1")
    assert printed(server, "getent", "ahostsv4", "localhost").split()[0] == "127.0.0.1"
    step = server.run("getent", "hosts", "nobody-of-that-name")
    assert server.exit(step).code == 2
