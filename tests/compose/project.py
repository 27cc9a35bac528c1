"""What Compose made under one name, as docker-py sees it, and its end."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import docker
from docker.models.containers import Container
from docker.models.networks import Network
from pytest_docker.plugin import DockerComposeExecutor

DOWN = "down -v --remove-orphans -t 0"
PROJECT, SERVICE = "com.docker.compose.project", "com.docker.compose.service"
PATIENCE = 30


@dataclass(frozen=True)
class Project:
    """What Compose made under one name."""

    engine: docker.DockerClient
    name: str

    @property
    def containers(self) -> dict[str, Container]:
        """Running or not, by service."""
        found = self.engine.containers.list(all=True, filters={"label": f"{PROJECT}={self.name}"})
        return {container.labels[SERVICE]: container for container in found}

    @property
    def networks(self) -> list[Network]:
        return self.engine.networks.list(filters={"label": f"{PROJECT}={self.name}"})

    def exit_code(self, service: str) -> int:
        """How a client ended; waits for it."""
        return int(self.containers[service].wait(timeout=PATIENCE)["StatusCode"])

    def output(self, service: str) -> str:
        return self.containers[service].logs().decode()


@contextmanager
def nothing_left(project: Project, compose: DockerComposeExecutor) -> Iterator[None]:
    """Take the project down at the end, also where `up` failed half-way, for which pytest-docker has no clean-up."""
    try:
        yield
    finally:
        compose.execute(DOWN)
        assert (project.containers, project.networks) == ({}, [])
