"""The engine, and folders for runs: short ones, since some tests keep a Unix socket there."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker.errors
import pytest
from bad_days.house import Engine, Events


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    try:
        made = Engine()
    except docker.errors.DockerException as reason:
        pytest.skip(f"docker: {reason}")
    yield made
    made.client.close()


@pytest.fixture
def events(engine: Engine) -> Iterator[Events]:
    heard = Events(engine)
    yield heard
    heard.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lab-") as made:
        yield Path(made)
