"""Every check is answered; ERROR beats FAIL beats PASS, and what was not seen is never a pass."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from msgspec.structs import replace

from lab.checks.base import Outcome
from lab.history import Call, Exit, History, Note, Observation, Output, SocketRow, Sockets
from lab.judge import Report, judge, skipped
from lab.plan import Plan, make_plan
from lab.scenario import scenario_of
from lab.source import parse

PASS, FAIL, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.ERROR
HEAD = """\
title: T
lesson: L
networks: {lan: {}}
hosts: {server: {networks: [lan]}, client: {networks: [lan]}}
steps:
"""


def plan_of(*steps: str) -> Plan:
    text = HEAD + "".join(f"  - {{host: server, {step}}}\n" for step in steps)
    found = scenario_of(parse(text.encode(), "x.yaml"), Path("nowhere/x.yaml"))
    return make_plan(found, found.cases[0], ["10.0.0.0/28"])


def done(number: int, *seen: Observation) -> list[Observation]:
    """A step that began at 100 * number and ended 90 later."""
    at = 100 * number
    return [Note("server", at, "step-begin", number), *seen, Note("server", at + 90, "step-end", number)]


def call(number: int, error: str | None = None, message: str = "", result: object = None) -> Call:
    at = 100 * number + 10
    return Call("server", at, number, "s", "socket", (), result, error, message, at + 5)  # type: ignore[arg-type]


def judged(plan: Plan, *seen: Iterable[Observation]) -> Report:
    return judge(plan, History.of([one for some in seen for one in some]))


def answers(report: Report) -> list[list[tuple[str, Outcome]]]:
    return [[(item.check, item.verdict.outcome) for item in step.judgements] for step in report.steps]


GOOD, BAD, BLIND = "returns: 1", "returns: 2", "connect: accepted"


@pytest.mark.parametrize(
    ("checks", "outcome"),
    [
        ([GOOD], PASS),
        ([GOOD, GOOD], PASS),
        ([BAD], FAIL),
        ([GOOD, BAD], FAIL),
        ([BAD, GOOD], FAIL),
        ([BLIND], ERROR),
        ([GOOD, BLIND], ERROR),
        ([BLIND, BAD, GOOD], ERROR),
        ([BAD, BLIND], ERROR),
    ],
)
def test_error_beats_fail_beats_pass(checks: list[str], outcome: Outcome) -> None:
    plan = plan_of(*(f"call: s = socket(), expect: {{{check}}}" for check in checks))
    assert judged(plan, *(done(number, call(number, result=1)) for number in range(len(checks)))).outcome is outcome


def test_a_report_tells_what_was_done_and_where_it_was_asked_for() -> None:
    plan = plan_of("call: s = socket(), expect: {returns: 1, raises: nothing}, predict: P, because: B")
    report = judged(
        plan, done(0, call(0, result=1)), [Note("", 0, "kernel", text="6.18"), Note("", 0, "note", text="x")]
    )
    (step,) = report.steps
    assert (report.scenario, report.file, report.case, report.title, report.lesson) == ("x", "x.yaml", "only", "T", "L")
    assert (report.versions, report.seconds, report.problems) == ({"kernel": "6.18"}, 90e-9, ())
    assert (step.text, step.mark, step.predict, step.because) == ("server: call s = socket()", "x.yaml:6:5", "P", "B")
    assert (step.started, step.ended, step.action, step.host) == (0, 90, "call", "server")
    assert {item.check: (item.mark, item.on) for item in step.judgements} == {
        "returns": ("x.yaml:6:58", "server"),
        "raises": ("x.yaml:6:69", "server"),
    }


def test_where_nothing_is_judged_nothing_is_proven() -> None:
    report = judged(plan_of("call: s = socket()"), done(0, call(0)))
    assert (report.outcome, report.problems) == (ERROR, ("nothing was judged: no step expects anything",))
    assert judged(plan_of("call: s = socket()")).outcome is ERROR
    assert judge(replace(plan_of("call: s = socket()"), steps=()), History()).outcome is ERROR


def test_steps_that_were_not_reached_are_errors() -> None:
    plan = plan_of(f"call: s = socket(), expect: {{{GOOD}}}", "expect: {listening: {address: '', port: 1}}")
    report = judged(plan, done(0, call(0, result=1)), [Note("server", 100, "problem", 0, "the host died")])
    assert (report.outcome, answers(report)) == (ERROR, [[("returns", PASS)], [("listening", ERROR)]])
    verdict = report.steps[1].judgements[0].verdict
    assert (verdict.expected, verdict.observed) == ("address '', port 1", "the step was not reached")
    assert report.steps[0].problem == "the host died"
    assert report.seconds == pytest.approx(100e-9), "up to the problem"
    assert (report.steps[1].started, report.steps[1].ended) == (None, None)


def test_a_step_that_did_not_end_proves_nothing() -> None:
    plan = plan_of(f"call: s = socket(), expect: {{{GOOD}}}")
    assert judged(plan, done(0, call(0, result=1))[:-1]).outcome is ERROR
    assert judged(plan, done(0, call(0, result=1)), [Note("server", 50, "problem", 0, "x")]).outcome is ERROR
    assert judged(plan, done(0, call(0, result=1)), [Note("server", 50, "problem", text="x")]).outcome is ERROR


EXPECT = f"expect: {{{GOOD}}}"


@pytest.mark.parametrize(
    ("step", "error", "expected"),
    [
        ("call: s = socket()", None, []),
        ("call: s = socket()", "EPERM", [("raises", FAIL)]),
        ("call: s = socket(), expect: {raises: PermissionError}", "EPERM", [("raises", PASS)]),
        ("call: s = socket(), expect: {errno: EPERM}", "EPERM", [("errno", PASS)]),
        ("call: s = socket(), expect: {within: 1 s}", "EPERM", [("within", PASS), ("raises", FAIL)]),
    ],
)
def test_a_call_is_to_succeed_unless_the_step_says_how_it_ends(
    step: str, error: str | None, expected: list[tuple[str, Outcome]]
) -> None:
    plan = plan_of(f"call: s = socket(), {EXPECT}", step)
    seen = call(1, error, f"PermissionError: {error}" if error else "", None)
    assert answers(judged(plan, done(0, call(0, result=1)), done(1, seen)))[1] == expected


@pytest.mark.parametrize(
    ("step", "code", "expected"),
    [
        ("run: [ss]", 0, []),
        ("run: [ss]", 1, [("exit", FAIL)]),
        ("run: [ss]", None, [("exit", ERROR)]),
        ("run: [ss], expect: {exit: 1}", 1, [("exit", PASS)]),
        ("run: [ss], expect: {stdout: {contains: x}}", 1, [("stdout", PASS), ("exit", FAIL)]),
        ("start: [ss]", 1, []),
    ],
)
def test_a_program_is_to_end_with_0_unless_the_step_says_how(
    step: str, code: int | None, expected: list[tuple[str, Outcome]]
) -> None:
    output: list[Observation] = [Output("server", 110, 1, "stdout", b"x")]
    ended: list[Observation] = [] if code is None else [Exit("server", 120, 1, code)]
    plan = plan_of(f"call: s = socket(), {EXPECT}", step)
    assert answers(judged(plan, done(0, call(0, result=1)), done(1, *output, *ended)))[1] == expected


def test_what_is_pending_is_judged_where_it_is_joined() -> None:
    plan = plan_of("call: s = socket(), as: later", "wait: later", "wait: 1 s", "run: [ss], as: soon", "wait: soon")
    seen = [
        done(0),
        done(1, call(0, "EPERM", "PermissionError: x")),
        done(2),
        done(3),
        done(4, Exit("server", 410, 3, 7)),
    ]
    report = judged(plan, *seen)
    assert answers(report) == [[], [("raises", FAIL)], [], [], [("exit", FAIL)]]
    assert report.steps[1].judgements[0].mark == "x.yaml:7:5"


def test_a_stopped_program_is_judged_by_what_it_did() -> None:
    plan = plan_of("start: [echo-server]", "stop: echo-server, expect: {exit: 0, stdout: {contains: x}}")
    seen = [done(0, Output("server", 50, 0, "stdout", b"x")), done(1, Exit("server", 110, 0, 0, "stopped"))]
    assert answers(judged(plan, *seen)) == [[], [("stdout", PASS), ("exit", PASS)]]


def test_another_host_may_look() -> None:
    plan = plan_of("expect: [{on: client, listening: {port: 1}}, {listening: {port: 1}}]")
    row = SocketRow("tcp", "LISTEN", ("0.0.0.0", 1), ("0.0.0.0", 0), 0, 1)
    seen = done(0, Sockets("client", 10, 0, (row,)), Sockets("server", 10, 0, ()))
    report = judged(plan, seen)
    assert [(item.on, item.verdict.outcome) for item in report.steps[0].judgements] == [
        ("client", PASS),
        ("server", FAIL),
    ]


def test_a_case_that_was_skipped_says_why() -> None:
    report = skipped(plan_of("call: s = socket()"), "no ipv6")
    assert (report.outcome, report.skipped, report.steps) == (Outcome.SKIPPED, "no ipv6", ())


def test_a_program_without_calls_has_none_only_where_it_was_traced() -> None:
    plan = plan_of("run: [echo-client], expect: {calls: none}")
    seen = done(0, Exit("server", 50, 0, 0))
    assert judged(plan, seen).outcome is PASS
    assert judged(plan, seen, [Note("server", 5, "trace", 0, "no strace")]).outcome is ERROR
    untraced = replace(plan.steps[0], trace=False)
    assert judged(replace(plan, steps=(untraced,)), seen).outcome is ERROR


def turn(number: int, which: int, code: int = 0) -> list[Observation]:
    at = 100 * number + 10 * which
    return [Note("server", at, "turn", number, str(which)), Exit("server", at + 5, number, code, "", which)]


@pytest.mark.parametrize(
    ("codes", "outcome", "observed"),
    [
        ((0, 0, 0), PASS, "0; so in each of 3 turns"),
        ((0, 4, 5), FAIL, "turn 2 of 3: 4"),
        ((0, 0), ERROR, "turn 3 of 3: the program has not ended"),
        ((4, 0), FAIL, "turn 1 of 3: 4"),
    ],
)
def test_what_is_expected_of_a_repeated_step_holds_for_each_turn(
    codes: tuple[int, ...], outcome: Outcome, observed: str
) -> None:
    plan = plan_of("run: [echo-client], repeat: 3, expect: {exit: 0}")
    turns = [seen for which, code in enumerate(codes) for seen in turn(0, which, code)]
    (judgement,) = judged(plan, done(0, *turns)).steps[0].judgements
    assert (judgement.verdict.outcome, judgement.verdict.observed) == (outcome, observed)


def test_what_is_implied_holds_for_each_turn_unless_its_spread_is_told() -> None:
    turns = [*turn(0, 0), *turn(0, 1, 3)]
    (judgement,) = judged(plan_of("run: [echo-client], repeat: 2"), done(0, *turns)).steps[0].judgements
    assert (judgement.check, judgement.verdict.outcome) == ("exit", FAIL)
    spread = plan_of("run: [echo-client], repeat: 2, expect: {spread: {of: exit, among: [0, 3], each: 1}}")
    assert answers(judged(spread, done(0, *turns))) == [[("spread", PASS)]]


def test_counts_are_over_all_turns() -> None:
    plan = plan_of("call: s = socket(), repeat: 3, expect: {calls: {socket: 3}}", "call: s.close()")
    calls = [Call("server", 10 * number, 0, "s", "socket", ended=10 * number + 5, turn=number) for number in range(3)]
    report = judged(plan, done(0, *calls), done(1, call(1)))
    assert answers(report)[0] == [("calls", PASS)]
