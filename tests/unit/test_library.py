"""Scenarios and programs are found by name."""

from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.library import ROOT, SCENARIOS, Outline, about, find, outline, programs_of, shipped
from lab.source import read


def test_a_name_or_a_path_leads_to_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    assert find("refused") == Path("scenarios/refused.yaml")
    monkeypatch.chdir(tmp_path)
    assert find("refused") in shipped()
    assert find("x/refused") == Path("x/refused")
    assert find("mine.yaml") == Path("mine.yaml")


@pytest.mark.parametrize("name", ["refusd", "", "x" * 5000, "*", "a\0b"])
def test_an_unknown_name_is_told(name: str) -> None:
    with pytest.raises(UsageError, match="no scenario is named"):
        find(name)
    with pytest.raises(UsageError, match=r"did you mean 'refused'\?"):
        find("refusd")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("title: T\ncases: {a: , b: {c: 1}}", Outline("T", ("a", "b"), ())),
        ("title: 3\ncases: [a]\nsteps: nonsense\ntopics: 7", Outline("3", (), ())),
        ("topics: ports\nguide: [tcp.1, tcp.2, api, 3]", Outline("", (), ("ports", "tcp", "tcp.1", "tcp.2", "api"))),
        ("- a", Outline("", (), ())),
    ],
)
def test_an_outline_minds_no_mistakes(text: str, expected: Outline, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(text)
    assert outline(tmp_path / "x.yaml") == expected


def test_scenarios_are_found_by_topic_claim_or_name() -> None:
    assert list(about(None)) == [path.stem for path in shipped()]
    for topic in ("echo-server.6", "echo-server", "backlog"):
        assert "backlog" in about(topic) and "loopback" not in about(topic)
    with pytest.raises(UsageError, match=r"no scenario is about 'echo-servr'; did you mean 'echo-server'\?"):
        about("echo-servr")


def test_a_scenario_is_about_something_besides_its_claims() -> None:
    assert not [name for name in about(None) if not read(SCENARIOS / f"{name}.yaml").value.get("topics")]


def test_programs_beside_a_scenario_come_before_the_labs_own(tmp_path: Path) -> None:
    (tmp_path / "programs").mkdir()
    mine = tmp_path / "programs" / "echo-server.py"
    mine.touch()
    found = programs_of(tmp_path)
    assert found["echo-server"] == mine
    assert found["echo-client"] == programs_of(tmp_path / "nowhere")["echo-client"]
