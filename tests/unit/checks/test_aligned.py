"""A pattern that does not fit is shown beside what was seen: the rows of packets, calls and states."""

from typing import Any

from cases_calls import client, ended, pending, serving
from cases_states import chosen, closed, skipped, table
from cases_wire import refused, slept, talk
from history_samples import Story

from lab.checks import CHECKS
from lab.checks.base import Outcome, Seen
from lab.checks.look import lasted
from lab.checks.ordered import SHOWN_ITEMS, SHOWN_ROWS


def rows(check: str, expected: Any, seen: Seen) -> list[tuple[str, str, str]]:
    verdict = CHECKS[check].function(expected, seen)
    assert verdict.outcome is not Outcome.PASS
    return [(" " if row.same else "x", row.expected, row.observed) for row in verdict.aligned]


def test_packets() -> None:
    assert CHECKS["packets"].function("none", refused().look()).observed == "> SYN, < RST"
    assert rows("packets", "> SYN, < SYN-ACK, > ACK", refused().look()) == [
        (" ", "> SYN", "+0.1 ms > SYN on lan"),
        ("x", "< SYN-ACK", "+0.1 ms < RST on lan"),
        ("x", "> ACK", ""),
    ]
    assert rows("packets", "> SYN, < SYN-ACK", slept) == [
        (" ", "> SYN", "+0.1 ms > SYN on lan"),
        ("x", "< SYN-ACK", "+0.1 ms < RST on lan"),
    ]
    assert rows("packets", "> SYN, ..., > FIN", talk.look()) == [
        (" ", "> SYN", "+0.1 ms > SYN on lan"),
        (" ", "...", "... 5 packets"),
        ("x", "> FIN", ""),
    ]


def test_a_packet_that_came_too_late_stands_beside_what_asked_for_it() -> None:
    slow = Story().call(1, ended=1005).syn(1.1).syn(1001).packet(1002.5, "SYN", "ACK", back=True)
    assert rows("packets", "> SYN, < SYN-ACK within 1 ms", slow.look()) == [
        (" ", "> SYN", "+0.1 ms > SYN on lan"),
        ("x", "", "+1000 ms > SYN on lan again"),
        ("x", "< SYN-ACK within 1 ms", "+1.5 ms < SYN-ACK on lan"),
    ]


def test_calls() -> None:
    assert rows("calls", "socket, connect = ECONNREFUSED, ..., close", ended(client())) == [
        (" ", "socket", "socket in 1 ms"),
        ("x", "connect = ECONNREFUSED", "connect in 1 ms"),
        (" ", "...", "... 3 calls"),
        (" ", "close", "close in 1 ms"),
    ]
    assert rows("calls", "socket, accept", serving) == [(" ", "socket", "socket in 1 ms"), ("x", "accept", "")]
    assert rows("calls", "accept within 1 s", pending) == [("x", "accept within 1 s", "accept = pending for 499 ms")]


def test_states() -> None:
    assert rows("states", "SYN-SENT, ESTAB, CLOSE-WAIT, TIME-WAIT", closed) == [
        (" ", "SYN-SENT", "SYN-SENT"),
        (" ", "ESTAB", "ESTAB"),
        (" ", "...", "FIN-WAIT-1, FIN-WAIT-2"),
        ("x", "CLOSE-WAIT", ""),
        (" ", "TIME-WAIT", "TIME-WAIT"),
    ]
    assert rows("states", "ESTAB, CLOSE-WAIT, gone", skipped)[1:3] == [
        (" ", "...", "TIME-WAIT"),
        ("x", "CLOSE-WAIT", ""),
    ]
    assert rows("states", chosen("LISTEN, gone"), table("LISTEN")) == [(" ", "LISTEN", "LISTEN"), ("x", "gone", "")]


def test_what_is_seen_without_end_is_shown_with_one() -> None:
    flood = Story().call(1).handshake(1.1)
    for number in range(500):
        flood.packet(2 + number, "ACK", "PSH", length=1, seq=40001 + number)
    verdict = CHECKS["packets"].function("> SYN, < RST", flood.look())
    assert len(verdict.aligned) == SHOWN_ROWS + 1
    assert verdict.aligned[-1].observed == f"({503 - SHOWN_ROWS} more rows)"
    assert verdict.observed.endswith(f"> DATA, ... and {503 - SHOWN_ITEMS} more")


def test_how_long_it_took_is_said_as_finely_as_it_matters() -> None:
    times = (240_000, 9_900_000, 10_000_000, 300_400_000, 999_000_000, 1_000_000_000, 20_020_000_000)
    assert [lasted(time) for time in times] == ["0.24 ms", "9.9 ms", "10 ms", "300 ms", "999 ms", "1.00 s", "20.02 s"]
