"""Five hundred connections at once are judged in well under a second."""

import time
from typing import Any

import pytest
from history_samples import SERVER, Story

from lab.checks import CHECKS
from lab.checks.base import Outcome

MANY = 500


def many(known_port: bool) -> Story:
    """Programs' connects that overlap, each seen by both taps and in both tables; every tenth is refused."""
    story = Story().tap("server")
    for number in range(MANY):
        local, begun = ("10.9.0.3", 20_000 + 2 * number), number / 10
        refused = number % 10 == 9
        told = {"caller": f"7.{number + 3}", "ended": begun + 100, "error": "ECONNREFUSED" if refused else None}
        story.program(begun, local=local if known_port else None, **told)
        for host in ("client", "server"):
            if refused:
                story.syn(begun + 0.1, local=local, host=host).rst(begun + 0.2, local=local, host=host)
            else:
                story.handshake(begun + 0.1, local=local, host=host)
        ends: dict[str, Any] = {"local": SERVER, "remote": local, "host": "server", "id": number}
        story.states(begun + 1, *([] if refused else ["SYN-RECV", "ESTAB"]), **ends)
    return story


@pytest.mark.parametrize("known_port", [True, False])
def test_many_connections_are_judged_in_no_time(known_port: bool) -> None:
    story = many(known_port)
    here, there = story.look("run"), story.look("run", on="server")
    asked = [
        ("connect", {"accepted": MANY * 9 // 10, "refused": MANY // 10}, here, Outcome.PASS),
        ("interface", ("lan",), there, Outcome.PASS),
        ("packets", {"> SYN": MANY, "< RST": MANY // 10}, there, Outcome.PASS),
        ("within", "200 ms", here, Outcome.PASS),
        ("states", "ESTAB", there, Outcome.ERROR),  # the refused ones have no socket
    ]
    begun = time.process_time()
    answers = [CHECKS[name].function(expected, seen) for name, expected, seen, _ in asked]
    assert time.process_time() - begun < 1
    assert [answer.outcome for answer in answers] == [outcome for *_, outcome in asked]
