"""Processes: started, ended and reaped here only, orphans included, since the agent is a container's first process."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MOST = 1 << 20
# Where this user namespace has no such user, a program becomes it in one of its own, with no rights outside of that.
# Its limits are set there: processes are counted by namespace and user.
AS_USER = "unshare --user --map-user={user} --map-group={user} -- prlimit --nproc=256 --data=2147483648 --"


class Child:
    """A process and, as soon as it was reaped, its exit status as the shell tells it."""

    def __init__(self, pid: int, bell: int, lock: threading.Lock) -> None:
        self.pid = pid
        self.bell = bell
        self.code = -1
        self.because = ""
        self.exited = threading.Event()
        self._lock = lock

    def reaped(self, status: int) -> None:
        """Keep how it ended and tell whoever waits."""
        code = os.waitstatus_to_exitcode(status)
        self.code = code if code >= 0 else 128 - code
        self.exited.set()
        if self.bell >= 0:
            os.eventfd_write(self.bell, 1)

    def kill(self, number: int, because: str = "") -> None:
        """Signal its process group, if it still runs; its id cannot be another's: it is reaped under the same lock."""
        with self._lock:
            if not self.exited.is_set():
                self.because = self.because or because
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.pid, number)


class Children:
    """All processes that were started here."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[int, Child] = {}
        self._some = threading.Event()
        self._reaper: threading.Thread | None = None

    def spawn(
        self,
        argv: Sequence[str],
        out: int,
        err: int,
        environment: Mapping[str, str],
        *,
        user: int | None = None,
        home: str = "/",
        bell: bool = False,
    ) -> Child:
        """Start a process in a session of its own; OSError where it cannot be executed. `bell` asks for a descriptor
        that becomes readable when it ends, and is the caller's to close."""
        import subprocess

        if user is not None and not is_mapped(user):
            argv, user = [*AS_USER.format(user=user).split(), *argv], None
        groups: list[int] | None = None if user is None else []
        with self._lock:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment,
                cwd=home,
                start_new_session=True,
                umask=0o022,
                user=user,
                group=user,
                extra_groups=groups,
            )
            process.returncode = 0  # Popen must not wait for it: the reaper does
            child = Child(process.pid, os.eventfd(0) if bell else -1, self._lock)
            self._known[child.pid] = child
            if self._reaper is None:
                self._reaper = threading.Thread(target=self._reap, daemon=True)
                self._reaper.start()
        self._some.set()
        return child

    def run(self, argv: Sequence[str], environment: Mapping[str, str], timeout: float) -> tuple[int, bytes]:
        """Run a tool of the lab's own to its end; its status and what it said. OSError: it cannot be executed;
        TimeoutError: it was killed."""
        return Tool(self, argv, environment).end(timeout)

    def kill_all(self) -> None:
        """End whatever still runs, at once."""
        for child in list(self._known.values()):
            child.kill(signal.SIGKILL)

    def _reap(self) -> None:
        while True:
            self._some.wait()
            self._some.clear()
            with contextlib.suppress(ChildProcessError):
                while True:
                    self._reap_one()

    def _reap_one(self) -> None:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        with self._lock, contextlib.suppress(ChildProcessError):
            assert found is not None
            child = self._known.pop(found.si_pid, None)
            if child and child.because:  # what it started goes with it; the group's id is still its own
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
            _, status = os.waitpid(found.si_pid, 0)
            if child:
                child.reaped(status)


class Tool:
    """A tool that runs, as this process's user or another, and what it says on both its streams."""

    def __init__(
        self, children: Children, argv: Sequence[str], environment: Mapping[str, str], user: int | None = None
    ) -> None:
        self._name = argv[0]
        self._read, write = os.pipe()
        try:
            self._child = children.spawn(argv, write, write, environment, user=user)
        except OSError:
            os.close(self._read)
            raise
        finally:
            os.close(write)

    def end(self, timeout: float) -> tuple[int, bytes]:
        """Its status, and what it said; TimeoutError: it was killed."""
        deadline = time.monotonic() + timeout
        said = self._said(deadline)
        if not self._child.exited.wait(max(0.1, deadline - time.monotonic())):
            self._child.kill(signal.SIGKILL)
            raise TimeoutError(f"{self._name} did not end within {timeout:g} s")
        return self._child.code, said

    def _said(self, deadline: float) -> bytes:
        said = b""
        try:
            while select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))[0]:
                data = os.read(self._read, 1 << 16)
                said = (said + data)[:MOST]
                if not data:
                    break
        finally:
            os.close(self._read)
        return said


def is_mapped(user: int) -> bool:
    """Whether the user exists in this user namespace."""
    with open("/proc/self/uid_map") as file:
        rows = [[int(number) for number in line.split()] for line in file]
    return any(first <= user < first + count for first, _, count in rows)


def find(program: str) -> str | None:
    """Where the program is; None where it is not on the path."""
    folders = [""] if "/" in program else PATH.split(":")
    for folder in folders:
        path = f"{folder}/{program}" if folder else program
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    return None
