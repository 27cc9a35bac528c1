import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from lab.engines.docker import bodies, lease, sweep
from lab.engines.docker.client import Refused
from lab.errors import EngineError

MINE = lease.own()
DEAD = replace(MINE, start="1")
ELSEWHERE = replace(MINE, host="another")


def labels(run: str, holder: lease.Lease, key: str, name: str) -> dict[str, str]:
    return bodies.Names(run, "ab12", holder.dumps()).labels(key, name)


def container(run: str, holder: lease.Lease, state: str = "running", age: float = 0, name: str = "server") -> Any:
    return {
        "Id": f"{run}-{name}",
        "State": state,
        "Status": "Up",
        "Created": int(time.time() - age),
        "Labels": labels(run, holder, bodies.HOST, name),
        "NetworkSettings": {"Networks": {"lab": {"NetworkID": f"{run}-lan"}}},
    }


def network(run: str, holder: lease.Lease, age: float = 0) -> Any:
    made = (datetime.now(UTC) - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%S.%f123Z")
    return {
        "Id": f"{run}-lan",
        "Name": f"lab-{run}-lan",
        "Created": made,
        "IPAM": {"Config": [{"Subnet": "10.213.0.0/28"}]},
        "Labels": labels(run, holder, bodies.NETWORK, "lan"),
    }


class Engine:
    """What it has, and refusals to give before each removal succeeds."""

    def __init__(
        self, containers: list[Any], networks: list[Any], refusals: dict[str, list[int]] | None = None
    ) -> None:
        self.things = {"containers": containers, "networks": networks}
        self.refusals = refusals or {}
        self.did: list[str] = []

    def _list(self, what: str, label: str) -> list[Any]:
        key, _, value = label.partition("=")
        return [thing for thing in self.things[what] if thing["Labels"].get(key, "") == value or not value]

    def containers(self, label: str) -> list[Any]:
        return self._list("containers", label)

    def networks(self, label: str) -> list[Any]:
        return self._list("networks", label)

    def network(self, name: str) -> Any:
        return {"Containers": {"x": {"Name": "foreign"}}}

    def disconnect(self, name: str, network: str) -> None:
        self._act("disconnect", name)

    def remove_container(self, name: str) -> None:
        self._act("remove", name)

    def remove_network(self, name: str) -> None:
        self._act("remove", name)

    def _act(self, what: str, name: str) -> None:
        if waiting := self.refusals.get(f"{what} {name}"):
            raise Refused(what, waiting.pop(0), "has active endpoints")
        self.did.append(f"{what} {name}")


@pytest.mark.parametrize(
    ("containers", "networks", "alive"),
    [
        ([container("r", DEAD)], [network("r", DEAD)], True),
        ([container("r", DEAD, "paused")], [], True),
        ([container("r", DEAD, "created")], [network("r", DEAD)], False),
        ([container("r", DEAD, "exited")], [], False),
        ([], [network("r", DEAD)], False),
        ([], [network("r", MINE)], True),
        ([container("r", MINE, "created")], [], True),
        ([], [network("r", ELSEWHERE)], True),
        ([], [network("r", ELSEWHERE, age=601)], False),
        ([container("r", ELSEWHERE, "running", age=9999)], [network("r", ELSEWHERE, age=9999)], True),
        ([container("r", ELSEWHERE, "created", age=9999)], [network("r", ELSEWHERE, age=5)], True),
        ([], [network("r", DEAD), network("r", MINE)], True),
    ],
)
def test_who_lives(containers: list[Any], networks: list[Any], alive: bool) -> None:
    assert sweep.Belongings("r", tuple(containers), tuple(networks)).alive is alive


def test_a_label_that_cannot_be_read_proves_nothing() -> None:
    odd = network("r", DEAD)
    odd["Labels"][bodies.LEASE] = "nonsense"
    assert sweep.Belongings("r", (), (odd,)).alive
    old = network("r", DEAD, age=700)
    old["Labels"][bodies.LEASE] = "nonsense"
    assert not sweep.Belongings("r", (), (old,)).alive


def test_only_dead_runs_are_swept() -> None:
    engine = Engine([container("live", MINE)], [network("live", MINE), network("dead", DEAD)])
    gone = sweep.sweep(engine)  # type: ignore[arg-type]
    assert engine.did == ["remove dead-lan"]
    assert [(thing.kind, thing.name, thing.run, thing.alive, thing.detail) for thing in gone] == [
        ("network", "lan", "dead", False, "10.213.0.0/28")
    ]


def test_a_named_run_is_swept_alive_or_not_and_no_other() -> None:
    engine = Engine([container("a", MINE)], [network("a", MINE), network("b", DEAD)])
    gone = sweep.sweep(engine, "a")  # type: ignore[arg-type]
    assert {thing.run for thing in gone} == {"a"}
    assert engine.did[0] == "disconnect a-server"
    assert set(engine.did[1:]) == {"remove a-server", "remove a-lan"}


def test_what_is_going_already_is_waited_for() -> None:
    refusals = {"disconnect a-server": [500], "remove a-server": [409, 409, 404], "remove a-lan": [403, 403]}
    engine = Engine([container("a", MINE)], [network("a", MINE)], refusals)
    sweep.sweep(engine, "a")  # type: ignore[arg-type]
    assert engine.did == ["remove a-lan"]
    assert not any(refusals.values())


def test_an_endpoint_that_stays_is_named_and_the_other_runs_are_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "PATIENCE_SECONDS", 0.1)
    engine = Engine([], [network("a", DEAD), network("b", DEAD)], {"remove a-lan": [403] * 1000})
    with pytest.raises(EngineError, match="network lab-a-lan stays: foreign is still attached to it"):
        sweep.sweep(engine)  # type: ignore[arg-type]
    assert engine.did == ["remove b-lan"]


@pytest.mark.parametrize(
    "stamp", ["2026-11-23T08:00:00.123456789Z", "2026-11-23T10:00:00.1+02:00", "2026-11-23T08:00:00Z"]
)
def test_the_engines_times_are_read(stamp: str) -> None:
    assert sweep._seconds(stamp) == datetime(2026, 11, 23, 8, tzinfo=UTC).timestamp()
