"""What was asked of sockets, in any program's words."""

from lab.history import Call, History
from lab.transcript.calls import as_of, last_deed, sockets, steps_own
from lab.transcript.names import Names

NAMES = Names({"10.1.0.2": "server.lan", "10.1.0.3": "client.lan"}, frozenset({40000, 40002}))
TCP, UDP = ("AF_INET", "SOCK_STREAM|SOCK_CLOEXEC", "IPPROTO_IP"), ("AF_INET", "SOCK_DGRAM|SOCK_CLOEXEC", "IPPROTO_IP")
SERVER, CLIENT = ("10.1.0.2", 80), ("10.1.0.3", 40000)


class Program:
    """A program's calls, 1 ns each, on one socket after the other."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.caller = "7.3"

    def call(self, function: str, *arguments: object, result: object = 0, **fields: object) -> "Program":
        time = 2 * len(self.calls) + 1
        known = {
            "host": "h",
            "time": time,
            "step": 0,
            "caller": self.caller,
            "ended": time + 1,
            "program": True,
        } | fields
        self.calls.append(Call(function=function, arguments=arguments, result=result, **known))  # type: ignore[arg-type]
        return self

    def on(self, caller: str) -> "Program":
        self.caller = caller
        return self

    def sent(self, data: bytes) -> "Program":
        return self.call("sendto", data, len(data), 0, None, 0, result=len(data))

    def received(self, data: bytes) -> "Program":
        return self.call("recvfrom", data, 1024, 0, None, None, result=len(data))

    def told(self, loose: bool = False) -> list[tuple[str, ...]]:
        return sockets(as_of(History.of(self.calls), 1000), NAMES, loose)


def client() -> Program:
    return Program().call("socket", *TCP, result=3).call("connect", SERVER, 16, remote=SERVER)


def test_what_was_sent_at_the_end_is_told_and_what_came_then_is_not():
    """The peer may have it, and the case be over, before the call has ended."""
    sent = client().call("sendto", b"abcd", 4, 0, None, 0, result=4, ended=1001).told()
    assert sent == client().sent(b"abcd").told()
    received = client().call("recvfrom", b"abcd", 4, 0, None, None, result=4, ended=1001).told()
    assert received == client().call("recvfrom", b"abcd", 4, 0, None, None, result=None, ended=None).told()


def test_only_the_close_that_ends_a_socket_is_told():
    """Which of the processes that share it lets go of it first is chance."""
    alone = client().sent(b"abcd").received(b"abcd").call("close").told()
    shared = client().call("close").sent(b"abcd").call("close").received(b"abcd").call("close").call("close").told()
    assert alone == shared


def test_a_stream_is_summed_up_however_it_was_cut():
    whole = client().sent(b"abcd").received(b"abcd").received(b"").call("close").told()
    cut = (
        client()
        .sent(b"ab")
        .received(b"a")
        .sent(b"cd")
        .received(b"bc")
        .received(b"d")
        .received(b"")
        .call("close")
        .told()
    )
    assert whole == cut
    assert whole[0][2:] == (
        "send 4 bytes, b'abcd'",
        "recv 4 bytes, b'abcd'",
        "recv = b'', the end of the stream",
        "close() = ok",
    )


def test_what_strace_cuts_off_is_not_made_up():
    piece = ("sendto", b"x" * 64, 100, 0, None, 0)
    line = client().call(*piece, result=100).call(*piece, result=100).told()[0][2]
    assert line == f"send 200 bytes, {b'x' * 24!r}..."


def test_behind_what_strace_cuts_off_nothing_is_put():
    calls = client().call("sendto", b"abc", 100, 0, None, 0, result=100).sent(b"def")
    assert calls.told()[0][2] == "send 103 bytes, b'abc'..."


def test_an_error_ends_a_stretch_and_polling_is_left_out():
    calls = client().sent(b"ab").call("recvfrom", None, 9, result=-1, error="EAGAIN").sent(b"cd")
    calls.call("recvfrom", None, 9, result=-1, error="EWOULDBLOCK")
    calls.call("recvfrom", None, 9, result=-1, error="ECONNRESET").sent(b"e")
    assert calls.told()[0][2:] == ("send 4 bytes, b'abcd'", "recv = ECONNRESET", "send 1 bytes, b'e'")


def test_asking_again_how_a_connect_went_is_left_out():
    asks = ("getsockopt", "SOL_SOCKET", "SO_ERROR", "[0]", "[4]")
    calls = Program().call("socket", *TCP, result=3).call("connect", SERVER, 16, result=-1, error="EINPROGRESS")
    calls.call("connect", SERVER, 16, result=-1, error="EALREADY").call(*asks).call(*asks)
    assert calls.told()[0][1:] == (
        "connect(server.lan:80) = EINPROGRESS",
        "getsockopt(SOL_SOCKET, SO_ERROR, [0], [4]) = 0",
    )
    calls.call(*asks, result="ECONNRESET").call(*asks, result="ECONNRESET")
    assert calls.told()[0][2:] == (
        "getsockopt(SOL_SOCKET, SO_ERROR, [0], [4]) = 0",
        "getsockopt(SOL_SOCKET, SO_ERROR, [0], [4]) = ECONNRESET",
    )
    assert len(Program().call(*asks).told()[0]) == 2, "of a socket that was there before, too"


def test_what_a_loose_program_does_at_its_end_is_left_out():
    ends = (
        client().sent(b"ab"),
        client().sent(b"ab").call("recvfrom", None, 9, result=None, ended=None),
        *(
            client().sent(b"ab").call("recvfrom", None, 9, result=None, error=cut)
            for cut in ("ERESTARTSYS", "ERESTARTNOINTR", "ERESTARTNOHAND")
        ),
        client().sent(b"ab").received(b"").call("close"),
    )
    assert len({tuple(calls.told(loose=True)) for calls in ends}) == 1
    assert len({tuple(calls.told()) for calls in ends}) == 3
    assert {last_deed(as_of(History.of(calls.calls), 1000)) for calls in ends} == {5}


def test_a_first_accept_that_waits_is_told_and_a_later_one_is_not():
    listens = Program().call("socket", *TCP, result=3).call("listen", 5)
    waits = ("accept4", "0x7ffe", "[16]", "SOCK_CLOEXEC")
    assert listens.call(*waits, result=None, ended=None).told(loose=True)[0][-1] == "accept() = still waiting"
    again = Program().call("socket", *TCP, result=3).call("accept4", CLIENT, "[16]", result=4, remote=CLIENT)
    assert again.call(*waits, result=None, ended=None).told(loose=True)[0][-1] == "accept() = client.lan:*"


def test_connections_have_no_order():
    def accepts(*peers: tuple[str, int]) -> Program:
        calls = Program().call("socket", *TCP, result=3)
        for number, peer in enumerate(peers, start=4):
            calls.on("7.3").call("accept4", peer, "[16]", result=number, remote=peer)
            calls.on(f"7.{number}").received(b"b" if peer == CLIENT else b"a")
        return calls

    one, other = accepts(CLIENT, ("10.1.0.2", 40002)), accepts(("10.1.0.2", 40002), CLIENT)
    assert sorted(one.told()) == sorted(other.told())
    assert ("socket(TCP) from accept", "recv 1 bytes, b'a'") in one.told()


def test_datagrams_keep_their_bounds_and_their_ends():
    calls = Program().call("socket", *UDP, result=3)
    for data in (b"a", b"a", b""):
        calls.call("sendto", data, len(data), 0, SERVER, 16, result=len(data), remote=SERVER)
    calls.call("recvfrom", b"", 9, 0, SERVER, "[16]", result=0, remote=SERVER)
    assert calls.told()[0] == (
        "socket(UDP)",
        "2 x send 1 bytes, b'a', server.lan:80",
        "send 0 bytes, b'', server.lan:80",
        "recv = b'' from server.lan:80",
    )


def test_what_is_asked_of_a_name_server_is_told_without_its_number():
    def asks(number: bytes) -> list[tuple[str, ...]]:
        query = number + bytes.fromhex("01000001000000000000") + b"\x07service\0" + bytes.fromhex("00010001")
        program = Program().call("socket", "AF_INET", "SOCK_DGRAM", "IPPROTO_IP", result=3)
        return program.sent(query).told()

    assert asks(b"\x12\x34") == asks(b"\xab\xcd")
    assert asks(b"\x12\x34")[0][1] == "send query A service"


def test_a_steps_own_calls_are_told_as_they_are():
    own = {"program": False, "caller": "c"}
    calls = (
        Program()
        .call("socket", result={"socket": "c"}, **own)
        .call("connect_ex", SERVER, result=111, remote=SERVER, **own)
    )
    calls.call("recv", 5, result={"data": b"hello"}, **own).call("recv", 5, result=None, error="EAGAIN", **own)
    calls.call("accept", result=None, ended=None, **own).call("recv", 9, result=b"", **own)
    assert list(steps_own(as_of(History.of(calls.calls), 1000), NAMES)) == [
        "c = socket(TCP)",
        "c.connect_ex(server.lan:80) = ECONNREFUSED",
        "c.recv 5 bytes, b'hello'",
        "c.recv = EAGAIN",
        "c.accept() = still waiting",
        "c.recv = b'', the end of the stream",
    ]


def test_what_came_after_the_end_was_not_seen():
    calls = client().sent(b"ab").calls
    assert [call.function for call in as_of(History.of(calls), 4)] == ["socket", "connect"]
    assert as_of(History.of(calls), 3)[-1].ended is None
    refused = client().call("recvfrom", None, 9, result=-1, error="EAGAIN").calls
    (*_, last) = as_of(History.of(refused), 5)
    assert (last.ended, last.error, last.result, last.remote) == (None, None, None, None)
    assert sockets([last], NAMES, False)[0][-1] == "recv(9) = still waiting"


def test_own_names_are_told_and_why_they_are_not():
    calls = client().call("getsockname", CLIENT, "[16]", local=CLIENT)
    calls.call("getpeername", "0x7ffe", "[16]", result=-1, error="ENOTCONN")
    assert calls.told()[0][2:] == ("getsockname() = client.lan:*", "getpeername() = ENOTCONN")
    own = Program().call("getsockname", result={"name": list(CLIENT)}, program=False, caller="c", local=CLIENT)
    assert list(steps_own(own.calls, NAMES)) == ["c.getsockname() = client.lan:*"]
