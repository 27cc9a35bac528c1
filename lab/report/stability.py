"""How alike the runs of repeated cases were: outcomes, times and flakes, a row a case."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from lab.checks.base import Outcome
from lab.i18n import _
from lab.judge import Report
from lab.report import clean, duration, word


class Stability(Struct, frozen=True):
    """A case and all its runs. `p50` and `p95` are times (s) that so many percent of the runs did not exceed; a flake
    is a run that came out otherwise than most."""

    scenario: str
    case: str
    counts: Mapping[Outcome, int]
    p50: float
    p95: float

    @property
    def runs(self) -> int:
        """How many there were."""
        return sum(self.counts.values())

    @property
    def flakes(self) -> int:
        """How many were not as most."""
        return self.runs - max(self.counts.values())

    @property
    def told(self) -> str:
        """`98 PASS, 2 FAIL`."""
        return outcomes(self.counts)


def outcomes(counts: Mapping[Outcome, int]) -> str:
    """`98 PASS, 2 FAIL`."""
    told = ((counts[outcome], word(outcome)) for outcome in Outcome if counts.get(outcome))
    return ", ".join(_("{count} {outcome}", count=count, outcome=name) for count, name in told)


def stability(reports: Iterable[Report]) -> list[Stability]:
    """A row a case, in the order of the reports."""
    groups: dict[tuple[str, str, str], list[Report]] = {}
    for report in reports:
        groups.setdefault((report.file, report.scenario, report.case), []).append(report)
    return [_row(scenario, case, group) for (_, scenario, case), group in groups.items()]


def _row(scenario: str, case: str, group: Sequence[Report]) -> Stability:
    times = sorted(report.seconds for report in group)
    counts = Counter(report.outcome for report in group)
    return Stability(scenario, case, counts, _percentile(times, 50), _percentile(times, 95))


def _percentile(times: Sequence[float], percent: int) -> float:
    """The nearest rank."""
    return times[math.ceil(len(times) * percent / 100) - 1]


def markdown(rows: Sequence[Stability]) -> str:
    """The table, as a file has it."""
    heads = _("scenario"), _("case"), _("outcomes"), "p50", "p95", _("flakes")
    lines = [f"| {' | '.join(heads)} |", "|---|---|---|---:|---:|---:|"]
    for row in rows:
        cells = (clean(row.scenario), clean(row.case), row.told, duration(row.p50), duration(row.p95), str(row.flakes))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
