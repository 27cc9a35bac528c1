"""What the namespaces engine says of a machine: what it lacks, what forbids it, and what to do about it."""

import errno
from pathlib import Path

import pytest

from lab.engines.namespaces import NamespacesEngine, machine
from lab.engines.namespaces.machine import TOOLS
from lab.errors import EngineError, MissingCapability


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with all tools; they lie in this folder."""
    for tool, _ in TOOLS.values():
        (tmp_path / tool).touch(0o755)
    monkeypatch.setattr(machine, "PATH", str(tmp_path))
    return tmp_path


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine's /proc/sys."""
    (tmp_path / "net/ipv6").mkdir(parents=True)
    monkeypatch.setattr(machine, "SYSTEM", tmp_path)
    return tmp_path


def test_a_machine_that_has_all_lacks_nothing(tools: Path, settings: Path) -> None:
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
    tools: Path, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (settings / "net/ipv6").rmdir()
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
    assert str(machine.trouble(told)).endswith(f"unshare(1): Operation not permitted; {remedy}")
    (settings / setting).write_text("9\n")
    assert "as root" not in str(machine.trouble(told))


@pytest.mark.parametrize(
    ("status", "profile", "words"),
    [
        ("Seccomp:\t2\n", "unconfined\n", "a seccomp filter forbids it"),
        ("Seccomp:\t0\n", "docker-default (enforce)\n", "the security profile docker-default (enforce) forbids it"),
        ("Seccomp:\t0\n", "unconfined\n", "nothing that is known here forbids it"),
        ("Seccomp:\t0\n", "", "nothing that is known here forbids it"),
    ],
)
def test_what_else_forbids_them_is_named_as_far_as_it_can_be_seen(
    status: str, profile: str, words: str, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("STATUS", status), ("PROFILE", profile)):
        (settings / name).write_text(text)
        monkeypatch.setattr(machine, name, settings / name)
    told = machine.trouble({"kind": "user-namespace", "error": "it", "number": errno.EPERM})
    assert f"it; {words}" in str(told) and "Docker" in str(told)


@pytest.mark.parametrize(("scope", "may"), [("0", True), ("1", True), ("2", False), ("3", False)])
def test_who_may_trace_is_the_machines_to_say(scope: str, may: bool, tools: Path, settings: Path) -> None:
    (settings / "kernel/yama").mkdir(parents=True)
    (settings / machine.PTRACE_SCOPE).write_text(f"{scope}\n")
    found = NamespacesEngine().capabilities()
    assert ("trace" in found.has) is may
    assert may or f"ptrace_scope={scope} lets nobody trace" in found.lacks["trace"]


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
    told = str(machine.trouble({"kind": kind, "error": "it", "number": number}))
    assert told.endswith(words) or (words in told and "; " in told)


def test_a_setting_that_a_host_cannot_have_is_missing_and_a_bad_value_an_error() -> None:
    told = {"kind": "sysctl", "error": "net.ipv4.x", "number": errno.ENOENT}
    missing, bad = machine.trouble(told), machine.trouble(told | {"number": errno.EINVAL})
    assert isinstance(missing, MissingCapability) and isinstance(bad, EngineError)
    assert "no sysctl net.ipv4.x" in str(missing) and "refuses the value of net.ipv4.x" in str(bad)
