"""The pipe's end inside of the host: requests in, answers and events out, a JSON object a line.

What a request means is for `main`; whoever writes here writes whole lines, from any thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import threading
from binascii import b2a_base64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_encode = json.JSONEncoder(separators=(",", ":")).encode


class Refused(Exception):
    """A request that cannot be done; the text is its answer."""


def text64(data: bytes) -> str:
    """Bytes as base64 text."""
    return b2a_base64(data, newline=False).decode()


class Wire:
    """Both directions of the pipe. A byte on `wake` ends a wait early."""

    def __init__(self, source: int, sink: int, wake: int) -> None:
        self._source = source
        self._wake = wake
        self._sink = sink
        self._rest = b""
        self._lock = threading.Lock()
        self._poll = select.poll()
        self._poll.register(source, select.POLLIN)
        self._poll.register(wake, select.POLLIN)

    def receive(self, pause: float | None) -> list[Any] | None:
        """The requests that came within `pause` seconds; None at the end of the input."""
        ready = dict(self._poll.poll(None if pause is None else max(0.0, pause * 1000)))
        if self._wake in ready:
            os.read(self._wake, 64)
        if self._source not in ready:
            return []
        chunk = os.read(self._source, 1 << 18)
        if not chunk:
            return None
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return [json.loads(line) for line in lines]

    def send(self, *messages: dict[str, Any]) -> None:
        """Write objects, all at once."""
        data = memoryview("".join([f"{_encode(message)}\n" for message in messages]).encode())
        with self._lock, contextlib.suppress(BrokenPipeError):  # nobody reads any more: the input ends too
            while data:
                data = data[os.write(self._sink, data) :]

    def event(self, event: str, **fields: Any) -> None:
        """Tell what was seen."""
        self.send({"event": event, **fields})

    def answer(self, request: int, result: dict[str, Any]) -> None:
        """Answer a request."""
        self.send({"id": request, "result": result})

    def refuse(self, request: int, words: str) -> None:
        """Answer a request with the reason why it was not done."""
        self.send({"id": request, "error": words})
