"""The fake engine's time and turns: a virtual clock, timers, and actors of which one runs at a time.

An actor is a thread used as a coroutine: it runs until it blocks in `World.block` (or has used up its turn), and time
goes on only when all of them sleep and somebody outside waits. So a time-out of seven seconds takes no time, and the
same scenario takes the same turns every time. What the actors do is for `agent` and `sockets`.
"""

import ctypes
import heapq
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass

SECOND = 1_000_000_000
MICROSECOND = 1_000
TURN = 1_000 * MICROSECOND
STUCK = 5.0
LAST_TURNS = 20


class Killed(BaseException):
    """Raised in an actor whose process is no more."""


@dataclass
class Timer:
    """Something that happens later, unless it is cancelled."""

    action: Callable[[], None]
    cancelled: bool = False


class Actor:
    """A thread that runs only when it is resumed."""

    def __init__(self, world: "World", function: Callable[[], None]) -> None:
        self.world = world
        self.function = function
        self.condition: Callable[[], bool] = lambda: True
        self.deadline: int | None = None
        self.killed = self.stuck = self.finished = False
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._main, daemon=True, name="fake-actor")
        self._thread.start()

    def awake(self) -> bool:
        """Whether it would go on if it were resumed."""
        late = self.deadline is not None and self.deadline <= self.world.now
        return not self.finished and (self.killed or late or self.condition())

    def is_here(self) -> bool:
        """Whether it is who asks: what Python collects, it may collect in any thread."""
        return threading.current_thread() is self._thread

    def resume(self) -> None:
        """Run it until it sleeps or ends; one that computes without end is killed."""
        self._go.release()
        if not self._back.acquire(timeout=STUCK):
            self.killed = self.stuck = True
            identity = ctypes.c_ulong(self._thread.ident or 0)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(identity, ctypes.py_object(Killed))
            self.finished = not self._back.acquire(timeout=STUCK)

    def pause(self) -> None:
        """Called by the actor itself: let the others run."""
        self._back.release()
        self._go.acquire()
        if self.killed:
            raise Killed

    def _main(self) -> None:
        self._go.acquire()
        try:
            if not self.killed:
                self.function()
        except Killed:
            pass
        finally:
            self.finished = True
            self._back.release()


class World:
    """The clock (`now`, ns) and all that waits for it. Its methods are called with `lock` held, or by an actor."""

    def __init__(self, start: int) -> None:
        self.now = start
        self.lock = threading.RLock()
        self.actors: list[Actor] = []
        self.current: Actor | None = None
        self._horizon = start
        self._timers: list[tuple[int, int, Timer]] = []
        self._number = itertools.count()

    def after(self, delay: float, action: Callable[[], None]) -> Timer:
        """Do something so many seconds from now."""
        timer = Timer(action)
        heapq.heappush(self._timers, (self.now + round(delay * SECOND), next(self._number), timer))
        return timer

    def spawn(self, function: Callable[[], None]) -> Actor:
        """A new actor, which begins when the world runs next."""
        actor = Actor(self, function)
        self.actors.append(actor)
        return actor

    def tick(self, nanoseconds: int = MICROSECOND) -> None:
        """Something took time; an actor that has had its turn lets the others run."""
        self.now += nanoseconds
        if self.current:
            if self.current.killed:
                raise Killed
            if self.now > self._horizon:
                self.block(lambda: True)

    def block(self, condition: Callable[[], bool], deadline: int | None = None) -> bool:
        """Called by an actor: sleep until the condition holds (True) or the time is reached (False)."""
        actor = self.current
        if actor is None:
            raise RuntimeError("only an actor can sleep")
        actor.condition, actor.deadline = condition, deadline
        actor.pause()
        return condition()

    def run(self, done: Callable[[], bool] = lambda: True, deadline: int | None = None) -> bool:
        """Let everybody run until `done` holds and all sleep, or the deadline (now, if None) is reached; tells `done`.

        Who never sleeps gets one more turn after `done` holds.
        """
        end = self.now if deadline is None else deadline
        turns_end = self.now + TURN if deadline is None else deadline
        while True:
            self._fire()
            actor = next((item for item in self.actors if item.awake()), None)
            if actor and self.now <= turns_end:
                self._turn(actor, min(self.now + TURN, turns_end))
                if done():
                    turns_end = min(turns_end, self.now + TURN)
                continue
            upcoming = self._next()
            if done() or self.now >= end:
                return done()
            self.now = max(self.now, min(end, upcoming if upcoming is not None else end))

    def stop(self) -> None:
        """End all actors."""
        for actor in self.actors:
            actor.killed = True
        for _ in range(LAST_TURNS):
            for actor in [item for item in self.actors if not item.finished]:
                self._turn(actor, self.now)
        self.actors.clear()
        self._timers.clear()

    def _turn(self, actor: Actor, horizon: int) -> None:
        self.current, self._horizon = actor, horizon
        try:
            actor.resume()
        finally:
            self.current = None
        if actor in self.actors:
            self.actors.remove(actor)
            if not actor.finished:
                self.actors.append(actor)

    def _fire(self) -> None:
        while self._timers and (self._timers[0][2].cancelled or self._timers[0][0] <= self.now):
            timer = heapq.heappop(self._timers)[2]
            if not timer.cancelled:
                timer.action()

    def _next(self) -> int | None:
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        times = [actor.deadline for actor in self.actors if actor.deadline is not None and not actor.finished]
        times += [self._timers[0][0]] if self._timers else []
        return min(times, default=None)
