"""What of the kernel Python's library does not have, and what is said where it refuses."""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
# What a house has of its own, and each host in it.
OWN = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWIPC
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_NOATIME, MS_NODIRATIME, MS_BIND, MS_REC, MS_PRIVATE, MS_RELATIME = 1024, 2048, 4096, 16384, 1 << 18, 1 << 21
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38

libc = ctypes.CDLL(None, use_errno=True)


class Trouble(Exception):
    """What could not be made; `kind` is root, user-namespace, mount, network, sysctl or host."""

    def __init__(self, kind: str, words: str, number: int = 0) -> None:
        super().__init__(words)
        self.kind, self.number = kind, number


def call(kind: str, name: str, *arguments: str | int | None) -> None:
    """A function of the C library; Trouble where it fails."""
    plain = [item.encode() if isinstance(item, str) else item for item in arguments]
    if getattr(libc, name)(*plain) != 0:
        number = ctypes.get_errno()
        told = ", ".join(str(item) for item in arguments)
        raise Trouble(kind, f"{name}({told}): {os.strerror(number)}", number)


def write(path: str, text: str) -> None:
    """A setting of the kernel's."""
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
