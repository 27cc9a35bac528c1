"""No host reaches the machine that it runs on, whatever a scenario's own program tries."""

from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest
from contract.house import PYTHON, Hand, deployed, host, plan_of
from contract.machine import Listener, listener

from lab.engines.docker import DockerEngine
from lab.errors import EngineError
from lab.plan import Plan, PlannedNetwork

pytestmark = pytest.mark.docker

EVERYBODY = ("255.255.255.255", "224.0.0.1", "ff02::1")
PATIENCE = 1.0
# Every way at once: each target, by the routes and on each device, with TCP and UDP; then who answered is told.
PROBE = """
import errno, select, socket, sys
port, patience, devices, *targets = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3].split(","), *sys.argv[4:]
callers = {}
for target in targets:
    for device in ("", *devices):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            for flags in (0, socket.MSG_DONTROUTE) if kind == socket.SOCK_DGRAM else (0,):
                six = ":" in target
                caller = socket.socket(socket.AF_INET6 if six else socket.AF_INET, kind)
                caller.setblocking(False)
                scope = socket.if_nametoindex(device) if device and target.startswith(("fe80:", "ff02:")) else 0
                address = (target, port, 0, scope) if six else (target, port)
                try:
                    caller.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                    if device:
                        caller.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
                    if kind == socket.SOCK_DGRAM:
                        caller.sendto(f"{target} {device} {flags}".encode(), flags, address)
                    else:
                        caller.connect(address)
                except BlockingIOError:
                    callers[caller] = f"{target} {device}"
                except OSError as error:
                    if error.errno == errno.ECONNREFUSED:
                        print(target, device, "refused")
"""
PROBE += """
poll = select.poll()
numbers = {caller.fileno(): caller for caller in callers}
for number in numbers:
    poll.register(number, select.POLLOUT)
import time
end = time.monotonic() + patience
while numbers and (left := end - time.monotonic()) > 0:
    for number, _ in poll.poll(left * 1000):
        poll.unregister(number)
        caller = numbers.pop(number)
        if (error := caller.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)) in (0, errno.ECONNREFUSED):
            print(callers[caller], "refused" if error else "accepted")
time.sleep(max(0, end - time.monotonic()))
print("tried")
"""


def estate(subnets: Sequence[str]) -> Plan:
    """A host on an internal network, and a router between two that are not; all with IPv6."""
    inner = PlannedNetwork(name="inner", subnet=subnets[0], subnet6="fd4c:6162:78:1::/64")
    left = PlannedNetwork(name="left", subnet=subnets[1], subnet6="fd4c:6162:78:2::/64", internal=False)
    right = PlannedNetwork(name="right", subnet=subnets[2], subnet6="fd4c:6162:78:3::/64", internal=False)
    router = host("router", (left, 2), (right, 2), net__ipv4__ip_forward="1")
    return plan_of([inner, left, right], [host("inside", (inner, 2)), host("beside", (left, 3)), router])


@pytest.fixture(scope="module")
def hosts() -> Iterator[dict[str, Hand]]:
    with closing(DockerEngine()) as engine:
        try:
            engine.capabilities()
        except EngineError as reason:
            pytest.skip(str(reason))
        with deployed(engine, "contract-isolation", [1, 3, 2], estate) as (plan, deployment):
            yield {name: Hand(deployment, plan, name) for name in deployment.agents}


def probe(hand: Hand, machine: Listener) -> int:
    """The step of a program that tries everything."""
    devices = ",".join(f"eth{number}" for number in range(len(hand.planned.interfaces)))
    targets = (*machine.addresses, *EVERYBODY)
    return hand.start(*PYTHON, PROBE, str(machine.port), str(PATIENCE), devices, *targets)


def test_no_host_reaches_the_machine(hosts):
    with listener() as machine:
        steps = {name: probe(hand, machine) for name, hand in hosts.items()}
        for name, step in steps.items():
            assert hosts[name].remote.join(step, 30.0), name
            assert hosts[name].exit(step).code == 0, hosts[name].output(step, "stderr").decode()
            assert hosts[name].output(step) == b"tried\n"
        assert machine.heard() == []


def test_it_is_the_guard_that_keeps_them_away(hosts):
    """The same probe is heard where the guard is lifted: it can tell."""
    inside = hosts["inside"]
    for command in ("iptables", "ip6tables"):
        assert inside.firewall(f"{command} -t security -F OUTPUT")[0] == 0
    with listener() as machine:
        assert inside.remote.join(probe(inside, machine), 30.0)
        assert machine.heard() != []
