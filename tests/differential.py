"""`make differential`: every case on Docker and in namespaces, compared: verdicts, and what happened, step by step.

Each engine is the other's oracle. Where a busy machine has a say (who is faster, what is sent again), a case may come
out in more ways than one: those that differ are run again on both, and are alike where the engines have one way in
common. Exit code 1 where they have none.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path

from lab.diff import Comparison, compare, compared, side
from lab.report.console import make_console
from lab.report.difference import show
from lab.transcript import Transcript

ENGINES = ("docker", "namespaces")
AGAIN = 4


def run(engine: str, folder: Path, *what: str) -> tuple[Transcript, ...]:
    """The transcripts of cases on an engine; what they come to is in them."""
    command = [sys.executable, "-m", "lab", "run", *what, "--engine", engine, "--no-diagram"]
    done = subprocess.run(
        command, env=os.environ | {"LAB_RUNS": str(folder / engine)}, capture_output=True, text=True, check=False
    )
    print(f"{engine}: {done.stdout.splitlines()[-2] if done.stdout else done.stderr}", flush=True)
    if " cases: " not in done.stdout:
        sys.exit(f"{engine} ended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return side(str((folder / engine / "latest").resolve()))


def again(folder: Path, scenarios: Iterable[str]) -> list[Comparison]:
    """Each case of these, in the two of its ways, one of an engine, that are most alike."""
    told: Sequence[Sequence[Transcript]] = [
        run(engine, folder, *scenarios, "--repeat", str(AGAIN)) for engine in ENGINES
    ]
    names = dict.fromkeys((one.scenario, one.case) for one in told[0])
    ways = [[[one for one in ours if (one.scenario, one.case) == name] for ours in told] for name in names]
    return [min((compare(*pair) for pair in product(*both)), key=lambda found: found.differing) for both in ways]


def main() -> int:
    """Run both, and show what differs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        comparisons = compared(*(run(engine, folder, "--all") for engine in ENGINES))
        show(make_console(), comparisons, *ENGINES)
        differing = dict.fromkeys(one.left or one.right or "" for one in comparisons if one.differing)
        if differing:
            scenarios = dict.fromkeys(name.partition(".")[0] for name in differing)
            comparisons = tuple(one for one in again(folder, scenarios) if one.left in differing)
            show(make_console(), comparisons, *ENGINES)
    return int(any(comparison.differing for comparison in comparisons))


if __name__ == "__main__":
    sys.exit(main())
