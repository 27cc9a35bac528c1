"""A run on a terminal, as it happens: for a projector, for 80 columns without colour, and for a log.

The words and shapes carry the meaning, colour only repeats it. The console is given (`console.make_console`), so that
cases which run at once can each write to a buffer of their own, replayed in order. Importing this module imports rich:
do it late.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from rich.console import Console

from lab.checks.base import Aligned, Outcome
from lab.history import History, View
from lab.i18n import _, counted
from lab.judge import Judgement, Report, StepReport
from lab.plan import Plan, PlannedStep
from lab.report import clip, decided, duration, fault, faults, ladder, seen_from, word
from lab.report.console import Screen
from lab.report.stability import Stability, outcomes, stability
from lab.timeline import timeline

SHAPES = {Outcome.PASS: "✓", Outcome.FAIL: "✗", Outcome.ERROR: "!", Outcome.SKIPPED: "-"}
ASCII_SHAPES = SHAPES | {Outcome.PASS: "+", Outcome.FAIL: "x"}
STYLES = {Outcome.PASS: "bold green", Outcome.FAIL: "bold red", Outcome.ERROR: "bold magenta", Outcome.SKIPPED: "bold"}
MOST_EVENTS = 250
DECIDED_LINES = 3
WIDEST_VERDICT = len("- SKIPPED")
INDENT = 9  # of a failed check's rows, their marks included


class Terminal:
    """Listens to a run. `paced` waits for Enter after each question that a step asks; `drawn` adds each case's sequence
    diagram."""

    def __init__(self, console: Console, paced: bool = False, drawn: bool = False) -> None:
        self.paced = paced
        self.drawn = drawn
        self.screen = Screen(console)
        self._origin: int | None = None

    def scenario_begins(self, title: str, file: str) -> None:
        """The claim, and where it is written."""
        self.screen.say(title, style="bold")
        self.screen.say(file)

    def case_begins(self, plan: Plan, parameters: Mapping[str, object]) -> None:
        """The case's heading: its parameters, and who has which address."""
        self._origin = None
        self.screen.gap()
        self.screen.rule(plan.case or plan.scenario)
        plain = {name: value for name, value in parameters.items() if not isinstance(value, dict | list)}
        if plain:
            values = (f"{name} = {clip(_plain(value), 60)}" for name, value in plain.items())
            self.screen.say(", ".join(values), indent=3)
        hosts = [f"{host.name} {', '.join(face.address for face in host.interfaces)}".rstrip() for host in plan.hosts]
        self.screen.say(
            "; ".join(hosts) if len(hosts) <= 8 else counted("{count} host", "{count} hosts", len(hosts)), indent=3
        )

    def progress(self, text: str) -> None:
        """What the lab is busy with, while hosts come up."""
        self.screen.progress(text)

    def step_begins(self, planned: PlannedStep, text: str) -> None:
        """What will be done, and the question that the step asks first."""
        self.screen.gap()
        self.screen.say(text, lead=f"{planned.number + 1:2}. ", style="bold")
        if planned.step.predict:
            self.screen.say(planned.step.predict, indent=4, lead="? ", style="bold")
            if self.paced:
                self.pause(_("Enter shows it"))

    def step_ends(self, report: StepReport, output: bytes, views: Sequence[View] = ()) -> None:
        """What the program wrote, what tools print, what was expected and seen, and why; times count from the case's
        first step."""
        self.screen.output(output, indent=4)
        for view in views:
            self.screen.say(view.command, indent=4, lead="$ ", style="bold")
            self.screen.output(view.data, indent=4)
        if report.problem:
            self._verdict(Outcome.ERROR, f"{report.mark}: {clip(report.problem)}")
        for judgement in report.judgements:
            self._judgement(report, judgement)
        if report.because:
            self.screen.say(report.because, indent=4, lead=f"{_('Because')}: ")
        if report.started is not None:
            self._origin = report.started if self._origin is None else self._origin
            self.screen.say(self._when(report, self._origin), indent=4)

    @staticmethod
    def _when(report: StepReport, origin: int) -> str:
        """When a step began, and how long it took."""
        begin = duration(((report.started or origin) - origin) / 1e9)
        if report.ended is None:
            return _("at {begin}, not ended", begin=begin)
        took = duration((report.ended - (report.started or origin)) / 1e9)
        return _("at {begin}, took {time}", begin=begin, time=took)

    def case_seen(self, plan: Plan, history: History) -> None:
        """The sequence diagram, where it is wanted."""
        if self.drawn:
            self.diagram(plan, history, MOST_EVENTS)

    def diagram(self, plan: Plan, history: History, most: int = 0) -> None:
        """What happened on every host, in lanes; at most so many events (0: all)."""
        self.screen.gap()
        ladder.draw(timeline(plan, history), self.screen, most)

    def case_ends(self, report: Report, run_folder: Path | None) -> None:
        """The case's outcome; and the folder with its evidence, if it failed."""
        missed = [step for step in report.steps if step.started is None and not step.problem]
        if missed and report.outcome is not Outcome.SKIPPED:
            self.screen.gap()
            known = {"count": len(missed), "all": len(report.steps), "first": missed[0].text}
            self.screen.say(_("{count} of {all} steps not reached, from: {first}", **known), indent=4)
        for problem in report.problems:
            self._verdict(Outcome.ERROR, f"{report.file}: {clip(problem)}")
        self.screen.gap()
        case, took = report.case or report.scenario, duration(report.seconds)
        told = f"{case}: {clip(report.skipped)}" if report.skipped else _("{case} in {time}", case=case, time=took)
        self._verdict(report.outcome, told, indent=0)
        if run_folder and report.outcome in (Outcome.FAIL, Outcome.ERROR):
            self.screen.line(_("evidence: {folder}", folder=run_folder), indent=2)

    def summary(self, reports: Sequence[Report], seconds: float, run: Path | None = None) -> None:
        """The table of the cases (of repeated ones: how alike their runs were), the lesson (of a single scenario), what
        failed and where, and one line that counts. `run` is the run's folder."""
        scenarios = {(report.scenario, report.file) for report in reports}
        self.screen.gap()
        rows = stability(reports)
        if len(rows) < len(reports):
            self._stability(rows)
        else:
            self._table(reports)
        if len(scenarios) == 1 and reports[0].lesson.strip():
            self._lesson(reports[0].lesson)
        self._failures(reports)
        self.screen.gap()
        counts = Counter(report.outcome for report in reports)
        words = outcomes(counts) or _("nothing ran")
        known = {"words": words, "time": duration(seconds)}
        told = counted("{count} case: {words} in {time}", "{count} cases: {words} in {time}", len(reports), **known)
        self.screen.say(told, style="bold")
        if run:
            self.screen.line(_("saved in {folder}", folder=run))

    def kept(self, commands: Mapping[str, str]) -> None:
        """The hosts that were left up, and the command that enters each."""
        self.screen.gap()
        self.screen.say(_("The hosts are still up. To enter one:"), style="bold")
        for host, command in commands.items():
            self.screen.line(f"{host}:", indent=2)
            self.screen.line(command, indent=4)

    def pause(self, prompt: str) -> None:
        """Wait for Enter, where there is somebody who could press it."""
        self.screen.pause(prompt)

    def _verdict(self, outcome: Outcome, text: str, indent: int = 4) -> None:
        lead = f"{self._shape(outcome)}  "
        self.screen.say(text, indent=indent, lead=lead, lead_style=STYLES[outcome])

    def _judgement(self, step: StepReport, judgement: Judgement) -> None:
        verdict = judgement.verdict
        if verdict.outcome is not Outcome.PASS:
            self._verdict(verdict.outcome, str(fault(step, judgement)))
            self._aligned(verdict.aligned)
            return
        same = verdict.expected == verdict.observed
        seen = _("as expected") if same else _("observed {observed}", observed=clip(verdict.observed))
        what = f"{judgement.check}{seen_from(step, judgement)}"
        self._verdict(verdict.outcome, f"{what}: {clip(verdict.expected)}, {seen}")

    def _aligned(self, rows: Sequence[Aligned]) -> None:
        """What was expected beside what was observed, a mark before the rows in which they differ."""
        if not rows:
            return
        half = (self.screen.width - INDENT - 4) // 2
        heads = _("expected"), _("observed")
        left = min(half, max(len(heads[0]), *(len(row.expected) for row in rows)))
        right = self.screen.width - INDENT - 4 - left
        self.screen.cells(("", -INDENT + 2, ""), (heads[0], left, "bold"), (heads[1], right, "bold"))
        for row in rows:
            mark = "" if row.same else (ASCII_SHAPES if self.screen.ascii else SHAPES)[Outcome.FAIL]
            style = "" if row.same else STYLES[Outcome.FAIL]
            self.screen.cells((mark, -INDENT + 2, style), (row.expected, left, style), (row.observed, right, style))

    def _table(self, reports: Sequence[Report]) -> None:
        """A row a case; scenarios, where there are several, have a line of their own."""
        several = len({report.scenario for report in reports}) > 1
        case, took = _("case"), _("time")
        name = min(max([len(case), *(len(report.case or report.scenario) for report in reports)]), 32)
        time = max([len(took), *(len(duration(report.seconds)) for report in reports)])
        what = max(12, self.screen.width - name - WIDEST_VERDICT - time - 8)
        heads = (case, name, "bold"), (_("outcome"), WIDEST_VERDICT, "bold"), (_("what decided"), what, "bold")
        self.screen.cells(*heads, (took, -time, "bold"))
        for scenario, group in groupby(reports, key=lambda report: report.scenario):
            siblings = list(group)
            if several:
                self.screen.say(scenario, style="bold")
            for report in siblings:
                first, *more = self.screen.folded(decided(report, siblings), what, DECIDED_LINES)
                self.screen.cells(
                    (report.case or scenario, name, ""),
                    (self._shape(report.outcome), WIDEST_VERDICT, STYLES[report.outcome]),
                    (first, what, ""),
                    (duration(report.seconds), -time, ""),
                )
                for line in more:
                    self.screen.cells(("", name, ""), ("", WIDEST_VERDICT, ""), (line, what, ""))

    def _stability(self, rows: Sequence[Stability]) -> None:
        """A row a case that was repeated."""
        names = [f"{row.scenario}.{row.case}" if row.case else row.scenario for row in rows]
        case, outcome = _("case"), _("outcomes")
        name = min(max([len(case), *map(len, names)]), 48)
        told = max([len(outcome), *(len(row.told) for row in rows)])
        heads = (case, name, "bold"), (outcome, told, "bold"), ("p50", -8, "bold"), ("p95", -8, "bold")
        self.screen.cells(*heads, (_("flakes"), -6, "bold"))
        for text, row in zip(names, rows, strict=True):
            style = STYLES[Outcome.FAIL] if row.flakes else ""
            times = (duration(row.p50), -8, ""), (duration(row.p95), -8, "")
            self.screen.cells((text, name, ""), (row.told, told, ""), *times, (str(row.flakes), -6, style))

    def _lesson(self, lesson: str) -> None:
        self.screen.gap()
        self.screen.say(_("The lesson"), style="bold")
        for full, lines in groupby(lesson.strip().splitlines(), key=lambda line: bool(line.strip())):
            self.screen.say(" ".join(lines) if full else "", indent=2 if full else 0)

    def _failures(self, reports: Sequence[Report]) -> None:
        """What did not pass, each on one line that begins with its place in the file."""
        for report in reports:
            if report.outcome in (Outcome.FAIL, Outcome.ERROR):
                self.screen.gap()
                self._verdict(report.outcome, ".".join(filter(None, (report.scenario, report.case))), indent=0)
                for found in faults(report):
                    self.screen.line(str(found))

    def _shape(self, outcome: Outcome) -> str:
        return f"{(ASCII_SHAPES if self.screen.ascii else SHAPES)[outcome]} {word(outcome)}"


def _plain(value: object) -> str:
    return value if isinstance(value, str) and value else repr(value)
