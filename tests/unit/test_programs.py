"""The guide's programs, run for real on the loopback interface: what they print, and how they end."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parents[2] / "images/host/programs"
TCP_TABLE = Path("/proc/net/tcp")
LISTEN = "0A"

pytestmark = pytest.mark.skipif(not TCP_TABLE.exists(), reason="readiness is read from Linux's socket table")


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(name: str, *arguments: object) -> list[str]:
    return [sys.executable, str(PROGRAMS / f"{name}.py"), *map(str, arguments)]


def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(name, *arguments), capture_output=True, text=True, timeout=20, check=False)


@contextmanager
def started(name: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command(name, *arguments), stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def listening(port: int, process: subprocess.Popen[str]) -> str:
    """The address (hexadecimal, as the kernel has it) that a program listens on, as soon as it does."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        for columns in (line.split() for line in TCP_TABLE.read_text().splitlines()[1:]):
            address, _, listener = columns[1].partition(":")
            if columns[3] == LISTEN and int(listener, 16) == port:
                return address
    pytest.fail(f"nothing listens on port {port}: {process.communicate()}")


def lines(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().rstrip("\n") for _ in range(count)]


def test_the_echo_server_serves_one_client_and_exits(port: int) -> None:
    with started("echo-server", "--port", port) as server:
        assert listening(port, server) == "0100007F"
        client = run("echo-client", "--port", port)
        assert (client.returncode, client.stdout) == (0, "Received b'Hello, world'\n")
        assert server.wait(10) == 0
        assert re.fullmatch(r"Connected by \('127\.0\.0\.1', \d+\)", lines(server, 1)[0])


def test_the_echo_server_takes_the_empty_host(port: int) -> None:
    with started("echo-server", "--host", "", "--port", port) as server:
        assert listening(port, server) == "00000000"


def test_the_echo_client_fails_where_nobody_listens(port: int) -> None:
    client = run("echo-client", "--port", port)
    assert client.returncode == 1
    assert client.stdout == ""
    assert "ConnectionRefusedError" in client.stderr


def test_the_echo_programs_have_the_guides_defaults() -> None:
    for name in ("echo-server", "echo-client"):
        source = (PROGRAMS / f"{name}.py").read_text()
        assert '"--host", default="127.0.0.1"' in source
        assert '"--port", type=int, default=65432' in source


def test_many_connections_are_served_at_once(port: int) -> None:
    with started("multiconn-server", "127.0.0.1", port) as server:
        assert lines(server, 1) == [f"Listening on ('127.0.0.1', {port})"]
        client = run("multiconn-client", "127.0.0.1", port, 2)
        assert client.returncode == 0
        said = client.stdout.splitlines()
        for connection in (1, 2):
            assert f"Starting connection {connection} to ('127.0.0.1', {port})" in said
            assert f"Sending b'Message 1 from client.' to connection {connection}" in said
            assert f"Sending b'Message 2 from client.' to connection {connection}" in said
            assert f"Closing connection {connection}" in said
        received = "".join(re.findall(r"Received b'(.*)' from connection 1", client.stdout))
        assert received == "Message 1 from client.Message 2 from client."
        served = lines(server, 2)
        while sum("Closing" in line for line in served) < 2:
            served += lines(server, 1)
        assert sum("Accepted connection from ('127.0.0.1', " in line for line in served) == 2
        echoed = "".join(re.findall(r"Echoing b'(.*)' to ", "\n".join(served)))
        assert echoed.count("Message 1 from client.") == echoed.count("Message 2 from client.") == 2


def test_the_multi_connection_client_fails_where_nobody_listens(port: int) -> None:
    client = run("multiconn-client", "127.0.0.1", port, 1)
    assert client.returncode == 1
    assert "ConnectionRefusedError" in client.stderr


@pytest.mark.parametrize(
    ("name", "arguments"), [("multiconn-server", "HOST PORT"), ("multiconn-client", "HOST PORT CONN")]
)
def test_without_arguments_the_usage_is_told(name: str, arguments: str) -> None:
    called = run(name)
    assert called.returncode == 1
    assert arguments in called.stderr


def test_connect_many_holds_what_it_has_until_the_backlog_is_full() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        called = run("connect-many", *server.getsockname(), 4, "--timeout", 0.1)
        expected = ["1 connected", "2 connected", "3 TimeoutError: timed out", "4 TimeoutError: timed out"]
        assert called.stdout.splitlines() == [*expected, "2 connected, 2 failed"]
        assert called.returncode == 0


def test_connect_many_says_why_it_was_refused(port: int) -> None:
    called = run("connect-many", "127.0.0.1", port, 1)
    assert called.stdout.splitlines() == ["1 ConnectionRefusedError: Connection refused", "0 connected, 1 failed"]


def test_connect_many_can_stay_connected_until_it_is_stopped() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with started("connect-many", *server.getsockname(), 1, "--hold") as client:
            assert lines(client, 2) == ["1 connected", "1 connected, 0 failed"]
            connection, _ = server.accept()
            with connection:
                connection.setblocking(False)
                with pytest.raises(BlockingIOError):
                    connection.recv(1)
                client.terminate()
                assert client.wait(10) == -15
                connection.settimeout(10)
                assert connection.recv(1) == b""


@pytest.mark.parametrize("path", sorted(PROGRAMS.glob("*.py")), ids=lambda path: path.stem)
def test_a_program_can_be_read_on_a_projector(path: Path) -> None:
    text = path.read_text().splitlines()
    assert len(text) <= 60
    assert max(map(len, text)) <= 90
