import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from lab.addressing import Interface
from lab.engines.docker import bodies, deployment
from lab.engines.docker.client import Refused
from lab.errors import EngineError, HostError, MissingCapability, SubnetTaken
from lab.plan import Plan, PlannedHost, PlannedNetwork

HOSTS = tuple(
    PlannedHost(
        name=name,
        interfaces=(
            Interface(network="lan", address=f"10.213.0.{last}"),
            Interface(network="wan", address=f"10.213.0.{last + 16}"),
        ),
        sysctls={"net.ipv4.nonsense": "1"},
    )
    for last, name in enumerate(("server", "client"), start=2)
)
PLAN = Plan(
    scenario="s",
    file="s.yaml",
    case="c",
    title="t",
    networks=(
        PlannedNetwork(name="lan", subnet="10.213.0.0/28"),
        PlannedNetwork(name="wan", subnet="10.213.0.16/28"),
    ),
    hosts=HOSTS,
    steps=(),
)


class Engine:
    """Makes things in a set; `on` is what happens at a verb instead."""

    def __init__(self, api: tuple[int, int] = (1, 41), **on: Callable[[str], None]) -> None:
        self.api = api
        self.on = on
        self.things: dict[str, dict[str, str]] = {}
        self.did: list[tuple[str, str]] = []
        self.lock = threading.Lock()

    def _do(self, verb: str, name: str, labels: dict[str, str] | None = None) -> str:
        if verb in self.on:
            self.on[verb](name)
        with self.lock:
            self.did.append((verb, name))
            if labels:
                self.things[name] = labels
        return name

    def create_network(self, name: str, **body: Any) -> str:
        return self._do("network", name, body["labels"])

    def create_container(self, name: str, body: Any) -> str:
        return self._do("container", name, body["Labels"])

    def connect(self, name: str, network: str, address: str, address6: str | None) -> None:
        self._do("connect", f"{name} {network} {address}")

    def attach(self, name: str) -> Any:
        return Pipe(self, name)

    def start(self, name: str) -> None:
        self._do("start", name)

    def disconnect(self, name: str, network: str) -> None:
        self._do("disconnect", name)

    def _listed(self, kind: str, label: str) -> list[Any]:
        key, _, value = label.partition("=")
        found = [(name, labels) for name, labels in self.things.items() if labels[key] == value and kind in labels]
        return [{"Id": name, "Name": name, "Labels": labels, "State": "created"} for name, labels in found]

    def containers(self, label: str) -> list[Any]:
        return self._listed(bodies.HOST, label)

    def networks(self, label: str) -> list[Any]:
        return self._listed(bodies.NETWORK, label)

    def _remove(self, name: str) -> None:
        self._do("remove", name)
        del self.things[name]

    remove_container = remove_network = _remove


class Pipe:
    def __init__(self, engine: Engine, name: str) -> None:
        self.close = lambda: engine.did.append(("close", name))
        self.write = lambda data: None


class Agent:
    """A Remote that is content with everything."""

    def __init__(self, host: str, pipe: Any) -> None:
        self.host = host
        self.forbidden: list[str] = []
        self.stays = False

    def hello(self) -> None:
        pass

    def configure(self, host: PlannedHost, forbidden: list[str]) -> None:
        self.forbidden = forbidden

    def request(self, verb: str) -> dict[str, int]:
        return {"time": time.time_ns()}

    def stay(self) -> None:
        self.stays = True


@pytest.fixture(autouse=True)
def agents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "Remote", Agent)
    monkeypatch.setattr(deployment, "agent_source", lambda: b"")


def deploy(engine: Engine, body: Callable[[deployment.DockerDeployment], None] = lambda up: None) -> None:
    with deployment.deploy(engine, "image:1", PLAN, "r1", lambda text: None) as up:  # type: ignore[arg-type]
        body(up)


def refuse(status: int, reason: str) -> Callable[[str], None]:
    def raising(name: str) -> None:
        raise Refused("do", status, reason)

    return raising


def test_everything_is_made_and_gone_after_the_block() -> None:
    engine = Engine()

    def inside(up: deployment.DockerDeployment) -> None:
        assert set(up.agents) == {"server", "client"}
        assert len(engine.things) == 4
        assert up.enter("server") == f"docker exec -it lab-r1-{up.names.token}-server sh"
        assert up.agents["server"].forbidden == ["10.213.0.1", "10.213.0.17"]  # type: ignore[attr-defined]
        assert abs(up.now() - time.time_ns()) < 10**9

    deploy(engine, inside)
    assert engine.things == {}
    verbs = [verb for verb, _ in engine.did]
    assert verbs.count("close") == 2
    assert verbs.index("start") > max(index for index, verb in enumerate(verbs) if verb == "network")


def test_an_old_engine_connects_the_second_network_before_the_start() -> None:
    engine = Engine()
    deploy(engine)
    for host, address in (("server", "10.213.0.18"), ("client", "10.213.0.19")):
        connected = next(i for i, (verb, what) in enumerate(engine.did) if verb == "connect" and what.endswith(address))
        started = next(i for i, (verb, what) in enumerate(engine.did) if verb == "start" and what.endswith(host))
        assert connected < started
    at_once = Engine(api=(1, 44))
    deploy(at_once)
    assert not [verb for verb, _ in at_once.did if verb == "connect"]


@pytest.mark.parametrize("error", [ValueError("boom"), KeyboardInterrupt(), HostError("died")])
def test_whatever_ends_the_block_it_is_all_gone(error: BaseException) -> None:
    engine = Engine()

    def inside(up: deployment.DockerDeployment) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        deploy(engine, inside)
    assert caught.value is error
    assert engine.things == {}


def test_a_subnet_that_overlaps_is_taken_and_nothing_stays() -> None:
    engine = Engine(network=refuse(403, "Pool overlaps with other one on this address space"))
    with pytest.raises(SubnetTaken) as caught:
        deploy(engine)
    assert caught.value.subnet == "10.213.0.0/28"
    assert engine.things == {}


def test_what_is_being_made_while_another_fails_goes_too() -> None:
    failed = threading.Event()

    def fail(name: str) -> None:
        failed.set()
        raise Refused("create network", 500, "no")

    def late(name: str) -> None:
        assert failed.wait(5)
        time.sleep(0.05)

    engine = Engine(network=fail, container=late)
    with pytest.raises(Refused):
        deploy(engine)
    assert [verb for verb, _ in engine.did].count("container") >= 1
    assert engine.things == {}


def test_a_host_that_never_reads_its_input_holds_nobody_up() -> None:
    stuck = threading.Event()

    def fail(name: str) -> None:
        if name.endswith("client"):
            assert stuck.wait(5)
            raise Refused("start", 500, "no")

    class Stuck(Pipe):
        def __init__(self, engine: Engine, name: str) -> None:
            closed = threading.Event()
            self.close = closed.set
            self.write = lambda data: stuck.set() or (closed.wait(5) or pytest.fail("it was never closed"))

    engine = Engine(start=fail)
    engine.attach = lambda name: Stuck(engine, name)  # type: ignore[method-assign]
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted(engine, stuck)
    assert time.monotonic() - begun < 4
    assert engine.things == {}


def interrupted(engine: Engine, when: threading.Event) -> None:
    """Ctrl-C while hosts are being made."""
    main = threading.get_ident()

    def interrupt() -> None:
        assert when.wait(5)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        deploy(engine)
    finally:
        thread.join()


@pytest.mark.parametrize(
    ("reason", "error", "words"),
    [
        (
            "init: open /proc/sys/net/ipv4/nonsense: no such file or directory: unknown",
            MissingCapability,
            "has no sysctl",
        ),
        ("open sysctl net.ipv4.nonsense file: openat2: no such file or directory", MissingCapability, "has no sysctl"),
        ('sysctl "net.ipv4.nonsense" is not in a separate kernel namespace', MissingCapability, "no host may set"),
        ("open /proc/sys/net/ipv4/nonsense: permission denied", MissingCapability, "no host may set"),
        (
            "write /proc/sys/net/ipv4/nonsense: invalid argument",
            EngineError,
            "refuses '1' as value of net.ipv4.nonsense",
        ),
        ("the disk is full", EngineError, "host (server|client) does not start: the disk is full"),
    ],
)
def test_a_host_that_does_not_start_says_why(reason: str, error: type[Exception], words: str) -> None:
    engine = Engine(start=refuse(400, reason))
    with pytest.raises(error, match=words):
        deploy(engine)
    assert engine.things == {}


def test_a_clean_up_that_fails_is_a_note_and_the_first_error_stays() -> None:
    engine = Engine(remove=lambda name: (_ for _ in ()).throw(EngineError("the engine is gone")))

    def inside(up: deployment.DockerDeployment) -> None:
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom") as caught:
        deploy(engine, inside)
    assert caught.value.__notes__ == ["and while tidying up: the engine is gone"]
    with pytest.raises(EngineError, match="the engine is gone"):
        deploy(Engine(remove=engine.on["remove"]))


def test_kept_hosts_stay_and_their_agents_know() -> None:
    engine, agents = Engine(), list[Any]()

    def inside(up: deployment.DockerDeployment) -> None:
        agents.extend(up.agents.values())
        up.keep()

    deploy(engine, inside)
    assert len(engine.things) == 4
    assert all(agent.stays for agent in agents)


def test_another_clock_is_reckoned_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Agent, "request", lambda self, verb: {"time": time.time_ns() + 5 * 10**9})
    deploy(Engine(), lambda up: _close_to(up.now() - time.time_ns(), 5 * 10**9))


def _close_to(observed: int, expected: int) -> None:
    assert abs(observed - expected) < 10**8
