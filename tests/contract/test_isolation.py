"""No host reaches the machine that it runs on, whatever a scenario's own program tries; nor does what it tries leave."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from contract.house import Hand, deployed, host, plan_of
from contract.machine import Listener, listener

from lab.engines.docker import DockerEngine, bodies
from lab.errors import EngineError
from lab.history import Packet
from lab.plan import Plan, PlannedNetwork, Route

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
