"""What goes on after its request was read: calls and programs, who waits for them, and the threads that do the work."""

from __future__ import annotations

import heapq
import queue
import threading
import time

from .wire import Wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Task:
    """A call or a program of a step. A request that waits for it is answered when it ends, or at its deadline."""

    def __init__(self, wire: Wire, step: int) -> None:
        self.wire = wire
        self.step = step
        self.ended = False
        self._refusal = ""
        self._waiting: dict[int, float] = {}
        self._lock = threading.Lock()

    def awaited(self, request: int) -> bool:
        """Whether the request still waits."""
        return request in self._waiting

    def wait(self, request: int, deadline: float) -> None:
        """Answer the request when the task ends or `time.monotonic()` reaches the deadline."""
        with self._lock:
            if self._refusal:
                self.wire.refuse(request, self._refusal)
            elif self.ended:
                self.wire.answer(request, {"ended": True})
            else:
                self._waiting[request] = deadline

    def end(self, event: dict[str, Any]) -> None:
        """Tell how it ended, then answer everybody."""
        with self._lock:
            self.ended = True
            self.wire.send(event, *({"id": request, "result": {"ended": True}} for request in self._waiting))
            self._waiting.clear()

    def refuse(self, words: str) -> None:
        """It could not be done at all."""
        with self._lock:
            self.ended = True
            self._refusal = words
            for request in self._waiting:
                self.wire.refuse(request, words)
            self._waiting.clear()

    def expire(self, now: float) -> None:
        """Let go those whose deadline is over."""
        for request in [request for request, deadline in list(self._waiting.items()) if deadline <= now]:
            self.let_go(request)

    def let_go(self, request: int) -> None:
        """Answer that it has not ended, where the request still waits."""
        with self._lock:
            if self._waiting.pop(request, None) is not None:
                self.unended()
                self.wire.answer(request, {"ended": False})

    def unended(self) -> None:
        """Tell what is known of it so far."""


class Deadlines:
    """When to look at which task again; used by one thread."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Task]] = []
        self._number = 0

    def add(self, deadline: float, task: Task) -> None:
        """Look at the task then."""
        self._number += 1
        heapq.heappush(self._heap, (deadline, self._number, task))

    def pause(self) -> float | None:
        """Seconds to the next deadline; None where there is none."""
        return self._heap[0][0] - time.monotonic() if self._heap else None

    def strike(self) -> None:
        """Answer whoever waited too long."""
        now = time.monotonic()
        while self._heap and self._heap[0][0] <= now:
            heapq.heappop(self._heap)[2].expire(now)


class Workers:
    """Threads that are ready when work comes; one more is started when all are busy, so that nothing waits for a call
    that blocks."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[tuple[Callable[..., object], tuple[Any, ...]]] = queue.SimpleQueue()
        self._free = 0
        self._lock = threading.Lock()

    def do(self, function: Callable[..., object], *arguments: Any) -> None:
        """Run it in a thread; RuntimeError where the host allows no more threads."""
        with self._lock:
            busy = not self._free
            if not busy:
                self._free -= 1
        if busy:
            threading.Thread(target=self._run, daemon=True).start()
        self._work.put((function, arguments))

    def _run(self) -> None:
        while True:
            function, arguments = self._work.get()
            function(*arguments)
            del function, arguments
            with self._lock:
                self._free += 1
