"""The kernel's queue of packets: it hands them to this process, and goes on as it is told. Whose packets, and what to
tell it, is for `impair`.

Segments that the kernel has yet to cut are cut for the queue: the n-th packet is the n-th on a real wire. Where nobody
holds the queue any more, packets pass (the rules say `--queue-bypass`).
"""

from __future__ import annotations

import os
import socket
import struct

from . import netlink
from .fates import Packet
from .netlink import attribute, attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

NETFILTER = 12
PACKET, VERDICT, CONFIG = 0x300, 0x301, 0x302
CONFIG_COMMAND, CONFIG_COPY, CONFIG_LENGTH = 1, 2, 3
BIND, COPY_PACKET = 1, 2
PACKET_HEADER, PAYLOAD = 1, 10
VERDICT_HEADER = 2
DROP, ACCEPT = 0, 1
MOST = 1 << 16
WHOLE = 0xFFFF
SO_MARK, SO_BINDTODEVICE = 36, 25
RECEIVE_BUFFER = 8 << 20
TABLE = "/proc/net/netfilter/nfnetlink_queue"
COPY = 0x1AB  # the mark of a packet that is a copy: it is not put into the queue again


class Queue:
    """One of the kernel's queues, held from its making on; OSError where the kernel has none."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._link = netlink.Link(NETFILTER)
        self._configure(CONFIG_COMMAND, struct.pack("!BBH", BIND, 0, 0))
        self._configure(CONFIG_LENGTH, struct.pack("!I", MOST))
        self._link.enlarge(RECEIVE_BUFFER)
        self._configure(CONFIG_COPY, struct.pack("!IB", WHOLE, COPY_PACKET))

    def close(self) -> None:
        """Hold it no more; what is in it is dropped."""
        self._link.close()

    def fileno(self) -> int:
        """For `select`."""
        return self._link.fileno()

    def packets(self) -> Iterator[Packet]:
        """Those that came; waits for one."""
        for kind, _, body in netlink.messages(self._link.receive()):
            if kind == PACKET:
                found = attributes(body[4:])
                (number,) = struct.unpack_from("!I", found[PACKET_HEADER])
                yield Packet(number, found[PAYLOAD])

    def decide(self, id: int, verdict: int) -> None:
        """Have a packet go on, or not."""
        body = struct.pack("!BBH", 0, 0, self._number) + attribute(VERDICT_HEADER, struct.pack("!II", verdict, id))
        self._link.send(VERDICT, netlink.REQUEST, body)

    def state(self) -> tuple[int, int]:
        """The number of the last packet that was put in, and how many could not be."""
        with open(TABLE) as file:
            rows = [[int(word) for word in line.split()] for line in file]
        for number, _, _, _, _, dropped, missed, last, *_ in rows:
            if number == self._number:
                return last, dropped + missed
        return 0, 0

    def _configure(self, what: int, value: bytes) -> None:
        body = struct.pack("!BBH", 0, 0, self._number) + attribute(what, value)
        self._link.command(CONFIG, body)


def send_copy(packet: Packet, device: str) -> None:
    """The packet once more, marked as a copy."""
    family = socket.AF_INET6 if packet.data[0] >> 4 == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.setsockopt(socket.SOL_SOCKET, SO_MARK, COPY)
        raw.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, device.encode() + b"\0")
        raw.sendto(packet.data, (packet.destination, 0))


def trial() -> None:
    """Hold a queue, and let it go; OSError where the kernel has none for this host."""
    Queue(0).close()
    os.stat(TABLE)
