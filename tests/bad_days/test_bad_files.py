"""Wrong input: one clear message a mistake, exit code 2, and nothing asked of any engine (there is none)."""

import pytest
from bad_days.house import NOWHERE, run

HOSTS = "title: T\nnetworks: {lan: {}}\nhosts: {one: {networks: [lan]}}\n"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
NO_HOST = "steps:\n  - {host: oen, call: s = socket()}\n"
NO_PROGRAM = "steps:\n  - {host: one, run: [eco-client]}\n"
FILES = {
    "unknown-host": (HOSTS + NO_HOST, ["5:12: no host is named 'oen'; did you mean 'one'?"]),
    "wrong-type": (HOSTS.replace("[lan]", "7") + NO_HOST, ["3:25: expected a list, observed 7", "5:12: no host"]),
    "missing-program": (HOSTS + NO_PROGRAM, ["5:23: no program is named 'eco-client'; did you mean 'echo-client'?"]),
    "two-mistakes": (HOSTS + NO_HOST + NO_PROGRAM.removeprefix("steps:\n"), ["5:12: no host", "6:23: no program"]),
    "empty": ("", ["1:1: expected"]),
    "binary": (b"\x7fELF\x02\x01\x00\xff\xfe", ["1:8: expected UTF-8 text"]),
    "not-yaml": ("title: [\n", ["2:1: "]),
    "deep": ("[" * 5000, ["1:"]),
}


@pytest.mark.parametrize("name", FILES)
def test_a_wrong_file(name, tmp_path):
    content, expected = FILES[name]
    path = tmp_path / f"{name}.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    ended = run("run", str(path), runs=tmp_path / "runs", environment=NOWHERE)
    assert (ended.code, ended.out) == (2, "")
    assert len(ended.told) == len(expected), ended.err
    for line, beginning in zip(ended.told, expected, strict=True):
        assert line.startswith(f"{path}:{beginning}"), line
    assert ended.memory < 200 << 20
    assert not (tmp_path / "runs").exists()


def test_a_file_that_is_a_bomb(tmp_path):
    (tmp_path / "bomb.yaml").write_text(BOMB)
    ended = run("run", str(tmp_path / "bomb.yaml"), runs=tmp_path / "runs", environment=NOWHERE)
    *told, last = ended.told
    assert (ended.code, ended.out, len(told), last) == (2, "", 40, "and 41 more mistakes")
    assert all(line.startswith(f"{tmp_path}/bomb.yaml:") and "anchor or alias" in line for line in told)
    assert ended.memory < 200 << 20


WORDS = {
    "no-such-scenario": (["run", "refusd"], "no scenario is named 'refusd'; did you mean 'refused'?"),
    "no-such-file": (["run", "./nowhere.yaml"], "nowhere.yaml"),
    "no-such-case": (["run", "refused", "--case", "opne"], "refused has no case 'opne'; did you mean 'open'?"),
    "no-such-engine": (["run", "refused", "--engine", "dokcer"], "did you mean 'docker'?"),
    "no-names": (["run"], "expected names of scenarios, or --all"),
    "no-such-run": (["judge", "20200101"], "expected a run, observed none"),
    "no-such-option": (["run", "refused", "--fast"], "--fast"),
}


@pytest.mark.parametrize("name", WORDS)
def test_a_wrong_command_line(name, tmp_path):
    arguments, words = WORDS[name]
    ended = run(*arguments, runs=tmp_path / "runs", environment=NOWHERE)
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err
    assert "Traceback" not in ended.err


def test_no_engine(tmp_path):
    ended = run("run", "refused", "--engine", "docker", runs=tmp_path / "runs", environment=NOWHERE)
    assert (ended.code, ended.out, len(ended.told)) == (3, "", 1)
    assert "no Docker Engine answers at unix:///nonexistent/docker.sock" in ended.err
    assert "DOCKER_HOST" in ended.err
    assert ended.seconds < 10


def test_a_runs_folder_that_is_a_file(tmp_path):
    (tmp_path / "runs").write_text("a file\n")
    ended = run("run", "refused", "--engine", "fake", runs=tmp_path / "runs")
    assert (ended.code, ended.out, len(ended.told)) == (3, "", 1)
    assert f"cannot save the run in {tmp_path}/runs" in ended.err
    assert "LAB_RUNS" in ended.err
