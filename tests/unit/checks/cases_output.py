"""stdout, stderr, exit."""

from typing import Any

from history_samples import Story, at

from lab.checks.base import Outcome, Seen
from lab.history import Note, Output
from lab.model import TextExpectation

PASS, FAIL, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.ERROR

ended = Story().output(1, "Received b'Hello").output(2, ", world'\n").exit(3)
running = Story().output(1, "listening\n")
later = Story(end=10).output(1, "a").output(20, "b").exit(30)
cut = Story().output(1, "Hello").exit(3).add(Note("client", at(2), "truncated", 1))
broken = Story().add(Output("client", at(1), 1, "stdout", b"\xff\xc3")).exit(3)


def text(**expected: Any) -> TextExpectation:
    return TextExpectation(**expected)


hello, world = text(contains=("Hello, world",)), text(contains=("world", "Hello"))

CASES: dict[tuple[str, Outcome], list[tuple[Any, Seen]]] = {
    ("stdout", PASS): [
        (hello, ended.look("run")),
        (world, ended.look("run")),
        (text(lacks=("Traceback",)), ended.look("run")),
        (text(equals="Received b'Hello, world'\n"), ended.look("run")),
        (text(contains=("listening",)), running.look("start")),
        (text(lacks=("Traceback",)), running.look("start")),
        (text(contains=("Hello",)), cut.look("run")),
        (text(contains=("\ufffd",)), broken.look("run")),
        (text(equals=""), Story().exit(3).look("run")),
    ],
    ("stdout", FAIL): [
        (text(contains=("Goodbye",)), ended.look("run")),
        (text(contains=("Hello", "Goodbye")), ended.look("run")),
        (text(lacks=("Hello",)), ended.look("run")),
        (text(lacks=("Hello",)), cut.look("run")),
        (text(equals="Received"), ended.look("run")),
        (hello, running.look("start")),
        (hello, Story().exit(3).look("run")),
    ],
    ("stdout", ERROR): [
        (hello, Story().look("run")),
        (text(), ended.look("run")),
        (text(contains=("b",)), later.look("run")),
        (text(lacks=("b",)), later.look("run")),
        (text(lacks=("Traceback",)), cut.look("run")),
        (hello, cut.look("run")),
    ],
    ("stderr", PASS): [
        (text(contains=("oh",)), Story().output(1, "oh", "stderr").exit(2).look("run")),
        (text(equals=""), ended.look("run")),
    ],
    ("stderr", FAIL): [(text(contains=("Hello",)), ended.look("run"))],
    ("stderr", ERROR): [(text(contains=("Hello",)), Story().look("run"))],
    ("exit", PASS): [
        (0, Story().exit(3).look("run")),
        (">= 1", Story().exit(3, 7).look("run")),
        (143, Story().exit(3, 143, "stopped").look("start")),
    ],
    ("exit", FAIL): [
        (0, Story().exit(3, 1).look("run")),
        (">= 1", Story().exit(3, 143, "timeout").look("run")),
        (143, Story().exit(3, 143, "case-end").look("start")),
    ],
    ("exit", ERROR): [(0, Story().look("run")), (0, Story(end=2).exit(3).look("run"))],
}
