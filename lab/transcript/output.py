"""What a program wrote, with names for what chance gave. Pure.

A program prints what it receives as it receives it, so that the pieces of a stream are pieces of its lines: lines that
differ only in one bytes literal are put together. A program with several connections writes in the order in which they
come: the lines of its standard output are sorted. A table of sockets has no order, but for the kinds of its rows.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby

from lab.decode.dns import ENGINES_OWN
from lab.history import History, Output
from lab.model import TOOLS
from lab.plan import PlannedStep
from lab.transcript.blocks import times
from lab.transcript.names import Names

STREAMS = ("stdout", "stderr")
_LITERAL = re.compile(r"""\bb('|")((?:\\.|(?!\1)[^\\])*)\1""")
_TABLES = frozenset({"ss", "netstat", "lsof"})
_OPEN_FILE = re.compile(r"^(\S+) +\d+( +\S+ +\d+\w? +IPv[46]) +\d+(?= +\S+ +(?:TCP|UDP) )")
_TIME = re.compile(r"\b\d+(?:\.\d+)?(?:/\d+(?:\.\d+)?){0,3} ?(ms|s)\b")

Line = tuple[str, int]


def written(
    history: History, planned: PlannedStep, end: int, names: Names, *, streams: bool, several: bool
) -> Iterator[Line]:
    """`stdout | text`, a line each, of what came before `end` (ns), and when it came (ns): the text itself had been
    written by then. `streams`: the program talks TCP; `several`: on several connections."""
    for stream in STREAMS:
        lines = _lines(history, planned.number, stream, end)
        if streams:
            lines = _joined(lines)
        lines = [(_unnumbered(names.text(text)), time) for text, time in lines]
        if planned.argv and planned.argv[0] in TOOLS:
            lines = [(re.sub(r"[ \t]+", " ", text), time) for text, time in lines]
        if planned.argv and planned.argv[0] in _TABLES:
            lines = _tabled(lines)
        if several and stream == "stdout":
            lines.sort()
        for text, run in groupby(lines, key=lambda line: line[0]):
            came = [time for _, time in run]
            yield f"{stream} | {times(text, len(came))}".rstrip(), max(came)


def _lines(history: History, step: int, stream: str, end: int) -> list[Line]:
    """The lines of each turn, one turn after the other: those of several at once are not mixed."""
    turns: dict[int, list[Output]] = defaultdict(list)
    for seen in history.all(Output):
        if (seen.step, seen.stream) == (step, stream) and seen.time <= end:
            turns[seen.turn].append(seen)
    return [line for _, pieces in sorted(turns.items()) for line in _whole(pieces)]


def _whole(pieces: Sequence[Output]) -> list[Line]:
    """The lines, each with the time of the piece that completed it."""
    reached = list(accumulate(len(seen.data) for seen in pieces))
    found, place = [], 0
    for line in b"".join(seen.data for seen in pieces).splitlines(keepends=True):
        text = line.rstrip(b"\r\n")
        time = pieces[bisect_left(reached, place + max(1, len(text)))].time
        found.append((text.decode("utf-8", "backslashreplace"), time))
        place += len(line)
    return found


def _unnumbered(text: str) -> str:
    """The text without times, and without what lsof calls a process and its socket."""
    return _OPEN_FILE.sub(r"\1 *\2 *", _TIME.sub(r"* \1", text))


def _tabled(lines: Sequence[Line]) -> list[Line]:
    """The rows of each kind sorted, without those of the engine's own name server."""
    rows = (line for line in lines if f" {ENGINES_OWN}:" not in line[0])
    return [row for _, kind in groupby(rows, key=lambda row: row[0].partition(" ")[0]) for row in sorted(kind)]


def _joined(lines: Sequence[Line]) -> list[Line]:
    """Lines that say one thing of several pieces become one line, at the place of the first."""
    pieces: dict[str, list[str]] = {}
    for text, _ in lines:
        found = _LITERAL.findall(text)
        if len(found) == 1:
            pieces.setdefault(_template(text), []).append(found[0][1])
    told: dict[str, Line] = {}
    for number, (text, time) in enumerate(lines):
        template = _template(text)
        if len(pieces.get(template, ())) > 1:
            first = told[template][0] if template in told else _with(text, "".join(pieces[template]))
            told[template] = (first, time)
        else:
            told[f"{number} {text}"] = (text, time)
    return list(told.values())


def _template(line: str) -> str:
    return _LITERAL.sub("b''", line)


def _with(line: str, literal: str) -> str:
    """The line with another bytes literal."""
    found = _LITERAL.search(line)
    return f"{line[: found.start(2)]}{literal}{line[found.end(2) :]}" if found else line
