"""What a program wrote, and how it ended: stdout, stderr, exit."""

from lab.checks.base import Seen, Verdict, check, could_not_tell, failed, passed
from lab.checks.look import exit_of, indices
from lab.history import Exit, Note, Output
from lab.i18n import _
from lab.model import TextExpectation
from lab.patterns import amount

SHOWN = 300


@check("stdout", "run", "start", "wait")
def stdout(expected: TextExpectation, seen: Seen) -> Verdict:
    """What the program wrote to its standard output."""
    return _text(expected, seen, "stdout")


@check("stderr", "run", "start", "wait")
def stderr(expected: TextExpectation, seen: Seen) -> Verdict:
    """What the program wrote to its standard error."""
    return _text(expected, seen, "stderr")


def _text(expected: TextExpectation, seen: Seen, stream: str) -> Verdict:
    words = _words(expected)
    if not words:
        return could_not_tell("contains, lacks or equals", _("nothing is expected of the text"))
    outputs = list(seen.own(Output))
    pieces = [one for one in outputs if one.stream == stream]
    ended, evidence = exit_of(seen), indices(seen, pieces)
    if not outputs and ended is None and seen.action != "start":
        return could_not_tell(words, _("no program was seen in this step"))
    text = b"".join(piece.data for piece in pieces).decode("utf-8", "replace")
    present = all(part in text for part in expected.contains)
    going_on = ended is None and seen.action != "start"  # a program left running is asked for what it wrote so far
    complete = not _truncated(seen) and not going_on
    absent = not any(part in text for part in expected.lacks) and expected.equals in (None, text)
    if present and absent and (complete or not (expected.lacks or expected.equals is not None)):
        return passed(words, _shown(text), *evidence)
    if not complete and not any(part in text for part in expected.lacks):
        reason = _("the program has not ended; so far") if going_on else _("only a part of what it wrote was kept")
        return could_not_tell(words, f"{reason}: {_shown(text)}", *evidence)
    return failed(words, _shown(text), *evidence)


def _words(expected: TextExpectation) -> str:
    parts = [f"contains {part!r}" for part in expected.contains] + [f"lacks {part!r}" for part in expected.lacks]
    return ", ".join(parts + ([f"equals {expected.equals!r}"] if expected.equals is not None else []))


def _truncated(seen: Seen) -> bool:
    return any(note.what == "truncated" and note.step == seen.step for note in seen.history.all(Note, seen.host))


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"…{text[-SHOWN:]}") if text else _("nothing written")


@check("exit", "run", "start", "wait")
def exit_status(expected: int | str, seen: Seen) -> Verdict:
    """How the program ended by itself, or when it was stopped; a deadline of the lab's is never what was expected."""
    ended = exit_of(seen)
    if ended is None:
        return could_not_tell(str(expected), _("the program has not ended"))
    least, most = amount(expected)
    holds = least <= ended.code <= most and ended.because in ("", "stopped")
    return (passed if holds else failed)(str(expected), _status(ended), *indices(seen, [ended]))


def _status(ended: Exit) -> str:
    return f"{ended.code} ({ended.because})" if ended.because else str(ended.code)
