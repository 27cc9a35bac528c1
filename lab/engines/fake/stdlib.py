"""The standard library as a fake host's programs see it: `socket`, `selectors`, `time`, `signal` and `sys` are the fake
kernel's, some that touch nothing are Python's own, and all others are refused before the program starts."""

import argparse
import ast
import builtins
import importlib
import importlib.util
import re
import selectors
import signal
import socket as real
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import Any, NoReturn, Protocol

from lab.calls import CONSTANT, tree_of
from lab.engines.fake.names import resolve
from lab.engines.fake.process import Process, Unmodelled
from lab.engines.fake.sockets import Socket
from lab.engines.fake.world import MICROSECOND, SECOND

HARMLESS = frozenset(
    "__future__ collections contextlib dataclasses enum errno functools itertools json math operator re string struct "
    "textwrap types typing".split()
)
POLL = 50 * MICROSECOND
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Stream(Protocol):
    """What a program writes to."""

    def write(self, text: str) -> int:
        """Take the text."""
        ...

    def flush(self) -> None:
        """Let it be seen."""
        ...


class Selector(selectors.BaseSelector):
    """A selector over the process's sockets."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch a socket."""
        if fileobj in self._keys:
            raise KeyError(f"{fileobj!r} (FD {fileobj.fileno()}) is already registered")
        self._keys[fileobj] = selectors.SelectorKey(fileobj, fileobj.fileno(), events, data)
        return self._keys[fileobj]

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Watch it no longer."""
        return self._keys.pop(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """What is watched."""
        return MappingProxyType(self._keys)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready, now or within the time-out."""
        self._process.world.tick(POLL)
        if not self._ready() and (timeout is None or timeout > 0):
            self._process.sleep(lambda: bool(self._ready()), timeout)
        return self._ready()

    def _ready(self) -> list[tuple[selectors.SelectorKey, int]]:
        found = []
        for key in self._keys.values():
            sock = key.fileobj
            if isinstance(sock, Socket) and sock.fileno() >= 0:
                events = key.events & (READ * sock.readable() | WRITE * sock.writable())
                found += [(key, events)] if events else []
        return found


def modules(process: Process, argv: list[str], out: Stream, err: Stream) -> dict[str, ModuleType]:
    """What the process may import that is the fake's own."""
    told = {
        "version": sys.version,
        "version_info": sys.version_info,
        "byteorder": sys.byteorder,
        "maxsize": sys.maxsize,
    }
    system = _module("sys", argv=argv, stdout=out, stderr=err, exit=_exit, platform="linux", **told)
    parser = _copy(argparse)
    parser._sys = system  # type: ignore[attr-defined]
    own = {item.__name__: item for item in (_selectors(process), clock(process), _signal(process), system, parser)}
    return own | {"socket": socket_module(process)}


def unknown_imports(source: str) -> list[str]:
    """The modules that a program imports and that are not here."""
    names: set[str] = set()
    for node in ast.walk(tree_of(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return sorted(names - HARMLESS - {"socket", "selectors", "time", "signal", "sys", "argparse"})


def namespace(own: Mapping[str, ModuleType]) -> dict[str, Any]:
    """A program's globals: Python's builtins, but for what prints, imports and opens."""
    stdout: Stream = vars(own["sys"])["stdout"]

    def fake_import(name: str, *rest: Any) -> Any:
        if name in own:
            return own[name]
        if name.partition(".")[0] not in HARMLESS:
            raise Unmodelled(f"the module {name} for programs")
        return builtins.__import__(name, *rest)

    def fake_print(
        *values: object, sep: str = " ", end: str = "\n", file: Stream | None = None, flush: bool = False
    ) -> None:
        target = file or stdout
        target.write((sep or " ").join(map(str, values)) + end)
        if flush:
            target.flush()

    kept = vars(builtins) | {"__import__": fake_import, "print": fake_print, "exit": _exit, "quit": _exit}
    for name in ("open", "input", "breakpoint"):
        kept[name] = _refusal(name)
    return {"__name__": "__main__", "__builtins__": kept}


def socket_module(process: Process) -> Any:
    """A `socket` module for the process."""
    constants = {
        name: getattr(real, name) for name in dir(real) if CONSTANT.fullmatch(name) or re.fullmatch(r"EAI_[A-Z]+", name)
    }
    made: Any = _module(
        "socket",
        **constants,
        socket=type("socket", (Socket,), {"process": process}),
        error=OSError,
        timeout=TimeoutError,
        gaierror=real.gaierror,
        has_ipv6=True,
        gethostname=lambda: process.host.name,
        gethostbyname=lambda host: str(resolve(process, host, 4)[0]),
        create_connection=lambda address, timeout=None: _create_connection(made, address, timeout),
        getaddrinfo=lambda host, port, family=0, type=0, *_: _getaddrinfo(process, host, port, family, type),
    )
    return made


def _create_connection(made: Any, address: tuple[str, int], timeout: float | None) -> Socket:
    problem: OSError | None = None
    for family, kind, proto, _, target in made.getaddrinfo(*address, 0, real.SOCK_STREAM):
        sock: Socket = made.socket(family, kind, proto)
        sock.settimeout(timeout)
        try:
            sock.connect(target)
        except OSError as error:
            problem = error
            sock.close()
        else:
            return sock
    raise problem or OSError("getaddrinfo returns an empty list")


def _getaddrinfo(process: Process, host: str, port: int, family: int, type: int) -> list[tuple[Any, ...]]:
    if type not in (0, real.SOCK_STREAM) or not isinstance(port, int):
        raise Unmodelled("getaddrinfo of anything but TCP and a port's number")
    version = {int(real.AF_INET): 4, int(real.AF_INET6): 6}.get(family, 0)
    return [
        (real.AF_INET, real.SOCK_STREAM, real.IPPROTO_TCP, "", (str(found), port))
        if found.version == 4
        else (real.AF_INET6, real.SOCK_STREAM, real.IPPROTO_TCP, "", (str(found), port, 0, 0))
        for found in resolve(process, host, version)
    ]


def clock(process: Process) -> ModuleType:
    """A `time` module on the virtual clock."""
    world = process.world

    def sleep(seconds: float) -> None:
        process.sleep(lambda: False, seconds)

    def nanoseconds() -> int:
        world.tick()
        return world.now

    def now() -> float:
        return nanoseconds() / SECOND

    whole = {"time_ns": nanoseconds, "monotonic_ns": nanoseconds, "perf_counter_ns": nanoseconds}
    return _module("time", sleep=sleep, time=now, monotonic=now, perf_counter=now, **whole)


def _signal(process: Process) -> ModuleType:
    def set_handler(number: int, handler: Any) -> Any:
        before = process.handlers.get(number, signal.SIG_DFL)
        process.handlers[number] = handler
        return before

    def pause() -> None:
        process.sleep(lambda: False)

    names = {name: getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIG_IGN", "SIG_DFL")}
    return _module("signal", signal=set_handler, pause=pause, **names)


def _selectors(process: Process) -> ModuleType:
    class ProcessSelector(Selector):
        def __init__(self) -> None:
            super().__init__(process)

    kinds = dict.fromkeys(("DefaultSelector", "SelectSelector", "PollSelector", "EpollSelector"), ProcessSelector)
    return _module("selectors", EVENT_READ=READ, EVENT_WRITE=WRITE, SelectorKey=selectors.SelectorKey, **kinds)


def _module(name: str, **contents: Any) -> ModuleType:
    """A module that has these; what else Python's own has is not modelled."""

    def missing(word: str) -> NoReturn:
        if hasattr(importlib.import_module(name), word):
            raise Unmodelled(f"{name}.{word}")
        raise AttributeError(f"module {name!r} has no attribute {word!r}")

    made = ModuleType(name, "A fake host's.")
    vars(made).update(contents, __getattr__=missing)
    return made


def _copy(module: ModuleType) -> ModuleType:
    """The module once more, so that what it imported can be exchanged."""
    spec = importlib.util.find_spec(module.__name__)
    assert spec and spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def _exit(status: Any = None) -> NoReturn:
    raise SystemExit(status)


def _refusal(name: str) -> Callable[..., NoReturn]:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise Unmodelled(f"{name}() for programs")

    return refuse
