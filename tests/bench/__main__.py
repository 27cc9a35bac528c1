"""`make bench`: what the lab costs, measured side by side with what it is compared to, whole processes by turns.

Other work on the machine slows both sides, so the ratio is what counts. Exit code 1 where a target is missed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path

from lab.calls import parse_call
from lab.engines.docker import DockerEngine
from lab.plan import make_plan, sizes
from lab.scenario import load
from tests.bench import growth
from tests.bench.measure import WIDTH, Environment, Row, Unavailable, at_most, by_turns, output, ratio, timed

HERE = Path(__file__).parent
TWO_HOSTS = HERE / "two-hosts.yaml"
LENSES = {"calls": TWO_HOSTS, "programs": HERE / "two-programs.yaml"}
CALLS = 1000
RATIO, LENS_RATIO, CALL_SECONDS = 1.3, 1.25, 0.0003
CASE_SECONDS, MININET_RATIO, TIMES_FASTER = 0.35, 1.2, 5
JOBS = 2
RUN = (sys.executable, "-m", "lab", "run")
PLOT = HERE / "growth.svg"
COULD_NOT_TELL = 3


def against_bare_docker(rounds: int, image: str, environment: Environment) -> Iterator[Row]:
    """A case on two hosts, and the same two hosts with the SDK alone."""
    lab = [*RUN, str(TWO_HOSTS), "--engine", "docker"]
    bare = [sys.executable, str(HERE / "bare_docker.py"), image, "10.212.255.240/28"]
    ours, theirs = by_turns(rounds, lambda: timed(lab, environment), lambda: timed(bare, environment))
    yield ratio("Docker: a case on two hosts", ours, theirs, "the SDK alone", RATIO)
    yield Row("the SDK alone: two containers", theirs)


def lenses(rounds: int, environment: Environment) -> Iterator[Row]:
    """A case on two hosts that is seen, and the same that is not: without packets and calls its checks cannot tell."""
    for what, file in LENSES.items():
        way = [sys.executable, "-m", "tests.bench.lenses"]
        seen, unseen = ([*way, word, "run", str(file), "--engine", "docker"] for word in ("with", "without"))
        ours, theirs = by_turns(
            rounds,
            lambda seen=seen: timed(seen, environment),
            lambda unseen=unseen: timed(unseen, environment, COULD_NOT_TELL),
        )
        yield ratio(f"Docker: a case of {what} with the lenses", ours, theirs, "without", LENS_RATIO)
        yield Row(f"Docker: a case of {what} without them", theirs)


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
    yield at_most(f"Docker: a call through the agent, {CALLS} times", times, CALL_SECONDS)


def against_mininet(rounds: int, environment: Environment) -> Iterator[Row]:
    """A case on two hosts of namespaces, and what Mininet itself needs for the same hosts and one connection."""
    lab = [*RUN, str(TWO_HOSTS), "--engine", "namespaces"]
    what = "Mininet itself: two hosts, one connection"
    try:
        mininet = _mininet()
    except Unavailable as reason:
        (ours,) = by_turns(rounds, lambda: timed(lab, environment))
        yield at_most("namespaces: a case on two hosts", ours, CASE_SECONDS)
        yield Row(what, (), str(reason))
        return
    ours, theirs = by_turns(rounds, lambda: timed(lab, environment), lambda: float(output(mininet, environment)))
    yield at_most("namespaces: a case on two hosts", ours, CASE_SECONDS)
    yield ratio("", ours, theirs, "Mininet itself", MININET_RATIO)
    yield Row(what, theirs)


def _mininet() -> list[str]:
    """The command that measures Mininet; Unavailable where it cannot be."""
    if os.geteuid() != 0:
        raise Unavailable("Mininet needs root")
    for need in ("unshare", "mnexec", "brctl"):
        if not shutil.which(need):
            raise Unavailable(f"{need} is not on this machine (on Debian: apt-get install mininet bridge-utils)")
    python = "/usr/bin/python3"
    if subprocess.run([python, "-c", "import mininet"], capture_output=True, check=False).returncode:
        raise Unavailable(f"{python} has no mininet (on Debian: apt-get install mininet)")
    return ["unshare", "-nmp", "--fork", "--mount-proc", python, str(HERE / "in_mininet.py")]


def everything(rounds: int, environment: Environment) -> Iterator[Row]:
    """All scenarios, on both engines."""
    engines = ("namespaces", "docker")
    commands = {engine: [*RUN, "--all", "--jobs", str(JOBS), "--engine", engine] for engine in engines}
    taken = {}
    for engine, command in commands.items():
        print(f"all scenarios run on the engine {engine} ...", file=sys.stderr, flush=True)
        taken[engine] = [timed(command, environment) for _ in range(rounds)]
    what = f"all scenarios, --jobs {JOBS}"
    yield ratio(f"namespaces: {what}", taken["namespaces"], taken["docker"], "Docker", 1 / TIMES_FASTER)
    yield Row(f"Docker: {what}", taken["docker"])


def many_hosts() -> bool:
    """Print and plot what one more host costs; whether the last costs no more than it may."""
    found = []
    for size in growth.sizes():
        found.append(size)
        print(f"{size.hosts} hosts of namespaces were up and down in {size.seconds:.2f} s", file=sys.stderr, flush=True)
    words, held = growth.verdict(found)
    print(words, *growth.lines(found), f"  drawn in {PLOT}", sep="\n", flush=True)
    PLOT.write_text(growth.svg(found), "utf-8")
    return held


def main() -> int:
    """Print the table, line by line as it is measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of the comparisons by turns")
    parser.add_argument("--all-rounds", type=int, default=1, help="of all scenarios; 0 leaves them out")
    asked = parser.parse_args()
    with closing(DockerEngine()) as engine:
        image = engine.image(lambda text: print(text, file=sys.stderr))
    print(f"{'':{WIDTH}}{'median':>12}{'least':>12}{'most':>12}")
    held = True
    with tempfile.TemporaryDirectory() as folder:
        # Compiled modules may be kept, as they are where the lab is installed: the SDK's are, too.
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"LAB_RUNS": f"{folder}/runs", "PYTHONPYCACHEPREFIX": f"{folder}/compiled"}
        for row in chain(
            against_mininet(asked.rounds, environment),
            against_bare_docker(asked.rounds, image, environment),
            lenses(asked.rounds, environment),
            agent_calls(),
            everything(asked.all_rounds, environment) if asked.all_rounds else (),
        ):
            print(row, flush=True)
            held = held and row.met is not False
    return int(not (many_hosts() and held))


if __name__ == "__main__":
    sys.exit(main())
