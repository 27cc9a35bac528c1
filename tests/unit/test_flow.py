"""Many cases, side by side and told in order; what goes wrong ends all of them, and once."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lab import flow
from lab.checks.base import Outcome
from lab.engines import open_engine
from lab.engines.fake import FakeEngine
from lab.errors import EngineError, MissingCapability, PoolExhausted, SubnetTaken
from lab.flow import Job, Session, Turn, open_session, run_jobs, tell_again
from lab.history import History, Packet, View
from lab.judge import Report, skipped
from lab.plan import make_plan
from lab.remote import Remote
from lab.runs import load_case, new_run, skip_reason
from lab.scenario import scenario_of
from lab.slots import Slot
from lab.source import parse

SCENARIO = """\
title: {title}
networks: {{lan: {{}}}}
hosts: {{server: {{networks: [lan]}}, client: {{networks: [lan]}}}}
cases: {{good: {{error: nothing}}, bad: {{error: OSError}}, third: {{error: nothing}}}}
steps:
  - {{host: server, call: s = socket(), expect: {{raises: "{{error}}"}}}}
  - {{host: client, run: [echo-client, --host, "{{server.lan}}"], expect: {{connect: refused, exit: 1}}}}
"""


def jobs(title: str = "T") -> list[Job]:
    name = f"{title}.yaml"
    found = scenario_of(parse(SCENARIO.format(title=title).encode(), name), Path("nowhere") / name)
    return [Job(found, case) for case in found.cases]


class Audience:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def scenario_begins(self, title: str, file: str) -> None:
        self.told.append(f"scenario {title} {file}")

    def case_begins(self, plan: Any, parameters: Any) -> None:
        self.told.append(f"case {plan.case} {dict(parameters)}")

    def progress(self, text: str) -> None: ...

    def step_begins(self, planned: Any, text: str) -> None:
        self.told.append(f"begin {planned.number}")

    def step_ends(self, report: Any, output: bytes, views: Any) -> None:
        self.told.append(f"end {report.number} {'+' if b'ConnectionRefusedError' in output else '-'}")

    def case_seen(self, plan: Any, history: Any) -> None:
        self.told.append(f"seen {plan.case} {len(history.observations) > 0}")

    def case_ends(self, report: Report, run_folder: Path | None) -> None:
        self.told.append(f"{report.outcome} {run_folder.name if run_folder else None}")

    def kept(self, commands: Any) -> None:
        self.told.append(f"kept {sorted(commands)}")


@pytest.fixture(autouse=True)
def runs_go_to_a_folder_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_RUNS", str(tmp_path / "runs"))


@contextmanager
def session(engine: Any = None) -> Iterator[Session]:
    opened = engine or FakeEngine()
    with new_run() as saved:
        yield Session(opened, opened.capabilities(), saved)


def told_of(*cases: tuple[str, str, str], title: str = "T") -> list[str]:
    lines = [f"scenario {title} {title}.yaml"]
    for name, error, outcome in cases:
        lines += [f"case {name} {{'error': '{error}'}}", "begin 0", "end 0 -", "begin 1", "end 1 +"]
        lines += [f"seen {name} True", f"{outcome} {title}.{name}"]
    return lines


GOOD, BAD, THIRD = ("good", "nothing", "PASS"), ("bad", "OSError", "FAIL"), ("third", "nothing", "PASS")


@pytest.mark.parametrize("side_by_side", [1, 2, 6])
def test_cases_are_told_in_order_however_many_run_at_once(side_by_side: int) -> None:
    audience = Audience()
    with session() as opened:
        reports = run_jobs(opened, jobs() + jobs("U"), lambda: audience, side_by_side)
    assert [report.outcome for report in reports] == [Outcome.PASS, Outcome.FAIL, Outcome.PASS] * 2
    # a case is announced again where another took its subnet meanwhile
    told = [line for line, before in zip(audience.told, ["", *audience.told], strict=False) if line != before]
    assert told == told_of(GOOD, BAD, THIRD) + told_of(GOOD, BAD, THIRD, title="U")


def test_what_was_saved_is_told_again_alike() -> None:
    live, again = Audience(), Audience()
    with session() as opened:
        (report,) = run_jobs(opened, jobs()[:1], lambda: live, 1)
        repeated = tell_again(opened.saved.folder / "T.good", again)
    assert again.told == live.told == told_of(GOOD)
    assert repeated == report


def test_a_session_is_open_as_long_as_its_block(tmp_path: Path) -> None:
    with open_session(open_engine("fake"), False, 2.0) as opened:
        assert opened.versions.keys() >= {"lab", "engine", "kernel"}
        assert opened.time_scale == 2.0 and opened.saved.folder.parent == tmp_path / "runs"


class Reluctant(FakeEngine):
    """Says of its first subnets that they are taken."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self.asked: list[set[str]] = []

    def subnets(self, sizes: Any, avoid: Any = ()) -> tuple[str, ...]:
        self.asked.append(set(avoid))
        return super().subnets(sizes, avoid)

    @contextmanager
    def deploy(self, plan: Any, run: str, progress: Any) -> Iterator[Any]:
        if self.times:
            self.times -= 1
            raise SubnetTaken(plan.networks[0].subnet)
        with super().deploy(plan, run, progress) as deployment:
            yield deployment


def test_where_a_subnet_is_taken_the_case_is_planned_again_with_the_next() -> None:
    engine, audience = Reluctant(2), Audience()
    with session(engine) as opened:
        (report,) = run_jobs(opened, jobs()[:1], lambda: audience, 1)
    assert report.outcome is Outcome.PASS
    assert [len(avoid) for avoid in engine.asked] == [0, 1, 2]
    assert audience.told.count("scenario T T.yaml") == 1


def test_what_the_engine_lacks_makes_a_case_skipped_before_anything_is_made() -> None:
    audience = Audience()
    with session(Reluctant(-1)) as opened:
        lacks = {"sysctl:net.core.somaxconn": "this kernel has no such setting"}
        opened.capabilities = replace(opened.capabilities, lacks=lacks)
        text = SCENARIO.format(title="T").replace("[lan]}, client", "[lan], sysctls: {net.core.somaxconn: 1}}, client")
        found = scenario_of(parse(text.encode(), "T.yaml"), Path("nowhere/T.yaml"))
        (report,) = run_jobs(opened, [Job(found, found.cases[0])], lambda: audience, 1)
        again = tell_again(opened.saved.folder / "T.good", Audience())
    assert (report.outcome, report.skipped) == (Outcome.SKIPPED, "this kernel has no such setting")
    assert again == report
    assert audience.told[-1] == "SKIPPED T.good"


def test_what_only_a_host_can_tell_it_lacks_makes_a_case_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.engines.fake.engine.HAS", FakeEngine().capabilities().has | {"impair"})
    reasons = iter(["", "no queue here"])
    monkeypatch.setattr(Remote, "impairable", lambda self: next(reasons))
    with session(FakeEngine()) as opened:
        opened.capabilities = replace(opened.capabilities, lacks={})
        text = SCENARIO.format(title="T") + "  - {host: server, impair: {network: lan, lose: all}}\n"
        found = scenario_of(parse(text.encode(), "T.yaml"), Path("nowhere/T.yaml"))
        (report,) = run_jobs(opened, [Job(found, found.cases[0])], Audience, 1)
    assert (report.outcome, report.skipped) == (Outcome.SKIPPED, "client: no queue here")


def replaced(monkeypatch: pytest.MonkeyPatch, run_case: Callable[[Session, Job, Turn, Slot], Report]) -> None:
    monkeypatch.setattr(flow, "run_case", run_case)


def passed(job: Job) -> Report:
    return replace(skipped(make_plan(job.scenario, job.case, ["10.0.0.0/28"]), ""), outcome=Outcome.PASS)


@pytest.mark.parametrize("error", [EngineError("the engine died"), PoolExhausted("full"), KeyboardInterrupt()])
def test_the_first_error_ends_the_run_and_nothing_begins_after_it(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []

    def run_case(session: Session, job: Job, turn: Turn, slot: Slot) -> Report:
        begun.append(job.case.name)
        if job.case.name == "bad":
            raise error
        assert len(begun) < 3 or session.interrupted.wait(10)
        return passed(job)

    replaced(monkeypatch, run_case)
    with session() as opened:
        with pytest.raises(type(error)) as caught:
            run_jobs(opened, jobs() * 20, Audience, 1)
        assert caught.value is error and opened.interrupted.is_set()
    assert begun == ["good", "bad", "third"][: len(begun)]


def test_an_interrupt_ends_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    running = threading.Event()

    def run_case(session: Session, job: Job, turn: Turn, slot: Slot) -> Report:
        if job.case.name == "good":
            assert running.wait(10)
            raise KeyboardInterrupt
        running.set()
        assert session.interrupted.wait(10)
        session.go_on()
        return passed(job)

    replaced(monkeypatch, run_case)
    with session() as opened, pytest.raises(KeyboardInterrupt):
        run_jobs(opened, jobs(), Audience, 2)


def test_cases_that_only_wait_let_others_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    third_began = threading.Event()

    def run_case(session: Session, job: Job, turn: Turn, slot: Slot) -> Report:
        if job.case.name == "third":
            third_began.set()
        with slot.waiting():
            assert third_began.wait(10)
        return passed(job)

    replaced(monkeypatch, run_case)
    with session() as opened:
        assert len(run_jobs(opened, jobs(), Audience, 2)) == 3


def test_every_step_is_a_wait_for_its_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[bool] = []

    @contextmanager
    def waiting(slot: Slot) -> Iterator[None]:
        inside.append(True)
        yield
        inside.append(False)

    monkeypatch.setattr(Slot, "waiting", waiting)
    with session() as opened:
        run_jobs(opened, jobs()[:1], Audience, 1)
    assert inside == [True, False] * 2  # it has two steps


def test_an_audience_that_cannot_be_made_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Audience:
        raise OSError("no terminal")

    replaced(monkeypatch, lambda session, job, turn, slot: passed(job))
    with session() as opened, pytest.raises(OSError, match="no terminal"):
        run_jobs(opened, jobs(), nobody, 2)


def test_a_turn_tells_late_what_happened_early_and_then_at_once() -> None:
    job, audience, turn = jobs()[0], Audience(), Turn(True)
    plan = make_plan(job.scenario, job.case, ["10.0.0.0/28"])
    turn.begins(plan)
    turn.begins(plan)
    turn.step_begins(plan.steps[0])
    assert audience.told == []
    turn.take(audience)
    case = "case good {'error': 'nothing'}"
    assert audience.told == ["scenario T T.yaml", case, case, "begin 0"]
    turn.ends(passed(job), Path("x"))
    assert audience.told[-1] == "PASS x"
    turn.leave()
    turn.ends(passed(job), Path("y"))
    assert audience.told[-1] == "PASS x"


def test_a_scenario_is_announced_at_its_first_case_in_a_row() -> None:
    first, other = jobs(), jobs("U")
    assert flow._firsts([*first[:2], *other[:1], *first[:1]]) == [True, False, True, True]
    assert flow._firsts([]) == []


def test_missing_capabilities_are_told_together() -> None:
    plan = replace(make_plan(jobs()[0].scenario, jobs()[0].case, ["10.0.0.0/28"]), needs=("a", "b", "c"))
    capabilities = replace(FakeEngine().capabilities(), lacks={"a": "no a", "c": "no c", "d": "no d"})
    with pytest.raises(MissingCapability, match="no a; no c"):
        flow._refuse_what_is_missing(plan, capabilities)
    flow._refuse_what_is_missing(plan, replace(capabilities, lacks={}))
    assert History() == History.of([])


SHOWN = """\
title: What is shown
networks: {lan: {}}
hosts: {server: {networks: [lan]}}
steps:
  - {host: server, call: s = socket(), expect: {raises: nothing}, show: [ss, ip]}
  - {host: server, show: lsof}
"""


@pytest.mark.parametrize(
    ("text", "outcome"), [(SHOWN, Outcome.PASS), (SHOWN.replace(", expect: {raises: nothing}", ""), Outcome.ERROR)]
)
def test_what_tools_print_is_kept_and_proves_nothing(text: str, outcome: Outcome) -> None:
    found = scenario_of(parse(text.encode(), "shown.yaml"), Path("nowhere") / "shown.yaml")
    with session() as opened:
        (report,) = run_jobs(opened, [Job(found, found.cases[0])], Audience, 1)
        folder = opened.saved.folder / "shown.only"
    assert report.outcome is outcome
    assert [step.text for step in report.steps] == ["server: call s = socket()", "server: show lsof"]
    _, history = load_case(folder)
    views = list(history.all(View))
    assert [(view.step, view.command, view.code) for view in views] == [
        (0, "ss -tuan", 0),
        (0, "ip -brief address", 0),
        (1, "lsof -i -n", 127),
    ]
    for view in views:
        window = history.window(view.step)
        assert window and window[1] <= view.time


HANGS = """\
title: Nobody answers
networks: {lan: {}}
hosts: {server: {networks: [lan]}, client: {networks: [lan]}}
steps:
  - {host: server, call: s = socket()}
  - {host: server, call: "s.bind(('', 8000))"}
  - {host: server, call: s.listen(1)}
  - {host: client, call: c = socket()}
  - {host: client, call: "c.connect(({server.lan}, 8000))"}
  - {host: client, call: c.recv(10)}
  - {host: client, call: c.close()}
"""


def test_where_a_step_could_not_be_done_all_that_was_on_the_wire_is_kept() -> None:
    found = scenario_of(parse(HANGS.encode(), "hangs.yaml"), Path("nowhere") / "hangs.yaml")
    with session() as opened:
        (report,) = run_jobs(opened, [Job(found, found.cases[0])], Audience, 1)
        _, history = load_case(opened.saved.folder / "hangs.only")
    assert report.outcome is Outcome.ERROR
    assert report.steps[5].problem.startswith("the call had not returned")
    for host in ("server", "client"):
        flags = [seen.flags for seen in history.all(Packet, host) if seen.protocol == "tcp"]
        assert flags == [("SYN",), ("SYN", "ACK"), ("ACK",)]


UNMODELLED = """\
title: T
networks: {lan: {}}
hosts: {server: {networks: [lan]}}
steps: [{host: server, call: "u = socket(AF_INET, SOCK_DGRAM)", expect: {raises: nothing}}]
"""


def test_what_the_model_cannot_follow_is_skipped_and_saved_so() -> None:
    found = scenario_of(parse(UNMODELLED.encode(), "T.yaml"), Path("nowhere/T.yaml"))
    with session() as opened:
        (report,) = run_jobs(opened, [Job(found, found.cases[0])], Audience, 1)
        assert skip_reason(opened.saved.folder / "T.only") == report.skipped
    assert (report.outcome, report.steps) == (Outcome.SKIPPED, ())
    assert "does not model sockets of AF_INET and SOCK_DGRAM" in report.skipped
