"""One TCP socket of a fake kernel: its states, queues, windows and retransmissions.

Modelled: handshake, backlog, windows, FIN and RST, SYN and data timers, ICMP answers to a SYN, TIME-WAIT. Not modelled:
delayed ACKs, congestion control, options, zero-window probes, reordering (what is out of order is sent again). Nothing
here blocks: waiting is for `sockets`.
"""

import errno
import os
from collections import deque
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lab.engines.fake.wire import ACK, FIN, PSH, RST, SYN, Address, Packet, Segment
from lab.engines.fake.world import SECOND, Timer

if TYPE_CHECKING:
    from lab.engines.fake.tcp import Stack

SYN_TIMEOUT, DATA_TIMEOUT, LONGEST = 1.02, 0.2, 120.0
SYNACK_RETRIES = 5
TIME_WAIT = 60.0
BUFFER = 65535
CONNECTED = ("ESTAB", "CLOSE-WAIT")
AFTER_CLOSE = {"ESTAB": "FIN-WAIT-1", "CLOSE-WAIT": "LAST-ACK"}
AFTER_THEIR_FIN = {"ESTAB": "CLOSE-WAIT", "FIN-WAIT-1": "CLOSING", "FIN-WAIT-2": "TIME-WAIT"}
AFTER_OUR_FIN_ACKED = {"FIN-WAIT-1": "FIN-WAIT-2", "CLOSING": "TIME-WAIT", "LAST-ACK": "UNCONN"}
Key = tuple[Address, int, Address, int]


def failure(number: int) -> OSError:
    """The exception that Python makes of an errno."""
    return OSError(number, os.strerror(number))


class Endpoint:
    """One TCP socket of the kernel. `orphan`: the application has closed it."""

    def __init__(self, stack: "Stack", version: int, uid: int = 0) -> None:
        self.stack, self.host, self.world = stack, stack.host, stack.host.world
        self.version, self.uid, self.number = version, uid, stack.new_number()
        self.state = "UNCONN"
        self.local: tuple[Address, int] | None = None
        self.remote: tuple[Address, int] | None = None
        self.reuse = self.v6only = self.abort = False
        self.backlog = 0
        self.queue: deque[Endpoint] = deque()
        self.parent: Endpoint | None = None
        self.error = 0
        self.received = bytearray()
        self.eof = self.orphan = self.tried = self.deaf = False
        self.send_size = self.receive_size = BUFFER
        self.syn_retries: int | None = None
        self.bound = self._fin = self._patient = False
        self._soft = self._retries = 0
        self._unacked: deque[Segment] = deque()
        self._outbox = bytearray()
        self._next = self._expected = 0
        self._window = BUFFER
        self._began = 0
        self._timer: Timer | None = None

    @property
    def key(self) -> Key | None:
        """Both ends, of a connection."""
        return (*self.local, *self.remote) if self.local and self.remote else None

    def takes(self, address: Address) -> bool:
        """Whether this listener hears what is sent to the address."""
        if not self.local:
            return False
        own = self.local[0]
        dual = own.version == 6 and not self.v6only and address.version == 4
        return own == address or (own.is_unspecified and (own.version == address.version or dual))

    def bind(self, address: Address, port: int) -> None:
        """Take an address and port."""
        if self.local:
            raise failure(errno.EINVAL)
        if not (address.is_unspecified or self.host.may_bind(address)):
            raise failure(errno.EADDRNOTAVAIL)
        if 0 < port < int(self.host.sysctls.get("net.ipv4.ip_unprivileged_port_start", 0)):
            raise failure(errno.EACCES)
        if port and self.stack.taken(self, address, port):
            raise failure(errno.EADDRINUSE)
        self.local = address, port or self.stack.port_to_bind()
        self.bound = True
        self._enter()

    def listen(self, backlog: int) -> None:
        """Hear SYNs; the backlog is capped by somaxconn."""
        if self.remote:
            raise failure(errno.EINVAL)
        if not self.local:
            self.bind(ip_address("0.0.0.0" if self.version == 4 else "::"), 0)
        self.backlog = min(max(backlog, 0), self.host.sysctl("net.core.somaxconn"))
        self.state = "LISTEN"

    def connect(self, address: Address, port: int, patient: bool) -> None:
        """Send the SYN. A patient caller sleeps in connect(): the kernel then only notes an ICMP error that comes back
        at once, and reports the one that the next SYN draws (with IPv6 always)."""
        if address.is_unspecified:
            address = ip_address("127.0.0.1" if address.version == 4 else "::1")
        source = self.host.source_for(address)
        if source is None:
            raise failure(errno.ENETUNREACH)
        if self.local and not self.local[0].is_unspecified:
            source = self.local[0]
        self.local = source, self.local[1] if self.local else self.stack.port_towards(source, (address, port))
        self.remote = address, port
        self._enter()
        self.state, self.tried, self._began = "SYN-SENT", True, self.world.now
        self._next = self.stack.new_sequence()
        self.stack.count("TcpActiveOpens")
        self._patient = patient or address.version == 6
        self._queue(SYN)
        self._patient = False

    def asked(self, packet: Packet) -> None:
        """A SYN came to this listener."""
        it = packet.segment
        assert it
        if self._full():
            return
        child = Endpoint(self.stack, self.version, self.uid)
        child.parent, child.state, child.reuse, child.v6only = self, "SYN-RECV", self.reuse, self.v6only
        child.bound, child.send_size, child.receive_size = True, self.send_size, self.receive_size
        child.local, child.remote = (packet.destination, it.dport), (packet.source, it.sport)
        child._next, child._expected, child._window = self.stack.new_sequence(), it.end, it.window
        child._enter()
        child._queue(SYN | ACK)

    def told(self, number: int) -> None:
        """An ICMP error about our SYN."""
        if self._patient:
            self._soft = number
        else:
            self._fail(number)

    def handle(self, it: Segment) -> None:
        """A segment of this connection."""
        if it.flags & RST:
            self._reset(it)
        elif self.state == "SYN-SENT":
            if it.flags & (SYN | ACK) == SYN | ACK:
                self._expected, self._window, self.state = it.end, it.window, "ESTAB"
                self._acked(it)
                self._emit(ACK)
        elif it.flags & SYN:
            self._resend()
        else:
            self._acked(it)
            if self.state == "SYN-RECV" and not self._admitted():
                return
            self._read_in(it)
            self._push()

    def write(self, data: bytes) -> int:
        """Take as much as there is room for; the number of bytes."""
        taken = min(len(data), self.room())
        self._outbox += data[:taken]
        self._push()
        return taken

    def room(self) -> int:
        """How many bytes `write` would take."""
        return max(0, self.send_size - len(self._outbox) - self.in_flight())

    def in_flight(self) -> int:
        """Bytes sent and not acknowledged."""
        return sum(len(it.data) for it in self._unacked)

    def unsent(self) -> int:
        """Bytes that the peer has not acknowledged, sent or not."""
        return len(self._outbox) + self.in_flight()

    def read(self, size: int, peek: bool = False) -> bytes:
        """Take up to so many received bytes; says so when the window opens again."""
        data = bytes(self.received[:size])
        if not peek:
            shut = self._space() < self._segment_size()
            del self.received[:size]
            if shut and self._space() >= self._segment_size() and self.state in CONNECTED:
                self._emit(ACK)
        return data

    def finish(self) -> None:
        """No more to send: FIN after what is still in the buffer."""
        if self.state in AFTER_CLOSE:
            self.state, self._fin = AFTER_CLOSE[self.state], True
            self._push()

    def close(self) -> None:
        """The application lets go of it."""
        self.orphan = True
        if self.state == "LISTEN":
            for child in [*self.queue, *(it for it in self.stack.endpoints if it.parent is self)]:
                child._abort()
            self.queue.clear()
            self._leave()
        elif self.remote and self.state not in ("SYN-SENT", "UNCONN", "TIME-WAIT") and (self.received or self.abort):
            self._abort()
        elif self.state in ("SYN-SENT", "UNCONN"):
            self._leave()
        elif self.state == "FIN-WAIT-2":
            self.world.after(TIME_WAIT, self._leave)
        else:
            self.finish()

    def _full(self) -> bool:
        if len(self.queue) <= self.backlog:
            return False
        self.stack.count("TcpExtListenOverflows")
        self.stack.count("TcpExtListenDrops")
        return True

    def _admitted(self) -> bool:
        """The handshake's ACK: into the accept queue, if there is room."""
        if self._unacked or self.parent is None or self.parent._full():
            return False
        self.parent.queue.append(self)
        self.parent, self.state = None, "ESTAB"
        self.stack.count("TcpPassiveOpens")
        return True

    def _acked(self, it: Segment) -> None:
        self._window = it.window
        again = False
        while self._unacked and it.flags & ACK and self._unacked[0].end <= it.ack:
            done, again = self._unacked.popleft(), self._retries > 0
            if done.flags & FIN:
                self._become(AFTER_OUR_FIN_ACKED.get(self.state, self.state))
        if again:
            self._retries = 0
            for late in self._unacked:
                self._send(late)
        self._arm()

    def _read_in(self, it: Segment) -> None:
        if not it.data and not it.flags & FIN:
            return
        if it.data and self.orphan:
            self.stack.count("TcpExtTCPAbortOnData")
            self._abort()
            return
        if it.seq == self._expected and len(it.data) <= self._space():
            self._expected = it.end
            if not self.deaf:
                self.received += it.data
            if it.flags & FIN:
                self.eof = True
                self._emit(ACK)
                self._become(AFTER_THEIR_FIN.get(self.state, self.state))
                return
        self._emit(ACK)

    def _become(self, state: str) -> None:
        self.state = state
        if state == "TIME-WAIT":
            self.world.after(TIME_WAIT, self._leave)
        elif state == "UNCONN":
            self._leave()
        elif state == "FIN-WAIT-2" and self.orphan:
            self.world.after(TIME_WAIT, self._leave)

    def _reset(self, it: Segment) -> None:
        if self.state == "SYN-SENT":
            if it.flags & ACK and it.ack == self._next:
                self._fail(errno.ECONNREFUSED)
        elif self.state != "TIME-WAIT":
            if self.state in CONNECTED:
                self.stack.count("TcpEstabResets")
            self.error = errno.EPIPE if self.state == "CLOSE-WAIT" else errno.ECONNRESET
            self._leave()

    def _fail(self, number: int) -> None:
        """A connect failed; the socket may try again."""
        self.error = number
        self.stack.count("TcpAttemptFails")
        self._leave()
        self.remote = None
        if not self.bound:
            self.local = None
        else:
            self._enter()

    def _abort(self) -> None:
        self.stack.count("TcpOutRsts")
        self._emit(RST | ACK)
        self._leave()

    def _enter(self) -> None:
        if self not in self.stack.endpoints:
            self.stack.endpoints.append(self)

    def _leave(self) -> None:
        """Out of the table; the application may still hold it."""
        self.state = "UNCONN"
        self._unacked.clear()
        self._outbox.clear()
        self._soft = self._retries = 0
        self._arm()
        if self in self.stack.endpoints:
            self.stack.endpoints.remove(self)

    def _space(self) -> int:
        return max(0, min(self.receive_size, BUFFER) - len(self.received))

    def _segment_size(self) -> int:
        assert self.local
        way = self.host.route(self.remote[0]) if self.remote else None
        size = 32768 if way and way[0].name == "lo" else 1460 if self.local[0].version == 4 else 1440
        return min(size, max(1, self.receive_size // 2))

    def _push(self) -> None:
        """Send what the peer's window allows, and then the FIN."""
        while self._outbox and self.state not in ("SYN-RECV", "UNCONN"):
            size = min(len(self._outbox), self._segment_size(), self._window - self.in_flight())
            if size <= 0:
                return
            data = bytes(self._outbox[:size])
            del self._outbox[:size]
            self._queue(ACK | PSH, data)
        if self._fin and not self._outbox and self.state != "UNCONN":
            self._fin = False
            self._queue(ACK | FIN)

    def _queue(self, flags: int, data: bytes = b"") -> None:
        segment = self._segment(flags, data)
        self._next = segment.end
        self._unacked.append(segment)
        self._arm()
        self._send(segment)

    def _segment(self, flags: int, data: bytes = b"") -> Segment:
        assert self.local and self.remote
        ack = self._expected if flags & ACK else 0
        return Segment(self.local[1], self.remote[1], self._next, ack, flags, self._space(), data)

    def _emit(self, flags: int) -> None:
        self._send(self._segment(flags))

    def _send(self, segment: Segment) -> None:
        assert self.local and self.remote
        self.stack.count("TcpOutSegs")
        if segment.flags & ACK:
            segment = replace(segment, ack=self._expected, window=self._space())
        self.host.send(Packet(self.local[0], self.remote[0], segment))

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancelled = True
        self._timer = self.world.after(self._interval(), self._expired) if self._unacked else None

    def _interval(self) -> float:
        if self.state == "SYN-SENT":
            linear = self.host.sysctl("net.ipv4.tcp_syn_linear_timeouts")
            return SYN_TIMEOUT * 2.0 ** max(0, self._retries - linear)
        base = SYN_TIMEOUT if self.state == "SYN-RECV" else DATA_TIMEOUT
        return min(LONGEST, base * 2.0**self._retries)

    def _expired(self) -> None:
        """Nobody has acknowledged in time: again, or give up."""
        if self._exhausted():
            if self.state == "SYN-SENT":
                self._fail(self._soft or errno.ETIMEDOUT)
            else:
                self.error = errno.ETIMEDOUT
                self._leave()
        elif self._unacked:
            self._resend()

    def _exhausted(self) -> bool:
        if self.state == "SYN-SENT":
            own = self.syn_retries or self.host.sysctl("net.ipv4.tcp_syn_retries")
            return self.world.now - self._began >= (2.0 ** (own + 1) - 1) * SECOND
        if self.state == "SYN-RECV":
            return self._retries >= SYNACK_RETRIES
        return self._retries >= self.host.sysctl("net.ipv4.tcp_retries2")

    def _resend(self) -> None:
        if self._unacked:
            self._retries += 1
            self.stack.count("TcpRetransSegs")
            self._arm()
            self._send(self._unacked[0])


def as_text(address: Address, version: int) -> str:
    """The address as a socket of that family shows it: IPv4 on an IPv6 socket is mapped."""
    return f"::ffff:{address}" if version == 6 and isinstance(address, IPv4Address) else str(address)


def as_address(text: str) -> Address:
    """The address that is meant: a mapped one is IPv4."""
    address = ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
