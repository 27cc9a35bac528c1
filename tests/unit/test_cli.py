"""Arguments and exit codes: 0 passed, 1 failed, 2 the file or the command line is wrong, 3 could not judge, 130."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from lab import cli, flow
from lab.__main__ import main
from lab.checks.base import Outcome
from lab.errors import EngineError
from lab.judge import Report

HEAD = """\
title: T
networks: {lan: {}}
hosts: {server: {networks: [lan]}}
"""
PASSES = HEAD + "steps: [{host: server, call: s = socket(), expect: {raises: nothing}}]"
FAILS = HEAD + "steps: [{host: server, call: s = socket(), expect: {raises: OSError}}]"
ERRS = HEAD + "steps: [{host: server, call: s = socket()}]"
SKIPS = HEAD.replace("[lan]", "[lan], sysctls: {net.core.nosuch: 1}") + PASSES[len(HEAD) :]
MIXED = HEAD + "cases: {a: {x: nothing}, b: {x: OSError}}\n" + FAILS[len(HEAD) :].replace("OSError", '"{x}"')

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line in this process: its exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAB_ENGINE", "fake")
    monkeypatch.setenv("LAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    texts = {"passes": PASSES, "fails": FAILS, "errs": ERRS, "skips": SKIPS, "mixed": MIXED}
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text)

    def call(*arguments: str) -> tuple[int, str, str]:
        cli._terminal.cache_clear()
        monkeypatch.setattr(sys, "argv", ["lab", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        told = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, told.out, told.err

    return call


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ("passes.yaml", 0),
        ("fails.yaml", 1),
        ("errs.yaml", 3),
        ("skips.yaml", 3),
        ("passes.yaml fails.yaml", 1),
        ("fails.yaml errs.yaml passes.yaml", 3),
        ("passes.yaml skips.yaml", 0),
        ("mixed.yaml", 1),
        ("mixed.yaml --case a", 0),
        ("mixed.yaml --case b", 1),
        ("passes.yaml --repeat 3 --jobs 2", 0),
        ("passes", 2),
        ("refusd", 2),
        ("nowhere.yaml", 2),
        ("mixed.yaml --case c", 2),
        ("passes.yaml --all", 2),
        ("passes.yaml --jobs 0", 2),
        ("passes.yaml --time-scale nan", 2),
        ("passes.yaml --engine dokcer", 2),
        ("passes.yaml --nonsense", 2),
        ("", 2),
    ],
)
def test_the_exit_code_says_how_it_went(names: str, code: int, run: Run) -> None:
    observed, _, err = run("run", *names.split())
    assert observed == code
    assert bool(err) == (code == 2)


def test_a_flake_is_no_success(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, outcomes = flow.run_jobs, iter([Outcome.PASS, Outcome.SKIPPED, Outcome.PASS])

    def unsteady(*given: Any) -> list[Report]:
        return [replace(report, outcome=next(outcomes)) for report in real(*given)]

    monkeypatch.setattr(flow, "run_jobs", unsteady)
    code, out, _ = run("run", "passes.yaml", "--repeat", "3", "--table", "table.md")
    assert code == 1 and "2 PASS, 1 SKIPPED" in out
    assert "| 2 PASS, 1 SKIPPED |" in (tmp_path / "table.md").read_text("utf-8")


def test_a_proof_as_a_page(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("prove", "mixed.yaml", "--html", "proof.html")
    assert code == 3 and "mixed" in out
    assert "b: expected a case that passes unchanged, observed FAIL" in (tmp_path / "proof.html").read_text("utf-8")


def test_what_was_meant_is_guessed(run: Run) -> None:
    assert "did you mean 'refused'?" in run("run", "refusd")[2]
    assert "did you mean 'docker'?" in run("run", "passes.yaml", "--engine", "dokcer")[2]
    assert "mixed has no case 'c'; known: a, b" in run("run", "mixed.yaml", "--case", "c")[2]
    assert run("rnu")[0] == 2


def test_without_arguments_it_helps(run: Run) -> None:
    assert run("--help")[:1] == (0,)
    assert run("--version")[0] == 0
    assert "Commands:" in "".join(run()[1:])


def test_every_mistake_in_all_files_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(PASSES.replace("title", "tilte").replace("nothing", "[1]"))
    (tmp_path / "two.yaml").write_text(PASSES.replace("server,", "sever,"))
    code, out, err = run("check", "one.yaml", "passes.yaml", "two.yaml")
    assert (code, out) == (2, "")
    assert [line.split(":")[0] for line in err.splitlines()] == ["one.yaml"] * 3 + ["two.yaml"]
    assert run("run", "one.yaml", "two.yaml")[2] == err


def test_a_file_full_of_mistakes_does_not_flood_the_screen(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(HEAD + "steps:\n" + "  - {host: sever}\n" * 900)
    lines = run("check", "bad.yaml")[2].splitlines()
    assert len(lines) <= 41 and "more mistakes" in lines[-1]


def test_check_tells_of_files_without_mistakes(run: Run) -> None:
    code, out, err = run("check", "passes.yaml", "mixed.yaml", "refused")
    assert (code, err) == (0, "")
    counts = [line.split(":")[1] for line in out.splitlines()]
    assert counts == [f" {count}, no mistake" for count in ("1 case", "2 cases", "5 cases")]


def test_list_shows_titles_and_cases(run: Run) -> None:
    code, out, _ = run("list")
    assert code == 0
    assert "refused           One symptom" in out and "nothing-listening" in out


def test_plan_prints_all_cases_or_one(run: Run) -> None:
    code, out, _ = run("plan", "mixed.yaml")
    assert (code, out.count("---\n")) == (0, 2)
    code, out, _ = run("plan", "mixed.yaml", "--case", "b")
    assert (code, out.count("---\n"), "case: b" in out) == (0, 1, True)
    assert run("plan", "mixed.yaml", "--case", "c")[0] == 2


def test_schema_prints_json(run: Run) -> None:
    code, out, _ = run("schema")
    assert (code, json.loads(out)["$schema"]) == (0, "http://json-schema.org/draft-07/schema#")


def test_a_run_is_judged_again_with_the_same_answer(run: Run) -> None:
    code, out, _ = run("run", "mixed.yaml", "--json", "--jobs", "1")
    again = run("judge", "latest", "--json")
    assert (code, again[0]) == (1, 1)
    assert again[1].splitlines() == out.splitlines()
    assert [json.loads(line)["outcome"] for line in out.splitlines()] == ["PASS", "FAIL"]
    assert run("judge", "nothing")[0] == 2


def test_two_runs_are_compared(run: Run) -> None:
    assert run("run", "mixed.yaml")[0] == run("run", "mixed.yaml")[0] == 1
    one, other = sorted(path.name for path in Path("runs").glob("2*"))
    code, out, err = run("diff", one, other)
    assert (code, out.splitlines(), err) == (0, [f"- {one}", f"+ {other}", "", "alike: 2 cases"], "")
    assert run("diff", one, "latest", "--case", "a")[1].endswith("alike: 1 case\n")
    assert run("diff", "latest/mixed.a", f"{one}/mixed.a")[0] == 0


def test_two_cases_are_compared(run: Run) -> None:
    run("run", "mixed.yaml")
    code, out, _ = run("diff", "latest", "--case", "a", "--case", "mixed.b")
    assert code == 1 and out.startswith("- latest a\n+ latest mixed.b\n") and "raises: FAIL" in out
    code, out, _ = run("diff", "latest/mixed.a", "latest/mixed.b", "--json")
    assert (code, [json.loads(line)["differing"] for line in out.splitlines()]) == (1, [1])
    assert run("diff", "latest", "latest", "--case", "b", "--case", "b")[0] == 0


@pytest.mark.parametrize(
    "arguments", ["", "latest", "latest --case a", "a b c", "latest nowhere", "latest latest --case c"]
)
def test_what_cannot_be_compared_is_said(arguments: str, run: Run) -> None:
    run("run", "mixed.yaml")
    code, out, err = run("diff", *arguments.split())
    assert (code, out) == (2, "") and err


def test_junit_is_written_or_told(run: Run, tmp_path: Path) -> None:
    assert run("run", "mixed.yaml", "--junit", "out.xml")[0] == 1
    assert ElementTree.parse(tmp_path / "out.xml").getroot().tag == "testsuites"
    code, _, err = run("run", "passes.yaml", "--junit", "no/where.xml")
    assert code == 2 and "no/where.xml: expected a folder that is there" in err


def test_a_run_is_shown_as_a_page(run: Run, tmp_path: Path) -> None:
    assert run("run", "mixed.yaml", "skips.yaml", "--html", "run.html")[0] == 1
    page = (tmp_path / "run.html").read_text("utf-8")
    assert page.startswith("<!doctype html>") and page.rstrip().endswith("</html>")
    code, out, _ = run("report", "latest", "--html", "again.html")
    assert code == 0 and out.startswith("again.html: 3 cases, ")
    assert (tmp_path / "again.html").read_text("utf-8") == page
    assert run("report", "nothing", "--html", "x.html")[0] == 2 and run("report", "latest")[0] == 2
    code, _, err = run("report", "latest", "--html", "no/where.html")
    assert code == 2 and "no/where.html: expected a folder that is there" in err


def test_sweep_has_nothing_to_do_on_the_fake(run: Run) -> None:
    assert run("sweep", "--engine", "fake")[:2] == (0, "nothing was left behind\n")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "interrupted: everything that was started is gone"),
        (EngineError("the engine died"), 3, "the engine died"),
        (ZeroDivisionError("a bug"), 3, "ZeroDivisionError: a bug"),
        (BrokenPipeError(), 3, ""),
    ],
)
def test_what_ends_a_run_is_said_with_its_code(
    error: BaseException, code: int, words: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> list[Report]:
        raise error

    monkeypatch.setattr("lab.flow.run_jobs", fails)
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(os, "_exit", sys.exit)
    observed, out, err = run("run", "passes.yaml")
    assert (observed, out) == (code, "") and words in err
    assert ("Traceback" in err) == isinstance(error, ZeroDivisionError)
    if isinstance(error, BrokenPipeError):
        assert sys.stdout.name == os.devnull
        sys.stdout.close()


def test_an_interrupt_is_told_by_the_exit_code_wherever_it_came(tmp_path: Path) -> None:
    """Python would end itself by the signal, where it came while a text was executed."""
    program = "import lab.__main__ as c; c.cli.lab.main = lambda **_: exec('raise KeyboardInterrupt'); c.main()"
    (tmp_path / "ends.py").write_text(program)
    command, paths = [sys.executable, "-m", "ends"], f"{tmp_path}{os.pathsep}{Path(__file__).parents[2]}"
    ended = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr.startswith("interrupted: ")) == (130, True)


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ("PASS", 0),
        ("PASS SKIPPED", 0),
        ("SKIPPED", 3),
        ("SKIPPED SKIPPED", 3),
        ("PASS FAIL", 1),
        ("FAIL SKIPPED", 1),
        ("FAIL ERROR PASS", 3),
    ],
)
def test_error_beats_fail_beats_pass(outcomes: str, code: int) -> None:
    reports = [Report("x", "x", "x", "x", "x", Outcome(word)) for word in outcomes.split()]
    assert cli._exit_code(reports) == code


HEAVY = {"docker", "rich", "requests", "jinja2", "lab.engines", "lab.remote", "asyncio"}


SPARED = {"list": HEAVY, "check refused": HEAVY, "schema": HEAVY, "plan echo": {"docker", "rich"}}


@pytest.mark.parametrize(("arguments", "spared"), SPARED.items())
def test_no_command_imports_what_it_does_not_need(arguments: str, spared: set[str]) -> None:
    code = "import atexit, sys\nfrom lab.__main__ import main\n"
    code += f"sys.argv = {['lab', *arguments.split()]!r}\n"
    code += "atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr))\nmain()"
    environment = os.environ | {"PYTHONPATH": str(Path(cli.__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert not spared & set(done.stderr.split())
