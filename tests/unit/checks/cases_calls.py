"""calls."""

from typing import Any

from history_samples import SERVER, Story

from lab.checks.base import Outcome, Seen
from lab.history import Note

PASS, FAIL, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.ERROR
INET = ("AF_INET", "SOCK_STREAM|SOCK_CLOEXEC", "IPPROTO_IP")
PAIR = ("AF_UNIX", "SOCK_STREAM", 0, "[5, 6]")


def ended(story: Story) -> Seen:
    return story.exit(1000).look("run")


def refused(**fields: Any) -> Story:
    story = Story(**fields).program(1, "socket", *INET, result=3)
    return story.program(2, "connect", SERVER, 16, error="ECONNREFUSED", result=-1, ended=2.5).program(3, "close")


def client(story: Story | None = None) -> Story:
    story = (story or Story()).program(1, "socket", *INET, result=3).program(2, result=0)
    story.program(3, "sendto", b"Hello, world", 12, 0, None, 0, result=12)
    story.program(4, "recvfrom", b"Hello, world", 1024, 0, result=12, ended=54)
    return story.program(60, "recvfrom", b"", 1024, 0, result=0).program(70, "close", result=0)


served = Story().program(1, "socket", *INET, result=3).program(2, "accept4", result=4, ended=9)
served.program(10, "recvfrom", b"x", 1024, result=1, caller="7.4").program(11, "close", caller="7.4")
serving = Story(end=500).program(1, "socket", *INET, result=3).program(2, "accept4", ended=None).look("start")
stopped = Story(end=500).program(1, "socket", *INET, result=3).program(2, "accept4", ended=None)
stopped = stopped.exit(499, 143, "stopped").look("start")
interrupted = ended(Story().program(1, "accept4", error="ERESTARTSYS"))
restarted = ended(Story().program(1, "accept4", error="ERESTARTSYS").program(3, "accept4", result=4))
threads = Story(end=500).program(1, "socket", *INET, result=3).program(2, "accept4", ended=None)
threads = threads.program(3, "recvfrom", b"x", result=1, caller="8.4").look("start")
looping = Story().program(1, "socket", *INET, result=3)
for number in range(3):
    looping.program(2 + number, "recvfrom", error="EAGAIN", result=-1)
paired = (
    client()
    .program(0.1, "socketpair", *PAIR, caller="7.-1", result=0, ended=0.15)
    .program(0.2, "sendto", b"!", caller="7.5")
)
paired.program(0.3, "socket", "AF_UNIX", "SOCK_STREAM", caller="7.8", result=8).program(0.4, "connect", caller="7.8")
paired.program(0.5, "socket", "AF_INET", "SOCK_RAW", caller="7.9", result=9).program(0.6, "sendto", caller="7.9")
again = Story().program(1, "socketpair", *PAIR, caller="7.-1", result=0).program(2, "close", caller="7.5")
again.program(3, "socket", *INET, result=3).program(4, "accept4", result=5, ended=9)
again.program(10, "recvfrom", b"", 1, result=0, caller="7.5#2")
looped = Story().program(1, "socket", *INET, result=3).program(2, "epoll_wait", caller="7.-1", result=1, ended=5)
looped.program(6, "accept4", result=4).program(7, "pselect6", caller="7.-1", result=1).program(8, "fork", caller="7.-1")
failing = Story().program(1, "socket", *INET, caller="7.-1", result=-1, error="EMFILE")

sent = Story().call(1, "sendall", b"hello", local=("10.9.0.3", 40000), remote=SERVER)
repeated = Story().call(1, "sendall", {"repeat": [b"xy", 500]}).look()
told = Story().call(1, "recvfrom", 1024, result=(b"abc", SERVER)).look()
progress = Story().call(1, "connect_ex", SERVER, result=115).look()
option = Story().call(1, "getsockopt", {"constant": "SOL_SOCKET"}, {"constant": "SO_ERROR"}, result=111).look()
pending = Story(end=500).call(1, "accept", ended=None).look()
cut = Story().call(1, "recv", 99, result=b"abc").add(Note("client", 1, "truncated", 1, "only a part was kept"))
untraced = refused().exit(9).add(Note("client", 1, "trace", 1, "no strace"))
a_tool = Story().exit(9).look("run", traced=False)
others = client().program(5, "accept4", step=0, caller="3.3").program(6, "accept", host="server", caller="9.9")


CASES: dict[tuple[str, Outcome], list[tuple[Any, Seen]]] = {
    ("calls", PASS): [
        ("socket, connect = ECONNREFUSED, close", ended(refused())),
        ("socket, connect, close", ended(refused())),
        ("socket = ok, ..., close", ended(refused())),
        ("socket = 3, connect = ECONNREFUSED within 1 ms, any", ended(refused())),
        ("socket, connect = ok, send = 12, recv = 12, recv = 0, close", ended(client())),
        ("socket, ..., recv >= 1 after 50 ms, recv = 0 within 1 s, close", ended(client())),
        ("..., recv = 0, close", ended(others)),
        ({"recv": 2, "recv >= 1": 1, "connect = ECONNREFUSED": 0, "any": 6}, ended(client())),
        ("socket, accept = ok, recv = 1, close", ended(served)),
        ("socket", serving),
        ("socket, ...", serving),
        ({"accept": 0, "socket": 1}, serving),
        ("socket, accept = pending", stopped),
        ("..., accept after 400 ms", stopped),
        ({"accept = pending": 1, "accept = ok": 0}, stopped),
        ("socket, accept = pending, recv = 1", threads),
        ("accept = pending", interrupted),
        ("accept = ok", restarted),
        ({"recv = EAGAIN": ">= 2"}, ended(looping)),
        ("socket, connect, send, recv, recv, close", ended(paired)),
        ("socket, accept, recv = 0", ended(again)),
        ("socket = EMFILE", ended(failing)),
        ("socket, accept", ended(looped)),
        ({"any": 2}, ended(looped)),
        ("socket, epoll_wait = 1 within 10 ms, accept", ended(looped)),
        ("socket, epoll_wait, accept, select, fork", ended(looped)),
        ({"select": 1, "poll": 0, "thread": 0, "fork": 1}, ended(looped)),
        ("none", ended(Story())),
        ("none", Story().look("start")),
        ("none", ended(Story().program(1, "socketpair", *PAIR, caller="7.-1", result=0))),
        ("send = 5", sent.look()),
        ("sendall = 1000", repeated),
        ("recvfrom = 3", told),
        ("connect = EINPROGRESS", progress),
        ("getsockopt = ECONNREFUSED", option),
        ("accept = pending", pending),
        ("connect within 1 ms", Story().call(1, ended=3).look(time_scale=2.0)),
    ],
    ("calls", FAIL): [
        ("socket, accept, epoll_wait", ended(looped)),
        ("socket, epoll_wait, accept, poll", ended(looped)),
        ({"poll": ">= 1"}, ended(looped)),
        ({"epoll_wait": 0}, ended(looped)),
        ("socket, connect = ECONNRESET, close", ended(refused())),
        ("socket, connect = ok, close", ended(refused())),
        ("socket, close, connect", ended(refused())),
        ("socket, connect", ended(refused())),
        ("socket, ..., recv", ended(refused())),
        ("socket, connect within 1 ms, close", ended(refused().program(2.7, ended=9))),
        ("none", ended(refused())),
        ("socket, connect, send = 13, ...", ended(client())),
        ("..., recv = 12 after 51 ms, ...", ended(client())),
        ("..., recv = 12 within 49 ms, ...", ended(client())),
        ({"recv": 1}, ended(client())),
        ({"recv = EAGAIN": ">= 4"}, ended(looping)),
        ("socket, accept = ok", serving),
        ("socket, bind, accept", serving),
        ("accept", serving),
        ({"accept": 2}, serving),
        ({"accept = ok": 1}, serving),
        ("socket, accept = ok", stopped),
        ("socket, accept within 400 ms", stopped),
        ({"accept within 400 ms": 1}, stopped),
        ("accept within 400 ms", pending),
        ("send = 4", sent.look()),
        ("connect = ok", progress),
        ("recv = 3", sent.look()),
        ("none", sent.look()),
        ("recv = 12", Story().call(1, "accept", result=({"socket": "c"}, SERVER)).look()),
    ],
    ("calls", ERROR): [
        ("socket, connect, close", untraced.look("run")),
        ("none", untraced.look("run")),
        ("none", a_tool),
        ("none", Story().look("run")),
        ("none", Story().look("wait")),
        ("none", Story().look()),
        ("socket, connect, close", refused().look("run")),
        ("socket, accept", serving),
        ("socket, accept = pending", serving),
        ("..., any", Story().look("start")),
        ({"accept": 1}, serving),
        ({"any": ">= 2"}, serving),
        ("accept after 1 s", pending),
        ("accept within 1 s", pending),
        ({"accept after 1 s": 1}, pending),
        ({"accept within 1 s": 0}, pending),
        ("recv = 3", cut.look()),
        ({"...": 1}, ended(refused())),
        ("conect", ended(refused())),
    ],
}
