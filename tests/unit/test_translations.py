"""Every word has its translation, and every translation its word."""

from pathlib import Path
from string import Formatter

import polib
import pytest
from translations import Message, brought_up, files, in_module, in_template, strays, told_by_tool

from lab.i18n import FOLDER
from lab.template import names_in

FILES = files()
REMEDY = "python -m tests.translations brings it up to date; what it leaves empty is to be translated"


def entries(path: Path) -> polib.POFile:
    return polib.pofile(str(path), encoding="utf-8")


def forms(entry: polib.POEntry) -> list[str]:
    """What it is translated to, in each of its forms."""
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


def placeholders(text: str, path: Path) -> set[str]:
    """What stands in braces: of the tool `{count:,}`, of a scenario also `{server.lan}`."""
    if path.parent != FOLDER:
        return set(names_in(text))
    return {f"{name}!{conversion}:{spec}" for _, name, spec, conversion in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_is_missing_and_nothing_stale(path: Path) -> None:
    assert path.is_file(), REMEDY
    assert path.read_text("utf-8") == brought_up(path, FILES[path]), REMEDY


def test_no_file_belongs_to_nothing() -> None:
    assert strays() == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_everything_is_translated(path: Path) -> None:
    for entry in entries(path):
        for form in forms(entry):
            assert form.strip() and form not in (entry.msgid, entry.msgid_plural), entry.msgid
        assert not entry.fuzzy, entry.msgid


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_values_stand_on_both_sides(path: Path) -> None:
    for entry in entries(path):
        for form in forms(entry):
            assert placeholders(form, path) == placeholders(entry.msgid, path), entry.msgid
            assert form.count("\n") == 0 or "\n" in entry.msgid, entry.msgid
            assert form.endswith("\n") == entry.msgid.endswith("\n"), entry.msgid


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from lab.i18n import _\n_('a', x=1)\n_(LATER)", [("a", "")]),
        ("from lab.i18n import counted, later\nlater('a')\ncounted('b', 'c', 3)", [("a", ""), ("b", "c")]),
        ("for _, x in y: _('a')", []),
    ],
)
def test_a_modules_words_are_found(text: str, expected: list[Message]) -> None:
    assert list(in_module(text)) == expected


@pytest.mark.parametrize("call", ["_(f'{x}')", "_('a' + x)", "later(x)", "counted(x, y, 1)", "counted('a', y, 1)"])
def test_words_that_cannot_be_found_are_refused(call: str) -> None:
    with pytest.raises(ValueError, match="line 2: expected words as they are"):
        list(in_module(f"from lab.i18n import _, counted, later\n{call}"))


def test_a_templates_words_are_found() -> None:
    text = """{{ _("a", x=1) }}{{ _(name) }}<p title="{{ counted("b", "c", n) }}">d</p>"""
    assert list(in_template(text)) == [("a", ""), ("b", "c")]


def test_all_that_speaks_is_looked_at() -> None:
    places = {place for found in told_by_tool().values() for place in found}
    assert {"lab/checks/outcome.py", "lab/report/templates/case.html", "lab/guide.yaml"} <= places


def test_a_file_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "claim.ru.po"
    path.write_text('msgid "kept"\nmsgstr "осталось"\n\nmsgid "gone"\nmsgstr "ушло"\n', "utf-8")
    path.write_text(brought_up(path, {("kept", ""): [], ("{count} x", "{count} xs"): ["a.py"]}), "utf-8")
    kept, new = entries(path)
    assert (kept.msgid, kept.msgstr) == ("kept", "осталось")
    assert forms(new) == ["", "", ""] and [entry.msgid for entry in entries(path).untranslated_entries()] == [new.msgid]
