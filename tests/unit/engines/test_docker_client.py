import socket
import struct
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import docker.errors
import pytest
import requests
import urllib3

from lab.engines.docker import client as module
from lab.engines.docker.client import Client, Pipe, Refused
from lab.errors import EngineError


def response(status: int) -> requests.Response:
    made = requests.Response()
    made.status_code = status
    return made


def api(**answers: Any) -> Any:
    made = Mock(api_version="1.41")
    for name, answer in answers.items():
        setattr(made, name, Mock(**{"side_effect" if isinstance(answer, Exception) else "return_value": answer}))
    return made


def wrapped() -> requests.exceptions.ConnectionError:
    """A dead engine as requests tells it: the system's reason at the bottom."""
    try:
        try:
            try:
                raise ConnectionRefusedError(111, "Connection refused")
            except OSError as error:
                raise urllib3.exceptions.ProtocolError("Connection aborted.", error) from error
        except urllib3.exceptions.HTTPError as error:
            raise requests.exceptions.ConnectionError(error) from error
    except requests.exceptions.ConnectionError as error:
        return error


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (wrapped(), "list networks: the connection to the engine failed: Connection refused"),
        (requests.exceptions.ReadTimeout("x"), "list networks: the engine did not answer within 20 s"),
        (TimeoutError(), "list networks: the engine did not answer within 20 s"),
        (docker.errors.DockerException("odd"), "list networks: the connection to the engine failed: odd"),
        (urllib3.exceptions.HTTPError("odd"), "list networks: the connection to the engine failed: odd"),
        (BrokenPipeError(32, "Broken pipe"), "list networks: the connection to the engine failed: Broken pipe"),
    ],
)
def test_whatever_the_libraries_raise_is_one_line(raised: Exception, words: str) -> None:
    with pytest.raises(EngineError) as caught:
        Client(api(networks=raised)).networks()
    assert str(caught.value) == words


def test_a_refusal_keeps_its_status_and_reason() -> None:
    error = docker.errors.APIError("x", response(403), "Pool overlaps\nwith other one")
    with pytest.raises(Refused) as caught:
        Client(api(create_network=error)).create_network("lan")
    assert (caught.value.status, caught.value.reason) == (403, "Pool overlaps with other one")
    assert str(caught.value) == "create network lan: the engine refused: Pool overlaps with other one"


def test_an_image_that_is_not_found_is_not_there_and_other_refusals_are_errors() -> None:
    assert Client(api(inspect_image={})).has_image("x:1")
    assert not Client(api(inspect_image=docker.errors.NotFound("x", response(404), "no"))).has_image("x:1")
    with pytest.raises(Refused):
        Client(api(inspect_image=docker.errors.APIError("x", response(500), "no"))).has_image("x:1")


def test_an_absent_engine_is_named_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = docker.errors.DockerException("Error while fetching server API version: ('Connection aborted.', …)")
    absent.__cause__ = FileNotFoundError(2, "No such file or directory")
    monkeypatch.setattr(docker, "from_env", Mock(side_effect=absent))
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(EngineError, match=r"answers at unix:///nowhere/docker\.sock: No such file.*; start it"):
        module.connect()


def test_an_engine_that_may_not_be_used_has_another_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "from_env", Mock(side_effect=PermissionError(13, "Permission denied")))
    with pytest.raises(EngineError, match="Permission denied; join the group docker, or use sudo"):
        module.connect()


def test_an_old_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def speaks(version: str) -> None:
        answer = Mock(return_value={"ApiVersion": version})
        monkeypatch.setattr(
            docker, "from_env", lambda version, **_: Mock(api=Mock(api_version=version, version=answer))
        )

    speaks("1.40")
    with pytest.raises(EngineError, match=r"speaks API 1\.40; the lab needs 1\.41"):
        module.connect()
    speaks("1.100")
    assert module.connect().api == (1, 100)


def test_a_build_says_its_lines_and_fails_with_its_error() -> None:
    lines = [{"stream": "Step 1\n"}, {"stream": "\n"}, {"aux": {}}, {"stream": " ---> ok\n"}]
    said: list[str] = []
    Client(api(build=lines)).build(b"", "x:1", {}, said.append)
    assert said == ["Step 1", "---> ok"]
    with pytest.raises(EngineError, match="build x:1: it returned a non-zero code"):
        Client(api(build=[*lines, {"error": "it returned a\nnon-zero code"}])).build(b"", "x:1", {}, said.append)


def test_a_registry_that_says_nothing_is_not_waited_for() -> None:
    silence: Callable[[], Any] = lambda: iter(lambda: __import__("threading").Event().wait(5), None)  # noqa: E731
    with pytest.raises(EngineError, match=r"nothing was heard for 0\.05 s"):
        Client(api(pull=silence())).pull("debian:x", 0.05)


def test_a_pull_ends_with_its_last_line_or_its_error() -> None:
    Client(api(pull=[{"status": "Pulling"}, {"status": "Done"}])).pull("debian:x", 5)
    with pytest.raises(EngineError, match="pull debian:x: toomanyrequests"):
        Client(api(pull=[{"status": "Pulling"}, {"error": "toomanyrequests"}])).pull("debian:x", 5)
    with pytest.raises(EngineError, match="Connection refused"):
        Client(api(pull=wrapped())).pull("debian:x", 5)


def frame(stream: int, data: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(data)) + data


@pytest.fixture
def ends() -> Any:
    ours, theirs = socket.socketpair()
    yield Pipe(ours), theirs
    ours.close()
    theirs.close()


def test_output_is_taken_out_of_its_frames(ends: tuple[Pipe, socket.socket]) -> None:
    pipe, theirs = ends
    theirs.sendall(frame(1, b"first ") + frame(1, b"") + frame(2, b"complaint") + frame(1, b"second"))
    theirs.shutdown(socket.SHUT_WR)
    assert pipe.read(3) + pipe.read(100) == b"first "
    assert pipe.read(100) == b"second"


def test_a_frame_in_pieces_is_put_together(ends: tuple[Pipe, socket.socket]) -> None:
    pipe, theirs = ends
    whole = frame(1, b"abc")
    for index in range(len(whole)):
        theirs.send(whole[index : index + 1])
        if index == 8:
            assert pipe.read(9) == b"a"
    assert pipe.read(9) == b"bc"


def test_the_end_is_empty_or_has_the_last_complaint_as_reason(ends: tuple[Pipe, socket.socket]) -> None:
    pipe, theirs = ends
    theirs.sendall(frame(1, b"x"))
    assert pipe.read(9) == b"x"
    theirs.sendall(frame(2, b"Traceback\n  ...\nOSError: no python\n"))
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(OSError, match=r"^OSError: no python$"):
        pipe.read(9)


def test_an_end_without_complaint_is_empty(ends: tuple[Pipe, socket.socket]) -> None:
    pipe, theirs = ends
    theirs.close()
    assert pipe.read(9) == b""


def test_closing_ends_both_directions(ends: tuple[Pipe, socket.socket]) -> None:
    pipe, theirs = ends
    pipe.write(b"bye")
    pipe.close()
    assert theirs.recv(9) == b"bye"
    assert theirs.recv(9) == b""
    with pytest.raises(OSError, match="Bad file descriptor"):
        pipe.write(b"more")
