"""strace's lines: real ones of small clients, and the shapes that real ones rarely take."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.decode.strace import decode
from lab.history import Call

FIXTURES = Path(__file__).parent / "fixtures"


def calls_of(name: str) -> tuple[Call, ...]:
    calls, unread = decode((FIXTURES / f"{name}.strace").read_text().splitlines(), host="client", step=3)
    assert unread == ()
    return calls


def one(line: str) -> Call:
    calls, unread = decode([line], host="client", step=3)
    assert unread == ()
    return calls[0]


def line(call: str, pid: int = 7, time: str = "1700000000.000000001") -> str:
    return f"{pid} {time} {call}"


def test_every_line_of_real_clients_is_read() -> None:
    calls = calls_of("clients")
    lines = (FIXTURES / "clients.strace").read_text().splitlines()
    assert len(calls) == sum(") = " in line for line in lines)
    assert {call.host for call in calls} == {"client"}
    assert all(call.program and call.step == 3 for call in calls)
    assert list(calls) == sorted(calls, key=lambda call: call.time)


def test_a_refused_connect() -> None:
    call = next(call for call in calls_of("clients") if call.result == "ECONNREFUSED")
    assert (call.function, call.arguments[:2], call.error) == ("getsockopt", ("SOL_SOCKET", "SO_ERROR"), None)
    connect = next(one for one in calls_of("clients") if one.function == "connect" and one.caller == call.caller)
    assert (connect.error, connect.remote) == ("EINPROGRESS", ("127.0.0.1", 6559))
    assert connect.message == "Operation now in progress"
    assert connect.ended == connect.time + 119_918


def test_ipv6() -> None:
    remotes = [call.remote for call in calls_of("clients") if call.function == "connect"]
    assert ("::1", 6559) in remotes
    assert ("fe80::1", 80) in remotes


@pytest.mark.parametrize(
    ("text", "function", "result"),
    [
        ("select(5, [3 4], [], [], NULL) = 1 (in [3]) <0.000001000>", "select", 1),
        (
            "pselect6(4, [3], [], [], {tv_sec=1, tv_nsec=0}, NULL) = 1 (in [3], left {tv_sec=0, tv_nsec=9}) <0.1>",
            "pselect6",
            1,
        ),
        ("pselect6(4, [3], [], [], {tv_sec=1, tv_nsec=0}, NULL) = 0 (Timeout) <1.0>", "pselect6", 0),
        ("poll([{fd=3, events=POLLIN}], 1, -1) = 1 ([{fd=3, revents=POLLIN}]) <0.1>", "poll", 1),
        ("epoll_wait(4, [{events=EPOLLIN, data={u32=3, u64=3}}], 2, -1) = 1 <0.1>", "epoll_wait", 1),
        ("clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x7f7a10) = 99 <0.1>", "fork", 99),
        ("vfork() = 99 <0.1>", "fork", 99),
        (
            "clone3({flags=CLONE_VM|CLONE_THREAD|CLONE_SYSVSEM, stack=0x7f0000, stack_size=0x7fff80}"
            " => {parent_tid=[99]}, 88) = 99 <0.1>",
            "thread",
            99,
        ),
    ],
)
def test_calls_of_no_socket(text: str, function: str, result: int) -> None:
    call = one(line(text))
    assert (call.function, call.result, call.caller) == (function, result, "7.-1")


def test_unix_sockets_have_no_remote() -> None:
    unix = [call for call in calls_of("clients") if "AF_UNIX" in repr(call.arguments) and call.function == "connect"]
    assert unix
    assert all(call.remote is None for call in unix)


def test_a_number_given_out_again_is_another_socket() -> None:
    made = [call.caller for call in calls_of("clients") if call.function == "socket" and call.result == 4]
    assert made[:3] == ["15164.4", "15164.4#2", "15164.4#3"]
    assert len(set(made)) == len(made)


def test_a_thread_uses_the_socket_of_another() -> None:
    connect = next(call for call in calls_of("clients") if call.remote == ("127.0.0.1", 36919))
    assert connect.caller == "15164.7"


def test_an_unfinished_call_is_put_together() -> None:
    accept = [call for call in calls_of("clients") if call.function == "accept4"][-1]
    assert (accept.remote, accept.result) == (("127.0.0.1", 45094), 9)
    assert accept.ended == accept.time + 200_495_505


def test_an_interrupted_call_has_no_result() -> None:
    accept = next(call for call in calls_of("clients") if call.function == "accept4")
    assert (accept.error, accept.result) == ("ERESTARTSYS", None)
    assert accept.ended == accept.time + 199_142_892


def test_a_reset() -> None:
    received = next(call for call in calls_of("reset") if call.function == "recvfrom")
    assert (received.error, received.result) == ("ECONNRESET", -1)
    asked = next(call for call in calls_of("reset") if call.function == "getsockname")
    assert asked.local == ("127.0.0.1", 44122)


def test_a_line_that_strace_did_not_finish_is_a_call_that_never_ended() -> None:
    accept = calls_of("killed")[-1]
    assert (accept.function, accept.caller, accept.ended) == ("accept4", "15937.3", None)


def test_a_call_whose_process_was_killed_never_ended() -> None:
    killed = [line("accept4(3<socket:[5]>,  <unfinished ...>"), line("<... accept4 resumed>) = ? <unavailable>")]
    (accept,), unread = decode(killed, host="client", step=3)
    assert (accept.function, accept.ended, accept.result, unread) == ("accept4", None, None, ())


def test_a_process_alone_has_no_pid_in_its_lines() -> None:
    assert {call.caller for call in calls_of("nopid")} == {"0.3"}


def test_bytes_are_bytes() -> None:
    sent, received = (call for call in calls_of("nopid") if call.function in ("sendto", "recvfrom"))
    assert sent.arguments[0] == b"a\tb\x01z\x019\x01" + b"7" * 56
    assert sent.result == 88
    assert received.arguments[0] == b"a\tb\x01"
    assert one(line(r'sendto(3, "\0\377\"\\\n1\x0aé", 9, 0, NULL, 0) = 9')).arguments[0] == b'\0\xff"\\\n1\n\xe9'


def test_datagrams_tell_their_ends() -> None:
    calls = calls_of("datagrams")
    assert [call.remote for call in calls if call.function in ("sendto", "recvfrom", "sendmsg", "recvmsg")] == [
        *[("127.0.0.1", 49484)] * 5,
        None,
    ]
    assert next(call for call in calls if call.function == "bind").local == ("127.0.0.1", 0)


@pytest.mark.parametrize(
    "text",
    [
        "--- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=1, si_uid=0} ---",
        "+++ exited with 0 +++",
        "+++ killed by SIGKILL (core dumped) +++",
        'execve("/usr/bin/python3", ["python3", "-c", "a, b"], 0x7ffd /* 9 vars */) = 0 <0.000300000>',
    ],
)
def test_what_is_no_call_of_a_socket_is_passed_over(text: str) -> None:
    assert decode([line(text), "strace: Process 12 attached", ""], host="h", step=0) == ((), ())


@pytest.mark.parametrize(
    "text",
    [
        "connect(3",
        "nonsense",
        "1700000000.1 connect)",
        "7 1700000000.1 <... connect resumed>) = 0",
        "7 17.5 what is it",
    ],
)
def test_what_is_not_understood_is_handed_back(text: str) -> None:
    calls, unread = decode([text, line("socket(AF_INET, SOCK_STREAM, 0) = 3")], host="h", step=0)
    assert (len(calls), unread) == (1, (text,))


def test_a_process_killed_within_a_call() -> None:
    lines = [
        line('connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("10.9.0.2")}, 16 <unfinished ...>')
    ]
    for end in ([], [line("<... connect resumed>) = ?")], [line("+++ killed by SIGKILL +++")]):
        ((call,), unread) = decode([*lines, *end], host="h", step=0)
        assert (call.remote, call.ended, call.error, unread) == (("10.9.0.2", 80), None, None, ())
    ((call,), unread) = decode(
        [line("accept4(3,  <unfinished ...>) = ?"), line("+++ exited with 0 +++")], host="h", step=0
    )
    assert (call.function, call.ended, unread) == ("accept4", None, ())


def test_a_half_whose_other_never_came_is_handed_back() -> None:
    lines = [line("accept4(3 <unfinished ...>"), line("recvfrom(4 <unfinished ...>")]
    calls, unread = decode(lines, host="h", step=0)
    assert (len(calls), len(unread)) == (1, 1)


def test_descriptors_may_be_decorated() -> None:
    call = one(line("shutdown(3<TCP:[127.0.0.1:1->127.0.0.1:2]>, SHUT_WR) = 0 <0.000001000>"))
    assert (call.caller, call.arguments) == ("7.3", ("SHUT_WR",))


PIECES = [
    "connect(3",
    ", ",
    "{sa_family=AF_INET",
    ") = ",
    "-1 E",
    '"',
    "\\",
    " <unfinished ...>",
    "<... connect resumed>",
]
PIECES += ["7 1700000000.1 ", "0x", "[", "htons(", "socket(", "socketpair(1, [4, 5]", "<0.1>", "?", "007", "9" * 30]
NOISE = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=6))).map("".join)


@pytest.mark.parametrize(
    "text", ['send(3, "' + '\\"' * 100_000, "connect(3, " + "{sa_family=AF_INET, sin_port=htons(1)," * 20_000]
)
def test_a_line_of_any_kind_is_soon_read(text: str) -> None:
    begun = time.process_time()
    decode([f"7 1700000000.000000001 {text}) = 0 <0.000000001>"], host="client", step=1)
    assert time.process_time() - begun < 10


@given(st.lists(NOISE, max_size=6))
def test_no_lines_raise(lines: list[str]) -> None:
    calls, unread = decode(lines, host="h", step=0)
    assert len(calls) + len(unread) <= len(lines)


@given(st.data())
def test_real_lines_that_were_damaged_do_not_raise(data: st.DataObject) -> None:
    lines = (FIXTURES / "clients.strace").read_text().splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    cut = data.draw(st.integers(0, len(lines[number])))
    lines[number] = lines[number][:cut] + data.draw(NOISE) + lines[number][cut + data.draw(st.integers(0, 20)) :]
    decode(lines, host="h", step=0)


def test_a_socket_is_known_by_its_inode_whoever_holds_it() -> None:
    """The parent closes its copy and gets the same number again, and so does the child that serves the first one."""
    made = [
        line("socket(AF_INET, SOCK_STREAM, 0) = 3<socket:[30]> <0.000001>", time="1.1"),
        line("accept4(3<socket:[30]>, NULL, NULL, 0) = 4<socket:[41]> <0.000001>", time="1.2"),
        line("close(4<socket:[41]>) = 0 <0.000001>", time="1.3"),
        line("accept4(3<socket:[30]>, NULL, NULL, 0) = 4<socket:[42]> <0.000001>", time="1.4"),
        line("close(3<socket:[30]>) = 0 <0.000001>", pid=8, time="1.5"),
        line('recvfrom(4<socket:[41]>, "x", 1, 0, NULL, NULL) = 1 <0.000001>', pid=8, time="1.6"),
        line("close(4</etc/hosts>) = 0 <0.000001>", pid=7, time="1.7"),
        line("accept4(3<socket:[30]>, NULL, NULL, 0) = 5<socket:[43]> <0.000001>", time="1.8"),
        line("socketpair(AF_UNIX, SOCK_STREAM, 0, [6<socket:[61]>, 7<socket:[71]>]) = 0 <0.000001>", time="1.9"),
        line("close(9<socket:[71]>) = 0 <0.000001>", time="1.95"),
    ]
    calls, unread = decode(made, host="client", step=3)
    assert unread == ()
    assert [(call.caller, call.function) for call in calls] == [
        ("7.3", "socket"),
        ("7.3", "accept4"),
        ("7.4", "close"),
        ("7.3", "accept4"),
        ("7.3", "close"),
        ("7.4", "recvfrom"),
        ("7.3", "accept4"),
        ("7.-1", "socketpair"),
        ("7.7", "close"),
    ]
    assert calls[-2].arguments[-1] == "[6, 7]"
