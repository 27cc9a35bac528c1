"""calls + packets -> Attempt: one try to connect, as the caller and as the wire saw it. Pure.

What the caller saw and what the wire showed must agree; where they do not, or where the wire cannot tell, the outcome
is "unknown" with the reason, and no check may take it for a pass.

    the caller's calls ──> Try (what it saw) ───┐
                                                ├──> _outcome: do they agree? ──> Attempt
    the tap's packets ───> Flow (what was sent) ┘
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from lab.history import Call, Exit, History, Packet, Tap
from lab.i18n import _, counted
from lab.tries import PROHIBITIONS, Try, tries
from lab.wire import Endpoint, Flow, awake, describe, flows, is_neighbourly, is_syn, outbound, plain, unanswered

TOLERANCE = 1_000_000  # ns between a call's stamp and a packet's, which different clocks' readers take
SYN_AGAIN = 1_100_000_000  # ns after which the kernel must have sent the SYN again

_GIVEN_UP = frozenset({"timed-out", "refused", "blocked"})  # ICMP ends the call, too, and not what its kernel tries
_UNREACHABLE_ICMP = frozenset({"no-route", "time-exceeded", "beyond-scope", "net-unknown", "host-unknown"})


class Attempt(Struct, frozen=True):
    """One try of `host` to connect to `remote`. `outcome` is one of model.OUTCOMES, "failed" (an errno of another kind:
    nothing could be tried, as EADDRNOTAVAIL), or "unknown" (caller and wire disagree or cannot tell). `why` says what
    decided it, or what is missing. `packets` are those of this try as `host`'s own tap saw them, ICMP about them
    included. `ended` is None while it has not. What comes after `over` (ns) is no part of it: where the caller gave up,
    its kernel goes on."""

    host: str
    step: int
    remote: tuple[str, int]
    local: tuple[str, int] | None
    calls: tuple[Call, ...]
    packets: tuple[Packet, ...]
    outcome: str
    error: str | None
    why: str
    started: int
    ended: int | None
    over: int | None = None


def attempts(history: History, step: int, until: int | None = None) -> tuple[Attempt, ...]:
    """The attempts that the calls of a step made or decided, in the order of their beginnings.

    A try that another step began (`connect_ex` that returned EINPROGRESS) belongs to the step that learnt how it ended,
    too. With `until` (ns), as they stood at that time.
    """
    found: list[Attempt] = []
    for host in dict.fromkeys(call.host for call in history.all(Call) if call.step == step):
        calls = [_as_of(call, until) for call in history.all(Call, host) if until is None or call.time <= until]
        calls = [call for call in calls if call.program or call.step <= step]
        ended = (seen for seen in history.all(Exit, host) if until is None or seen.time <= until)
        exits = {(seen.step, seen.turn): seen.time for seen in ended}
        around = _around(history, host)
        packets = _until(history.all(Packet, host), until)
        for tried, flow in _joined(tries(calls, exits), packets, around, host):
            if any(call.step == step for call in tried.calls):
                found.append(_attempt(host, step, tried, flow, _outcome(around, host, tried, flow)))
    return tuple(sorted(found, key=lambda attempt: attempt.started))


def packets_of(
    made: Sequence[Attempt], history: History, host: str, until: int | None = None
) -> list[tuple[Packet, ...]]:
    """Each attempt's packets as another host's tap saw them.

    Where the caller's port is not known (nothing was seen at home), all that went to the called end since.
    """
    packets = _until(history.all(Packet, host), until)
    seen = {remote: _by_ends(flows(packets, remote)) for remote in {one.remote for one in made if one.host != host}}
    return [one.packets if one.host == host else tuple(_of_one(one, seen[one.remote])) for one in made]


def _by_ends(found: Iterable[Flow]) -> dict[Endpoint | None, list[Flow]]:
    """The flows of each caller's end, and under None all of them."""
    ends: dict[Endpoint | None, list[Flow]] = {None: []}
    for flow in found:
        ends[None].append(flow)
        ends.setdefault(flow.local, []).append(flow)
    return ends


def _of_one(attempt: Attempt, seen: Mapping[Endpoint | None, Sequence[Flow]]) -> Iterator[Packet]:
    for flow in seen.get(attempt.local, ()):
        begun = [packet for packet in _until(flow.packets, attempt.over) if packet.time >= _earliest(attempt)]
        if _is_of(attempt, begun):
            yield from begun


def _is_of(attempt: Attempt, packets: Iterable[Packet]) -> bool:
    sent = {packet.seq for packet in attempt.packets if is_syn(packet)}
    seen = {packet.seq for packet in packets if is_syn(packet)}
    return not sent or not seen or bool(sent & seen)


def _earliest(tried: Attempt | Try) -> int:
    return tried.started - TOLERANCE


def _until(packets: Iterable[Packet], until: int | None) -> list[Packet]:
    return [packet for packet in packets if until is None or packet.time <= until]


def _as_of(call: Call, until: int | None) -> Call:
    """The call as it stood then: one that ended later was pending."""
    late = until is not None and call.ended is not None and call.ended > until
    return replace(call, ended=None, error=None, result=None) if late else call


class _Wire(Struct, frozen=True):
    """What the tap showed of a try until it ended. `answers` came towards the caller; `awake`: nothing was missed."""

    sent: tuple[Packet, ...]
    answers: tuple[Packet, ...]
    awake: bool
    unanswered: tuple[str, ...]

    def answer(self, *flags: str) -> Packet | None:
        """The first answer with these flags."""
        return next((packet for packet in self.answers if set(flags) <= set(packet.flags)), None)

    def icmp(self, wanted: Callable[[str], bool]) -> Packet | None:
        """The last ICMP error of that kind."""
        errors = [packet for packet in self.answers if packet.about and wanted(packet.icmp)]
        return errors[-1] if errors else None


def _around(history: History, host: str) -> History:
    """What every try is seen against: when the tap was awake, and which neighbours were asked for."""
    return History(
        tuple(
            seen
            for seen in history.observations
            if seen.host == host and (isinstance(seen, Tap) or (isinstance(seen, Packet) and is_neighbourly(seen)))
        )
    )


def _joined(
    made: Sequence[Try], packets: Sequence[Packet], around: History, host: str
) -> Iterator[tuple[Try, Flow | None]]:
    """Each try with its flow.

    Ends join them where the caller told its own, else time: a flow began while its try was under way, and the first
    try has the first of those that agree with what its caller saw. What no try agrees with is left for the rest.
    """
    known = {remote: _Flows(flows(packets, remote)) for remote in {tried.remote for tried in made}}
    chosen: dict[int, Flow] = {}
    taken: set[int] = set()
    for agreed in (True, False):
        for number, tried in enumerate(made):
            for flow in known[tried.remote].begun(tried, taken) if number not in chosen else ():
                if not agreed or _outcome(around, host, tried, flow)[0] != "unknown":
                    chosen[number] = flow
                    taken.add(id(flow.packets[0]))
                    break
    for number, tried in enumerate(made):
        yield tried, chosen.get(number)


class _Flows:
    """This host's flows to one end, found by the caller's own end or by when they began."""

    def __init__(self, seen: Sequence[Flow]) -> None:
        self._all = found = [flow for flow in seen if _is_from_here(flow)]
        self._starts = [flow.packets[0].time for flow in found]
        self._of_port: dict[int, list[Flow]] = {}
        for flow in found:
            self._of_port.setdefault(flow.local[1], []).append(flow)

    def begun(self, tried: Try, taken: Collection[int]) -> Iterator[Flow]:
        """Those that may be the try's, but for those whose first packet's id is `taken`."""
        if tried.local is not None:
            found = [flow for flow in self._of_port.get(tried.local[1], ()) if _began(tried, flow)]
            exact = [flow for flow in found if flow.local[0] == plain(tried.local[0])]
            # bound to any address, or translated on its way out, it has another one there
            yield from (flow for flow in exact or found if id(flow.packets[0]) not in taken)
            return
        place = bisect_left(self._starts, _earliest(tried))
        while place < len(self._all) and _began(tried, self._all[place]):
            if id(self._all[place].packets[0]) in taken:
                del self._all[place], self._starts[place]  # so that thousands of tries do not all pass over it
            else:
                yield self._all[place]
                place += 1


def _is_from_here(flow: Flow) -> bool:
    """Whether the host whose tap saw it began it: what others began comes in first, to stay or to be forwarded."""
    first = flow.packets[0]
    return first.interface == "lo" or first.outgoing == outbound(first, flow.remote)


def _began(tried: Try, flow: Flow) -> bool:
    """Whether a flow began while the try was under way."""
    first = flow.packets[0].time
    return _earliest(tried) <= first and (tried.ended is None or first <= tried.latest + TOLERANCE)


def _attempt(host: str, step: int, tried: Try, flow: Flow | None, outcome: tuple[str, str]) -> Attempt:
    over = tried.latest + TOLERANCE if tried.saw in _GIVEN_UP else None
    return Attempt(
        host=host,
        step=step,
        remote=tried.remote,
        local=flow.local if flow else tried.local,
        calls=tried.calls,
        packets=tuple(_until(flow.packets, over)) if flow else (),
        outcome=outcome[0],
        error=tried.error,
        why=outcome[1],
        started=tried.started,
        ended=tried.ended,
        over=over,
    )


def _outcome(around: History, host: str, tried: Try, flow: Flow | None) -> tuple[str, str]:
    """One of model.OUTCOMES, failed or unknown; and why."""
    if tried.saw == "pending" or tried.ended is None:
        return "unknown", _("still pending: it had not returned")
    if tried.saw == "under way":
        return "unknown", _("still under way: nothing asked how it ended")
    if tried.saw == "failed":
        return "failed", tried.error or ""
    last = tried.latest + TOLERANCE
    within = [packet for packet in flow.packets if packet.time <= last] if flow else []
    # an impaired link may hold the last ACK back until long after the call has returned
    leaving = flow.packets if flow and tried.saw == "accepted" else within
    wire = _Wire(
        sent=tuple(packet for packet in leaving if flow and outbound(packet, flow.remote)),
        answers=tuple(packet for packet in within if flow and not outbound(packet, flow.remote)),
        awake=awake(around, host, tried.started, tried.ended),
        unanswered=unanswered(around.all(Packet), _earliest(tried), last),
    )
    why = _AGREE[tried.saw](tried, wire)
    return why if isinstance(why, tuple) else (tried.saw, why)


def _accepted(tried: Try, wire: _Wire) -> tuple[str, str] | str:
    answer = wire.answer("SYN", "ACK")
    if answer is None:
        return "unknown", _("the call succeeded, but the tap saw {what}", what=_no_handshake(wire))
    if not any(map(is_syn, wire.sent)):
        return "unknown", _("the call succeeded, but the tap saw no SYN")
    if not any("ACK" in packet.flags and "RST" not in packet.flags for packet in wire.sent):
        return "unknown", _("the call succeeded, but the tap saw no ACK of the SYN-ACK")
    return _("SYN, SYN-ACK, ACK on {network}", network=answer.interface)


def _refused(tried: Try, wire: _Wire) -> tuple[str, str] | str:
    reset, error = wire.answer("RST"), wire.icmp(lambda word: word == "port-unreachable")
    if wire.answer("SYN", "ACK"):
        return "unknown", _("the caller saw ECONNREFUSED, but the tap saw a SYN-ACK")
    if reset is None and error is None:
        return "unknown", _("the caller saw ECONNREFUSED, but the tap saw neither RST nor ICMP port-unreachable")
    return describe(reset or error)


def _reset(tried: Try, wire: _Wire) -> tuple[str, str] | str:
    handshake = wire.answer("SYN", "ACK")
    if handshake is None:
        return "unknown", _(
            "the caller saw {error}, but the tap saw {what}", error="ECONNRESET", what=_no_handshake(wire)
        )
    resets = [packet for packet in wire.answers if "RST" in packet.flags and packet.time > handshake.time]
    if not resets:
        return "unknown", _("the caller saw ECONNRESET, but the tap saw no RST after the handshake")
    return _("{packet} after the handshake", packet=describe(resets[0]))


def _timed_out(tried: Try, wire: _Wire) -> tuple[str, str] | str:
    syns = sum(map(is_syn, wire.sent))
    if wire.answers:
        return "unknown", _("the caller saw no answer, but the tap saw {what}", what=describe(wire.answers[0]))
    if not syns:
        asked = f"; {_nobody_answered(wire)}" if wire.unanswered else ""
        return "unknown", _("the caller gave up, but no SYN was seen to leave this host") + asked
    if not wire.awake:
        return "unknown", _("no answer was captured, but the tap was not awake all the time")
    assert tried.ended is not None
    if syns == 1 and tried.exact and tried.ended - tried.started > SYN_AGAIN:
        return "unknown", _("the caller waited for over a second, but the SYN was sent only once")
    return counted("{count} SYN, then silence", "{count} SYNs, then silence", syns)


def _blocked(tried: Try, wire: _Wire) -> tuple[str, str] | str:
    prohibited = wire.icmp(lambda word: word.endswith("-prohibited"))
    unreachable = wire.icmp(lambda word: word.endswith("-unreachable") or word in _UNREACHABLE_ICMP)
    error = max((seen for seen in (prohibited, unreachable) if seen), key=lambda seen: seen.time, default=None)
    if error is not None and error.icmp == "port-unreachable":
        return "unknown", _saw(tried.error, describe(error))
    if error is not None:
        return "prohibited" if error is prohibited else "unreachable", describe(error)
    if wire.sent or wire.answers:
        seen = describe((wire.answers or wire.sent)[0])
        return "unknown", _("the caller saw {error}, but the tap saw {what} and no ICMP", error=tried.error, what=seen)
    if not wire.awake:
        return "unknown", _("the caller saw {error}, but the tap was not awake to see why", error=tried.error)
    if wire.unanswered:
        return "unreachable", _nobody_answered(wire)
    return "prohibited" if tried.error in PROHIBITIONS else "unreachable", _("nothing was sent")


_AGREE: dict[str, Callable[[Try, _Wire], tuple[str, str] | str]] = {
    "accepted": _accepted,
    "refused": _refused,
    "reset": _reset,
    "timed-out": _timed_out,
    "blocked": _blocked,
}


def _no_handshake(wire: _Wire) -> str:
    if wire.answers:
        return describe(wire.answers[0])
    return _("no SYN-ACK") if wire.sent else _("none of its packets")


def _saw(error: str | None, what: str) -> str:
    return _("the caller saw {error}, but the tap saw {what}", error=error, what=what)


def _nobody_answered(wire: _Wire) -> str:
    return _("nobody answered for {addresses}", addresses=", ".join(wire.unanswered))
