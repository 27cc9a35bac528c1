"""What every engine owes for the life of a deployment: it comes up whole, goes whole, and meets no other's."""

import pytest
from contract.house import PYTHON, Hand, deployed, pair, port
from msgspec.structs import replace

from lab.errors import EngineError, HostError, MissingCapability, PoolExhausted, SubnetTaken

APART = {"namespaces": "each run has a kernel's view of networks of its own"}


def quiet(text):
    assert text


def left(engine, run):
    return [item for item in engine.leftovers() if item.run == run]


def test_what_is_up_is_told_and_gone_after_the_block(engine):
    with deployed(engine, "contract-life", [2], pair) as (plan, deployment):
        held = left(engine, "contract-life")
        removed = engine.sweep()
        still = Hand(deployment, plan, "one").connect(plan.hosts[1].interfaces[0].address, port())
    assert held
    assert all(item.alive for item in held)
    assert [item for item in removed if item.run == "contract-life"] == []
    assert still.error == "ECONNREFUSED"
    assert left(engine, "contract-life") == []
    with pytest.raises(HostError, match="one"):
        deployment.agents["one"].hello()


def test_nothing_is_left_by_a_block_that_raises(engine):
    with pytest.raises(ZeroDivisionError), deployed(engine, "contract-raise", [2], pair) as (_, deployment):
        deployment.agents["one"].start(1, [*PYTHON, "import signal; signal.pause()"], trace=False)
        assert left(engine, "contract-raise")
        1 / 0  # noqa: B018
    assert left(engine, "contract-raise") == []


def test_two_runs_do_not_share_a_subnet(engine):
    if engine.name in APART:
        pytest.skip(f"{engine.name}: {APART[engine.name]}")
    with deployed(engine, "contract-first", [2], pair) as (plan, deployment):
        with pytest.raises(SubnetTaken) as taken, engine.deploy(plan, "contract-second", quiet):
            pass
        again = Hand(deployment, plan, "one").connect(plan.hosts[1].interfaces[0].address, port())
        assert left(engine, "contract-second") == []
    assert taken.value.subnet == plan.networks[0].subnet
    assert again.error == "ECONNREFUSED"


def test_two_runs_on_one_subnet_do_not_see_each_other(engine):
    if engine.name not in APART:
        pytest.skip(f"{engine.name}: its runs share the engine's networks")
    with deployed(engine, "contract-first", [2], pair) as (plan, ours):
        with engine.deploy(plan, "contract-second", quiet) as theirs:
            here, there = Hand(ours, plan, "one"), Hand(theirs, plan, "one")
            number = port()
            here.listen(number)
            assert Hand(ours, plan, "two").connect(here.address, number).error is None
            assert Hand(theirs, plan, "two").connect(there.address, number).error == "ECONNREFUSED"
        assert left(engine, "contract-second") == []
        assert Hand(ours, plan, "two").connect(here.address, number).error is None


def test_subnets_are_apart(engine):
    first = engine.subnets([2, 2])
    second = engine.subnets([2], avoid=first)
    assert len({*first, *second}) == 3
    assert engine.subnets([]) == ()


def test_a_full_pool_names_who_holds_it(engine, monkeypatch):
    if engine.name in APART:
        pytest.skip(f"{engine.name}: {APART[engine.name]}")
    monkeypatch.setenv("LAB_POOL", "10.214.77.0/28")
    with deployed(engine, "contract-holder", [2], pair) as (plan, _), pytest.raises(PoolExhausted) as exhausted:
        engine.subnets([2])
    assert "contract-holder" in str(exhausted.value)
    assert plan.networks[0].subnet in str(exhausted.value)
    assert "LAB_POOL" in str(exhausted.value)
    assert engine.subnets([2]) == (plan.networks[0].subnet,)


def test_what_is_missing_is_said_and_nothing_made(engine):
    plan = pair(engine.subnets([2]), needs=("sysctl:net.ipv4.no_such_setting",))
    hosts = [replace(item, sysctls={"net.ipv4.no_such_setting": "1"}) for item in plan.hosts]
    plan = replace(plan, hosts=tuple(hosts))
    with (
        pytest.raises(MissingCapability, match="no_such_setting"),
        engine.deploy(plan, "contract-missing", quiet),
    ):
        pass
    assert left(engine, "contract-missing") == []


def test_capabilities_name_the_engine(engine):
    found = engine.capabilities()
    assert {"firewall", "ipv6", "link", "router", "trace"} <= found.has | found.lacks.keys()
    assert not found.has & found.lacks.keys()
    assert {"engine", "kernel"} <= found.versions.keys()


def test_a_shell_is_a_command_or_a_refusal_in_words(engine):
    with deployed(engine, "contract-enter", [2], pair) as (_, deployment):
        try:
            words = deployment.enter("one")
        except EngineError as refusal:
            words = str(refusal)
    assert "one" in words or "nsenter" in words
