"""What the families of checks look at, found in the history: the step's attempts, its call, its process, its packets.

Where there is nothing to look at, these answer with the reason as text, which makes a check an ERROR.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from lab.attempts import TOLERANCE, Attempt, packets_of
from lab.checks.base import Seen
from lab.history import Call, Exit, Note, Observation, Packet, Tap
from lab.i18n import _
from lab.netcalls import ACCEPTS
from lab.wire import Endpoint, awake, flows, is_address

SHOWN = 16


def tried(seen: Seen) -> tuple[Attempt, ...] | str:
    """The step's attempts to connect, at least one; or why there are none to judge."""
    if reason := untraced(seen):
        return reason
    return seen.attempts or _("no attempt to connect was seen in this step; does it connect at all?")


def far_end(attempt: Attempt) -> Endpoint:
    """Where it went, also where the call named a host: the packets tell the address."""
    if is_address(attempt.remote[0]) or not attempt.packets:
        return attempt.remote
    found = flows(attempt.packets, attempt.remote)
    return found[0].remote if found else attempt.remote


def untraced(seen: Seen) -> str:
    """Why the program's calls cannot be judged; empty where they can."""
    notes = (note for note in seen.history.all(Note, seen.host) if note.what == "trace" and note.step == seen.step)
    return next((_("the program's calls were not all seen: {why}", why=note.text) for note in notes), "")


def call_of(seen: Seen) -> Call | None:
    """The call that the step made, as it stood when the expecting step ended."""
    made = (call for call in seen.own(Call) if not call.program)
    return next((as_of(call, seen.window[1]) for call in made), None)


def as_of(call: Call, until: int) -> Call:
    """The call as it stood then (ns): one that ended later was pending."""
    late = call.ended is not None and call.ended > until
    return replace(call, ended=None, result=None, error=None) if late else call


def exit_of(seen: Seen) -> Exit | None:
    """How the step's process ended, if it has by now."""
    return next(seen.own(Exit), None)


def accepts(seen: Seen) -> tuple[Call, ...]:
    """The connections that `on` accepted in the window: those of the step, where `on` is the acting host."""
    begin, end = seen.window
    return tuple(
        call
        for call in seen.history.all(Call, seen.on)
        if call.function in ACCEPTS and call.error is None and call.ended is not None and begin <= call.ended <= end
        if seen.on != seen.host or (call.step == seen.step and seen.turn in (None, call.turn))
    )


class Talk(Struct, frozen=True):
    """What the tap of `on` saw of one attempt or call, and when (ns); `ended` None: it goes on."""

    packets: tuple[Packet, ...]
    local: Endpoint | None
    remote: Endpoint
    started: int
    ended: int | None
    calls: tuple[Call, ...]


def talks_of(seen: Seen) -> list[Talk] | str:
    """The packets of each of the step's attempts; of a call on a socket that is connected already, or a datagram's,
    those between its two ends since the call began. At least one; or why there is nothing to look at."""
    made = tried(seen)
    if not isinstance(made, str):
        packets = packets_of(made, seen.history, seen.on, seen.window[1])
        return [
            Talk(tuple(theirs), one.local, one.remote, one.started, one.ended, one.calls)
            for one, theirs in zip(made, packets, strict=True)
        ]
    call = call_of(seen)
    if call is None or call.remote is None or call.error:
        return made
    begun = [one for one in seen.history.all(Packet, seen.on) if call.time - TOLERANCE <= one.time <= seen.window[1]]
    both = [flow for protocol in ("tcp", "udp") for flow in flows(begun, call.remote, protocol)]
    ours = [flow for flow in both if call.local is None or call.local[1] == flow.local[1]]
    found = sorted((packet for flow in ours for packet in flow.packets), key=lambda packet: packet.time)
    return [Talk(tuple(found), call.local, call.remote, call.time, call.ended, (call,))]


def evidence_of_talks(seen: Seen, found: Iterable[Talk]) -> tuple[int, ...]:
    """Their calls and packets."""
    shown: list[Observation] = [one for talk in found for one in (*talk.calls, *talk.packets)]
    return indices(seen, shown)


def asleep(seen: Seen, observed: str) -> str:
    """What was seen, and why that is not all."""
    return _("{observed}; but the tap of {host} was not awake all the time", observed=observed, host=seen.on)


def watched(seen: Seen, start: int, end: int | None) -> bool:
    """Whether the tap of `on` missed nothing from `start` to its last look in the window, and looked after `end`."""
    looks = [tap.until for tap in seen.history.all(Tap, seen.on) if tap.time <= seen.window[1]]
    last = min(max(looks, default=0), seen.window[1])
    return last >= (end or start) and awake(seen.history, seen.on, start, last)


def indices(seen: Seen, evidence: Iterable[Observation]) -> tuple[int, ...]:
    """Where in the history the first few of these observations are."""
    wanted = {id(one) for one in evidence}
    found = (number for number, one in enumerate(seen.history.observations) if id(one) in wanted)
    return tuple(number for number, _ in zip(found, range(SHOWN), strict=False))


def evidence_of(seen: Seen, made: Sequence[Attempt]) -> tuple[int, ...]:
    """The calls and packets of the attempts."""
    return indices(seen, (one for attempt in made for one in (*attempt.calls, *attempt.packets)))


def lasted(nanoseconds: float) -> str:
    """`0.24 ms`, `300 ms`, `1.02 s`."""
    milliseconds = nanoseconds / 1e6
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.2f} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.2g} ms"
