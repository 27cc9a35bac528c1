"""The audience of a proof: it says how far it is, and remembers how each case went."""

from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from lab.counting import Counter
from lab.history import History
from lab.judge import Report
from lab.plan import Plan


class Done(Struct, frozen=True):
    """A case that was run; the history of a skipped one is empty."""

    plan: Plan
    history: History
    report: Report


class Witness(Counter):
    """Has what was `done`, in the order of the jobs."""

    def __init__(self, progress: Callable[[str], None], total: int) -> None:
        super().__init__(progress, total)
        self.done: list[Done] = []

    def case_begins(self, plan: Plan, parameters: Mapping[str, object]) -> None:
        """Where subnets were taken, a case begins again."""
        super().case_begins(plan, parameters)
        self._plan, self._history = plan, History()

    def case_seen(self, plan: Plan, history: History) -> None:
        """All that was observed of it."""
        self._history = history

    def case_ends(self, report: Report, folder: Path | None) -> None:
        """All of it."""
        super().case_ends(report, folder)
        self.done.append(Done(self._plan, self._history, report))
