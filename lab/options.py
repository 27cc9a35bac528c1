"""The options that commands share, and what may stand behind one, checked before anything is run."""

import math
import os
from pathlib import Path

import click

from lab.i18n import speak


class File(click.Path):
    """A file that can be written: where its folder is missing, that is said before anything is run."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path; a usage error where it cannot be."""
        path = Path(str(super().convert(value, param, ctx)))
        if not path.absolute().parent.is_dir():
            self.fail(f"{path}: expected a folder that is there, observed none at {path.parent}", param, ctx)
        return path


ENGINE = click.option(
    "--engine", default=lambda: os.environ.get("LAB_ENGINE", "auto"), help="auto, docker, namespaces or fake."
)
JOBS = click.option(
    "--jobs", type=click.IntRange(1, 64), default=lambda: min(4, os.cpu_count() or 1), help="Cases at work at once."
)
FILE = File()
CASE = click.option("--case", "case", metavar="CASE", help="Only this case.")


def is_number(_: click.Context, __: click.Parameter, value: float) -> float:
    """A range has both its ends, and lets through what is neither more nor less than they."""
    if math.isnan(value):
        raise click.BadParameter("expected a number, observed nan")
    return value


def _speak(_: click.Context, __: click.Parameter, value: str | None) -> None:
    if value is not None:
        speak(value)


LANGUAGE = click.option(
    "--lang", expose_value=False, is_eager=True, callback=_speak, help="en or ru; by the locale unless said."
)


class Speaking(click.Group):
    """Commands that all know --lang."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        LANGUAGE(cmd)
        super().add_command(cmd, name)
