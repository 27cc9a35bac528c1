"""TCP on a fake host: the table of its endpoints, who hears what arrives, ports and counters.

An endpoint's own life is for `endpoint`; waiting is for `sockets`.
"""

import errno
import itertools
from collections.abc import Collection
from typing import TYPE_CHECKING

from lab.engines.fake.endpoint import Endpoint, Key, failure
from lab.engines.fake.wire import ACK, RST, SYN, Address, Packet, Segment

if TYPE_CHECKING:
    from lab.engines.fake.host import Host

# What the sender of a SYN is told by an ICMP error: (IP version, type, code) -> errno.
ICMP_ERRORS = {
    (4, 3, 0): errno.ENETUNREACH,
    (4, 3, 1): errno.EHOSTUNREACH,
    (4, 3, 2): errno.ENOPROTOOPT,
    (4, 3, 3): errno.ECONNREFUSED,
    (4, 3, 9): errno.ENETUNREACH,
    (4, 3, 10): errno.EHOSTUNREACH,
    (4, 3, 13): errno.EHOSTUNREACH,
    (4, 11, 0): errno.EHOSTUNREACH,
    (6, 1, 0): errno.ENETUNREACH,
    (6, 1, 1): errno.EACCES,
    (6, 1, 3): errno.EHOSTUNREACH,
    (6, 1, 4): errno.ECONNREFUSED,
    (6, 3, 0): errno.EHOSTUNREACH,
}


def reset_for(packet: Packet) -> Packet:
    """The RST that answers a segment."""
    it = packet.segment
    assert it
    if it.flags & ACK:
        answer = Segment(it.dport, it.sport, it.ack, 0, RST, 0)
    else:
        answer = Segment(it.dport, it.sport, 0, it.end, RST | ACK, 0)
    return Packet(packet.destination, packet.source, answer)


class Stack:
    """A host's endpoints."""

    def __init__(self, host: "Host") -> None:
        self.host = host
        self.endpoints: list[Endpoint] = []
        self._sequence, self._numbers = itertools.count(1_000_000, 1_000_000), itertools.count(1)
        self._chosen = {True: 0, False: 0}  # how many odd and even ports were

    def new_sequence(self) -> int:
        """An initial sequence number."""
        return next(self._sequence)

    def new_number(self) -> int:
        """An endpoint's own number, from SYN-RECV to TIME-WAIT: the kernel's cookie."""
        return next(self._numbers)

    def count(self, name: str) -> None:
        """A counter grows."""
        self.host.counters[name] += 1

    def port_to_bind(self) -> int:
        """A port for who does not name one, which no socket has: an odd one, if there is any."""
        taken = {it.local[1] for it in self.endpoints if it.local}
        return self._free_port(odd=True, taken=taken, otherwise=errno.EADDRINUSE)

    def port_towards(self, source: Address, remote: tuple[Address, int]) -> int:
        """A port to connect from, which no socket was bound to, and from which no connection goes there: an even one,
        if there is any."""
        ends = ((it, it.local) for it in self.endpoints if it.local)
        taken = {local[1] for it, local in ends if it.bound or (local[0], it.remote) == (source, remote)}
        return self._free_port(odd=False, taken=taken, otherwise=errno.EADDRNOTAVAIL)

    def _free_port(self, odd: bool, taken: Collection[int], otherwise: int) -> int:
        first, last = map(int, self.host.sysctls["net.ipv4.ip_local_port_range"].split())
        liked, others = ([port for port in range(first, last + 1) if port % 2 == it] for it in (odd, not odd))
        at = self._chosen[odd] % max(1, len(liked))
        self._chosen[odd] += 1
        free = (port for port in (*liked[at:], *liked[:at], *others) if port not in taken)
        if (port := next(free, None)) is None:
            raise failure(otherwise)
        return port

    def receive(self, packet: Packet) -> None:
        """A packet for this host: to its connection, to a listener, or answered with RST."""
        if packet.about:
            self._told(packet)
            return
        it = packet.segment
        assert it
        self.count("TcpInSegs")
        key: Key = (packet.destination, it.dport, packet.source, it.sport)
        connection = next((item for item in self.endpoints if item.key == key), None)
        listener = self._listener(packet.destination, it.dport)
        if connection and not (connection.state == "TIME-WAIT" and it.flags & SYN and listener):
            connection.handle(it)
        elif it.flags & (SYN | ACK | RST) == SYN and listener:
            listener.asked(packet)
        elif not it.flags & RST:
            self.count("TcpOutRsts")
            self.host.send(reset_for(packet))

    def taken(self, endpoint: "Endpoint", address: Address, port: int) -> bool:
        """Whether somebody has this address and port in a way that excludes the endpoint."""
        for other in self.endpoints:
            if other is endpoint or not other.local or other.local[1] != port:
                continue
            share = endpoint.reuse and other.reuse and other.state != "LISTEN"
            if not share and _overlap(address, endpoint.v6only, other.local[0], other.v6only):
                return True
        return False

    def _listener(self, address: Address, port: int) -> "Endpoint | None":
        found = [it for it in self.endpoints if it.state == "LISTEN" and it.local and it.local[1] == port]
        exact = (it for it in found if it.local and it.local[0] == address)
        return next(exact, None) or next((it for it in found if it.takes(address)), None)

    def _told(self, packet: Packet) -> None:
        about = packet.about
        number = ICMP_ERRORS.get((packet.source.version, *packet.icmp))
        if about and about.segment and number:
            it = about.segment
            key: Key = (about.source, it.sport, about.destination, it.dport)
            for endpoint in [item for item in self.endpoints if item.key == key and item.state == "SYN-SENT"]:
                endpoint.told(number)


def _overlap(one: Address, one_v6only: bool, other: Address, other_v6only: bool) -> bool:
    if one.version == other.version:
        return one == other or one.is_unspecified or other.is_unspecified
    wide, v6only = (one, one_v6only) if one.version == 6 else (other, other_v6only)
    return wide.is_unspecified and not v6only
