"""A house's networks and hosts: bridges, veth pairs, and processes that become agents."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import sys
from importlib import import_module

from .kernel import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    OWN,
    PR_SET_NO_NEW_PRIVS,
    Trouble,
    call,
    libc,
    write,
)
from .root import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Spec = dict[str, Any]

# All that hosts run is there before there are hosts: later, it may lie where nobody may read.
agent: Any = import_module("agent.main")
netlink: Any = import_module("agent.netlink")
import_module("subprocess")

NEW_LINK, NEW_ADDRESS = 16, 20
LINK, ADDRESS = struct.Struct("=BxHiII"), struct.Struct("=BBBBI")
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MASTER, IFLA_LINKINFO, IFLA_NET_NS_PID = 1, 3, 10, 18, 19
INFO_KIND, INFO_DATA, VETH_PEER = 1, 2, 1
UP, NO_DAD = 1, 2
NAMES = ("/etc/resolv.conf", "/etc/nsswitch.conf")
# As containers have them: any program may take any port, and may ping.
SYSCTLS = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 0"}


def make(spec: Spec, pairs: list[list[int]]) -> dict[str, int]:
    """The networks and the hosts; the hosts' process ids as this namespace counts them."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how an agent ended
    for setting in ("all", "default"):
        with contextlib.suppress(FileNotFoundError):
            write(f"/proc/sys/net/ipv6/conf/{setting}/disable_ipv6", "1")
    bridges = {}
    for number, network in enumerate(spec["networks"]):
        kind = netlink.attribute(IFLA_LINKINFO, netlink.attribute(INFO_KIND, b"bridge"))
        name = f"net{number}"
        order(LINK.pack(0, 0, 0, UP, UP) + netlink.attribute(IFLA_IFNAME, name.encode() + b"\0") + kind)
        bridges[network] = socket.if_nametoindex(name)
    hosts = [Host(host, pair) for host, pair in zip(spec["hosts"], pairs, strict=True)]
    for pair in pairs:
        for descriptor in pair:
            os.close(descriptor)  # its pipe ends with the agent
    number = 0
    for host in hosts:
        for place, face in enumerate(host.plan["interfaces"]):
            number += 1
            order(veth(f"v{number}", bridges[face["network"]], f"eth{place}", host.pid))
        host.go()
    for host in hosts:
        host.wait()
    return {host.plan["name"]: host.pid for host in hosts}


def order(body: bytes) -> None:
    """A new link."""
    try:
        netlink.order(NEW_LINK, netlink.CREATE | netlink.EXCLUSIVE, body)
    except OSError as error:
        raise Trouble("network", f"a link could not be made: {error.strerror}", error.errno or 0) from error


def veth(name: str, bridge: int, peer: str, pid: int) -> bytes:
    """A pair: one end on the bridge, and up; the other in a host."""
    other = LINK.pack(0, 0, 0, 0, 0) + netlink.attribute(IFLA_IFNAME, peer.encode() + b"\0")
    other += netlink.attribute(IFLA_NET_NS_PID, struct.pack("=I", pid))
    data = netlink.attribute(INFO_DATA, netlink.attribute(VETH_PEER, other))
    info = netlink.attribute(IFLA_LINKINFO, netlink.attribute(INFO_KIND, b"veth") + data)
    master = netlink.attribute(IFLA_MASTER, struct.pack("=I", bridge))
    whole = netlink.attribute(IFLA_IFNAME, name.encode() + b"\0") + master + info
    return LINK.pack(0, 0, 0, UP, UP) + bytes(whole)


class Host:
    """A child in namespaces of its own, which waits for its links and then becomes the agent."""

    def __init__(self, plan: Spec, pair: list[int]) -> None:
        self.plan = plan
        told, tells = os.pipe()
        self.gate, gate = os.pipe()
        self.status, status = told, tells
        between = os.fork()
        if between == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(gate)
            try:
                call("host", "unshare", OWN)
                child = os.fork()
                if child:
                    os.write(status, json.dumps({"pid": child}).encode() + b"\n")
                    os._exit(0)
                become_host(plan, pair, self.gate, status)
            except BaseException as trouble:
                with contextlib.suppress(OSError):
                    os.write(status, failure(trouble))
                os._exit(1)
        os.close(self.gate)
        os.close(status)
        self._gate = gate
        self.pid = self._read()["pid"]

    def go(self) -> None:
        """Its links are there."""
        os.close(self._gate)

    def wait(self) -> None:
        """Until it is ready; Trouble says why it never will be."""
        self._read()
        os.close(self.status)

    def _read(self) -> Spec:
        data = b""
        while not data.endswith(b"\n"):
            piece = os.read(self.status, 4096)
            if not piece:
                raise Trouble("host", f"{self.plan['name']}: its first process ended")
            data += piece
        told: Spec = json.loads(data.splitlines()[-1])
        if "error" in told:
            raise Trouble(told["kind"], told["error"], told["number"])
        return told


def failure(trouble: BaseException) -> bytes:
    """A line for the house."""
    kind, number = getattr(trouble, "kind", "host"), getattr(trouble, "number", getattr(trouble, "errno", 0))
    return json.dumps({"kind": kind, "error": str(trouble), "number": number or 0}).encode() + b"\n"


def become_host(plan: Spec, pair: list[int], gate: int, status: int) -> None:
    """Everything that is a host's own, then the agent."""
    call("mount", "mount", "proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None)
    call("mount", "mount", "tmp", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=64m,mode=1777")
    if plan["nameserver"]:
        own_names()
    socket.sethostname(plan["name"])
    os.read(gate, 1)
    os.close(gate)
    attach(plan)
    set_sysctls(plan)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(pair[0], 0)
    os.dup2(pair[1], 1)
    os.dup2(nowhere, 2)
    os.write(status, b'{"ready": true}\n')
    os.closerange(3, 65536)
    os.setsid()
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    sys.argv = ["agent"]
    try:
        agent.main()
    finally:
        os._exit(0)


def own_names() -> None:
    """Files of names that this host's agent may write, in place of those that all hosts share."""
    for path in NAMES:
        own = "/tmp/names"
        put(own, "")
        call("mount", "mount", own, path, None, MS_BIND, None)
        os.unlink(own)


def attach(plan: Spec) -> None:
    """Addresses, and the links up."""
    for place, face in enumerate(plan["interfaces"]):
        index = socket.if_nametoindex(f"eth{place}")
        if not face["ipv6"]:
            with contextlib.suppress(FileNotFoundError):
                write(f"/proc/sys/net/ipv6/conf/eth{place}/disable_ipv6", "1")
        netlink.order(NEW_LINK, 0, LINK.pack(0, 0, index, UP, UP))
        for family, address, length in (
            (socket.AF_INET, face["address"], face["length"]),
            (socket.AF_INET6, face["ipv6"], 64),
        ):
            if address:
                raw = socket.inet_pton(family, address)
                flags = NO_DAD if family == socket.AF_INET6 else 0
                body = ADDRESS.pack(family, length, flags, 0, index)
                body += netlink.attribute(2, raw) + netlink.attribute(1, raw)
                netlink.order(NEW_ADDRESS, netlink.CREATE | netlink.EXCLUSIVE, body)


def set_sysctls(plan: Spec) -> None:
    """The defaults where the kernel has them, and what the plan says."""
    for key, value in (SYSCTLS | plan["sysctls"]).items():
        try:
            write("/proc/sys/" + key.replace(".", "/"), value)
        except OSError as error:
            if key in plan["sysctls"]:
                raise Trouble("sysctl", key, error.errno or 0) from error
