"""What can be expected of a step: one function a key of `expect:`, History -> Verdict, a module a family."""

from lab.checks import calls, outcome, output, packets, spread, states, tables, timing, wire
from lab.checks.base import CHECKS, Outcome, Verdict

__all__ = [
    "CHECKS",
    "Outcome",
    "Verdict",
    "calls",
    "outcome",
    "output",
    "packets",
    "spread",
    "states",
    "tables",
    "timing",
    "wire",
]
