"""What the kernel's tables show: listening, sockets, counters. The predicates serve whoever waits for the fact."""

import difflib
import ipaddress
from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import to_builtins

from lab.checks.base import Seen, Verdict, check, could_not_tell, failed, passed
from lab.checks.look import indices, watched
from lab.history import Counters, Fate, Note, SocketRow, Sockets
from lab.i18n import _, counted
from lab.model import ListeningExpectation, SocketChoice, SocketExpectation
from lab.patterns import amount

_LISTENS = {"tcp": "LISTEN", "udp": "UNCONN"}
_START = -1


def listening_holds(expected: Sequence[ListeningExpectation], rows: Sequence[SocketRow]) -> bool:
    """Whether each of these is a listening socket of the table."""
    return all(any(_listens(one, row) for row in rows) for one in expected)


def sockets_hold(expected: Sequence[SocketExpectation], rows: Sequence[SocketRow]) -> bool:
    """Whether the table has as many lines of each kind as expected, with queues as expected."""
    return all(_holds(one, rows) for one in expected)


def counters_hold(expected: Mapping[str, int | str], before: Mapping[str, int], now: Mapping[str, int]) -> bool:
    """Whether each counter has grown as much as expected; one that the kernel does not have has not."""
    return all(
        name in now and amount(wanted)[0] <= now[name] - before.get(name, 0) <= amount(wanted)[1]
        for name, wanted in expected.items()
    )


def _listens(one: ListeningExpectation, row: SocketRow) -> bool:
    kind = (row.protocol, row.state, row.local[1]) == (one.protocol, _LISTENS[one.protocol], one.port)
    return kind and (one.address is None or same_address(one.address, row.local[0]))


def same_address(expected: str, seen: str) -> bool:
    """Whether two texts are one address; `''` is 0.0.0.0, and not `::`."""
    if not expected:
        return seen == "0.0.0.0"
    try:
        return ipaddress.ip_address(expected) == ipaddress.ip_address(seen)
    except ValueError:
        return expected == seen


def _holds(one: SocketExpectation, rows: Sequence[SocketRow]) -> bool:
    found = [row for row in rows if _is_like(one, row)]
    least, most = amount(one.count)
    return least <= len(found) <= most and all(
        amount(wanted)[0] <= queue <= amount(wanted)[1]
        for row in found
        for wanted, queue in ((one.recv_q, row.recv_q), (one.send_q, row.send_q))
        if wanted is not None
    )


def _is_like(one: SocketExpectation, row: SocketRow) -> bool:
    return one.state in (None, row.state) and is_chosen(one, row)


def is_chosen(one: SocketChoice, row: SocketRow) -> bool:
    """Whether a line of the table is of a socket that is meant."""
    return (
        row.protocol == one.protocol
        and one.port in (None, row.local[1])
        and one.peer_port in (None, row.remote[1])
        and (one.address is None or same_address(one.address, row.local[0]))
        and (one.peer is None or same_address(one.peer, row.remote[0]))
    )


@check("listening")
def listening(expected: Sequence[ListeningExpectation], seen: Seen) -> Verdict:
    """These sockets listen."""
    text = ", ".join(_("{socket} listens", socket=f"{one.protocol} {_end(one.address, one.port)}") for one in expected)
    table = _table(seen)
    if table is None or not expected:
        return could_not_tell(text, _("the socket table of {host} was not read in this step", host=seen.on))
    rows = [row for row in table.rows if row.state == "LISTEN" or (row.protocol, row.state) == ("udp", "UNCONN")]
    near = [row for row in rows if row.local[1] in {one.port for one in expected}] or rows
    observed = "; ".join(map(_row, near)) or _("nothing listens")
    return (passed if listening_holds(expected, rows) else failed)(text, observed, *indices(seen, [table]))


@check("sockets")
def sockets(expected: Sequence[SocketExpectation], seen: Seen) -> Verdict:
    """The socket table has these lines."""
    text = ", ".join(map(wanted_socket, expected))
    table = _table(seen)
    if table is None or not expected:
        return could_not_tell(text, _("the socket table of {host} was not read in this step", host=seen.on))
    found = [row for row in table.rows if any(_is_like(one, row) for one in expected)]
    observed = counted("{count} found", "{count} found", len(found)) + "".join(f"; {_row(row)}" for row in found[:4])
    return (passed if sockets_hold(expected, table.rows) else failed)(text, observed, *indices(seen, [table]))


@check("counters")
def counters(expected: Mapping[str, int | str], seen: Seen) -> Verdict:
    """The kernel's counters have grown so much since the case's start."""
    text = ", ".join(f"{name} {wanted}" for name, wanted in expected.items())
    readings = {one.step: one for one in seen.history.all(Counters, seen.on) if one.time <= seen.window[1]}
    before, now = readings.get(_START), readings.get(seen.observed_at)
    if before is None or now is None:
        start = _("the counters of {host} were not read at the case's start", host=seen.on)
        return could_not_tell(
            text, start if before is None else _("the counters of {host} were not read in this step", host=seen.on)
        )
    known = before.values | now.values
    if unknown := [name for name in expected if name not in known]:
        near = difflib.get_close_matches(unknown[0], known, n=3, cutoff=0.4)
        told = ", ".join(near) or _("none")
        return could_not_tell(
            text, _("this kernel has no counter {name!r}; near are {near}", name=unknown[0], near=told)
        )
    holds = counters_hold(expected, before.values, now.values)
    grown = ((name, now.values.get(name, 0) - before.values.get(name, 0)) for name in expected)
    observed = ", ".join(f"{name} {growth:+d}" for name, growth in grown)
    return (passed if holds else failed)(text, observed, *indices(seen, [before, now]))


@check("impaired")
def impaired(expected: Mapping[str, int | str], seen: Seen) -> Verdict:
    """So many packets of the host's impaired links were lost, held, … since the case's start."""
    text = ", ".join(f"{name} {wanted}" for name, wanted in expected.items())
    notes = [note for note in seen.history.all(Note, seen.on) if note.time <= seen.window[1]]
    begun = next((note.time for note in notes if note.what == "impaired"), None)
    if begun is None:
        return could_not_tell(text, _("no link of {host} was impaired before", host=seen.on))
    if trouble := next((note.text for note in notes if note.what == "impair"), ""):
        return could_not_tell(text, trouble)
    if not watched(seen, begun, None):
        return could_not_tell(text, _("{host} was not asked in this step what became of all its packets", host=seen.on))
    fates = [one for one in seen.history.all(Fate, seen.on) if one.time <= seen.window[1]]
    counts = Counter(effect for one in fates for effect in one.effects or ("passed",))
    holds = all(amount(wanted)[0] <= counts[name] <= amount(wanted)[1] for name, wanted in expected.items())
    observed = ", ".join(f"{name} {number}" for name, number in counts.items()) or _("no packet came")
    told = [one for one in fates if expected.keys() & set(one.effects or ("passed",))]
    return (passed if holds else failed)(text, observed, *indices(seen, told))


def _table(seen: Seen) -> Sockets | None:
    tables = [one for one in seen.history.all(Sockets, seen.on) if one.step == seen.observed_at]
    return tables[-1] if tables else None


def _row(row: SocketRow) -> str:
    peer = f" {_('with {peer}', peer=_end(*row.remote))}" if row.remote[1] else ""
    return f"{row.protocol} {row.state} {_end(*row.local)}{peer} (Recv-Q {row.recv_q}, Send-Q {row.send_q})"


def _end(address: str | None, port: int | None) -> str:
    shown = "*" if address is None else address or "0.0.0.0"
    return f"[{shown}]:{port}" if ":" in shown else f"{shown}:{'*' if port is None else port}"


def wanted_socket(one: SocketChoice) -> str:
    """`tcp state LISTEN port 80 count 1`: as the file says it."""
    given = to_builtins(one)
    names = sorted(given.keys() - {"protocol"}, key=lambda name: (name != "state", list(given).index(name)))
    return " ".join([one.protocol, *(f"{name} {given[name]}" for name in names)])
