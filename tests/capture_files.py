"""Capture files as others read them: dpkt, and Wireshark where it is installed."""

import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import dpkt.pcapng
import pytest
from msgspec import Struct

BLOCKS = {
    0x0A0D0D0A: dpkt.pcapng.SectionHeaderBlockLE,
    1: dpkt.pcapng.InterfaceDescriptionBlockLE,
    6: dpkt.pcapng.EnhancedPacketBlockLE,
}
FLAGS = {b"\1\0\0\0": False, b"\2\0\0\0": True}

wireshark_is_there = pytest.mark.skipif(
    not (shutil.which("tshark") and shutil.which("capinfos")), reason="not installed: apt-get install tshark"
)


class Row(Struct, frozen=True):
    """A packet in a capture file."""

    time: int
    interface: str
    outgoing: bool
    size: int
    frame: bytes
    comment: str


def read(data: bytes) -> tuple[dict[int, bytes], list[Any], list[Row]]:
    """The section's options, the interfaces and the packets, by dpkt."""
    blocks = []
    while data:
        kind, length = struct.unpack_from("<II", data)
        assert length % 4 == 0, "blocks end at multiples of four"
        blocks.append(BLOCKS[kind](data[:length]))
        data = data[length:]
    section, *rest = blocks
    interfaces = [block for block in rest if block.type == 1]
    names = [options(block)[2].decode() for block in interfaces]
    return options(section), interfaces, [row(block, names) for block in rest if block.type == 6]


def options(block: Any) -> dict[int, bytes]:
    """By code; the end of the options must be there."""
    assert block.opts[-1].code == 0
    return {option.code: bytes(option.data) for option in block.opts[:-1]}


def row(block: Any, names: list[str]) -> Row:
    found = options(block)
    time = block.ts_high << 32 | block.ts_low
    comment = found.get(1, b"").decode()
    return Row(time, names[block.iface_id], FLAGS[found[2]], block.pkt_len, bytes(block.pkt_data), comment)


def wireshark(file: Path, *names: str) -> list[tuple[str, ...]]:
    """These fields of each packet, by tshark; empty where a packet has none."""
    words = [word for name in names for word in ("-e", name)]
    lines = _said("tshark", "-n", "-r", str(file), "-T", "fields", "-E", "occurrence=f", *words).splitlines()
    return [tuple(line.split("\t")) for line in lines]


def facts(file: Path) -> str:
    """What capinfos says of the file; it fails where the file is not whole."""
    return _said("capinfos", str(file))


def _said(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout
