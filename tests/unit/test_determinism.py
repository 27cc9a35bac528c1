"""What `make determinism` keeps, counts and tells; and that its loops are busy, and end."""

import os
import time
from pathlib import Path

import pytest
from determinism import Ran, busy, counting, digest, told
from msgspec.structs import replace

from lab.checks.base import Outcome

HERE = {"engine": "docker 20", "kernel": "6.1"}
ONE = Ran("s", "a", Outcome.PASS, 0.1, HERE, "id", "text", 0.99, "2026-01-01")


def test_runs_of_a_text_that_changed_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("scenarios").mkdir()
    Path("scenarios/here.yaml").write_text("now", "utf-8")
    same = replace(ONE, scenario="here", text=digest("here"))
    gone = replace(ONE, scenario="gone")
    assert counting([same, replace(same, text="before"), gone]) == [same]


def test_each_engine_has_a_table_and_each_case_a_row() -> None:
    other = replace(ONE, versions=ONE.versions | {"engine": "namespaces"}, busy=0.5, day="2026-01-03")
    failed = replace(other, outcome=Outcome.FAIL, day="2026-01-02")
    runs = [other, ONE, ONE, failed, other, replace(other, case="b")]
    head, docker, namespaces = told(runs, [("s", "a"), ("s", "b")]).split("\n## ")
    assert head.startswith("# How alike")
    assert docker.splitlines() == [
        "docker 20, Linux 6.1",
        "",
        "2026-01-01: 2 cases, turns of each: 0 to 2, flakes: 0; the cores were busy for at least 99% of the time.",
        "",
        "Not run since their text changed: s.b.",
        "",
        "| scenario | case | outcomes | p50 | p95 | flakes |",
        "|---|---|---|---:|---:|---:|",
        "| s | a | 2 PASS | 100 ms | 100 ms | 0 |",
    ]
    _, _, facts, *_, first, second = namespaces.splitlines()
    assert facts.startswith(
        "2026-01-02 to 2026-01-03: 2 cases, turns of each: 1 to 3, flakes: 1; the cores were busy for at least 50%"
    )
    assert first == "| s | a | 2 PASS, 1 FAIL | 100 ms | 100 ms | 1 |"
    assert second == "| s | b | 1 PASS | 100 ms | 100 ms | 0 |"


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs Linux")
def test_each_loop_is_busy_until_the_block_ends() -> None:
    def children() -> dict[int, int]:
        """The processor time (ticks) of each."""
        listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        return {int(pid): int(Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()[11]) for pid in listed}

    before = set(children())
    with busy(2):
        deadline = time.monotonic() + 20
        while not all(spent >= 10 for pid, spent in children().items() if pid not in before):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert len(set(children()) - before) == 2
    assert set(children()) == before
