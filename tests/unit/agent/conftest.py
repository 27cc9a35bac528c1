"""Real agents over real pipes: on this machine for calls and programs, else in a network namespace of its own."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib import resources

import pytest

from lab.bootstrap import BOOTSTRAP, MODULES, agent_source
from lab.calls import parse_call
from lab.history import Call
from lab.remote import Remote

PYTHON = next((name for name in ("/usr/bin/python3",) if shutil.which(name)), "python3")
COMMAND = (PYTHON, "-I", "-S", "-c", BOOTSTRAP)


class Pipe:
    """An agent's process as a channel."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )

    def read(self, size: int, /) -> bytes:
        assert self.process.stdout
        return self.process.stdout.read(size) or b""

    def write(self, data: bytes, /) -> None:
        assert self.process.stdin
        rest = memoryview(data)
        while rest:
            rest = rest[self.process.stdin.write(rest) :]

    def close(self) -> None:
        assert self.process.stdin
        with suppress(BrokenPipeError):
            self.process.stdin.close()

    def end(self) -> None:
        self.close()
        try:
            self.process.wait(5)
        finally:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout
            self.process.stdout.close()


class Agent:
    """A remote, its process, and steps that number themselves."""

    def __init__(self, argv: Sequence[str], source: bytes) -> None:
        self.pipe = Pipe(argv)
        self.pipe.write(source)
        self.remote = Remote("server", self.pipe)
        self.step = 0

    def call(self, text: str, *, pending: bool = False, timeout: float = 5.0) -> Call:
        """Make the call; its record as it is now."""
        self.step += 1
        self.remote.call(self.step, parse_call(text), pending, timeout)
        return self.record(self.step)

    def record(self, step: int) -> Call:
        """The call of a step."""
        return next(seen for seen in self.remote.observations() if isinstance(seen, Call) and seen.step == step)

    def of(self, kind: type, step: int) -> list:
        """What a step showed of a kind."""
        return [seen for seen in self.remote.observations() if isinstance(seen, kind) and seen.step == step]

    def start(self, *argv: str, trace: bool = False, waits: bool = False, **files: str) -> int:
        """Start a program; its step."""
        self.step += 1
        self.remote.start(self.step, argv, trace, files, waits)
        return self.step


@pytest.fixture
def changed() -> Callable[..., bytes]:
    """`changed((module, old, new), ...)` is the agent's source with other words in it, where `old` stands once."""

    def source(*changes: tuple[str, str, str]) -> bytes:
        texts = {name: resources.files("lab.agent").joinpath(f"{name}.py").read_text("utf-8") for name in MODULES}
        for module, old, new in changes:
            assert texts[module].count(old) == 1, (module, old)
            texts[module] = texts[module].replace(old, new)
        modules = {name: (text, "") for name, text in texts.items()}
        data = json.dumps({"python": "another", "modules": modules}).encode()
        return b"%010d" % len(data) + data

    return source


@pytest.fixture
def launch() -> Iterator[Callable[..., Agent]]:
    """Start an agent with other words before its command, or with another source."""
    agents: list[Agent] = []

    def start(*before: str, source: bytes | None = None) -> Agent:
        agents.append(Agent((*before, *COMMAND), source or agent_source()))
        return agents[-1]

    yield start
    for agent in agents:
        agent.pipe.end()
        agent.remote.close()


@pytest.fixture
def agent(launch: Callable[..., Agent]) -> Agent:
    """An agent on this machine: for calls on loopback and for programs; it may not be configured."""
    return launch()


@pytest.fixture
def lonely(launch: Callable[..., Agent]) -> Callable[..., Agent]:
    """Start an agent in a network namespace of its own, after a shell prepared it."""
    before = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    if not shutil.which("unshare") or subprocess.run([*before, "true"], capture_output=True, check=False).returncode:
        pytest.skip(f"{' '.join(before)} is not allowed here: no network namespace, so no CAP_NET_RAW")

    def start(prepare: str, source: bytes | None = None) -> Agent:
        return launch(*before, "sh", "-ec", f'{prepare}\nexec "$@"', "sh", source=source)

    return start
