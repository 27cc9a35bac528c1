"""A case as a learner reads it in Russian: on a terminal, as the fake engine runs it, and a saved one as a page."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest
from page_outline import Page

import lab
from lab.engines import open_engine
from lab.flow import Job, open_session, run_jobs
from lab.history import History, Note
from lab.i18n import speak
from lab.library import find
from lab.plan import case_of
from lab.report.console import Screen, make_console
from lab.report.html import document
from lab.report.ladder import draw
from lab.report.saved import told
from lab.report.terminal import Terminal
from lab.runs import load_case, load_plan
from lab.scenario import load
from lab.timeline import timeline

RUN = "20261123-081640-3f9a1c07"
HISTORIES = Path(__file__).parents[2] / "golden" / "histories"
SAVED, IMPAIRED = HISTORIES / "refused.firewall-icmp", HISTORIES / "overflow.udp-short-queue"


@pytest.fixture(autouse=True)
def russian(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(Path(lab.__file__).parent.parent)
    monkeypatch.setenv("LAB_RUNS", str(tmp_path))
    speak("ru")
    yield
    speak("en")


class Patient(Terminal):
    """Is not told what the lab is busy with: that is no matter of the case, but of who was faster."""

    def progress(self, text: str) -> None: ...


def run(file: IO[str]) -> None:
    scenario = load(find("refused"))
    terminal = Patient(make_console(file, "never", 80), drawn=True)
    with open_session(open_engine("fake"), False, 1.0) as session:
        reports = run_jobs(session, [Job(scenario, case_of(scenario, "firewall-icmp"))], lambda: terminal, 1)
    terminal.summary(reports, 1.5, Path("runs") / RUN)


def test_on_a_terminal(golden: Callable[[str, str], None]) -> None:
    file = io.StringIO()
    run(file)
    golden("reports/refused.ru.txt", file.getvalue())


def test_what_a_link_did_and_what_was_not_seen(golden: Callable[[str, str], None]) -> None:
    file = io.StringIO()
    draw(timeline(*load_case(IMPAIRED)), Screen(make_console(file, "never", 80)))
    golden("diagrams/overflow.udp-short-queue.ru.txt", file.getvalue())
    blind = History((Note("client", 1, "trace", 1, "strace is not on this host"),))
    (event,) = timeline(load_plan(IMPAIRED), blind).events
    assert event.words == "вызовы не видны: strace is not on this host"


def test_letters_that_an_encoding_lacks_are_no_failure() -> None:
    file = io.TextIOWrapper(io.BytesIO(), "ascii")
    run(file)
    file.seek(0)
    assert "connect: refused, ????????: refused ?? 1.02 s: ICMP" in " ".join(file.read().split())


def test_as_a_page(golden: Callable[[str, str], None]) -> None:
    text = document(told([SAVED]), RUN)
    assert '<html lang="ru">' in text and "Point at" not in text
    golden("html/refused.ru.txt", Page(text).outline)
