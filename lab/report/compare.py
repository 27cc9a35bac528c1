"""The cases of a scenario side by side: Lines of parameters, steps and checks, a Cell a case, and where they part.

Addresses, ports that the kernel chose and times differ in every run: they are no difference.
"""

import contextlib
import ipaddress
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from lab.checks.base import Outcome, Verdict
from lab.i18n import _
from lab.judge import Judgement
from lab.plan import Plan
from lab.report import clip, duration
from lab.report.saved import Told

ABSENT = "-"
LONGEST = 160
_TIME = re.compile(r"\b\d+(\.\d+)? ?(ms|s|min)\b")
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|\b[0-9a-f]{1,4}(?:::?[0-9a-f]{1,4}){1,7}\b")
_CHOSEN_PORT = re.compile(r":(3276[89]|327[7-9]\d|32[89]\d\d|3[3-9]\d{3}|[45]\d{4}|60[0-9]\d\d)\b")


class Cell(Struct, frozen=True):
    """What one case shows; `differs` from most of the others."""

    text: str
    outcome: str = ""
    differs: bool = False


class Line(Struct, frozen=True):
    """A parameter, step, check, or the outcome (`kind`). Where all cases are alike there is one cell for all."""

    kind: str
    head: str
    cells: tuple[Cell, ...]
    alike: bool


def lines(cases: Sequence[Told]) -> Iterator[Line]:
    """The table, from top to bottom."""
    known = [_Comparable(case.plan) for case in cases]
    for name in dict.fromkeys(name for case in cases for name in case.plan.parameters):
        texts = [_said(case.plan.parameters, name) for case in cases]
        yield _line("parameter", name, [Cell(text) for text in texts], texts)
    for number in sorted({planned.number for case in cases for planned in case.plan.steps}):
        steps = [_step(case, number) for case in cases]
        texts = [step or ABSENT for step in steps]
        compared = [know(text) for know, text in zip(known, texts, strict=True)]
        yield _line("step", _("step {number}", number=number + 1), [Cell(text) for text in texts], compared)
        yield from _checks(cases, known, number)
    outcomes = [_outcome(case) for case in cases]
    yield _line("outcome", _("outcome"), outcomes, [cell.outcome for cell in outcomes])
    if any(case.report.seconds for case in cases):
        yield Line("time", _("took"), tuple(Cell(duration(case.report.seconds)) for case in cases), False)


def _line(kind: str, head: str, cells: Sequence[Cell], compared: Sequence[str]) -> Line:
    """With what is not like most of the others marked; all of it, where most are not alike."""
    (common, count), *_ = Counter(compared).most_common(1)
    most = common if count * 2 > len(compared) else None
    alike = count == len(compared)
    found = (
        Cell(cell.text, cell.outcome, not alike and key != most) for cell, key in zip(cells, compared, strict=True)
    )
    return Line(kind, head, tuple(found), alike)


def _checks(cases: Sequence[Told], known: Sequence["_Comparable"], number: int) -> Iterator[Line]:
    judged = [dict(_judgements(case, number)) for case in cases]
    for key in dict.fromkeys(key for case in judged for key in case):
        cells, compared = [], []
        for judgements, know in zip(judged, known, strict=True):
            judgement = judgements.get(key)
            cells.append(_verdict(judgement.verdict) if judgement else Cell(ABSENT))
            compared.append(f"{cells[-1].outcome} {know(cells[-1].text)}")
        yield _line("check", f"{key[0]} {_('on {host}', host=key[1])}", cells, compared)


def _judgements(case: Told, number: int) -> Iterator[tuple[tuple[str, str, int], Judgement]]:
    times: Counter[tuple[str, str]] = Counter()
    for judgement in next((step.judgements for step in case.report.steps if step.number == number), ()):
        times[judgement.check, judgement.on] += 1
        yield (judgement.check, judgement.on, times[judgement.check, judgement.on]), judgement


def _verdict(verdict: Verdict) -> Cell:
    expected, observed = clip(verdict.expected, LONGEST), clip(verdict.observed, LONGEST)
    if verdict.outcome is Outcome.PASS:
        return Cell(observed, verdict.outcome)
    return Cell(_("expected {expected}, observed {observed}", expected=expected, observed=observed), verdict.outcome)


def _outcome(case: Told) -> Cell:
    return Cell(clip(case.report.skipped, LONGEST), case.report.outcome)


def _step(case: Told, number: int) -> str:
    return next((clip(planned.text, LONGEST) for planned in case.plan.steps if planned.number == number), "")


def _said(parameters: Mapping[str, object], name: str) -> str:
    if name not in parameters:
        return ABSENT
    return clip(_words(parameters[name]), LONGEST)


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_words(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(map(_words, value)) or _("none")
    return value if isinstance(value, str) and value else repr(value)


class _Comparable:
    """Turns a case's text into what is the same in a case that observed the same."""

    def __init__(self, plan: Plan) -> None:
        self._names = {
            address: f"{host.name}.{face.network}"
            for host in plan.hosts
            for face in host.interfaces
            for address in (face.address, face.ipv6)
            if address
        }
        self._subnets = {network.name: ipaddress.ip_network(network.subnet) for network in plan.networks}

    def __call__(self, text: str) -> str:
        return _CHOSEN_PORT.sub(":port", _TIME.sub("time", _ADDRESS.sub(self._name, text)))

    def _name(self, match: re.Match[str]) -> str:
        if match[0] in self._names:
            return self._names[match[0]]
        with contextlib.suppress(ValueError):
            address = ipaddress.ip_address(match[0])
            return next((f"{name}.?" for name, subnet in self._subnets.items() if address in subnet), match[0])
        return match[0]
