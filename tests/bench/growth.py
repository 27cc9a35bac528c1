"""What one more host costs, where there are few and where there are many: time up and down, and memory, plotted.

The hosts are on one network of the namespaces engine, and nothing is run on them. Memory is what their processes hold,
shared pages counted in parts (proportional set size), before the lab's own.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import islice, pairwise
from pathlib import Path

from lab.addressing import Interface
from lab.engines.namespaces import NamespacesEngine
from lab.plan import Plan, PlannedHost, PlannedNetwork
from tests.bench.measure import WIDTH

COUNTS = (10, 30, 100, 300)
SUBNET = IPv4Network("10.213.0.0/22")
RUN = "bench-growth"
MOST = 2.0
BAR = 30
PROC = Path("/proc")


@dataclass(frozen=True)
class Size:
    """So many hosts: seconds to bring them up and down again, and the bytes that they held."""

    hosts: int
    seconds: float
    memory: int


def sizes() -> Iterator[Size]:
    """Each, as it is measured; a first one only warms up."""
    for index, hosts in enumerate((COUNTS[0], *COUNTS)):
        size = measure(hosts)
        if index:
            yield size


def measure(hosts: int) -> Size:
    """Make so many hosts, and let them go."""
    plan, begun = plan_of(hosts), time.perf_counter()
    with NamespacesEngine().deploy(plan, RUN, lambda text: None):
        up = time.perf_counter() - begun
        memory = proportional()
        begun = time.perf_counter()
    return Size(hosts, up + time.perf_counter() - begun, memory)


def plan_of(count: int) -> Plan:
    """Hosts on one network that know each other's names."""
    faces = [Interface(network="lan", address=str(address)) for address in islice(SUBNET.hosts(), 1, count + 1)]
    hosts = tuple(PlannedHost(name=f"host{number}", interfaces=(face,)) for number, face in enumerate(faces))
    return Plan(
        scenario="bench",
        file="",
        case="",
        title="",
        networks=(PlannedNetwork(name="lan", subnet=str(SUBNET)),),
        hosts=hosts,
        steps=(),
        names={host.name: (host.interfaces[0].address,) for host in hosts},
    )


def proportional() -> int:
    """Bytes that the run's processes hold."""
    total = 0
    for folder in PROC.glob("[0-9]*"):
        with suppress(OSError):
            if RUN.encode() in (folder / "cmdline").read_bytes():
                lines = (folder / "smaps_rollup").read_text().splitlines()
                total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def one_more(found: Sequence[Size]) -> tuple[float, float]:
    """The seconds for each of the first hosts, and for each of the last: those by which the largest size is larger."""
    first, (before, last) = found[0], found[-2:]
    return first.seconds / first.hosts, (last.seconds - before.seconds) / (last.hosts - before.hosts)


def lines(found: Sequence[Size]) -> Iterator[str]:
    """The plot for a terminal: a bar a size, of the time that one more host took there."""
    costs = [found[0].seconds / found[0].hosts]
    costs += [(now.seconds - then.seconds) / (now.hosts - then.hosts) for then, now in pairwise(found)]
    for size, cost in zip(found, costs, strict=True):
        bar = "█" * max(1, round(BAR * cost / max(costs)))
        held = size.memory / size.hosts / 1e6
        yield f"  {size.hosts:4} hosts {size.seconds:6.2f} s, {held:4.1f} MB each; {1000 * cost:6.2f} ms one more {bar}"


def verdict(found: Sequence[Size]) -> tuple[str, bool]:
    """The row for the table, and whether the last host costs no more than it may."""
    first, last = one_more(found)
    held = last <= MOST * first
    words = f"{last / first:.2f} times one of the first {found[0].hosts}, at most {MOST:g}"
    row = f"{'namespaces: one of the last hosts':{WIDTH}}{1000 * last:9.2f} ms{'':24}"
    return f"{row}  {'ok' if held else 'missed':6}  {words}", held


def svg(found: Sequence[Size]) -> str:
    """The same for a page: time and memory over the number of hosts, straight lines where all hosts cost the same."""
    width, height, margin = 640, 360, 50
    widest = found[-1].hosts

    def line(values: Sequence[float], colour: str, label: str, row: int) -> str:
        points = " ".join(
            f"{margin + (width - 2 * margin) * size.hosts / widest:.1f},"
            f"{height - margin - (height - 2 * margin) * value / max(values):.1f}"
            for size, value in zip(found, values, strict=True)
        )
        return (
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="3"/>'
            f'<text x="{margin + 10}" y="{margin + 20 * row}" fill="{colour}">{label}</text>'
        )

    seconds, memory = [size.seconds for size in found], [size.memory / 1e6 for size in found]
    marks = "".join(
        f'<text x="{margin + (width - 2 * margin) * size.hosts / widest:.1f}" y="{height - margin + 20}" '
        f'text-anchor="middle">{size.hosts}</text>'
        for size in found
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">'
        f'<rect width="{width}" height="{height}" fill="white"/>'
        f'<path d="M{margin} {margin}V{height - margin}H{width - margin}" fill="none" stroke="black"/>'
        + line(seconds, "#0b62a4", f"time up and down, to {max(seconds):.2f} s", 1)
        + line(memory, "#b3470f", f"memory, to {max(memory):.0f} MB", 2)
        + marks
        + f'<text x="{width / 2}" y="{height - 8}" text-anchor="middle">hosts on one network</text></svg>\n'
    )
