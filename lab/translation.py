"""A scenario's own words in the reader's language: title, lesson, questions and reasons, out of the .po file beside it.

They are replaced in the source before anything is made of it, so that places stay, and parameters work in them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from lab.i18n import catalog, language
from lab.source import Path_, Source
from lab.template import NAME, names_in, steps_in

TOLD = ("title", "lesson")
ASKED = ("predict", "because")


def translated(source: Source, path: Path) -> Source:
    """The source in the language that is spoken."""
    if language() == "en":
        return source
    words = catalog(path.with_suffix(f".{language()}.po"))
    value = source.value
    for place, text in texts(value):
        value = _with(value, place, words.gettext(text))
    return replace(source, value=value)


def texts(value: Any) -> Iterator[tuple[Path_, str]]:
    """What there is to be translated, and where: also a case's text that is a whole
    question or reason."""
    if not isinstance(value, dict):
        return
    steps = [(place, step) for step, place, _ in steps_in(value.get("steps") or ()) if isinstance(step, dict)]
    spoken = {match[1] for _, step in steps for key in ASKED if (match := NAME.fullmatch(str(step.get(key))))}
    for key in TOLD:
        yield from _text((key,), value.get(key))
    for case, parameters in _items(value.get("cases")):
        for name, text in _items(parameters):
            if name in spoken:
                yield from _text(("cases", case, name), text)
    for place, step in steps:
        for key in ASKED:
            yield from _text((*place, key), step.get(key))


def _text(place: Path_, text: Any) -> Iterator[tuple[Path_, str]]:
    """Text in which there is a word."""
    if isinstance(text, str) and any(char.isalpha() for char in _unnamed(text)):
        yield place, text


def _unnamed(text: str) -> str:
    for name in names_in(text):
        text = text.replace(f"{{{name}}}", "")
    return text


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    yield from value.items() if isinstance(value, dict) else ()


def _with(value: Any, place: Path_, text: str) -> Any:
    """The value with another text at the place."""
    if not place:
        return text
    key, *rest = place
    changed = _with(value[key], tuple(rest), text)
    if isinstance(value, list):
        return [changed if index == key else item for index, item in enumerate(value)]
    return {**value, key: changed}
