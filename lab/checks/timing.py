"""How long it took: within, after. Of the step's attempts to connect, else of its call, else of its program."""

from msgspec import Struct

from lab.checks.base import Seen, Verdict, check, could_not_tell, failed, passed
from lab.checks.look import call_of, exit_of, indices, lasted, untraced
from lab.history import Observation
from lab.i18n import _
from lab.patterns import seconds


class _Span(Struct, frozen=True):
    """Something that took time: `long` it took (ns), or has taken so far where it is not `over`."""

    what: str
    long: int
    over: bool
    shown: tuple[Observation, ...]


@check("within", "run", "start", "call", "wait")
def within(expected: str, seen: Seen) -> Verdict:
    """Each took at most this long, on a slow machine as much longer as `time_scale` says."""
    text, spans = _("at most {time}", time=expected), _spans(seen)
    limit = seconds(expected) * 1e9 * seen.time_scale
    if isinstance(spans, str):
        return could_not_tell(text, spans)
    worst = max(spans, key=lambda span: span.long)
    going_on = next((span for span in spans if not span.over), None)
    if worst.long > limit:
        return failed(text, _told(worst), *indices(seen, worst.shown))
    if going_on:
        return could_not_tell(text, _told(going_on), *indices(seen, going_on.shown))
    return passed(text, _told(worst), *indices(seen, worst.shown))


@check("after", "run", "start", "call", "wait")
def after(expected: str, seen: Seen) -> Verdict:
    """Each took at least this long."""
    text, spans = _("at least {time}", time=expected), _spans(seen)
    if isinstance(spans, str):
        return could_not_tell(text, spans)
    short = [span for span in spans if span.long < seconds(expected) * 1e9]
    least = min(short or spans, key=lambda span: (not span.over, span.long))
    answer = passed if not short else failed if least.over else could_not_tell
    return answer(text, _told(least), *indices(seen, least.shown))


def _spans(seen: Seen) -> list[_Span] | str:
    """At least one; or why there is none."""
    if reason := untraced(seen):
        return reason
    if made := seen.attempts:
        return [_span(_("the attempt"), one.started, one.ended, seen, one.calls) for one in made]
    if call := call_of(seen):
        return [_span(call.function, call.time, call.ended, seen, (call,))]
    if seen.action in ("run", "start"):
        ended = exit_of(seen)
        return [_span(_("the program"), seen.window[0], ended.time if ended else None, seen, (ended,) if ended else ())]
    return _("neither an attempt, nor a call, nor a program was seen in this step")


def _span(what: str, started: int, ended: int | None, seen: Seen, shown: tuple[Observation, ...]) -> _Span:
    return _Span(what, (seen.window[1] if ended is None else ended) - started, ended is not None, shown)


def _told(span: _Span) -> str:
    known = {"what": span.what, "time": lasted(span.long)}
    return _("{what} took {time}", **known) if span.over else _("{what} goes on after {time}", **known)
