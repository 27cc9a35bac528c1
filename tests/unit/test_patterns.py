"""What is expected in an order, as text and as parts; times and amounts."""

import math
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import patterns
from lab.patterns import CallPart, PacketPart, Times, amount, call, calls, packet, packets, seconds, states
from lab.states import TCP, UDP

INF = math.inf


@pytest.mark.parametrize(
    ("text", "value"),
    [("500 ms", 0.5), ("3 s", 3), ("3s", 3), ("1.5 min", 90), ("0 s", 0), ("0.25 s", 0.25), ("60 min", 3600)],
)
def test_times(text: str, value: float) -> None:
    assert seconds(text) == value


WRONG_TIMES: list[Any] = [
    "",
    "3",
    "s",
    "3 h",
    "-3 s",
    "3  s",
    " 3 s",
    "3 s ",
    "1e3 s",
    ".5 s",
    "٣ s",
    "3 s\n",
    "61 min",
]


@pytest.mark.parametrize("text", [*WRONG_TIMES, "9" * 400 + " s", 3, None, 1.5])
def test_what_is_no_time(text: Any) -> None:
    with pytest.raises(ValueError, match="expected a time"):
        seconds(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, (3, 3)),
        (0, (0, 0)),
        ("3", (3, 3)),
        (">= 2", (2, INF)),
        (">=2", (2, INF)),
        ("> 2", (3, INF)),
        ("<= 2", (0, 2)),
        ("< 2", (0, 1)),
        ("< 1", (0, 0)),
        ("2..4", (2, 4)),
        ("2 .. 4", (2, 4)),
        ("2..2", (2, 2)),
    ],
)
def test_amounts(value: int | str, expected: tuple[int, float]) -> None:
    assert amount(value) == expected


@pytest.mark.parametrize(
    "value",
    [*"x|=3|== 3|!= 3|>= 1..2|1..|..2|1-2|-1|1.5|٣|4..2|< 0".split("|"), "", "9" * 30, True, None, -1, 1.5, [1], {}],
)
def test_what_is_no_amount_or_holds_none(value: Any) -> None:
    with pytest.raises(ValueError, match=r"expected a (number|range)"):
        amount(value)


SYN, RST = PacketPart("> SYN", ">", "SYN"), PacketPart("< RST", "<", "RST")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", ()),
        ("> SYN", (SYN,)),
        ("> SYN, < RST", (SYN, RST)),
        ("> SYN , ..., < RST,...", (SYN, None, RST, None)),
        (">SYN-ACK", (PacketPart(">SYN-ACK", ">", "SYN-ACK"),)),
        ("< ICMP", (PacketPart("< ICMP", "<", "ICMP"),)),
        ("> ARP who-has", (PacketPart("> ARP who-has", ">", "ARP who-has"),)),
        ("> DNS query", (PacketPart("> DNS query", ">", "DNS query"),)),
    ],
)
def test_packets(text: str, expected: tuple[PacketPart | None, ...]) -> None:
    assert packets(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("> SYN on lan", {"interface": "lan"}),
        ("> SYN again", {"again": True}),
        ("> SYN after 900 ms", {"times": Times(0.9)}),
        ("> SYN within 1.3 s", {"times": Times(0, 1.3)}),
        ("> SYN after 900 ms..1.3 s", {"times": Times(0.9, 1.3)}),
        ("> SYN within 900 ms .. 1.3 s", {"times": Times(0.9, 1.3)}),
        (
            "> SYN after 1 s within 2 s on lo again",
            {"times": Times(1, 2), "interface": "lo", "again": True},
        ),
        ("> SYN again on lo within 2 s after 1 s", {"times": Times(1, 2), "interface": "lo", "again": True}),
    ],
)
def test_what_a_packet_may_say_more(text: str, said: dict[str, Any]) -> None:
    assert packet(text) == PacketPart(text, ">", "SYN", **said)


def test_a_detail_is_none_of_the_options() -> None:
    assert (packet("< ICMP again").kind, packet("< ICMP port-unreachable again").kind) == (
        "ICMP",
        "ICMP port-unreachable",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("connect", CallPart("connect", "connect")),
        ("connect_ex = EINPROGRESS", CallPart("connect_ex = EINPROGRESS", "connect", "EINPROGRESS")),
        ("accept4 = ok", CallPart("accept4 = ok", "accept", "ok")),
        ("recv = EWOULDBLOCK", CallPart("recv = EWOULDBLOCK", "recv", "EAGAIN")),
        ("recv = TIMEOUT", CallPart("recv = TIMEOUT", "recv", "TIMEOUT")),
        ("recv = 0", CallPart("recv = 0", "recv", (0, 0))),
        ("send = 1..1024", CallPart("send = 1..1024", "send", (1, 1024))),
        ("recv >= 1", CallPart("recv >= 1", "recv", (1, INF))),
        ("recv = >= 1", CallPart("recv = >= 1", "recv", (1, INF))),
        ("any = pending after 1 s", CallPart("any = pending after 1 s", "any", "pending", Times(1))),
    ],
)
def test_calls(text: str, expected: CallPart) -> None:
    assert call(text) == expected
    assert calls(f"..., {text}") == (None, expected)
    assert calls("none") == ()


def test_states() -> None:
    assert states("SYN-SENT, ESTAB,gone") == ("SYN-SENT", "ESTAB", "gone")
    assert set(patterns.STATES) | {""} == set(TCP) == {state for after in TCP.values() for state in after} | {""}
    assert set(UDP) <= set(TCP)


@pytest.mark.parametrize(
    ("meaning", "text", "words"),
    [
        (packets, "", "expected a packet"),
        (packets, "SYN", "expected a packet"),
        (packets, "> syn", "did you mean 'SYN'"),
        (packets, "> SYN,", "expected a packet"),
        (packets, "> SYN < RST", "nothing behind SYN, observed '< RST'"),
        (packets, "> SYN, none", "observed 'none'"),
        (packets, "....", "expected a packet"),
        (packets, "> SYNACK", "did you mean 'SYN-ACK'"),
        (packets, "> ICMP X", "nothing behind ICMP, observed 'X'"),
        (packets, "> SYN wihtin 3 s", "observed 'wihtin 3 s'; did you mean 'within'"),
        (packets, "> SYN who-has", "nothing behind SYN"),
        (packets, "> SYN within 3", "expected a time"),
        (packets, "> SYN within", "observed '> SYN within'|expected a time|nothing behind SYN"),
        (packets, "> SYN after 2 s within 1 s", "holds a time, observed 'after 2 s within 1 s'"),
        (packets, "> SYN after 2 s..1 s", "holds a time"),
        (packets, "> SYN again 3", "nothing behind again"),
        (packets, "> SYN on LAN", "on NETWORK"),
        (packets, "> SYN on lan on lo", "on once"),
        (packet, "...", "expected a packet"),
        (packet, "none", "expected a packet"),
        (packet, "> SYN, < RST", "nothing behind SYN,|expected a packet"),
        (calls, "", "expected a call"),
        (calls, "conect", "no call is named 'conect'; did you mean 'connect'"),
        (calls, "connect ECONNREFUSED", "nothing behind connect, observed 'ECONNREFUSED'"),
        (calls, "connect =", "nothing behind connect, observed '='$"),
        (calls, "connect = ECONREFUSED", "did you mean 'ECONNREFUSED'"),
        (calls, "recv = many", "ok, pending or an amount, observed 'many'"),
        (calls, "recv = 3..1", "expected a range"),
        (calls, "recv on lan", "nothing behind recv"),
        (call, "...", "expected a call"),
        (call, "none", "no call is named 'none'"),
        (states, "", "expected states"),
        (states, "ESTABLISHED", "did you mean 'ESTAB'"),
        (states, "ESTAB, ...", "observed '...'"),
        (packets, ", ".join(["> SYN"] * 201), "at most 200 parts, observed 201"),
        (calls, ", ".join(["..."] * 1201), "at most 200 parts, observed 1,201"),
        (states, ", ".join(["ESTAB"] * 201), "at most 200 parts"),
    ],
)
def test_what_is_no_pattern(meaning: Any, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        meaning(text)


WORDS = st.sampled_from(
    "> < SYN SYN-ACK ICMP ARP who-has any on lan again after within 3 s 900 ms .. , ... none".split()
    + "connect recv = EAGAIN ok >= 1..2 pending socket".split()
)


@given(st.lists(WORDS, max_size=9))
def test_the_schema_takes_what_is_understood_and_nothing_else(words: list[str]) -> None:
    text = " ".join(words)
    for meaning, form in ((packet, patterns.PACKET), (call, patterns.CALL)):
        try:
            meaning(text)
        except ValueError as error:
            # which words there are, whether each is said once, and whether ranges hold, is more than a form can say
            assert not re.fullmatch(form, text) or re.search("named|once|holds|errno", str(error))
        else:
            assert re.fullmatch(form, text)


def test_a_long_text_is_refused_at_once() -> None:
    begun = time.process_time()
    with pytest.raises(ValueError, match="expected a packet"):
        patterns.packet(f"> {'a' * 50_000}\n")
    assert time.process_time() - begun < 1
