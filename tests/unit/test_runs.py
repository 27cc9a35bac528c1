"""Runs on disk: saved whole, found by name, dropped when old, and never touched while somebody writes them."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace

from lab import runs
from lab.errors import LabError, UsageError
from lab.history import Call, History, Note, Packet
from lab.model import Step
from lab.plan import Plan, PlannedHost, PlannedNetwork, PlannedStep
from lab.runs import KEPT, Run, find, load_case, load_plan, new_run, skip_reason
from lab.shape import made

HISTORY = History.of(
    [Note("client", 1, "step-begin", 0), Call("client", 2, 0, "c", "connect", (("10.0.0.2", 1), b"\xff"))]
)


def plan(case: str = "closed", scenario: str = "refused") -> Plan:
    step = made(Step, {"host": "client", "call": "c = socket()", "expect": [{"returns": None}]})
    return Plan(
        scenario=scenario,
        file="refused.yaml",
        case=case,
        title="Nobody listens",
        networks=(PlannedNetwork(name="lan", subnet="10.213.0.0/29"),),
        hosts=(PlannedHost(name="client", interfaces=()),),
        steps=(PlannedStep(number=0, step=step, marks={"": "refused.yaml:3:5"}),),
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def old(root: Path, *names: str) -> list[Path]:
    """Runs of former times."""
    for name in names:
        (root / name / "refused.closed").mkdir(parents=True)
        (root / name / "refused.closed" / "plan.json").touch()
    return [root / name for name in names]


def many(root: Path) -> list[Path]:
    return old(root, *(f"20260101-0000{number:02}-0000000{number % 10}" for number in range(KEPT + 5)))


def listed(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


def test_a_case_comes_back_equal(root: Path) -> None:
    with new_run(root) as run:
        folder = run.save(plan(), HISTORY)
        assert folder == root / run.id / "refused.closed"
        assert sorted(path.name for path in folder.iterdir()) == ["history.jsonl", "plan.json"]
    loaded, history = load_case(folder)
    assert (loaded, history) == (plan(), HISTORY)
    assert loaded.steps[0].step.expect[0].checks() == {"returns": None}, "only what was asked for is asked for again"


def test_what_each_host_saw_is_saved_for_wireshark(root: Path) -> None:
    frame = bytes(range(60))
    packets = [Packet(host, 3, "lan", True, "ethertype-0d0e", frame=frame) for host in ("client", "server")]
    with new_run(root) as run:
        folder = run.save(plan(), History.of([*HISTORY.observations, *packets]))
    assert {path.stem for path in folder.glob("*.pcapng")} == {"client", "server"}
    assert all(frame in path.read_bytes() for path in folder.glob("*.pcapng"))
    assert list(load_case(folder)[1].all(Packet)) == packets


def test_the_id_is_fit_for_a_label_and_no_two_are_equal(root: Path) -> None:
    with new_run(root) as first, new_run(root) as second:
        assert runs.ID.fullmatch(first.id) and runs.ID.fullmatch(second.id) and first.id != second.id


def test_repeats_get_numbers_and_keep_their_order(root: Path) -> None:
    with new_run(root) as run:
        folders = [run.save(plan(), HISTORY) for _ in range(11)]
        assert [folder.name for folder in folders[:3]] == ["refused.closed", "refused.closed.2", "refused.closed.3"]
    for folder in folders:
        os.utime(folder / "plan.json", (1, 1))
    assert list(find(run.id, root)) == folders


def test_cases_are_found_in_the_order_of_their_ends(root: Path) -> None:
    with new_run(root) as run:
        folders = [run.save(plan(case), HISTORY) for case in ("z", "a", "m")]
        for number, folder in enumerate(folders):
            os.utime(folder / "plan.json", (number, number))
    assert list(find("latest", root)) == folders


def test_cases_are_found_as_their_scenario_s_file_has_them_if_it_is_there(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "refused.yaml"
    file.write_text("cases: {m: {}, z: {}, a: {}}")
    with new_run(root) as run:
        other = run.save(plan("other"), HISTORY)
        folders = [run.save(replace(plan(case), file=str(file)), HISTORY) for case in ("z", "a", "m", "z")]
        for number, folder in enumerate([other, *folders]):
            os.utime(folder / "plan.json", (number, number))
    z, a, m, again = folders
    assert list(find("latest", root)) == [other, m, z, again, a]


def test_threads_never_share_a_folder(root: Path) -> None:
    with new_run(root) as run, ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(lambda _: run.save(plan(), HISTORY), range(40)))
    assert len(folders) == 40 == len(find("latest", root))


def test_a_hostile_scenario_name_stays_inside(root: Path) -> None:
    with new_run(root) as run:
        names = ["../../evil", ".partial-x", "a/b", "x" * 300, "\x1b[2J", "ünïcode-日本"]
        folders = [run.save(plan("", name), HISTORY) for name in names]
    assert {folder.parent for folder in folders} == {run.folder}
    assert not any(folder.name.startswith(".") for folder in folders)
    assert len(find(run.id, root)) == len(names)


def test_a_skipped_case_keeps_its_reason(root: Path) -> None:
    with new_run(root) as run:
        folder = run.skip(plan("ipv6"), "this kernel has no IPv6\n")
        saved = run.save(plan(), HISTORY)
    assert (skip_reason(folder), skip_reason(saved)) == ("this kernel has no IPv6", "")
    assert folder in find("latest", root) and load_plan(folder) == plan("ipv6")
    with pytest.raises(UsageError, match="skipped: this kernel has no IPv6"):
        load_case(folder)


def test_a_run_that_saved_nothing_leaves_nothing(root: Path) -> None:
    with new_run(root):
        assert len(listed(root)) == 1
    assert listed(root) == []


def test_latest_follows_and_newest_stands_in_where_there_are_no_links(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        with new_run(root) as run:
            run.save(plan(), HISTORY)
        assert (root / "latest").resolve() == run.folder.resolve()
        assert find("latest", root) == (root / run.id / "refused.closed",)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    (newest,) = old(root, "29991231-000000-00000000")
    with new_run(root) as run:
        run.save(plan(), HISTORY)
    assert not (root / "latest").exists()
    assert find("latest", root) == (newest / "refused.closed",)


def test_somebodys_own_latest_is_left_alone(root: Path) -> None:
    (root / "latest").mkdir(parents=True)
    with new_run(root) as run:
        run.save(plan(), HISTORY)
    assert (root / "latest").is_dir() and not (root / "latest").is_symlink()
    assert find("latest", root) == (run.folder / "refused.closed",)


def test_twenty_are_kept_and_nothing_else_is_touched(root: Path, tmp_path: Path) -> None:
    folders = many(root)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (root / "20250101-000000-00000000").symlink_to(elsewhere)
    (root / "20250101-000000-00000001").write_text("a file")
    old(root, "my-demo", "20250101-000000-3f9a", "20250101-000000-00000002.old")
    others = set(listed(root)) - {folder.name for folder in folders}
    with new_run(root) as run:
        run.save(plan(), HISTORY)
    assert set(listed(root)) == others | {"latest", run.id} | {folder.name for folder in folders[-(KEPT - 1) :]}
    assert elsewhere.is_dir()


def test_a_clock_set_back_does_not_cost_the_run_itself(root: Path) -> None:
    old(root, *(f"29990101-0000{number:02}-00000000" for number in range(KEPT)))
    with new_run(root) as run:
        run.save(plan(), HISTORY)
    assert find("latest", root) == (run.folder / "refused.closed",)


HOLD = """
import sys
from pathlib import Path
from lab import runs
run = runs.new_run(Path(sys.argv[1]))
print(run.id, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other_lab(root: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has a run open."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", HOLD, str(root)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        yield process
        process.kill()


def test_a_living_run_is_kept_and_a_dead_one_is_not(root: Path, other_lab: subprocess.Popen[str]) -> None:
    assert other_lab.stdout
    held = other_lab.stdout.readline().strip()
    aged = root / "20250101-000000-00000000"
    (root / held).rename(aged)
    many(root)
    with new_run(root) as run:
        run.save(plan(), HISTORY)
    assert aged.is_dir(), "its process lives"
    other_lab.kill()
    other_lab.wait()
    with new_run(root) as run:
        run.save(plan(), HISTORY)
    assert not aged.exists(), "its process is dead"


def test_what_a_killed_lab_left_half_dropped_or_half_saved_is_not_seen(root: Path) -> None:
    (run,) = old(root, "20260101-000000-00000000")
    (run / ".partial-1234").mkdir()
    (run / ".partial-1234" / "plan.json").touch()
    old(root, ".dropped-20250101-000000-00000000", ".dropped-by-me")
    assert find("latest", root) == (run / "refused.closed",)
    with new_run(root):
        pass
    assert listed(root) == [".dropped-by-me", "20260101-000000-00000000"]


def test_find_by_every_name(root: Path, tmp_path: Path) -> None:
    first, second, renamed = old(root, "20260101-000000-aaaaaaaa", "20260102-000000-bbbbbbbb", "my-demo")
    outside = old(tmp_path, "artifact")[0]
    case = "refused.closed"
    assert find(first.name, root) == (first / case,)
    assert find("20260102", root) == (second / case,)
    assert find("my-demo", root) == (renamed / case,)
    assert find(str(outside), root) == (outside / case,)
    assert find(f"{first.name}/{case}", root) == (first / case,) == find(str(first / case), root)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("202601", "begins the names of 2 runs: 20260102-000000-bbbbbbbb, 20260101-000000-aaaaaaaa; say more"),
        ("lates", r"observed 'lates'; did you mean 'latest'\?"),
        ("my-dem", r"did you mean 'my-demo'\?"),
        ("20260101-000000-aaaaaaab", r"did you mean '20260101-000000-aaaaaaaa'\?"),
        ("zzz", "the last ones are 20260102-000000-bbbbbbbb, 20260101-000000-aaaaaaaa"),
        ("", "observed ''"),
    ],
)
def test_find_says_which_runs_there_are(root: Path, name: str, message: str) -> None:
    old(root, "20260101-000000-aaaaaaaa", "20260102-000000-bbbbbbbb", "my-demo")
    with pytest.raises(UsageError, match=message):
        find(name, root)


@pytest.mark.parametrize("left", ["history.jsonl", "skipped.txt"])
def test_a_case_that_lost_its_plan_is_not_passed_over(root: Path, left: str) -> None:
    run = old(root, "20260101-000000-aaaaaaaa")[0]
    (run / "refused.half").mkdir()
    (run / "refused.half" / left).write_text("")
    (run / ".partial-00000000").mkdir()
    (run / ".partial-00000000" / left).write_text("")
    with pytest.raises(UsageError, match=r"expected a plan.json in each case's folder, observed none in refused.half$"):
        find(run.name, root)


def test_find_where_nothing_is(root: Path) -> None:
    for name in ("latest", "20260101"):
        with pytest.raises(UsageError, match=r"observed none in .*: make one with lab run"):
            find(name, root)
    (root / "empty").mkdir(parents=True)
    with pytest.raises(UsageError, match="expected the folders of cases"):
        find("empty", root)


def test_the_root_is_lab_runs_or_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LAB_RUNS", raising=False)
    with new_run() as run:
        assert run.folder.parent == Path("runs")
    monkeypatch.setenv("LAB_RUNS", str(tmp_path / "deep" / "elsewhere"))
    with new_run() as run:
        run.save(plan(), HISTORY)
    assert find("latest")[0].parent.parent == tmp_path / "deep" / "elsewhere"


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("plan.json", lambda data: data[:40], r"plan\.json:\d+:\d+: expected a plan, observed "),
        (
            "plan.json",
            lambda data: data.replace(b'"title"', b'"titel"'),
            r"plan\.json:1:1: expected a plan, observed .* `titel`",
        ),
        ("plan.json", lambda data: b"[" * 100_000, r"plan\.json:1:1: "),
        ("plan.json", lambda data: b"9" * 5_000, r"plan\.json:1:1: "),
        ("plan.json", lambda data: None, r"plan\.json: expected a readable file, observed: No such file"),
        (
            "history.jsonl",
            lambda data: data[:-10],
            r"history\.jsonl:2:1: expected an observation, observed: .*run the case again",
        ),
        ("history.jsonl", lambda data: b"\n" + data, r"history\.jsonl:1:1: "),
        ("history.jsonl", lambda data: data + b"3\n", r"history\.jsonl:3:1: "),
        ("history.jsonl", lambda data: data + b'{"kind": "rumour"}\n', r"history\.jsonl:3:1: "),
        ("history.jsonl", lambda data: data + b"[" * 100_000, r"history\.jsonl:3:1: "),
        ("history.jsonl", lambda data: data + b"\xff\n", r"history\.jsonl:3:1: expected UTF-8, observed byte 0xff"),
        ("history.jsonl", lambda data: None, r"history\.jsonl: expected a readable file"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(
    root: Path, file: str, damage: Callable[[bytes], bytes | None], message: str
) -> None:
    with new_run(root) as run:
        folder = run.save(plan(), HISTORY)
    damaged = damage((folder / file).read_bytes())
    (folder / file).unlink()
    if damaged is not None:
        (folder / file).write_bytes(damaged)
    with pytest.raises(UsageError, match=message):
        load_case(folder)


def full(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing the second file of a case finds no space."""
    write = Path.write_bytes

    def refuse(self: Path, data: bytes) -> int:
        if self.name == "history.jsonl":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", refuse)


def test_a_full_disk_is_told_in_words_and_leaves_no_half_case(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with new_run(root) as run:
        full(run, monkeypatch)
        with pytest.raises(LabError, match="no space is left there; free some, or set LAB_RUNS") as caught:
            run.save(plan(), HISTORY)
        assert not isinstance(caught.value, UsageError)
        assert listed(run.folder) == ["open"]


def test_a_root_that_cannot_be_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LabError, match=r"cannot save the run in .*file/runs: Not a directory"):
        new_run(tmp_path / "file" / "runs")
    with pytest.raises(LabError, match="cannot save the run in"):
        new_run(tmp_path / "file")


def test_a_run_removed_by_hand_is_made_again(root: Path) -> None:
    with new_run(root) as run:
        (run.folder / "open").unlink()
        run.folder.rmdir()
        folder = run.save(plan(), HISTORY)
    assert find("latest", root) == (folder,)
