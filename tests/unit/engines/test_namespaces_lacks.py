"""What the namespaces engine says of a machine: what it lacks, what forbids it, and what to do about it."""

import errno
from pathlib import Path

import pytest

from lab import engines
from lab.engines import chosen, namespaces
from lab.engines.namespaces import TOOLS, NamespacesEngine, deployment
from lab.errors import EngineError, MissingCapability


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with all tools; they lie in this folder."""
    for tool, _ in TOOLS.values():
        (tmp_path / tool).touch(0o755)
    monkeypatch.setattr(namespaces, "PATH", str(tmp_path))
    return tmp_path


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine's /proc/sys."""
    monkeypatch.setattr(deployment, "SYSTEM", tmp_path)
    return tmp_path


def test_a_machine_that_has_all_lacks_nothing(tools: Path) -> None:
    found = NamespacesEngine().capabilities()
    assert not found.lacks and TOOLS.keys() < found.has


@pytest.mark.parametrize(("need", "tool", "package"), [(need, *where) for need, where in TOOLS.items()])
def test_a_missing_tool_is_a_missing_capability_with_its_remedy(
    need: str, tool: str, package: str, tools: Path
) -> None:
    (tools / tool).unlink()
    found = NamespacesEngine().capabilities()
    assert need not in found.has
    assert found.lacks[need] == f"{tool} is not on this machine (on Debian: apt-get install {package})"


def test_a_kernel_without_ipv6_and_another_system_are_told(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(namespaces, "IPV6", tmp_path / "absent")
    assert "without IPv6" in NamespacesEngine().capabilities().lacks["ipv6"]
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    with pytest.raises(EngineError, match="this is Darwin; use Docker"):
        NamespacesEngine().capabilities()


@pytest.mark.parametrize(
    ("setting", "bad", "remedy"),
    [
        ("kernel/unprivileged_userns_clone", "0", "as root: sysctl kernel.unprivileged_userns_clone=1"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "as root: sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("user/max_user_namespaces", "0", "as root: sysctl user.max_user_namespaces=10000"),
    ],
)
def test_what_forbids_user_namespaces_is_named_with_its_switch(
    setting: str, bad: str, remedy: str, settings: Path
) -> None:
    told = {"kind": "user-namespace", "error": "unshare(1): Operation not permitted", "number": errno.EPERM}
    (settings / setting).parent.mkdir()
    (settings / setting).write_text(f"{bad}\n")
    assert str(deployment.trouble(told)).endswith(f"unshare(1): Operation not permitted; {remedy}")
    (settings / setting).write_text("9\n")
    assert "seccomp=unconfined" in str(deployment.trouble(told))


@pytest.mark.parametrize(
    ("kind", "number", "words"),
    [
        ("root", 0, "run it as an ordinary user"),
        ("mount", errno.EPERM, "systempaths=unconfined"),
        ("mount", errno.ENOSPC, "the hosts could not be made: it"),
        ("network", errno.EOPNOTSUPP, "the hosts could not be made: it"),
    ],
)
def test_other_trouble_has_its_own_remedy_or_none(kind: str, number: int, words: str) -> None:
    told = str(deployment.trouble({"kind": kind, "error": "it", "number": number}))
    assert told.endswith(words) or (words in told and "; " in told)


def test_a_setting_that_a_host_cannot_have_is_missing_and_a_bad_value_an_error() -> None:
    told = {"kind": "sysctl", "error": "net.ipv4.x", "number": errno.ENOENT}
    missing, bad = deployment.trouble(told), deployment.trouble(told | {"number": errno.EINVAL})
    assert isinstance(missing, MissingCapability) and isinstance(bad, EngineError)
    assert "no sysctl net.ipv4.x" in str(missing) and "refuses the value of net.ipv4.x" in str(bad)


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
