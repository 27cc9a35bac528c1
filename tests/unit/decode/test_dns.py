"""DNS in words: dpkt builds the messages and must agree; any bytes are words, or none."""

import itertools
import struct
from socket import AF_INET6, inet_aton, inet_pton
from typing import Any

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.decode.dns import words

LABEL = st.text("abcdefghijklmnopqrstuvwxyz-0123456789_", min_size=1, max_size=20)
NAME = st.lists(LABEL, min_size=1, max_size=5).map(".".join)
TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "HTTPS": 65}
RESPONSE = 0x8180


def question(name: str, kind: str) -> Any:
    return dpkt.dns.DNS.Q(name=name, type=TYPES[kind])


def record(name: str, kind: str, **fields: Any) -> Any:
    return dpkt.dns.DNS.RR(name=name, type=TYPES[kind], ttl=60, **fields)


def answer(asked: Any, *records: Any, code: int = 0) -> bytes:
    return bytes(dpkt.dns.DNS(id=7, op=RESPONSE | code, qd=[asked], an=list(records)))


def raw(flags: int, *counts: int, body: bytes = b"") -> bytes:
    return struct.pack("!6H", 7, flags, *(*counts, 0, 0, 0, 0)[:4]) + body


@given(NAME, st.sampled_from(sorted(TYPES)), st.integers(0, 0xFFFF))
def test_a_question(name: str, kind: str, number: int) -> None:
    message = bytes(dpkt.dns.DNS(id=number, qd=[question(name, kind)]))
    assert words(message) == f"query {kind} {name}"


@given(NAME, st.lists(st.ip_addresses(v=4), min_size=1, max_size=4), st.ip_addresses(v=6))
def test_addresses(name: str, found: list[Any], found6: Any) -> None:
    records = [record(name, "A", rdata=address.packed) for address in found]
    assert words(answer(question(name, "A"), *records)) == f"answer A {name} {', '.join(map(str, found))}"
    message = answer(question(name, "AAAA"), record(name, "AAAA", rdata=found6.packed))
    assert words(message) == f"answer AAAA {name} {dpkt.utils.inet_to_str(found6.packed)}"


@given(st.lists(NAME, min_size=2, max_size=4), st.ip_addresses(v=4))
def test_dpkt_reads_the_names_that_are_told(names: list[str], address: Any) -> None:
    """An answer by way of other names, compressed wherever a name stands twice."""
    aliases = [record(name, "CNAME", cname=to) for name, to in itertools.pairwise(names)]
    message = answer(question(names[0], "A"), *aliases, record(names[-1], "A", rdata=address.packed))
    read = dpkt.dns.DNS(message)
    told = [f"CNAME {item.cname}" if item.type == TYPES["CNAME"] else str(address) for item in read.an]
    assert words(message) == f"answer A {read.qd[0].name} {', '.join(told)}"


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("CNAME", {"cname": "web.lan"}, "web.lan"),
        ("PTR", {"ptrname": "server.lan"}, "server.lan"),
        ("NS", {"nsname": "ns.lan"}, "ns.lan"),
        ("MX", {"preference": 10, "mxname": "mail.lan"}, "10 mail.lan"),
        ("SRV", {"priority": 1, "weight": 2, "port": 80, "srvname": "web.lan"}, "1 2 80 web.lan"),
        ("TXT", {"rdata": b"\3one\x09two words"}, "one two words"),
        ("SOA", {"rdata": b"\2ns\xc0\x0c\4root\xc0\x0c" + bytes(20)}, "ns.lan"),
        ("HTTPS", {"rdata": b"\0\1\0\0\1\0\3\2h2"}, "1 ."),
    ],
)
def test_values(kind: str, fields: dict[str, Any], said: str) -> None:
    message = answer(question("lan", kind), record("lan", kind, **fields))
    assert words(message) == f"answer {kind} lan {said}"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (0, "no record"),
        (1, "format error"),
        (2, "server failure"),
        (3, "no such name"),
        (4, "not implemented"),
        (5, "refused"),
        (9, "error 9"),
    ],
)
def test_why_nothing_was_found(code: int, said: str) -> None:
    assert words(answer(question("nobody", "A"), code=code)) == f"answer A nobody {said}"


def test_an_error_that_does_not_say_what_was_asked() -> None:
    assert words(raw(RESPONSE | 1)) == "answer format error"


def test_what_was_too_long_for_a_datagram() -> None:
    message = bytes(dpkt.dns.DNS(op=RESPONSE | 0x0200, qd=[question("large", "TXT")]))
    assert words(message) == "answer TXT large truncated"


def test_other_types_have_numbers() -> None:
    message = answer(dpkt.dns.DNS.Q(name="x", type=99), dpkt.dns.DNS.RR(name="x", type=99, ttl=1, rdata=b"12345"))
    assert words(message) == "answer TYPE99 x 5 bytes"


def test_multicast_answers_have_no_question_and_questions_may_be_many() -> None:
    told = record("_http._tcp.local", "PTR", ptrname="web._http._tcp.local")
    host = record("web.local", "A", rdata=inet_aton("10.1.2.3"))
    message = bytes(dpkt.dns.DNS(op=0x8400, qd=[], an=[told, host]))
    assert words(message) == "answer PTR _http._tcp.local web._http._tcp.local, A 10.1.2.3"
    asked = bytes(dpkt.dns.DNS(op=0, qd=[question("a.local", "A"), question("a.local", "AAAA")]))
    assert words(asked) == "query A a.local, AAAA a.local"


def test_the_root_and_a_name_of_any_bytes() -> None:
    assert words(raw(0x100, 1, body=b"\0\0\2\0\1")) == "query NS ."
    assert words(raw(0x100, 1, body=b"\x08\x1b[2J\n\xff\xc3\xa9\0\0\1\0\1")) == "query A \x1b[2J\n\\xffé"


def test_what_an_engine_says() -> None:
    """As captured in a host of Docker's."""
    message = bytes.fromhex(
        "12348180000100010000000003 74776f 0000010001 03 74776f 0000010001 00000258 0004 0ad50753".replace(" ", "")
    )
    assert words(message) == "answer A two 10.213.7.83"


BACK = b"\xc0\x0c"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        raw(0x100),
        raw(RESPONSE),
        raw(0x100, 1),
        raw(0x100, 1, body=b"\1a\0\0\1"),
        raw(0x100, 1, body=b"\x3fabc"),
        raw(0x2800, 1, body=b"\1a\0\0\1\0\1"),
        raw(0x100, 1, body=BACK + b"\0\1\0\1"),
        raw(0x100, 1, body=b"\1a" + BACK + b"\0\1\0\1"),
        raw(0x100, 1, body=b"\xc0\x40\0\1\0\1"),
        raw(0x100, 1, body=b"\x40a\0\0\1\0\1"),
        raw(0x100, 1, body=(b"\x3f" + b"a" * 63) * 5 + b"\0\0\1\0\1"),
        raw(0x100, 1, body=b"\1a" * 200 + b"\0\0\1\0\1"),
        raw(RESPONSE, 0, 1, body=b"\1a\0\0\1\0\1\0\0\0\0\0\4\1\2\3"),
        raw(RESPONSE, 0, 1, body=b"\1a\0\0\1\0\1\0\0\0\0\0\3\1\2\3"),
        raw(RESPONSE, 0, 1, body=b"\1a\0\0\5\0\1\0\0\0\0\0\2\xc0\x19"),
        b"hello, world, how are you?",
    ],
)
def test_no_words(message: bytes) -> None:
    assert words(message) == ""


@pytest.mark.parametrize(("jumps", "said"), [(100, "answer A a 1.2.3.4"), (200, "")])
def test_a_chain_of_jumps_ends_soon(jumps: int, said: str) -> None:
    """Each jump leads to the one before it; they stand in the value of a record that nobody asked for."""
    begin = 12 + 7 + 12
    chain = BACK + b"".join(struct.pack("!H", 0xC000 + begin + 2 * number) for number in range(jumps - 1))
    hidden = BACK + struct.pack("!HHIH", 1, 1, 0, 4) + bytes([1, 2, 3, 4])
    first = BACK + struct.pack("!HHIH", 99, 1, 0, len(chain)) + chain
    last = struct.pack("!H", 0xC000 + begin + 2 * (jumps - 1)) + hidden[2:]
    told = words(raw(RESPONSE, 1, 2, body=b"\1a\0\0\1\0\1" + first + last))
    assert told == said.replace("1.2.3.4", f"TYPE99 {len(chain)} bytes, 1.2.3.4")


@given(st.binary(max_size=200), st.sampled_from([0x100, RESPONSE]), st.integers(0, 3), st.integers(0, 3))
def test_any_bytes_are_words_or_none(data: bytes, flags: int, asked: int, answered: int) -> None:
    assert isinstance(words(data), str)
    told = words(raw(flags, asked, answered, body=data))
    assert told == "" or told.startswith(("query ", "answer "))


@given(st.data())
def test_any_damage_leaves_words_or_none(data: st.DataObject) -> None:
    records = [record("a.lan", "CNAME", cname="b.lan"), record("b.lan", "AAAA", rdata=inet_pton(AF_INET6, "fd00::1"))]
    message = bytearray(answer(question("a.lan", "A"), *records))
    for _ in range(data.draw(st.integers(1, 4))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    assert isinstance(words(bytes(message[: data.draw(st.integers(0, len(message)))])), str)


def test_a_small_message_does_not_say_very_much() -> None:
    name = b"".join([b"\x3f" + b"\xff" * 63] * 3) + b"\0"
    others = struct.pack("!HHH", 0xC00C, 1, 1) * 300
    said = words(raw(0, 301, body=name + struct.pack("!HH", 1, 1) + others))
    assert said.startswith("query A \\xff")
    assert len(said) < 1100
