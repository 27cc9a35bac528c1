"""Calls in the API's words, whoever made them."""

import pytest
from history_samples import CLIENT, SERVER, Story

from lab.history import Call
from lab.spoken import answered, asked


def only(story: Story) -> Call:
    return next(story.history.all(Call))


def traced(function: str, *arguments: object, **fields: object) -> Call:
    return only(Story().program(1, function, *arguments, **fields))


def named(function: str, *arguments: object, **fields: object) -> Call:
    return only(Story().call(1, function, *arguments, **fields))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (named("socket"), "socket(TCP) = ok"),
        (named("socket", {"constant": "AF_INET6"}, {"constant": "SOCK_DGRAM"}), "socket(UDP, IPv6) = ok"),
        (traced("socket", "AF_INET", "SOCK_STREAM|SOCK_CLOEXEC", "IPPROTO_IP", result=3), "socket(TCP) = ok"),
        (traced("socket", "AF_INET6", "SOCK_DGRAM", "IPPROTO_ICMPV6", result=3), "socket(ICMP, IPv6) = ok"),
        (named("bind", ("", 80), caller="s"), "s.bind('':80) = ok"),
        (traced("bind", ("::", 80)), "bind([::]:80) = ok"),
        (named("connect", ("server", 80), error="ECONNREFUSED"), "c.connect(server:80) = ECONNREFUSED"),
        (named("connect_ex", SERVER, result=115), "c.connect_ex(10.9.0.2:80) = EINPROGRESS"),
        (traced("accept4", "NULL", remote=CLIENT, result=4), "accept() = 10.9.0.3:40000"),
        (named("accept", caller="s", error="TIMEOUT"), "s.accept() = TIMEOUT"),
        (traced("accept4", "NULL", result=4), "accept() = ok"),
        (named("send", b"Hello", result=5), "c.send(b'Hello', 5 bytes) = 5"),
        (named("send", b"Hello", {"constant": "MSG_DONTWAIT"}, result=5), "c.send(b'Hello', 5 bytes) = 5"),
        (traced("sendto", b"x" * 64, 900, 0, None, 0, result=900), f"send(b'{'x' * 24}'..., 900 bytes) = 900"),
        (named("sendall", b"Hello"), "c.sendall(b'Hello', 5 bytes) = ok"),
        (named("recv", 1024, result=b"Hello"), "c.recv(1024) = b'Hello'"),
        (traced("recvfrom", b"Hello", 1024, 0, None, None, result=5), "recv(1024) = b'Hello'"),
        (traced("recvfrom", b"", 1024, 0, None, None, result=0), "recv(1024) = b''"),
        (named("recv", 1024, result=b""), "c.recv(1024) = b''"),
        (traced("recvfrom", "0x55d8c0", 1024, 0, None, None, result=-1, error="EAGAIN"), "recv(1024) = EAGAIN"),
        (named("sendto", b"Hello", SERVER, result=5), "c.sendto(b'Hello', 5 bytes, 10.9.0.2:80) = 5"),
        (
            named("sendto", b"Hello", SERVER, error="ENETUNREACH"),
            "c.sendto(b'Hello', 5 bytes, 10.9.0.2:80) = ENETUNREACH",
        ),
        (named("recvfrom", 1024, result=(b"Hello", SERVER)), "c.recvfrom(1024) = b'Hello' from 10.9.0.2:80"),
        (named("recvfrom", 1024, error="TIMEOUT"), "c.recvfrom(1024) = TIMEOUT"),
        (named("getsockname", local=CLIENT), "c.getsockname() = 10.9.0.3:40000"),
        (named("getsockname", result=("0.0.0.0", 0)), "c.getsockname() = 0.0.0.0:0"),
        (traced("getsockname", result=0), "getsockname() = ok"),
        (traced("getpeername", remote=SERVER, result=0), "getpeername() = 10.9.0.2:80"),
        (traced("getsockopt", "SOL_SOCKET", "SO_ERROR", "[ECONNREFUSED]", result="ECONNREFUSED"), "= ECONNREFUSED"),
        (named("setsockopt", {"constant": "SOL_SOCKET"}, {"constant": "SO_REUSEADDR"}, 1), "SO_REUSEADDR, 1) = ok"),
        (named("shutdown", {"constant": "SHUT_WR"}), "c.shutdown(SHUT_WR) = ok"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_words(call: Call, words: str) -> None:
    assert f"{asked(call)} {answered(call)}".endswith(words)


def test_long_arguments_are_cut() -> None:
    assert len(asked(named("setsockopt", "x" * 1000))) < 100
