"""Writing harmlessly, on a terminal or in a log: consoles, buffers of them, and a Screen that lays text out on one.

Whatever was written by somebody else (a file, a program, a kernel) is made harmless here, and fits the console's width
and encoding. What is told, and in which order, is for `terminal` to say. Importing this module imports rich.
"""

import io
import os
import sys
from collections.abc import Iterator
from typing import IO, Literal

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.console import Console
from rich.text import Text

from lab.report import clean
from lab.report.printed import printed

SHOWN_LINES = 6
SHOWN_LINE = 160

Colour = Literal["auto", "always", "never"]


def make_console(file: IO[str] | None = None, colour: Colour = "auto", width: int | None = None) -> Console:
    """A console on `file` (standard output). Without colour (`NO_COLOR`, a dumb terminal, no terminal) it writes no
    control codes at all."""
    file = file or sys.stdout
    terminal = file.isatty()
    plain = not terminal or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    coloured = colour == "always" or (colour == "auto" and not plain)
    return Console(
        file=file,
        width=width,
        color_system="standard" if coloured else None,
        force_terminal=terminal and coloured,
        no_color=not coloured,
        highlight=False,
        markup=False,
        emoji=False,
    )


class _Buffer(io.StringIO):
    """Text for later, as if written in another file's encoding."""

    encoding = "utf-8"


def buffered(console: Console) -> Console:
    """A console that keeps what is written, in the width, colour and encoding of this one, until `replay`."""
    file = _Buffer()
    file.encoding = console.encoding
    return make_console(file, "always" if console.color_system else "never", console.width)


def replay(buffer: Console, console: Console) -> None:
    """Write what the buffer kept, and empty it."""
    file = buffer.file
    assert isinstance(file, _Buffer)
    console.file.write(file.getvalue())
    console.file.flush()
    file.seek(0)
    file.truncate()


class Screen:
    """Lines on a console; `ascii` says that its encoding is not Unicode's."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.width = console.width
        self.ascii = not console.encoding.lower().startswith("utf")
        self._progress = ""

    def say(self, text: str, *, indent: int = 0, lead: str = "", style: str = "", lead_style: str = "") -> None:
        """Text on as many lines as it needs, all to the right of `lead`, which has the text's style or its own."""
        edge = " " * indent + self.fit(lead)
        for line in _wrapped(self.fit(" ".join(text.split())), self.width - cell_len(edge)):
            self._print(Text(edge, lead_style or style).append(line, style))
            edge = " " * cell_len(edge)

    def line(self, text: str, indent: int = 0) -> None:
        """Text on one line, however long, so that it can be copied, or found by its place in a file."""
        self._print(Text(" " * indent + self.fit(text)))

    def listing(self, text: str, lead: str, style: str = "") -> None:
        """A line with its spaces as they are, on as many lines as it needs, all to the right of `lead`, of which the
        first character (a mark) is repeated."""
        room = self.width - cell_len(lead)
        for part in (piece for line in _wrapped(self.fit(text), room) for piece in chop_cells(line, room) or [""]):
            self._print(Text(f"{lead}{part}".rstrip(), style))
            lead = lead[0].ljust(cell_len(lead))

    def cells(self, *cells: tuple[str, int, str]) -> None:
        """A row of a table: (text, width, style) each; a text too long for its cell loses its end. A negative width
        puts it at the right."""
        row = Text()
        for text, width, style in cells:
            cell = _shortened(self.fit(text), abs(width))
            room = " " * (abs(width) - cell_len(cell))
            row.append("  " + room if width < 0 else "  ").append(cell, style).append(room if width > 0 else "")
        row.rstrip()
        self._print(row)

    def folded(self, text: str, width: int, most: int) -> list[str]:
        """A text for a cell of that width, on so many lines at most; the last one has all the rest."""
        lines = list(_wrapped(self.fit(text), width))
        return [*lines[: most - 1], *filter(None, [" ".join(lines[most - 1 :])])]

    def text(self, line: Text) -> None:
        """A line that was laid out by the caller, of what `fit` made harmless."""
        self._print(line)

    def rule(self, heading: str) -> None:
        """A line across, with a heading in it."""
        dash, heading = "-" if self.ascii else "─", self.fit(heading)
        self._print(Text(f"{dash * 2} {heading} {dash * max(2, self.width - cell_len(heading) - 4)}", "bold"))

    def gap(self) -> None:
        """An empty line."""
        self._print(Text())

    def output(self, output: bytes, indent: int) -> None:
        """What a program wrote, with a bar before every line; much of it is folded to its head and tail."""
        for line in printed(output, 2 * SHOWN_LINES, SHOWN_LINE):
            for part in chop_cells(self.fit(line).rstrip(), self.width - indent - 2) or [""]:
                self._print(Text(f"{' ' * indent}| {part}".rstrip()))

    def progress(self, text: str) -> None:
        """What is being done: on a terminal a line that the next one replaces, in a log a plain line."""
        text = f"   {self.fit(text)} ..."
        if self.console.is_terminal:
            self._forget_progress()
            self._progress = set_cell_size(text, min(cell_len(text), self.width - 1))
            self.console.file.write(self._progress)
            self.console.file.flush()
        elif text != self._progress:
            self._print(Text(text))
            self._progress = text

    def pause(self, prompt: str) -> None:
        """Wait for Enter, where there is somebody who could press it."""
        if sys.stdin and sys.stdin.isatty() and self.console.file.isatty():
            self._forget_progress()
            self.console.file.write(f"    [{self.fit(prompt)}] ")
            self.console.file.flush()
            sys.stdin.readline()

    def fit(self, text: str) -> str:
        """The text as one harmless line, in characters that the console's encoding has."""
        text = clean(text)
        return text.encode(self.console.encoding, "replace").decode(self.console.encoding) if self.ascii else text

    def _print(self, line: Text) -> None:
        self._forget_progress()
        self.console.print(line, soft_wrap=True)

    def _forget_progress(self) -> None:
        if self._progress and self.console.is_terminal:
            self.console.file.write("\r\x1b[2K")
        self._progress = ""


def _shortened(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, width - 3) + "..."


def _wrapped(text: str, width: int) -> Iterator[str]:
    """Lines of at most `width` cells, broken between words; a longer word (a path, an address) stays in one piece."""
    line = ""
    for word in text.split(" "):
        if line and cell_len(line) + 1 + cell_len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line
