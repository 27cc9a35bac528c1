"""The reader's language: gettext, over .po files that translators edit as they are.

The tool's own words are in lab/locale/LANGUAGE.po, a scenario's beside it, in NAME.LANGUAGE.po. English is what the
code and the scenarios say; what has no translation stays English.
"""

import gettext
import io
import locale
from collections.abc import Mapping
from pathlib import Path

from lab.errors import UsageError, did_you_mean

LANGUAGES = ("en", "ru")
FOLDER = Path(__file__).parent / "locale"
VARIABLE = "LAB_LANG"
_ENVIRONMENT = (VARIABLE, "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")

_language = "en"
_words: gettext.NullTranslations = gettext.NullTranslations()


def preferred(environment: Mapping[str, str]) -> str:
    """The language that the environment asks for, where the lab speaks it; else English. The first variable that is
    set decides, as for gettext."""
    for name in _ENVIRONMENT:
        if asked := environment.get(name):
            code = (locale.normalize(asked.split(":")[0]).partition("_")[0]).lower()
            return code if code in LANGUAGES else "en"
    return "en"


def speak(language: str) -> None:
    """Everything from here on is said in that language; UsageError where the lab does not speak it."""
    global _language, _words
    if language not in LANGUAGES:
        known = ", ".join(LANGUAGES)
        raise UsageError(f"expected a language ({known}), observed {language!r}{did_you_mean(language, LANGUAGES)}")
    _language, _words = language, catalog(FOLDER / f"{language}.po")


def language() -> str:
    """What is spoken."""
    return _language


def catalog(path: Path) -> gettext.NullTranslations:
    """The translations in a .po file; none where there is no such file. UsageError where it cannot be read."""
    if not path.is_file():
        return gettext.NullTranslations()
    import polib

    try:
        found = polib.pofile(str(path), encoding="utf-8")
        found.metadata.setdefault("Content-Type", "text/plain; charset=UTF-8")
        return gettext.GNUTranslations(io.BytesIO(found.to_binary()))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: expected the translations of a .po file, observed: {error}") from error


def _(text: str) -> str:
    """The tool's words, translated."""
    return _words.gettext(text) if text else ""


def counted(one: str, many: str, count: int) -> str:
    """The form that goes with the number: `1 case`, `2 cases`; `{count}` in it is replaced."""
    return _words.ngettext(one, many, count).format(count=count)
