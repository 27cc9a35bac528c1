"""YAML text becomes plain values with their places, or one clear problem each; nothing else is ever raised."""

import time
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lab import source
from lab.errors import Mark, ScenarioError, UsageError
from lab.source import MAX_BYTES, MAX_DEPTH, Source, parse, plain_scalar, read


def problem(data: bytes) -> str:
    with pytest.raises(ScenarioError) as caught:
        parse(data, "x.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    "22:22 1:30 no yes on off y n 010 0o17 1_000 +1 1e3 .5 .inf .nan 0x 12:34:56:78:9a:bc 02:42:ac:11:00:02 2026-11-23 "
    "2026-11-23T08:16:00Z = 10.1.2.3 127.0.0.1 fd00::1 ::1 ~x nulL tRue 1.0e999 99999999999999999999 "
    "0x11111111111111111 1. -0x1 --1 ''".split(),
)
def test_what_only_looks_like_a_value_stays_text(text: str) -> None:
    expected = text.strip("'")
    assert parse(f"a: {text}".encode(), "x").value == {"a": expected}
    assert parse(f"{text}: a".encode(), "x").value == {expected: "a"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("1", 1), ("-1", -1), ("0", 0), ("0x1F", 31), ("1.5", 1.5), ("-0.25", -0.25), ("1.5e3", 1500.0)),
        *(("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("'1'", "1"), ('"null"', "null")),
    ],
)
def test_scalars_of_the_core_schema(text: str, value: object) -> None:
    found = parse(f"a: {text}".encode(), "x").value["a"]
    assert (found, type(found)) == (value, type(value))


def test_keys_are_always_text() -> None:
    assert parse(b"1: a\ntrue: b\nnull: c\n1.5: d\n", "x").value == {"1": "a", "true": "b", "null": "c", "1.5": "d"}


def test_floats_are_finite() -> None:
    assert plain_scalar("9" * 400 + ".0") == "9" * 400 + ".0"
    assert plain_scalar("1.0e99") == 1e99


SAMPLE = b"""\
top: value
list:
  - a
  - {key: [x, y]}
"\xc3\xa9\xc3\xa9": {deep: }
empty:
last: |
  text
"""


def test_every_part_has_its_place() -> None:
    found = parse(SAMPLE, "x")
    places = {path: (mark.line, mark.column) for path, mark in found.marks.items()}
    assert places == {
        (): (1, 1),
        ("top",): (1, 6),
        ("list",): (2, 1),
        ("list", 0): (3, 5),
        ("list", 1): (4, 5),
        ("list", 1, "key"): (4, 6),
        ("list", 1, "key", 0): (4, 12),
        ("list", 1, "key", 1): (4, 15),
        ("éé",): (5, 1),
        ("éé", "deep"): (5, 14),
        ("empty",): (6, 7),
        ("last",): (7, 7),
    }
    assert found.key(("top",)) == Mark("x", 1, 1)
    assert found.key(("éé", "deep")) == Mark("x", 5, 8)


def test_what_has_no_place_is_where_the_part_around_it_is() -> None:
    found = parse(SAMPLE, "x")
    assert found.mark(("list", 1, "key", 7, "nothing")) == found.mark(("list", 1, "key"))
    assert found.key(("list", 0)) == found.mark(("list", 0))
    assert Source("y", None, {}).mark(("a",)) == Mark("y", 1, 1)


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
def test_all_line_ends_count_alike(ends: bytes) -> None:
    assert problem(ends.join([b"a: 1", b"b: 2", b"  \xff: 3"])).startswith("x.yaml:3:3: ")
    assert problem(ends.join([b"a: 1", b"\tb: 2"])).startswith("x.yaml:2:1: expected spaces, observed a tab")


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert parse(b"\xef\xbb\xbfa: 1", "x").value == {"a": 1}
    assert problem(b"\xef\xbb\xbf\xff") == "x.yaml:1:1: expected UTF-8 text, observed the byte 0xff"
    assert "U+FEFF" in problem(b"a: \xef\xbb\xbf1")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a: \x00", "x.yaml:1:4: expected text, observed the character U+0000"),
        (b"a: 1\nb: \x1b[2J", "x.yaml:2:4: expected text, observed the character U+001B"),
        (b"a: \xe2\x80\xa8b", "x.yaml:1:4: expected text, observed the character U+2028"),
        (b"\x7fELF\x02\x01\x01", "x.yaml:1:1: expected text, observed the character U+007F"),
        ("a: 1".encode("utf-16"), "x.yaml:1:1: expected UTF-8 text, observed the byte 0xff"),
        (b"a: \xed\xa0\x80", "x.yaml:1:4: expected UTF-8 text"),
        (b"a: " + b"x" * MAX_BYTES, "x.yaml:1:1: expected a file of at most 1,000,000 bytes"),
        (b"", "x.yaml:1:1: expected a scenario"),
    ],
)
def test_what_is_no_text_is_told_at_its_place(data: bytes, words: str) -> None:
    assert problem(data).startswith(words)
    assert "\n" not in problem(data)


def test_depth_is_bounded() -> None:
    assert parse(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, "x").value
    assert f"at most {MAX_DEPTH} levels" in problem(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))


LAUGHS = "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40))]).encode()


@pytest.mark.parametrize("data", [b"[" * 999_999, b"- " * 400_000, b"{a: " * 200_000, LAUGHS, b"? " * 400_000])
def test_bombs_are_refused_at_once(data: bytes) -> None:
    begun = time.process_time()
    assert problem(data)
    assert time.process_time() - begun < 1


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.yaml: cannot be read: No such file"):
        read(tmp_path / "nowhere.yaml")
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        read(tmp_path)
    (tmp_path / "a.yaml").write_bytes(b"a: 1")
    assert read(tmp_path / "a.yaml").value == {"a": 1}


YAMLISH = st.text(alphabet="ab01 \n\t:-[]{},&*!|>'\"%@#?<=~.\r\ufeffé\x00", max_size=60).map(str.encode)


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(YAMLISH, st.binary(max_size=60), st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
)
@example(b"a: !<tag:x> b")
@example(b"%YAML 9.9\n---\na")
@example(b"%TAG ! x\n")
@example(b"&a")
@example(b"*a")
@example(b'"\\ud800"')
@example(b"a: >5000000000\n x")
@example(b"? a\n? b")
def test_any_bytes_are_values_or_problems(data: bytes) -> None:
    try:
        found = parse(data, "x.yaml")
    except ScenarioError as error:
        lines = str(error).splitlines()
        assert lines and all(line.startswith("x.yaml:") and " expected " in line for line in lines)
    else:
        assert yaml.safe_dump(found.value) is not None
        assert found.marks[()].line >= 1


def test_the_python_loader_does_as_well_as_the_one_in_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_Loader", yaml.SafeLoader)
    assert parse(b"a: [1, {b: no}]", "x").value == {"a": [1, {"b": "no"}]}
    assert "anchor" in problem(b"a: &b 1")
    assert "a tab" in problem(b"a:\n\tb: 1")
    assert "at most" in problem(b"[" * 1000)
