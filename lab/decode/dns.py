"""DNS messages -> words: `query A server`, `answer A server 10.1.2.3, 10.1.2.4`.

Names are text as it came, whatever is in it: to show them safely is for the reports.
"""

import struct
from collections.abc import Sequence
from socket import AF_INET, AF_INET6, inet_ntop

ENGINES_OWN = "127.0.0.11"  # Docker's embedded DNS, in each host; address translation hides its ports

_TYPES = {
    1: "A",
    2: "NS",
    5: "CNAME",
    6: "SOA",
    12: "PTR",
    15: "MX",
    16: "TXT",
    28: "AAAA",
    33: "SRV",
    65: "HTTPS",
}
_ERRORS = {1: "format error", 2: "server failure", 3: "no such name", 4: "not implemented", 5: "refused"}
_NAMES = ("NS", "CNAME", "SOA", "PTR")
_NUMBERS_BEFORE_NAME = {"MX": 1, "SRV": 3, "HTTPS": 1}
_RESPONSE, _OPERATION, _TRUNCATED, _ERROR = 0x8000, 0x7800, 0x0200, 0x000F
_HEADER, _LONGEST_NAME, _MOST_PARTS = 12, 255, 128
_LONGEST = 1000
Question = tuple[str, str]


def words(message: bytes) -> str:
    """What a message asks or answers; empty where it does neither, or is not whole. Never raises."""
    try:
        told = _words(message)
    except (struct.error, ValueError, IndexError):
        return ""
    # names that point at each other make a small message say a hundred times its size
    return told if len(told) <= _LONGEST else f"{told[:_LONGEST]}..."


def _words(message: bytes) -> str:
    flags, asked, answered = struct.unpack_from("!2xHHH", message)
    at, questions, values = _HEADER, list[Question](), list[str]()
    for _ in range(asked):
        question, at = _question(message, at)
        questions.append(question)
    if flags & _OPERATION:
        return ""
    if not flags & _RESPONSE:
        return f"query {_told(questions)}" if questions else ""
    for _ in range(answered):
        owner, value, at = _record(message, at, questions)
        questions = questions or [owner]
        values.append(value)
    nothing = "truncated" if flags & _TRUNCATED else "no record"
    error = flags & _ERROR
    said = _ERRORS.get(error, f"error {error}") if error else ", ".join(values) or nothing
    return " ".join(filter(None, ("answer", _told(questions), said))) if questions or error else ""


def _told(questions: Sequence[Question]) -> str:
    return ", ".join(f"{kind} {name}" for kind, name in questions)


def _question(message: bytes, at: int) -> tuple[Question, int]:
    name, at = _name(message, at)
    kind, _ = struct.unpack_from("!HH", message, at)
    return (_type(kind), name), at + 4


def _record(message: bytes, at: int, questions: Sequence[Question]) -> tuple[Question, str, int]:
    """Whose it is, its value, and where the next one begins. What was not asked for says its type."""
    name, at = _name(message, at)
    number, length = struct.unpack_from("!H6xH", message, at)
    begin, end = at + 10, at + 10 + length
    if end > len(message):
        raise ValueError("the record is cut off")
    kind = _type(number)
    value = _value(kind, message, begin, end)
    other = questions and kind not in (asked for asked, _ in questions)
    return (kind, name), f"{kind} {value}" if other else value, end


def _value(kind: str, message: bytes, begin: int, end: int) -> str:
    if kind in ("A", "AAAA"):
        return inet_ntop(AF_INET if kind == "A" else AF_INET6, message[begin:end])
    if kind in _NAMES:
        return _name(message, begin)[0]
    if count := _NUMBERS_BEFORE_NAME.get(kind):
        numbers = struct.unpack_from(f"!{count}H", message, begin)
        return " ".join([*map(str, numbers), _name(message, begin + 2 * count)[0]])
    return " ".join(_texts(message[begin:end])) if kind == "TXT" else f"{end - begin} bytes"


def _texts(data: bytes) -> list[str]:
    texts = []
    while data:
        size = data[0]
        texts.append(_text(data[1 : 1 + size]))
        data = data[1 + size :]
    return texts


def _name(message: bytes, at: int) -> tuple[str, int]:
    """The name (`.` is the root), and where what follows it begins. Each jump leads further back than the last."""
    labels, size, begin, after = list[bytes](), 0, at, 0
    for _ in range(_MOST_PARTS):
        length, target = message[at], int.from_bytes(message[at : at + 2], "big") - 0xC000
        if length == 0:
            return ".".join(map(_text, labels)) or ".", after or at + 1
        if length < 0x40 and size + length < _LONGEST_NAME:
            labels.append(message[at + 1 : at + 1 + length])
            at, size = at + 1 + length, size + 1 + length
        elif 0 <= target < begin:
            after = after or at + 2
            at = begin = target
        else:
            break
    raise ValueError("the name does not end")


def _type(number: int) -> str:
    return _TYPES.get(number, f"TYPE{number}")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
