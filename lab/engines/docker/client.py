"""The Docker Engine's API in the lab's words: the one module that knows docker-py.

Each verb is one request. Whatever docker-py, requests, urllib3 or the socket raise becomes an EngineError with one
line that says what was being done. What to ask for, and in which order, is for the modules beside this one.
"""

import contextlib
import errno
import io
import json
import os
import queue
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from lab.errors import EngineError

MINIMUM_API = (1, 41)
TIMEOUT = 20
_FRAME = struct.Struct(">BxxxL")
_STDERR = 2
_AT_ONCE = 1 << 18
_KEPT = 4000

Json = dict[str, Any]


class Refused(EngineError):
    """The engine answered no: `status` as HTTP has it, `reason` in the engine's words."""

    def __init__(self, doing: str, status: int, reason: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(f"{doing}: the engine refused: {reason}")


@contextlib.contextmanager
def _words(doing: str) -> Iterator[None]:
    """Turn what the libraries below raise into an EngineError: they keep no common family."""
    import docker.errors
    import requests
    import urllib3

    try:
        yield
    except docker.errors.APIError as error:
        reason = " ".join(str(error.explanation or error).split())
        raise Refused(doing, error.status_code or 500, reason) from error
    except (requests.exceptions.Timeout, TimeoutError) as error:
        raise EngineError(f"{doing}: the engine did not answer within {TIMEOUT} s") from error
    except (docker.errors.DockerException, urllib3.exceptions.HTTPError, OSError) as error:
        raise EngineError(f"{doing}: the connection to the engine failed: {_last_words(error)}") from error


def _last_words(error: BaseException) -> str:
    """The system's reason out of the libraries' wrapping; where it gave none, the wrapping's own words."""
    words = " ".join(str(error).split()) or type(error).__name__
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            words = inner.strerror
        inner = inner.__cause__ or inner.__context__
    return words


def connect() -> "Client":
    """The engine that DOCKER_HOST or the Docker context names; EngineError says which it is and what to do."""
    import docker
    import docker.errors

    def speak(version: str) -> Any:
        return docker.from_env(version=version, timeout=TIMEOUT, max_pool_size=64).api

    oldest = ".".join(map(str, MINIMUM_API))
    try:
        api = speak(oldest)
        said = api.version(api_version=False)
        if said["ApiVersion"] != oldest:
            api = speak(said["ApiVersion"])
    except (docker.errors.DockerException, OSError) as error:
        reason = _last_words(error)
        remedy = (
            "join the group docker, or use sudo"
            if reason == os.strerror(errno.EACCES)
            else "start it (Docker Desktop, or `sudo systemctl start docker`), or say where it is with DOCKER_HOST"
        )
        raise EngineError(f"no Docker Engine answers at {endpoint()}: {reason}; {remedy}") from error
    if tuple(map(int, api.api_version.split("."))) < MINIMUM_API:
        raise EngineError(
            f"the Docker Engine at {endpoint()} speaks API {api.api_version}; the lab needs {oldest}"
            " (Docker 20.10) or newer"
        )
    return Client(api, said)


def endpoint() -> str:
    """Where the engine is looked for: DOCKER_HOST, or else the current Docker context."""
    import docker.context
    import docker.errors

    with contextlib.suppress(docker.errors.DockerException, OSError, ValueError, AttributeError):
        return os.environ.get("DOCKER_HOST") or str(docker.context.ContextAPI.get_current_context().Host)
    return "the current Docker context"


class Client:
    """The verbs that the lab needs. Things are named by their ids; lists come as the API gives them."""

    def __init__(self, api: Any, version: Json | None = None) -> None:
        self._docker = api
        self.version = version or {}  # what the engine says of itself: Version, KernelVersion, Os, Arch, …
        self.api = tuple(map(int, api.api_version.split(".")))

    def close(self) -> None:
        """Give the connections back."""
        self._docker.close()

    def networks(self, label: str | None = None) -> list[Json]:
        """All networks, or those with a label (`key` or `key=value`)."""
        with _words("list networks"):
            return cast(list[Json], self._docker.networks(filters={"label": [label]} if label else None))

    def containers(self, label: str) -> list[Json]:
        """Containers with a label, running or not."""
        with _words("list containers"):
            return cast(list[Json], self._docker.containers(all=True, filters={"label": [label]}))

    def create_network(self, name: str, **settings: Any) -> str:
        """Make a network; its id."""
        with _words(f"create network {name}"):
            made = self._docker.create_network(name, check_duplicate=True, **settings)
        return cast(str, made["Id"])

    def connect(self, container: str, network: str, address: str, address6: str | None) -> None:
        """Attach a container to one more network, at fixed addresses."""
        with _words(f"connect a host to network {network}"):
            self._docker.connect_container_to_network(container, network, ipv4_address=address, ipv6_address=address6)

    def disconnect(self, container: str, network: str) -> None:
        """Take a container off a network, running or not."""
        with _words("disconnect a host from its network"):
            self._docker.disconnect_container_from_network(container, network, force=True)

    def network(self, network: str) -> Json:
        """One network with its endpoints."""
        with _words(f"inspect network {network}"):
            return cast(Json, self._docker.inspect_network(network))

    def remove_network(self, network: str) -> None:
        """Remove a network; Refused where something is attached to it."""
        with _words(f"remove network {network}"):
            self._docker.remove_network(network)

    def create_container(self, name: str, config: Mapping[str, Any]) -> str:
        """Make a container as the API's body says; its id."""
        with _words(f"create container {name}"):
            made = self._docker.create_container_from_config(dict(config), name)
        return cast(str, made["Id"])

    def attach(self, container: str) -> "Pipe":
        """The container's standard input, output and error; attach before start, and nothing is missed."""
        with _words("attach to a host"):
            params = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
            return Pipe(self._docker.attach_socket(container, params=params))

    def start(self, container: str) -> None:
        """Start a container."""
        with _words("start a host"):
            self._docker.start(container)

    def remove_container(self, container: str) -> None:
        """Kill and remove a container."""
        with _words("remove a host"):
            self._docker.remove_container(container, force=True, v=True)

    def images(self, label: str) -> list[Json]:
        """Images with a label."""
        with _words("list images"):
            return cast(list[Json], self._docker.images(filters={"label": [label]}))

    def has_image(self, tag: str) -> bool:
        """Whether the engine has an image."""
        try:
            with _words(f"look for image {tag}"):
                self._docker.inspect_image(tag)
        except Refused as error:
            if error.status == 404:
                return False
            raise
        return True

    def remove_image(self, image: str) -> None:
        """Take an image's tag away, and the image with its last tag; Refused where it is in use."""
        with _words(f"remove image {image}"):
            self._docker.remove_image(image)

    def pull(self, image: str, patience: float) -> None:
        """Fetch an image from its registry; EngineError where nothing is heard of it for `patience` seconds."""
        heard: queue.Queue[Json | EngineError | None] = queue.Queue()

        def listen() -> None:
            try:
                with _words(f"pull {image}"):
                    repository, _, tag = image.partition(":")
                    for line in self._docker.pull(repository, tag, stream=True, decode=True):
                        heard.put(line)
                heard.put(None)
            except EngineError as error:
                heard.put(error)

        threading.Thread(target=listen, daemon=True).start()
        try:
            _follow(_until_none(heard, patience), f"pull {image}", lambda _line: None)
        except queue.Empty as error:
            raise EngineError(f"pull {image}: nothing was heard for {patience:g} s") from error

    def import_image(self, tar: Iterable[bytes], tag: str, changes: Iterable[str]) -> None:
        """Make an image out of a root file system's tar stream."""
        repository, _, version = tag.partition(":")
        with _words(f"import {tag}"):
            text = self._docker.import_image_from_data(tar, repository, version, changes=list(changes))
        _follow(map(json.loads, text.splitlines()), f"import {tag}", lambda _line: None)

    def build(self, context: bytes, tag: str, arguments: Mapping[str, str], say: Callable[[str], None]) -> None:
        """Build an image from a tar of its files; each of the builder's lines goes to `say`."""
        with _words(f"build {tag}"):
            lines = self._docker.build(
                fileobj=io.BytesIO(context),
                custom_context=True,
                tag=tag,
                buildargs=dict(arguments),
                rm=True,
                forcerm=True,
                decode=True,
                timeout=600,
            )
            _follow(lines, f"build {tag}", say)


def _follow(lines: Iterable[Json], doing: str, say: Callable[[str], None]) -> None:
    """Read the engine's progress to its end: an error in the middle is only a line of it."""
    for line in lines:
        if "error" in line:
            raise EngineError(f"{doing}: {' '.join(str(line['error']).split())}")
        for text in str(line.get("stream", "")).splitlines():
            if text.strip():
                say(text.strip())


def _until_none(heard: "queue.Queue[Json | EngineError | None]", patience: float) -> Iterator[Json]:
    while (line := heard.get(timeout=patience)) is not None:
        if isinstance(line, EngineError):
            raise line
        yield line


class Pipe:
    """An attached container's standard input, and its output out of the frames in which the engine wraps it.

    What it wrote to standard error is kept apart: its last line is the reason, where the container died.
    """

    def __init__(self, attached: Any) -> None:
        # docker-py hands out a reader; the socket below it, which also writes, has no public name.
        self._attached = attached
        self._socket: socket.socket = getattr(attached, "_sock", attached)
        self._socket.settimeout(None)
        self._stream = self._left = 0
        self._came = self._errors = b""

    def write(self, data: bytes, /) -> None:
        """Send all of it; OSError where the other end is gone."""
        self._socket.sendall(data)

    def read(self, size: int, /) -> bytes:
        """What came, at most `size` bytes; empty at the end, OSError where the end has a reason."""
        while self._left or self._frame():
            if not self._came:
                self._came = self._socket.recv(_AT_ONCE)
            piece = self._came[: min(size, self._left)]
            self._came = self._came[len(piece) :]
            self._left = self._left - len(piece) if piece else 0
            if self._stream != _STDERR:
                return piece
            self._errors = (self._errors + piece)[-_KEPT:]
        if lines := self._errors.decode(errors="replace").strip().splitlines():
            raise OSError(lines[-1])
        return b""

    def _frame(self) -> bool:
        """Begin the next frame that holds something; False at the end."""
        while not self._left:
            while len(self._came) < _FRAME.size:
                more = self._socket.recv(_AT_ONCE)
                if not more:
                    return False
                self._came += more
            self._stream, self._left = _FRAME.unpack_from(self._came)
            self._came = self._came[_FRAME.size :]
        return True

    def close(self) -> None:
        """End the host's standard input; a reader in another thread sees the end."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._attached.close()
        self._socket.close()
