"""Checks that can fail are proved to; a toothless one is found out, by its place."""

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from lab.checks.base import Outcome
from lab.engines import open_engine
from lab.flow import Session, open_session
from lab.history import Call, Fate, History, Note, Observation, Packet
from lab.model import PacketChoice
from lab.plan import Plan, make_plan
from lab.prove import prove
from lab.prove.matrix import Answer, Proof, exit_code
from lab.prove.mutations import MUTATIONS, Mutant
from lab.report.console import Screen, make_console
from lab.report.proof import lines, show
from lab.runs import find, load_case
from lab.scenario import scenario_of
from lab.source import parse

SCENARIO = """\
title: T
networks: {lan: {}}
hosts: {server: {networks: [lan]}, client: {networks: [lan]}}
cases:
  open: {outcome: OPEN}
  shut: {outcome: SHUT}
steps:
  - {host: server, call: s = socket()}
  - {host: server, call: "s.bind(('', 65432))"}
  - {host: server, call: s.listen(1), expect: {listening: {address: "", port: 65432}}}
  - host: server
    only: shut
    firewall: iptables -A INPUT -p tcp --dport 65432 -j REJECT --reject-with tcp-reset
  - {host: client, call: c = socket()}
  - {host: client, call: "e = c.connect_ex(({server.lan}, 65432))", expect: "{outcome}"}
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_RUNS", str(tmp_path_factory.mktemp("runs")))
        with open_session(open_engine("fake"), keep=False, time_scale=1.0) as opened:
            yield opened


def proof_of(session: Session, opened: str, shut: str) -> Proof:
    text = SCENARIO.replace("OPEN", opened).replace("SHUT", shut)
    found = scenario_of(parse(text.encode(), "t.yaml"), Path("t.yaml"))
    (proof,) = prove(session, [found], lambda text: None, 2)
    return proof


def test_checks_with_teeth_are_proved(session: Session) -> None:
    proof = proof_of(session, "{connect: accepted}", "{connect: refused}")
    assert not proof.findings and exit_code([proof]) == 0
    opened, shut = proof.rows
    assert [cell and cell.answer for cell in opened.siblings.values()] == [None, Answer.NOTICED]
    noticed = {name for name, cell in shut.mutations.items() if cell.answer is Answer.NOTICED}
    assert noticed >= {"rule", "server", "bind", "host", "capture"}
    assert opened.mutations["rule"].answer is Answer.NONE


def test_what_no_check_notices_is_told_with_its_place(session: Session) -> None:
    proof = proof_of(session, "{within: 5 s}", "{within: 6 s}")
    told = [str(finding) for finding in proof.findings if finding.answer is Answer.SURVIVED]
    assert any("shut: every check passes although the firewall rule was left out" in one for one in told)
    assert any("shut: within: expected at most 6 s, passes although it is the run of open" in one for one in told)
    assert all(one.startswith("t.yaml:") for one in told) and exit_code([proof]) == 1


def test_a_case_that_does_not_pass_unchanged_proves_nothing(session: Session) -> None:
    proof = proof_of(session, "{connect: refused}", "{connect: refused}")
    assert [row.outcome for row in proof.rows] == [Outcome.FAIL, Outcome.PASS]
    assert not proof.rows[0].mutations and exit_code([proof]) == 3


def test_a_proof_is_shown_and_written(session: Session) -> None:
    proof = proof_of(session, "{connect: accepted}", "{within: 6 s}")
    text = StringIO()
    show(Screen(make_console(text, "never", 200)), [proof])
    assert "siblings - =" in text.getvalue() and "rule SURVIVED" in text.getvalue()
    assert "t.yaml:" in text.getvalue() and "\x1b" not in text.getvalue()
    (line,) = lines([proof]).splitlines()
    assert json.loads(line)["rows"][1]["mutations"]["rule"]["answer"] == "survived"


def test_a_mutant_is_run_up_to_the_step_that_notices(session: Session) -> None:
    proof_of(session, "{connect: accepted}", "{connect: refused}")
    folder = next(one for one in find("latest") if one.name == "t.open.server")
    plan, history = load_case(folder)
    begun = [note.step for note in history.all(Note) if note.what == "step-begin"]
    assert begun == [0, 1, 2] and len(plan.steps) > 3
    whole = load_case(next(one for one in find("latest") if one.name == "t.open"))[1]
    assert [note.step for note in whole.all(Note) if note.what == "step-begin"] == [0, 1, 2, 4, 5]


def test_a_step_that_does_the_same_instead_is_the_same(session: Session) -> None:
    step = SCENARIO.splitlines()[-1]
    twice = [step.replace("client, call", f"client, only: {case}, call") for case in ("open", "shut")]
    text = SCENARIO.replace(step, "\n".join(twice)).replace("OPEN", "{connect: accepted}")
    found = scenario_of(parse(text.replace("SHUT", "{connect: refused}").encode(), "t.yaml"), Path("t.yaml"))
    (proof,) = prove(session, [found], lambda _: None, 2)
    for row in proof.rows:
        (cell,) = filter(None, row.siblings.values())
        assert (cell.answer, cell.tried) == (Answer.NOTICED, 1)


LOSSY = """\
title: T
networks: {lan: {}}
hosts: {server: {networks: [lan]}, client: {networks: [lan]}}
steps:
  - {host: server, impair: {network: lan, of: {port: 65432}, lose: "[LOST]"}}
  - {host: server, call: s = socket()}
  - {host: server, call: "s.bind(('', 65432))", expect: {raises: nothing}}
"""


def planned(text: str) -> Plan:
    found = scenario_of(parse(text.encode(), "t.yaml"), Path("t.yaml"))
    return make_plan(found, found.cases[0], ["10.9.0.0/29"])


def mutants(name: str, plan: Plan, *seen: Observation) -> list[Mutant]:
    return list(MUTATIONS[name].mutants(plan, History.of([Note("server", 1, "step-begin", 0), *STEP_0_ENDS, *seen])))


STEP_0_ENDS = (Note("server", 2, "step-end", 0),)


def fate(*effects: str, interface: str = "lan", outgoing: bool = False) -> Fate:
    packet = Packet("server", 3, interface, outgoing, "udp", "10.9.0.3", "10.9.0.2", 40000, 65432)
    return Fate("server", 3, 1, effects, packet)


def test_an_impairment_is_left_out_where_packets_suffered() -> None:
    plan = planned(LOSSY.replace('"[LOST]"', "every 3"))
    (found,) = mutants("impair", plan, fate(), fate("lost"))
    assert found.plan
    changed = found.plan(plan).steps[0].step.impair
    assert changed and changed.lose == "0 %" and changed.of == PacketChoice(port=65432)
    for unharmed in (fate(), fate("lost", interface="lo"), fate("lost", outgoing=True)):
        assert not mutants("impair", plan, unharmed)


def test_a_bind_matters_where_the_socket_is_used() -> None:
    plan = planned(LOSSY.replace('"[LOST]"', "every 3"))
    bind = Call("server", 4, 2, "s", "bind", local=("0.0.0.0", 65432), ended=5)
    assert not mutants("bind", plan, bind, Call("server", 6, 2, "s", "close", ended=7))
    assert not mutants("bind", plan, bind, Call("server", 6, 2, "t", "listen", ended=7))
    (found,) = mutants("bind", plan, bind, Call("server", 6, 2, "s", "listen", ended=7))
    assert "0.0.0.0 was not bound, but 127.0.0.1" in found.words


def test_a_capture_matters_where_a_check_looks_at_packets() -> None:
    looking = planned(LOSSY.replace('"[LOST]"', "all").replace("raises: nothing", "interface: lan"))
    packet = fate().packet
    assert mutants("capture", looking, packet) and not mutants("capture", looking)
    assert not mutants("capture", planned(LOSSY.replace('"[LOST]"', "all")), packet)
