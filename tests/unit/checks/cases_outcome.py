"""connect, raises, errno, returns."""

from typing import Any

from history_samples import OTHER, Story

from lab.checks.base import Outcome, Seen
from lab.history import Note

PASS, FAIL, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.ERROR


def refused(story: Story | None = None) -> Story:
    return (story or Story()).program(1, error="ECONNREFUSED").syn(1.1).rst(1.2)


def accepted(story: Story | None = None) -> Story:
    return (story or Story()).program(1, caller="7.9").handshake(1.1, local=OTHER)


both = refused(accepted()).look("run")
unknown = Story().program(1, error="ECONNREFUSED").look("run")
half = accepted(Story().program(3, caller="7.5", error="ECONNREFUSED", remote=("10.9.0.8", 81))).look("run")
untraced = refused().add(Note("client", 1, "trace", 1, "strace is not on this host")).look("run")

refusal = Story().call(1, error="ECONNREFUSED", message="ConnectionRefusedError: [Errno 111] Connection refused")
silent = Story().call(1, "bind", result=None).look()
pending = Story().call(1, "accept", ended=None).look()
late = Story(end=100).call(1, "accept", ended=200, result=1).look()
progress = Story().call(1, "connect_ex", result=115).look()
out_of_range = Story().call(1, "bind", error="OverflowError", message="OverflowError: bind(): port must be 0-65535.")


def returned(result: Any, targets: tuple[str, ...] = (), **fields: Any) -> Seen:
    return Story().call(1, "recv", result=result, **fields).look(targets=targets)


accepting = returned(({"socket": "conn"}, ("10.9.0.3", 40000)), ("conn", "peer"))

CASES: dict[tuple[str, Outcome], list[tuple[Any, Seen]]] = {
    ("connect", PASS): [
        ("refused", refused().look("run")),
        ("accepted", accepted().look("run")),
        ("accepted", accepted().add(Note("client", 1, "trace", 2, "another step's")).look("run")),
        ({"accepted": 1, "refused": ">= 1"}, both),
    ],
    ("connect", FAIL): [
        ("accepted", refused().look("run")),
        ("accepted", both),
        ({"accepted": 2}, both),
        ({"accepted": 1}, both),
        ({"accepted": 1, "refused": 1, "timed-out": 1}, both),
        ({"accepted": 3}, half),
        ("refused", half),
    ],
    ("connect", ERROR): [
        ("refused", unknown),
        ("refused", untraced),
        ("refused", Story().look("run")),
        ("accepted", half),
        ({"accepted": 1, "refused": 1}, half),
        ({"accepted": 1}, half),
    ],
    ("raises", PASS): [
        ("ConnectionRefusedError", refusal.look()),
        ("nothing", silent),
        ("OverflowError", out_of_range.look()),
        ("nothing", progress),
    ],
    ("raises", FAIL): [
        ("nothing", refusal.look()),
        ("OSError", refusal.look()),
        ("ConnectionRefusedError", silent),
    ],
    ("raises", ERROR): [("nothing", pending), ("nothing", late), ("nothing", Story().look())],
    ("errno", PASS): [("ECONNREFUSED", refusal.look()), ("EINPROGRESS", progress)],
    ("errno", FAIL): [("ECONNRESET", refusal.look()), ("ECONNREFUSED", silent), ("ECONNREFUSED", out_of_range.look())],
    ("errno", ERROR): [("ECONNREFUSED", pending), ("ECONNREFUSED", Story().look())],
    ("returns", PASS): [
        ("b'abc'", returned(b"abc")),
        ('b"\\n"', returned(b"\n")),
        (5, returned(5)),
        (None, returned(None)),
        (True, returned(True)),
        ("10.9.0.2", returned(("10.9.0.2", 80))),
        ("10.9.0.2:80", returned(("10.9.0.2", 80))),
        (["10.9.0.2", 80], returned(("10.9.0.2", 80))),
        ({"peer": "10.9.0.3"}, accepting),
        ({"data": "b'x'"}, returned(b"x", ("data",))),
    ],
    ("returns", FAIL): [
        ("b'abd'", returned(b"abc")),
        ("abc", returned(b"abc")),
        (4, returned(5)),
        (1, returned(True)),
        (None, returned(0)),
        ("10.9.0.3", returned(("10.9.0.2", 80))),
        (["10.9.0.2"], returned(("10.9.0.2", 80))),
        ({"peer": "10.9.0.4"}, accepting),
        (None, returned(None, error="ETIMEDOUT")),
    ],
    ("returns", ERROR): [(None, pending), ({"pear": "10.9.0.3"}, accepting), (5, Story().look())],
}
