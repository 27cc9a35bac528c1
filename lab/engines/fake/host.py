"""One fake host below its sockets: devices, routes, neighbours, forwarding, the firewall's hooks and the tap.

Packets are delivered in order, each hop some microseconds after the other, before the call that sent the first one goes
on: as a kernel's veth pairs do. What a TCP segment means is for `tcp`.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from lab.engines.fake.firewall import ICMP_ANSWERS, Firewall
from lab.engines.fake.tcp import Stack, reset_for
from lab.engines.fake.wire import BROADCAST, NOBODY, RST, Address, Packet, arp, frame
from lab.engines.fake.world import MICROSECOND, World

HOP = 10 * MICROSECOND
ASKING_AGAIN = 1.024
ASKED_ENOUGH = 3
LOOPBACK_ADDRESSES = {4: ip_address("127.0.0.1"), 6: ip_address("::1")}


@dataclass(eq=False)
class Device:
    """An interface; `wire` is None for the loopback, and `network` its label there and elsewhere."""

    host: "Host"
    index: int
    name: str
    network: str
    mac: bytes = NOBODY
    wire: "Wire | None" = None
    addresses: tuple[Address, ...] = ()
    subnets: tuple[IPv4Network | IPv6Network, ...] = ()
    up: bool = True

    def address(self, version: int) -> Address | None:
        """Its address of this family."""
        return next((item for item in self.addresses if item.version == version), None)


@dataclass(eq=False)
class Wire:
    """A network: whoever is plugged in."""

    devices: list[Device] = field(default_factory=list)

    def carry(self, sender: Device, to: bytes, raw: bytes, arrive: Callable[[Device], None]) -> None:
        """A frame leaves one device and reaches the one it is for, or (broadcast) all others."""
        sender.host.taste(sender, raw, outgoing=True)
        for device in self.devices:
            if device is not sender and device.up and to in (BROADCAST, device.mac):
                sender.host.deliver(self._arrival(device, raw, arrive))

    @staticmethod
    def _arrival(device: Device, raw: bytes, arrive: Callable[[Device], None]) -> Callable[[], None]:
        def action() -> None:
            device.host.taste(device, raw, outgoing=False)
            arrive(device)
            device.host.stir()

        return action


class Softirq:
    """The queue of frames under way; one at a time."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._queue: deque[Callable[[], None]] = deque()
        self._busy = False

    def add(self, action: Callable[[], None]) -> None:
        """Deliver something after all that is under way."""
        self._queue.append(action)
        if self._busy:
            return
        self._busy = True
        try:
            while self._queue:
                self.world.now += HOP
                self._queue.popleft()()
        finally:
            self._busy = False


class Host:
    """A kernel with its own network namespace."""

    def __init__(self, name: str, world: World, softirq: Softirq, sysctls: Mapping[str, str]) -> None:
        self.name = name
        self.world = world
        self.sysctls = {"net.ipv4.ip_forward": "0", "net.ipv4.tcp_syn_retries": "6", "net.core.somaxconn": "4096"}
        self.sysctls |= {"net.ipv4.tcp_syn_linear_timeouts": "4", "net.ipv4.tcp_retries2": "15"}
        self.sysctls |= {"net.ipv4.ip_local_port_range": "32768 60999", "net.ipv4.ip_nonlocal_bind": "0"}
        self.sysctls |= sysctls
        loopback = Device(self, 1, "lo", "lo", addresses=tuple(LOOPBACK_ADDRESSES.values()))
        self.devices = [loopback]
        self.routes: list[tuple[IPv4Network | IPv6Network, Address]] = []
        self.firewalls = {4: Firewall(4), 6: Firewall(6)}
        self.counters: Counter[str] = Counter()
        self.tap: list[tuple[int, int, bool, bytes]] = []
        self.deliver = softirq.add
        self.stir: Callable[[], None] = lambda: None
        self.tcp = Stack(self)
        self._neighbours: dict[tuple[Device, Address], bytes] = {}
        self._waiting: dict[tuple[Device, Address], list[Packet]] = {}

    def sysctl(self, key: str) -> int:
        """A setting, as a number."""
        return int(self.sysctls[key])

    def taste(self, device: Device, raw: bytes, outgoing: bool) -> None:
        """The tap sees a frame, and `stir` is called, as it is once the frame has been dealt with."""
        self.world.now += MICROSECOND
        self.tap.append((self.world.now, device.index, outgoing, raw))
        self.stir()

    def owns(self, address: Address) -> bool:
        """Whether packets to it end here."""
        if address.version == 4 and address.is_loopback:
            return True
        return any(address in device.addresses for device in self.devices)

    def may_bind(self, address: Address) -> bool:
        """Whether a socket may have this address for its own."""
        return self.owns(address) or (address.version == 4 and self.sysctl("net.ipv4.ip_nonlocal_bind") == 1)

    def route(self, destination: Address) -> tuple[Device, Address] | None:
        """The device and the next hop; the longest prefix wins."""
        if self.owns(destination):
            return self.devices[0], destination
        found: list[tuple[int, Device, Address]] = []
        for device in self.devices[1:]:
            nets = [net for net in device.subnets if device.up and destination in net]
            found += [(net.prefixlen, device, destination) for net in nets]
        for net, via in self.routes:
            hop = next((item for item in self.devices[1:] if item.up and any(via in sub for sub in item.subnets)), None)
            if destination in net and hop:
                found.append((net.prefixlen, hop, via))
        best = max(found, key=lambda item: item[0], default=None)
        return best and (best[1], best[2])

    def source_for(self, destination: Address) -> Address | None:
        """The own address from which one talks to that one; None where there is no way."""
        way = self.route(destination)
        if way is None:
            return None
        if way[0] is not self.devices[0]:
            return way[0].address(destination.version)
        version = destination.version
        return LOOPBACK_ADDRESSES[version] if destination.is_loopback else destination

    def send(self, packet: Packet) -> None:
        """Out of this host: route, OUTPUT, wire."""
        way = self.route(packet.destination)
        if way and self._passes("OUTPUT", packet, "", way[0].name):
            self._transmit(*way, packet)

    def receive(self, device: Device, packet: Packet) -> None:
        """Into this host: for itself, or to be forwarded."""
        if self.owns(packet.destination):
            if self._passes("INPUT", packet, device.name, ""):
                self.tcp.receive(packet)
        elif self.sysctl("net.ipv4.ip_forward"):
            self._forward(device, packet)

    def icmp(self, packet: Packet, kind: tuple[int, int]) -> None:
        """Tell the sender of a packet what is wrong with it."""
        if packet.about:
            return
        back = self.route(packet.source)
        local = packet.destination if self.owns(packet.destination) else None
        source = local or (
            packet.source if self.owns(packet.source) else back and back[0].address(packet.source.version)
        )
        if source:
            self.send(Packet(source, packet.source, icmp=kind, about=packet))

    def link(self, network: str, up: bool) -> None:
        """Set a device up or down; KeyError where there is none on that network."""
        device = next((item for item in self.devices[1:] if item.network == network), None)
        if device is None:
            raise KeyError(network)
        device.up = up
        self._neighbours = {key: mac for key, mac in self._neighbours.items() if key[0] is not device}

    def configure(self, addresses: Mapping[str, str], routes: Sequence[Mapping[str, str]]) -> None:
        """Name the devices after the networks of their addresses; set the routes."""
        for device in self.devices[1:]:
            device.network = next(
                (addresses[str(it)] for it in device.addresses if str(it) in addresses), device.network
            )
        self.routes = [(ip_network(route["to"]), ip_address(route["via"])) for route in routes]

    def _passes(self, chain: str, packet: Packet, inward: str, outward: str) -> bool:
        rule = self.firewalls[packet.source.version].verdict(chain, packet, inward, outward)
        if rule.target == "REJECT" and rule.answer == "tcp-reset":
            if packet.segment and not packet.segment.flags & RST:
                self.send(reset_for(packet))
        elif rule.target == "REJECT":
            self.icmp(packet, ICMP_ANSWERS[packet.source.version][rule.answer])
        return rule.target == "ACCEPT"

    def _forward(self, device: Device, packet: Packet) -> None:
        version = packet.source.version
        way = self.route(packet.destination)
        if packet.ttl <= 1:
            self.icmp(packet, (11, 0) if version == 4 else (3, 0))
        elif way is None:
            self.icmp(packet, (3, 0) if version == 4 else (1, 0))
        elif self._passes("FORWARD", packet, device.name, way[0].name):
            about, kind = packet.about, packet.icmp
            onward = Packet(packet.source, packet.destination, packet.segment, kind, about, packet.ttl - 1)
            self._transmit(*way, onward)

    def _transmit(self, device: Device, hop: Address, packet: Packet) -> None:
        if device.wire is None:
            raw = frame(NOBODY, NOBODY, packet)  # the tap keeps it once, as it comes in
            self.deliver(Wire._arrival(device, raw, lambda here: self.receive(here, packet)))
        elif device.up and (mac := self._neighbours.get((device, hop))):
            raw = frame(device.mac, mac, packet)
            device.wire.carry(device, mac, raw, lambda there: there.host.receive(there, packet))
        elif device.up and (device, hop) in self._waiting:
            self._waiting[device, hop].append(packet)
        elif device.up:
            self._waiting[device, hop] = [packet]
            self._ask(device, hop, 1)

    def _ask(self, device: Device, hop: Address, times: int) -> None:
        """who-has, three times; then whatever waits is unreachable."""
        key = device, hop
        if key not in self._waiting:
            return
        own = device.address(hop.version)
        if times > ASKED_ENOUGH or not own or not device.up or not device.wire:
            for packet in self._waiting.pop(key):
                self.icmp(packet, (3, 1) if hop.version == 4 else (1, 3))
            return
        self.world.after(ASKING_AGAIN, lambda: self._ask(device, hop, times + 1))
        question = arp(1, device.mac, own, NOBODY, hop)
        device.wire.carry(device, BROADCAST, question, lambda there: there.host.asked(there, device, own, hop))

    def asked(self, device: Device, asker: Device, theirs: Address, wanted: Address) -> None:
        """Somebody on this device's wire wants to know who has an address."""
        if device.wire and self.owns(wanted):
            self._neighbours[device, theirs] = asker.mac
            answer = arp(2, device.mac, wanted, asker.mac, theirs)
            device.wire.carry(device, asker.mac, answer, lambda there: there.host.answered(there, device, wanted))

    def answered(self, device: Device, owner: Device, address: Address) -> None:
        """A neighbour is known: whatever waits for it goes."""
        self._neighbours[device, address] = owner.mac
        for packet in self._waiting.pop((device, address), []):
            self._transmit(device, address, packet)
