"""What the classic tools would print on a fake host, made of its own tables in the tools' formats."""

from collections.abc import Callable, Iterator
from typing import Any

from lab.agent.views import COMMANDS, MISSING
from lab.agent.wire import Refused, text64
from lab.decode.sockets import rows
from lab.engines.fake.host import Host
from lab.engines.fake.tables import tables
from lab.history import SocketRow

NETSTAT_STATES = {"ESTAB": "ESTABLISHED", "FIN-WAIT-1": "FIN_WAIT1", "FIN-WAIT-2": "FIN_WAIT2"}
LOOPBACK = ("127.0.0.1/8", "::1/128")


def view(host: Host, tool: str) -> dict[str, Any]:
    """A tool's command, status, text (base64) and time (ns)."""
    if tool not in COMMANDS:
        raise Refused(f"expected a tool out of {', '.join(COMMANDS)}, observed {tool!r}")
    code, lines = 0, list(PRINTERS[tool](host)) if tool in PRINTERS else []
    if not lines:
        code, lines = MISSING, [f"the fake engine has no {tool}; use an engine with a real kernel"]
    data = "".join(f"{line}\n" for line in lines).encode()
    return {"command": " ".join(COMMANDS[tool]), "code": code, "data": text64(data), "time": host.world.now}


def _ss(host: Host) -> Iterator[str]:
    yield f"{'Netid':6}{'State':11}{'Recv-Q':7}{'Send-Q':7}{'Local Address:Port':>24} {'Peer Address:Port':>24} Process"
    for row in rows(tables(host)):
        local, remote = _ends(row, wide=True)
        yield f"{row.protocol:6}{row.state:11}{row.recv_q:<7}{row.send_q:<7}{local:>24} {remote:>24}"


def _netstat(host: Host) -> Iterator[str]:
    yield "Active Internet connections (servers and established)"
    yield f"Proto Recv-Q Send-Q {'Local Address':23} {'Foreign Address':23} State"
    for row in rows(tables(host)):
        local, remote = _ends(row, wide=False)
        protocol = row.protocol + "6" * (":" in row.local[0])
        waiting = 0 if row.state == "LISTEN" else row.send_q
        state = NETSTAT_STATES.get(row.state, row.state.replace("-", "_"))
        yield f"{protocol:5} {row.recv_q:6} {waiting:6} {local:23} {remote:23} {state}"


def _ip(host: Host) -> Iterator[str]:
    yield f"{'lo':16} {'UNKNOWN':14} {' '.join(LOOPBACK)}"
    for device in host.devices[1:]:
        addresses = " ".join(f"{it}/{net.prefixlen}" for it, net in zip(device.addresses, device.subnets, strict=True))
        yield f"{device.name:16} {'UP' if device.up else 'DOWN':14} {addresses}"


def _ends(row: SocketRow, wide: bool) -> tuple[str, str]:
    """Both addresses as `ss` writes them (`wide`: IPv6 in brackets, `*` for both families), or `netstat`."""
    local, remote = (
        (f"[{address}]" if wide and ":" in address else address) + f":{port or '*'}"
        for address, port in (row.local, row.remote)
    )
    dual = wide and row.local[0] == "::" and not row.v6only
    return (f"*:{row.local[1]}", "*:*") if dual else (local, remote)


PRINTERS: dict[str, Callable[[Host], Iterator[str]]] = {"ss": _ss, "netstat": _netstat, "ip": _ip}
