"""What chance gave to a run, named: addresses as the plan names them, ports that nobody chose as `*`. Pure.

A port is chosen where the plan says its number, a call binds it, or a call connects to it without having been told of
it before. Anything else that a kernel made up (pointers, hardware and link-local addresses) has no name but its kind.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from msgspec import Struct

from lab.decode.dns import ENGINES_OWN
from lab.history import Call, History, Packet, SocketRow, Sockets, SocketSeen
from lab.plan import Plan
from lab.wire import Endpoint, plain

LOWEST_GIVEN = 1024
_MADE_UP = (
    (re.compile(r"(?<![\w:])(?:[0-9a-f]{2}:){5}[0-9a-f]{2}(?![\w:])"), "MAC"),
    (re.compile(r"(?<![\w:])fe80::[0-9a-f:]+(?:%\w+)?"), "fe80::*"),
    (re.compile(r"\b0x[0-9a-f]{5,}\b"), "0x*"),
)
_NUMBER = re.compile(r"(?<![\w.])\d{1,5}(?!\.?\w)")


class Names(Struct, frozen=True, dict=True):
    """`addresses` gives the plan's name for each (`server.lan`, `lan.unused`); `given` are the ports of chance."""

    addresses: Mapping[str, str]
    given: frozenset[int]

    def end(self, end: Endpoint) -> str:
        """As in `server.lan:80`, `client.lan:*`, `[::1]:80`."""
        address = self.addresses.get(plain(end[0]), end[0])
        address = f"[{address}]" if ":" in address else address or "''"
        return f"{address}:{'*' if end[1] in self.given else end[1]}"

    def text(self, text: str) -> str:
        """The text with names for what chance gave."""
        text = self._known.sub(lambda match: self.addresses[match[0]], text)
        for pattern, name in _MADE_UP:
            text = pattern.sub(name, text)
        return _NUMBER.sub(lambda match: "*" if int(match[0]) in self.given else match[0], text)

    @cached_property
    def _known(self) -> re.Pattern[str]:
        longest_first = sorted(self.addresses, key=len, reverse=True)
        four, six = ([re.escape(item) for item in longest_first if (":" in item) == is6] for is6 in (False, True))
        patterns = [rf"(?<![\w.])(?:{'|'.join(four)})(?!\.?\w)"] if four else []
        patterns += [rf"(?<![\w:])(?:{'|'.join(six)})(?![\w:])"] if six else []
        return re.compile("|".join(patterns) or "(?!)")


def names_of(plan: Plan, history: History) -> Names:
    """The names for a case's addresses and ports."""
    return Names(dict(_addresses(plan)), frozenset(_given(plan, history)))


def _addresses(plan: Plan) -> Iterator[tuple[str, str]]:
    for network in plan.networks:
        subnet = ipaddress.IPv4Network(network.subnet)
        yield str(subnet.network_address), network.name
        yield str(subnet[1]), f"{network.name}.gateway"
        yield str(subnet[-2]), f"{network.name}.unused"
        if network.subnet6:
            yield str(ipaddress.IPv6Network(network.subnet6).network_address), f"{network.name}.ipv6"
    for host in plan.hosts:
        for face in host.interfaces:
            yield face.address, f"{host.name}.{face.network}"
            if face.ipv6:
                yield face.ipv6, f"{host.name}.{face.network}.ipv6"


def _given(plan: Plan, history: History) -> set[int]:
    calls = list(history.all(Call))
    chosen = {int(number) for step in plan.steps for number in re.findall(r"(?<!\d)\d{1,5}(?!\d)", step.text)}
    chosen |= {port for call in calls if call.function == "bind" for port in _asked_for(call)}
    told = {call.local[1] for call in calls if call.local} - chosen
    chosen |= {call.remote[1] for call in calls if call.function.startswith("connect") and call.remote} - told
    chosen |= {row.local[1] for _, row in rows_of(history) if row.state == "LISTEN"} - told
    return {port for port in _seen(calls, history) if port >= LOWEST_GIVEN} - chosen


def _asked_for(call: Call) -> Iterator[int]:
    """The port in a bind's address."""
    for item in call.arguments[:1]:
        if isinstance(item, tuple | list) and len(item) >= 2 and isinstance(item[1], int):
            yield item[1]


def _seen(calls: Iterable[Call], history: History) -> Iterator[int]:
    for call in calls:
        yield from (end[1] for end in (call.local, call.remote) if end)
    for packet in history.all(Packet):
        yield from (packet.sport, packet.dport)
    for _, row in rows_of(history):
        yield from (row.local[1], row.remote[1])


def rows_of(history: History) -> Iterator[tuple[str, SocketRow]]:
    """All lines of socket tables, with their hosts; but for the engine's own name server."""
    rows = [(seen.host, seen.row) for seen in history.all(SocketSeen)]
    rows += ((table.host, row) for table in history.all(Sockets) for row in table.rows)
    return ((host, row) for host, row in rows if row.local[0] != ENGINES_OWN)
