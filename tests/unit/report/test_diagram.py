"""Which events are rows of a diagram, and where they stand."""

from msgspec.structs import replace

from lab.report.rows import places, rows
from lab.report.svg import LANES, NARROWEST_LANE, PAGE, TIMES, Band, Mark, bands, shortened, wrapped
from lab.timeline import Event, Timeline

MS = 1_000_000


def event(time: float, kind: str = "call", host: str = "client", words: str = "close() = ok", **more: object) -> Event:
    fields = {"evidence": (round(time * 10),), "step": 0} | more
    return Event(kind, round(time * MS), host, words, **fields)  # type: ignore[arg-type]


STEP = event(0, "step", words="client: run it")


def line(*events: Event, hosts: tuple[str, ...] = ("server", "client")) -> Timeline:
    return Timeline(hosts, 0, (STEP, *events))


def shown(*events: Event, most: int = 400, needed: tuple[int, ...] = ()) -> list[Event]:
    return [row.event for row in rows(line(*events), "c1", most, needed)]


def drawn(*events: Event, hosts: tuple[str, ...] = ("server", "client")) -> tuple[Band, ...]:
    found = line(*events, hosts=hosts)
    return bands(found, rows(found, "c1", 400))


def mark(found: Event, hosts: tuple[str, ...] = ("server", "client")) -> Mark:
    return drawn(found, hosts=hosts)[0].marks[0]


def test_what_a_program_writes_in_pieces_is_one_row_told_by_its_last_line() -> None:
    pieces = [
        event(place, "output", words=f"stderr: {words}") for place, words in enumerate(("Traceback", "", "No"), 1)
    ]
    found = shown(*pieces, event(4), event(5, "output", words="stderr: "), event(6, "output", words="stderr: more"))
    assert [each.words for each in found[1:]] == ["stderr: No", "close() = ok", "stderr: more"]
    assert found[1].evidence == (10, 20, 30, 50), "an empty line is a part of what came before"


def test_two_programs_and_two_hosts_do_not_mix() -> None:
    found = shown(
        event(1, "output", words="stdout: a"),
        event(2, "output", "server", words="stdout: b"),
        event(3, "output", words="stdout: c"),
        event(4, "output", words="stderr: d"),
    )
    assert [each.words for each in found[1:]] == ["stdout: c", "stdout: b", "stderr: d"]


def test_of_many_the_middle_is_folded_but_not_what_is_needed() -> None:
    many = [event(place, "state", words=f"{place}") for place in range(1, 1001)]
    found = shown(*many, most=30, needed=(5000,))
    assert len(found) < 40
    assert [each.words for each in found[:2]] == ["client: run it", "1"] and found[-1].words == "1000"
    assert any(each.words == "500" for each in found)
    folds = [each for each in found if each.kind == "fold"]
    assert folds[0].words.endswith(" events not drawn: state 480")
    assert sum(len(each.evidence) for each in found) == 1001, "nothing is lost"


def test_what_fits_is_not_folded() -> None:
    few = [event(place, "state", words=f"{place}") for place in range(1, 30)]
    assert [each.kind for each in shown(*few, most=30)] == ["step", *["state"] * 29]


def test_what_the_network_says_before_the_first_step_is_not_drawn() -> None:
    assert shown(event(-1, "packet", step=-1, noise=True)) == [STEP]


def test_steps_that_begin_at_once_are_one_band() -> None:
    both = replace(STEP, also=((1, "server: run that"),))
    found = rows(Timeline(("server", "client"), 0, (both, event(1))), "c1", 400)
    (band,) = bands(Timeline(("server", "client"), 0, ()), found)
    assert band.heading == ("1. client: run it", "2. server: run that")
    assert band.title == "1. client: run it; 2. server: run that"
    assert len(band.marks) == 1


def test_steps_are_told_apart_whatever_their_numbers() -> None:
    found = drawn(event(1), event(2, "step", step=2), event(3, "step", step=4))
    assert [band.place for band in found] == [0, 1, 2]


def test_anchors_and_places() -> None:
    found = rows(line(event(1), event(2)), "c7", 400)
    assert [row.anchor for row in found] == ["c7-e1", "c7-e2", "c7-e3"]
    assert found[0].fields == "c7-e1-fields"
    assert places(found)[20] is found[2]


def test_packets_go_from_lane_to_lane() -> None:
    there = mark(event(1, "packet", words="SYN", to="server", interface="lan"))
    assert there.kind == "packet" and there.x > there.end and there.way == -1
    assert there.words == "SYN · lan"
    assert there.label == "at 1.000 ms, client to server on lan: SYN"
    assert mark(event(1, "packet", "server", "SYN", to="client")).way == 1
    assert mark(event(1, "packet", words="SYN", to="client")).kind == "loop"


def test_a_lost_packet_does_not_arrive() -> None:
    arrives, lost = (mark(event(1, "packet", words="SYN", to="server", lost=lost)) for lost in (False, True))
    assert arrives.end < lost.end < lost.x
    assert lost.words.endswith("lost") and lost.label.endswith(", lost")


def test_an_end_that_nobody_watched_is_open() -> None:
    assert mark(event(1, "packet", "", "RST", to="server")).open == "begin"
    assert mark(event(1, "packet", "server", "RST")).open == "end"
    assert mark(event(1, "packet", "", "RST")).open == "both"


def test_the_words_of_an_arrow_stand_between_its_first_two_lanes() -> None:
    hosts = ("server", "client", "middle")
    far = mark(event(1, "packet", "middle", "SYN", to="server"), hosts)
    assert far.above == TIMES + 2 * NARROWEST_LANE


def test_a_call_that_waits_has_a_bar_until_its_end() -> None:
    waits, ends = event(1, words="recv(9)"), event(3, "return", words="recv = b''", evidence=(10,))
    band = drawn(waits, event(2, "state", "server", "LISTEN"), ends)[0]
    begin, _, end = band.marks
    (bar,) = band.bars
    assert (bar.top, bar.bottom, bar.x) == (begin.y, end.y, begin.x)
    assert drawn(event(1))[0].bars == (), "one that is told in one row has none"


def test_a_call_that_never_ends_does_so_with_the_program() -> None:
    never = event(1, words="accept()")
    band = drawn(never, event(2, "exit", words="exit 137"), event(3, "state", "server", "x"))[0]
    assert band.bars[0].bottom == band.marks[1].y


def test_calls_at_the_same_time_have_bars_side_by_side() -> None:
    both = [event(1, words="accept()"), event(2, words="recv(9)")]
    ends = [event(3, "return", words="= ok", evidence=(10,)), event(4, "return", words="= ok", evidence=(20,))]
    bars = drawn(*both, *ends)[0].bars
    assert len({bar.x for bar in bars}) == 2


def test_a_long_step_comes_in_pieces_that_fit_on_paper() -> None:
    found = drawn(*(event(place, "state", words=str(place)) for place in range(1, 60)))
    assert len(found) > 3 and all(band.height < PAGE + 100 for band in found)
    assert [bool(band.heading) for band in found] == [True] + [False] * (len(found) - 1)
    assert sum(len(band.marks) for band in found) == 59
    assert len({band.anchor for band in found}) == len(found)


def test_a_step_in_which_nothing_happens_is_drawn() -> None:
    (band,) = drawn()
    assert band.heading == ("1. client: run it",) and band.marks == ()


def test_when_nothing_happens_it_is_said() -> None:
    band = drawn(event(1), event(1001))[0]
    assert [words for _, words in band.pauses] == ["1.00 s later"]


def test_words_are_made_to_fit() -> None:
    assert shortened("abcdef", 6) == "abcdef" and shortened("abcdefg", 6) == "abcde…"
    assert shortened("日本語日本語", 6) == "日本…"
    assert list(wrapped("one two three four", 9)) == ["one two", "three", "four"]
    assert list(wrapped("a b c d e", 1))[-1].endswith("…")
    long = mark(event(1, words="x" * 200))
    assert long.box <= LANES[2]
