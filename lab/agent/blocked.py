"""Whether a thread sleeps in the system call of its socket; Linux's /proc tells."""

from __future__ import annotations

import os

_POLL = {"x86_64": ("7", "271"), "aarch64": ("73",), "riscv64": ("73",)}.get(os.uname().machine, ("168", "336"))


def asleep(thread: int, descriptor: int) -> bool:
    """True once the thread blocks in a call on the descriptor, or polls, as Python does before a call with a timeout;
    False while it runs, or waits for the interpreter."""
    try:
        number, *arguments = _read(thread, "syscall").split()
    except OSError:
        return _seems_asleep(thread)
    if number in _POLL:
        return True
    return bool(arguments) and number.isdigit() and arguments[0] == hex(descriptor)


def _seems_asleep(thread: int) -> bool:
    """The same where /proc hides system calls (`/proc/.../syscall` is an option of the kernel)."""
    try:
        state = _read(thread, "stat").rpartition(")")[2].split()[0]
        place = _read(thread, "wchan")
    except OSError:
        return False
    return state == "S" and place not in ("", "0") and "futex" not in place


def _read(thread: int, name: str) -> str:
    with open(f"/proc/self/task/{thread}/{name}") as file:
        return file.read()
