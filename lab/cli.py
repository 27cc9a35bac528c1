"""Arguments and exit codes, nothing else: every command's work is done elsewhere, and imported when it is asked for."""

import sys
import time
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lab import __version__
from lab.errors import EXIT_ERROR, EXIT_FAILED, EXIT_PASSED, LabError
from lab.i18n import _, counted
from lab.options import CASE, ENGINE, FILE, JOBS, LANGUAGE, Speaking, is_number

if TYPE_CHECKING:
    from lab.counting import Counter
    from lab.engines.base import Engine
    from lab.flow import Audience, Job
    from lab.judge import Report
    from lab.report.terminal import Terminal


@click.group(cls=Speaking, context_settings={"help_option_names": ["-h", "--help"]})
@LANGUAGE
@click.version_option(__version__, prog_name="lab")
def lab() -> None:
    """A lab of several hosts on real networks that shows, and proves, what sockets really do."""


@lab.command()
@click.argument("names", nargs=-1, metavar="NAME...")
@click.option("--all", "everything", is_flag=True, help="Every scenario that comes with the lab.")
@CASE
@ENGINE
@click.option("--keep", is_flag=True, help="Leave the hosts up, and say how to enter and how to end them.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a case; the story goes to standard error.")
@click.option("--junit", type=FILE, metavar="FILE", help="Write JUnit XML.")
@click.option("--html", type=FILE, metavar="FILE", help="Write a page that shows the run, as lab report does.")
@click.option("--repeat", type=click.IntRange(1, 10_000), default=1, help="Run each case so many times, and count.")
@click.option("--table", type=FILE, metavar="FILE", help="Write how alike the runs of each case were, as Markdown.")
@JOBS
@click.option("--pace", is_flag=True, help="Wait for Enter after each question and before its answer.")
@click.option("--diagram/--no-diagram", default=None, help="Draw each case's sequence diagram; done for a single case.")
@click.option(
    "--time-scale",
    type=click.FloatRange(1, 100),
    callback=is_number,
    envvar="LAB_TIME_SCALE",
    default=1.0,
    help="Stretch times.",
)
def run(
    names: tuple[str, ...],
    everything: bool,
    case: str | None,
    engine: str,
    keep: bool,
    as_json: bool,
    junit: Path | None,
    html: Path | None,
    repeat: int,
    table: Path | None,
    jobs: int,
    pace: bool,
    diagram: bool | None,
    time_scale: float,
) -> int:
    """Run scenarios, by their names or their files' paths."""
    opened, run_id, why = _prepared(engine)
    from lab.flow import open_session, run_jobs
    from lab.report.stability import markdown, stability

    work = _jobs(names, everything, case, repeat)
    _say_engine(opened.name, why)
    pace = pace and sys.stdin.isatty() and sys.stdout.isatty()
    drawn = len(work) == 1 if diagram is None else diagram
    begun = time.monotonic()

    def audience() -> "Audience":
        terminal = _terminal(as_json, pace, drawn)
        return _counter(terminal, len(work)) if repeat > 1 else terminal

    with open_session(opened, keep, time_scale, run_id) as session:
        reports = run_jobs(session, work, audience, 1 if pace else jobs)
        _terminal(as_json, pace, drawn).summary(reports, time.monotonic() - begun, session.saved.folder)
        _write(reports, session.saved.id, as_json, junit)
        rows = stability(reports)
        if table:
            _write_text(table, markdown(rows))
        if html:
            _write_page(str(session.saved.folder), html)
    return _exit_code(reports) or (EXIT_FAILED if any(row.flakes for row in rows) else EXIT_PASSED)


@lab.command("list")
@click.option("--topic", metavar="TOPIC", help="Only those about it: a word such as backlog, or a claim of the guide.")
def list_(topic: str | None) -> int:
    """The scenarios that come with the lab, their claims and cases."""
    from lab.library import about

    for name, found in about(topic).items():
        click.echo(f"{name:18}{found.title}")
        click.echo(f"{'':18}{', '.join(found.cases)}")
    return EXIT_PASSED


@lab.command()
@click.option("--markdown", is_flag=True, help="As the README has it.")
def guide(markdown: bool) -> int:
    """What the guide claims, and the scenarios that show it."""
    from lab.library import shipped
    from lab.report import coverage
    from lab.scenario import load_all

    scenarios = load_all(shipped())
    click.echo(coverage.markdown(scenarios) if markdown else coverage.text(scenarios), nl=False)
    return EXIT_PASSED


@lab.command()
@click.argument("name")
@CASE
def plan(name: str, case: str | None) -> int:
    """Print what a scenario's cases would make and do; nothing is made."""
    from lab.engines import open_engine
    from lab.plan import make_plan, printed, sizes

    with closing(open_engine("fake")) as engine:
        for job in _jobs((name,), False, case, 1):
            click.echo(printed(make_plan(job.scenario, job.case, engine.subnets(sizes(job.case)))), nl=False)
    return EXIT_PASSED


@lab.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
def check(files: tuple[str, ...]) -> int:
    """Look for mistakes in scenario files; nothing is run."""
    from lab.library import find
    from lab.scenario import load_all

    for scenario in load_all(map(find, files)):
        count = counted("{count} case, no mistake", "{count} cases, no mistake", len(scenario.cases))
        click.echo(f"{scenario.source.file}: {count}")
    return EXIT_PASSED


@lab.command()
@click.argument("name", metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a case; the story goes to standard error.")
@click.option("--junit", type=FILE, metavar="FILE", help="Write JUnit XML.")
def judge(name: str, as_json: bool, junit: Path | None) -> int:
    """Judge a saved run again: `latest`, its id, or its folder."""
    from lab.flow import tell_again
    from lab.runs import find

    terminal = _terminal(as_json)
    folders = find(name)
    reports = [tell_again(folder, terminal) for folder in folders]
    terminal.summary(reports, sum(report.seconds for report in reports))
    _write(reports, folders[0].parent.name, as_json, junit)
    return _exit_code(reports)


@lab.command()
@click.argument("name", metavar="RUN")
@CASE
def show(name: str, case: str | None) -> int:
    """Draw a saved run's sequence diagrams: `latest`, its id, its folder, or one case's."""
    from lab.runs import find, load_case, only

    terminal = _terminal(False)
    for folder in only(find(name), case):
        plan, history = load_case(folder)
        terminal.case_begins(plan, plan.parameters)
        terminal.diagram(plan, history)
    return EXIT_PASSED


@lab.command()
@click.argument("name", metavar="RUN")
@click.option("--html", type=FILE, metavar="FILE", required=True, help="Where the page goes.")
def report(name: str, html: Path) -> int:
    """Show a saved run (as for judge, or one case's folder) as one HTML page that needs nothing else."""
    count, size = _write_page(name, html)
    click.echo(f"{html}: {counted('{count} case', '{count} cases', count)}, {size / 1000:,.0f} kB")
    return EXIT_PASSED


@lab.command()
@click.argument("names", nargs=-1, metavar="NAME...")
@click.option("--all", "everything", is_flag=True, help="Every scenario that comes with the lab.")
@ENGINE
@JOBS
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a scenario.")
@click.option("--html", type=FILE, metavar="FILE", help="Write it as a page, too.")
def prove(names: tuple[str, ...], everything: bool, engine: str, jobs: int, as_json: bool, html: Path | None) -> int:
    """Prove that checks can fail: against the runs of sibling cases, and in worlds that were changed."""
    from lab import prove as proving
    from lab.engines import open_engine
    from lab.flow import open_session
    from lab.prove.matrix import exit_code
    from lab.report import proof

    scenarios = list({job.scenario.source.file: job.scenario for job in _jobs(names, everything, None, 1)}.values())
    screen = _terminal(as_json).screen
    with open_session(open_engine(_chosen(engine)), False, 1.0) as session:
        proofs = proving.prove(session, scenarios, screen.progress, jobs)
    if as_json:
        click.echo(proof.lines(proofs), nl=False)
    else:
        proof.show(screen, proofs)
    if html:
        from lab.report.html import proof as page

        _write_text(html, page(proofs))
    return exit_code(proofs)


@lab.command()
@ENGINE
@click.option("--run", "run_id", metavar="ID", help="End this run, though it is alive.")
def sweep(engine: str, run_id: str | None) -> int:
    """Remove what dead runs left behind; living runs are not touched."""
    from lab.engines import open_engine

    with closing(open_engine(engine)) as opened:
        removed = opened.sweep(run_id)
    for item in removed:
        click.echo(_("removed {kind} {name}, left by run {run}", kind=item.kind, name=item.name, run=item.run))
    click.echo(counted("{count} removed", "{count} removed", len(removed)) if removed else _("nothing was left behind"))
    return EXIT_PASSED


@lab.command()
@ENGINE
def doctor(engine: str) -> int:
    """What is there, what is missing, what is left over; each with its remedy."""
    from lab.doctor import examine

    wrong = False
    for line in examine(_chosen(engine)):
        click.echo(str(line))
        wrong = wrong or line.wrong
    return EXIT_ERROR if wrong else EXIT_PASSED


@lab.command()
@click.argument("names", nargs=-1, required=True, metavar="RUN [RUN]")
@click.option("--case", "cases", multiple=True, metavar="CASE", help="Only this case; given twice, one of each side.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a case.")
@click.option("--html", type=FILE, metavar="FILE", help="Write it as a page, too.")
def diff(names: tuple[str, ...], cases: tuple[str, ...], as_json: bool, html: Path | None) -> int:
    """Compare two saved runs, or two cases of one, without what differs between any two: times, ports, addresses.

    RUN is `latest`, a run's id or folder, or one case's folder, as in latest/refused.open.
    """
    from lab.diff import compared, side
    from lab.report.console import make_console
    from lab.report.difference import json_lines, show

    if len(names) > 2 or len(cases) > 2 or len(names) + len(cases) < 2 or (len(names) == 1 and len(cases) < 2):
        raise click.UsageError("expected two runs, or one run and --case twice")
    chosen = cases or ("",)
    left, right = ((names[place], chosen[place]) for place in (0, -1))
    comparisons = compared(side(*left), side(*right))
    told = [" ".join(words).strip() for words in (left, right)]
    if as_json:
        click.echo(json_lines(comparisons, *told), nl=False)
    else:
        show(make_console(), comparisons, *told)
    if html:
        from lab.report.html import difference

        _write_text(html, difference(comparisons, *told))
    return EXIT_FAILED if any(comparison.differing for comparison in comparisons) else EXIT_PASSED


@lab.command()
def images() -> int:
    """Build the image that hosts run, if it is not there."""
    from lab.engines.docker import DockerEngine

    with closing(DockerEngine()) as engine:
        click.echo(engine.image(lambda text: click.echo(text, err=True)))
    return EXIT_PASSED


@lab.command()
def schema() -> int:
    """Print the JSON Schema of scenario files."""
    import json

    from lab.schema import schema as schema_of

    click.echo(json.dumps(schema_of(), indent=2))
    return EXIT_PASSED


def _jobs(names: tuple[str, ...], everything: bool, case: str | None, repeat: int) -> "list[Job]":
    from lab.flow import Job
    from lab.library import find, shipped
    from lab.plan import case_of
    from lab.scenario import load_all

    if bool(names) == everything:
        raise click.UsageError("expected names of scenarios, or --all; lab list shows them")
    scenarios = load_all(shipped() if everything else map(find, names))
    return [
        Job(scenario, chosen)
        for scenario in scenarios
        for chosen in ([case_of(scenario, case)] if case else scenario.cases)
        for _again in range(repeat)
    ]


def _chosen(engine: str) -> str:
    """The engine that is meant; said aloud where that was found out here."""
    from lab.engines import chosen

    name, why = chosen(engine)
    _say_engine(name, why)
    return name


def _say_engine(name: str, why: str) -> None:
    if why:
        click.echo(_("engine {name}: {why}", name=name, why=why), err=True)


def _prepared(engine: str) -> "tuple[Engine, str, str]":
    """The engine that is meant, at work for the run of that id while all that a run needs is imported and read; and
    why it is that one, where that was not said."""
    from lab.engines import chosen, open_engine
    from lab.engines.base import new_run_id

    name, why = chosen(engine)
    opened, run_id = open_engine(name), new_run_id()
    opened.prepare(run_id)
    return opened, run_id, why


@cache
def _terminal(as_json: bool, pace: bool = False, drawn: bool = False) -> "Terminal":
    from lab.report.console import make_console
    from lab.report.terminal import Terminal

    return Terminal(make_console(sys.stderr if as_json else sys.stdout), pace, drawn)


def _counter(terminal: "Terminal", total: int) -> "Counter":
    """Who is told of many runs of a case: how far they are, and no more."""
    from lab.counting import Counter

    return Counter(terminal.screen.progress, total)


def _write(reports: "list[Report]", run_id: str, as_json: bool, junit: Path | None) -> None:
    if as_json:
        from lab.report import json

        click.echo(json.lines(reports, run_id), nl=False)
    if junit:
        from lab.report import junit as junit_report

        _write_text(junit, junit_report.document(reports, run_id))


def _write_page(name: str, file: Path) -> tuple[int, int]:
    """How many cases the page shows, and its size (bytes)."""
    from lab.report import html, saved
    from lab.runs import find

    folders = find(name)
    text = html.document(saved.told(folders), folders[0].parent.name)
    return len(folders), _write_text(file, text)


def _write_text(file: Path, text: str) -> int:
    try:
        return file.write_bytes(text.encode())
    except OSError as error:
        raise LabError(f"{file}: cannot be written: {error.strerror}") from error


def _exit_code(reports: "list[Report]") -> int:
    """ERROR beats FAIL beats PASS; where all was skipped, nothing was judged."""
    outcomes = {str(report.outcome) for report in reports}
    if "ERROR" in outcomes or outcomes == {"SKIPPED"}:
        return EXIT_ERROR
    return EXIT_FAILED if "FAIL" in outcomes else EXIT_PASSED
