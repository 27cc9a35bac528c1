"""How hosts are made: one engine is one module and one row of the table below; `base` says what each owes the lab."""

import contextlib
import difflib
import json
import os
import platform
import socket
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from lab.engines.base import Engine
from lab.errors import LabError, UsageError
from lab.i18n import _

AUTO = "auto"
SOCKET = "/var/run/docker.sock"
PATIENCE = 2.0


def _late(module: str, name: str) -> Callable[[], Engine]:
    """An engine's factory that imports it when it is called: some stand on heavy libraries."""

    def make() -> Engine:
        engine: Engine = getattr(import_module(module), name)()
        return engine

    return make


ENGINES: dict[str, Callable[[], Engine]] = {
    "docker": _late("lab.engines.docker", "DockerEngine"),
    "namespaces": _late("lab.engines.namespaces", "NamespacesEngine"),
    "fake": _late("lab.engines.fake", "FakeEngine"),
}


def chosen(name: str) -> tuple[str, str]:
    """The engine that is meant, and why where that was not said: `auto` is Docker where it answers, else namespaces."""
    if name != AUTO:
        return name, ""
    if platform.system() != "Linux" or docker_answers():
        return "docker", ""
    return "namespaces", _("Docker does not answer: the hosts are made of this machine's own namespaces")


def docker_answers() -> bool:
    """Whether there is a Docker Engine: where one is named, or a context, its client asks; else the usual socket is."""
    if os.environ.get("DOCKER_HOST") or os.environ.get("DOCKER_CONTEXT") or _has_context():
        with contextlib.closing(ENGINES["docker"]()) as engine, contextlib.suppress(LabError):
            engine.capabilities()
            return True
        return False
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as link:
        link.settimeout(PATIENCE)
        link.connect(SOCKET)
        link.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
        answer: bytes = link.recv(1024)
        return b" 200 " in answer
    return False


def _has_context() -> bool:
    """Whether Docker's own settings name another engine than the usual one."""
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        return bool(
            json.loads((folder / "config.json").read_text("utf-8")).get("currentContext", "default") != "default"
        )
    except (OSError, ValueError, AttributeError, RuntimeError):
        return False


def open_engine(name: str) -> Engine:
    """The engine of that name, not yet connected to anything; UsageError where there is none."""
    name = chosen(name)[0]
    if name not in ENGINES:
        near = difflib.get_close_matches(name, [AUTO, *ENGINES], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"expected an engine ({', '.join([AUTO, *ENGINES])}), observed {name!r}{hint}")
    return ENGINES[name]()
