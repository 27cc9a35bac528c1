"""Timeline -> Rows: the events that a sequence diagram shows, each with an anchor; and where evidence is among them.

What a program wrote in pieces is one row, and of very many events the middle is folded, but never a step or what a
failed check points at. How a row looks is for `svg` to say, what is known of it for `fields`.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby

from msgspec import Struct
from msgspec.structs import replace

from lab.folding import folded
from lab.i18n import counted
from lab.timeline import Event, Timeline, evidence_of


class Row(Struct, frozen=True):
    """One event of the diagram; `anchor` is unique on the page."""

    anchor: str
    event: Event

    @property
    def fields(self) -> str:
        """The anchor of what is known of it."""
        return f"{self.anchor}-fields"


def rows(line: Timeline, case: str, most: int, needed: Collection[int] = ()) -> tuple[Row, ...]:
    """About `most` rows. `case` begins their anchors; what holds evidence that is `needed` is kept."""
    # what the network says before anything happens on it is nobody's
    happened = [event for event in line.events if event.step >= 0 or not event.noise]
    events = _bounded(list(_joined(folded(happened))), most, frozenset(needed))
    return tuple(Row(f"{case}-e{number}", event) for number, event in enumerate(events, start=1))


def places(shown: Iterable[Row]) -> dict[int, Row]:
    """The row that shows each observation, by its index in the history; of a call, the row of its end."""
    return {place: row for row in shown for place in row.event.evidence}


def _joined(events: Iterable[Event]) -> Iterator[Event]:
    """What a host's programs wrote with nothing else in between is one event, told by its last line; an empty line is
    a part of what was written before."""
    found: list[list[Event]] = []
    last: dict[str, list[Event]] = {}
    written: dict[tuple[str, int, str], list[Event]] = {}
    for event in events:
        stream, _, words = event.words.partition(": ")
        whose = (event.host, event.step, stream)
        before = written.get(whose, [])
        if event.kind == "output" and before and (last[event.host] is before or not words):
            before.append(event)
            continue
        found.append([event])
        last[event.host] = last[event.to] = found[-1]
        if event.kind == "output":
            written[whose] = found[-1]
    yield from map(_one, found)


def _one(pieces: Sequence[Event]) -> Event:
    if len(pieces) == 1:
        return pieces[0]
    told = next((event.words for event in reversed(pieces) if event.words.partition(": ")[2]), pieces[0].words)
    return replace(pieces[0], words=told, evidence=evidence_of(pieces))


def _bounded(events: Sequence[Event], most: int, needed: frozenset[int]) -> list[Event]:
    if len(events) <= most:
        return list(events)
    head, tail = most * 2 // 3, len(events) - most // 3
    wanted = [place for place, event in enumerate(events) if needed.intersection(event.evidence)]
    kept = {*range(head), *range(tail, len(events)), *wanted[:most]}

    def drawn(numbered: tuple[int, Event]) -> tuple[bool, int]:
        place, event = numbered
        return event.kind == "step" or place in kept, event.step

    found: list[Event] = []
    for (shown, _), run in groupby(enumerate(events), key=drawn):
        group = [event for _, event in run]
        found += group if shown or len(group) == 1 else [_left_out(group)]
    return found


def _left_out(events: Sequence[Event]) -> Event:
    kinds = Counter(event.kind for event in events)
    told = ", ".join(f"{kind} {count:,}" for kind, count in kinds.most_common())
    words = counted(
        "{count:,} event not drawn: {kinds}", "{count:,} events not drawn: {kinds}", len(events), kinds=told
    )
    first = events[0]
    return Event("fold", first.time, first.host, words, evidence_of(events), first.step)
