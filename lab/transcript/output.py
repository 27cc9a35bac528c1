"""What a program wrote, with names for what chance gave. Pure.

A program prints what it receives as it receives it, so that the pieces of a stream are pieces of its lines: lines that
differ only in one bytes literal are put together. A program with several connections writes in the order in which they
come: the lines of its standard output are sorted.
"""

import re
from collections.abc import Iterator

from lab.history import History, Output
from lab.model import TOOLS
from lab.plan import PlannedStep
from lab.transcript.blocks import run_lengths
from lab.transcript.names import Names

_LITERAL = re.compile(r"""\bb('|")((?:\\.|(?!\1)[^\\])*)\1""")
_TIME = re.compile(r"\b\d+(?:\.\d+)?(?:/\d+(?:\.\d+)?)* ?(ms|s)\b")


def written(
    history: History, planned: PlannedStep, end: int, names: Names, *, streams: bool, several: bool
) -> Iterator[str]:
    """`stdout | text`, a line each, of what came before `end` (ns). `streams`: the program talks TCP; `several`: on
    several connections."""
    for stream in ("stdout", "stderr"):
        pieces = (seen for seen in history.all(Output) if (seen.step, seen.stream) == (planned.number, stream))
        data = b"".join(seen.data for seen in pieces if seen.time <= end)
        lines = data.decode("utf-8", "backslashreplace").splitlines()
        if streams:
            lines = _joined(lines)
        lines = [names.text(line) for line in lines]
        if planned.argv and planned.argv[0] in TOOLS:
            lines = [_TIME.sub(r"* \1", re.sub(r"[ \t]+", " ", line)) for line in lines]
        if several and stream == "stdout":
            lines.sort()
        yield from (f"{stream} | {line}".rstrip() for line in run_lengths(lines))


def _joined(lines: list[str]) -> list[str]:
    """Lines that say one thing of several pieces become one line, at the place of the first."""
    pieces: dict[str, list[str]] = {}
    for line in lines:
        found = _LITERAL.findall(line)
        if len(found) == 1:
            pieces.setdefault(_template(line), []).append(found[0][1])
    told: dict[str, str] = {}
    for number, line in enumerate(lines):
        whole = pieces.get(_template(line), [])
        if len(whole) > 1:
            told.setdefault(_template(line), _with(line, "".join(whole)))
        else:
            told[f"{number} {line}"] = line
    return list(told.values())


def _template(line: str) -> str:
    return _LITERAL.sub("b''", line)


def _with(line: str, literal: str) -> str:
    """The line with another bytes literal."""
    found = _LITERAL.search(line)
    return f"{line[: found.start(2)]}{literal}{line[found.end(2) :]}" if found else line
