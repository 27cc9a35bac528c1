"""`make bench`: what the lab costs, measured side by side with what it is compared to, whole processes by turns.

Other work on the machine slows both sides, so the ratio is what counts. Exit code 1 where a target is missed.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from lab.calls import parse_call
from lab.engines.docker import DockerEngine
from lab.plan import make_plan, sizes
from lab.scenario import load

HERE = Path(__file__).parent
TWO_HOSTS = HERE / "two-hosts.yaml"
LENSES = {"calls": TWO_HOSTS, "programs": HERE / "two-programs.yaml"}
CALLS = 1000
RATIO, LENS_RATIO, CALL_MS = 1.3, 1.25, 0.3
COULD_NOT_TELL = 3


@dataclass(frozen=True)
class Row:
    """One line of the table: times in seconds, and the target where there is one."""

    what: str
    times: Sequence[float]
    target: str = ""
    met: bool = True

    def __str__(self) -> str:
        scale, unit = (1000, "ms") if statistics.median(self.times) < 1 else (1, "s ")
        median, least, most = (
            f"{scale * function(self.times):9.2f} {unit}" for function in (statistics.median, min, max)
        )
        return f"{self.what:44}{median}{least}{most}  {self.target}".rstrip()


def timed(command: Sequence[str], environment: Mapping[str, str], code: int = 0) -> float:
    """How long the whole process takes (s); another exit code than this one ends the measuring."""
    begun = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    took = time.perf_counter() - begun
    if done.returncode != code:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return took


def by_turns(rounds: int, *measures: Callable[[], float]) -> list[list[float]]:
    """The times of each, round by round; the first round only warms up."""
    taken = [[measure() for measure in measures] for _ in range(rounds + 1)]
    return [list(times) for times in zip(*taken[1:], strict=True)]


def against_bare_docker(rounds: int, image: str, environment: Mapping[str, str]) -> Iterator[Row]:
    """A case on two hosts, and the same two hosts with the SDK alone."""
    lab = [sys.executable, "-m", "lab", "run", str(TWO_HOSTS)]
    bare = [sys.executable, str(HERE / "bare_docker.py"), image, "10.212.255.240/28"]
    ours, theirs = by_turns(rounds, lambda: timed(lab, environment), lambda: timed(bare, environment))
    ratio = statistics.median(ours) / statistics.median(theirs)
    yield Row("a case on two hosts", ours, f"{ratio:.2f} times bare Docker, target {RATIO}", ratio <= RATIO)
    yield Row("two containers with the SDK alone", theirs)


def lenses(rounds: int, environment: Mapping[str, str]) -> Iterator[Row]:
    """A case on two hosts that is seen, and the same that is not: without packets and calls its checks cannot tell."""
    for what, file in LENSES.items():
        way = [sys.executable, "-m", "tests.bench.lenses"]
        seen, unseen = ([*way, word, "run", str(file)] for word in ("with", "without"))
        ours, theirs = by_turns(
            rounds,
            lambda seen=seen: timed(seen, environment),
            lambda unseen=unseen: timed(unseen, environment, COULD_NOT_TELL),
        )
        ratio = statistics.median(ours) / statistics.median(theirs)
        words = f"{ratio:.2f} times without, target {LENS_RATIO}"
        yield Row(f"a case of {what} with the lenses", ours, words, ratio <= LENS_RATIO)
        yield Row(f"a case of {what} without them", theirs)


def agent_calls() -> Iterator[Row]:
    """Calls through the agent of a host that is up."""
    scenario = load(TWO_HOSTS)
    case = scenario.cases[0]
    with closing(DockerEngine()) as engine:
        plan = make_plan(scenario, case, engine.subnets(sizes(case)))
        with engine.deploy(plan, "bench", lambda text: None) as deployment:
            agent = deployment.agents["server"]
            agent.call(0, parse_call("s = socket()"), pending=False, timeout=5)
            call, times = parse_call("s.getsockname()"), []
            for step in range(1, CALLS + 1):
                begun = time.perf_counter()
                agent.call(step, call, pending=False, timeout=5)
                times.append(time.perf_counter() - begun)
    median = statistics.median(times) * 1000
    yield Row(f"a call through the agent ({CALLS} times)", times, f"target {CALL_MS} ms", median < CALL_MS)


def everything(rounds: int, environment: Mapping[str, str]) -> Iterator[Row]:
    """All scenarios, so many cases at once."""
    jobs = (1, 2, 4)
    lab = [sys.executable, "-m", "lab", "run", "--all", "--jobs"]
    commands = [[*lab, str(number)] for number in jobs]
    taken = [[timed(command, environment) for command in commands] for _ in range(rounds)]
    for number, times in zip(jobs, zip(*taken, strict=True), strict=True):
        yield Row(f"all scenarios, --jobs {number} ({rounds} times)", times)


def main() -> int:
    """Print the table, line by line as it is measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="of the comparisons by turns")
    parser.add_argument("--all-rounds", type=int, default=3, help="of all scenarios; 0 leaves them out")
    asked = parser.parse_args()
    with closing(DockerEngine()) as engine:
        image = engine.image(lambda text: print(text, file=sys.stderr))
    print(f"{'':44}{'median':>12}{'least':>12}{'most':>12}")
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        # Compiled modules may be kept, as they are where the lab is installed: the SDK's are, too.
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"LAB_RUNS": f"{folder}/runs", "PYTHONPYCACHEPREFIX": f"{folder}/compiled"}
        for row in chain(
            against_bare_docker(asked.rounds, image, environment),
            lenses(asked.rounds, environment),
            agent_calls(),
            everything(asked.all_rounds, environment) if asked.all_rounds else (),
        ):
            print(row, flush=True)
            missed = missed or not row.met
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
