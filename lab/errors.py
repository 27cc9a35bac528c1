"""The error tree and what each branch means to the shell.

LabError                    exit 3: could not judge
├── UsageError              exit 2: the command line or a file is wrong
│   └── ScenarioError       … with every problem found, each at its place
├── EngineError             the engine is absent, refused, or died
│   ├── SubnetTaken         … somebody holds that subnet: plan again with the next
│   └── PoolExhausted       … no free subnet is left
├── HostError               a host's agent died, or did not answer in time
└── MissingCapability       SKIPPED: the engine or the kernel lacks what the plan needs
"""

import difflib
from collections.abc import Iterable, Sequence

from msgspec import Struct

EXIT_PASSED = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_ERROR = 3
EXIT_INTERRUPTED = 130


class Mark(Struct, frozen=True, order=True):
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Problem(Struct, frozen=True, order=True):
    """One mistake in a file: where it is, what was expected, what was seen and what to do."""

    mark: Mark
    message: str

    def __str__(self) -> str:
        return f"{self.mark}: {self.message}"


class LabError(Exception):
    """Anything that the lab reports in words instead of with a traceback."""

    exit_code = EXIT_ERROR


class UsageError(LabError):
    """The command line or a file is wrong."""

    exit_code = EXIT_USAGE


class ScenarioError(UsageError):
    """Every problem found in a scenario file, in the order of their places."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


class EngineError(LabError):
    """The engine is absent, refused, or died."""


class SubnetTaken(EngineError):
    """The engine says that a subnet of the plan overlaps somebody else's."""

    def __init__(self, subnet: str) -> None:
        self.subnet = subnet
        super().__init__(f"subnet {subnet} is taken")


class PoolExhausted(EngineError):
    """No subnet of the pool is free; the message names who holds it."""


class HostError(LabError):
    """A host's agent died, or did not answer in time."""


class MissingCapability(LabError):
    """The engine or the kernel lacks what the plan needs; the case counts as SKIPPED."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'listen'?`, or the known words where none is near."""
    known = sorted(set(known))
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(known)}" if known else ""
