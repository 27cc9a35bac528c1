"""What stands between this machine and a run, line by line, each with its remedy. Finds out; changes nothing.

Works where the engine is absent, too: that is a line like any other.
"""

import platform
import shutil
import sys
from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct

from lab.engines import open_engine
from lab.engines.base import Capabilities, Engine, Leftover
from lab.errors import LabError
from lab.i18n import _, later

OLDEST_PYTHON = (3, 11)


class Level(StrEnum):
    """How bad it is."""

    OK = later("ok")
    WARN = later("warn")
    BAD = later("bad")


class Line(Struct, frozen=True):
    """One finding, and what to do about it (empty where it is well)."""

    level: Level
    what: str
    remedy: str = ""

    @property
    def wrong(self) -> bool:
        """Whether no run can succeed before this is cured."""
        return self.level is Level.BAD

    def __str__(self) -> str:
        return f"{_(self.level):<4} {self.what}" + (f"\n     -> {self.remedy}" if self.remedy else "")


def examine(engine_name: str) -> Iterator[Line]:
    """Every finding, as soon as it is found. UsageError where there is no engine of that name."""
    engine = open_engine(engine_name)
    yield _python()
    try:
        yield from _capabilities(engine.capabilities())
        yield from _image(engine)
        yield from _trial(engine)
        yield _subnets(engine)
        yield from _leftovers(engine.leftovers())
    except LabError as error:
        yield Line(Level.BAD, str(error), _("cure that, then `lab doctor` again"))
    finally:
        engine.close()


def _python() -> Line:
    version = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        return Line(
            Level.BAD,
            f"Python {version}",
            _("use Python {version} or newer", version=".".join(map(str, OLDEST_PYTHON))),
        )
    machine = f"{platform.system()} {platform.machine()}"
    return Line(Level.OK, _("Python {version} on {machine}", version=version, machine=machine))


def _capabilities(found: Capabilities) -> Iterator[Line]:
    yield Line(Level.OK, ", ".join(f"{_(name)}: {version}" for name, version in sorted(found.versions.items())))
    yield Line(Level.OK, _("can do: {what}", what=", ".join(sorted(found.has))))
    for name, reason in sorted(found.lacks.items()):
        what = _("cannot do {what}: {reason}", what=name, reason=reason)
        yield Line(Level.WARN, what, _("cases that need it are SKIPPED"))


def _image(engine: Engine) -> Iterator[Line]:
    """The image that hosts are made of, where the engine has such a thing."""
    missing = getattr(engine, "missing_image", None)
    if missing is None:
        return
    tag = missing()
    if tag is None:
        yield Line(Level.OK, _("the hosts' image is built"))
        return
    how = "" if shutil.which("mmdebstrap") else _(", from a registry (there is no mmdebstrap here)")
    what = _("the hosts' image {tag} is not built yet", tag=tag)
    yield Line(Level.WARN, what, _("`lab images` builds it now; the first run does") + how)


def _trial(engine: Engine) -> Iterator[Line]:
    """A host made and gone, where the engine can try that at no cost."""
    if (trial := getattr(engine, "trial", None)) is not None:
        trial()
        yield Line(Level.OK, _("a host can be made"))


def _subnets(engine: Engine) -> Line:
    try:
        engine.subnets([2, 2])
    except LabError as error:
        return Line(Level.BAD, str(error), _("`lab sweep` removes what dead runs hold"))
    return Line(Level.OK, _("there are free subnets"))


def _leftovers(found: tuple[Leftover, ...]) -> Iterator[Line]:
    dead = [thing for thing in found if not thing.alive]
    for run in sorted({thing.run for thing in found if thing.alive}):
        things = [thing for thing in found if thing.run == run]
        yield Line(Level.OK, _("run {run} is alive: {things}", run=run, things=_names(things)))
    if dead:
        yield Line(
            Level.WARN, _("dead runs left {things}", things=_names(dead)), _("`lab sweep`; the next run does it, too")
        )
    else:
        yield Line(Level.OK, _("nothing is left over"))


def _names(things: list[Leftover]) -> str:
    return ", ".join(f"{thing.kind} {thing.name}" + (f" ({thing.detail})" if thing.detail else "") for thing in things)
