"""Ten-line histories for tests: `Story().syn(1).rst(2)...history`. Times are milliseconds since the story's begin."""

from __future__ import annotations

from typing import Any, Self

from lab.checks.base import Seen
from lab.history import Call, Exit, History, Note, Observation, Output, Packet, SocketRow, Sockets, SocketSeen, Tap

MS = 1_000_000
BEGIN = 1_700_000_000_000 * MS
CLIENT, SERVER = ("10.9.0.3", 40000), ("10.9.0.2", 80)
OTHER = ("10.9.0.3", 40002)


def at(milliseconds: float) -> int:
    return BEGIN + round(milliseconds * MS)


class Story:
    """Step 1 of `client`, from 0 to `end` ms; its tap is awake all the time unless told `awake=False`."""

    def __init__(self, *, step: int = 1, end: float = 5000, awake: bool = True, host: str = "client") -> None:
        self.step, self.end, self.host = step, end, host
        self.seen: list[Observation] = [
            Note(host, at(0), "step-begin", step),
            Note(host, at(end), "step-end", step),
        ]
        if awake:
            self.tap(host)

    def tap(self, host: str, begin: float = -1, until: float | None = None, dropped: int = 0) -> Self:
        return self.add(Tap(host, at(begin), at(self.end - 0.01 if until is None else until), 9, dropped))

    def add(self, *observations: Observation) -> Self:
        self.seen += observations
        return self

    def call(
        self,
        time: float,
        function: str = "connect",
        *arguments: Any,
        error: str | None = None,
        ended: float | None = -1,
        remote: tuple[str, int] | None = None,
        **fields: Any,
    ) -> Self:
        """A call that took 1 ms unless told; a connect goes to SERVER."""
        remote = SERVER if remote is None and function.startswith("connect") else remote
        over = None if ended is None else at(time + 1 if ended < 0 else ended)
        fields = {"host": self.host, "step": self.step, "caller": "c"} | fields
        return self.add(
            Call(
                time=at(time),
                function=function,
                arguments=arguments,
                error=error,
                ended=over,
                remote=remote,
                **fields,
            )
        )

    def program(self, time: float, function: str = "connect", *arguments: Any, **fields: Any) -> Self:
        """The same, of a program under strace."""
        return self.call(time, function, *arguments, **{"program": True, "caller": "7.3"} | fields)

    def packet(
        self,
        time: float,
        *flags: str,
        back: bool = False,
        host: str | None = None,
        interface: str = "lan",
        local: tuple[str, int] = CLIENT,
        remote: tuple[str, int] = SERVER,
        **fields: Any,
    ) -> Self:
        source, destination = (remote, local) if back else (local, remote)
        known = {"protocol": "tcp", "ttl": 64, "seq": local[1]} | fields
        host = host or self.host
        ends = {"source": source[0], "sport": source[1], "destination": destination[0], "dport": destination[1]}
        return self.add(
            Packet(host, at(time), interface, outgoing=not back, flags=flags, **ends, **known)  # type: ignore[arg-type]
        )

    def syn(self, time: float, **fields: Any) -> Self:
        return self.packet(time, "SYN", **fields)

    def rst(self, time: float, **fields: Any) -> Self:
        return self.packet(time, "ACK", "RST", back=True, **fields)

    def handshake(self, time: float, **fields: Any) -> Self:
        self.syn(time, **fields)
        self.packet(time + 0.1, "SYN", "ACK", back=True, **fields)
        return self.packet(time + 0.2, "ACK", **fields)

    def icmp(self, time: float, word: str, source: str = SERVER[0], **fields: Any) -> Self:
        """An ICMP error about a SYN of the client's."""
        local, host = fields.pop("local", CLIENT), fields.pop("host", self.host)
        known = {"interface": "lan", "ttl": 64, "protocol": "icmp", "destination": local[0]} | fields
        about = ("tcp", *local, *SERVER)
        return self.add(
            Packet(host, at(time), outgoing=False, source=source, icmp=word, about=about, **known)  # type: ignore[arg-type]
        )

    def arp(self, time: float, word: str, **fields: Any) -> Self:
        asks = word == "who-has"
        ends = (CLIENT[0], SERVER[0]) if asks else (SERVER[0], CLIENT[0])
        known = {"interface": "lan", "outgoing": asks} | fields
        return self.add(
            Packet(self.host, at(time), protocol="arp", source=ends[0], destination=ends[1], icmp=word, **known)
        )

    def output(self, time: float, text: str, stream: str = "stdout") -> Self:
        return self.add(Output(self.host, at(time), self.step, stream, text.encode()))

    def exit(self, time: float, code: int = 0, because: str = "") -> Self:
        return self.add(Exit(self.host, at(time), self.step, code, because))

    def sockets(self, *rows: Any, host: str | None = None, step: int | None = None) -> Self:
        host = host or self.host
        return self.add(Sockets(host, at(self.end - 1), self.step if step is None else step, rows))

    def states(self, time: float, *states: str, local: Any = CLIENT, remote: Any = SERVER, **fields: Any) -> Self:
        """A socket seen to pass through these, 1 ms after each other; `gone` is no row any more."""
        known = {"id": 1, "protocol": "tcp", "host": self.host} | fields
        before = ""
        for number, state in enumerate(states):
            row = SocketRow(known["protocol"], before if state == "gone" else state, local, remote, 0, 0)
            self.add(SocketSeen(known["host"], at(time + number), known["id"], row, state == "gone"))
            before = state
        return self

    @property
    def history(self) -> History:
        return History.of(self.seen)

    def look(self, action: str = "call", on: str | None = None, **fields: Any) -> Seen:
        """What a check of the step may look at."""
        known: dict[str, Any] = {"step": self.step, "observed_at": self.step, "window": (at(0), at(self.end))}
        known |= {"traced": action in ("run", "start")} | fields
        return Seen(self.history, host=self.host, on=on or self.host, action=action, **known)
