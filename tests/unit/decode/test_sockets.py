"""Socket tables and counters: against what ss and nstat showed of the same kernel at the same time, and live."""

import shutil
import socket
import struct
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.decode.sockets import counters, numbered, rows
from lab.history import SocketRow

FIXTURES = Path(__file__).parent / "fixtures"
TABLES = {name: (FIXTURES / f"{name}.sock_diag").read_bytes() for name in ("tcp", "udp")}
NET = [(FIXTURES / name).read_text() for name in ("netstat", "snmp", "snmp6")]


def as_ss(row: SocketRow) -> tuple[str, ...]:
    return row.state, str(row.recv_q), str(row.send_q), shown(row.local, row), shown(row.remote, row)


def shown(end: tuple[str, int], row: SocketRow) -> str:
    address, port = end
    if ":" in address:
        address = "*" if address == "::" and not row.v6only else f"[{address}]"
    return f"{address}:{port or '*'}"


def ss_lines(text: str) -> Counter[tuple[str, ...]]:
    return Counter(tuple(line.split()) for line in text.splitlines() if "127.0.0.11" not in line)


def test_rows_are_those_of_ss() -> None:
    assert Counter(map(as_ss, rows(TABLES))) == ss_lines((FIXTURES / "ss.txt").read_text())


def test_only_v6only_tells_the_two_kinds_of_everywhere_apart() -> None:
    listeners = {row.local: row.v6only for row in rows(TABLES) if row.state == "LISTEN"}
    assert (listeners["::", 6502], listeners["::", 6503]) == (False, True)


def test_the_embedded_dns_is_left_out() -> None:
    assert b"\x7f\x00\x00\x0b" in TABLES["tcp"]
    assert not [row for row in rows(TABLES) if row.local[0] == "127.0.0.11"]


def test_each_row_has_an_id_of_its_own_the_kernels_cookie() -> None:
    found = numbered(TABLES)
    assert tuple(found.values()) == rows(TABLES) and len(found) == 14
    low, high = struct.unpack_from(
        "=II", TABLES["tcp"], 16 + 44
    )  # behind the message's header, and what tells its ends
    assert next(iter(found)) == low | high << 32 == 36


def test_protocols_are_named_by_their_tables() -> None:
    assert {row.protocol for row in rows({"udp": TABLES["udp"]})} == {"udp"}


@pytest.mark.parametrize("cut", [1, 15, 50, 100])
def test_a_table_that_is_cut_off_is_no_table(cut: int) -> None:
    with pytest.raises(ValueError, match="tcp table"):
        rows({"tcp": TABLES["tcp"][:-cut]})


def test_an_error_of_the_kernel_is_named() -> None:
    message = struct.pack("=IHHIIi16x", 36, 2, 0, 1, 0, -1)
    with pytest.raises(ValueError, match="tcp table: the kernel answered EPERM"):
        rows({"tcp": message})


@given(st.binary(max_size=200))
def test_any_bytes_are_rows_or_a_value_error(data: bytes) -> None:
    try:
        rows({"tcp": data})
    except ValueError as error:
        assert "tcp table" in str(error)


def test_counters_are_those_of_nstat() -> None:
    values = counters(*NET)
    nstat = dict(line.split()[:2] for line in (FIXTURES / "nstat.txt").read_text().splitlines()[1:])
    assert {"TcpExtListenOverflows", "TcpRetransSegs", "IcmpOutDestUnreachs", "Ip6InReceives"} <= values.keys()
    assert nstat.keys() <= values.keys()
    assert {name for name, value in nstat.items() if values[name] != int(value)} == set()
    assert values["TcpActiveOpens"] == 5


@pytest.mark.parametrize("netstat", ["TcpExt: A B\nTcpExt: 1\n", "TcpExt: A\n", "TcpExt: A\nTcpExt: x\n"])
def test_counters_that_do_not_match_their_names_are_refused(netstat: str) -> None:
    with pytest.raises(ValueError):
        counters(netstat, "", "")


def test_no_ipv6_no_counters_of_it() -> None:
    assert counters("TcpExt: A\nTcpExt: 4\n", "Ip: B\nIp: 5\n", "") == {"TcpExtA": 4, "IpB": 5}


@pytest.mark.skipif(not shutil.which("ss"), reason="ss is not on this machine")
def test_live_rows_are_those_of_ss() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=3) as server:
        port = server.getsockname()[1]
        found = {row.local: row for row in rows({"tcp": own_table()}) if row.local[1] == port}
        said = subprocess.run(["ss", "-Htan", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
    assert [as_ss(row) for row in found.values()] == [tuple(line.split()) for line in said.splitlines()]


def own_table() -> bytes:
    """This kernel's IPv4 TCP listeners, asked for by netlink as any user may."""
    question = struct.pack("=IHHII BBBxI48x", 72, 20, 0x301, 1, 0, socket.AF_INET, socket.IPPROTO_TCP, 0, 1 << 10)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as link:
        link.sendto(question, (0, 0))
        answer = data = link.recv(1 << 16)
        while struct.unpack_from("=IH", data)[1] != 3:  # NLMSG_DONE comes in a datagram of its own
            data = link.recv(1 << 16)
            answer += data
    return answer
