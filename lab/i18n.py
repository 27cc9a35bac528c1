"""The reader's language: gettext, over .po files that translators edit as they are.

The tool's own words are in lab/locale/LANGUAGE.po, a scenario's beside it, in NAME.LANGUAGE.po. English is what the
code and the scenarios say; what has no translation stays English.

Translated is what is told of a run, and of this machine: headings, outcomes, what was expected and observed, and why;
also where a program's format (JSON, JUnit) carries such sentences. English stay what is typed, and what programs look
for: the words of scenario files (`refused`, `> SYN again on lan`, `500 ms`) wherever they appear, the keys and outcomes
in JSON and JUnit, saved runs, transcripts; and what is told to who writes scenarios or calls `lab`: help, mistakes, and
errors of engines and hosts.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from gettext import NullTranslations

LANGUAGES = ("en", "ru")
FOLDER = Path(__file__).parent / "locale"
VARIABLE = "LAB_LANG"
_LETTERS = {"ru": "ж"}
_ENVIRONMENT = (VARIABLE, "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")

_language = "en"
_words: "NullTranslations | None" = None  # English needs none, and waits for no import


def preferred(environment: Mapping[str, str], encoding: str = "utf-8") -> str:
    """The language that the environment asks for, where the lab speaks it and the encoding has its letters; else
    English. The first variable that is set decides, as for gettext."""
    asked = next((found for name in _ENVIRONMENT if (found := environment.get(name))), "")
    code = re.split("[^A-Za-z]", asked, maxsplit=1)[0].lower()
    try:
        _LETTERS.get(code, "").encode(encoding)
    except (LookupError, UnicodeEncodeError):
        return "en"
    return code if code in LANGUAGES else "en"


def speak(language: str) -> None:
    """Everything from here on is said in that language; UsageError where the lab does not speak it."""
    global _language, _words
    if language not in LANGUAGES:
        known = ", ".join(LANGUAGES)
        raise UsageError(f"expected a language ({known}), observed {language!r}{did_you_mean(language, LANGUAGES)}")
    _language, _words = language, None if language == "en" else catalog(FOLDER / f"{language}.po")


def language() -> str:
    """What is spoken."""
    return _language


def catalog(path: Path) -> "NullTranslations":
    """The translations in a .po file; none where there is no such file. UsageError where it cannot be read."""
    import gettext
    import io

    if not path.is_file():
        return gettext.NullTranslations()
    import polib

    try:
        found = polib.pofile(str(path), encoding="utf-8")
        found.metadata.setdefault("Content-Type", "text/plain; charset=UTF-8")
        return gettext.GNUTranslations(io.BytesIO(found.to_binary()))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: expected the translations of a .po file, observed: {error}") from error


def _(text: str, **values: object) -> str:
    """The tool's words, translated; then `{name}` in them is replaced by its value."""
    told = _words.gettext(text) if _words and text else text
    return told.format(**values) if values else told


def later(text: str) -> str:
    """Words that `_` translates when they are told, here marked for the translator."""
    return text


def counted(one: str, many: str, count: int, **values: object) -> str:
    """The form that goes with the number: `1 case`, `2 cases`; `{count}` in it is replaced, as in `_`."""
    chosen = _words.ngettext(one, many, count) if _words else one if count == 1 else many
    return chosen.format(count=count, **values)
