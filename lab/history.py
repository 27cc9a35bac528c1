"""What was observed, in order: the only thing that is judged.

Every observation is a frozen Struct with the host that saw it and a time in nanoseconds since the epoch (all
hosts of one engine share that clock). A history is saved as JSON lines and read back equal. What an observation
means is for `attempts` and `checks` to say.
"""

import base64
import json
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from msgspec import Struct, convert, to_builtins

if TYPE_CHECKING:
    Value = None | bool | int | float | str | bytes | list["Value"] | tuple["Value", ...] | dict[str, "Value"]
else:
    Value = object  # a list and a tuple in one union are more than msgspec can tell apart


class Observation(Struct, frozen=True, forbid_unknown_fields=True):
    """What one host saw at one time (ns since the epoch)."""

    kind: ClassVar[str]
    host: str
    time: int


class Call(Observation, frozen=True):
    """A call of the socket API: by a `call` step (`caller` is its socket's name), or by a program under strace
    (`caller` is `pid.fd`, one socket's life as the program numbers it).

    `time` is its start and `ended` its end (None: it never ended). `function` is the API's or the system call's name.
    `error` is the errno's name (`ECONNREFUSED`), `TIMEOUT` for the caller's own deadline, or the exception's class
    name where there is no errno (`OverflowError`); None where the call succeeded. `result` is what it returned.
    `local` and `remote` are (address, port) where the call tells them. `turn` is which one of a repeated step's, here
    and below.
    """

    kind: ClassVar[str] = "call"
    step: int
    caller: str
    function: str
    arguments: tuple[Value, ...] = ()
    result: Value = None
    error: str | None = None
    message: str = ""
    ended: int | None = None
    local: tuple[str, int] | None = None
    remote: tuple[str, int] | None = None
    program: bool = False
    turn: int = 0


class Packet(Observation, frozen=True):
    """A packet that a host's tap saw on one of its interfaces (`lo` or a network's name).

    `outgoing` is as the tap saw it. `protocol` is tcp, udp, icmp, icmp6, arp, igmp or ethertype-XXXX. `flags` are words
    out of SYN ACK FIN RST PSH URG, in this order; `seq`, `ack`, `length` (payload
    bytes) and `window` are TCP's or UDP's.
    `icmp` names the ICMP type and code (`port-unreachable`, `host-prohibited`, `echo-request`) or the ARP operation
    (`who-has`, `is-at`); `about` is the packet that an ICMP error quotes: (protocol, source, sport, destination,
    dport). `dns` tells a DNS message in words (`query A server`, `answer A server 10.1.2.3`). `size` is the frame's
    length on the wire; `frame` is its captured part, and `header` how many bytes of it stand before the payload.
    """

    kind: ClassVar[str] = "packet"
    interface: str
    outgoing: bool
    protocol: str
    source: str = ""
    destination: str = ""
    sport: int = 0
    dport: int = 0
    flags: tuple[str, ...] = ()
    seq: int = 0
    ack: int = 0
    length: int = 0
    window: int = 0
    ttl: int = 0
    icmp: str = ""
    about: tuple[str, str, int, str, int] | None = None
    dns: str = ""
    size: int = 0
    frame: bytes = b""
    header: int = 0

    @property
    def data(self) -> bytes:
        """The payload, as far as it was captured."""
        rest = self.frame[self.header :]
        return rest[: self.length] if self.protocol in ("tcp", "udp") else rest


class Tap(Observation, frozen=True):
    """Proof that a host's tap was awake: from `time` to `until` it read a marker frame at both ends, counted `seen`
    frames and lost `dropped`. The socket table was read right after `until`, too."""

    kind: ClassVar[str] = "tap"
    until: int
    seen: int
    dropped: int


class SocketRow(Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a socket table, states as `ss` names them (LISTEN, SYN-RECV, ESTAB, TIME-WAIT, …). Of a listener,
    Recv-Q is how many connections wait and Send-Q how many may."""

    protocol: str
    state: str
    local: tuple[str, int]
    remote: tuple[str, int]
    recv_q: int
    send_q: int
    uid: int = 0
    v6only: bool = False


class Sockets(Observation, frozen=True):
    """A host's socket table at the end of a step."""

    kind: ClassVar[str] = "sockets"
    step: int
    rows: tuple[SocketRow, ...]


class SocketSeen(Observation, frozen=True):
    """One socket of a host, where it was seen to have changed: its row at a reading that ended at `time`, or its last
    row where the table lists it no more (`gone`). `id` is the kernel's own for a socket's whole life, the same from
    SYN-RECV to TIME-WAIT. Readings follow calls and packets closely, but a state may pass between two of them."""

    kind: ClassVar[str] = "socket"
    id: int
    row: SocketRow
    gone: bool = False


class View(Observation, frozen=True):
    """What a tool (`command`, as in `netstat -an`) printed on the host at the end of a step, as it printed it."""

    kind: ClassVar[str] = "view"
    step: int
    command: str
    code: int
    data: bytes


class Counters(Observation, frozen=True):
    """The kernel's counters of a host's network namespace, named as nstat names them; step -1 is the case's start."""

    kind: ClassVar[str] = "counters"
    step: int
    values: dict[str, int]


class Output(Observation, frozen=True):
    """What a process wrote, in the pieces in which it came; `step` is the step that started the process."""

    kind: ClassVar[str] = "output"
    step: int
    stream: str
    data: bytes
    turn: int = 0


class Exit(Observation, frozen=True):
    """How the process of a step ended: `code` as the shell tells it (128 + signal); `because` is empty where it ended
    by itself, else `stopped`, `timeout` or `case-end`."""

    kind: ClassVar[str] = "exit"
    step: int
    code: int
    because: str = ""
    turn: int = 0


class Fate(Observation, frozen=True):
    """What became of a packet of an impaired link, the `number`-th of those that were meant: `effects` are words out of
    lost overflowed delayed duplicated reordered, none where it passed. `packet.outgoing` is the link's direction."""

    kind: ClassVar[str] = "fate"
    number: int
    effects: tuple[str, ...]
    packet: Packet


class Note(Observation, frozen=True):
    """What the runner did or could not do: `what` is step-begin, turn, step-end, trace, problem, kernel, …"""

    kind: ClassVar[str] = "note"
    what: str
    step: int = -1
    text: str = ""


KINDS: dict[str, type[Observation]] = {
    cls.kind: cls for cls in (Call, Packet, Tap, Sockets, SocketSeen, View, Counters, Output, Exit, Fate, Note)
}
WRAPPERS = {"bytes", "tuple", "dict"}
T = TypeVar("T", bound=Observation)


class History(Struct, frozen=True, dict=True):
    """All observations of a case, in the order of their times."""

    observations: tuple[Observation, ...] = ()

    @classmethod
    def of(cls, observations: Iterable[Observation]) -> "History":
        """The history of these, put in order."""
        return cls(tuple(sorted(observations, key=lambda seen: seen.time)))

    def all(self, kind: type[T], host: str | None = None) -> Iterator[T]:
        """The observations of a kind, of one host or of all."""
        for seen in self._by_kind.get(kind, ()):
            if isinstance(seen, kind) and host in (None, seen.host):
                yield seen

    @cached_property
    def _by_kind(self) -> dict[type[Observation], list[Observation]]:
        """Checks ask for the few taps of a long history again and again."""
        found: dict[type[Observation], list[Observation]] = {}
        for seen in self.observations:
            found.setdefault(type(seen), []).append(seen)
        return found

    def window(self, step: int) -> tuple[int, int] | None:
        """When a step began and ended (ns); None where it did not do both."""
        times = {note.what: note.time for note in self.all(Note) if note.step == step}
        if "step-begin" not in times or "step-end" not in times:
            return None
        return times["step-begin"], times["step-end"]


def dumps(history: History) -> str:
    """JSON lines, one an observation."""
    return "".join(f"{json.dumps(_line(seen))}\n" for seen in history.observations)


def _line(seen: Observation) -> dict[str, Any]:
    plain: dict[str, Any] = _plain(to_builtins(seen, builtin_types=(bytes,)))
    return {"kind": seen.kind} | plain


def loads(text: str) -> History:
    """The history that `dumps` wrote; ValueError says what is wrong in which line (`line 3: ...`)."""
    observations = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            observations.append(_observation(json.loads(line)))
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"line {number}: {error}") from error
    return History(tuple(observations))


def _observation(raw: Any) -> Observation:
    kind = raw.pop("kind", None) if isinstance(raw, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"expected one of the kinds {', '.join(KINDS)}, observed {kind!r}")
    return convert({name: to_value(value) for name, value in raw.items()}, KINDS[kind])


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        plain = {key: _plain(item) for key, item in value.items()}
        return {"dict": plain} if len(value) == 1 and value.keys() <= WRAPPERS else plain
    if isinstance(value, tuple):
        return {"tuple": [_plain(item) for item in value]}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def to_value(raw: Any) -> Any:
    """A value back from JSON, in which bytes and tuples are wrapped: `{"bytes": base64}`, `{"tuple": [...]}`; and so is
    a mapping that looks like one of these: `{"dict": {...}}`."""
    if isinstance(raw, list):
        return [to_value(item) for item in raw]
    if isinstance(raw, dict):
        if raw.keys() == {"bytes"}:
            return base64.b64decode(raw["bytes"], validate=True)
        if raw.keys() == {"tuple"}:
            return tuple(to_value(item) for item in raw["tuple"])
        if raw.keys() == {"dict"}:
            raw = raw["dict"]
        return {key: to_value(item) for key, item in raw.items()}
    return raw
