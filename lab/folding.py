"""A timeline for the eye: noise, what is sent again and again, and the middle of a long talk become one event each.

Nothing is lost: a fold names what it stands for, and keeps its evidence. Pure.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from lab.timeline import Event, evidence_of

MANY, HEAD, TAIL = 12, 4, 3
TALK = ("send", "sendall", "recv", "=")


def folded(events: Sequence[Event]) -> Iterator[Event]:
    """The events for the eye: noise is told once a step, at its end; what is sent again and again, and the middle of a
    long talk, in a line."""
    for _, group in groupby(events, key=lambda event: event.step):
        happened = list(group)
        noise = [event for event in happened if event.noise]
        for kin, run in groupby((event for event in happened if not event.noise), key=_kin):
            yield from _shown(kin, list(run))
        if noise:
            yield _fold(noise, "", happened[-1].time)


def _shown(kin: tuple[str, ...], run: Sequence[Event]) -> Iterator[Event]:
    if kin[0] == "again" and len(run) > 1:
        yield run[0]
        yield _fold(run[1:], "again: ", run[1].time)
    elif kin == ("talk",) and len(run) > MANY:
        yield from run[:HEAD]
        yield _fold(run[HEAD:-TAIL], "", run[HEAD].time)
        yield from run[-TAIL:]
    else:
        yield from run


def _kin(event: Event) -> tuple[str, ...]:
    """Events of one kin that follow each other may be folded; those of none stand alone."""
    if event.again:
        return ("again", event.host, event.to, event.words)
    if event.kind == "packet" and event.words.startswith(("DATA", "ACK", "UDP")):
        return ("talk",)
    if event.kind in ("call", "return", "output") and not event.failed and event.words.startswith(TALK):
        return ("talk",)
    return (event.kind, str(event.evidence), str(event.time))


def _fold(run: Sequence[Event], lead: str, time: int) -> Event:
    kinds = Counter(_brief(event.words) for event in run if event.kind != "return")
    told = ", ".join(f"{count} {words}" for words, count in kinds.most_common(4))
    more = ", ..." if len(kinds) > 4 else ""
    return Event("fold", time, run[0].host, f"{lead}{told}{more}", evidence_of(run), run[0].step)


def _brief(words: str) -> str:
    """`ARP who-has`, `DATA`, `SYN again`, `recv`: without what is each event's own."""
    first, *rest = words.partition("(")[0].rstrip(":").split()
    return " ".join([first, *rest[:1]]) if first in ("ARP", "DNS", "ICMP") or "again" in rest[:1] else first
