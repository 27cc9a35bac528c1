"""Plan -> Map: hosts as boxes, networks as lines below them, a joint where a host has an interface. Pure geometry, in
pixels; `templates/topology.html` draws it."""

from collections.abc import Sequence

from msgspec import Struct

from lab.addressing import Interface
from lab.i18n import _
from lab.plan import Plan, PlannedHost
from lab.report.svg import CHAR

MARGIN, BOX, TOP, ROW = 12, 64, 110, 76
NARROWEST, ROOM = 200, 44


class Joint(Struct, frozen=True):
    """An interface: where the host's line meets the network's, and its addresses."""

    x: int
    y: int
    network: str
    addresses: tuple[str, ...]


class Box(Struct, frozen=True):
    """A host; `joints` from top to bottom."""

    name: str
    router: bool
    x: int
    width: int
    joints: tuple[Joint, ...]


class Wire(Struct, frozen=True):
    """A network."""

    name: str
    subnets: tuple[str, ...]
    y: int
    begin: int
    end: int


class Map(Struct, frozen=True):
    """The drawing; `words` tell it."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]
    words: str


def shape(plan: Plan) -> tuple[object, ...]:
    """What is equal where two cases have the same drawing but for the addresses."""
    networks = tuple((network.name, network.internal) for network in plan.networks)
    return networks, tuple((host.name, tuple(face.network for face in host.interfaces)) for host in plan.hosts)


def draw(plan: Plan) -> Map:
    """The plan's networks and hosts."""
    ys = {network.name: TOP + ROW * place + ROW // 2 for place, network in enumerate(plan.networks)}
    left = MARGIN + round(CHAR * max((len(text) for text in _names(plan)), default=0)) + ROOM
    column = max([NARROWEST, *(ROOM + round(CHAR * len(text)) for text in _texts(plan.hosts))])
    boxes = tuple(
        Box(
            name=host.name,
            router=_forwards(host),
            x=left + column * place,
            width=column - ROOM // 2,
            joints=tuple(
                Joint(left + column * place + ROOM // 2, ys[face.network], face.network, _addresses(face))
                for face in sorted(host.interfaces, key=lambda face: ys[face.network])
            ),
        )
        for place, host in enumerate(plan.hosts)
    )
    width = left + column * len(boxes) + MARGIN
    wires = [
        Wire(
            network.name, tuple(filter(None, (network.subnet, network.subnet6))), ys[network.name], left, width - MARGIN
        )
        for network in plan.networks
    ]
    return Map(width, TOP + ROW * len(wires) + MARGIN, boxes, tuple(wires), _told(plan))


def _names(plan: Plan) -> list[str]:
    return [text for network in plan.networks for text in (network.name, network.subnet, network.subnet6 or "")]


def _texts(hosts: Sequence[PlannedHost]) -> list[str]:
    found = [address for host in hosts for face in host.interfaces for address in _addresses(face)]
    return found + [host.name + f" ({_('router')})" * _forwards(host) for host in hosts]


def _addresses(face: Interface) -> tuple[str, ...]:
    return tuple(filter(None, (face.address, face.ipv6)))


def _forwards(host: PlannedHost) -> bool:
    return host.sysctls.get("net.ipv4.ip_forward") == "1"


def _told(plan: Plan) -> str:
    """The drawing in words: `server: lan 10.1.2.3; router middle: ...`."""
    return "; ".join(
        (_("router {host}", host=host.name) if _forwards(host) else host.name)
        + ": "
        + (", ".join(f"{face.network} {' '.join(_addresses(face))}" for face in host.interfaces) or _("no network"))
        for host in plan.hosts
    )
