"""Links made worse: rules that put an interface's packets into a queue, and a thread that decides on each of them.

    kernel ──rule──> nfqueue ──> fates: lost? copied? when, and after whom? ──> nfqueue ──> kernel

What comes is caught behind the tap and before this host's firewall; what goes is caught behind the firewall and before
the tap: lost on the way in, a packet was seen on the wire; lost on the way out, it never was. Everything that was
decided is told, an event a packet.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time

from . import nfqueue
from .fates import Fates, Packet
from .wire import Refused, Wire, text64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Tables = Callable[[list[str]], tuple[int, str]]

COMMANDS = ("iptables", "ip6tables")
HOOKS = {"in": ("PREROUTING", "-i"), "out": ("POSTROUTING", "-o")}
TOLD = 128  # bytes of a packet
MOST_TOLD = 20_000  # packets of one link
PATIENCE = 5
OVERDUE = 0.0002  # seconds: what is due within them is not waited for


class Impairments:
    """The impaired links of this host, by network and direction; `tables` runs an iptables command."""

    def __init__(self, wire: Wire, tables: Tables) -> None:
        self._wire = wire
        self._tables = tables
        self._links: dict[tuple[str, str], Link] = {}
        self._lock = threading.Lock()
        self._number = 0

    def lacks(self) -> str:
        """Why links of this host cannot be impaired; empty where they can."""
        rule = _rule(0, "in", "lo")
        try:
            nfqueue.trial()
            for command in COMMANDS:
                self._rule(command, "-A", rule)
                self._rule(command, "-D", rule)
        except (OSError, Refused) as reason:
            return f"this kernel has no queue for packets (NFQUEUE), which an impaired link needs: {reason}"
        return ""

    def impair(self, network: str, device: str, direction: str, orders: Mapping[str, Any]) -> None:
        """Make a link worse from now on; what it was before is forgotten."""
        with self._lock:
            link = self._links.get((network, direction))
            if link:
                link.become(Fates(**orders))
                return
            self._number += 1
            link = Link(self._wire, self._number, network, device, direction, Fates(**orders))
            for command in COMMANDS:
                self._rule(command, "-A", _rule(link.number, direction, device))
            self._links[network, direction] = link

    def repair(self, network: str) -> None:
        """Make both directions as good as before; what is held goes on at once."""
        with self._lock:
            for key in [key for key in self._links if key[0] == network]:
                link = self._links.pop(key)
                for command in COMMANDS:
                    self._rule(command, "-D", _rule(link.number, link.direction, link.device))
                link.end()

    def settle(self) -> None:
        """Return when all packets up to now have been decided on."""
        with self._lock:
            for link in self._links.values():
                link.settle()

    def _rule(self, command: str, verb: str, rule: list[str]) -> None:
        code, output = self._tables([command, "-w", "5", "-t", "mangle", verb, *rule])
        if code:
            raise Refused(f"{command} ended with {code}: {output.strip()}")


def _rule(number: int, direction: str, device: str) -> list[str]:
    hook, option = HOOKS[direction]
    no_copy = ["-m", "mark", "!", "--mark", str(nfqueue.COPY)]
    return [hook, option, device, *no_copy, "-j", "NFQUEUE", "--queue-num", str(number), "--queue-bypass"]


class Link:
    """One direction of one interface, and the thread that decides."""

    def __init__(self, wire: Wire, number: int, network: str, device: str, direction: str, fates: Fates) -> None:
        self.number, self.network, self.device, self.direction = number, network, device, direction
        self._wire = wire
        self._fates = fates
        self._queue = nfqueue.Queue(number)
        self._lock = threading.Lock()
        self._last = 0
        self._missed = 0
        self._told = 0
        self._bell = os.eventfd(0, os.EFD_NONBLOCK)
        self._over = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def become(self, fates: Fates) -> None:
        """Another badness; what is held goes on at once."""
        with self._lock:
            self._go(self._fates.all())
            self._fates = fates
        os.eventfd_write(self._bell, 1)

    def end(self) -> None:
        """Decide on all that is still there, then hold the queue no more."""
        with contextlib.suppress(Refused):
            self.settle()
        self._over = True
        os.eventfd_write(self._bell, 1)
        self._thread.join(PATIENCE)

    def settle(self) -> None:
        """Return when all up to now was decided on; Refused where that does not happen."""
        deadline = time.monotonic() + PATIENCE
        goal, missed = self._queue.state()
        while 0 < (goal - self._last) % (1 << 32) < 1 << 31 and missed == self._missed:
            if time.monotonic() > deadline:
                raise Refused(f"{self._where()}: packets waited for {PATIENCE} s to be decided on")
            time.sleep(0.0005)
            missed = self._queue.state()[1]
        if missed > self._missed:
            self._missed = missed
            self._note(f"{missed} packets were lost that nobody decided on: they came too fast")

    def _serve(self) -> None:
        while not self._over:
            with self._lock:
                pause = self._fates.pause(time.monotonic())
            ready = select.select([self._queue.fileno(), self._bell], [], [], pause)[0]
            if self._bell in ready:
                os.eventfd_read(self._bell)
            with self._lock:
                if self._queue.fileno() in ready:
                    self._take()
                self._go(self._fates.ripe(time.monotonic() + OVERDUE))
        with self._lock:
            self._go(self._fates.all())
        self._queue.close()
        os.close(self._bell)

    def _take(self) -> None:
        last = self._last
        for packet in self._queue.packets():
            last = packet.id
            if not self._fates.take(packet, time.monotonic()):
                self._queue.decide(packet.id, nfqueue.DROP)
                self._tell(packet)
        self._go(self._fates.ripe(time.monotonic() + OVERDUE))
        self._last = last

    def _go(self, packets: list[Packet]) -> None:
        for packet in packets:
            self._queue.decide(packet.id, nfqueue.ACCEPT)
            if "duplicated" in packet.effects:
                nfqueue.send_copy(packet, self.device)
            self._tell(packet)

    def _tell(self, packet: Packet) -> None:
        """What became of a packet that was meant."""
        if not packet.number or self._told > MOST_TOLD:
            return
        self._told += 1
        if self._told > MOST_TOLD:
            self._note(f"more than {MOST_TOLD} packets: what became of the later ones is not told")
            return
        fields = {"number": packet.number, "effects": packet.effects, "size": len(packet.data)}
        data = text64(packet.data[:TOLD])
        direction = {"network": self.network, "outgoing": self.direction == "out"}
        self._wire.event("fate", time=time.time_ns(), data=data, **direction, **fields)

    def _note(self, text: str) -> None:
        self._wire.event("note", what="impair", text=f"{self._where()}: {text}", time=time.time_ns(), step=-1)

    def _where(self) -> str:
        return f"the impaired link {self.network} {self.direction}"
