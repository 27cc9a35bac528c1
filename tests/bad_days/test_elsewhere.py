"""Hosts in namespaces where the lab is not at home: another user, a machine that forbids them, and a container. They
are made there, too, or the lab says what forbids it and what to do about that.
"""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from bad_days.house import NOWHERE, ROOT

from lab.engines.docker import DockerEngine
from lab.engines.namespaces.spare import SYSTEM_PYTHON
from lab.errors import EngineError

USER = 1234  # an ordinary one, without a name
PACKAGES = sysconfig.get_path("purelib")
DOCTOR = ("doctor", "--engine", "namespaces")
RUN = ("run", "scenarios/refused.yaml", "--case", "open", "--engine", "namespaces")
UNLOCKED = ("--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined")
# In a user namespace of its own, which the machine's own setting is not in.
NONE_ALLOWED = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
FORBIDDEN = ("unshare", "--user", "--map-root-user", "sh", "-c", NONE_ALLOWED, "sh")
CONTRACT = ("-rs", "-pno:cacheprovider", "tests/contract/test_life.py", "-k", "name_the_engine", "-m")
Lab = Callable[..., tuple[int, str]]


def call(command: Sequence[str]) -> tuple[int, str]:
    """How it ended, and all that it said."""
    ended = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False, cwd=ROOT
    )
    return ended.returncode, ended.stdout


def environment(folder: str, checkout: str, packages: str) -> list[str]:
    paths = {"PYTHONPATH": f"{checkout}:{packages}", "PYTHONDONTWRITEBYTECODE": "1", "LAB_RUNS": folder}
    return [f"{name}={value}" for name, value in (paths | {"HOME": "/tmp", "PATH": os.environ["PATH"]}).items()]


@pytest.fixture
def as_user(folder: Path) -> Lab:
    """`lab` as an ordinary user, who cannot read what is root's alone; words before `lab` may be given."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    folder.chmod(0o777)
    become = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "env", "-i"]
    become += environment(str(folder), str(ROOT), PACKAGES)
    code, said = call([*become, str(SYSTEM_PYTHON), "-c", "import lab.cli, msgspec"])
    if code:
        pytest.skip(f"the machine's own Python cannot run this checkout as another user: {said.splitlines()[-1]}")
    return lambda *words, before=(), module="lab": call([*become, *before, str(SYSTEM_PYTHON), "-m", module, *words])


@pytest.fixture(scope="module")
def in_a_container() -> Lab:
    """`lab` in a container of the hosts' image, with this checkout; `options` are `docker run`'s."""
    with closing(DockerEngine()) as engine:
        try:
            engine.capabilities()
            image = engine.image(lambda text: None)
        except EngineError as reason:
            pytest.skip(f"docker: {reason}")
    command = ["docker", "run", "--rm", "--network=none", "--tmpfs=/tmp", "--workdir=/checkout", "--entrypoint=env"]
    command += [f"--volume={ROOT}:/checkout:ro", f"--volume={PACKAGES}:/packages:ro"]
    inside = [image, *environment("/tmp/runs", "/checkout", "/packages"), "python3"]
    code, said = call([*command, *inside, "-c", "import lab.cli, msgspec"])
    if code:
        pytest.skip(f"a container's Python cannot run this checkout: {said.splitlines()[-1]}")
    return lambda *words, options=(): call([*command, *options, *inside, "-m", "lab", *words])


@pytest.mark.namespaces
def test_another_user_makes_hosts_too(as_user: Lab) -> None:
    assert as_user(*DOCTOR)[0] == 0
    code, said = as_user(*RUN)
    assert code == 0 and "1 PASS" in said, said


@pytest.mark.namespaces
def test_a_machine_that_allows_no_user_namespace_says_how_it_would(as_user: Lab) -> None:
    before = Path("/proc/sys/user/max_user_namespaces").read_text()
    for words in (DOCTOR, RUN):
        code, said = as_user(*words, before=FORBIDDEN)
        assert code == 3, said
        assert "no user namespace for an unprivileged user" in said
        assert "as root: sysctl user.max_user_namespaces=10000" in said
        assert "PASS" not in said
    assert Path("/proc/sys/user/max_user_namespaces").read_text() == before


@pytest.mark.namespaces
@pytest.mark.parametrize("engine", ["docker", "namespaces"])
def test_the_contract_tells_which_engine_is_absent_and_why(as_user: Lab, engine: str) -> None:
    nowhere = ("env", f"DOCKER_HOST={NOWHERE['DOCKER_HOST']}")
    code, said = as_user(*CONTRACT, engine, before=(*FORBIDDEN, *nowhere), module="pytest")
    reason = {"docker": "docker: no Docker", "namespaces": "namespaces: no user namespace"}[engine]
    assert code == 0 and "SKIPPED [1]" in said and reason in said and "passed" not in said, said


@pytest.mark.namespaces
def test_root_without_another_user_is_told_so(as_user: Lab) -> None:
    ended = call(["unshare", "--user", "--map-root-user", sys.executable, "-m", "lab", *DOCTOR])
    assert ended[0] == 3
    assert "root in a user namespace that has no other user to become; run it as an ordinary user" in ended[1]


@pytest.mark.docker
@pytest.mark.namespaces
@pytest.mark.parametrize("user", ["0", "1000"])
def test_in_a_container_that_allows_them(in_a_container: Lab, user: str) -> None:
    options = (*UNLOCKED, f"--user={user}", "--cap-drop=ALL", "--security-opt=no-new-privileges")
    options = options if user != "0" else (*UNLOCKED, f"--user={user}")
    code, said = in_a_container(*RUN, options=options)
    assert code == 0 and "1 PASS" in said, said


@pytest.mark.docker
@pytest.mark.namespaces
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            (),
            ("a seccomp filter forbids it", "--security-opt seccomp=unconfined --security-opt systempaths=unconfined"),
        ),
        (UNLOCKED[:2], ("/proc must not be masked", "--security-opt systempaths=unconfined")),
    ],
)
def test_a_container_that_does_not_says_what_forbids_them(
    in_a_container: Lab, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    for command in (DOCTOR, RUN):
        code, said = in_a_container(*command, options=options)
        assert code == 3, said
        assert all(word in " ".join(said.split()) for word in words), said
        assert "PASS" not in said
