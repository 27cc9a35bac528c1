"""Cases -> one HTML file that needs nothing else: no network, and no script to be read.

    saved.told ── rows ── svg, fields, lives ──┐
          └────── compare, topology ───────────┴── templates/ ── the page

Whatever reaches the page is made harmless twice, by `clean` and by Jinja's escaping; neither can be forgotten, since
the environment does both. Importing this module imports Jinja: do it late.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lab.checks.base import Outcome
from lab.history import History, Output, Sockets, View
from lab.judge import Judgement, StepReport
from lab.plan import PlannedStep
from lab.report import clean, clip, compare, duration, topology
from lab.report.fields import COLUMNS, Field, cells, fields
from lab.report.lives import Life, at, lives
from lab.report.printed import printed
from lab.report.rows import Row, places, rows
from lab.report.saved import Told
from lab.report.svg import Band, bands, milliseconds
from lab.timeline import Timeline, timeline

SHAPES = {Outcome.PASS: "✓", Outcome.FAIL: "✗", Outcome.ERROR: "!", Outcome.SKIPPED: "-"}
TEMPLATES = Path(__file__).parent / "templates"
MOST_ROWS, FEWEST_ROWS, ALL_ROWS = 400, 80, 2000
MOST_LIVES, MOST_LINKS = 400, 12
LONGEST_PARAMETER = 60


@dataclass(frozen=True)
class Link:
    """A piece of evidence: where it stands on the page (empty: it is not shown), and what it is."""

    target: str
    words: str


@dataclass(frozen=True)
class Check:
    """A judgement, with what it rests on; `more` pieces of evidence are not named."""

    judgement: Judgement
    links: tuple[Link, ...]
    more: int


@dataclass(frozen=True)
class Stream:
    """What a step's program wrote on one stream, or what a tool printed."""

    name: str
    size: int
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """A step with all that was seen of it; `tables` are the hosts' sockets at its end."""

    report: StepReport
    anchor: str
    checks: tuple[Check, ...]
    streams: tuple[Stream, ...]
    views: tuple[Stream, ...]
    tables: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]


@dataclass(frozen=True)
class CasePage:
    """A case's part of the page; `anchor` begins all of its anchors."""

    anchor: str
    told: Told
    line: Timeline
    bands: tuple[Band, ...]
    events: tuple[tuple[Row, str, tuple[Field, ...]], ...]
    steps: tuple[Step, ...]
    lives: tuple[Life, ...]

    @property
    def parameters(self) -> str:
        """In one line, as the terminal has it."""
        plain = {name: value for name, value in self.told.plan.parameters.items() if not isinstance(value, dict | list)}
        texts = ((name, value if isinstance(value, str) and value else repr(value)) for name, value in plain.items())
        return ", ".join(f"{name} = {clip(text, LONGEST_PARAMETER)}" for name, text in texts)


@dataclass(frozen=True)
class ScenarioPage:
    """A scenario's part: its cases, compared; and a drawing for each topology, with the cases that have it."""

    anchor: str
    cases: tuple[CasePage, ...]
    table: tuple[compare.Line, ...]
    maps: tuple[tuple[topology.Map, str], ...]

    @property
    def outcome(self) -> Outcome:
        """The worst of its cases' outcomes."""
        outcomes = {page.told.report.outcome for page in self.cases}
        ranked = (Outcome.ERROR, Outcome.FAIL, Outcome.PASS, Outcome.SKIPPED)
        return next(outcome for outcome in ranked if outcome in outcomes)


def document(cases: Sequence[Told], run: str = "") -> str:
    """The page. The cases of one scenario must follow each other; `run` is the run's name."""
    pages = [_case(f"c{number}", case, _most_rows(len(cases))) for number, case in enumerate(cases, start=1)]
    groups = groupby(pages, key=lambda page: (page.told.plan.scenario, page.told.plan.file))
    scenarios = [_scenario(f"s{number}", tuple(group)) for number, (_, group) in enumerate(groups, start=1)]
    versions = {name: text for case in cases for name, text in case.report.versions.items()}
    style, script = ((TEMPLATES / name).read_text("utf-8") for name in ("report.css", "report.js"))
    page = _templates().get_template("page.html")
    return page.render(
        scenarios=scenarios,
        run=run,
        versions=dict(sorted(versions.items())),
        style=Markup(style),  # noqa: S704 - the project's own, as are these two files
        script=Markup(script),  # noqa: S704
        hashes={"style": _hash(style), "script": _hash(script)},
    )


def _most_rows(count: int) -> int:
    """How many rows each diagram may have, so that the page stays of a size that browsers like."""
    return max(FEWEST_ROWS, min(MOST_ROWS, ALL_ROWS // max(1, count)))


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=_harmless,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"shapes": SHAPES, "columns": COLUMNS, "cells": cells}
    environment.filters |= {"clip": clip, "duration": duration, "milliseconds": milliseconds}
    environment.filters["paragraphs"] = _paragraphs
    return environment


def _harmless(value: Any) -> Any:
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _paragraphs(text: str) -> list[str]:
    groups = groupby(text.strip().splitlines(), key=lambda line: bool(line.strip()))
    return [" ".join(lines) for full, lines in groups if full]


def _scenario(anchor: str, pages: tuple[CasePage, ...]) -> ScenarioPage:
    shapes: dict[object, list[Told]] = {}
    for page in pages:
        shapes.setdefault(topology.shape(page.told.plan), []).append(page.told)
    maps = [(topology.draw(group[0].plan), ", ".join(case.name for case in group)) for group in shapes.values()]
    return ScenarioPage(anchor, pages, tuple(compare.lines([page.told for page in pages])), tuple(maps))


def _case(anchor: str, told: Told, most: int) -> CasePage:
    line = timeline(told.plan, told.history)
    judgements = [judgement for step in told.report.steps for judgement in step.judgements]
    needed = {
        place
        for judgement in judgements
        if judgement.verdict.outcome is not Outcome.PASS
        for place in judgement.verdict.evidence
    }
    shown = rows(line, anchor, most, needed)
    drawn = bands(line, shown)
    labels = {mark.row.anchor: mark.label for band in drawn for mark in band.marks}
    events = tuple(
        (row, labels.get(row.anchor, row.event.words), fields(row.event, told.history, line.start)) for row in shown
    )
    known = lives(told.history)
    steps = tuple(_steps(anchor, told, shown, known, line.start))
    return CasePage(anchor, told, line, drawn, events, steps, known[:MOST_LIVES])


def _steps(anchor: str, told: Told, shown: Sequence[Row], known: Sequence[Life], start: int) -> Iterator[Step]:
    rows_of = places(shown)
    heads = {row.event.step: row.anchor for row in shown if row.event.kind == "step"}
    for report in told.report.steps:
        tables = tuple(_tables(told.history, report, known, [host.name for host in told.plan.hosts]))
        yield Step(
            report=report,
            anchor=heads.get(report.number, ""),
            checks=tuple(_check(anchor, judgement, told.history, rows_of, start) for judgement in report.judgements),
            streams=tuple(_streams(told.history, report)),
            views=tuple(
                Stream(f"{view.host}: {view.command}" + f" (exit {view.code})" * bool(view.code), len(view.data), lines)
                for view in told.history.all(View)
                if view.step == report.number
                for lines in [tuple(printed(view.data))]
            ),
            tables=tables,
        )


def _streams(history: History, report: StepReport) -> Iterator[Stream]:
    written = [seen for seen in history.all(Output) if seen.step == report.number]
    for name in dict.fromkeys(seen.stream for seen in written):
        data = b"".join(seen.data for seen in written if seen.stream == name)
        yield Stream(name, len(data), tuple(printed(data)))


def _tables(
    history: History, report: StepReport, known: Sequence[Life], hosts: Sequence[str]
) -> Iterator[tuple[str, tuple[tuple[str, ...], ...]]]:
    """Each host's sockets at the step's end: as they were read, else as they were last seen."""
    if report.ended is None:
        return
    read = {seen.host: seen.rows for seen in history.all(Sockets) if seen.step == report.number}
    watched = {life.host for life in known}
    last = at(known, report.ended)
    for host in hosts:
        if host in read:
            yield host, tuple(cells(row) for row in read[host])
        elif host in watched:
            yield host, tuple(cells(life.row) for life in last if life.host == host)


def _check(anchor: str, judgement: Judgement, history: History, shown: dict[int, Row], start: int) -> Check:
    links: dict[Link, None] = {}
    for place in judgement.verdict.evidence:
        links.setdefault(_link(anchor, place, history, shown, start))
    kept = tuple(links)[:MOST_LINKS]
    return Check(judgement, kept, len(links) - len(kept))


def _link(anchor: str, place: int, history: History, shown: dict[int, Row], start: int) -> Link:
    if not 0 <= place < len(history.observations):
        return Link("", f"line {place + 1} of history.jsonl, which is not there")
    seen, when = history.observations[place], ""
    if place in shown:
        event = shown[place].event
        when = f"{milliseconds(event.time - start)} ms"
        return Link(shown[place].anchor, f"{clip(event.words.strip(), 40)} at {when}")
    when = f"{milliseconds(seen.time - start)} ms"
    if isinstance(seen, Sockets):
        return Link(f"{anchor}-sockets-{seen.step}", f"sockets of {seen.host} at {when}")
    return Link("", f"{seen.kind} of {seen.host} at {when}")
