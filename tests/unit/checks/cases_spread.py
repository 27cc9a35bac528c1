"""spread: what came of the turns of a repeated step."""

from typing import Any

from history_samples import Story, at
from msgspec.structs import replace

from lab.checks.base import Outcome, Seen
from lab.history import Exit, Note, Output
from lab.model import SpreadExpectation

PASS, FAIL, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.ERROR


def spread(**expected: Any) -> tuple[SpreadExpectation, ...]:
    return (SpreadExpectation(**expected),)


def said(*words: str, ends: int = 9, code: int = 0, because: str = "") -> Seen:
    """Turns of a program that wrote these words."""
    story = Story()
    for turn, word in enumerate(words):
        time = 10 * turn + 1
        story.add(Note("client", at(time), "turn", 1, str(turn)))
        if word:
            story.add(Output("client", at(time + 1), 1, "stdout", f"{word}\n".encode(), turn))
        if turn < ends:
            story.add(Exit("client", at(time + 2), 1, code + turn, because, turn))
    return replace(story.look("run"), turns=len(words))


def tried(*errors: str | None, function: str = "connect", **fields: Any) -> Seen:
    """Turns of a call that ended so, each after a handshake or a refusal."""
    story = Story()
    for turn, error in enumerate(errors):
        time = 10 * turn + 1
        local = ("10.9.0.3", 40000 + turn)
        message = f"{error}: of its own" if error else ""
        told: dict[str, Any] = {"turn": turn, "error": error, "message": message, "local": local} | fields
        story.call(time, function, **told).syn(time + 0.1, local=local)
        if error:
            story.rst(time + 0.2, local=local)
        else:
            story.packet(time + 0.2, "SYN", "ACK", back=True, local=local).packet(time + 0.3, "ACK", local=local)
    return replace(story.look("call"), turns=len(errors))


same, other, three = said("a", "a", "a"), said("a", "b", "a", "b"), said("a", "b", "c")
refused, mixed = tried("ECONNREFUSED", "ECONNREFUSED"), tried(None, "ECONNREFUSED", None)
unended = tried(None, None, function="recv", ended=None)

CASES: dict[tuple[str, Outcome], list[tuple[Any, Seen]]] = {
    ("spread", PASS): [
        (spread(of="stdout", distinct=1), same),
        (spread(of="stdout", distinct=">= 2", among=("a", "b"), each=2), other),
        (spread(of="stdout", each="50 %"), other),
        (spread(of="stdout", among=("a", "b", "c"), each="30..40 %"), three),
        (spread(of="stdout", among=("nothing written",)), said("", "")),
        (spread(of="stdout", distinct=1) + spread(of="exit", distinct=3), same),
        (spread(of="exit", among=(7, 8), each=1), said("a", "a", code=7)),
        (spread(of="connect", among=("refused",), each=2), refused),
        (spread(of="connect", distinct=2, among=("accepted", "refused")), mixed),
        (spread(of="errno", among=("none", "ECONNREFUSED"), each=">= 1"), mixed),
        (spread(of="raises", distinct=2, among=("nothing", "ECONNREFUSED")), mixed),
        (spread(of="returns", among=("4", "7")), tried(None, None, function="send", result=4)),
        (spread(of="peer", among=("10.9.0.2",)), mixed),
        (spread(of="local", distinct=1), mixed),
        (spread(of="local", distinct=1), tried(None, None, function="bind")),
    ],
    ("spread", FAIL): [
        (spread(of="stdout", distinct=1), other),
        (spread(of="stdout", distinct=">= 2"), same),
        (spread(of="stdout", among=("a",)), other),
        (spread(of="stdout", among=("a", "z"), each=">= 1"), same),
        (spread(of="stdout", among=("a", "b"), each=">= 60 %"), other),
        (spread(of="stdout", each="<= 30 %"), three),
        (spread(of="stdout", distinct=1) + spread(of="exit", distinct=1), same),
        (spread(of="connect", distinct=1), mixed),
        (spread(of="errno", among=("none",)), mixed),
        (spread(of="returns", distinct=2), tried(None, None, function="send", result=4)),
        (spread(of="peer", among=("10.9.0.7",)), mixed),
    ],
    ("spread", ERROR): [
        (spread(of="stdout", distinct=1), Story().output(1, "a").exit(3).look("run")),
        (spread(of="stdout"), same),
        (spread(of="stdout", distinct=1), said("a", "a", ends=1)),
        (spread(of="exit", distinct=">= 1"), said("a", "a", because="timeout")),
        (spread(of="connect", distinct=1), same),
        (spread(of="connect", distinct=1), tried(None, None, error="ECONNREFUSED")),
        (spread(of="peer", distinct=1), same),
        (spread(of="errno", distinct=1), same),
        (spread(of="returns", distinct=1), unended),
        (spread(of="stdout", distinct=1), replace(three, turns=4)),
    ],
}
