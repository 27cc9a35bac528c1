"""The small read-only file system that all hosts of a house share."""

from __future__ import annotations

import os

from .kernel import (
    MNT_DETACH,
    MS_BIND,
    MS_NOATIME,
    MS_NODEV,
    MS_NODIRATIME,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_RELATIME,
    MS_REMOUNT,
    call,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Spec = dict[str, Any]

# What statvfs calls them, and mount: those that a mount has must stay when it is mounted again.
KEPT = ((2, MS_NOSUID), (4, MS_NODEV), (8, MS_NOEXEC), (1024, MS_NOATIME), (2048, MS_NODIRATIME), (4096, MS_RELATIME))
SHARED = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SETTINGS = "alternatives ld.so.cache ld.so.conf ld.so.conf.d localtime protocols services iproute2 xtables.conf".split()
DEVICES = ("null", "zero", "full", "random", "urandom")
USERS = "root:x:0:0::/root:/bin/sh\nlab:x:1000:1000::/tmp:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"
GROUPS = "root:x:0:\nlab:x:1000:\nnogroup:x:65534:\n"


def make_root() -> str:
    """A small tree: the machine's programs and libraries, a few of its settings, nothing of its users'."""
    root = "/mnt" if os.path.isdir("/mnt") else "/sys"
    call("mount", "mount", "none", "/", None, MS_REC | MS_PRIVATE, None)
    call("mount", "mount", "root", root, "tmpfs", MS_NOSUID | MS_NODEV, "size=16m,mode=755")
    for path in SHARED:
        if os.path.islink(path):
            os.symlink(os.readlink(path), root + path)
        elif os.path.isdir(path):
            share(path, root)
    for name in SETTINGS:
        if os.path.exists(f"/etc/{name}"):
            share(os.path.realpath(f"/etc/{name}"), root, f"/etc/{name}")
    for name in DEVICES:
        share(f"/dev/{name}", root)
    for path, target in (
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "fd/0"),
        ("/dev/stdout", "fd/1"),
        ("/dev/stderr", "fd/2"),
    ):
        os.symlink(target, root + path)
    for path in ("/proc", "/tmp", "/root", "/sys", "/run"):
        os.makedirs(root + path, exist_ok=True)
    call("mount", "mount", "proc", root + "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None)
    return root


def enter_root(root: str, spec: Spec) -> None:
    """With the plan's own files in it, it is all that there is from now on, and can only be read."""
    files = {"/etc/passwd": USERS, "/etc/group": GROUPS, "/etc/hosts": spec["names"], "/etc/resolv.conf": ""}
    files["/etc/nsswitch.conf"] = "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n"
    files["/etc/host.conf"] = "multi on\n"  # a name has all of its addresses
    for path, text in files.items():
        put(root + path, text)
    for name, text in spec["programs"].items():
        put(f"{root}{spec['folder']}/{name}.py", text)
    os.chdir(root)
    call("mount", "pivot_root", ".", ".")
    call("mount", "umount2", ".", MNT_DETACH)
    os.chdir("/")
    call("mount", "mount", None, "/", None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, None)


def put(path: str, text: str) -> None:
    """A file that everybody may read."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o644)


def share(path: str, root: str, under: str = "") -> None:
    """A file or folder of the machine's, at its own place in the new root, to be read only."""
    target = root + (under or path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        put(target, "")
    has = os.statvfs(path).f_flag
    kept = sum(mine for theirs, mine in KEPT if has & theirs)
    call("mount", "mount", path, target, None, MS_BIND | MS_REC, None)
    call("mount", "mount", None, target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | kept, None)
