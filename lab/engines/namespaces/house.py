"""The program that makes a deployment's hosts out of namespaces, and holds them up for as long as its input is open.

It runs by itself, under the plainest Python, in a user namespace of its own: standard library only, and nothing of the
lab but the agent's netlink. Its input is a socket, over which come each host's own input and output, and one JSON line
that says what to make. One line answers; then it waits for the end of its input.

    lab ──> first process ──> house: process 1 of a PID namespace; bridges, and a small read-only root
                                ├──> host: PID, network, mount, UTS and IPC namespace; the agent is its process 1
                                └──> host ...

When the house ends, however that comes, the kernel ends all that is in its PID namespace, and with it every network.
Root does not stay root: the machine's own settings would be open to it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import struct
import sys

NOBODY = 65534
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_NOATIME, MS_NODIRATIME, MS_BIND, MS_REC, MS_PRIVATE, MS_RELATIME = 1024, 2048, 4096, 16384, 1 << 18, 1 << 21
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
# What statvfs calls them, and mount: those that a mount has must stay when it is mounted again.
KEPT = ((2, MS_NOSUID), (4, MS_NODEV), (8, MS_NOEXEC), (1024, MS_NOATIME), (2048, MS_NODIRATIME), (4096, MS_RELATIME))
SHARED = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SETTINGS = "alternatives ld.so.cache ld.so.conf ld.so.conf.d localtime protocols services iproute2 xtables.conf".split()
DEVICES = ("null", "zero", "full", "random", "urandom")
USERS = "root:x:0:0::/root:/bin/sh\nlab:x:1000:1000::/tmp:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"
GROUPS = "root:x:0:\nlab:x:1000:\nnogroup:x:65534:\n"
NEW_LINK, NEW_ADDRESS = 16, 20
LINK, ADDRESS = struct.Struct("=BxHiII"), struct.Struct("=BBBBI")
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MASTER, IFLA_LINKINFO, IFLA_NET_NS_PID = 1, 3, 10, 18, 19
INFO_KIND, INFO_DATA, VETH_PEER = 1, 2, 1
UP, NO_DAD = 1, 2
# What the agent imports: it is there already when a host becomes one.
MODULES = (
    *("array", "base64", "binascii", "errno", "heapq", "marshal", "queue", "select", "struct", "subprocess"),
    *("threading", "time", "types", "weakref"),
)
SO_TIMESTAMPNS = 35
# As containers have them: any program may take any port, and may ping.
NAMES = ("/etc/resolv.conf", "/etc/nsswitch.conf")
SYSCTLS = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 0"}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Spec = dict[str, Any]

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


def main() -> None:
    """Enter the namespaces; once it is told what to make, make it, answer, and wait."""
    write("/proc/self/oom_score_adj", "1000")  # a machine without memory ends its hosts before anything else
    sys.path.insert(0, sys.argv[1])
    for name in ("netlink", *MODULES):  # later, they may lie where nobody may read
        __import__(name)
    try:
        enter()
    except (Trouble, OSError) as trouble:
        answer(trouble)
        os._exit(1)
    child = os.fork()
    if child:
        os.closerange(0, 2)
        os.closerange(3, 65536)
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0x7F)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    stamps = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # asked early, and for as long as the house stands:
    stamps.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)  # the kernel takes up to 50 ms to begin to stamp packets
    stamps.detach()
    try:
        root = make_root()
        pairs, spec = told()
        enter_root(root, spec)
        hosts = make(spec, pairs)
    except (Trouble, OSError) as trouble:
        answer(trouble)
        os._exit(1)
    answer(None, hosts)
    hold()


def told() -> tuple[list[list[int]], Spec]:
    """Each host's input and output, and what is to be made; who asked may end before having said it."""
    pairs, data = [], b""
    with socket.socket(fileno=os.dup(0)) as asker:
        while True:
            mark, pair, _, _ = socket.recv_fds(asker, 1, 2)
            if mark != b"+":
                break
            pairs.append(pair)
        while mark and not data.endswith(b"\n"):
            mark = asker.recv(1 << 20)
            data += mark
    if not mark:
        os._exit(0)
    return pairs, json.loads(data)


def answer(trouble: Exception | None, hosts: dict[str, int] | None = None) -> None:
    """The one line: the hosts' process ids, or what went wrong."""
    told = (
        {"hosts": hosts}
        if trouble is None
        else {
            "kind": getattr(trouble, "kind", "host"),
            "error": str(trouble),
            "number": getattr(trouble, "number", 0) or getattr(trouble, "errno", 0) or 0,
        }
    )
    with contextlib.suppress(BrokenPipeError):
        os.write(1, json.dumps(told).encode() + b"\n")


def hold() -> None:
    """Until the input ends; after `keep`, until a signal comes."""
    while data := os.read(0, 4096):
        if b"keep" in data:
            while True:
                signal.pause()
    os._exit(0)


def enter() -> None:
    """A user namespace in which one unprivileged user is root, and the others that are made with it."""
    if os.geteuid() == 0:
        step_down()
    user, group = os.geteuid(), os.getegid()
    flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC
    call("user-namespace", "unshare", flags)
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"0 {user} 1")
    write("/proc/self/gid_map", f"0 {group} 1")


def step_down() -> None:
    """Root becomes nobody. Where a user namespace has root alone, that must be an unprivileged user outside of it."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        users = [[int(number) for number in line.split()] for line in file]
    if any(first <= NOBODY < first + count for first, _, count in users):
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    elif any(first == outside == 0 for first, outside, _ in users):
        raise Trouble("root", "this is root in a user namespace that has no other user to become")


def make(spec: Spec, pairs: list[list[int]]) -> dict[str, int]:
    """The networks and the hosts; the hosts' process ids as this namespace counts them."""
    netlink = __import__("netlink")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how an agent ended
    for setting in ("all", "default"):
        with contextlib.suppress(FileNotFoundError):
            write(f"/proc/sys/net/ipv6/conf/{setting}/disable_ipv6", "1")
    bridges = {}
    for number, network in enumerate(spec["networks"]):
        kind = netlink.attribute(IFLA_LINKINFO, netlink.attribute(INFO_KIND, b"bridge"))
        name = f"net{number}"
        order(netlink, LINK.pack(0, 0, 0, UP, UP) + netlink.attribute(IFLA_IFNAME, name.encode() + b"\0") + kind)
        bridges[network] = socket.if_nametoindex(name)
    hosts = [Host(spec, host, pair) for host, pair in zip(spec["hosts"], pairs, strict=True)]
    for pair in pairs:
        for descriptor in pair:
            os.close(descriptor)  # its pipe ends with the agent
    number = 0
    for host in hosts:
        for place, face in enumerate(host.plan["interfaces"]):
            number += 1
            order(netlink, veth(netlink, f"v{number}", bridges[face["network"]], f"eth{place}", host.pid))
        host.go()
    for host in hosts:
        host.wait()
    return {host.plan["name"]: host.pid for host in hosts}


def order(netlink: Any, body: bytes) -> None:
    """A new link."""
    try:
        netlink.order(NEW_LINK, netlink.CREATE | netlink.EXCLUSIVE, body)
    except OSError as error:
        raise Trouble("network", f"a link could not be made: {error.strerror}", error.errno or 0) from error


def veth(netlink: Any, name: str, bridge: int, peer: str, pid: int) -> bytes:
    """A pair: one end on the bridge, and up; the other in a host."""
    other = LINK.pack(0, 0, 0, 0, 0) + netlink.attribute(IFLA_IFNAME, peer.encode() + b"\0")
    other += netlink.attribute(IFLA_NET_NS_PID, struct.pack("=I", pid))
    data = netlink.attribute(INFO_DATA, netlink.attribute(VETH_PEER, other))
    info = netlink.attribute(IFLA_LINKINFO, netlink.attribute(INFO_KIND, b"veth") + data)
    master = netlink.attribute(IFLA_MASTER, struct.pack("=I", bridge))
    whole = netlink.attribute(IFLA_IFNAME, name.encode() + b"\0") + master + info
    return LINK.pack(0, 0, 0, UP, UP) + bytes(whole)


class Host:
    """A child in namespaces of its own, which waits for its links and then becomes the agent."""

    def __init__(self, spec: Spec, plan: Spec, pair: list[int]) -> None:
        self.plan = plan
        told, tells = os.pipe()
        self.gate, gate = os.pipe()
        self.status, status = told, tells
        between = os.fork()
        if between == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(gate)
            try:
                call("host", "unshare", CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWIPC)
                child = os.fork()
                if child:
                    os.write(status, json.dumps({"pid": child}).encode() + b"\n")
                    os._exit(0)
                become_host(spec, plan, pair, self.gate, status)
            except BaseException as trouble:
                with contextlib.suppress(OSError):
                    os.write(status, failure(trouble))
                os._exit(1)
        os.close(self.gate)
        os.close(status)
        self._gate = gate
        self.pid = self._read()["pid"]

    def go(self) -> None:
        """Its links are there."""
        os.close(self._gate)

    def wait(self) -> None:
        """Until it is ready; Trouble says why it never will be."""
        self._read()
        os.close(self.status)

    def _read(self) -> Spec:
        data = b""
        while not data.endswith(b"\n"):
            piece = os.read(self.status, 4096)
            if not piece:
                raise Trouble("host", f"{self.plan['name']}: its first process ended")
            data += piece
        told: Spec = json.loads(data.splitlines()[-1])
        if "error" in told:
            raise Trouble(told["kind"], told["error"], told["number"])
        return told


def failure(trouble: BaseException) -> bytes:
    """A line for the house."""
    kind, number = getattr(trouble, "kind", "host"), getattr(trouble, "number", getattr(trouble, "errno", 0))
    return json.dumps({"kind": kind, "error": str(trouble), "number": number or 0}).encode() + b"\n"


def become_host(spec: Spec, plan: Spec, pair: list[int], gate: int, status: int) -> None:
    """Everything that is a host's own, then the agent."""
    call("mount", "mount", "proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None)
    call("mount", "mount", "tmp", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=64m,mode=1777")
    if plan["nameserver"]:
        own_names()
    socket.sethostname(plan["name"])
    os.read(gate, 1)
    os.close(gate)
    attach(plan)
    set_sysctls(plan)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(pair[0], 0)
    os.dup2(pair[1], 1)
    os.dup2(nowhere, 2)
    os.write(status, b'{"ready": true}\n')
    os.closerange(3, 65536)
    os.setsid()
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    sys.argv = ["agent"]
    try:
        exec(compile(spec["bootstrap"], "bootstrap", "exec"), {"__name__": "__main__"})
    finally:
        os._exit(0)


def own_names() -> None:
    """Files of names that this host's agent may write, in place of those that all hosts share."""
    for path in NAMES:
        own = "/tmp/names"
        put(own, "")
        call("mount", "mount", own, path, None, MS_BIND, None)
        os.unlink(own)


def attach(plan: Spec) -> None:
    """Addresses, and the links up."""
    netlink = __import__("netlink")
    for place, face in enumerate(plan["interfaces"]):
        index = socket.if_nametoindex(f"eth{place}")
        if not face["ipv6"]:
            with contextlib.suppress(FileNotFoundError):
                write(f"/proc/sys/net/ipv6/conf/eth{place}/disable_ipv6", "1")
        netlink.order(NEW_LINK, 0, LINK.pack(0, 0, index, UP, UP))
        for family, address, length in (
            (socket.AF_INET, face["address"], face["length"]),
            (socket.AF_INET6, face["ipv6"], 64),
        ):
            if address:
                raw = socket.inet_pton(family, address)
                flags = NO_DAD if family == socket.AF_INET6 else 0
                body = ADDRESS.pack(family, length, flags, 0, index)
                body += netlink.attribute(2, raw) + netlink.attribute(1, raw)
                netlink.order(NEW_ADDRESS, netlink.CREATE | netlink.EXCLUSIVE, body)


def set_sysctls(plan: Spec) -> None:
    """The defaults where the kernel has them, and what the plan says."""
    for key, value in (SYSCTLS | plan["sysctls"]).items():
        try:
            write("/proc/sys/" + key.replace(".", "/"), value)
        except OSError as error:
            if key in plan["sysctls"]:
                raise Trouble("sysctl", key, error.errno or 0) from error


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


main()
