"""Which engine is meant: the one that is named, or with `auto` Docker where it answers, else namespaces, said aloud."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from lab import cli, engines
from lab.engines import chosen
from lab.errors import EngineError


@pytest.mark.parametrize("name", ["docker", "namespaces", "fake", "nonsense"])
def test_a_named_engine_is_taken_at_its_word(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "docker_answers", lambda: pytest.fail("nobody asked"))
    assert chosen(name) == (name, "")


def test_auto_is_docker_where_it_answers_and_else_namespaces_said_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr(engines, "docker_answers", lambda: True)
    assert chosen("auto") == ("docker", "")
    monkeypatch.setattr(engines, "docker_answers", lambda: False)
    name, why = chosen("auto")
    assert name == "namespaces" and "Docker does not answer" in why
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    assert chosen("auto") == ("docker", "")


def test_an_engine_that_is_named_and_does_not_answer_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect() -> None:
        raise EngineError("nobody is there")

    monkeypatch.setattr("lab.engines.docker.connect", connect)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    assert not engines.docker_answers()


def test_the_usual_socket_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(engines, "SOCKET", str(tmp_path / "absent.sock"))
    assert not engines.docker_answers()


def doctor(*arguments: str) -> tuple[str, str]:
    """What `lab doctor` prints, and says on its standard error."""
    ended = CliRunner().invoke(cli.lab, ["doctor", *arguments])
    return ended.stdout, ended.stderr


def test_the_environment_names_one_and_the_command_line_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "docker_answers", lambda: pytest.fail("nobody asked"))
    monkeypatch.setenv("LAB_ENGINE", "fake")
    assert "engine: fake" in doctor()[0]
    monkeypatch.setenv("LAB_ENGINE", "nonsense")
    assert "engine: fake" in doctor("--engine", "fake")[0]


def test_what_auto_chose_is_said_where_it_is_no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_ENGINE", raising=False)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr(engines, "docker_answers", lambda: False)
    monkeypatch.setitem(engines.ENGINES, "namespaces", engines.ENGINES["fake"])
    assert "engine namespaces: Docker does not answer" in doctor()[1]
    assert doctor("--engine", "fake")[1] == ""
