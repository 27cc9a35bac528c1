"""The page: its structure, that it needs nothing else, and that nothing in it does harm."""

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace
from page_outline import Page, drawings
from report_samples import ALL, ATTACK, FAILING, HOSTILE, SKIPPED, START, TITLE, plan

from lab.checks.base import Aligned, Outcome, Verdict
from lab.diff import compared
from lab.history import Call, Exit, History, Note, Observation, Output, Packet, SocketRow, Sockets, SocketSeen, View
from lab.judge import Judgement
from lab.report.html import difference, document
from lab.report.saved import Told, told
from lab.transcript import Section, Transcript, transcript

HISTORIES = Path(__file__).parents[2] / "golden" / "histories"
PAGES = {
    "refused": ("refused.open", "refused.firewall-icmp"),
    "timed-out": ("timed-out.drop-out",),
    "both": ("refused.open", "timed-out.drop-out"),
}


def real(*names: str) -> tuple[Told, ...]:
    return told(HISTORIES / name for name in names)


def made(*seen: Observation, case: str = "made") -> Told:
    """A case with two steps of two seconds each, in which this was seen."""
    steps = [
        Note(host, START + place * 2_000_000_000 + at, what, number)
        for place, (host, number) in enumerate((("server", 0), ("client", 2)))
        for what, at in (("step-begin", 0), ("step-end", 1_900_000_000))
    ]
    return Told(case, plan(case), History.of([*steps, *seen]), ATTACK)


def check_facts(text: str) -> Page:
    """What holds of every page."""
    page = Page(text)
    ids = page.values("id")
    assert len(ids) == len(set(ids)), "ids are unique"
    targets = {href[1:] for href in page.values("href")}
    assert all(href.startswith("#") for href in page.values("href")), "nothing leads away"
    assert targets <= set(ids), "every link has its target"
    named = {name for value in page.values("aria-labelledby") for name in value.split()}
    assert named <= set(ids), "every name has its element"
    assert not page.values("src") and not page.values("style") and page.count("link") == page.count("img") == 0
    assert not re.search(r"url\(|@import|https?:", text), "nothing is fetched"
    assert not [name for _, found in page.elements for name in found if name.startswith("on")]
    assert page.count("script") == page.count("style") == page.count("h1") == 1
    levels = [level for level, _ in page.headings]
    assert all(after <= before + 1 for before, after in pairwise(levels)), "headings in order"
    assert all(found.get("scope") for tag, found in page.elements if tag == "th"), "headers say of what"
    for drawing in drawings(text):
        root = ET.fromstring(drawing)
        assert root.get("role") and root.find("title") is not None and root.find("desc") is not None
    return page


@pytest.mark.parametrize("name", PAGES)
def test_golden_outline(name: str, golden: Callable[[str, str], None]) -> None:
    page = check_facts(document(real(*PAGES[name]), "20261123-081640-3f9a1c07"))
    golden(f"html/{name}.txt", page.outline)


def test_only_this_style_and_this_script_may_act() -> None:
    text = document(real("refused.open"))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy and policy[1].startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        source = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert source
        digest = base64.b64encode(hashlib.sha256(source[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy[1]
    assert "unsafe" not in policy[1]


def test_evidence_leads_into_the_diagram_and_the_event_to_its_fields() -> None:
    page = check_facts(document(real("refused.firewall-icmp")))
    events = {found["id"]: found for tag, found in page.elements if tag == "a" and "event" in found.get("class", "")}
    labels = {found["aria-label"].partition(", ")[2] for found in events.values()}
    assert "client to server on lan: SYN again" in labels
    assert "server to client on lan: ICMP port-unreachable" in labels
    linked = {href[1:] for href in page.values("href")} & events.keys()
    assert any("port-unreachable" in events[name]["aria-label"] for name in linked)
    assert {found["href"][1:] for found in events.values()} <= set(page.values("id"))


def test_where_cases_part_is_marked() -> None:
    page = Page(document(real("refused.open", "refused.firewall-icmp")))
    assert page.count("mark") > 5
    alone = Page(document(real("refused.open")))
    assert alone.count("mark") == 0


@pytest.mark.parametrize("report", ALL, ids=lambda report: report.outcome.lower())
def test_every_outcome(report: object) -> None:
    text = document([replace(made(), report=report)])  # type: ignore[arg-type]
    check_facts(text)
    assert str(report.outcome) in text  # type: ignore[attr-defined]


def test_skipped_says_why_and_draws_nothing() -> None:
    skipped = Told("ipv6", plan("ipv6"), History(), SKIPPED)
    page = check_facts(document([skipped]))
    assert "this kernel has no IPv6" in " ".join(page.texts)
    assert page.count("svg") == 1  # the hosts


def attack() -> list[Observation]:
    """Hostile words wherever somebody else's words can come from."""
    raw = HOSTILE.encode("utf-8", "surrogateescape")
    row = SocketRow(HOSTILE, HOSTILE, (HOSTILE, 1), (HOSTILE, 2), 0, 0)
    at = iter(range(START + 2_000_000_001, START + 2_100_000_000, 1000))
    packet = Packet("client", next(at), HOSTILE, True, "tcp", HOSTILE, HOSTILE, 1, 2, ("SYN", HOSTILE), icmp=HOSTILE)
    return [
        replace(packet, frame=raw, length=len(raw)),
        replace(packet, time=next(at), protocol="icmp", about=(HOSTILE, HOSTILE, 1, HOSTILE, 2), dns=HOSTILE),
        Call("client", next(at), 2, HOSTILE, HOSTILE, (HOSTILE, raw), HOSTILE, HOSTILE, HOSTILE, None, (HOSTILE, 1)),
        Call("client", next(at), 2, "c", "send", (raw,), len(raw), ended=next(at)),
        Sockets("client", next(at), 2, (row,)),
        SocketSeen("client", next(at), 7, row),
        View("client", next(at), 2, HOSTILE, 1, raw * 3),
        Output("client", next(at), 2, HOSTILE, raw),
        Output("client", next(at), 2, "stdout", raw + b"\xff\xfe\xc0"),
        Exit("client", next(at), 2, 1, HOSTILE),
        Note("client", next(at), "problem", 2, HOSTILE),
        Note("client", next(at), "truncated", 2, HOSTILE),
        Note("", next(at), "kernel", -1, HOSTILE),
    ]


def test_hostile_words_are_shown_harmlessly() -> None:
    case = made(*attack())
    words = {"title": HOSTILE, "lesson": HOSTILE, "file": HOSTILE, "case": HOSTILE, "parameters": {HOSTILE: HOSTILE}}
    case = replace(
        case, name=HOSTILE, plan=replace(case.plan, **words), report=replace(ATTACK, versions={HOSTILE: HOSTILE})
    )
    text = document([case, replace(case, name=HOSTILE * 9)], HOSTILE)
    page = check_facts(text)
    assert text.encode()
    shown = [*page.texts, *(value for _, found in page.elements for value in found.values())]
    assert all(words.replace("\n", "").isprintable() for words in shown), "nothing that a terminal or a browser obeys"
    assert sum("<script>alert" in words for words in page.texts) > 20, "it is shown, as text"
    assert len(text) < 500_000


def size(text: str) -> int:
    return len(text.encode())


def test_ten_megabytes_of_output_are_told_and_cut() -> None:
    pieces = [
        Output("client", START + 2_000_000_000 + place * 1000, 2, "stdout", b"%d: " % place + b"x" * 100 + b"\n")
        for place in range(100_000)
    ]
    one_line = Output("client", START + 3_000_000_000, 2, "stderr", b"y" * 1_000_000)
    cut = Note("client", START + 3_000_000_001, "truncated", 2, "stdout: 9 in all, 1 not kept")
    text = document([made(*pieces, one_line, cut)])
    assert '<p class="when">stdout: 9 in all, 1 not kept</p>' in text
    page = check_facts(text)
    words = "".join(page.texts)
    assert "lines (" in words and "bytes) left out" in words and "a line of 1,000,000 bytes" in words
    assert "0: xxx" in words and "99999: xxx" in words, "head and tail"
    assert size(text) < 2_000_000


@pytest.mark.parametrize("count", [10_000])
def test_ten_thousand_events_are_told_and_cut(count: int) -> None:
    calls = [
        Call("client", START + 2_000_000_000 + place * 1000, 2, f"{place}", "getsockname", ended=START + 2_000_000_500)
        for place in range(count)
    ]
    text = document([made(*calls)])
    page = check_facts(text)
    assert any("events not drawn: " in line for line in page.lines)
    assert 100 < sum(line.strip().startswith("event ") for line in page.lines) < 1000
    assert size(text) < 2_000_000


def test_many_cases_share_the_room() -> None:
    calls = [Call("client", START + 2_000_000_000 + place * 1000, 2, "c", "close") for place in range(500)]
    cases: Sequence[Told] = [made(*calls, case=f"case-{number}") for number in range(20)]
    assert size(document(cases)) < 5_000_000
    assert TITLE in document(cases[:2])


def test_two_runs_side_by_side(golden: Callable[[str, str], None]) -> None:
    left, right = (transcript(case.plan, case.history) for case in real("refused.open", "refused.firewall-icmp"))
    text = difference(compared([left], [right]), "latest open", "latest firewall-icmp")
    page = Page(text)
    golden("html/difference.txt", page.outline)
    assert page.count("script") == page.count("link") == page.count("img") == 0 and "script-src 'none'" in text
    assert "<del>  connect(server.lan:65432) = ok</del>" in text
    assert "<ins>  connect(server.lan:65432) = ECONNREFUSED</ins>" in text
    alike = difference(compared([left], [left]), "a", "b")
    assert "alike: 1 case" in alike and "<del>" not in alike and "<details open" not in alike


def test_hostile_runs_side_by_side() -> None:
    lines = Section(0, HOSTILE, (HOSTILE, HOSTILE * 1000))
    left = Transcript(HOSTILE, HOSTILE, (lines,))
    text = difference(compared([left], [Transcript(HOSTILE, "other", (Section(0, HOSTILE, ()),))]), HOSTILE, HOSTILE)
    assert "<script>" not in text and "\x1b" not in text and "\u202e" not in text and "\x00" not in text
    assert len(text) < 50_000


def test_a_pattern_that_does_not_fit_stands_beside_what_was_seen() -> None:
    rows = (Aligned("> SYN", "> SYN on lan", True), Aligned("< RST", "", False), Aligned("", HOSTILE, False))
    verdict = Verdict(Outcome.FAIL, "> SYN, < RST", "> SYN", (), rows)
    step = replace(FAILING.steps[1], judgements=(Judgement("packets", "client", "f.yaml:1:1", verdict),))
    text = document([Told("made", plan(), History.of([]), replace(FAILING, steps=(step,)))])
    check_facts(text)
    table = text[text.index('<table class="aligned">') :].partition("</table>")[0]
    assert "<td>&gt; SYN</td><td>&gt; SYN on lan</td>" in table
    assert table.count("✗") == 2 + HOSTILE.count("✗") and "<td>&lt; RST</td><td></td>" in table
