"""Bytes that a program wrote -> lines that are shown: the head and the tail of much, and what was left out.

Only what is shown is decoded, however much there is. Making the lines harmless is for whoever shows them.
"""

from collections.abc import Iterator

from lab.i18n import _

LINES, LINE = 200, 400


def printed(data: bytes, lines: int = LINES, longest: int = LINE) -> Iterator[str]:
    """At most `lines` lines (an even number) and the one that says what is left out, each of about `longest` characters
    at most; what is not UTF-8 is written out."""
    data = data.removesuffix(b"\n")
    if not data:
        return
    left_out = data.count(b"\n") + 1 - lines
    head = data.split(b"\n", lines)
    if left_out > 1:
        head, tail = head[: lines // 2], data.rsplit(b"\n", lines // 2)[1:]
        size = len(data) + 1 - sum(len(line) + 1 for line in (*head, *tail))
        yield from (_short(line, longest) for line in head)
        known = {"count": left_out, "size": size}
        yield _("... {count:,} lines ({size:,} bytes) left out ...", **known)
        head = tail
    yield from (_short(line, longest) for line in head)


def _short(line: bytes, longest: int) -> str:
    begin = line[: 4 * longest]
    text = begin.removesuffix(b"\r").decode("utf-8", "backslashreplace").expandtabs()
    if begin == line and len(text) <= longest:
        return text
    return f"{text[:longest]} {_('... (a line of {size:,} bytes)', size=len(line))}"
