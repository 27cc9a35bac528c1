"""What a verdict names as evidence: all that it was judged by, and nothing else."""

from typing import Any

import pytest
from cases_calls import client, ended, refused, serving
from cases_states import both, chosen, served, skipped
from cases_wire import mixed, slept, talk

from lab.checks import CHECKS
from lab.checks.base import Outcome, Seen
from lab.history import Call, Packet, SocketSeen

PASS, FAIL, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.ERROR
FIVE = "socket, connect, send, recv, recv, close"


def told(check: str, expected: Any, seen: Seen) -> tuple[Outcome, list[str]]:
    """The outcome, and the evidence in a word each."""
    verdict = CHECKS[check].function(expected, seen)
    return verdict.outcome, [word(seen.history.observations[place]) for place in verdict.evidence]


def word(seen: object) -> str:
    if isinstance(seen, Call):
        return seen.function
    if isinstance(seen, Packet):
        return f"{'-'.join(seen.flags)} on {seen.interface}"
    assert isinstance(seen, SocketSeen)
    return f"{seen.id} {'gone' if seen.gone else seen.row.state}"


@pytest.mark.parametrize(
    ("expected", "seen", "outcome", "evidence"),
    [
        (
            "> SYN, < SYN-ACK, > ACK, ...",
            talk.look(),
            PASS,
            ["connect", "SYN on lan", "SYN-ACK on lan", "ACK on lan", "ACK-PSH on lan", "ACK on lan", "ACK-FIN on lan"],
        ),
        ("> SYN, < RST", mixed, FAIL, ["connect", "SYN on lo", "SYN-ACK on lo", "ACK on lo"]),
        ("> SYN, < RST", slept, ERROR, ["connect", "SYN on lan", "ACK-RST on lan"]),
        ({"> SYN": 2}, slept, ERROR, ["connect", "SYN on lan", "ACK-RST on lan"]),
        (
            {"> SYN": 2, "< RST": 1},
            mixed,
            PASS,
            ["connect", "SYN on lan", "ACK-RST on lan", "connect", "SYN on lo", "SYN-ACK on lo", "ACK on lo"],
        ),
    ],
)
def test_of_packets(expected: Any, seen: Seen, outcome: Outcome, evidence: list[str]) -> None:
    assert told("packets", expected, seen) == (outcome, evidence)


@pytest.mark.parametrize(
    ("expected", "seen", "outcome", "evidence"),
    [
        (FIVE, ended(client()), PASS, ["socket", "connect", "sendto", "recvfrom", "recvfrom", "close"]),
        ("socket, connect = ok, close", ended(refused()), FAIL, ["socket", "connect", "close"]),
        ({"connect": 1}, ended(refused()), PASS, ["socket", "connect", "close"]),
        ({"connect": 2}, ended(refused()), FAIL, ["socket", "connect", "close"]),
        ("socket, accept", serving, ERROR, ["socket", "accept4"]),
        ({"accept": 1}, serving, ERROR, ["socket", "accept4"]),
    ],
)
def test_of_calls(expected: Any, seen: Seen, outcome: Outcome, evidence: list[str]) -> None:
    assert told("calls", expected, seen) == (outcome, evidence)


@pytest.mark.parametrize(
    ("expected", "seen", "outcome", "evidence"),
    [
        ("ESTAB, gone", skipped, PASS, ["1 ESTAB", "1 TIME-WAIT", "1 gone"]),
        ("CLOSE-WAIT, gone", skipped, FAIL, ["1 ESTAB", "1 TIME-WAIT", "1 gone"]),
        ("SYN-SENT, ESTAB", both.look(), PASS, ["1 SYN-SENT", "1 ESTAB"]),
        (chosen("LISTEN, gone"), served.look("observe"), FAIL, ["1 LISTEN"]),
        (chosen("SYN-RECV, ESTAB"), served.look("observe"), PASS, ["2 SYN-RECV", "2 ESTAB"]),
    ],
)
def test_of_states(expected: Any, seen: Seen, outcome: Outcome, evidence: list[str]) -> None:
    assert told("states", expected, seen) == (outcome, evidence)
