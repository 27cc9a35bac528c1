"""Each engine in turn, and one deployment a module for all tests that leave it as they found it."""

from collections.abc import Callable, Iterator

import pytest
from contract.house import Hand, deployed, estate

from lab.engines.base import Engine
from lab.engines.docker import DockerEngine
from lab.engines.fake import FakeEngine
from lab.engines.namespaces import NamespacesEngine
from lab.errors import EngineError

ENGINES: dict[str, Callable[[], Engine]] = {
    "fake": lambda: FakeEngine(trusted=True),
    "docker": DockerEngine,
    "namespaces": NamespacesEngine,
}
REAL = [pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("docker", "namespaces")]
Hosts = Callable[[str], Hand]


@pytest.fixture(scope="module", params=["fake", *REAL])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    made = ENGINES[request.param]()
    try:
        made.capabilities()
        getattr(made, "trial", lambda: None)()
    except EngineError as reason:
        pytest.skip(f"{request.param}: {reason}")
    yield made
    made.close()


@pytest.fixture(scope="module")
def hosts(engine: Engine) -> Iterator[Hosts]:
    """A host of the shared deployment, by its name."""
    with deployed(engine, "contract-shared", [2, 2, 2, 1], estate) as (plan, deployment):
        yield lambda name: Hand(deployment, plan, name)
