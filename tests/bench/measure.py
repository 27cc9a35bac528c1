"""How the bench measures: whole processes, by turns, so that other work on the machine slows both sides of a ratio."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Environment = Mapping[str, str]
WIDTH = 44


class Unavailable(Exception):
    """What is needed to measure is not on this machine; the text says what."""


@dataclass(frozen=True)
class Row:
    """One line of the table: times in seconds, and the target where there is one; `met` is None where there is none."""

    what: str
    times: Sequence[float]
    target: str = ""
    met: bool | None = None

    def __str__(self) -> str:
        if not self.times:
            return f"{self.what:{WIDTH}}skipped: {self.target}"
        scale, unit = (1000, "ms") if statistics.median(self.times) < 1 else (1, "s ")
        median, least, most = (
            f"{scale * function(self.times):9.2f} {unit}" for function in (statistics.median, min, max)
        )
        verdict = {None: "", True: "ok", False: "missed"}[self.met]
        return f"{self.what:{WIDTH}}{median}{least}{most}  {verdict:6}  {self.target}".rstrip()


def at_most(what: str, times: Sequence[float], seconds: float) -> Row:
    """A row whose median may be so long."""
    return Row(what, times, f"at most {seconds * 1000:g} ms", statistics.median(times) <= seconds)


def ratio(what: str, ours: Sequence[float], theirs: Sequence[float], to_whom: str, most: float) -> Row:
    """A row whose median may be so many times another's of the same run."""
    found = statistics.median(ours) / statistics.median(theirs)
    return Row(what, ours, f"{found:.2f} times {to_whom}, at most {most:g}", found <= most)


def timed(command: Sequence[str], environment: Environment, code: int = 0) -> float:
    """How long the whole process takes (s); another exit code than this one ends the measuring."""
    begun = time.perf_counter()
    output(command, environment, code)
    return time.perf_counter() - begun


def output(command: Sequence[str], environment: Environment, code: int = 0) -> str:
    """What the process prints; another exit code than this one ends the measuring."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != code:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def by_turns(rounds: int, *measures: Callable[[], float]) -> list[list[float]]:
    """The times of each, round by round; the first round only warms up."""
    taken = [[measure() for measure in measures] for _ in range(rounds + 1)]
    return [list(times) for times in zip(*taken[1:], strict=True)]
