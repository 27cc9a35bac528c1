"""A bare Debian needs Python, its venv and make, and nothing else: see tests/bare-debian."""

import os
import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from lab.engines.docker import DockerEngine
from lab.engines.docker.client import endpoint
from lab.errors import EngineError

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.soak


def why_not() -> str:
    """What this machine lacks for it, or nothing."""
    if os.geteuid() != 0:
        return "not root, and a root file system is to be made"
    missing = [tool for tool in ("git", "mmdebstrap", "unshare") if shutil.which(tool) is None]
    if missing:
        return f"no {' and no '.join(missing)}"
    if not (ROOT / ".git").exists():
        return "not a git checkout, whose files could be told from others"
    try:
        with closing(DockerEngine()) as engine:
            engine.capabilities()
    except EngineError as reason:
        return str(reason)
    return ""


def test_make_sets_up_all_that_a_bare_debian_lacks() -> None:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    done = subprocess.run(
        [ROOT / "tests/bare-debian"],
        env=os.environ | {"DOCKER_HOST": endpoint()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
