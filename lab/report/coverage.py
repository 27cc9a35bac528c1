"""Which scenarios show which of the guide's claims, and how their cases come out, as it is written; nothing runs."""

from collections.abc import Iterable, Iterator, Sequence

from lab.guide import claims
from lab.i18n import _
from lab.judge import said
from lab.plan import Plan, make_plan, sizes
from lab.report import clip
from lab.scenario import SAMPLE_SUBNETS, Scenario

LONGEST = 40
Place = tuple[int, int, str]


def shown(scenarios: Iterable[Scenario]) -> dict[str, list[Scenario]]:
    """Every claim, with the scenarios that name it."""
    found: dict[str, list[Scenario]] = {claim: [] for claim in claims()}
    for scenario in scenarios:
        for claim in scenario.guide:
            if claim in found:
                found[claim].append(scenario)
    return found


def outcomes(scenario: Scenario) -> dict[str, str]:
    """How each case is expected to come out where it parts from its siblings: `connect refused`; the first such
    expectation of a connect, else the last of all."""
    plans = {case.name: make_plan(scenario, case, SAMPLE_SUBNETS[: len(sizes(case))]) for case in scenario.cases}
    expected = {name: dict(_expected(plan)) for name, plan in plans.items()}
    parting = [
        place
        for place in dict.fromkeys(place for found in expected.values() for place in found)
        if _parts(place, expected.values())
    ]
    return {name: _outcome(found, parting) for name, found in expected.items()}


def _expected(plan: Plan) -> Iterator[tuple[Place, str]]:
    for planned in plan.steps:
        for index, expectation in enumerate(planned.step.expect):
            for check, value in expectation.checks().items():
                yield (planned.number, index, check), said(value)


def _parts(place: Place, cases: Iterable[dict[Place, str]]) -> bool:
    return len({case.get(place) for case in cases}) > 1


def _outcome(found: dict[Place, str], parting: Sequence[Place]) -> str:
    own = [place for place in parting if place in found]
    chosen = next((place for place in own if place[2] == "connect"), own[-1] if own else None)
    return clip(f"{chosen[2]} {found[chosen]}", LONGEST) if chosen else _("as ever")


def text(scenarios: Sequence[Scenario]) -> str:
    """A paragraph a claim."""
    found = shown(scenarios)
    lines = []
    for claim, words in claims().items():
        names = ", ".join(
            f"{scenario.name} ({', '.join(case.name for case in scenario.cases)})" for scenario in found[claim]
        )
        lines += [f"{claim:24}{_(words)}", f"{'':24}{names or _('shown by no scenario')}"]
    return "\n".join(lines) + "\n"


def markdown(scenarios: Sequence[Scenario]) -> str:
    """Two tables: the claims with their scenarios, the scenarios with their outcomes."""
    found = shown(scenarios)
    heads = _("claim"), _("what the guide says"), _("shown by")
    lines = [f"| {' | '.join(heads)} |", "|---|---|---|"]
    for claim, words in claims().items():
        links = ", ".join(f"[`{scenario.name}`](scenarios/{scenario.name}.yaml)" for scenario in found[claim])
        lines.append(f"| {claim} | {_(words)} | {links} |")
    heads = _("scenario"), _("what it shows"), _("how its cases come out")
    lines += ["", f"| {' | '.join(heads)} |", "|---|---|---|"]
    for scenario in scenarios:
        cases = " · ".join(f"`{name}`: {words}".replace("|", "\\|") for name, words in outcomes(scenario).items())
        lines.append(f"| [`{scenario.name}`](scenarios/{scenario.name}.yaml) | {scenario.title} | {cases} |")
    return "\n".join(lines) + "\n"
