"""A house's process, before it is known what the house is to hold.

Python's start, and the namespaces, take a house as long as the lab takes to read a scenario: it is begun first. What a
house is told, and what becomes of it, is `deployment`'s business.
"""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

# The house and the agent, and nothing else of the lab's.
BEGIN = "import sys; sys.path += sys.argv[1:3]; from house import main; main()"
PLACES = (Path(__file__).parent, Path(__file__).parents[2])
SYSTEM_PYTHON = Path("/usr/bin/python3")
MARK, PLACE = "socket-lab-run=", 7  # which word of its command line names the run
END_SECONDS = 10


class House(Struct, frozen=True):
    """The process, and the socket by which it is told; it ends when that is closed."""

    process: "subprocess.Popen[bytes]"
    telling: socket.socket

    def give(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Each host's input and output, in the hosts' order."""
        for pair in pairs:
            socket.send_fds(self.telling, [b"+"], pair)
        self.telling.sendall(b".")

    def end(self) -> None:
        """Its input ends, and the kernel takes down all that it held."""
        self.telling.close()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()


def python() -> Path:
    """What houses and agents run on: the machine's own Python, else this one."""
    return SYSTEM_PYTHON if SYSTEM_PYTHON.exists() else Path(os.path.realpath(sys.executable))


def start(run: str) -> House:
    """A house that is in its namespaces, or on its way there, and waits to be told."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [python(), "-I", "-S", "-c", BEGIN, *PLACES, MARK + run],
            stdin=theirs.fileno(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
    return House(process, ours)
