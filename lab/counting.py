"""An audience of many cases that only says how far they are."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lab.history import History, View
from lab.i18n import _
from lab.judge import Report, StepReport
from lab.plan import Plan, PlannedStep


class Counter:
    """Says which of `total` cases is next."""

    def __init__(self, progress: Callable[[str], None], total: int) -> None:
        self.progress = progress
        self._total = total
        self._ended = 0

    def case_begins(self, plan: Plan, parameters: Mapping[str, object]) -> None:
        """Its place in the row."""
        known = {"number": self._ended + 1, "all": self._total, "case": f"{plan.scenario}.{plan.case}"}
        self.progress(_("{number} of {all}: {case}", **known))

    def case_ends(self, report: Report, folder: Path | None) -> None:
        """One more."""
        self._ended += 1

    def scenario_begins(self, title: str, file: str) -> None:
        """Nothing to say."""

    def step_begins(self, planned: PlannedStep, text: str) -> None:
        """Nothing to say."""

    def step_ends(self, report: StepReport, output: bytes, views: Sequence[View]) -> None:
        """Nothing to say."""

    def case_seen(self, plan: Plan, history: History) -> None:
        """Nothing to say."""

    def kept(self, commands: Mapping[str, str]) -> None:
        """No host is kept."""
