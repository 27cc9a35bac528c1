"""Cases -> one HTML file that needs nothing else: no network, and no script to be read.

    saved ──┬── rows ── svg, fields, lives ── page ──┐
            └── compare, topology ───────────────────┴── templates/

Whatever reaches the page is made harmless twice, by `clean` and by Jinja's escaping; neither can be forgotten, since
the environment does both. Importing this module imports Jinja: do it late.
"""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from msgspec import Struct

from lab.checks.base import Outcome
from lab.diff import Comparison, summary
from lab.i18n import _, counted, language
from lab.prove.matrix import MEANINGS, Answer, Proof, applied
from lab.prove.matrix import summary as summary_of_proofs
from lab.prove.mutations import MUTATIONS
from lab.report import clean, clip, clip_pair, compare, duration, topology, word
from lab.report.fields import COLUMNS, cells
from lab.report.page import CasePage, case_page
from lab.report.saved import Told
from lab.report.svg import milliseconds

SHAPES = {Outcome.PASS: "✓", Outcome.FAIL: "✗", Outcome.ERROR: "!", Outcome.SKIPPED: "-"}
MARKS = {"same": "", "perhaps": "~", "changed": "≠", "left": "-", "right": "+"}
SIGNS = {
    Answer.NOTICED: "✓",
    Answer.SURVIVED: "✗",
    Answer.UNCLEAR: "!",
    Answer.SAME: "=",
    Answer.NONE: "·",
    Answer.SKIPPED: "-",
}
TONES = {Answer.NOTICED: "pass", Answer.SURVIVED: "fail", Answer.UNCLEAR: "error"} | dict.fromkeys(
    (Answer.SAME, Answer.NONE, Answer.SKIPPED), "quiet"
)
TEMPLATES = Path(__file__).parent / "templates"
MOST_ROWS, FEWEST_ROWS, ALL_ROWS = 400, 80, 2000


class ScenarioPage(Struct, frozen=True):
    """A scenario's part: its cases, compared; and a drawing for each topology, with the cases that have it."""

    anchor: str
    cases: tuple[CasePage, ...]
    table: tuple[compare.Line, ...]
    maps: tuple[tuple[topology.Map, tuple[str, ...]], ...]

    @property
    def outcome(self) -> Outcome:
        """The worst of its cases' outcomes."""
        outcomes = {page.told.report.outcome for page in self.cases}
        ranked = (Outcome.ERROR, Outcome.FAIL, Outcome.PASS, Outcome.SKIPPED)
        return next(outcome for outcome in ranked if outcome in outcomes)


def document(cases: Sequence[Told], run: str = "") -> str:
    """The page. The cases of one scenario must follow each other; `run` is the run's name."""
    pages = [case_page(f"c{number}", case, _most_rows(len(cases))) for number, case in enumerate(cases, start=1)]
    groups = groupby(pages, key=lambda page: (page.told.plan.scenario, page.told.plan.file))
    scenarios = [_scenario(f"s{number}", tuple(group)) for number, (_, group) in enumerate(groups, start=1)]
    versions = {name: text for case in cases for name, text in case.report.versions.items()}
    return _rendered("page.html", scenarios=scenarios, run=run, versions=dict(sorted(versions.items())))


def difference(comparisons: Sequence[Comparison], left: str, right: str) -> str:
    """The page of two runs or cases, side by side; `left` and `right` say what is compared."""
    return _rendered(
        "difference.html", comparisons=comparisons, left=left, right=right, summary=summary(comparisons), marks=MARKS
    )


def proof(proofs: Sequence[Proof]) -> str:
    """The page of a proof: what no check noticed, and each scenario's matrix."""
    return _rendered(
        "proof.html",
        proofs=proofs,
        summary=summary_of_proofs(proofs),
        signs=SIGNS,
        tones=TONES,
        meanings=MEANINGS,
        mutations=MUTATIONS,
        columns=applied,
    )


def _rendered(name: str, **values: object) -> str:
    style, script = ((TEMPLATES / file).read_text("utf-8") for file in ("report.css", "report.js"))
    hashes = {"style": _hash(style), "script": _hash(script)}
    return _templates().get_template(name).render(style=Markup(style), script=Markup(script), hashes=hashes, **values)


def _most_rows(count: int) -> int:
    """How many rows each diagram may have, so that the page stays of a size that browsers like."""
    return max(FEWEST_ROWS, min(MOST_ROWS, ALL_ROWS // max(1, count)))


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=_harmless,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"shapes": SHAPES, "columns": COLUMNS, "cells": cells, "word": word}
    environment.globals |= {"_": _, "counted": counted, "language": language}
    environment.globals["clip_pair"] = clip_pair
    environment.filters |= {"clip": clip, "duration": duration, "milliseconds": milliseconds}
    environment.filters["paragraphs"] = _paragraphs
    return environment


def _harmless(value: Any) -> Any:
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _paragraphs(text: str) -> list[str]:
    groups = groupby(text.strip().splitlines(), key=lambda line: bool(line.strip()))
    return [" ".join(lines) for full, lines in groups if full]


def _scenario(anchor: str, pages: tuple[CasePage, ...]) -> ScenarioPage:
    shapes: dict[object, list[Told]] = {}
    for page in pages:
        shapes.setdefault(topology.shape(page.told.plan), []).append(page.told)
    maps = [(topology.draw(group[0].plan), tuple(case.name for case in group)) for group in shapes.values()]
    return ScenarioPage(anchor, pages, tuple(compare.lines([page.told for page in pages])), tuple(maps))
