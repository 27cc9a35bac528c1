"""The sequence diagram on a terminal: its width, its marks, its fallback, and what a hostile program cannot do."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from report_samples import HOSTILE
from rich.cells import cell_len

from lab.report.console import Screen, make_console
from lab.report.ladder import draw
from lab.runs import load_case
from lab.segments import Segment
from lab.timeline import Event, Timeline, timeline

MS = 1_000_000
HISTORIES = Path(__file__).parents[2] / "golden" / "histories"


def packet(time: int, words: str, host: str, to: str, **fields: object) -> Event:
    known = {"interface": "lan", "arrived": time * MS} | fields
    return Event("packet", time * MS, host, words, (time,), 0, to, **known)  # type: ignore[arg-type]


def happened(kind: str, time: int, host: str, words: str, **fields: object) -> Event:
    return Event(kind, time * MS, host, words, (time,), 0, **fields)  # type: ignore[arg-type]


EVENTS = (
    happened("step", 0, "client", "client: run echo-client --host 10.9.0.2 --port 80"),
    happened("call", 1, "client", "connect(10.9.0.2:80)"),
    packet(2, "SYN", "client", "server"),
    packet(3, "RST", "server", "client"),
    happened("return", 4, "client", "connect = ECONNREFUSED", failed=True),
    packet(5, "SYN", "client", "server", arrived=None, lost=True),
    packet(6, "SYN again", "client", "server", arrived=None, segment=Segment(0, None, True)),
    packet(7, "ARP who-has 10.9.0.6", "client", "", arrived=None),
    packet(8, "IGMP", "", "server"),
    packet(9, "SYN", "server", "server", interface="lo"),
    packet(10, "IGMP", "", "server", noise=True),
    happened("queues", 11, "server", "ESTAB :80 with :40000, Recv-Q 5"),
    happened("queues", 12, "server", "LISTEN :80, Recv-Q 2"),
    happened("state", 13, "client", "gone :40000"),
)


def drawn(
    *events: Event,
    hosts: tuple[str, ...] = ("server", "client"),
    width: int = 80,
    encoding: str = "utf-8",
    colour: str = "never",
) -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding, newline="")
    draw(Timeline(hosts, 0, events), Screen(make_console(file, colour, width)))
    file.flush()
    return file.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined, no-any-return]


def test_every_kind_of_event(golden: Callable[[str, str], None]) -> None:
    golden("diagrams/kinds.txt", drawn(*EVENTS))


def test_in_ascii(golden: Callable[[str, str], None]) -> None:
    text = drawn(*EVENTS, encoding="ascii")
    golden("diagrams/kinds.ascii.txt", text)
    assert text.isascii()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 160])
def test_it_fits_and_uses_the_width(width: int) -> None:
    long = happened("call", 20, "server", "sendall(b'" + "x" * 300 + "')")
    lines = drawn(*EVENTS, long, width=width).splitlines()
    assert max(map(cell_len, lines)) <= width
    assert max(map(cell_len, lines)) >= width - 2


def test_where_lanes_would_be_too_narrow_it_is_told_in_plain_lines() -> None:
    hosts = tuple(f"host-{number}" for number in range(9))
    events = [packet(number, "SYN", hosts[number], hosts[number + 1]) for number in range(8)]
    lost = packet(9, "SYN", hosts[0], hosts[8], lost=True, arrived=None)
    text = drawn(*events, lost, hosts=hosts)
    assert "0.00  host-0 > host-1  SYN on lan" in text
    assert "host-0 > host-8 ✗  SYN on lan" in text
    assert "│" not in text


def test_colour_repeats_what_the_marks_say() -> None:
    lines = drawn(*EVENTS, colour="always").splitlines()
    styled = {
        "SYN on lan": "\x1b[36m",
        "connect = ECONNREFUSED": "\x1b[1;31m",
        "✗": "\x1b[1;31m",
        "SYN again on lan": "\x1b[33m",
        "gone :40000": "\x1b[32m",
        "connect(10.9.0.2:80)": "│ connect",
    }
    for words, style in styled.items():
        assert style in next(line for line in lines if words in line), words


def test_an_end_without_a_lane_is_told_in_the_others() -> None:
    lines = drawn(packet(1, "SYN", "client", "", arrived=None), packet(2, "RST", "", "client"), hosts=("client",))
    assert "SYN on lan > nobody" in lines and "RST on lan < elsewhere" in lines
    two = drawn(packet(2, "RST", "", "client"), happened("call", 3, "server", "x")).splitlines()
    assert two[1].index("RST") > two[2].index("x"), "in its own lane"


def test_hosts_that_nothing_happened_on_have_no_lane() -> None:
    heads = drawn(*EVENTS, hosts=("server", "bystander", "client")).splitlines()[0]
    assert heads.split() == ["ms", "server", "client"]


def test_an_arrow_crosses_the_lanes_between() -> None:
    text = drawn(packet(1, "SYN", "a", "c"), happened("call", 2, "b", "accept()"), hosts=("a", "b", "c"))
    arrow = text.splitlines()[1]
    assert arrow.count("│") == 2 and arrow.endswith(">│") and "SYN on lan" in arrow


def test_nothing_was_seen() -> None:
    assert drawn() == "nothing was seen\n"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_hostile_program_writes_nothing_but_text(encoding: str) -> None:
    events = [
        happened("step", 0, "client", HOSTILE),
        happened("output", 1, "client", HOSTILE * 100),
        packet(2, HOSTILE, "client", "server", interface=HOSTILE),
        packet(3, HOSTILE, "client", "client"),
        happened("note", 4, "server", HOSTILE),
        happened("fold", 5, "server", HOSTILE),
    ]
    for width in (40, 80):
        text = drawn(*events, encoding=encoding, width=width)
        assert "\x1b" not in text and "\r" not in text and "\x07" not in text and "\u202e" not in text
        assert max(map(cell_len, text.splitlines())) <= width


def test_a_long_time_is_told_whole_and_its_lanes_stay_in_line() -> None:
    head, row, *_ = drawn(packet(12_345_678, "SYN", "client", "server"), hosts=("server", "client")).splitlines()
    assert row.startswith("12345678.00  ")
    assert row.index("│") == head.index("server")


def test_thousands_of_events_take_no_time() -> None:
    many = [packet(time, "DATA 9 bytes", "client", "server") for time in range(20_000)]
    assert "19993 DATA" in drawn(*many)


@pytest.mark.parametrize("name", sorted(path.name for path in HISTORIES.iterdir()))
@pytest.mark.parametrize("width", [80, 120])
def test_a_saved_case(name: str, width: int, golden: Callable[[str, str], None]) -> None:
    file = io.StringIO()
    draw(timeline(*load_case(HISTORIES / name)), Screen(make_console(file, "never", width)))
    golden(f"diagrams/{name}.{width}.txt", file.getvalue())


def test_much_is_cut_where_a_bound_is_given() -> None:
    file = io.StringIO()
    many = tuple(packet(time, "SYN", "client", "server") for time in range(1000))
    draw(Timeline(("server", "client"), 0, many), Screen(make_console(file, "never", 80)), 100)
    assert file.getvalue().count("SYN on lan") == 100
    assert "and 900 more events" in file.getvalue()
