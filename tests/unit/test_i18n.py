"""The lab speaks the reader's language where it knows it; what is not translated stays English."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import i18n
from lab.errors import UsageError
from lab.i18n import catalog, counted, preferred, speak
from lab.library import outline
from lab.scenario import load
from lab.source import parse, read
from lab.translation import texts, translated

PO = """
msgid "A claim"
msgstr "Утверждение"

msgid "Will {who} answer?"
msgstr "Ответит ли {who}?"

msgid "Nobody is there."
msgstr "Никого нет."
"""
SCENARIO = """
title: A claim
networks: {lan: {}}
hosts: {one: {networks: [lan]}}
cases:
  silent: {why: Nobody is there., who: one}
steps:
  - {host: one, predict: "Will {who} answer?", call: s = socket(), because: "{why}"}
"""


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    yield
    speak("en")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "en"),
        ({"LANG": "ru_RU.UTF-8"}, "ru"),
        ({"LANG": "ru"}, "ru"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "ru_RU.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "C", "LC_MESSAGES": "ru_RU.UTF-8"}, "ru"),
        ({"LANG": "C", "LANGUAGE": "ru:en"}, "ru"),
        ({"LANG": "ru_RU.UTF-8", "LAB_LANG": "en"}, "en"),
        ({"LANG": "nonsense/../x"}, "en"),
    ],
)
def test_the_environment_asks_for_a_language(environment: dict[str, str], expected: str) -> None:
    assert preferred(environment) == expected


@pytest.mark.parametrize(
    ("encoding", "expected"), [("utf-8", "ru"), ("koi8-r", "ru"), ("cp1251", "ru"), ("ascii", "en"), ("?", "en")]
)
def test_who_cannot_write_a_language_is_spared_it(encoding: str, expected: str) -> None:
    assert preferred({"LANG": "ru_RU"}, encoding) == expected


def test_a_language_that_is_not_spoken_is_told() -> None:
    with pytest.raises(UsageError, match=r"expected a language \(en, ru\), observed 'rus'; did you mean 'ru'\?"):
        speak("rus")
    assert i18n.language() == "en"


def test_a_scenario_is_told_in_its_readers_language(tmp_path: Path) -> None:
    path = tmp_path / "claim.yaml"
    path.write_text(SCENARIO)
    (tmp_path / "claim.ru.po").write_text(PO, "utf-8")
    assert outline(path).title == load(path).title == "A claim"
    speak("ru")
    assert outline(path).title == load(path).title == "Утверждение"
    source = translated(read(path), path)
    assert [text for _, text in texts(source.value)] == ["Утверждение", "Никого нет.", "Ответит ли {who}?"]
    assert source.marks == read(path).marks


def test_what_is_translated_is_what_readers_are_told() -> None:
    found = dict(texts(parse(SCENARIO.encode(), "t.yaml").value))
    assert found == {
        ("title",): "A claim",
        ("cases", "silent", "why"): "Nobody is there.",
        ("steps", 0, "predict"): "Will {who} answer?",
    }


def test_nonsense_has_no_texts() -> None:
    assert not list(texts(["a"])) and not list(texts({"title": 3, "cases": 7, "steps": ["x"], "lesson": "--"}))


def test_a_catalog_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.po").write_text("nonsense")
    with pytest.raises(UsageError, match=r"x\.po: expected the translations"):
        catalog(tmp_path / "x.po")
    assert catalog(tmp_path / "absent.po").gettext("a") == "a"


def test_numbers_have_their_forms() -> None:
    assert [counted("{count} case", "{count} cases", count) for count in (1, 2)] == ["1 case", "2 cases"]
