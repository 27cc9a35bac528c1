"""listening, sockets, counters."""

from typing import Any

from history_samples import Story, at

from lab.checks.base import Outcome, Seen
from lab.history import Counters, Fate, Note, Packet, SocketRow
from lab.model import ListeningExpectation, SocketExpectation

PASS, FAIL, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.ERROR
NOBODY = ("0.0.0.0", 0)


def listener(address: str, port: int = 80, protocol: str = "tcp", waiting: int = 0) -> SocketRow:
    return SocketRow(protocol, "UNCONN" if protocol == "udp" else "LISTEN", (address, port), NOBODY, waiting, 5)


def connection(state: str, port: int = 80, queued: int = 0) -> SocketRow:
    return SocketRow("tcp", state, ("10.9.0.2", port), ("10.9.0.3", 40000), queued, 0)


def table(*rows: SocketRow, **fields: Any) -> Seen:
    return Story().sockets(*rows, **fields).look("start", on=fields.get("host"))


def listens(port: int = 80, **fields: Any) -> tuple[ListeningExpectation, ...]:
    return (ListeningExpectation(port=port, **fields),)


def lines(**fields: Any) -> tuple[SocketExpectation, ...]:
    return (SocketExpectation(**fields),)


def counted(before: dict[str, int] | None, now: dict[str, int] | None, on: str = "client") -> Seen:
    story = Story()
    if before is not None:
        story.add(Counters(on, at(-5), -1, before))
    if now is not None:
        story.add(Counters(on, at(5), 1, now))
    return story.look("observe", on=on)


def fated(*effects: str, begun: float | None = -0.5, awake: bool = True, host: str = "client", note: str = "") -> Seen:
    """What became of packets, `"lost"`, `"delayed duplicated"` or `""` each, on an impaired link."""
    story = Story(awake=False)
    if awake:
        story.tap(host)
    if begun is not None:
        story.add(Note(host, at(begun), "impaired", 0, "lan in: lose all"))
    if note:
        story.add(Note(host, at(1), "impair", -1, note))
    for number, words in enumerate(effects, 1):
        packet = Packet(host, at(number), "lan", False, "udp")
        story.add(Fate(host, at(number), number, tuple(words.split()), packet))
    return story.look("observe", on=host)


older = Story().sockets(listener("0.0.0.0")).sockets()
overflows = {"TcpExtListenOverflows": 3, "TcpRetransSegs": 0}

CASES: dict[tuple[str, Outcome], list[tuple[Any, Seen]]] = {
    ("listening", PASS): [
        (listens(), table(listener("127.0.0.1"))),
        (listens(address=""), table(listener("0.0.0.0"))),
        (listens(address="0.0.0.0"), table(listener("0.0.0.0"))),
        (listens(address="127.0.0.1"), table(listener("127.0.0.1"))),
        (listens(address="::"), table(listener("::"))),
        (listens(address="fd00:0::1"), table(listener("fd00::1"))),
        (listens(53, protocol="udp"), table(listener("0.0.0.0", 53, "udp"))),
        ((*listens(), *listens(81)), table(listener("0.0.0.0"), listener("::1", 81))),
        (listens(), table(listener("0.0.0.0"), host="server")),
    ],
    ("listening", FAIL): [
        (listens(), table()),
        (listens(81), table(listener("0.0.0.0"))),
        (listens(), table(connection("ESTAB"))),
        (listens(address=""), table(listener("127.0.0.1"))),
        (listens(address="0.0.0.0"), table(listener("::"))),
        (listens(address=""), table(listener("::"))),
        (listens(address="::"), table(listener("0.0.0.0"))),
        (listens(protocol="udp"), table(listener("0.0.0.0"))),
        ((*listens(), *listens(81)), table(listener("0.0.0.0"))),
        (listens(), older.look("start")),
    ],
    ("listening", ERROR): [
        (listens(), Story().look("start")),
        (listens(), table(listener("0.0.0.0"), step=7)),
        (listens(), Story().sockets(listener("0.0.0.0")).look(on="server")),
    ],
    ("sockets", PASS): [
        (lines(state="ESTAB", port=80, peer="10.9.0.3"), table(connection("ESTAB"))),
        (lines(state="ESTAB", count=2), table(connection("ESTAB"), connection("ESTAB", 81))),
        (lines(state="TIME-WAIT", count=0), table(connection("ESTAB"))),
        (lines(state="LISTEN", recv_q=3, send_q="<= 5"), table(listener("0.0.0.0", waiting=3))),
        (lines(address="10.9.0.2", peer_port=40000), table(connection("FIN-WAIT-2"))),
        (lines(protocol="udp", port=53), table(listener("0.0.0.0", 53, "udp"))),
    ],
    ("sockets", FAIL): [
        (lines(state="ESTAB"), table(connection("SYN-RECV"))),
        (lines(state="ESTAB", count=0), table(connection("ESTAB"))),
        (lines(state="LISTEN", recv_q=3), table(listener("0.0.0.0", waiting=2))),
        (lines(state="LISTEN", send_q=">= 6"), table(listener("0.0.0.0"))),
        (lines(peer="10.9.0.4"), table(connection("ESTAB"))),
        (lines(peer_port=40001), table(connection("ESTAB"))),
        (lines(address="10.9.0.4"), table(connection("ESTAB"))),
        (lines(port=81), table(connection("ESTAB"))),
        ((*lines(state="ESTAB"), *lines(state="LISTEN")), table(connection("ESTAB"))),
    ],
    ("sockets", ERROR): [
        (lines(state="ESTAB"), Story().look("start")),
        (lines(state="ESTAB", count=0), Story().look("start")),
    ],
    ("impaired", PASS): [
        ({"lost": 2, "passed": 1}, fated("lost", "", "lost")),
        ({"duplicated": 1, "delayed": ">= 2", "lost": 0}, fated("delayed", "delayed duplicated")),
        ({"lost": 1}, fated("lost", host="server")),
        ({"lost": 0}, fated()),
    ],
    ("impaired", FAIL): [
        ({"lost": 2}, fated("lost", "")),
        ({"lost": 0, "passed": 1}, fated("lost", "")),
        ({"passed": 2}, fated("delayed", "")),
        ({"lost": 1}, fated()),
    ],
    ("impaired", ERROR): [
        ({"lost": 1}, fated("lost", begun=None)),
        ({"lost": 0}, fated(begun=6000)),
        ({"lost": 1}, fated("lost", awake=False)),
        ({"lost": 1}, fated("lost", note="2 packets were lost that nobody decided on")),
    ],
    ("counters", PASS): [
        ({"TcpExtListenOverflows": 3}, counted({"TcpExtListenOverflows": 0}, overflows)),
        ({"TcpExtListenOverflows": "2..4", "TcpRetransSegs": 0}, counted({}, overflows)),
        ({"TcpExtListenOverflows": 3}, counted({}, overflows, "server")),
    ],
    ("counters", FAIL): [
        ({"TcpExtListenOverflows": 3}, counted({"TcpExtListenOverflows": 1}, overflows)),
        ({"TcpExtListenOverflows": 3, "TcpRetransSegs": ">= 1"}, counted({}, overflows)),
    ],
    ("counters", ERROR): [
        ({"TcpExtListenOverflow": 0}, counted(overflows, overflows)),
        ({"TcpRetransSegs": 0}, counted(None, overflows)),
        ({"TcpRetransSegs": 0}, counted(overflows, None)),
    ],
}
