"""What may stand behind an option of the command line, checked before anything is run."""

import os
from pathlib import Path

import click


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
