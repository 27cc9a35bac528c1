"""Rows -> Bands: where everything of a sequence diagram stands, in pixels. A band is a step, or a page of a long one.

    time   server   client        a lane a host, a row an event; time goes down, not to scale
    397.2     <───────|  SYN

Pure geometry: `templates/diagram.html` draws it, and makes every text harmless; what is known of an event is told by
`fields`.
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from msgspec import Struct
from msgspec.structs import replace

from lab.i18n import _, later
from lab.report import clean, clip, duration
from lab.report.rows import Row
from lab.timeline import Event, Timeline

CHAR = 9.7  # px: the widest that a character of 16 px is in the usual monospaced fonts
TIMES, HEAD, LINE, ARROW, BOX = 128, 30, 26, 48, 38
STUB, BAR, PADDING = 150, 8, 12
PAGE = 560  # px: the height from which on a piece is full, so that it fits on paper
PAUSE = 300_000_000  # ns without any event, from which on it is said
LANES = {1: 620, 2: 460}
NARROWEST_LANE = 345
BEFORE = later("before the first step")


class Mark(Struct, frozen=True):
    """An event in its place: `y` is its middle. A packet goes from `x` to `end`; anything else stands at `x`. `time` is
    what the time column says, `label` all of it in words; `above` is where a packet's words stand, `open` which of its
    ends is not known."""

    row: Row
    kind: str
    top: int
    height: int
    y: int
    x: int
    end: int
    words: str
    time: str
    label: str
    above: int = 0
    open: str = ""

    @property
    def box(self) -> int:
        """How wide the frame around the words is."""
        return round(CHAR * (_cells(self.words) + 2 * self.row.event.failed)) + 2 * PADDING

    @property
    def way(self) -> int:
        """1: to the right, -1: to the left."""
        return 1 if self.end >= self.x else -1


class Bar(Struct, frozen=True):
    """A call under way, in one band."""

    x: int
    top: int
    bottom: int


class Band(Struct, frozen=True):
    """A step, the `place`-th that is drawn, or the next piece of a long one, which has no heading: its lines, the
    hosts' lanes (name, x) whose names stand below `heads`, and what happened. `pauses` are (y, words)."""

    anchor: str
    place: int
    title: str
    heading: tuple[str, ...]
    row: Row | None
    heads: int
    width: int
    height: int
    lanes: tuple[tuple[str, int], ...]
    marks: tuple[Mark, ...]
    pauses: tuple[tuple[int, str], ...]
    bars: tuple[Bar, ...] = ()

    @property
    def top(self) -> int:
        """Where the lanes begin."""
        return self.heads + HEAD - 4


def bands(line: Timeline, shown: Sequence[Row]) -> tuple[Band, ...]:
    """The diagram, from top to bottom."""
    lane = LANES.get(len(line.hosts), NARROWEST_LANE)
    lanes = {host: TIMES + lane * place + lane // 2 for place, host in enumerate(line.hosts)}
    pen = _Pen(line.start, lanes, lane, TIMES + lane * len(lanes))
    groups = groupby(shown, key=lambda row: row.event.step)
    drawn = [band for place, (_step, group) in enumerate(groups) for band in pen.bands(place, list(group))]
    return tuple(_with_bars(drawn, shown, lanes))


@dataclass
class _Pen:
    """Goes down the page; knows the time of the row before."""

    start: int
    lanes: Mapping[str, int]
    lane: int
    width: int
    last: int = 0

    def bands(self, place: int, group: Sequence[Row]) -> Iterator[Band]:
        """The step, in pieces that fit on a printed page."""
        first = group[0] if group[0].event.kind == "step" else None
        titles = first.event.headings if first else (_(BEFORE),)
        cells = int((self.width - 2 * PADDING) / CHAR)
        heading = tuple(part for title in titles for part in wrapped(clean(clip(title, 400)), cells))
        title = "; ".join(titles)
        anchor = first.anchor if first else f"{group[0].anchor}-band"
        left = list(group[1:] if first else group)
        self.last = self.last or group[0].event.time
        while left or heading:
            heads = PADDING + LINE * len(heading)
            marks, pauses, bottom = self.fill(heads + HEAD, left)
            shape = (heads, self.width, bottom + PADDING, tuple(self.lanes.items()))
            yield Band(anchor, place, title, heading, first if heading else None, *shape, marks, pauses)
            heading, title = (), _("{step}., continued", step=group[0].event.step + 1)
            anchor = f"{left[0].anchor}-band" if left else ""

    def fill(self, y: int, left: list[Row]) -> tuple[tuple[Mark, ...], tuple[tuple[int, str], ...], int]:
        """As many of the rows as fit below `y` are drawn, and taken away: the marks, the pauses, and where they end."""
        marks: list[Mark] = []
        pauses = []
        while left and (y < PAGE or not marks):
            event = left[0].event
            if event.time - self.last >= PAUSE:
                pause = duration((event.time - self.last) / 1e9)
                pauses.append((y + LINE // 2, _("{time} later", time=pause)))
                y += LINE
            self.last = max(self.last, event.time)
            height = ARROW if event.kind == "packet" and event.host != event.to else BOX
            marks.append(self.mark(left.pop(0), y, height))
            y += height
        return tuple(marks), tuple(pauses), y

    def mark(self, row: Row, top: int, height: int) -> Mark:
        event = row.event
        x, end, open_ = self.ends(event)
        words = event.words + f" · {event.interface}" * bool(event.interface) + f" · {_('lost')}" * event.lost
        return Mark(
            row=row,
            kind=_kind(event),
            top=top,
            height=height,
            y=top + height // 2 + (8 if height == ARROW else 0),
            x=x,
            end=end,
            words=shortened(clean(words), int((self.lane - 3 * PADDING) / CHAR) - 2 * event.failed),
            time=milliseconds(event.time - self.start),
            label=label(event, self.start),
            # between its first two lanes, so that no lane goes through the words
            above=x + (STUB if open_ else self.lane) // 2 * (1 if end >= x else -1),
            open=open_,
        )

    def ends(self, event: Event) -> tuple[int, int, str]:
        """From where to where it goes, and which end is not known. A lost one ends before it arrives."""
        nowhere = self.width // 2 + TIMES // 2
        x, end = self.lanes.get(event.host), self.lanes.get(event.to)
        if event.kind != "packet":
            return (nowhere if x is None else x), (nowhere if x is None else x), ""
        if x is None and end is None:
            return nowhere, nowhere, "both"
        if x is None and end is not None:
            return end - STUB, end, "begin"
        assert x is not None
        if end is None:
            return x, x + STUB, "end"
        return x, end - (end - x) // 4 if event.lost else end, ""


def _kind(event: Event) -> str:
    return "loop" if event.kind == "packet" and event.host == event.to else event.kind


def _with_bars(drawn: Sequence[Band], shown: Sequence[Row], lanes: Mapping[str, int]) -> Iterator[Band]:
    """The bands with the calls that are under way in them, from the row of their beginning to that of their end; those
    at the same time on one host side by side."""
    where = {mark.row.anchor: (number, mark.y) for number, band in enumerate(drawn) for mark in band.marks}
    found: dict[int, list[Bar]] = {}
    busy: dict[str, list[tuple[int, int]]] = {}
    for begin, end, host in _under_way(shown, where):
        others = busy.setdefault(host, [])
        others[:] = [until for until in others if until > begin]
        x = lanes.get(host, 0) + BAR * len(others)
        others.append(end)
        for number in range(begin[0], end[0] + 1):
            top = begin[1] if number == begin[0] else drawn[number].top
            bottom = end[1] if number == end[0] else drawn[number].height
            found.setdefault(number, []).append(Bar(x, top, bottom))
    for number, band in enumerate(drawn):
        yield replace(band, bars=tuple(found.get(number, ())))


def _under_way(
    shown: Sequence[Row], where: Mapping[str, tuple[int, int]]
) -> Iterator[tuple[tuple[int, int], tuple[int, int], str]]:
    """The beginning and the end of each call that is not told in one row; one that never ended did so with its host's
    last program."""
    ends = {place: row for row in shown if row.event.kind in ("return", "fold") for place in row.event.evidence}
    exits = {row.event.host: row for row in shown if row.event.kind == "exit"}
    bottom = max(where.values(), default=(0, 0))
    for row in shown:
        if row.event.kind == "call" and " = " not in row.event.words:
            end = ends.get(row.event.evidence[0]) or exits.get(row.event.host)
            until = where[end.anchor] if end else bottom
            if row.anchor in where and where[row.anchor] < until:
                yield where[row.anchor], until, row.event.host


def milliseconds(nanoseconds: int) -> str:
    """As the time column says it: `397.231`; coarser from ten seconds on."""
    return f"{nanoseconds / 1e6:,.{3 if abs(nanoseconds) < 10_000_000_000 else 0}f}".replace(",", " ")


def label(event: Event, start: int) -> str:
    """All of an event in words: `at 397.231 ms, client to server on lan: SYN`."""
    who = event.host or _("somebody unseen")
    if event.kind == "packet":
        who = _("{host} to {other}", host=who, other=event.to or _("somebody unseen"))
        who += f" {_('on {host}', host=event.interface)}" * bool(event.interface)
    elif event.kind == "fold":
        who = _("folded")
    told = _("at {time} ms", time=milliseconds(event.time - start))
    return f"{told}, {who}: {clip(event.words.strip(), 300)}" + f", {_('lost')}" * event.lost


def shortened(text: str, cells: int) -> str:
    """The text, or its beginning and an ellipsis; an East Asian character takes two cells."""
    if _cells(text) <= cells:
        return text
    kept = text[:cells]
    while _cells(kept) > cells - 1:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def wrapped(text: str, cells: int, most: int = 3) -> Iterator[str]:
    """Lines of so many cells, broken between words where there are any; no more than `most`."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and _cells(lines[-1]) + 1 + _cells(word) > cells:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    kept = lines[:most]
    if len(lines) > most:
        kept[-1] += " …"
    yield from (shortened(line, cells) for line in kept)


def _cells(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(1 + (unicodedata.east_asian_width(char) in "WF") for char in text)
