"""The lab ends before its run does: killed at ten different moments, or interrupted at several. Nothing stays, and a
run that lives beside them is not touched. All labs of a test run side by side, each hurt at a moment of its own."""

import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from bad_days.house import Lab, kill, nothing_left, pair, run, start, until

pytestmark = pytest.mark.docker

AT_ONCE = 3
Moment = Callable[[Lab], None]


@pytest.fixture
def moments(events) -> dict[str, Moment]:
    """The moments of a run, each as what waits for it, from its beginning to its end."""

    def event(what: str, times: int = 1) -> Moment:
        return lambda lab: events.wait(lab, what, times)

    def step(number: int) -> Moment:
        return lambda lab: lab.shows(f"\n {number}. ")

    return {
        "before anything is made": lambda lab: until(lambda: lab.run, "the run has a folder") and None,
        "the network is there": event("network create"),
        "one host is made": event("container create"),
        "both hosts are made": event("container create", 2),
        "a host is on its network": event("network connect"),
        "one host runs": event("container start"),
        "both hosts run": event("container start", 2),
        "a step has begun": step(1),
        "a step waits": step(4),
        "a host leaves its network": event("network disconnect"),
        "a host has ended": event("container die"),
    }


def hurt(folder, moments: Sequence[Moment], act: Callable[[Lab], None]) -> list[Lab]:
    """A lab for each moment, a few at a time; at its moment it is acted upon."""
    scenario, number = pair(folder, "700 ms"), count()

    def one(moment: Moment) -> Lab:
        lab = start("run", scenario, runs=folder / f"runs-{next(number)}")
        moment(lab)
        act(lab)
        return lab

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, moments))


def test_killed_at_any_moment(engine, folder, moments):
    bystander = start("run", pair(folder, "25 s", "bystander"), runs=folder / "bystander")
    bystander.shows("\n 4. ")
    victims = hurt(folder, [*moments.values()][:-1], kill)
    assert [victim.end().code for victim in victims] == [-signal.SIGKILL] * len(victims)

    def swept() -> bool:
        assert run("sweep", runs=folder / "sweep").code == 0
        return not any(engine.left(victim.run) for victim in victims)

    until(swept, "all that the dead runs had is swept", 20)
    assert len(engine.left(bystander.run)) == 3
    bystander.signal(signal.SIGINT)
    assert bystander.end().code == 130
    nothing_left(engine, [bystander])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_interrupted_at_any_moment(engine, folder, moments, number):
    ended = []

    def interrupt(lab: Lab) -> None:
        lab.signal(number)
        ended.append(lab.end(20))
        nothing_left(engine, [lab])

    victims = hurt(folder, [*moments.values()][int(number == signal.SIGTERM) :: 2], interrupt)
    assert len(ended) == len(victims)
    for end in ended:
        assert (end.code, end.err.strip()) == (130, "interrupted: everything that was started is gone")


def test_an_impatient_person(engine, folder, moments):
    lab = start("run", pair(folder, "30 s"), runs=folder / "runs")
    moments["a step waits"](lab)
    done = threading.Event()

    def press() -> None:
        while not done.wait(0.05):
            lab.signal(signal.SIGINT)

    pressing = threading.Thread(target=press)
    pressing.start()
    until(lambda: not engine.left(lab.run) or lab.over, "the lab tidies up", 20)
    done.set()
    pressing.join()
    assert lab.end(20).code == 130
    nothing_left(engine, [lab])
