"""The scenarios and programs on this disk: where they are and what they are called. What is in them is for others."""

from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from lab.errors import UsageError, did_you_mean
from lab.source import read
from lab.translation import translated

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = ROOT / "scenarios"
PROGRAMS = ROOT / "images" / "host" / "programs"


def find(name: str) -> Path:
    """The file of a scenario, by its name or its path, told as it is seen from here; UsageError with what was meant."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or "/" in name:
        return path
    named = {item.stem: item for item in shipped()}
    if name not in named:
        raise UsageError(f"no scenario is named {name!r}" + did_you_mean(name, named))
    with suppress(ValueError):
        return named[name].relative_to(Path.cwd())
    return named[name]


def shipped() -> list[Path]:
    """The files of the scenarios that come with the lab, by name."""
    return sorted(SCENARIOS.glob("*.yaml"))


class Outline(Struct, frozen=True):
    """What a scenario's file says of itself: title, the names of its cases, the words that find it."""

    title: str
    cases: tuple[str, ...]
    topics: tuple[str, ...]


def outline(path: Path) -> Outline:
    """A file's outline, without a look for mistakes. A section of the guide is a topic, and so is a claim of it."""
    value = translated(read(path), path).value
    found = value if isinstance(value, dict) else {}
    cases = found.get("cases")
    claims = _words(found.get("guide"))
    sections = (name.rpartition(".")[0] for name in claims)
    topics = dict.fromkeys([*_words(found.get("topics")), *filter(None, sections), *claims])
    return Outline(str(found.get("title", "")), tuple(cases) if isinstance(cases, dict) else (), tuple(topics))


def _words(value: object) -> list[str]:
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]


def about(topic: str | None) -> dict[str, Outline]:
    """The scenarios about a topic, or all, by name; UsageError with the topics that there are."""
    outlines = {path.stem: outline(path) for path in shipped()}
    if topic is None:
        return outlines
    found = {name: it for name, it in outlines.items() if topic in (name, *it.topics)}
    if not found:
        known = {word for it in outlines.values() for word in it.topics if "." not in word}
        raise UsageError(f"no scenario is about {topic!r}" + did_you_mean(topic, known))
    return found


def programs_of(folder: Path) -> dict[str, Path]:
    """The programs that a scenario in this folder may start: the lab's own, and those in `programs/` beside it."""
    return {item.stem: item for place in (PROGRAMS, folder / "programs") for item in sorted(place.glob("*.py"))}
