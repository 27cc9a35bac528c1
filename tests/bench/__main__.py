"""What the lab costs beside the bare Docker SDK: whole processes in turns, so that both meet the same machine.

Prints the median and the least of each; the least says most where others use the machine too.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from ipaddress import IPv4Network
from pathlib import Path
from statistics import median
from typing import TypeVar

from lab.addressing import Interface
from lab.engines.docker import DockerEngine
from lab.plan import Plan, PlannedHost, PlannedNetwork

ROUNDS = 7
TARGET = 1.3
T = TypeVar("T")
BARE = Path(__file__).with_name("bare_docker.py")
CASE = ("-m", "lab", "run", "refused", "--case", "nothing-listening")


def main() -> None:
    rows: dict[str, list[float]] = {}
    with closing(DockerEngine()) as engine:
        image = engine.image(print)
        for _ in range(ROUNDS):
            _timed(rows, "bare SDK script, whole", lambda: _python(str(BARE), image, *engine.subnets([2])))
            _timed(rows, "lab run of one case, whole", lambda: _python(*CASE))
            _timed(rows, "sweep with nothing to do", engine.sweep)
            _timed(rows, "choose a subnet", lambda: engine.subnets([2]))
            _deployment(engine, rows)
    for name, times in rows.items():
        print(f"{name:<28} median {_ms(median(times))}   least {_ms(min(times))}")
    bare, whole = rows["bare SDK script, whole"], rows["lab run of one case, whole"]
    print(f"lab run : bare = {median(whole) / median(bare):.2f} (least {min(whole) / min(bare):.2f}, target {TARGET})")


def _deployment(engine: DockerEngine, rows: dict[str, list[float]]) -> None:
    up = engine.deploy(_plan(*engine.subnets([2])), "bench", lambda text: None)
    deployment = _timed(rows, "deploy two hosts", up.__enter__)
    try:
        _timed(rows, "ask an agent", deployment.agents["server"].hello)
    finally:
        _timed(rows, "remove two hosts", lambda: up.__exit__(None, None, None))


def _plan(subnet: str) -> Plan:
    addresses = {name: str(IPv4Network(subnet)[last]) for last, name in enumerate(("server", "client"), start=2)}
    return Plan(
        scenario="bench",
        file="bench.yaml",
        case="bench",
        title="bench",
        networks=(PlannedNetwork(name="lan", subnet=subnet),),
        hosts=tuple(
            PlannedHost(name=name, interfaces=(Interface(network="lan", address=address),))
            for name, address in addresses.items()
        ),
        names={name: (address,) for name, address in addresses.items()},
        steps=(),
    )


def _python(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)


def _timed(rows: dict[str, list[float]], name: str, act: Callable[[], T]) -> T:
    begun = time.perf_counter()
    result = act()
    rows.setdefault(name, []).append(time.perf_counter() - begun)
    return result


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:7.1f} ms"


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
