"""History -> capture files that Wireshark opens: one pcapng a host, of the frames as its tap took them.

What a packet means is said by `wire` and `segments`; here it becomes a comment of the packet.
"""

import struct
from collections.abc import Iterable

from lab import __version__
from lab.history import History, Note, Packet
from lab.segments import segments
from lab.wire import is_noise, noise

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_BYTE_ORDER = 0x1A2B3C4D
_LENGTH_UNKNOWN = -1
_ETHERNET, _SNAP_LENGTH, _NANOSECONDS = 1, 2048, 9
_END, _COMMENT = 0, 1
_HARDWARE, _SYSTEM, _APPLICATION = 2, 3, 4
_NAME, _RESOLUTION = 2, 9
_FLAGS, _INBOUND, _OUTBOUND = 2, 1, 2
Options = Iterable[tuple[int, bytes]]


def captures(history: History) -> dict[str, bytes]:
    """By host, the file of all its packets in their order; those without a frame are left out, and so are hosts
    without any. A comment tells a `retransmission`, `noise`, or a question for a neighbour that stayed `unanswered`."""
    head = _section({note.what: note.text for note in history.all(Note)})
    hosts = dict.fromkeys(packet.host for packet in history.all(Packet) if packet.frame)
    return {host: head + _blocks(tuple(history.all(Packet, host))) for host in hosts}


def _section(notes: dict[str, str]) -> bytes:
    kernel = f"kernel {notes['kernel']}" if "kernel" in notes else ""
    texts = {_HARDWARE: notes.get("engine", ""), _SYSTEM: kernel, _APPLICATION: f"socket-lab {__version__}"}
    options = [(code, text.encode()) for code, text in texts.items()]
    return _block(_SECTION, struct.pack("<IHHq", _BYTE_ORDER, 1, 0, _LENGTH_UNKNOWN) + _options(options))


def _blocks(packets: tuple[Packet, ...]) -> bytes:
    comments = _comments(packets)
    kept = [(packet, comment) for packet, comment in zip(packets, comments, strict=True) if packet.frame]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(packet.interface for packet, _ in kept))}
    return b"".join(
        [*map(_interface, numbers), *(_packet(packet, numbers[packet.interface], comment) for packet, comment in kept)]
    )


def _comments(packets: tuple[Packet, ...]) -> list[str]:
    rows = zip(packets, segments(packets), noise(packets), strict=True)
    return [_comment(packet, segment.again, noisy) for packet, segment, noisy in rows]


def _comment(packet: Packet, again: bool, noisy: bool) -> str:
    if again:
        return "retransmission"
    return "noise" if noisy else "unanswered" if is_noise(packet) else ""


def _interface(name: str) -> bytes:
    body = struct.pack("<HHI", _ETHERNET, 0, _SNAP_LENGTH)
    return _block(_INTERFACE, body + _options([(_NAME, name.encode()), (_RESOLUTION, bytes([_NANOSECONDS]))]))


def _packet(packet: Packet, interface: int, comment: str) -> bytes:
    size = max(packet.size, len(packet.frame))
    high, low = divmod(packet.time, 1 << 32)
    head = struct.pack("<IIIII", interface, high, low, len(packet.frame), size)
    way = struct.pack("<I", _OUTBOUND if packet.outgoing else _INBOUND)
    return _block(_PACKET, head + _padded(packet.frame) + _options([(_FLAGS, way), (_COMMENT, comment.encode())]))


def _block(kind: int, body: bytes) -> bytes:
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def _options(options: Options) -> bytes:
    """Those that say something, and their end."""
    told = (struct.pack("<HH", code, len(data)) + _padded(data) for code, data in options if data)
    return b"".join(told) + struct.pack("<HH", _END, 0)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
