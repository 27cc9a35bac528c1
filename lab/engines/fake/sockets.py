"""Python's socket class for the processes of a fake host: the API's own rules (time-outs, exceptions, addresses)
over the endpoints of its kernel. What is not modelled raises Unmodelled, never a guess."""

import errno
import socket as real
from collections.abc import Callable
from typing import Any, ClassVar

from lab.engines.fake.endpoint import CONNECTED, Endpoint, as_text, failure
from lab.engines.fake.names import linux, option_name, quoted, resolve
from lab.engines.fake.process import Process, Unmodelled
from lab.engines.fake.wire import Address

PEEK, DONTWAIT = real.MSG_PEEK, getattr(real, "MSG_DONTWAIT", 0x40)
QUIET_OPTIONS = {(real.SOL_SOCKET, real.SO_KEEPALIVE), (real.IPPROTO_TCP, real.TCP_NODELAY)}
Kernel = tuple[Any, int, str]


class Socket:
    """`socket.socket` of one process (a subclass has the process)."""

    process: ClassVar[Process]

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:
        self.family = real.AF_INET if family == -1 else real.AddressFamily(family)
        kind = real.SOCK_STREAM if type == -1 else type & ~_flag("SOCK_NONBLOCK") & ~_flag("SOCK_CLOEXEC")
        self.type, self.proto = real.SocketKind(kind), max(proto, 0)
        if self.family not in (real.AF_INET, real.AF_INET6) or kind != real.SOCK_STREAM:
            raise Unmodelled(f"sockets of {self.family.name} and {self.type.name}, only TCP")
        self._timeout: float | None = 0.0 if type > 0 and type & _flag("SOCK_NONBLOCK") else None
        self._fd = self._open() if fileno is None else fileno
        self._options: dict[tuple[int, int], int] = {}
        self._announced = False

    def __getattr__(self, name: str) -> Any:
        if hasattr(real.socket, name) and not name.startswith("_"):
            raise Unmodelled(f"socket.{name}")
        raise AttributeError(f"'socket' object has no attribute {name!r}")

    def __enter__(self) -> "Socket":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        actor = self.process.world.current
        if actor and actor.is_here() and not actor.killed and self.__dict__.get("_fd", -1) >= 0:
            self.close()

    def fileno(self) -> int:
        """The descriptor; -1 once it is closed."""
        return self._fd

    def settimeout(self, value: float | None) -> None:
        """None: calls block; 0: they never do; else they wait so many seconds."""
        if value is not None and value < 0:
            raise ValueError("Timeout value out of range")
        self._timeout = value

    def gettimeout(self) -> float | None:
        """What settimeout set."""
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        """True: settimeout(None); False: settimeout(0)."""
        self._timeout = None if flag else 0.0

    def bind(self, address: Any) -> None:
        """Take an address."""
        target = self._address(address, "bind")
        self._do("bind", self._shown(target), lambda it: it.bind(*target))

    def listen(self, backlog: int = 128) -> None:
        """Become a listener."""
        self._do("listen", str(backlog), lambda it: it.listen(backlog))

    def accept(self) -> tuple["Socket", Any]:
        """The next connection, and its peer."""
        it = self._endpoint()
        self._poll(lambda: it.state != "LISTEN" or bool(it.queue))

        def action() -> Kernel:
            if it.state != "LISTEN":
                raise failure(errno.EINVAL)
            self._ready(lambda: bool(it.queue))
            child = it.queue.popleft()
            child.uid = self.process.uid
            number = self.process.open(child)
            return (child, number), number, f"{self._fd}, {self._shown(child.remote)}, [128 => 16], SOCK_CLOEXEC"

        child, number = self.process.system("accept4", str(self._fd), action)
        sock = type(self)(self.family, self.type, self.proto, fileno=number)
        sock._name("getsockname", child.local)
        return sock, self._tuple(child.remote)

    def connect(self, address: Any) -> None:
        """Connect, or raise what came in the way."""
        number = self._connect(address)
        if number is None:
            raise TimeoutError("timed out")
        if number:
            raise failure(number)

    def connect_ex(self, address: Any) -> int:
        """Connect, or return the errno."""
        number = self._connect(address)
        return linux(errno.EAGAIN if number is None else number)

    def send(self, data: bytes, flags: int = 0) -> int:
        """Hand over bytes; how many were taken."""
        _only(flags, DONTWAIT)
        it, payload = self._endpoint(), bytes(data)
        if not flags:
            self._poll(lambda: it.state not in ("SYN-SENT", *CONNECTED) or it.room() > 0)

        def action() -> Kernel:
            taken = self._give(it, payload, patient=self._timeout is None and not flags)
            return taken, taken, before

        before = f"{self._fd}, {quoted(payload)}, {len(payload)}, {'MSG_DONTWAIT' if flags else 0}, NULL, 0"
        return int(self.process.system("sendto", before, action))

    def sendall(self, data: bytes, flags: int = 0) -> None:
        """Hand over all of it."""
        rest = memoryview(bytes(data))
        while True:
            rest = rest[self.send(bytes(rest), flags) :]
            if not rest:
                return

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Up to so many bytes; b'' at the end."""
        _only(flags, PEEK | DONTWAIT)
        it = self._endpoint()

        def ready() -> bool:
            return bool(it.received or it.eof or it.error or it.deaf or it.state in ("UNCONN", "LISTEN") or not size)

        self._poll(ready)

        def action() -> Kernel:
            if not it.tried and not it.remote:
                raise failure(errno.ENOTCONN)
            if not ready():
                self._ready(ready, never=bool(flags & DONTWAIT))
            data = self._take(it, size, bool(flags & PEEK))
            return (
                data,
                len(data),
                f"{self._fd}, {quoted(data)}, {size}, {'MSG_PEEK' if flags & PEEK else 0}, NULL, NULL",
            )

        return bytes(self.process.system("recvfrom", f"{self._fd}, 0x7f00, {size}, 0, NULL, NULL", action))

    def shutdown(self, how: int) -> None:
        """No more to send, to receive, or both."""

        def action(it: Endpoint) -> None:
            if it.remote is None or it.state in ("UNCONN", "SYN-SENT"):
                raise failure(errno.ENOTCONN)
            it.deaf = it.deaf or how in (real.SHUT_RD, real.SHUT_RDWR)
            if how in (real.SHUT_WR, real.SHUT_RDWR):
                it.finish()

        self._do("shutdown", ("SHUT_RD", "SHUT_WR", "SHUT_RDWR")[how], action)

    def close(self) -> None:
        """Let go of the connection."""
        if self._fd >= 0:
            number, self._fd = self._fd, -1
            endpoint = self.process.descriptors.pop(number, None)
            try:
                self.process.system("close", str(number), lambda: (None, 0, str(number)))
            finally:
                if endpoint:
                    endpoint.close()

    def detach(self) -> int:
        """The descriptor, which stays open."""
        number, self._fd = self._fd, -1
        return number

    def getsockname(self) -> Any:
        """The own address."""
        return self._name("getsockname", self._endpoint().local)

    def getpeername(self) -> Any:
        """The peer's address."""
        it = self._endpoint()
        if it.remote is None or it.state in ("SYN-SENT", "UNCONN"):
            raise failure(errno.ENOTCONN)
        return self._name("getpeername", it.remote)

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        """Those options that mean something here."""
        name = option_name(level, option)
        self._do("setsockopt", f"{name}, [{value!r}], 4", lambda it: self._set(it, name, level, option, value))

    def getsockopt(self, level: int, option: int, size: int = 0) -> int:
        """SO_ERROR, and what setsockopt set."""
        value = self._getsockopt(level, option)
        return linux(value) if (level, option) == (real.SOL_SOCKET, real.SO_ERROR) else value

    def _getsockopt(self, level: int, option: int) -> int:
        name = option_name(level, option)

        def action() -> Kernel:
            it = self._endpoint()
            if name == "SOL_SOCKET, SO_ERROR":
                number, it.error = it.error, 0
                shown = errno.errorcode[number] if number else "0"
                return number, 0, f"{self._fd}, {name}, [{shown}], [4]"
            if name == "SOL_SOCKET, SO_TYPE":
                return int(self.type), 0, f"{self._fd}, {name}, [SOCK_STREAM], [4]"
            if (level, option) not in self._options:
                raise Unmodelled(f"getsockopt({name}) of what was not set before")
            value = self._options[level, option]
            return value, 0, f"{self._fd}, {name}, [{value}], [4]"

        return int(self.process.system("getsockopt", f"{self._fd}, {name}", action))

    def readable(self) -> bool:
        """Whether recv or accept would not block."""
        it = self._endpoint()
        return bool(it.queue or it.received or it.eof or it.error or it.state == "UNCONN")

    def writable(self) -> bool:
        """Whether send would not block."""
        it = self._endpoint()
        return bool(it.error) or it.state == "UNCONN" or (it.state in CONNECTED and it.room() > 0)

    def _open(self) -> int:
        def action() -> Kernel:
            number = self.process.open(Endpoint(self.process.host.tcp, self._version, self.process.uid))
            return number, number, before

        before = f"{self.family.name}, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP"
        return int(self.process.system("socket", before, action))

    @property
    def _version(self) -> int:
        return 4 if self.family == real.AF_INET else 6

    def _endpoint(self) -> Endpoint:
        return self.process.endpoint(self._fd)

    def _do(self, name: str, shown: str, action: Callable[[Endpoint], None]) -> None:
        """A system call that gives nothing back."""
        it, before = self._endpoint(), f"{self._fd}, {shown}"

        def whole() -> Kernel:
            action(it)
            return None, 0, before

        self.process.system(name, before, whole)

    def _poll(self, ready: Callable[[], bool]) -> None:
        """With a time-out Python waits before the system call."""
        if self._timeout and not self.process.sleep(ready, self._timeout):
            raise TimeoutError("timed out")

    def _ready(self, ready: Callable[[], bool], never: bool = False) -> None:
        """Inside of the system call: wait, or say EAGAIN."""
        if not ready():
            if never or self._timeout is not None:
                raise failure(errno.EAGAIN)
            self.process.sleep(ready)

    def _connect(self, address: Any) -> int | None:
        """The errno, 0 for success, None where the caller's own time is over."""
        target = self._address(address, "connect")
        it = self._endpoint()
        try:
            self._do("connect", self._shown(target), lambda it: self._shake(it, target))
        except OSError as error:
            if error.errno != errno.EINPROGRESS or not self._timeout:
                return error.errno
        else:
            return 0
        if not self.process.sleep(lambda: it.state != "SYN-SENT", self._timeout):
            return None
        return self._getsockopt(real.SOL_SOCKET, real.SO_ERROR)

    def _shake(self, it: Endpoint, target: tuple[Address, int]) -> None:
        if it.state == "SYN-SENT" and self._timeout is not None:
            raise failure(errno.EALREADY)
        if it.state != "SYN-SENT":
            if it.error and not it.remote:
                self._raise(it)
            if it.tried and it.state in CONNECTED and not self._announced:
                self._announced = True
                return
            if it.remote or it.state == "LISTEN":
                raise failure(errno.EISCONN)
            it.connect(*target, patient=self._timeout is None)
            if self._timeout is not None:
                raise failure(errno.EINPROGRESS)
        self.process.sleep(lambda: it.state != "SYN-SENT")
        self._announced = True
        if it.error:
            self._raise(it)

    @staticmethod
    def _raise(it: Endpoint) -> None:
        number, it.error = it.error, 0
        raise failure(number)

    def _give(self, it: Endpoint, payload: bytes, patient: bool) -> int:
        taken = 0
        while True:
            if it.state != "SYN-SENT" and (it.error or it.state not in CONNECTED):
                if taken:
                    return taken
                if it.error:
                    self._raise(it)
                raise failure(errno.EPIPE)
            taken += it.write(payload[taken:]) if it.state in CONNECTED else 0
            if taken == len(payload) or (taken and not patient):
                return taken
            self._ready(lambda: it.state not in ("SYN-SENT", *CONNECTED) or it.room() > 0, never=not patient)

    def _take(self, it: Endpoint, size: int, peek: bool) -> bytes:
        if not it.received and it.error and not it.eof:
            self._raise(it)
        return it.read(size, peek)

    def _set(self, it: Endpoint, name: str, level: int, option: int, value: Any) -> None:
        number = value if isinstance(value, int) else int.from_bytes(value[:4], "little")
        match name.partition(", ")[2]:
            case "SO_REUSEADDR":
                it.reuse = bool(number)
            case "IPV6_V6ONLY":
                it.v6only = bool(number)
            case "SO_LINGER" if not isinstance(value, int):
                it.abort = bool(number) and not any(value[4:8])
            case "SO_SNDBUF" | "SO_RCVBUF":
                number *= 2
                setattr(it, "send_size" if name.endswith("SNDBUF") else "receive_size", number)
            case "TCP_SYNCNT":
                it.syn_retries = number
            case _ if (level, option) not in QUIET_OPTIONS:
                raise Unmodelled(f"setsockopt({name})")
        self._options[level, option] = number

    def _name(self, name: str, address: tuple[Address, int] | None) -> Any:
        def action() -> Kernel:
            return None, 0, f"{self._fd}, {self._shown(address)}, [128 => 16]"

        self.process.system(name, str(self._fd), action)
        return self._tuple(address)

    def _tuple(self, address: tuple[Address, int] | None) -> Any:
        if address is None:
            return ("0.0.0.0", 0) if self._version == 4 else ("::", 0, 0, 0)
        text = as_text(address[0], self._version)
        return (text, address[1]) if self._version == 4 else (text, address[1], 0, 0)

    def _shown(self, address: tuple[Address, int] | None) -> str:
        """A socket address as strace writes it."""
        text, port, *_ = self._tuple(address)
        if self._version == 4:
            return f'{{sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr("{text}")}}, 16'
        inside = f'sin6_port=htons({port}), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "{text}", &sin6_addr)'
        return f"{{sa_family=AF_INET6, {inside}, sin6_scope_id=0}}, 28"

    def _address(self, address: Any, method: str) -> tuple[Address, int]:
        """(address, port) of what the caller gave; TypeError, OverflowError and gaierror as Python raises them."""
        if not isinstance(address, tuple):
            raise TypeError(f"{method}(): AF_INET address must be tuple, not {type(address).__name__}")
        if len(address) not in ((2,) if self._version == 4 else (2, 3, 4)):
            raise TypeError(f"{method}(): AF_INET address must be a pair (host, port)")
        host, port = address[:2]
        if not isinstance(host, str):
            raise TypeError("str, bytes or bytearray expected, not " + type(host).__name__)
        if not isinstance(port, int):
            raise TypeError(f"'{type(port).__name__}' object cannot be interpreted as an integer")
        found = resolve(self.process, host, self._version)[0]
        if not 0 <= port <= 65535:
            raise OverflowError(f"{method}(): port must be 0-65535.")
        return found, port


def _flag(name: str) -> int:
    return int(getattr(real, name, 0))


def _only(flags: int, known: int) -> None:
    if flags & ~known:
        raise Unmodelled(f"the flags {flags & ~known:#x} of send and recv")
