"""This host's interfaces, routes and firewall: set as the plan says, in its own network namespace only.

There is no default route, and no way to the machine that the host runs on: none to its addresses (`forbidden`), none
to link-local addresses, which every bridge has. A program may bind a socket to a device, which makes Linux take any
address for a neighbour's: a guard in a table that no scenario may name drops what is not for the plan's networks.
Where nothing is forbidden there is no machine behind the bridge, and no guard.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import time

from . import netlink
from .children import PATH, Children
from .netlink import attribute, attributes
from .wire import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

NEW_LINK, GET_LINK, SET_LINK = 16, 18, 19
NEW_ADDRESS, DELETE_ADDRESS, GET_ADDRESS = 20, 21, 22
NEW_ROUTE, DELETE_ROUTE, GET_ROUTE = 24, 25, 26
LINK, ADDRESS, ROUTE = struct.Struct("=BxHiII"), struct.Struct("=BBBBI"), struct.Struct("=BBBBBBBBI")
UP, RUNNING = 0x1, 0x40
MAIN, STATIC, UNICAST, UNREACHABLE = 254, 4, 1, 7
LO = 1
MAX_SEGMENTS = 40  # IFLA_GSO_MAX_SEGS
LINK_LOCAL = socket.inet_pton(socket.AF_INET6, "fe80::")
NO_DAD, TENTATIVE, NO_PREFIX_ROUTE = 0x02, 0x40, 0x200
EVERYWHERE = 0  # the scope of an address that is no link-local one
FAMILIES = (socket.AF_INET, socket.AF_INET6)
FIREWALL_TIME, CARRIER_TIME = 10, 5
# What IPv6 needs to find its neighbours: queries and reports of groups, solicitations and advertisements.
NEIGHBOURLY = tuple(f"-A OUTPUT -p icmpv6 --icmpv6-type {kind} -j ACCEPT" for kind in (131, 132, 143, 135, 136))


class Network:
    """The host's attachments."""

    def __init__(self, children: Children) -> None:
        self._children = children
        self._routes: list[tuple[str, str]] = []
        self._forbidden: list[str] = []
        self._addresses: list[bytes] = []
        self._devices: dict[str, tuple[int, str]] = {}

    def configure(
        self, addresses: Mapping[str, str], routes: Sequence[Mapping[str, str]], forbidden: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Set routes, take away those that lead out, and say which device is which network's."""
        addresses = {_canonical(address): network for address, network in addresses.items()}
        self._set_link(LO, UP)
        interfaces = list(_interfaces(addresses))
        have = {address for interface in interfaces for address in interface["addresses"]}
        if missing := addresses.keys() - have:
            words = f"no interface has {', '.join(sorted(missing))}; there are {', '.join(sorted(have))}"
            raise Refused(f"{words}: the engine gave this host other addresses than the plan's")
        self._devices = {item["network"]: (item["index"], item["device"]) for item in interfaces}
        self._routes = [(route["to"], route["via"]) for route in routes]
        self._forbidden = list(forbidden)
        self._addresses = [_usable_at_once(body) for body in _take_tentative()]
        self._settle()
        if forbidden:
            self._guard()
        return interfaces

    @staticmethod
    def ask(nameserver: str) -> None:
        """Have the C library ask this address for the names that /etc/hosts does not have."""
        for path, text in (
            ("/etc/resolv.conf", f"nameserver {nameserver}\noptions timeout:1 attempts:3\n"),
            ("/etc/nsswitch.conf", "hosts: files dns\n"),
        ):
            try:
                with open(path, "w", encoding="ascii") as file:
                    file.write(text)
            except OSError as error:
                raise Refused(
                    f"{path} cannot be written: {error.strerror}; the engine keeps it from the agent"
                ) from error

    def link(self, network: str, state: str) -> None:
        """Take a network's interface down, or up again with its addresses and routes."""
        if network not in self._devices or state not in ("up", "down"):
            raise Refused(f"expected one of {', '.join(self._devices)} up or down, observed {network} {state}")
        index, _ = self._devices[network]
        self._set_link(index, UP if state == "up" else 0)
        if state == "up":
            deadline = time.monotonic() + CARRIER_TIME
            while not _runs(index):
                if time.monotonic() > deadline:
                    raise Refused(f"the interface on {network} has no carrier {CARRIER_TIME} s after it was taken up")
                time.sleep(0.002)
            self._settle()

    @staticmethod
    def sysctl(key: str, value: str) -> None:
        """Change a setting of this host's network."""
        if not key.startswith("net.") or "/" in key or ".." in key:
            raise Refused(f"expected a setting of the network's, as in net.ipv4.tcp_retries2; observed {key!r}")
        try:
            with open("/proc/sys/" + key.replace(".", "/"), "w", encoding="ascii") as file:
                file.write(value)
        except FileNotFoundError as error:
            raise Refused(f"the kernel has no setting {key} that a host may change") from error
        except OSError as error:
            raise Refused(f"the kernel does not set {key} to {value!r}: {error.strerror}") from error

    def device(self, network: str) -> str:
        """The name of the interface on a network, or of loopback."""
        if network not in self._devices:
            raise Refused(f"expected one of {', '.join(self._devices)}, observed {network}")
        return self._devices[network][1]

    @staticmethod
    def cut_at_once() -> None:
        """Have no interface carry segments that are yet to be cut: the tap sees what a real wire would carry."""
        for index, _ in socket.if_nameindex():
            with _but(errno.EINVAL, errno.EOPNOTSUPP):
                netlink.order(NEW_LINK, 0, LINK.pack(0, 0, index, 0, 0) + attribute(MAX_SEGMENTS, struct.pack("=I", 1)))

    def firewall(self, argv: Sequence[str]) -> dict[str, Any]:
        """An iptables or ip6tables command; its status and what it said."""
        if not argv or argv[0] not in ("iptables", "ip6tables"):
            raise Refused(f"expected iptables or ip6tables, observed {' '.join(argv)!r}")
        code, output = self.tables([argv[0], "-w", "5", *argv[1:]])
        return {"code": code, "output": output}

    def tables(self, argv: list[str]) -> tuple[int, str]:
        """A command of iptables; its status and what it said. Refused where it is not on this host."""
        environment = {"PATH": PATH, "LANG": "C.UTF-8", "XTABLES_LOCKFILE": "/tmp/xtables.lock"}
        try:
            code, said = self._children.run(argv, environment, FIREWALL_TIME)
        except FileNotFoundError as error:
            raise Refused(f"{argv[0]} is not on this host") from error
        return code, said.decode(errors="replace")

    def _guard(self) -> None:
        """Let out only what goes to the plan's networks."""
        for family, command in ((socket.AF_INET, "iptables-restore"), (socket.AF_INET6, "ip6tables-restore")):
            near = [subnet for subnet in _subnets(family) if not subnet.startswith("fe80:")]
            if not near:
                continue
            subnets = [*near, *(to for to, _ in self._routes if (":" in to) == (family == socket.AF_INET6))]
            gates = [address for address in self._forbidden if (":" in address) == (family == socket.AF_INET6)]
            rules = [
                "-A OUTPUT -o lo -j ACCEPT",
                *(f"-A OUTPUT -d {address} -j DROP" for address in gates),
                *(NEIGHBOURLY if family == socket.AF_INET6 else ()),
                *(f"-A OUTPUT -d {subnet} -j ACCEPT" for subnet in subnets),
                "-A OUTPUT -j DROP",
            ]
            path = f"/tmp/guard-{os.getpid()}"
            with open(path, "w", encoding="ascii") as file:
                file.write("\n".join(["*security", *rules, "COMMIT", ""]))
            code, output = self.tables([command, "-w", "5", path])
            os.unlink(path)
            if code:
                raise Refused(f"the way to the machine cannot be closed: {command} ended with {code}: {output.strip()}")

    def _settle(self) -> None:
        for index, device in socket.if_nameindex():
            if device != "lo":
                _no_link_local(index)
        for family in FAMILIES:
            for body in list(_dump(GET_ROUTE, family)):
                if _leads_out(body):
                    with _but(errno.ESRCH):
                        netlink.order(DELETE_ROUTE, 0, body)
        for body in self._addresses:
            with _but(errno.EEXIST):
                netlink.order(NEW_ADDRESS, netlink.CREATE | netlink.EXCLUSIVE, body)
        for to, via in [*self._routes, *((address, "") for address in self._forbidden)]:
            with _but(errno.EEXIST):
                _add_route(to, via)

    @staticmethod
    def _set_link(index: int, flags: int) -> None:
        netlink.order(NEW_LINK, 0, LINK.pack(0, 0, index, flags, UP))


def _interfaces(networks: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    addresses: dict[int, list[str]] = {}
    for family in FAMILIES:
        for body in _dump(GET_ADDRESS, family):
            found = attributes(body[ADDRESS.size :])
            raw = found.get(2) or found[1]  # IFA_LOCAL, else IFA_ADDRESS: they differ on point-to-point links
            addresses.setdefault(ADDRESS.unpack_from(body)[4], []).append(socket.inet_ntop(family, raw))
    for body in _dump(GET_LINK, 0):
        index = LINK.unpack_from(body)[2]
        found = attributes(body[LINK.size :])
        device = found[3].rstrip(b"\0").decode()
        own = addresses.get(index, [])
        network = next((networks[address] for address in own if address in networks), device)
        mac = found.get(1, b"").hex(":")
        yield {"index": index, "device": device, "network": network, "mac": mac, "addresses": own}


def _subnets(family: int) -> Iterator[str]:
    """The networks that this host's own addresses are on."""
    for body in _dump(GET_ADDRESS, family):
        _, length, _, _, index = ADDRESS.unpack_from(body)
        found = attributes(body[ADDRESS.size :])
        if index != LO:
            yield f"{socket.inet_ntop(family, found.get(2) or found[1])}/{length}"


def _take_tentative() -> Iterator[bytes]:
    """The addresses of the interfaces that have IPv6, link-local ones too: a router asks for its neighbours from there.
    Those that the kernel still looks for doubles of, for a second or two, are taken away."""
    found = [body for body in _dump(GET_ADDRESS, socket.AF_INET6) if ADDRESS.unpack_from(body)[4] != LO]
    own = {ADDRESS.unpack_from(body)[4] for body in found if ADDRESS.unpack_from(body)[3] == EVERYWHERE}
    for body in found:
        _, _, flags, _, index = ADDRESS.unpack_from(body)
        if index in own:
            if flags & TENTATIVE:
                netlink.order(DELETE_ADDRESS, 0, body)
            yield body


def _usable_at_once(body: bytes) -> bytes:
    """The order to have an address without looking for doubles; from a link-local one is only asked."""
    family, length, _, scope, index = ADDRESS.unpack_from(body)
    flags = NO_DAD | (0 if scope == EVERYWHERE else NO_PREFIX_ROUTE)
    head = ADDRESS.pack(family, length, NO_DAD, scope, index)
    return head + attribute(1, attributes(body[ADDRESS.size :])[1]) + attribute(8, struct.pack("=I", flags))


def _canonical(address: str) -> str:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.inet_ntop(family, socket.inet_pton(family, address))


def _dump(kind: int, family: int) -> Iterator[bytes]:
    body = LINK.pack(family, 0, 0, 0, 0)
    for what, _, content in netlink.messages(netlink.dump(netlink.ROUTE, kind, body)):
        if what > netlink.DONE:
            yield content


def _runs(index: int) -> bool:
    """Whether a link that is up can carry packets."""
    flags: int = LINK.unpack_from(netlink.ask(GET_LINK, LINK.pack(0, 0, index, 0, 0)))[3]
    return bool(flags & RUNNING)


def _no_link_local(index: int) -> None:
    """Make no new link-local address, nor its route, when the link comes up again."""
    none = attribute(8, b"\x01")  # IFLA_INET6_ADDR_GEN_MODE: none
    body = LINK.pack(0, 0, index, 0, 0) + attribute(26, attribute(socket.AF_INET6, none))
    with _but(errno.EAFNOSUPPORT, errno.EINVAL, errno.EOPNOTSUPP):
        netlink.order(SET_LINK, 0, body)


def _leads_out(body: bytes) -> bool:
    family, length, _, _, table, _, _, kind, _ = ROUTE.unpack_from(body)
    found = attributes(body[ROUTE.size :])
    to_link_local = family == socket.AF_INET6 and length == 64 and found.get(1) == LINK_LOCAL
    return table == MAIN and kind == UNICAST and (length == 0 or to_link_local)


def _add_route(to: str, via: str) -> None:
    """A route by a router; without one, all to there is unreachable."""
    subnet, _, length = to.partition("/")
    family = socket.AF_INET6 if ":" in to else socket.AF_INET
    raw = socket.inet_pton(family, subnet)
    kind = UNICAST if via else UNREACHABLE
    body = ROUTE.pack(family, int(length or len(raw) * 8), 0, 0, MAIN, STATIC, 0, kind, 0) + attribute(1, raw)
    if via:
        body += attribute(5, socket.inet_pton(family, via))
    try:
        netlink.order(NEW_ROUTE, netlink.CREATE | netlink.EXCLUSIVE, body)
    except OSError as error:
        raise OSError(error.errno, f"no route to {to} by {via or 'nobody'}: {error.strerror}") from error


@contextlib.contextmanager
def _but(*numbers: int) -> Iterator[None]:
    """Let these errors of the kernel pass: what was wanted is so already, or cannot be there."""
    try:
        yield
    except OSError as error:
        if error.errno not in numbers:
            raise
