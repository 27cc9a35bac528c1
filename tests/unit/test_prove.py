"""Checks that can fail are proved to; a toothless one is found out, by its place."""

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from lab.checks.base import Outcome
from lab.engines import open_engine
from lab.flow import Session, open_session
from lab.prove import prove
from lab.prove.matrix import Answer, Proof, exit_code
from lab.report.console import Screen, make_console
from lab.report.proof import lines, show
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
