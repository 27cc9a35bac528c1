"""The page of a proof: all that the terminal has, each survivor with its place, and nothing harmful."""

from collections.abc import Callable

from msgspec.structs import replace
from page_outline import Page
from report_samples import HOSTILE

from lab.checks.base import Outcome
from lab.prove.matrix import Answer, Cell, Finding, Proof, Row
from lab.prove.mutations import MUTATIONS
from lab.report.html import proof

NONE = dict.fromkeys(MUTATIONS, Cell(Answer.NONE))
SURVIVOR = Finding(
    Answer.SURVIVED,
    "scenarios/t.yaml:14:5",
    "shut: every check passes although the firewall rule was left out",
    ("scenarios/t.yaml:15:9: within: expected at most 6 s, passes",),
)
UNCLEAR = Finding(Answer.UNCLEAR, "scenarios/t.yaml:9:5", "shut: no check fails although the server was not started")
ROWS = (
    Row(
        "open",
        Outcome.PASS,
        {"open": None, "shut": Cell(Answer.NOTICED, 2, (), True), "else": Cell(Answer.SKIPPED)},
        NONE | {"server": Cell(Answer.NOTICED, 1)},
    ),
    Row(
        "shut",
        Outcome.PASS,
        {"open": Cell(Answer.SAME), "shut": None, "else": Cell(Answer.SKIPPED)},
        NONE | {"rule": Cell(Answer.SURVIVED, 2, (SURVIVOR,)), "server": Cell(Answer.UNCLEAR, 1, (UNCLEAR,))},
    ),
    Row("else", Outcome.SKIPPED, reason="the kernel lacks it"),
)
SAMPLE = Proof("t", "scenarios/t.yaml", "A claim", ROWS)


def test_golden_outline(golden: Callable[[str, str], None]) -> None:
    golden("html/proof.txt", outline(proof([SAMPLE, replace(SAMPLE, scenario="u", rows=ROWS[:1])])))


def outline(text: str) -> str:
    page = Page(text)
    ids, named = page.values("id"), page.values("aria-labelledby")
    assert len(ids) == len(set(ids)) and set(named) <= set(ids)
    assert all(found.get("scope") for tag, found in page.elements if tag == "th")
    assert page.count("script") == page.count("link") == page.count("img") == 0 and "script-src 'none'" in text
    return page.outline


def test_what_no_check_noticed_is_told_with_its_place() -> None:
    text = proof([SAMPLE])
    found = text[text.index("What no check noticed") : text.index("How to read it")]
    assert "✗ survived" in found and "<code>scenarios/t.yaml:14:5</code>: shut: every check passes" in found
    assert "scenarios/t.yaml:15:9: within: expected at most 6 s, passes" in found and "! unclear" in found
    assert "all was noticed" not in text and "3 cases, 4 trials: 1 survivor, 1 unclear, 1 skipped" in text
    noticed = proof([replace(SAMPLE, rows=ROWS[:1])])
    assert "Of what was tried, all was noticed." in noticed and "✗ survived</strong>" not in noticed


def test_only_changes_that_apply_have_a_column() -> None:
    table = proof([SAMPLE]).partition('<table class="matrix">')[2].partition("</table>")[0]
    assert '<th scope="col">rule</th><th scope="col">server</th></tr>' in table and "backlog" not in table
    assert "SKIPPED: the kernel lacks it" in table and "survived</span></strong> of 2" in table


def test_hostile_words_are_shown_harmlessly() -> None:
    finding = Finding(Answer.SURVIVED, HOSTILE, HOSTILE, (HOSTILE,))
    row = Row(HOSTILE, Outcome.PASS, {HOSTILE: None}, NONE, (finding,))
    text = proof([Proof(HOSTILE, HOSTILE, HOSTILE, (row,))])
    outline(text)
    assert "<script>" not in text and "\x1b" not in text and "\u202e" not in text and "\x00" not in text
