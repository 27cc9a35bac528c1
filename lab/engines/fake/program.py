"""A program on a fake host: the same file that a real host runs, in an actor, with the fake's modules under it.

Its output, trace and end are told as the agent's `programs` tells them.
"""

import signal
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from types import CodeType

from lab.agent.tasks import Task
from lab.agent.wire import Refused, Wire, text64
from lab.engines.fake.process import Beyond, Process, Unmodelled
from lab.engines.fake.stdlib import modules, namespace, unknown_imports
from lab.engines.fake.world import MICROSECOND, Killed
from lab.library import PROGRAMS

FOLDER = PurePosixPath("/opt/lab/programs")
LIMIT = 1 << 20
BUFFER = 8192
WRITE = 20 * MICROSECOND


class Output:
    """One of a program's streams; `buffered` is what Python does to a pipe."""

    def __init__(self, process: Process, emit: Callable[[bytes], None], buffered: bool) -> None:
        self._process, self._emit, self._buffered = process, emit, buffered
        self._held: list[str] = []
        self._size = 0

    def write(self, text: str) -> int:
        """Take text; it is seen when it is flushed."""
        self._process.world.tick(WRITE)
        self._held.append(text)
        self._size += len(text)
        if not self._buffered or self._size > BUFFER:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Let it be seen."""
        data = "".join(self._held).encode(errors="surrogateescape")
        self._held.clear()
        self._size = 0
        if data:
            self._emit(data)


class Program(Task):
    """One program of a step, from its start until its end was told."""

    def __init__(self, wire: Wire, step: int, process: Process, code: CodeType, argv: Sequence[str]) -> None:
        super().__init__(wire, step)
        self.process = process
        self.because = ""
        self._code = code
        self._sizes: dict[str, int] = {}
        self._out = Output(process, lambda data: self._wrote("stdout", data), buffered=True)
        self._err = Output(process, lambda data: self._wrote("stderr", data), buffered=False)
        self._modules = modules(process, list(argv), self._out, self._err)

    def main(self) -> None:
        """Run it in the current actor, to its end, and tell of it."""
        try:
            code = self._outcome()
            self._out.flush()
        except Killed:
            code = 128 + (self.process.signalled or signal.SIGKILL)
            if self.process.actor and self.process.actor.stuck:
                self._note(
                    "problem", "the program computed without end, which the fake engine cannot interrupt; killed"
                )
        self.process.exit()
        event = {
            "event": "exit",
            "step": self.step,
            "time": self.process.world.now,
            "code": code,
            "because": self.because,
        }
        self.end(event)
        self.process.host.stir()

    def _outcome(self) -> int:
        """Run it; its exit status."""
        try:
            exec(self._code, namespace(self._modules))
        except SystemExit as end:
            if end.code is None or isinstance(end.code, int):
                return (end.code or 0) & 0xFF
            self._err.write(f"{end.code}\n")
            return 1
        except Unmodelled as problem:
            self._note("unmodelled", str(problem))
            self._err.write(f"{problem}\n")
            return 1
        except Exception as error:
            self._err.write(self._traceback(error))
            return 1
        return 0

    def _traceback(self, error: Exception) -> str:
        """As Python prints it, without the fake's own frames."""
        told = traceback.TracebackException.from_exception(error)
        name = self._code.co_filename
        told.stack = traceback.StackSummary.from_list([item for item in told.stack if item.filename == name])
        return "".join(told.format(chain=False))

    def _wrote(self, stream: str, data: bytes) -> None:
        size = self._sizes.get(stream, 0)
        self._sizes[stream] = size + len(data)
        now = self.process.world.now
        if kept := data[: max(0, LIMIT - size)]:
            self.wire.event("output", step=self.step, stream=stream, time=now, data=text64(kept))
        if size <= LIMIT < size + len(data):
            self._note("truncated", f"{stream}: more than {LIMIT} bytes; the rest is read, not kept")

    def _note(self, what: str, text: str) -> None:
        self.wire.event("note", what=what, text=text, time=self.process.world.now, step=self.step)


def prepare(argv: Sequence[str], files: Mapping[str, str], trusted: bool) -> tuple[CodeType, list[str]]:
    """The code that `argv` would run and its sys.argv; Refused where this engine cannot run it."""
    if argv[0] != "python3":
        raise Beyond(f"the fake engine has no program {argv[0]!r}, only those of the lab; use the docker engine")
    words = list(argv[1:])
    while words and words[0].startswith("-") and words[0] != "-c":
        words.pop(0)
    source = _source(words, files)
    if words[0] == "-c":
        words = ["-c", *words[2:]]
    if source is None:
        raise Beyond(f"the fake engine has no program {words[0]!r}; it runs those of {PROGRAMS.name}/")
    own = words[0] == "-c" or words[0].startswith("@")
    if own and not trusted:
        raise Beyond("the fake engine does not run a scenario's own programs: nothing would confine them here")
    if unknown := unknown_imports(source):
        raise Beyond(f"the fake engine has no module {', '.join(unknown)} for programs; use the docker engine")
    return compile(source, words[0], "exec", dont_inherit=True), words


def _source(words: Sequence[str], files: Mapping[str, str]) -> str | None:
    if not words:
        raise Refused("expected a program after python3")
    if words[0] == "-c":
        return words[1]
    if words[0].startswith("@"):
        return files.get(words[0][1:].removesuffix(".py"))
    path = PurePosixPath(words[0])
    file = PROGRAMS / path.name
    return file.read_text(encoding="utf-8") if path.parent == FOLDER and file.is_file() else None
