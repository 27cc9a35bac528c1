"""`make determinism`: every case, turn after turn, beside a busy loop on each core, told in scenarios/DETERMINISM.md.

Turns add up, over as many calls as it takes: runs/determinism.jsonl has what each run came to, and a run counts for as
long as its scenario's text stays as it was. The evidence of a turn in which not all passed stays in runs/determinism.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import msgspec

from lab.checks.base import Outcome
from lab.judge import Report
from lab.library import shipped
from lab.report.stability import markdown, stability
from lab.scenario import load

HERE = Path("scenarios")
TABLE, KEPT, EVIDENCE = HERE / "DETERMINISM.md", Path("runs/determinism.jsonl"), Path("runs/determinism")
BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
GOOD = (Outcome.PASS, Outcome.SKIPPED)
HEAD = """\
# How alike are the runs of each case?

Made by `make determinism`, which runs every case, turn after turn, while a loop that never rests works on each core,
too. A flake is a run that came out otherwise than most of its case; `p50` and `p95` are times that so many percent of
the runs did not exceed. What was run before the text of a scenario changed does not count.
"""


class Ran(msgspec.Struct, frozen=True):
    """What one run of a case came to, and where: `text` is the digest of its scenario, `busy` the share of all cores'
    time in which they did not idle."""

    scenario: str
    case: str
    outcome: Outcome
    seconds: float
    versions: dict[str, str]
    run: str
    text: str = ""
    busy: float = 0.0
    day: str = ""

    @property
    def where(self) -> str:
        """The engine and the kernel."""
        return f"{self.versions['engine']}, Linux {self.versions['kernel']}"


@cache
def digest(scenario: str) -> str:
    """Of its text as it is now; empty where there is none."""
    path = HERE / f"{scenario}.yaml"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


@contextmanager
def busy(cores: int) -> Iterator[None]:
    """So many loops that never rest, while the block lasts; they end with this process, however it ends."""
    loops = [subprocess.Popen([sys.executable, "-c", BUSY]) for _core in range(cores)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def ticks() -> tuple[int, int]:
    """Of all cores since the machine started: those in which they idled or waited for a disk, and all."""
    each = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return each[3] + each[4], sum(each)


def turn(engine: str, jobs: int) -> list[Ran]:
    """Every case once."""
    command = [sys.executable, "-m", "lab", "run", "--all", "--engine", engine, "--jobs", str(jobs), "--json"]
    with tempfile.TemporaryFile() as story:
        idle, total = ticks()
        done = subprocess.run(
            command, env=os.environ | {"LAB_RUNS": str(EVIDENCE)}, stdout=subprocess.PIPE, stderr=story, check=False
        )
        idle, total = (now - before for now, before in zip(ticks(), (idle, total), strict=True))
        if not done.stdout:
            story.seek(0)
            sys.exit(f"{engine} ended with {done.returncode}\n{story.read().decode()[-2000:]}")
    found = [msgspec.json.decode(line, type=Ran) for line in done.stdout.splitlines()]
    if done.returncode == 0:
        shutil.rmtree(EVIDENCE / found[0].run)
    known = {"busy": 1 - idle / total, "day": datetime.now(UTC).date().isoformat()}
    return [msgspec.structs.replace(ran, text=digest(ran.scenario), **known) for ran in found]


def counting(runs: Iterable[Ran]) -> list[Ran]:
    """Those of scenarios whose text is still the same."""
    return [ran for ran in runs if ran.text == digest(ran.scenario)]


def told(runs: Sequence[Ran], cases: Sequence[tuple[str, str]]) -> str:
    """The document; a case of which nothing counts is told by its want."""
    places = sorted({ran.where for ran in runs})
    return "\n".join([HEAD, *(section(where, [ran for ran in runs if ran.where == where], cases) for where in places)])


def section(where: str, runs: Sequence[Ran], cases: Sequence[tuple[str, str]]) -> str:
    """One engine's table, and what it is about."""
    rows = stability(
        Report(ran.scenario, "", ran.case, "", "", ran.outcome, seconds=ran.seconds)
        for ran in sorted(runs, key=lambda ran: ran.scenario)
    )
    counts = Counter((ran.scenario, ran.case) for ran in runs)
    missing = [f"{scenario}.{case}" for scenario, case in cases if not counts[scenario, case]]
    turns = _span(counts[case] for case in cases)
    flakes = sum(row.flakes for row in rows)
    least = int(100 * min(ran.busy for ran in runs))
    facts = (
        f"{_span(ran.day for ran in runs)}: {len(cases)} cases, turns of each: {turns}, flakes: {flakes};"
        f" the cores were busy for at least {least}% of the time."
    )
    wanting = f"\n\nNot run since their text changed: {', '.join(missing)}." if missing else ""
    return f"## {where}\n\n{facts}{wanting}\n\n{markdown(rows)}"


def _span(values: Iterable[Any]) -> str:
    """`3`, or `1 to 3`."""
    known = sorted(set(values))
    return " to ".join(map(str, dict.fromkeys((known[0], known[-1]))))


def read() -> list[Ran]:
    """All that was kept."""
    lines = KEPT.read_bytes().splitlines() if KEPT.exists() else []
    return [msgspec.json.decode(line, type=Ran) for line in lines]


def main() -> int:
    """So many turns, each kept as soon as it ended, and the table of all; exit code 1 where not all in it passed."""
    parser = argparse.ArgumentParser(prog="tests.determinism")
    parser.add_argument("engines", nargs="+", metavar="ENGINE")
    parser.add_argument("--turns", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    cases = [(scenario.name, case.name) for scenario in map(load, shipped()) for case in scenario.cases]
    runs = counting(read())
    KEPT.parent.mkdir(exist_ok=True)
    with busy(len(os.sched_getaffinity(0))):
        for number, engine in product(range(1, options.turns + 1), options.engines):
            new = turn(engine, options.jobs)
            with KEPT.open("ab") as file:
                file.writelines(msgspec.json.encode(ran) + b"\n" for ran in new)
            runs += new
            wrong = [f"{ran.scenario}.{ran.case} {ran.outcome}" for ran in new if ran.outcome not in GOOD]
            print(f"{engine}, turn {number} of {options.turns}: {', '.join(wrong) or 'no failure'}", flush=True)
            TABLE.write_text(told(runs, cases), encoding="utf-8")
    return int(any(ran.outcome not in GOOD for ran in runs))


if __name__ == "__main__":
    sys.exit(main())
