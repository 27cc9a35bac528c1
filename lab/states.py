"""SocketSeen -> what each socket passed through, and what TCP lets it have passed through between two readings. Pure.

A reading shows a state or it comes too late for it; the graph tells the two apart: what cannot have been, and what may
have been unseen. Which sockets are meant, and what that makes of an expectation, is for `checks` to say.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from msgspec import Struct

from lab.history import SocketRow, SocketSeen

GONE = "gone"
BORN = ""  # before a socket is in the table

# After each state, those that may follow it at once: RFC 9293, with what Linux shows of it. From everywhere a reset, an
# end of patience or a close without a peer leads out of the table. UNCONN is a socket that is bound, and no more.
TCP: Mapping[str, frozenset[str]] = {
    BORN: frozenset({"UNCONN", "LISTEN", "SYN-SENT", "SYN-RECV"}),
    "UNCONN": frozenset({"LISTEN", "SYN-SENT", GONE}),
    "LISTEN": frozenset({GONE}),
    "SYN-SENT": frozenset({"SYN-RECV", "ESTAB", "UNCONN", GONE}),
    "SYN-RECV": frozenset({"ESTAB", "FIN-WAIT-1", GONE}),
    "ESTAB": frozenset({"FIN-WAIT-1", "CLOSE-WAIT", GONE}),
    "FIN-WAIT-1": frozenset({"FIN-WAIT-2", "CLOSING", "TIME-WAIT", GONE}),
    "FIN-WAIT-2": frozenset({"TIME-WAIT", GONE}),
    "CLOSING": frozenset({"TIME-WAIT", GONE}),
    "TIME-WAIT": frozenset({GONE}),
    "CLOSE-WAIT": frozenset({"LAST-ACK", GONE}),
    "LAST-ACK": frozenset({GONE}),
    GONE: frozenset(),
}
UDP: Mapping[str, frozenset[str]] = {
    BORN: frozenset({"UNCONN", "ESTAB"}),
    "UNCONN": frozenset({"ESTAB", GONE}),
    "ESTAB": frozenset({"UNCONN", GONE}),
    GONE: frozenset(),
}
GRAPHS = {"tcp": TCP, "udp": UDP}


class Life(Struct, frozen=True):
    """One socket from its first reading to its last, or to the one that misses it (`gone`)."""

    id: int
    seen: tuple[SocketSeen, ...]

    @property
    def rows(self) -> tuple[SocketRow, ...]:
        """Its rows, in order."""
        return tuple(one.row for one in self.seen)

    @property
    def gone(self) -> bool:
        """Whether the table lists it no more."""
        return self.seen[-1].gone

    @property
    def protocol(self) -> str:
        """tcp or udp."""
        return self.seen[0].row.protocol

    @property
    def states(self) -> tuple[str, ...]:
        """What it was seen to pass through, each change once; at the end `gone`, if it is."""
        told = [GONE if one.gone else one.row.state for one in self.seen]
        return tuple(state for before, state in zip([BORN, *told], told, strict=False) if state != before)


def lives(seen: Iterable[SocketSeen]) -> tuple[Life, ...]:
    """The sockets of one host, in the order in which they were first seen. One that was gone and comes back (a second
    connect on it) lives again."""
    found: list[list[SocketSeen]] = []
    latest: dict[int, list[SocketSeen]] = {}
    for one in sorted(seen, key=lambda one: one.time):
        if one.id not in latest or latest[one.id][-1].gone:
            latest[one.id] = []
            found.append(latest[one.id])
        latest[one.id].append(one)
    return tuple(Life(life[0].id, tuple(life)) for life in found)


def can_pass(begin: str, end: str, wanted: Sequence[str], protocol: str = "tcp") -> int | None:
    """How many of these states, in this order, a way from one state to another can pass behind the first; None where
    there is no way. A socket may stay where it is."""
    graph = GRAPHS.get(protocol, TCP)
    best: int | None = None
    reached, frontier = {(begin, 0)}, [(begin, 0)]
    while frontier:
        state, count = frontier.pop()
        if state == end:
            best = max(count, best or 0)
        for after in graph.get(state, ()):
            step = (after, count + (count < len(wanted) and wanted[count] == after))
            if step not in reached:
                reached.add(step)
                frontier.append(step)
    return best


def parting(wanted: Sequence[str], protocol: str = "tcp") -> tuple[str, str] | None:
    """The first two states that no socket passes in this order; None where one can pass them all."""
    return next((pair for pair in pairwise(wanted) if not can_pass(*pair, pair[1:], protocol)), None)


def may_have_passed(life: Life, wanted: Sequence[str], complete: bool) -> bool:
    """Whether some way that agrees with the readings passes these states in this order; unless `complete`, the socket
    may have gone on since the last one. Readings that fit no way rule nothing out."""
    count, begin = 0, BORN
    for end in life.states:
        more = can_pass(begin, end, wanted[count:], life.protocol)
        if more is None:
            return True
        count, begin = count + more, end
    if not complete:
        ends = (can_pass(begin, end, wanted[count:], life.protocol) for end in GRAPHS.get(life.protocol, TCP))
        count += max(more for more in ends if more is not None)
    return count == len(wanted)
