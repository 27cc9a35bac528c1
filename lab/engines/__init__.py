"""How hosts are made: one engine is one module and one row of the table below; `base` says what each owes the lab."""

import difflib
from collections.abc import Callable
from importlib import import_module

from lab.engines.base import Engine
from lab.errors import UsageError


def _late(module: str, name: str) -> Callable[[], Engine]:
    """An engine's factory that imports it when it is called: some stand on heavy libraries."""

    def make() -> Engine:
        engine: Engine = getattr(import_module(module), name)()
        return engine

    return make


ENGINES: dict[str, Callable[[], Engine]] = {
    "docker": _late("lab.engines.docker", "DockerEngine"),
    "fake": _late("lab.engines.fake", "FakeEngine"),
}


def open_engine(name: str) -> Engine:
    """The engine of that name, not yet connected to anything; UsageError where there is none."""
    if name not in ENGINES:
        near = difflib.get_close_matches(name, ENGINES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"expected an engine ({', '.join(ENGINES)}), observed {name!r}{hint}")
    return ENGINES[name]()
