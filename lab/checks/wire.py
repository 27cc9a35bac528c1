"""Where it went over the wire, and between whom: interface, ttl, peer, local."""

from collections.abc import Sequence

from lab.checks.base import Seen, Verdict, check, could_not_tell, failed, passed
from lab.checks.look import (
    Talk,
    accepts,
    asleep,
    call_of,
    evidence_of_talks,
    far_end,
    indices,
    talks_of,
    tried,
    watched,
)
from lab.checks.tables import same_address
from lab.history import Call, Observation
from lab.i18n import _
from lab.netcalls import ACCEPTS
from lab.wire import Endpoint, outbound, written

_ASKING = (*ACCEPTS, "getpeername", "getsockname", "recvfrom")


@check("interface", "run", "start", "call", "wait")
def interface(expected: Sequence[str], seen: Seen) -> Verdict:
    """The packets of each attempt were on these interfaces, and on no other."""
    text, talks = _and(expected), talks_of(seen)
    if isinstance(talks, str):
        return could_not_tell(text, talks)
    wrong = [talk for talk in talks if _interfaces(talk) != set(expected)]
    told = (wrong or talks)[0]
    blind = next((talk for talk in talks if not watched(seen, talk.started, talk.ended)), None)
    observed = _and(sorted(_interfaces(told))) or _("no packets")
    # what was seen elsewhere is certain; that nothing more was seen is not, where the tap was not awake
    if blind and not any(_interfaces(talk) - set(expected) for talk in talks):
        return could_not_tell(text, asleep(seen, observed), *evidence_of_talks(seen, [blind]))
    return (failed if wrong else passed)(text, observed, *evidence_of_talks(seen, [told]))


def _and(names: Sequence[str]) -> str:
    return f" {_('and')} ".join(names)


def _interfaces(talk: Talk) -> set[str]:
    return {packet.interface for packet in talk.packets}


@check("ttl", "run", "start", "call", "wait")
def ttl(expected: int, seen: Seen) -> Verdict:
    """What was left of the TTL of all packets that came from the caller."""
    talks = talks_of(seen)
    if isinstance(talks, str):
        return could_not_tell(str(expected), talks)
    sent = [one for talk in talks for one in talk.packets if not one.about and outbound(one, talk.remote)]
    left = sorted({packet.ttl for packet in sent})
    observed = ", ".join(map(str, left)) or _("no packets from the caller")
    if not sent and not all(watched(seen, talk.started, talk.ended) for talk in talks):
        return could_not_tell(str(expected), asleep(seen, observed))
    return (passed if left == [expected] else failed)(str(expected), observed, *indices(seen, sent))


@check("peer", "run", "start", "call", "wait")
def peer(expected: str, seen: Seen) -> Verdict:
    """The address at the other end: where the attempts went, or where what was accepted came from."""
    return _ends(expected, seen, _far_ends(seen))


@check("local", "run", "start", "call", "wait")
def local(expected: str, seen: Seen) -> Verdict:
    """The address at this end of the attempts, or of what was accepted."""
    return _ends(expected, seen, _near_ends(seen))


def _far_ends(seen: Seen) -> list[tuple[Endpoint | None, Observation]]:
    if seen.on == seen.host:
        made = tried(seen)
        if not isinstance(made, str):
            return [(far_end(attempt), attempt.calls[0]) for attempt in made]
    return [(call.remote, call) for call in _asked(seen)]


def _near_ends(seen: Seen) -> list[tuple[Endpoint | None, Observation]]:
    if seen.on == seen.host:
        made = tried(seen)
        if not isinstance(made, str):
            return [(attempt.local, attempt.calls[0]) for attempt in made]
    return [(call.local, call) for call in _asked(seen)]


def _asked(seen: Seen) -> tuple[Call, ...]:
    """The calls that tell of a connection: the step's own, or what `on` accepted; of these, those that came from the
    step's attempts, where their ports are known."""
    call = call_of(seen)
    if seen.on == seen.host and call is not None:
        return (call,) if call.function in _ASKING and call.ended is not None and not call.error else ()
    taken, made = accepts(seen), tried(seen)
    ports = set() if isinstance(made, str) else {attempt.local[1] for attempt in made if attempt.local}
    ours = tuple(one for one in taken if one.remote and one.remote[1] in ports)
    return ours or taken


def _ends(expected: str, seen: Seen, found: Sequence[tuple[Endpoint | None, Observation]]) -> Verdict:
    known = [end for end, _ in found if end is not None]
    shown = indices(seen, (one for _, one in found))
    if not found:
        return could_not_tell(
            expected, _("no connection of {host} was seen in this step that would tell", host=seen.on), *shown
        )
    wrong = [end for end in known if not _is_end(expected, end)]
    if not wrong and len(known) < len(found):
        return could_not_tell(expected, _("the call does not tell this end's address"), *shown)
    end = (wrong or known)[0]
    return (failed if wrong else passed)(expected, written(end), *shown)


def _is_end(expected: str, end: Endpoint) -> bool:
    return expected == written(end) or same_address(expected, end[0])
