"""The terminal: goldens at 80 columns without colour, and what a hostile program cannot do."""

import io
import os
import pty
import re
import select
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from report_samples import ALL, ATTACK, ERRING, FAILING, FILE, HOSTILE, PASSING, SKIPPED, TITLE, UNDONE, plan
from rich.console import Console

from lab.checks.base import Outcome
from lab.judge import Report
from lab.report.console import Colour, buffered, make_console, replay
from lab.report.terminal import Terminal

TRACEBACK = b"Traceback (most recent call last):\nConnectionRefusedError: [Errno 111] Connection refused\n"
FOLDER = Path("runs/20261123-081640-3f9a1c07")


class Pipe(io.TextIOWrapper):
    """A file in an encoding, and what was written to it."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding, newline="")

    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)  # type: ignore[attr-defined]


def tell(terminal: Terminal, report: Report, output: bytes = TRACEBACK) -> None:
    planned = plan(report.case)
    terminal.case_begins(planned, {"bind": "127.0.0.1", "backlog": 1, "host": ""})
    terminal.progress("starting 2 hosts")
    for step in report.steps:
        if step.started is not None:
            terminal.step_begins(next(item for item in planned.steps if item.number == step.number), step.text)
            terminal.step_ends(step, output if step.action == "run" else b"")
    terminal.case_ends(report, FOLDER / f"bind-address.{report.case}")


def written(*reports: Report, encoding: str = "utf-8", colour: Colour = "never", output: bytes = TRACEBACK) -> str:
    pipe = Pipe(encoding)
    terminal = Terminal(make_console(pipe, colour, 80))
    terminal.scenario_begins(TITLE, FILE)
    for report in reports:
        tell(terminal, report, output)
    terminal.summary(reports, 6.1, FOLDER)
    return pipe.text()


@pytest.mark.parametrize("report", ALL, ids=lambda report: report.outcome.lower())
def test_golden(report: Report, golden: Callable[[str, str], None]) -> None:
    golden(f"reports/{report.outcome.lower()}.txt", written(report))


def test_golden_of_all_cases_in_ascii(golden: Callable[[str, str], None]) -> None:
    text = written(*ALL, UNDONE, encoding="ascii")
    golden("reports/all.ascii.txt", text)
    assert "5 cases: 1 PASS, 1 FAIL, 2 ERROR, 1 SKIPPED in 6.1 s" in text


def test_several_scenarios_are_told_apart_and_have_no_lesson() -> None:
    pipe = Pipe()
    others = [Report("refused", "scenarios/refused.yaml", "closed", "T", "L", Outcome.PASS), PASSING]
    Terminal(make_console(pipe, "never", 80)).summary(others, 2)
    assert "\nrefused\n" in pipe.text() and "\nbind-address\n" in pipe.text() and "lesson" not in pipe.text()


def test_nothing_ran() -> None:
    pipe = Pipe()
    Terminal(make_console(pipe, "never", 80)).summary([], 0)
    assert "0 cases: nothing ran" in pipe.text()


def test_lines_fit_80_columns_but_for_places_to_be_copied() -> None:
    places = re.compile(rf"{FILE}:\d+:\d+: ")
    long = [line for line in written(*ALL).splitlines() if len(line) > 80]
    assert all(places.match(line) for line in long)


def test_colour_repeats_what_the_words_say() -> None:
    coloured, plain = written(*ALL, colour="always"), written(*ALL)
    assert "\x1b[1;32m" in coloured and "\x1b[1;31m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    assert "\x1b" not in plain


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1251", "latin-1"])
def test_hostile_output_is_shown_and_not_obeyed(encoding: str) -> None:
    output = HOSTILE.encode("utf-8", "replace") + b"\xff\xfe\r\n" + b"\t\x1b[31mred"
    text = written(ATTACK, encoding=encoding, output=output)
    assert text.replace("\n", "").isprintable()
    assert r"\x1b[2J" in text and "<script>" in text and r"\xff\xfe" in text
    codes = set(re.findall(r"\x1b\[?[0-9;]*.?", written(ATTACK, colour="always", output=output)))
    assert codes and all(re.fullmatch(r"\x1b\[[0-9;]*m", code) for code in codes)


def test_output_keeps_its_bar_on_every_row() -> None:
    text = written(PASSING, output=b"x" * 70 + b"\xe2\x9c\x93 PASS  connect: faked" + b"\n")
    rows = [line for line in text.splitlines() if "xxx" in line or "faked" in line]
    assert len(rows) == 2 and all(row.startswith("    | ") and len(row) <= 80 for row in rows)


@pytest.mark.parametrize("output", [b"\x1b[2J" * 2_500_000, b"\n" * 10_000_000, b"line\xff\n" * 1_700_000])
def test_ten_megabytes_are_folded_quickly(output: bytes) -> None:
    began = time.perf_counter()
    text = written(PASSING, output=output)
    assert time.perf_counter() - began < 2
    assert len(text) < 10_000
    assert "left out" in text or "(alineof10,000,000bytes)" in re.sub(r"\n    \| | ", "", text)


def test_fold_counts_what_it_leaves_out() -> None:
    text = written(PASSING, output=b"".join(b"%d\n" % n for n in range(100)))
    assert "    | 5\n    | ... 88 lines (260 bytes) left out ...\n    | 94\n" in text
    whole = written(PASSING, output=b"".join(b"%d\n" % n for n in range(13)))
    assert "left out" not in whole and "    | 12\n" in whole


def test_long_line_is_cut_and_says_so() -> None:
    text = written(PASSING, output="é".encode() * 100 + b"\n" + b"@" * 200).replace("\n    | ", "")
    assert text.count("é") == 100 and text.count("@") == 160 and "@ ... (a line of 200 bytes)" in text


def test_buffers_replay_in_any_order_what_was_written_directly() -> None:
    pipe = Pipe("ascii")
    console = make_console(pipe, "always", 80)
    buffers = [buffered(console) for _ in ALL]
    for buffer, report in reversed(list(zip(buffers, ALL, strict=True))):
        tell(Terminal(buffer), report)
    for buffer in buffers:
        replay(buffer, console)
        replay(buffer, console)
    direct = Pipe("ascii")
    terminal = Terminal(make_console(direct, "always", 80))
    for report in ALL:
        tell(terminal, report)
    assert pipe.text() == direct.text()


def test_progress_in_a_log_is_plain_lines_without_repeats() -> None:
    pipe = Pipe()
    terminal = Terminal(make_console(pipe, "auto", 80))
    for text in ("making networks", "making networks", "starting \x1b[2Jhosts"):
        terminal.progress(text)
    assert pipe.text() == "   making networks ...\n   starting \\x1b[2Jhosts ...\n"


@pytest.fixture
def tty(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, io.TextIOWrapper]]:
    """A terminal: the side of who looks at it, and the file to write to (also the standard input)."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    outer, inner = pty.openpty()
    with os.fdopen(inner, "r+b", buffering=0) as raw, io.TextIOWrapper(raw, "utf-8", write_through=True) as file:
        monkeypatch.setattr(sys, "stdin", file)
        yield outer, file
    os.close(outer)


def seen(outer: int, last: str) -> str:
    """What the terminal shows, up to what comes last."""
    text = ""
    while last not in text and select.select([outer], [], [], 10)[0]:
        text += os.read(outer, 4096).decode()
    return text


def test_progress_on_a_terminal_is_replaced(tty: tuple[int, io.TextIOWrapper]) -> None:
    outer, file = tty
    terminal = Terminal(make_console(file, width=80))
    terminal.progress("making networks")
    terminal.progress("starting hosts")
    terminal.scenario_begins("Title", "file")
    assert seen(outer, "file\r\n").startswith(
        "   making networks ...\r\x1b[2K   starting hosts ...\r\x1b[2K\x1b[1mTitle\x1b[0m\r\n"
    )


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_codes_where_none_are_wanted(
    tty: tuple[int, io.TextIOWrapper], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    outer, file = tty
    monkeypatch.setenv(name, value)
    terminal = Terminal(make_console(file, width=80))
    terminal.progress("making networks")
    tell(terminal, SKIPPED)
    shown = seen(outer, "has no IPv6\r\n")
    assert "SKIPPED" in shown and "\x1b" not in shown


def test_pause_waits_for_enter_on_a_terminal(tty: tuple[int, io.TextIOWrapper]) -> None:
    outer, file = tty
    os.write(outer, b"\nrest\n")
    terminal = Terminal(make_console(file, width=80), paced=True)
    terminal.step_begins(plan().steps[1], "client: run echo-client")
    assert file.readline() == "rest\n"
    assert "Will the other host get through?" in seen(outer, "[Enter shows it]")


def test_pause_does_not_wait_in_a_log(tty: tuple[int, io.TextIOWrapper]) -> None:
    pipe = Pipe()
    Terminal(make_console(pipe)).pause("Enter")
    assert pipe.text() == ""


def test_pause_does_not_wait_without_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    Terminal(Console(file=Pipe())).pause("Enter")


def test_kept_hosts_can_be_entered_by_copying_the_line() -> None:
    pipe = Pipe()
    command = "docker exec --interactive --tty lab-20261123-081640-3f9a1c07-client-with-a-long-name sh --login"
    Terminal(make_console(pipe, "never", 80)).kept({"client": command})
    assert f"    {command}\n" in pipe.text()


def test_steps_that_were_not_reached_are_counted() -> None:
    assert "1 of 2 steps not reached, from: client: run echo-client" in written(ERRING).replace("\n    ", " ")
    assert "not reached" not in written(FAILING)
