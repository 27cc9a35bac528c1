"""A difference on 80 columns, in colour, in ASCII, and for programs."""

import io
import json
from pathlib import Path

import pytest
from report_samples import HOSTILE

from lab.diff import Comparison, compare, compared
from lab.report.console import make_console
from lab.report.difference import json_lines, show
from lab.report.html import difference
from lab.runs import load_case
from lab.transcript import Section, Transcript, transcript

HISTORIES = Path(__file__).parents[2] / "golden" / "histories"
PAIRS = {
    "cause": ("refused-open", "refused-firewall-icmp"),
    "alike": ("refused-open", "refused-open-again"),
    "last-words": ("multiconn", "multiconn-again"),
    "program": ("multiconn", "multiconn-echo-server"),
    "network": ("ethernet-router", "ethernet-other"),
    "silence": ("drop-out", "no-such-host"),
}


def told(name: str) -> Transcript:
    return transcript(*load_case(HISTORIES / f"diff-{name}"))


def shown(comparisons: tuple[Comparison, ...], colour: str = "never", encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding=encoding, newline="") as file:
        show(make_console(file, colour, 80), comparisons, "this run", "that run")  # type: ignore[arg-type]
        file.flush()
        return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("name", PAIRS)
def test_it_reads_well(golden, name):
    left, right = map(told, PAIRS[name])
    text = shown(compared((left,), (right,)))
    assert max(map(len, text.splitlines())) <= 80
    golden(f"diffs/{name}.txt", text)


def test_several_cases_are_counted_and_those_of_one_side_listed(golden):
    open_, icmp, multi = map(told, ("refused-open", "refused-firewall-icmp", "multiconn"))
    skipped = Transcript("refused", "router", skipped="the kernel forwards nothing")
    runs = ((open_, icmp, multi, multi, skipped), (icmp, open_, skipped, told("no-such-host")))
    text = shown(compared(*runs))
    assert text.splitlines()[-1] == "3 of 6 cases differ, in 3 lines"
    golden("diffs/runs.txt", text)


def test_a_skipped_case_differs_from_one_that_was_run(golden):
    skipped = Transcript("refused", "open", skipped="the kernel forwards nothing")
    golden("diffs/skipped.txt", shown((compare(told("refused-open"), skipped),)))


def test_colour_repeats_what_marks_say():
    comparisons = (compare(told("refused-open"), told("refused-firewall-icmp")),)
    plain, coloured = shown(comparisons), shown(comparisons, "always")
    assert "\x1b[31m-" in coloured and "\x1b[32m+" in coloured and "\x1b" not in plain


def test_in_ascii_all_is_ascii():
    text = shown((compare(told("refused-open"), told("refused-firewall-icmp")),), encoding="ascii")
    assert text.isascii() and "-- refused.open | refused.firewall-icmp --" in text


def test_what_others_wrote_is_harmless_and_spaces_stay():
    def case(*lines: str) -> Transcript:
        return Transcript("s", HOSTILE, (Section(0, f"h: run {HOSTILE}", lines),))

    text = shown((compare(case(f"stdout | {HOSTILE}", "x" * 200, "stdout |  two  spaces"), case()),))
    assert not set(text) & set("\x1b\x07\x00\r\x9b\u202e")
    assert "stdout |  two  spaces" in text
    assert max(map(len, text.splitlines()[4:-2])) <= 80


def test_folds_keep_the_heads():
    def case(end: str) -> Transcript:
        lines = (
            "socket(TCP)",
            *(f"  call {number}" for number in range(9)),
            f"  close() = {end}",
            "exit 0",
            "a",
            "b",
            "c",
        )
        return Transcript("s", "c", (Section(0, "h: run x", lines), Section(1, "h: observe", ())))

    lines = shown((compare(case("ok"), case("EBADF")),)).splitlines()
    assert lines[4:-2] == [
        "  1. h: run x",
        "     socket(TCP)",
        "     ... 8 lines alike ...",
        "       call 8",
        "-      close() = ok",
        "+      close() = EBADF",
        "     exit 0",
        "     ... 3 lines alike ...",
        "  ... 1 part alike ...",
    ]


def test_json_has_every_row():
    comparisons = compared(
        (told("refused-open"), told("no-such-host")), (told("refused-firewall-icmp"), told("no-such-host"))
    )
    lines = [json.loads(line) for line in json_lines(comparisons, "a", "b").splitlines()]
    assert [(line["left"], line["right"]) for line in lines] == [
        ("refused.open", None),
        ("timed-out.no-such-host", "timed-out.no-such-host"),
        (None, "refused.firewall-icmp"),
    ]
    (line,) = map(
        json.loads, json_lines((compare(told("refused-open"), told("refused-firewall-icmp")),), "a", "b").splitlines()
    )
    assert (line["left_run"], line["right_run"]) == ("a", "b")
    kinds = [row["kind"] for part in line["parts"] for row in part["rows"]]
    assert line["differing"] == sum(kind != "same" for kind in kinds) > 0
    assert {(part["left_step"], part["right_step"]) for part in line["parts"]} >= {(3, 4), (None, 1), (-1, -1)}


@pytest.mark.parametrize("before", [0, 600, 5_000_000])
def test_of_ten_megabytes_what_differs_is_shown(before: int) -> None:
    sides = [
        Transcript("t", "c", (Section(0, "client: run it", (f"stdout | {'x' * before}{word}{'y' * 5_000_000}",)),))
        for word in ("ONE", "OTHER")
    ]
    text = shown(compared(*([side] for side in sides)))
    page = difference(compared(*([side] for side in sides)), "a", "b")
    for told in (text, page):
        assert "ONE" in told and "OTHER" in told and told.count("more characters") == 2
        assert told.count("characters alike") == 2 * bool(before)
    assert len(text) < 5_000 and len(page) < 60_000
