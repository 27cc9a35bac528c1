"""What sockets were seen to pass through, and what TCP lets them have passed through unseen."""

import pytest
from history_samples import Story
from hypothesis import given
from hypothesis import strategies as st

from lab.history import SocketSeen
from lab.states import BORN, GONE, TCP, Life, can_pass, lives, may_have_passed, parting


def seen(*states: str, **fields: int) -> tuple[Life, ...]:
    return lives(Story().states(1, *states, **fields).history.all(SocketSeen))


def test_a_life_is_what_one_socket_was_seen_to_be() -> None:
    story = Story().states(1, "SYN-SENT", "ESTAB", "ESTAB", "gone", id=3).states(1.5, "LISTEN", id=4)
    first, second = lives(story.history.all(SocketSeen))
    assert (first.id, first.states, first.gone, len(first.rows)) == (3, ("SYN-SENT", "ESTAB", "gone"), True, 4)
    assert (second.id, second.states, second.gone) == (4, ("LISTEN",), False)
    assert lives([]) == ()


def test_a_socket_that_comes_back_lives_again() -> None:
    assert [life.states for life in seen("SYN-SENT", "gone", "SYN-SENT", "ESTAB")] == [
        ("SYN-SENT", "gone"),
        ("SYN-SENT", "ESTAB"),
    ]


@pytest.mark.parametrize(
    ("begin", "end", "wanted", "passed"),
    [
        ("ESTAB", "TIME-WAIT", ["FIN-WAIT-1", "FIN-WAIT-2"], 2),
        ("ESTAB", "TIME-WAIT", ["FIN-WAIT-2", "FIN-WAIT-1"], 1),
        ("ESTAB", "TIME-WAIT", ["CLOSE-WAIT"], 0),
        ("ESTAB", "gone", ["CLOSE-WAIT", "LAST-ACK", "gone"], 3),
        ("ESTAB", "ESTAB", ["ESTAB"], 0),
        (BORN, "ESTAB", ["SYN-SENT", "ESTAB"], 2),
        ("ESTAB", "SYN-SENT", [], None),
        ("gone", "LISTEN", ["LISTEN"], None),
        ("LISTEN", "no-such-state", [], None),
    ],
)
def test_ways_through_the_graph(begin: str, end: str, wanted: list[str], passed: int | None) -> None:
    assert can_pass(begin, end, wanted) == passed


ARROWS = """
SYN-SENT > SYN-RECV, SYN-SENT > ESTAB, SYN-SENT > UNCONN, SYN-RECV > ESTAB, SYN-RECV > FIN-WAIT-1, UNCONN > LISTEN,
UNCONN > SYN-SENT, ESTAB > FIN-WAIT-1, ESTAB > CLOSE-WAIT, FIN-WAIT-1 > FIN-WAIT-2, FIN-WAIT-1 > CLOSING,
FIN-WAIT-1 > TIME-WAIT, FIN-WAIT-2 > TIME-WAIT, CLOSING > TIME-WAIT, CLOSE-WAIT > LAST-ACK, TIME-WAIT > gone,
LAST-ACK > gone, LISTEN > gone
"""
NO_WAYS = (
    "LISTEN > ESTAB, ESTAB > LISTEN, CLOSE-WAIT > TIME-WAIT, LAST-ACK > TIME-WAIT, FIN-WAIT-2 > CLOSING, gone > ESTAB"
)


def pairs(text: str) -> list[tuple[str, str]]:
    return [(pair.split()[0], pair.split()[2]) for pair in text.split(",")]


@pytest.mark.parametrize(("begin", "end"), pairs(ARROWS))
def test_the_arrows_of_the_graph(begin: str, end: str) -> None:
    assert can_pass(begin, end, [end]) == 1


@pytest.mark.parametrize(("begin", "end"), pairs(NO_WAYS))
def test_where_no_way_leads(begin: str, end: str) -> None:
    assert can_pass(begin, end, []) is None


@given(st.data())
def test_what_a_walk_passed_is_never_ruled_out(data: st.DataObject) -> None:
    """Of a walk through the graph some states are read and some are wanted: the two never contradict each other."""
    walk: list[str] = []
    state = BORN
    while state != GONE and len(walk) < 9:
        state = data.draw(st.sampled_from(sorted(TCP[state])))
        walk.append(state)
    read = data.draw(st.lists(st.booleans(), min_size=len(walk), max_size=len(walk)))
    wanted = [state for state in walk if data.draw(st.booleans())]
    shown = [state for state, is_read in zip(walk, read, strict=True) if is_read and state != GONE]
    if shown:
        ended = ["gone"] if read[-1] and walk[-1] == GONE else []
        (life,) = seen(*shown, *ended)
        assert may_have_passed(life, wanted, complete=read[-1])


@pytest.mark.parametrize(
    ("wanted", "protocol", "parts"),
    [
        ("SYN-SENT ESTAB TIME-WAIT gone", "tcp", None),
        ("LISTEN gone", "tcp", None),
        ("ESTAB SYN-SENT", "tcp", ("ESTAB", "SYN-SENT")),
        ("LISTEN ESTAB", "tcp", ("LISTEN", "ESTAB")),
        ("ESTAB ESTAB", "tcp", ("ESTAB", "ESTAB")),
        ("SYN-SENT gone LISTEN", "tcp", ("gone", "LISTEN")),
        ("UNCONN ESTAB UNCONN", "udp", None),
        ("UNCONN LISTEN", "udp", ("UNCONN", "LISTEN")),
    ],
)
def test_an_order_that_no_socket_passes(wanted: str, protocol: str, parts: tuple[str, str] | None) -> None:
    assert parting(wanted.split(), protocol) == parts
