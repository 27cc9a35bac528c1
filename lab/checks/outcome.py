"""How a call or an attempt to connect came out: connect, raises, errno, returns."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lab.attempts import Attempt
from lab.calls import literal_of
from lab.checks.base import Seen, Verdict, check, could_not_tell, failed, passed
from lab.checks.look import call_of, evidence_of, indices, lasted, tried
from lab.history import Call
from lab.i18n import _
from lab.patterns import amount
from lab.tries import error_of

NOTHING = "nothing"


@check("connect", "run", "start", "call", "wait")
def connect(expected: str | Mapping[str, int | str], seen: Seen) -> Verdict:
    """All attempts ended so; or as many as told ended in each way, and none in another."""
    text = expected if isinstance(expected, str) else ", ".join(f"{count} {word}" for word, count in expected.items())
    made = tried(seen)
    if isinstance(made, str):
        return could_not_tell(text, made)
    certain, holds = _certain(expected, made) if isinstance(expected, str) else _counted(expected, made)
    answer = (passed if holds else failed) if certain else could_not_tell
    return answer(text, _observed(expected, made), *evidence_of(seen, made))


def _certain(expected: str, made: Sequence[Attempt]) -> tuple[bool, bool]:
    """(whether the answer is certain, what it is) where all attempts must end in one way."""
    wrong = any(attempt.outcome not in (expected, "unknown") for attempt in made)
    known = all(attempt.outcome != "unknown" for attempt in made)
    return wrong or known, not wrong


def _counted(expected: Mapping[str, int | str], made: Sequence[Attempt]) -> tuple[bool, bool]:
    counts = Counter(attempt.outcome for attempt in made)
    unknown = counts.pop("unknown", 0)
    ranges = {word: amount(expected.get(word, 0)) for word in {*expected, *counts}}
    too_many = any(counts[word] > most for word, (_, most) in ranges.items())
    lacking = sum(max(0, least - counts[word]) for word, (least, _) in ranges.items())
    wrong = too_many or lacking > unknown
    return wrong or not unknown, not wrong


def _observed(expected: str | Mapping[str, int | str], made: Sequence[Attempt]) -> str:
    told = next((attempt for attempt in made if attempt.outcome != expected), made[0])
    words = _told(told)
    if len(made) == 1:
        return words
    counts = Counter(attempt.outcome for attempt in made)
    summary = ", ".join(f"{count} {word}" for word, count in counts.items())
    return f"{summary}; {words}" if isinstance(expected, str) or "unknown" in counts else summary


def _told(attempt: Attempt) -> str:
    if attempt.ended is None:
        return f"{attempt.outcome}: {attempt.why}"
    took = lasted(attempt.ended - attempt.started)
    return _("{outcome} in {time}: {why}", outcome=attempt.outcome, time=took, why=attempt.why)


@check("raises", "call", "wait")
def raises(expected: str, seen: Seen) -> Verdict:
    """The call raised an exception of this class, or nothing."""
    call = call_of(seen)
    if call is None or call.ended is None:
        return _no_end(expected, call, seen)
    name = call.message.partition(":")[0].rpartition(".")[2] if call.error else NOTHING
    answer = passed if name == expected.rpartition(".")[2] else failed
    return answer(expected, call.message or name, *indices(seen, [call]))


@check("errno", "call", "wait")
def errno(expected: str, seen: Seen) -> Verdict:
    """The call failed with this errno, or returned its number as `connect_ex` does."""
    call = call_of(seen)
    if call is None or call.ended is None:
        return _no_end(expected, call, seen)
    name = error_of(call)
    answer = passed if name == expected else failed
    return answer(expected, name or _("no error: it returned {result!r}", result=call.result), *indices(seen, [call]))


@check("returns", "call", "wait")
def returns(expected: Any, seen: Seen) -> Verdict:
    """The call returned this; or `{name: value}` for the names that it assigned."""
    call = call_of(seen)
    if call is None or call.ended is None:
        return _no_end(repr(expected), call, seen)
    evidence = indices(seen, [call])
    if call.error:
        return failed(repr(expected), call.message or call.error, *evidence)
    if isinstance(expected, Mapping):
        values = _assigned(call, seen.targets)
        if unknown := [name for name in expected if name not in values]:
            why = _("the call assigned no {name!r}, but {names}", name=unknown[0], names=sorted(values))
            return could_not_tell(
                repr(expected),
                why,
                *evidence,
            )
        holds = all(same(value, values[name]) for name, value in expected.items())
        observed = ", ".join(f"{name} = {shown(values[name])}" for name in expected)
    else:
        holds, observed = same(expected, call.result), shown(call.result)
    return (passed if holds else failed)(shown(expected), observed, *evidence)


def _assigned(call: Call, targets: Sequence[str]) -> dict[str, Any]:
    if len(targets) == 1:
        return {targets[0]: call.result}
    values = call.result if isinstance(call.result, tuple | list) else ()
    return dict(zip(targets, values, strict=False))


def same(expected: Any, observed: Any) -> bool:
    """Whether a value is the one that the file means: `b'abc'` as text is bytes, an address alone is the address of an
    (address, port), a list is a tuple."""
    if isinstance(observed, bytes):
        return _literal(expected) == observed
    if isinstance(observed, tuple | list):
        if isinstance(expected, str) and len(observed) >= 2:
            return expected in (observed[0], f"{observed[0]}:{observed[1]}")
        if not isinstance(expected, tuple | list):
            return False
        return len(expected) == len(observed) and all(map(same, expected, observed))
    boolean = isinstance(expected, bool) or isinstance(observed, bool)
    alike: bool = expected is observed if boolean else expected == observed
    return alike


def _literal(expected: Any) -> object:
    if isinstance(expected, str) and expected[:2] in ("b'", 'b"'):
        try:
            return literal_of(expected)
        except (ValueError, SyntaxError):
            return expected
    return expected


def shown(value: Any) -> str:
    """A value as the file would say it, cut where it is long."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 200 else f"{text[:200]}… ({_('{count} characters', count=len(text))})"


def _no_end(expected: str, call: Call | None, seen: Seen) -> Verdict:
    if call is None:
        return could_not_tell(expected, _("no call was recorded for this step"))
    return could_not_tell(expected, _("{call} has not returned", call=call.function), *indices(seen, [call]))
