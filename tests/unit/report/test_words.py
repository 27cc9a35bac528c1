"""The words that the forms share."""

import pytest
from report_samples import ERRING, FAILING, HOSTILE, PASSING, SKIPPED, UNDONE, client, judged, report

from lab.checks.base import Outcome, failed, passed
from lab.report import clean, clip, decided, duration, faults


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 ms"),
        (0.000_2, "0.2 ms"),
        (0.009_96, "10 ms"),
        (0.024, "24 ms"),
        (0.999_6, "1.00 s"),
        (1.02, "1.02 s"),
        (1.996, "2.0 s"),
        (6.1, "6.1 s"),
        (59.96, "1 min 0 s"),
        (125.4, "2 min 5 s"),
        (-0.024, "-24 ms"),
    ],
)
def test_duration(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_clean_leaves_nothing_that_a_terminal_obeys() -> None:
    assert clean(HOSTILE).isprintable()
    assert clean("\x1b[31m\x00\u202e\udcff\n") == r"\x1b[31m\x00\u202e\udcff\n"
    assert clean("a\u00a0b") == "a b"
    assert clean("Привет, 日本 ✓") == "Привет, 日本 ✓"


def test_clip_says_how_much_is_left_out() -> None:
    assert clip("abc", 3) == "abc"
    assert clip("a" * 1003, 3) == "aaa ... (1,000 more characters)"
    assert clip("a" * 20, 3) == "a" * 20, "it would be no shorter"


def test_faults_name_place_expected_and_observed() -> None:
    assert [str(found) for found in faults(FAILING)] == [
        "scenarios/bind-address.yaml:27:15: expected accepted, observed refused: ECONNREFUSED, and the wire showed RST"
        " [connect]",
        "scenarios/bind-address.yaml:28:15: expected > SYN, < SYN-ACK within 5 ms, > ACK, ..., < FIN on lan, observed"
        " > SYN, < SYN-ACK, > RST [packets]",
        "scenarios/bind-address.yaml:29:15: expected 1 row ESTAB, observed none [sockets on server]",
    ]
    assert list(faults(PASSING)) == []
    assert [found.outcome for found in faults(ERRING)] == [Outcome.ERROR, Outcome.ERROR]
    assert str(next(faults(UNDONE))).startswith("scenarios/bind-address.yaml:24:5: no strace")


def _two(case: str, control: str, deciding: str) -> object:
    judgements = (
        judged("connect", passed("accepted", control), 20),
        judged("stdout", passed("contains 'x'", "contains 'x'"), 21),
        judged("connect", passed(deciding, f"{deciding}: seen"), 27),
        judged("exit", passed("0", "0"), 28),
    )
    return report(case, Outcome.PASS, client(*judgements))


def test_decided_is_where_the_cases_part() -> None:
    cases = [_two("a", "accepted in 1 ms", "refused"), _two("b", "accepted in 2 ms", "timed-out")]
    assert [decided(case, cases) for case in cases] == ["refused: seen", "timed-out: seen"]  # type: ignore[arg-type]


def test_decided_without_a_parting_connect() -> None:
    same = [_two("a", "accepted", "refused")] * 2
    assert decided(same[0], same) == "refused: seen"  # type: ignore[arg-type]
    local = report("a", Outcome.PASS, client(judged("local", passed("10.0.0.1", "10.0.0.1"), 3)))
    assert decided(local, [local]) == "10.0.0.1"
    assert decided(report("a", Outcome.PASS), []) == ""


def test_decided_of_what_did_not_pass_is_the_reason() -> None:
    assert decided(SKIPPED, [SKIPPED]) == "this kernel has no IPv6"
    assert decided(FAILING, [PASSING, FAILING]).startswith("expected accepted, observed refused")
    assert decided(UNDONE, [UNDONE]).startswith("no strace")
    first = judged("exit", failed("0", "1"), 30)
    erring = report("x", Outcome.ERROR, client(first, problem="no answer"))
    assert decided(erring, [erring]) == "no answer"
