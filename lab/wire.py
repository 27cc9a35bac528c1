"""packets -> who talked to whom, which way, what is noise, and whether anybody was looking. Pure.

A flow is what one tap saw of one connection, or of one try to make it: TCP segments between two ends, and the ICMP
errors about them. Which call a flow belongs to is for `attempts` to say.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache

from msgspec import Struct

from lab.decode.dns import ENGINES_OWN
from lab.history import History, Packet, Tap
from lab.i18n import _

Endpoint = tuple[str, int]

_ANY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
_ANSWERS = {"who-has": "is-at", "neighbour-solicitation": "neighbour-advertisement"}
_HOUSEKEEPING = {
    "router-solicitation",
    "router-advertisement",
    "listener-query",
    "listener-report",
    "listener-done",
}
_DNS = 53


class Flow(Struct, frozen=True):
    """The packets between the caller's end and the called one, in the order of their times; never empty."""

    local: Endpoint
    remote: Endpoint
    packets: tuple[Packet, ...]


def awake(history: History, host: str, start: int, end: int) -> bool:
    """Whether the host's tap missed nothing from `start` to `end` (ns): only then does an absence mean anything."""
    reached = start
    for tap in sorted(history.all(Tap, host), key=lambda tap: tap.time):
        if tap.until < start or tap.time > end:
            continue
        if tap.time > reached or tap.dropped:
            return False
        reached = max(reached, tap.until)
    return reached >= end and reached > start


@lru_cache(maxsize=4096)
def plain(address: str) -> str:
    """An address as packets carry it: no scope, IPv4-mapped ones as IPv4, the unspecified ones as loopback (which is
    where a connect to them goes). A name stays a name."""
    address = _ANY.get(address, address).partition("%")[0]
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


def is_address(text: str) -> bool:
    """Whether it is an IP address, and not a name."""
    try:
        ipaddress.ip_address(plain(text))
    except ValueError:
        return False
    return True


def ends(packet: Packet) -> tuple[Endpoint, Endpoint] | None:
    """From which end to which a packet went; of an ICMP error, those of the packet that it is about. None where ports
    do not apply."""
    if packet.about:
        _, source, sport, destination, dport = packet.about
        return (source, sport), (destination, dport)
    if packet.protocol in ("tcp", "udp"):
        return (packet.source, packet.sport), (packet.destination, packet.dport)
    return None


def outbound(packet: Packet, remote: Endpoint) -> bool:
    """Whether it went from the caller's end towards the called one, whichever host looks."""
    between = ends(packet)
    return between is not None and matches(remote, between[1]) != bool(packet.about)


def flows(packets: Iterable[Packet], remote: Endpoint, protocol: str = "tcp") -> tuple[Flow, ...]:
    """The flows to a called end, in the order of their first packets, without resets of nothing. A name matches
    whatever has its port."""
    found: dict[Endpoint, list[list[Packet]]] = {}
    far: dict[Endpoint, Endpoint] = {}
    for packet in packets:
        between = ends(packet)
        if between is None or protocol not in (packet.protocol, packet.about and packet.about[0]):
            continue
        source, destination = between
        if matches(remote, destination):
            local, far[source] = source, destination
        elif matches(remote, source):
            local, far[destination] = destination, source
        else:
            continue
        lives = found.setdefault(local, [[]])
        if _begins(packet, lives[-1]):
            lives.append([])
        lives[-1].append(packet)
    all_flows = [Flow(local, far[local], _effective(life)) for local, lives in found.items() for life in lives if life]
    return tuple(sorted(all_flows, key=lambda flow: flow.packets[0].time))


def resets_nothing(packets: Iterable[Packet]) -> tuple[bool, ...]:
    """Which of one connection's packets are an RST between ends that have both closed, and been told so: a kernel that
    knows it no more answers an acknowledgement that was late."""
    closed: dict[Endpoint, int] = {}
    told = set[Endpoint]()
    moot = []
    for packet in packets:
        here, there = (packet.source, packet.sport), (packet.destination, packet.dport)
        moot.append("RST" in packet.flags and {here, there} <= told)
        if "FIN" in packet.flags:
            closed[here] = (packet.seq + packet.length + 1) % (1 << 32)
        if "ACK" in packet.flags and packet.ack == closed.get(there):
            told.add(there)
    return tuple(moot)


def matches(wanted: Endpoint, seen: Endpoint) -> bool:
    """Whether an end is the one that a call named."""
    return wanted[1] == seen[1] and (plain(wanted[0]) == plain(seen[0]) or not is_address(wanted[0]))


def _effective(packets: Sequence[Packet]) -> tuple[Packet, ...]:
    return tuple(packet for packet, moot in zip(packets, resets_nothing(packets), strict=True) if not moot)


def is_syn(packet: Packet) -> bool:
    """A first SYN, not an answer to one."""
    return "SYN" in packet.flags and "ACK" not in packet.flags


def _begins(packet: Packet, before: list[Packet]) -> bool:
    """Whether a SYN begins another connection between the same ends: one that was sent again has the same number."""
    return is_syn(packet) and bool(before) and all(packet.seq != known.seq for known in before if is_syn(known))


def is_neighbourly(packet: Packet) -> bool:
    """Whether it asks or tells where a neighbour is, by ARP or neighbour discovery."""
    return packet.protocol == "arp" or packet.icmp in _ANSWERS or packet.icmp in _ANSWERS.values()


def unanswered(packets: Iterable[Packet], start: int, end: int) -> tuple[str, ...]:
    """The neighbours that were asked for by ARP or neighbour discovery from `start` to `end`, and never answered."""
    within = [packet for packet in packets if start <= packet.time <= end and is_neighbourly(packet)]
    answered = {packet.source for packet in within if packet.icmp in _ANSWERS.values()}
    asked = [_neighbour(packet) for packet in within if _awaits_answer(packet)]
    return tuple(dict.fromkeys(address for address in asked if address not in answered))


def _awaits_answer(packet: Packet) -> bool:
    """Whether this host asks for a neighbour. Whoever asks from the unspecified address, or for its own, looks for a
    double of itself, and hopes for no answer."""
    return packet.icmp in _ANSWERS and packet.outgoing and packet.source not in ("::", "0.0.0.0", _neighbour(packet))


def _neighbour(packet: Packet) -> str:
    """The neighbour that is asked for, or that answers."""
    if packet.protocol == "arp":
        return packet.destination if packet.icmp in _ANSWERS else packet.source
    return str(ipaddress.IPv6Address(packet.data[:16])) if len(packet.data) >= 16 else packet.destination


def is_noise(packet: Packet) -> bool:
    """Whether it is of the kind that any network carries, whatever its hosts talk about: who and where neighbours,
    routers and multicast groups are, and the engine's own DNS."""
    return (
        is_neighbourly(packet)
        or packet.protocol == "igmp"
        or packet.icmp in _HOUSEKEEPING
        or (packet.dns != "" and ENGINES_OWN in (packet.source, packet.destination))
    )


def noise(packets: Iterable[Packet]) -> tuple[bool, ...]:
    """Which of one host's packets, in the order of their times, are noise. A question for a neighbour that nobody
    answers before it is asked again, if ever, is none; what the engine's DNS asks further, and hears, is."""
    seen = tuple(packets)
    answered, further = _answered(seen), _asked_further(seen)
    return tuple(
        _between(packet) in further or (is_noise(packet) and (number in answered or not _awaits_answer(packet)))
        for number, packet in enumerate(seen)
    )


def _answered(packets: Iterable[Packet]) -> set[int]:
    """The places of the questions for neighbours that were answered before they were asked again."""
    asked: dict[tuple[str, str], int] = {}
    answered = set[int]()
    for number, packet in enumerate(packets):
        if _awaits_answer(packet):
            asked[packet.interface, _neighbour(packet)] = number
        elif packet.icmp in _ANSWERS.values():
            answered.add(asked.pop((packet.interface, _neighbour(packet)), number))
    return answered


def _asked_further(packets: Iterable[Packet]) -> set[frozenset[Endpoint]]:
    """The ends between which the engine's DNS, which has no address of its own there, asks what it was asked."""
    questions, further = set[str](), set[frozenset[Endpoint]]()
    for packet in packets:
        if packet.dns and packet.destination == ENGINES_OWN:
            questions.add(packet.dns)
        elif packet.dns in questions and packet.interface == "lo" and packet.dport == _DNS:
            further.add(_between(packet))
    return further


def written(end: Endpoint) -> str:
    """`10.213.0.2:65432`, `[fd00::2]:65432`."""
    return f"[{end[0]}]:{end[1]}" if ":" in end[0] else f"{end[0]}:{end[1]}"


def _between(packet: Packet) -> frozenset[Endpoint]:
    return frozenset(ends(packet) or ())


def label(packet: Packet) -> str:
    """What a packet is, in a word or two: SYN, SYN-ACK, RST, FIN, DATA, ACK, `ICMP port-unreachable`, `ARP who-has`,
    `DNS query A server`."""
    if packet.dns:
        return f"DNS {packet.dns}"
    if packet.protocol != "tcp":
        kind = packet.protocol.upper().replace("ICMP6", "ICMP")
        return f"{kind} {packet.icmp}".strip() if packet.icmp else "DATA" if packet.length else kind
    if "SYN" in packet.flags:
        return "SYN-ACK" if "ACK" in packet.flags else "SYN"
    for flag in ("RST", "FIN"):
        if flag in packet.flags:
            return flag
    return "DATA" if packet.length else "ACK"


def describe(packet: Packet | None) -> str:
    """`RST from 10.213.0.2:65432 on lan`."""
    if packet is None:
        return _("nothing")
    sender = written((packet.source, packet.sport)) if packet.sport else packet.source
    return _("{packet} from {sender} on {network}", packet=label(packet), sender=sender, network=packet.interface)
