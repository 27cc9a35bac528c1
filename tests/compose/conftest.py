"""The Compose files brought up by pytest-docker, each in turn, and what the lab observes in the same cases."""

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
import pytest
from compose.project import DOWN, Project, nothing_left
from pytest_docker.plugin import DockerComposeExecutor

from lab.engines.docker import DockerEngine
from lab.errors import EngineError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    try:
        client = docker.from_env()
    except docker.errors.DockerException as reason:
        pytest.skip(f"no Docker Engine answers: {reason}")
    with closing(client):
        yield client


@pytest.fixture(scope="session")
def docker_compose_command() -> str:
    for command in ("docker compose", "docker-compose"):
        words = [*command.split(), "version"]
        if shutil.which(words[0]) and subprocess.run(words, capture_output=True, check=False).returncode == 0:
            return command
    pytest.skip("neither `docker compose` nor `docker-compose` is there")


@pytest.fixture(scope="session", autouse=True)
def image(engine: docker.DockerClient) -> Iterator[str]:
    """The hosts' image, where the Compose files look for its name."""
    try:
        with closing(DockerEngine()) as lab:
            tag = lab.image(lambda _line: None)
    except EngineError as reason:
        pytest.skip(str(reason))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_IMAGE", tag)
        yield tag


@pytest.fixture(scope="session", params=["refused", "loopback"])
def story(request: pytest.FixtureRequest) -> str:
    """The scenario, and the Compose file, that the test is about."""
    return str(request.param)


@pytest.fixture(scope="session")
def docker_compose_file(story: str) -> str:
    return str(ROOT / "compose" / f"{story}.yaml")


@pytest.fixture(scope="session")
def docker_compose_project_name(story: str, worker_id: str) -> str:
    return f"lab-test-{story}-{worker_id}-{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def docker_cleanup() -> list[str]:
    return [DOWN]


@pytest.fixture(scope="session")
def docker_setup(
    engine: docker.DockerClient,
    docker_compose_command: str,
    docker_compose_file: str,
    docker_compose_project_name: str,
) -> Iterator[list[str]]:
    compose = DockerComposeExecutor(docker_compose_command, docker_compose_file, docker_compose_project_name)
    with nothing_left(Project(engine, docker_compose_project_name), compose):
        yield ["up -d"]


@pytest.fixture(scope="session")
def project(engine: docker.DockerClient, docker_compose_project_name: str, docker_services: object) -> Project:
    """The story's Compose file, up."""
    return Project(engine, docker_compose_project_name)


@pytest.fixture(scope="session")
def told(story: str, image: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the lab itself observes in each case of the story, now: {case: {check: observed, in words}}."""
    runs = tmp_path_factory.mktemp("runs")
    done = subprocess.run(
        [sys.executable, "-m", "lab", "run", story, "--json"],
        cwd=ROOT,
        env=os.environ | {"LAB_RUNS": str(runs)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    cases = [json.loads(line) for line in done.stdout.splitlines()]
    return {
        case["case"]: {check["check"]: check["observed"] for step in case["steps"] for check in step["checks"]}
        for case in cases
    }
