"""Programs, run as an unprivileged user, with their output, their end and, through strace, their network calls.

`children` starts and reaps processes; what the output means is for others.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time

from .children import PATH, Child, Children, find
from .tasks import Task
from .wire import Refused, Wire, text64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

USER = 1000
HOME = "/tmp"
LIMIT = 1 << 20
LINGER = 0.5
BEGIN = 10
STRACE = (
    "strace -DDD -f -y --seccomp-bpf -e signal=none -s 64 "
    "--absolute-timestamps=format:unix,precision:ns --syscall-times=ns -qq"
).split()
CALLS = "%network,close,execve"
WAITS = "?select,?pselect6,?poll,?ppoll,?epoll_wait,?epoll_pwait,?epoll_pwait2,?clone,?clone3,?fork,?vfork"
ENVIRONMENT = {"PATH": PATH, "HOME": HOME, "PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8"}


class Untraced(Exception):
    """The program did not start under strace; the text is the reason."""


class Folder:
    """A program's own files, and the pipe for its trace: gone when it ends."""

    def __init__(self, files: Mapping[str, str]) -> None:
        for name in files:
            if "/" in name or name.startswith("."):
                raise Refused(f"expected a plain name for a program's file, observed {name!r}")
        self.path = f"{HOME}/lab-{os.urandom(6).hex()}"
        os.mkdir(self.path, 0o755)
        for name, text in files.items():
            with open(f"{self.path}/{name}.py", "w", encoding="utf-8") as file:
                file.write(text)

    def fifo(self) -> tuple[str, int]:
        """A new pipe that the program's user may write to, and its end to read from."""
        path = f"{self.path}/.trace-{os.urandom(3).hex()}"
        os.mkfifo(path)
        os.chmod(path, 0o622)
        return path, os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def remove(self) -> None:
        """Remove it with all that is in it."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self.path):
                os.unlink(f"{self.path}/{name}")
            os.rmdir(self.path)


class Program(Task):
    """One program of a step, from its start until its end was told; `stir` is called after what strace wrote of it, and
    after its end."""

    def __init__(
        self, wire: Wire, step: int, argv: Sequence[str], files: Mapping[str, str], stir: Callable[[], None]
    ) -> None:
        super().__init__(wire, step)
        self.stir = stir
        self.child: Child | None = None
        self._folder = Folder(files) if files else None
        paths = {f"@{name}.py": f"{self._folder.path}/{name}.py" for name in files} if self._folder else {}
        self._argv = [paths.get(word, word) for word in argv]

    def start(self, children: Children, trace: bool, waits: bool = False) -> int:
        """Start it, under strace if asked and possible; returns its process id."""
        if not find(self._argv[0]):
            raise Refused(f"program {self._argv[0]!r} is not on this host (PATH is {PATH})")
        if trace:
            try:
                return self._start(children, f"{CALLS},{WAITS}" if waits else CALLS)
            except Untraced as reason:
                self.wire.event("note", what="trace", text=str(reason), time=time.time_ns(), step=self.step)
        return self._start(children, "")

    def _start(self, children: Children, trace: str) -> int:
        argv, traced = self._argv, -1
        if trace:
            if not find("strace"):
                raise Untraced("strace is not on this host: the program runs without its calls being seen")
            self._folder = self._folder or Folder({})
            path, traced = self._folder.fifo()
            argv = [*STRACE, "-e", f"trace={trace}", "-o", path, "--", *self._argv]
        out, err = os.pipe(), os.pipe()
        try:
            user = USER if os.geteuid() == 0 else None
            home = HOME if os.access(HOME, os.X_OK) else "/"
            child = children.spawn(argv, out[1], err[1], ENVIRONMENT, user=user, home=home, bell=True)
        except OSError as error:
            for descriptor in (out[0], err[0], *((traced,) if trace else ())):
                os.close(descriptor)
            raise Refused(f"cannot run {self._argv[0]!r}: {error}") from error
        finally:
            os.close(out[1])
            os.close(err[1])
        self.child = child
        pump = Pump(self, child, out[0], err[0], traced)
        self._pumping = threading.Thread(target=pump.run, daemon=True)
        self._pumping.start()
        if not pump.begun.wait(BEGIN):
            child.kill(signal.SIGKILL)
            self._pumping.join()
        if pump.reason:
            raise Untraced(pump.reason)
        return child.pid

    def stop(self, grace: float, because: str) -> bool:
        """SIGTERM to all of it, SIGKILL after the grace; whether it ended."""
        child = self._running()
        child.kill(signal.SIGTERM, because)
        child.exited.wait(grace)
        return self.kill(because)

    def kill(self, because: str) -> bool:
        """SIGKILL to all of it; whether it ended."""
        self._running().kill(signal.SIGKILL, because)
        self._pumping.join(LINGER + BEGIN)
        return self.ended

    def _running(self) -> Child:
        if self.child is None:
            raise Refused(f"the program of step {self.step} was not started")
        return self.child

    def finish(self, child: Child) -> None:
        """Tell that it ended."""
        self.remove()
        exited = {"time": time.time_ns(), "code": child.code, "because": child.because}
        self.end({"event": "exit", "step": self.step, **exited})
        self.stir()

    def remove(self) -> None:
        """Remove its files."""
        if self._folder:
            self._folder.remove()


class Pump:
    """Reads what a program writes, and what strace writes of it, until its end; each piece becomes an event."""

    def __init__(self, program: Program, child: Child, out: int, err: int, trace: int) -> None:
        self.begun = threading.Event()
        self.reason = ""
        self._program = program
        self._child = child
        self._trace = trace
        self._names = {out: "stdout", err: "stderr"} | ({trace: "trace"} if trace >= 0 else {})
        self._sizes = dict.fromkeys(self._names, 0)
        self._held: list[tuple[int, int, bytes]] = []
        self._rest = b""
        if trace < 0:
            self.begun.set()

    def run(self) -> None:
        """Read until all streams ended, or for a moment longer than the program lived."""
        poll = select.poll()
        for descriptor in (*self._names, self._child.bell):
            poll.register(descriptor, select.POLLIN)
        still_open = set(self._names)
        end = float("inf")
        while still_open or end == float("inf"):
            pause = max(0.0, end - time.monotonic()) * 1000
            ready = poll.poll(None if end == float("inf") else pause)
            if not ready or time.monotonic() > end:
                break
            for descriptor, _ in ready:
                if descriptor == self._child.bell:
                    poll.unregister(descriptor)
                    end = time.monotonic() + LINGER
                elif not self._read(descriptor):
                    poll.unregister(descriptor)
                    still_open.discard(descriptor)
        for descriptor, _ in poll.poll(0):  # a pipe holds no more than one read: all that the program itself wrote
            self._read(descriptor)
        self._finish(still_open)

    def _finish(self, still_open: set[int]) -> None:
        if self._rest:
            self._traced([self._rest])
        for descriptor in (*self._names, self._child.bell):
            os.close(descriptor)
        if not self.begun.is_set():
            said = b"".join(data for _, _, data in self._held).decode(errors="replace").strip()
            self.reason = f"strace did not start the program: {said or 'it said nothing'} (status {self._child.code})"
            self.begun.set()
            return
        for descriptor, size in self._sizes.items():
            if size > LIMIT and descriptor != self._trace:
                self._note("truncated", f"{self._names[descriptor]}: {size} bytes in all, {size - LIMIT} not kept")
        if still_open:
            names = " and ".join(self._names[descriptor] for descriptor in sorted(still_open))
            self._note("output", f"{names}: not at its end {LINGER} s after the program's; not read any further")
        self._program.finish(self._child)

    def _read(self, descriptor: int) -> bool:
        data = os.read(descriptor, 1 << 16)
        now = time.time_ns()
        if descriptor == self._trace:
            *lines, self._rest = (self._rest + data).split(b"\n")
            self._traced(lines)
        elif not self.begun.is_set():
            self._held.append((descriptor, now, data))
        elif data:
            self._wrote(descriptor, now, data)
        return bool(data)

    def _wrote(self, descriptor: int, now: int, data: bytes) -> None:
        size = self._sizes[descriptor]
        self._sizes[descriptor] += len(data)
        if kept := data[: max(0, LIMIT - size)]:
            step, stream = self._program.step, self._names[descriptor]
            self._program.wire.event("output", step=step, stream=stream, time=now, data=text64(kept))
        if size <= LIMIT < size + len(data):
            self._note("truncated", f"{self._names[descriptor]}: more than {LIMIT} bytes; the rest is read, not kept")

    def _traced(self, lines: list[bytes]) -> None:
        """Forward the lines; those about `execve` only tell that the program runs, and was not asked for."""
        kept = []
        for line in lines:
            call = line.split(None, 2)[2:]
            if not call or not call[0].startswith((b"execve(", b"<... execve resumed>")):
                kept.append(line.decode(errors="replace"))
            elif not self.begun.is_set() and b") = 0 <" in call[0]:
                self.begun.set()
        if kept:
            self._program.wire.event("trace", step=self._program.step, lines=kept)
            self._program.stir()
        if self.begun.is_set():
            for held in self._held:
                self._wrote(*held)
            self._held.clear()

    def _note(self, what: str, text: str) -> None:
        self._program.wire.event("note", what=what, text=text, time=time.time_ns(), step=self._program.step)
