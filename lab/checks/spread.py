"""What came of the turns of a repeated step: how many different values, which, and how often each: spread."""

from collections import Counter
from collections.abc import Callable, Sequence

from lab.checks.base import Seen, Verdict, check, could_not_tell, failed, passed
from lab.checks.look import call_of, exit_of, far_end, indices, tried
from lab.checks.outcome import NOTHING, shown
from lab.history import Call, Note, Observation, Output
from lab.i18n import _, counted
from lab.model import SpreadExpectation
from lab.patterns import amount, share
from lab.tries import error_of

SHOWN, LONGEST = 8, 80
_Value = tuple[str, Sequence[Observation]]  # and what tells it


@check("spread", "run", "call")
def spread(expected: Sequence[SpreadExpectation], seen: Seen) -> Verdict:
    """The values of all turns, taken together; a turn that tells none is an ERROR."""
    text = "; ".join(map(_words, expected))
    if seen.turns < 2:
        return could_not_tell(text, _("the step has no turns that could be compared; repeat: N gives it some"))
    told, wrong, evidence = [], False, []
    for one in expected:
        if one.distinct is None and one.among is None and one.each is None:
            return could_not_tell(text, _("neither distinct, nor among, nor each is expected of the values"))
        values = [VALUES[one.of](turn) for turn in seen.each]
        silent = next((number for number, value in enumerate(values) if isinstance(value, str)), None)
        if silent is not None:
            known = {"number": silent + 1, "count": seen.turns, "value": one.of, "why": values[silent]}
            return could_not_tell(text, _("turn {number} of {count} tells no {value}: {why}", **known))
        telling = [value for value in values if isinstance(value, tuple)]
        counts = Counter(value for value, __ in telling)
        told.append(f"{one.of} {_listed(counts)}")
        wrong |= not _holds(one, counts)
        evidence += [first for __, found in telling for first in found[:1]]
    return (failed if wrong else passed)(text, "; ".join(told), *indices(seen, evidence))


def _holds(expected: SpreadExpectation, counts: Counter[str]) -> bool:
    if expected.distinct is not None:
        least, most = amount(expected.distinct)
        if not least <= len(counts) <= most:
            return False
    if expected.among and not counts.keys() <= set(map(str, expected.among)):
        return False
    if expected.each is None:
        return True
    (least, most), percent = share(expected.each)
    scale = 100 / counts.total() if percent else 1
    return all(least <= counts[str(value)] * scale <= most for value in expected.among or counts)


def _words(expected: SpreadExpectation) -> str:
    said = [f"{expected.of}:"]
    said += [f"{expected.distinct} distinct"] if expected.distinct is not None else []
    said += [f"among {', '.join(map(str, expected.among))}"] if expected.among else []
    said += [f"{expected.each} of each"] if expected.each is not None else []
    return " ".join([said[0], ", ".join(said[1:])])


def _listed(counts: Counter[str]) -> str:
    """The values, each with how often it came; the rarer ones of many only counted."""
    common = counts.most_common(SHOWN)
    words = [
        counted("{value} {count} time", "{value} {count} times", often, value=_short(value)) for value, often in common
    ]
    more = [_("and {count:,} more", count=len(counts) - SHOWN)] if len(counts) > SHOWN else []
    return ", ".join(words + more)


def _short(value: str) -> str:
    return value if len(value) < LONGEST else value[: LONGEST - 1] + "…"


def _connect(turn: Seen) -> _Value | str:
    """How the turn's attempts ended, in their order."""
    made = tried(turn)
    if isinstance(made, str):
        return made
    unknown = next((one.why for one in made if one.outcome == "unknown"), None)
    return unknown or (", ".join(one.outcome for one in made), [one.calls[0] for one in made])


def _end(side: str) -> Callable[[Seen], _Value | str]:
    def end(turn: Seen) -> _Value | str:
        """The address at that end of the turn's last attempt, or of its call."""
        made = tried(turn)
        if not isinstance(made, str):
            last = made[-1]
            found = far_end(last) if side == "remote" else last.local
            return (found[0], [last.calls[0]]) if found else _("its last attempt does not tell the address")
        call = call_of(turn)
        found = getattr(call, side) if call else None
        return (found[0], [call]) if call and found else made

    return end


def _of_call(tell: Callable[[Call], str]) -> Callable[[Seen], _Value | str]:
    def value(turn: Seen) -> _Value | str:
        call = call_of(turn)
        if call is None:
            return _("no call was recorded for this step")
        if call.ended is None:
            return _("{call} has not returned", call=call.function)
        return tell(call), [call]

    return value


def _raised(call: Call) -> str:
    return call.message.partition(":")[0].rpartition(".")[2] if call.error else NOTHING


def _returned(call: Call) -> str:
    return call.message or call.error if call.error else shown(call.result)


def _stdout(turn: Seen) -> _Value | str:
    """All that it wrote, without the white space around it."""
    ended = exit_of(turn)
    if ended is None:
        return _("the program has not ended")
    notes = turn.history.all(Note, turn.host)
    if any(note.what == "truncated" and note.step == turn.step for note in notes):
        return _("only a part of what it wrote was kept")
    pieces = [one for one in turn.own(Output) if one.stream == "stdout"]
    text = b"".join(one.data for one in pieces).decode("utf-8", "replace").strip()
    return text or "nothing written", pieces or [ended]


def _exit(turn: Seen) -> _Value | str:
    ended = exit_of(turn)
    if ended is None or ended.because not in ("", "stopped"):
        return _("the program did not end by itself")
    return str(ended.code), [ended]


VALUES: dict[str, Callable[[Seen], _Value | str]] = {
    "connect": _connect,
    "peer": _end("remote"),
    "local": _end("local"),
    "raises": _of_call(_raised),
    "errno": _of_call(lambda call: error_of(call) or "none"),
    "returns": _of_call(_returned),
    "stdout": _stdout,
    "exit": _exit,
}
