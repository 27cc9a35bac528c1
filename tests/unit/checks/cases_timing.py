"""within, after."""

from typing import Any

from history_samples import Story

from lab.checks.base import Outcome, Seen
from lab.history import Note

PASS, FAIL, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.ERROR

attempt = Story().program(1, error="TIMEOUT", ended=301).syn(1.1).exit(2000)
two = Story().program(1, error="TIMEOUT", ended=301).program(400, caller="7.4", error="TIMEOUT", ended=1400)
call = Story().call(1, "recv", ended=51)
program = Story().exit(800)
going_on = Story(end=500).call(1, "accept", ended=None)
running = Story(end=500)
untraced = Story().exit(800).add(Note("client", 1, "trace", 1, "no strace"))

CASES: dict[tuple[str, Outcome], list[tuple[Any, Seen]]] = {
    ("within", PASS): [
        ("300 ms", attempt.look("run")),
        ("1 s", two.look("run")),
        ("50 ms", call.look()),
        ("800 ms", program.look("run")),
        ("10 ms", call.look(time_scale=5.0)),
    ],
    ("within", FAIL): [
        ("299 ms", attempt.look("run")),
        ("500 ms", two.look("run")),
        ("49 ms", call.look()),
        ("700 ms", program.look("run")),
        ("400 ms", going_on.look()),
        ("400 ms", running.look("run")),
    ],
    ("within", ERROR): [
        ("600 ms", going_on.look()),
        ("600 ms", running.look("run")),
        ("1 s", untraced.look("run")),
        ("1 s", Story().look("wait")),
    ],
    ("after", PASS): [
        ("300 ms", attempt.look("run")),
        ("300 ms", two.look("run")),
        ("50 ms", call.look(time_scale=5.0)),
        ("400 ms", going_on.look()),
    ],
    ("after", FAIL): [("301 ms", attempt.look("run")), ("500 ms", two.look("run")), ("51 ms", call.look())],
    ("after", ERROR): [("600 ms", going_on.look()), ("1 s", running.look("run")), ("0 s", Story().look("wait"))],
}
