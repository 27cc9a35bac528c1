"""What is expected, text -> frozen parts: times, amounts, and packets, calls or states in their order.

Each function gives a text's meaning, or a ValueError that says which form was expected. Where a pattern may stand is
for `model` and `rules` to say; whether it fits what was seen, for `align` and the checks.
"""

import errno
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

from msgspec import Struct

from lab.errors import did_you_mean

MAX_SECONDS = 3600
MAX_PARTS = 200  # each is held against every packet of a case
NONE, ANY_RUN = "none", "..."

_TIME = r"[0-9]{1,9}(?:\.[0-9]{1,9})? ?(?:ms|s|min)"
_TIMES = rf"{_TIME}(?: ?\.\. ?{_TIME})?"
_NUMBER = r"[0-9]{1,18}"
_OPTIONS = ("on", "again", "after", "within")
_NOT_AN_OPTION = rf"(?!(?:{'|'.join(_OPTIONS)})\b)"
_DETAIL = rf"(?: {_NOT_AN_OPTION}[a-z0-9-]+)?"
_DETAILED = ("ICMP", "ARP", "DNS")
_KINDS = ("any", "SYN", "SYN-ACK", "ACK", "RST", "FIN", "DATA", *_DETAILED)
_SAW = rf"(?: ?= ?(?:E[A-Z0-9]+|TIMEOUT|ok|pending|(?:[<>]=? ?)?{_NUMBER}(?: ?\.\. ?{_NUMBER})?)| ?[<>]=? ?{_NUMBER})?"
_TIMED = rf"(?: (?:after|within) {_TIMES})*"

DURATION = _TIME
AMOUNT = rf"(?:>=|<=|>|<)? ?{_NUMBER}(?: ?\.\. ?{_NUMBER})?"
PACKET = (
    rf"[<>] ?(?:any|SYN|SYN-ACK|ACK|RST|FIN|DATA|(?:ICMP|ARP|DNS){_DETAIL})"
    rf"(?: (?:on [a-z][a-z0-9-]*|again|(?:after|within) {_TIMES}))*"
)
CALL = rf"[a-z][a-z0-9_]*{_SAW}{_TIMED}"

# An API's word, and the words of the API and of the kernel that stand for the same.
CALLS: Mapping[str, tuple[str, ...]] = {
    "socket": ("socket",),
    "bind": ("bind",),
    "listen": ("listen",),
    "accept": ("accept", "accept4"),
    "connect": ("connect", "connect_ex"),
    "send": ("send", "sendall", "sendto", "sendmsg", "sendmmsg"),
    "recv": ("recv", "recvfrom", "recvmsg", "recvmmsg"),
    "close": ("close",),
    "shutdown": ("shutdown",),
    "setsockopt": ("setsockopt",),
    "getsockopt": ("getsockopt",),
    "getsockname": ("getsockname",),
    "getpeername": ("getpeername",),
    "select": ("select", "pselect6"),
    "poll": ("poll", "ppoll"),
    "epoll_wait": ("epoll_wait", "epoll_pwait", "epoll_pwait2"),
    "fork": ("fork",),
    "thread": ("thread",),
}
OF_NO_SOCKET = frozenset({"select", "poll", "epoll_wait", "fork", "thread"})  # seen only where they are asked for
_API = {word: name for name, words in CALLS.items() for word in words}
_SAME_ERRNO = {"EWOULDBLOCK": "EAGAIN", "ENOTSUP": "EOPNOTSUPP"}
_ERRNOS = frozenset({*errno.errorcode.values(), *_SAME_ERRNO, "TIMEOUT"})  # TIMEOUT is the socket's own deadline

STATES = (
    *("UNCONN", "LISTEN", "SYN-SENT", "SYN-RECV", "ESTAB", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "LAST-ACK"),
    *("CLOSING", "TIME-WAIT", "gone"),
)

STATES_FORM = "({0})( *, *({0}))*".format("|".join(STATES))

Part = TypeVar("Part")
Amount = tuple[int, float]


class Times(Struct, frozen=True):
    """At least and at most so long, in seconds; a slow machine stretches the most alone."""

    least: float = 0.0
    most: float = math.inf

    def hold(self, nanoseconds: float, time_scale: float) -> bool:
        """Whether it took as long as that."""
        return self.least * 1e9 <= nanoseconds <= self.most * 1e9 * time_scale


class PacketPart(Struct, frozen=True):
    """One packet: `> ICMP port-unreachable on lan again after 1 s`. `way` is > or <; an empty `interface` is any;
    `again` asks for a retransmission; `times` count from the packet before, `after 1 s..2 s` is as good as both."""

    text: str
    way: str
    kind: str
    interface: str = ""
    again: bool = False
    times: Times = Times()

    def __str__(self) -> str:
        return self.text


class CallPart(Struct, frozen=True):
    """One call: `recv = 1..1024 within 3 s`. `name` is a word of CALLS, or `any`; `saw` is an errno's name, `ok`,
    `pending`, an amount (least, most), or None for whatever came; `times` is how long it took."""

    text: str
    name: str
    saw: str | Amount | None = None
    times: Times = Times()

    def __str__(self) -> str:
        return self.text


def seconds(text: str) -> float:
    """`500 ms`, `3 s`, `1.5 min` as seconds; ValueError says the form."""
    match = re.fullmatch(r"([0-9.]+) ?([a-z]+)", text) if isinstance(text, str) else None
    if not match or not re.fullmatch(_TIME, text):
        raise ValueError(f"expected a time, as in 500 ms or 3 s, observed {text!r}")
    value = float(match[1]) * {"ms": 0.001, "s": 1.0, "min": 60.0}[match[2]]
    if value > MAX_SECONDS:
        raise ValueError(f"expected a time of at most {MAX_SECONDS // 60} min, observed {text!r}")
    return value


def amount(value: int | str) -> Amount:
    """`3`, `">= 2"`, `"< 5"`, `"2..4"` as (least, most), both included."""
    if type(value) is int and value >= 0:
        return value, value
    form = rf"(>=|<=|>|<)? ?({_NUMBER})(?: ?\.\. ?({_NUMBER}))?"
    match = re.fullmatch(form, value) if isinstance(value, str) else None
    if not match or (match[1] and match[3]):
        raise ValueError(f'expected a number or a range, as in 3, ">= 2" or "2..4", observed {value!r}')
    low = int(match[2])
    ranges: dict[str | None, Amount] = {
        None: (low, int(match[3] or low)),
        ">=": (low, math.inf),
        ">": (low + 1, math.inf),
        "<=": (0, low),
        "<": (0, low - 1),
    }
    least, most = ranges[match[1]]
    if least > most:
        raise ValueError(f"expected a range that holds a number, observed {value!r}")
    return least, most


def share(value: int | str) -> tuple[Amount, bool]:
    """An amount; or one in `">= 10 %"`, of all: then True."""
    if isinstance(value, str) and value.rstrip().endswith("%"):
        return amount(value.rstrip()[:-1].rstrip()), True
    return amount(value), False


def packets(text: str) -> tuple[PacketPart | None, ...]:
    """`> SYN, < RST, ...` as its parts, None for any packets; `none` as no part."""
    return _in_order(text, packet)


def packet(text: str) -> PacketPart:
    """`> SYN on lan` as a part: one packet of a pattern, or one kind to count."""
    head, options = _split(text, _OPTIONS)
    form = 'expected a packet, as in "> SYN" or "< any"'
    match = re.fullmatch(r"([<>]) ?(\S+)( \S+)?(.*)", head, re.DOTALL)
    if not match:
        raise ValueError(f"{form}, observed {text!r}")
    way, kind, detail, rest = match[1], match[2], match[3] or "", match[4]
    if kind not in _KINDS:
        raise ValueError(f"{form}, observed {text!r}{did_you_mean(kind.upper(), _KINDS)}")
    if not re.fullmatch(_DETAIL, detail) or rest or (detail and kind not in _DETAILED):
        raise ValueError(_wrong_option(head.removeprefix(way).strip(), kind, _OPTIONS))
    interface = options.get("on", "")
    if "on" in options and not re.fullmatch(r"[a-z][a-z0-9-]*", interface):
        raise ValueError(f"expected on NETWORK, as in on lan, observed {text!r}")
    if options.get("again"):
        raise ValueError(f"expected nothing behind again, observed {text!r}")
    return PacketPart(text, way, kind + detail, interface, "again" in options, _times(options))


def calls(text: str) -> tuple[CallPart | None, ...]:
    """`socket, connect = ECONNREFUSED, ...` as its parts, None for any calls; `none` as no part."""
    return _in_order(text, call)


def call(text: str) -> CallPart:
    """`recv = EAGAIN` as a part: one call of a pattern, or one kind to count."""
    head, options = _split(text, ("after", "within"))
    match = re.fullmatch(r"([A-Za-z0-9_]+)(?: ?= ?(.+)| ?([<>].+))?", head)
    if not match:
        words = re.match(r"([a-z0-9_]+) (.*)", head)
        if words and words[1] in _API:
            raise ValueError(_wrong_option(head, words[1], ("=", "after", "within")))
        raise ValueError(f'expected a call, as in "connect" or "recv = 0", observed {text!r}')
    if match[1] not in _API and match[1] != "any":
        raise ValueError(f"no call is named {match[1]!r}{did_you_mean(match[1], {*_API, 'any'})}")
    told = match[2] or match[3]
    return CallPart(text, _API.get(match[1], match[1]), _saw(told) if told else None, _times(options))


def kinds(expected: str | Mapping[str, int | str]) -> set[str]:
    """The words of the calls in an order, or of those that are counted."""
    parts = calls(expected) if isinstance(expected, str) else map(call, expected)
    return {part.name for part in parts if part}


def api_name(function: str) -> str:
    """The API's word for what a program or a step called: `accept` for accept4."""
    return _API.get(function, function)


def states(text: str) -> tuple[str, ...]:
    """`SYN-SENT, ESTAB, gone`: what a socket passes through, in this order."""
    parts = _pieces(text)
    for part in parts:
        if part not in STATES:
            words = f'expected states in their order, as in "SYN-SENT, ESTAB, gone", observed {part!r}'
            raise ValueError(words + did_you_mean(part, STATES))
    return parts


def _in_order(text: str, meaning: Callable[[str], Part]) -> tuple[Part | None, ...]:
    if text == NONE:
        return ()
    pieces = _pieces(text)
    if any(pair == (ANY_RUN, ANY_RUN) for pair in pairwise(pieces)):
        raise ValueError(f"expected something between two '...', observed {text!r}; one of them is enough")
    return tuple(None if piece == ANY_RUN else meaning(piece) for piece in pieces)


def _pieces(text: str) -> tuple[str, ...]:
    pieces = tuple(piece.strip() for piece in text.split(","))
    if len(pieces) > MAX_PARTS:
        raise ValueError(f"expected at most {MAX_PARTS} parts, observed {len(pieces):,}")
    return pieces


def _split(text: str, known: Sequence[str]) -> tuple[str, dict[str, str]]:
    """What is asked for, and what its options say: `> SYN after 1 s` as ("> SYN", {"after": "1 s"})."""
    head, *rest = re.split(rf" (?=(?:{'|'.join(known)})\b)", text)
    options: dict[str, str] = {}
    for option in rest:
        word, _, value = option.partition(" ")
        if word in options:
            raise ValueError(f"expected {word} once, observed {text!r}")
        options[word] = value
    return head, options


def _wrong_option(text: str, known: str, options: Collection[str]) -> str:
    """What is wrong behind the first word of a part."""
    rest = text.removeprefix(known).strip()
    word = rest.split(" ")[0]
    return f"expected {', '.join(options)} or nothing behind {known}, observed {rest!r}{_near(word, options)}"


def _near(word: str, known: Collection[str]) -> str:
    """A word that was meant; the message names the known ones already."""
    said = "" if word in known else did_you_mean(word, known)
    return said if said.startswith("; did") else ""


def _times(options: Mapping[str, str]) -> Times:
    """After and within: each a time, or a range that both its ends bound."""
    least, most = 0.0, math.inf
    for word in options.keys() & {"after", "within"}:
        low, dots, high = (piece.strip() for piece in options[word].partition(".."))
        if dots or word == "after":
            least = max(least, seconds(low))
        if dots or word == "within":
            most = min(most, seconds(high if dots else low))
    if least > most:
        said = " ".join(f"{word} {options[word]}" for word in ("after", "within") if word in options)
        raise ValueError(f"expected a range that holds a time, observed {said!r}")
    return Times(least, most)


def _saw(text: str) -> str | Amount:
    """An errno's name, ok, pending, or an amount."""
    if text in ("ok", "pending"):
        return text
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", text):
        return amount(text)
    if text not in _ERRNOS:
        near = _near(text, {*_ERRNOS, "ok", "pending"})
        raise ValueError(f"expected an errno's name, ok, pending or an amount, observed {text!r}{near}")
    return _SAME_ERRNO.get(text, text)
