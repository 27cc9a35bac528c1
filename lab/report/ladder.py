"""A timeline on a terminal: a lane for each host, packets as arrows between them, the time at the left.

What fits between two lanes is drawn there; where the lanes would be too narrow, the same is told in plain lines. The
marks carry the meaning, colour only repeats it. What is folded is for `folding` to say.
"""

from collections.abc import Iterator

from msgspec import Struct
from rich.cells import cell_len, chop_cells, set_cell_size
from rich.text import Text

from lab.folding import folded
from lab.i18n import _, counted
from lab.report.console import Screen
from lab.timeline import Event, Timeline

NARROWEST = 18
MOST_LINES = {"note": 6}  # rare, and what it says last is as important as what it says first
STYLES = {"packet": "cyan", "state": "green", "queues": "green", "fold": "dim", "output": "dim", "note": "magenta"}


class Marks(Struct, frozen=True):
    """What is drawn; every one is a single cell wide."""

    lane: str = "│"
    dash: str = "─"
    lost: str = "✗"
    fold: str = "…"
    loop: str = "↺"


UNICODE, ASCII = Marks(), Marks("|", "-", "x", ".", "@")


def draw(timeline: Timeline, screen: Screen, most: int = 0) -> None:
    """At most so many events (0: all), with a line that says what the marks mean."""
    ladder = _Ladder(timeline, screen)
    left_out = len(ladder.events) - most if most else 0
    if left_out > 0:
        ladder.events = ladder.events[:most]
    for line in ladder.lines():
        screen.text(line)
    if left_out > 0:
        words = counted("and {count:,} more event", "and {count:,} more events", left_out)
        screen.say(f"{words}: {_('`lab show latest` draws all, `--html FILE` makes a page')}")


class _Ladder:
    """Where the lanes are, and the lines drawn on them."""

    def __init__(self, timeline: Timeline, screen: Screen) -> None:
        self.timeline = timeline
        self.screen = screen
        self.marks = ASCII if screen.ascii else UNICODE
        self.events = [event for event in folded(timeline.events) if event.kind != "queues" or "LISTEN" in event.words]
        seen = {name for event in self.events if event.kind != "fold" for name in (event.host, event.to)}
        self.hosts = [host for host in timeline.hosts if host in seen]
        last = max((event.time for event in self.events), default=timeline.start)
        self.edge = max(9, len(self.time(last)) + 2)
        self.room = (screen.width - self.edge) // max(1, len(self.hosts))

    def time(self, time: int) -> str:
        """Milliseconds since the case's beginning."""
        return f"{(time - self.timeline.start) / 1e6:.2f}"

    def lines(self) -> Iterator[Text]:
        """Heads, events and steps."""
        if not self.hosts:
            yield Text(self.screen.fit(_("nothing was seen")))
            return
        wide = self.room >= NARROWEST or len(self.hosts) == 1
        if wide:
            yield self.heads()
        for event in self.events:
            yield from self.step(event) if event.kind == "step" else self.lanes(event) if wide else self.told(event)
        yield from (Text(line, "dim") for line in self.legend())

    def legend(self) -> Iterator[str]:
        """What the marks mean, of those that are there, on as many lines as it takes."""
        packets = [event for event in self.events if event.kind == "packet"]
        words = [
            f"{self.marks.loop} {_('on the host itself')}" if any(event.host == event.to for event in packets) else "",
            f"{self.marks.lost} {_('nobody saw it arrive')}" if any(event.lost for event in packets) else "",
            f"? {_('nobody looked there')}"
            if any(event.to and event.arrived is None and not event.lost for event in packets)
            else "",
            f"again: {_('sent once more')}" if any(event.again for event in packets) else "",
        ]
        line = ""
        for part in map(self.screen.fit, filter(None, words)):
            if line and cell_len(line) + 3 + cell_len(part) > self.screen.width:
                yield line
                line = part
            else:
                line = f"{line}   {part}" if line else part
        if line:
            yield line

    def step(self, event: Event) -> Iterator[Text]:
        """A line across, with the step in it; one for each that begins at once."""
        for heading in event.headings:
            words = _clipped(self.screen.fit(heading), self.screen.width - 8)
            rest = self.marks.dash * max(2, self.screen.width - cell_len(words) - 4)
            yield Text(f"{self.marks.dash * 2} {words} {rest}", "bold")

    def lanes(self, event: Event) -> Iterator[Text]:
        """An event in the lanes: an arrow between two, or words in one; what is folded goes across."""
        at = self.time(event.time)
        if event.kind == "fold":
            words = _clipped(self.screen.fit(self.words(event)), self.screen.width - self.edge)
            yield Text(" " * self.edge).append(words, _style(event))
            return
        if event.kind == "packet" and event.host != event.to and {event.host, event.to} <= set(self.hosts):
            yield self.arrow(at, event)
            return
        host = event.host if event.host in self.hosts else event.to if event.to in self.hosts else self.hosts[0]
        style = _style(event)
        for number, part in enumerate(self.wrapped(self.words(event), MOST_LINES.get(event.kind, 2))):
            yield self.row("" if number else at, {host: (part, style)})

    def words(self, event: Event) -> str:
        """What stands in a lane."""
        if event.kind == "fold":
            return f"{self.marks.fold} {_('folded: {events}', events=event.words)}"
        if event.kind != "packet":
            return event.words
        if event.host == event.to:
            return f"{self.marks.loop} {event.interface}: {event.words}"
        if event.host:
            return f"{event.words} on {event.interface} > {_('nobody')}"
        return f"{event.words} on {event.interface} < {_('elsewhere')}"

    def arrow(self, at: str, event: Event) -> Text:
        """From one lane to another, over those between them."""
        begin, end = self.hosts.index(event.host), self.hosts.index(event.to)
        left, right = min(begin, end), max(begin, end)
        space = (right - left) * self.room - 1
        short = space // 5 if event.arrived is None else 0
        whole, brief = (
            self.screen.fit(words) for words in (f" {event.words} on {event.interface} ", f" {event.words} ")
        )
        words = _clipped(whole if cell_len(whole) <= space - short - 4 else brief, space - short - 4)
        tip = self.marks.lost if event.lost else "?" if event.arrived is None else ">" if begin < end else "<"
        line = _centred(words, space - short - 1, self.marks.dash)
        line = line + tip + " " * short if begin < end else " " * short + tip + line
        row = Text(f"{at:>{self.edge - 2}}  ")
        row.append((self.marks.lane + " " * (self.room - 1)) * left + self.marks.lane)
        row.append(line, _style(event))
        row.append((self.marks.lane + " " * (self.room - 1)) * (len(self.hosts) - right))
        row.rstrip()
        return row

    def heads(self) -> Text:
        """The hosts' names above their lanes."""
        names = [set_cell_size(_clipped(self.screen.fit(host), self.room - 1), self.room) for host in self.hosts]
        row = Text(f"{'ms':>{self.edge - 2}}  ").append("".join(names), "bold")
        row.rstrip()
        return row

    def row(self, at: str, cells: dict[str, tuple[str, str]]) -> Text:
        """A line with words in some lanes."""
        row = Text(f"{at:>{self.edge - 2}}  ")
        for host in self.hosts:
            words, style = cells.get(host, ("", ""))
            row.append(f"{self.marks.lane} ").append(set_cell_size(words, self.room - 2), style)
        row.rstrip()
        return row

    def wrapped(self, words: str, most: int) -> Iterator[str]:
        """At most so many lines of a lane."""
        words, width = self.screen.fit(words), self.room - 3
        for _line in range(most - 1):
            if cell_len(words) <= width:
                break
            full = len(chop_cells(words, width)[0])
            cut = words.rfind(" ", full // 2, full + 1)
            cut = cut if cut > 0 else full
            yield words[:cut]
            words = "  " + words[cut:].lstrip()
        yield _clipped(words, width)

    def told(self, event: Event) -> Iterator[Text]:
        """An event in a plain line."""
        lead = f"{self.time(event.time):>{self.edge - 2}}  " if event.kind != "fold" else " " * self.edge
        tip = f" {self.marks.lost}" if event.lost else ""
        if event.kind == "packet" and event.host != event.to:
            way = f"{event.host or _('elsewhere')} > {event.to or _('nobody')}"
            words = f"{way}{tip}  {event.words} on {event.interface}"
        else:
            words = f"{event.host}  {self.words(event)}"
        yield Text(lead).append(_clipped(self.screen.fit(words), self.screen.width - len(lead)), _style(event))


def _style(event: Event) -> str:
    return "bold red" if event.failed or event.lost else "yellow" if event.again else STYLES.get(event.kind, "")


def _clipped(words: str, width: int) -> str:
    return words if cell_len(words) <= width else set_cell_size(words, max(0, width - 3)) + "..."


def _centred(words: str, width: int, dash: str) -> str:
    left = (width - cell_len(words)) // 2
    return dash * left + words + dash * (width - cell_len(words) - left)
