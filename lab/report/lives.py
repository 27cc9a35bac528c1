"""History -> Lives: every line that a socket table held, from when until when it was seen so. Pure.

Of a host that nobody watched, the tables at the steps' ends are all that is known.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from msgspec import Struct

from lab.history import History, SocketRow, Sockets, SocketSeen


class Life(Struct, frozen=True):
    """A socket of `host` that was seen like `row` from `begin` to `end` (ns; None: it was not seen otherwise)."""

    host: str
    row: SocketRow
    begin: int
    end: int | None = None


def lives(history: History) -> tuple[Life, ...]:
    """All of them, in the order of their beginnings."""
    watched = {seen.host for seen in history.all(SocketSeen)}
    found = [*_watched(history), *(life for life in _read(history) if life.host not in watched)]
    return tuple(sorted(found, key=lambda life: life.begin))


def at(found: Sequence[Life], time: int) -> tuple[Life, ...]:
    """Those of one instant."""
    return tuple(life for life in found if life.begin <= time and (life.end is None or time < life.end))


def _watched(history: History) -> Iterator[Life]:
    sockets: dict[tuple[str, int], list[SocketSeen]] = defaultdict(list)
    for seen in history.all(SocketSeen):
        sockets[seen.host, seen.id].append(seen)
    for readings in sockets.values():
        ends = [reading.time for reading in readings[1:]]
        for reading, end in zip(readings, [*ends, None], strict=True):
            if not reading.gone:
                yield Life(reading.host, reading.row, reading.time, end)


def _read(history: History) -> Iterator[Life]:
    """A row lives from the first table that holds it to the first that does not."""
    for host in dict.fromkeys(seen.host for seen in history.all(Sockets)):
        open_: dict[SocketRow, int] = {}
        for table in history.all(Sockets, host):
            for row in open_.keys() - set(table.rows):
                yield Life(host, row, open_.pop(row), table.time)
            for row in table.rows:
                open_.setdefault(row, table.time)
        yield from (Life(host, row, begin) for row, begin in open_.items())
