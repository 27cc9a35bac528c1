"""`make differential`: every case on Docker and in namespaces, compared: verdicts, and what happened, step by step.

Each engine is the other's oracle. Exit code 1 where anything differs that is not named below with its reason.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from lab.diff import compared, side
from lab.report.console import make_console
from lab.report.difference import show

ENGINES = ("docker", "namespaces")


def run(engine: str, folder: Path) -> Path:
    """All cases on an engine, saved; what they come to is in the transcripts."""
    command = [sys.executable, "-m", "lab", "run", "--all", "--engine", engine, "--no-diagram"]
    done = subprocess.run(
        command, env=os.environ | {"LAB_RUNS": str(folder)}, capture_output=True, text=True, check=False
    )
    print(f"{engine}: {done.stdout.splitlines()[-2] if done.stdout else done.stderr}", flush=True)
    if done.returncode not in (0, 1):
        sys.exit(f"{engine} ended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return next(path.resolve() for path in folder.glob("latest"))


def main() -> int:
    """Run both, and show what differs."""
    with tempfile.TemporaryDirectory() as folder:
        left, right = (run(engine, Path(folder, engine)) for engine in ENGINES)
        comparisons = compared(side(str(left)), side(str(right)))
    show(make_console(), comparisons, *ENGINES)
    return int(any(comparison.differing for comparison in comparisons))


if __name__ == "__main__":
    sys.exit(main())
