"""Told -> CasePage: all that a page shows of one case, put together and bounded. Pure.

What an event is made of is for `fields`, where it stands for `svg`; how it looks is for `templates/`.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from msgspec import Struct

from lab.checks.base import Outcome
from lab.history import Note, Output, Sockets, View
from lab.i18n import _
from lab.judge import Judgement, StepReport
from lab.report import clip
from lab.report.fields import Field, cells, fields
from lab.report.lives import Life, at, lives
from lab.report.printed import LINES, printed
from lab.report.rows import Row, places, rows
from lab.report.saved import Told
from lab.report.svg import Band, bands, milliseconds
from lab.timeline import timeline

MOST_LIVES, MOST_LINKS = 400, 12
ALL_LINES, FEWEST_LINES = 4000, 20
LONGEST_PARAMETER, LONGEST_LINK = 120, 40


class Link(Struct, frozen=True):
    """A piece of evidence: the anchor at which it is shown (empty: it is not), and what it is."""

    anchor: str
    words: str


class Check(Struct, frozen=True):
    """A judgement, with what it rests on; `more` pieces of evidence are not named."""

    judgement: Judgement
    links: tuple[Link, ...]
    more: int


class Stream(Struct, frozen=True):
    """What a step's program wrote on one stream, or what a tool printed; `size` in bytes."""

    name: str
    size: int
    lines: tuple[str, ...]


class Table(Struct, frozen=True):
    """A host's sockets, a row each."""

    host: str
    rows: tuple[tuple[str, ...], ...]


class Step(Struct, frozen=True):
    """A step with all that was seen of it: `row` is its place in the diagram, `cut` tells what was not kept of its
    output, `tables` the sockets at its end."""

    report: StepReport
    row: str
    checks: tuple[Check, ...]
    streams: tuple[Stream, ...]
    cut: tuple[str, ...]
    views: tuple[Stream, ...]
    tables: tuple[Table, ...]


class EventDetails(Struct, frozen=True):
    """A row of the diagram with all that is known of it."""

    row: Row
    label: str
    fields: tuple[Field, ...]


class CasePage(Struct, frozen=True):
    """A case's part of the page; `anchor` begins all of its anchors, times count from `start` (ns)."""

    anchor: str
    told: Told
    start: int
    bands: tuple[Band, ...]
    events: tuple[EventDetails, ...]
    steps: tuple[Step, ...]
    lives: tuple[Life, ...]
    lives_left_out: int

    @property
    def parameters(self) -> str:
        """In one line, as the terminal has it."""
        plain = {name: value for name, value in self.told.plan.parameters.items() if not isinstance(value, dict | list)}
        texts = ((name, value if isinstance(value, str) and value else repr(value)) for name, value in plain.items())
        return ", ".join(f"{name} = {clip(text, LONGEST_PARAMETER)}" for name, text in texts)


def case_page(anchor: str, told: Told, most: int) -> CasePage:
    """The case's part, with a diagram of about `most` rows."""
    line = timeline(told.plan, told.history)
    shown = rows(line, anchor, most, set(_needed(told)))
    drawn = bands(line, shown)
    labels = {mark.row.anchor: mark.label for band in drawn for mark in band.marks}
    known = lives(told.history)
    return CasePage(
        anchor=anchor,
        told=told,
        start=line.start,
        bands=drawn,
        events=tuple(
            EventDetails(
                row, labels.get(row.anchor, "; ".join(row.event.headings)), fields(row.event, told.history, line.start)
            )
            for row in shown
        ),
        steps=tuple(_Steps(anchor, told, shown, known, line.start).all()),
        lives=known[:MOST_LIVES],
        lives_left_out=len(known[MOST_LIVES:]),
    )


def _needed(told: Told) -> Iterator[int]:
    """The evidence that must be seen in the diagram."""
    for step in told.report.steps:
        for judgement in step.judgements:
            if judgement.verdict.outcome is not Outcome.PASS:
                yield from judgement.verdict.evidence


class _Steps:
    """Puts the steps of one case together."""

    def __init__(self, anchor: str, told: Told, shown: Sequence[Row], known: Sequence[Life], start: int) -> None:
        self._anchor = anchor
        self._told = told
        self._history = told.history
        self._rows = places(shown)
        steps = [row for row in shown if row.event.kind == "step"]
        self._heads = {number: row.anchor for row in steps for number in (row.event.step, *dict(row.event.also))}
        self._lives = known
        self._watched = {life.host for life in known}
        self._start = start
        self._hosts = [host.name for host in told.plan.hosts]
        self._ended = {report.number for report in told.report.steps if report.ended is not None}
        self._written: dict[int, dict[str, list[bytes]]] = defaultdict(lambda: defaultdict(list))
        for seen in self._history.all(Output):
            self._written[seen.step][seen.stream].append(seen.data)
        self._cut: dict[int, list[str]] = defaultdict(list)
        for note in self._history.all(Note):
            if note.what in ("truncated", "output"):
                self._cut[note.step].append(note.text)
        self._printed: dict[int, list[View]] = defaultdict(list)
        for view in self._history.all(View):
            self._printed[view.step].append(view)
        self._read = {(table.step, table.host): table for table in self._history.all(Sockets)}
        printers = sum(map(len, (*self._written.values(), *self._printed.values())))
        self._lines = max(FEWEST_LINES, min(LINES, ALL_LINES // max(1, printers))) // 2 * 2

    def all(self) -> Iterator[Step]:
        """In their order."""
        for report in self._told.report.steps:
            yield Step(
                report=report,
                row=self._heads.get(report.number, ""),
                checks=tuple(map(self._check, report.judgements)),
                streams=tuple(self._streams(report.number)),
                cut=tuple(dict.fromkeys(self._cut[report.number])),
                views=tuple(self._views(report.number)),
                tables=tuple(self._tables(report)),
            )

    def _streams(self, number: int) -> Iterator[Stream]:
        for name, pieces in self._written[number].items():
            yield self._stream(name, b"".join(pieces))

    def _views(self, number: int) -> Iterator[Stream]:
        for view in self._printed[number]:
            yield self._stream(f"{view.host}: {view.command}" + f" (exit {view.code})" * bool(view.code), view.data)

    def _stream(self, name: str, data: bytes) -> Stream:
        return Stream(name, len(data), tuple(printed(data, self._lines)))

    def _tables(self, report: StepReport) -> Iterator[Table]:
        """Each host's sockets at the step's end: as they were read, else as they were last seen."""
        if report.ended is None:
            return
        last = at(self._lives, report.ended)
        for name in self._hosts:
            if read := self._read.get((report.number, name)):
                yield Table(name, tuple(map(cells, read.rows)))
            elif name in self._watched:
                yield Table(name, tuple(cells(life.row) for life in last if life.host == name))

    def _check(self, judgement: Judgement) -> Check:
        links = list(dict.fromkeys(map(self._link, judgement.verdict.evidence)))
        return Check(judgement, tuple(links[:MOST_LINKS]), len(links[MOST_LINKS:]))

    def _link(self, place: int) -> Link:
        if not 0 <= place < len(self._history.observations):
            return Link("", _("line {number} of history.jsonl, which is not there", number=place + 1))
        if row := self._rows.get(place):
            words = clip(row.event.words.strip(), LONGEST_LINK)
            return Link(row.anchor, _("{event} at {time}", event=words, time=self._at(row.event.time)))
        seen = self._history.observations[place]
        words = _("{kind} of {host} at {time}", kind=seen.kind, host=seen.host, time=self._at(seen.time))
        return Link(self._table_of(seen), words) if isinstance(seen, Sockets) else Link("", words)

    def _table_of(self, seen: Sockets) -> str:
        """The anchor of the table that shows it; empty where none does."""
        shown = seen.step in self._ended and seen.host in self._hosts and self._read[seen.step, seen.host] is seen
        return f"{self._anchor}-sockets-{seen.step}" if shown else ""

    def _at(self, time: int) -> str:
        return f"{milliseconds(time - self._start)} ms"
