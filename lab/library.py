"""The scenarios and programs on this disk: where they are and what they are called. What is in them is for others."""

from contextlib import suppress
from pathlib import Path

from lab.errors import UsageError, did_you_mean
from lab.source import read

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


def outline(path: Path) -> tuple[str, list[str]]:
    """A file's title and the names of its cases, without a look for mistakes."""
    value = read(path).value
    found = value if isinstance(value, dict) else {}
    cases = found.get("cases")
    return str(found.get("title", "")), list(cases) if isinstance(cases, dict) else []


def programs_of(folder: Path) -> dict[str, Path]:
    """The programs that a scenario in this folder may start: the lab's own, and those in `programs/` beside it."""
    return {item.stem: item for place in (PROGRAMS, folder / "programs") for item in sorted(place.glob("*.py"))}
