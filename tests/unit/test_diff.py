"""Two runs, aligned: cases by name, steps by what they do, lines by what they say."""

import shutil
from pathlib import Path

import pytest

from lab.diff import Row, compare, compared, side
from lab.errors import UsageError
from lab.transcript import Section, Transcript

HISTORIES = Path(__file__).parents[1] / "golden" / "histories"


def case(name: str, *sections: Section, **more: str) -> Transcript:
    return Transcript("s", name, sections, **more)


def step(heading: str, *lines: str, number: int = 0, perhaps: tuple[str, ...] = ()) -> Section:
    return Section(number, heading, lines, frozenset(perhaps))


def rows(left: Section, right: Section) -> list[tuple[str, str | None, str | None]]:
    (part,) = compare(case("a", left), case("a", right)).parts
    return [(row.kind, row.left, row.right) for row in part.rows[1:]]


def test_cases_are_matched_by_their_names_and_repeats_in_order():
    one, two = case("a", step("x: observe", "1")), case("a", step("x: observe", "2"))
    pairs = compared((one, two, case("b")), (case("c"), one, one))
    assert [(pair.left, pair.right, pair.differing) for pair in pairs] == [
        ("s.a", "s.a", 0),
        ("s.a", "s.a", 1),
        ("s.b", None, 1),
        (None, "s.c", 1),
    ]


def test_one_case_each_is_compared_whatever_its_name():
    (pair,) = compared((case("a"),), (case("b"),))
    assert (pair.left, pair.right, pair.differing) == ("s.a", "s.b", 0)


def test_skipped_cases_are_compared_by_their_reasons():
    run, one, other = case("a", step("x: observe")), case("a", skipped="no router"), case("a", skipped="no IPv6")
    assert compare(one, one).differing == 0
    assert compare(one, other).parts[0].rows == (Row("skipped: no router", "skipped: no IPv6"),)
    assert compare(run, one).parts[0].rows == (Row("it was run", "skipped: no router"),)


def test_lines_that_tell_of_the_same_are_changed_and_others_come_and_go():
    left = step("c: run x", "socket", "  connect(a:80) = ok", "  close() = ok", "stdout | hi", "exit 0")
    right = step("c: run x", "socket", "  connect(a:80) = ECONNREFUSED", "  close() = ok", "exit 1", "connect: PASS")
    assert rows(left, right) == [
        ("same", "socket", "socket"),
        ("changed", "  connect(a:80) = ok", "  connect(a:80) = ECONNREFUSED"),
        ("same", "  close() = ok", "  close() = ok"),
        ("left", "stdout | hi", None),
        ("changed", "exit 0", "exit 1"),
        ("right", None, "connect: PASS"),
    ]


def test_counts_do_not_keep_lines_apart():
    assert rows(step("x: observe", "3 x attempt to a: ok"), step("x: observe", "attempt to a: no")) == [
        ("changed", "3 x attempt to a: ok", "attempt to a: no")
    ]


def test_many_equal_lines_are_still_alike():
    many = ["  recv = EAGAIN"] * 300
    assert [row for row in rows(step("x: run a", *many), step("x: run a", *many, "exit 1")) if row[0] != "same"] == [
        ("right", None, "exit 1")
    ]
    turned = rows(step("x: run a", "socket", *many, "end"), step("x: run a", "begin", *many, "socket"))
    assert sum(kind == "same" for kind, _, _ in turned) == 300


def test_steps_are_matched_by_what_they_do():
    left = case("a", step("s: start one --port 1"), step("c: run client", number=3))
    right = case("b", step("s: start two"), step("s: firewall X", number=1), step("c: run client", number=4))
    parts = compare(left, right).parts
    assert [part.numbers for part in parts] == [(0, 0), (None, 1), (3, 4)]
    assert [part.rows[0].kind for part in parts] == ["changed", "right", "same"]


def test_last_words_are_excused_on_one_side_only():
    says = step("s: start x", "stdout | a", "stdout | 3 x bye", perhaps=("stdout | 3 x bye",))
    mute, less = (
        step("s: start x", "stdout | a"),
        step("s: start x", "stdout | a", "stdout | bye", perhaps=("stdout | bye",)),
    )
    other = step("s: start x", "stdout | a", "stdout | oops", perhaps=("stdout | oops",))
    assert rows(says, mute)[1] == ("perhaps", "stdout | 3 x bye", None)
    assert rows(less, says)[1] == ("perhaps", "stdout | bye", "stdout | 3 x bye")
    assert rows(says, other)[1] == ("changed", "stdout | 3 x bye", "stdout | oops")
    sure = step("s: start x", "stdout | a", "stdout | bye")
    assert rows(sure, says)[1][0] == "changed"
    assert compare(case("a", says), case("a", mute)).differing == 0


def test_a_step_that_only_one_side_has_excuses_nothing():
    says = step("s: start x", "stdout | bye", perhaps=("stdout | bye",))
    assert compare(case("a", says), case("a")).differing == 2


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of two cases, one of them skipped."""
    monkeypatch.setenv("LAB_RUNS", str(tmp_path))
    folder = tmp_path / "20261123-081640-3f9a1c07"
    shutil.copytree(HISTORIES / "diff-refused-open", folder / "refused.open")
    shutil.copytree(HISTORIES / "diff-refused-firewall-icmp", folder / "refused.firewall-icmp")
    (folder / "refused.firewall-icmp" / "history.jsonl").unlink()
    (folder / "refused.firewall-icmp" / "skipped.txt").write_text("no iptables\n")
    return folder


def test_a_side_is_a_run_or_some_of_its_cases(run):
    assert {told.case for told in side("latest")} == {"open", "firewall-icmp"}
    assert (
        [told.case for told in side("2026", "open")]
        == [told.case for told in side(str(run), "refused.open")]
        == ["open"]
    )
    assert side(f"{run.name}/refused.firewall-icmp")[0].skipped == "no iptables"
    (told,) = side("latest", "open")
    assert not told.skipped and [section.number for section in told.sections] == [-1, 0, 2, 3, -1]


def test_what_is_not_there_is_said(run):
    with pytest.raises(UsageError, match=f"{run.name} has no case 'opn'; did you mean 'open'"):
        side("latest", "opn")
    with pytest.raises(UsageError, match="expected the name or the path of a run"):
        side("nowhere")
