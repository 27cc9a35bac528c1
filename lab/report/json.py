"""Reports as JSON lines, one object a case, in ASCII: for programs, and safe to print anywhere."""

import json
from collections.abc import Iterable
from typing import Any

from lab.judge import Judgement, Report, StepReport


def lines(reports: Iterable[Report], run: str = "") -> str:
    """One line a case, in the order given; all keys are there in every line:

    scenario, case, file, title    text
    outcome                        "PASS", "FAIL", "ERROR" or "SKIPPED"
    seconds                        from the first step's beginning to the last one's end
    skipped                        the reason, or ""
    problems                       [text]: what could not be tied to a step
    steps                          [step], in their order
    versions                       {"engine": text, "kernel": text, "image": text, ...}
    run                            the run's id, or ""

    step     number (from 0, as in the file), host, action, text, mark ("file:line:column"),
             started and seconds (from the case's first step; null: it was not reached, or did not end),
             problem (text or ""), checks [check]
    check    check (its name in `expect:`), on (the host that looked), mark, outcome, expected, observed,
             evidence [index of a line of history.jsonl, from 0],
             aligned [[expected, observed, same]]: the rows of a pattern beside what was seen, "" where a side has
             nothing there; empty where the pattern fits, or there is none
    """
    return "".join(json.dumps(_case(report, run)) + "\n" for report in reports)


def _case(report: Report, run: str) -> dict[str, Any]:
    origin = next((step.started for step in report.steps if step.started is not None), 0)
    return {
        "scenario": report.scenario,
        "case": report.case,
        "file": report.file,
        "title": report.title,
        "outcome": report.outcome.value,
        "seconds": round(report.seconds, 6),
        "skipped": report.skipped,
        "problems": list(report.problems),
        "steps": [_step(step, origin) for step in report.steps],
        "versions": dict(sorted(report.versions.items())),
        "run": run,
    }


def _step(step: StepReport, origin: int) -> dict[str, Any]:
    return {
        "number": step.number,
        "host": step.host,
        "action": step.action,
        "text": step.text,
        "mark": step.mark,
        "started": _seconds(origin, step.started),
        "seconds": _seconds(step.started, step.ended),
        "problem": step.problem,
        "checks": [_check(judgement) for judgement in step.judgements],
    }


def _check(judgement: Judgement) -> dict[str, Any]:
    return {
        "check": judgement.check,
        "on": judgement.on,
        "mark": judgement.mark,
        "outcome": judgement.verdict.outcome.value,
        "expected": judgement.verdict.expected,
        "observed": judgement.verdict.observed,
        "evidence": list(judgement.verdict.evidence),
        "aligned": [[row.expected, row.observed, row.same] for row in judgement.verdict.aligned],
    }


def _seconds(start: int | None, end: int | None) -> float | None:
    return None if start is None or end is None else round((end - start) / 1e9, 6)
