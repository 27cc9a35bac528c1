"""states."""

from typing import Any

from history_samples import CLIENT, OTHER, SERVER, Story, at

from lab.checks.base import Outcome, Seen
from lab.history import Note
from lab.model import StatesExpectation

PASS, FAIL, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.ERROR
ANY = ("0.0.0.0", 0)
CLOSES = ("SYN-SENT", "ESTAB", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT")


def talk(*states: str, awake: bool = True, **fields: Any) -> Story:
    """A connection as its client has it."""
    return Story(awake=awake).call(1).handshake(1.1).states(2, *states, **fields)


def serves(*states: str) -> Seen:
    """The same as its server has it, whose listener is another socket."""
    story = talk("SYN-SENT", "ESTAB").tap("server").states(-5, "LISTEN", local=SERVER, remote=ANY, id=7, host="server")
    return story.states(2, *states, local=SERVER, remote=CLIENT, id=8, host="server").look(on="server")


def chosen(passes: str, **fields: Any) -> tuple[StatesExpectation, ...]:
    return (StatesExpectation(passes=passes, **{"port": 80} | fields),)


def table(*states: str, awake: bool = True, **fields: Any) -> Seen:
    """A listener as a step that only looks sees it."""
    return Story(awake=awake).states(-5, *states, **{"local": ("0.0.0.0", 80), "remote": ANY} | fields).look("observe")


closed = talk(*CLOSES).look()
unread = talk("SYN-SENT", "ESTAB", awake=False).tap("client", until=1.2).look()
dropped = talk("SYN-SENT", "ESTAB", awake=False).tap("client", dropped=3).look()
skipped = talk("ESTAB", "TIME-WAIT", "gone").look()
two = talk("SYN-SENT", "ESTAB").call(50, caller="d").handshake(51, local=OTHER).states(52, "ESTAB", local=OTHER, id=2)
both = talk("SYN-SENT", "ESTAB").call(50, caller="d").handshake(51, local=OTHER)
both.states(52, "SYN-SENT", "ESTAB", local=OTHER, id=2)
reused = talk(awake=True).states(-50, *CLOSES, "gone", id=4).states(2, "SYN-SENT", "ESTAB")
late = Story(end=100).call(1).handshake(1.1).states(2, "SYN-SENT", "ESTAB").states(200, "ESTAB", "TIME-WAIT")
strange = talk("CLOSE-WAIT", "SYN-SENT").look()
mapped = talk("ESTAB", local=(f"::ffff:{CLIENT[0]}", CLIENT[1]), remote=(f"::ffff:{SERVER[0]}", SERVER[1])).look()
listens = {"local": ("0.0.0.0", 80), "remote": ANY}
served = Story().states(-5, "LISTEN", **listens).states(2, "SYN-RECV", "ESTAB", local=SERVER, remote=CLIENT, id=2)
unseen = Story().call(1).handshake(1.1).look()
before = Story().call(1).handshake(1.1).states(0.1, "UNCONN", "ESTAB").look()

known = Story().call(1).handshake(1.1).states(-50, "SYN-SENT", "ESTAB").look()
beside = Story().call(1).handshake(1.1).states(1.5, "UNCONN", "ESTAB", protocol="udp", id=9)
beside = beside.states(2, "SYN-SENT", "ESTAB").look()
outlived = Story(awake=False).tap("client", until=500).program(1).handshake(1.1)
outlived = outlived.states(2, "SYN-SENT", "ESTAB").exit(1000).look("run")
former = Story().call(1).handshake(1.1).states(-50, "SYN-SENT", "ESTAB", "gone").look()

CASES: dict[tuple[str, Outcome], list[tuple[Any, Seen]]] = {
    ("states", PASS): [
        ("SYN-SENT, ESTAB, FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT", closed),
        ("SYN-SENT, ESTAB, TIME-WAIT", closed),
        ("TIME-WAIT", closed),
        ("ESTAB, gone", skipped),
        ("SYN-SENT, ESTAB", unread),
        ("SYN-SENT, ESTAB", both.look()),
        ("SYN-SENT, ESTAB", reused.look()),
        ("SYN-RECV, ESTAB, CLOSE-WAIT, LAST-ACK, gone", serves("SYN-RECV", "ESTAB", "CLOSE-WAIT", "LAST-ACK", "gone")),
        ("ESTAB", mapped),
        ("ESTAB", Story().call(1, remote=("server", 80)).handshake(1.1).states(2, "ESTAB").look()),
        ("UNCONN, ESTAB", before),
        ("ESTAB", known),
        ("SYN-SENT, ESTAB", beside),
        (chosen("LISTEN"), table("LISTEN")),
        (chosen("LISTEN, gone"), table("LISTEN", "gone")),
        (chosen("UNCONN, gone", protocol="udp"), table("UNCONN", "gone", protocol="udp")),
        (chosen("LISTEN", address=""), served.look("observe")),
        (chosen("SYN-RECV, ESTAB", peer=CLIENT[0], peer_port=CLIENT[1]), served.look("observe")),
        ((*chosen("SYN-RECV, ESTAB"), *chosen("LISTEN")), served.look("observe")),
    ],
    ("states", FAIL): [
        ("ESTAB, SYN-SENT", closed),
        ("SYN-SENT, ESTAB, CLOSE-WAIT", closed),
        ("SYN-SENT, ESTAB, TIME-WAIT, gone", closed),
        ("SYN-SENT, ESTAB, FIN-WAIT-1", talk("SYN-SENT", "ESTAB").look()),
        ("LISTEN", closed),
        ("CLOSE-WAIT, gone", skipped),
        ("ESTAB, SYN-SENT", unread),
        ("ESTAB, TIME-WAIT", late.look()),
        ("ESTAB, gone", serves("SYN-RECV", "ESTAB", "CLOSE-WAIT")),
        ("LISTEN", serves("SYN-RECV", "ESTAB")),
        (chosen("LISTEN, gone"), table("LISTEN")),
        (chosen("LISTEN, gone"), served.look("observe")),
        (chosen("LISTEN", port=81), table("LISTEN")),
        (chosen("LISTEN", protocol="udp"), table("LISTEN")),
        (chosen("LISTEN", address="127.0.0.1"), table("LISTEN")),
        (chosen("ESTAB"), table("LISTEN", "gone")),
        ((*chosen("LISTEN"), *chosen("LISTEN, gone")), table("LISTEN")),
        ((*chosen("UNCONN, LISTEN"), *chosen("LISTEN, gone")), table("LISTEN")),
    ],
    ("states", ERROR): [
        (chosen("LISTEN, gone", port=81), table("LISTEN")),
        ("SYN-SENT", Story().look()),
        ("SYN-SENT, ESTAB", unseen),
        ("SYN-SENT, ESTAB", former),
        ("SYN-SENT, ESTAB", Story().call(1, error="TIMEOUT").look()),
        ("SYN-SENT, ESTAB, gone", unread),
        ("SYN-SENT, ESTAB, gone", dropped),
        ("SYN-SENT, ESTAB, gone", outlived),
        ("SYN-SENT, ESTAB, FIN-WAIT-2", talk("SYN-SENT", "ESTAB", "TIME-WAIT").look()),
        ("SYN-SENT, ESTAB", two.look()),
        ("ESTAB, CLOSE-WAIT, gone", talk("SYN-SENT", "ESTAB", "gone").look()),
        ("SYN-SENT, ESTAB", strange),
        (chosen("LISTEN, gone"), table("LISTEN", awake=False)),
        (chosen("LISTEN", port=81), table("LISTEN", awake=False)),
        (chosen("LISTEN", port=81), Story().add(Note("server", at(-100), "step-begin", 0)).look("observe")),
        (chosen("UNCONN, LISTEN"), table("LISTEN")),
        (chosen("UNCONN, LISTEN"), served.look("observe")),
        ((*chosen("LISTEN"), *chosen("UNCONN, LISTEN")), table("LISTEN")),
        (chosen("ESTAB"), table("UNCONN", "gone")),
        (chosen("UNCONN, ESTAB", protocol="udp"), table("UNCONN", protocol="udp")),
    ],
}
