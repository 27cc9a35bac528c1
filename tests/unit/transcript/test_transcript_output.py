"""What programs wrote, in pieces as they came."""

import time

from lab.history import History, Output
from lab.model import Step
from lab.plan import PlannedStep
from lab.transcript.names import Names
from lab.transcript.output import written

NAMES = Names({"10.1.0.2": "server.lan"}, frozenset({40000}))


def told(
    *pieces: bytes, argv: tuple[str, ...] = ("python3",), streams: bool = False, several: bool = False
) -> list[str]:
    """The lines of pieces that came a nanosecond after each other."""
    seen = History(tuple(Output("h", time, 0, "stdout", data) for time, data in enumerate(pieces, start=1)))
    planned = PlannedStep(number=0, step=Step(host="h", run=argv), argv=argv)
    return [line for line, _ in written(seen, planned, 99, NAMES, streams=streams, several=several)]


def test_pieces_are_put_together_and_named():
    assert told(b"by ('10.1", b".0.2', 40000)", b"\r\n\nlast\xff") == [
        "stdout | by ('server.lan', *)",
        "stdout |",
        "stdout | last\\xff",
    ]


def test_a_line_came_when_its_text_was_whole():
    seen = History(
        (Output("h", 5, 0, "stdout", b"on"), Output("h", 7, 0, "stdout", b"e"), Output("h", 9, 0, "stdout", b"\ntwo"))
    )
    planned = PlannedStep(number=0, step=Step(host="h", run=("x",)))
    lines = list(written(seen, planned, 9, NAMES, streams=False, several=False))
    assert lines == [("stdout | one", 7), ("stdout | two", 9)]
    assert list(written(seen, planned, 8, NAMES, streams=False, several=False)) == [("stdout | one", 7)]
    pieces = ((5, b"a\nb\nc"), (7, b"d\ne"), (9, b"\n\ne\n"))
    seen = History(tuple(Output("h", time, 0, "stdout", data) for time, data in pieces))
    lines = dict(written(seen, planned, 9, NAMES, streams=False, several=False))
    assert lines == {"stdout | a": 5, "stdout | b": 5, "stdout | cd": 7, "stdout | e": 9, "stdout |": 9}
    assert ("stdout | 2 x e", 9) in written(seen, planned, 9, NAMES, streams=False, several=True)


def test_turns_at_once_are_not_mixed():
    pieces = ((1, 0, b"one"), (2, 1, b"two"), (3, 1, b"\n"), (4, 0, b"\n"))
    seen = History(tuple(Output("h", time, 0, "stdout", data, turn) for time, turn, data in pieces))
    planned = PlannedStep(number=0, step=Step(host="h", run=("x",)))
    lines = list(written(seen, planned, 9, NAMES, streams=False, several=False))
    assert lines == [("stdout | one", 1), ("stdout | two", 2)]


def test_a_table_of_sockets_has_no_order_and_nothing_of_the_engine():
    rows = b"udp 127.0.0.11:53\ntcp  0.0.0.0:80\ntcp 127.0.0.11:99\ntcp  0.0.0.0:443\n"
    assert told(b"Proto Local\n", rows, argv=("netstat", "-an")) == [
        "stdout | Proto Local",
        "stdout | tcp 0.0.0.0:443",
        "stdout | tcp 0.0.0.0:80",
    ]
    assert told(rows)[0] == "stdout | udp 127.0.0.11:53"


def test_times_and_what_lsof_calls_a_process_and_its_socket_are_chance():
    assert told(b"hello after 1.1 s, 12/34.5 ms\n") == ["stdout | hello after * s, * ms"]
    row = b"python3   13 lab  3u  IPv6 348153      0t0  TCP *:65432 (LISTEN)\n"
    assert told(row) == ["stdout | python3 * lab  3u  IPv6 *      0t0  TCP *:65432 (LISTEN)"]
    assert told(row, argv=("lsof", "-i")) == ["stdout | python3 * lab 3u IPv6 * 0t0 TCP *:65432 (LISTEN)"]


def test_equal_lines_are_counted():
    assert told(b"a\na\nb\na\n") == ["stdout | 2 x a", "stdout | b", "stdout | a"]
    assert told(b"a\na\nb\na\n", several=True) == ["stdout | 3 x a", "stdout | b"]
    assert told(b"a\na\n", streams=True) == ["stdout | 2 x a"]


def test_pieces_of_a_stream_are_one_literal():
    cut = b"got b'he' from 1\ngot b\"it's\" from 2\ngot b'llo\\'' from 1\nno more\n"
    assert told(cut, streams=True) == [
        "stdout | got b'hello\\'' from 1",
        'stdout | got b"it\'s" from 2',
        "stdout | no more",
    ]
    assert len(told(cut)) == 4


def test_what_a_program_complains_of_stands_behind_what_it_wrote():
    planned = PlannedStep(number=0, step=Step(host="h", run=("x",)))
    seen = History((Output("h", 1, 0, "stderr", b"no  way"), Output("h", 2, 0, "stdout", b"yes")))
    lines = written(seen, planned, 9, NAMES, streams=False, several=True)
    assert [line for line, _ in lines] == ["stdout | yes", "stderr | no  way"]


def test_a_tools_columns_and_times_are_left_out():
    lines = told(b"64 bytes from 10.1.0.2:  time=0.043 ms\nrtt 0.1/0.2/0.3/0.04 ms\n", argv=("ping",))
    assert lines == ["stdout | 64 bytes from server.lan: time=* ms", "stdout | rtt * ms"]


def test_a_tools_line_of_any_kind_is_soon_read():
    begun = time.process_time()
    told(b"1/" * 100_000, argv=("ping",))
    assert time.process_time() - begun < 10
