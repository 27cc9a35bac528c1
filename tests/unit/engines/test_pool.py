from ipaddress import IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.engines import pool
from lab.errors import PoolExhausted, UsageError

POOL = IPv4Network("10.213.0.0/16")


@st.composite
def inside(draw: st.DrawFn) -> IPv4Network:
    length = draw(st.integers(18, 30))
    return IPv4Network((int(POOL.network_address) + draw(st.integers(0, 2**16 - 1)), length), strict=False)


@given(st.lists(st.integers(0, 64), min_size=1, max_size=16), st.lists(inside(), max_size=20), st.integers(0))
def test_chosen_subnets_overlap_nobody(sizes: list[int], taken: list[IPv4Network], start: int) -> None:
    try:
        chosen = pool.choose(POOL, sizes, taken, start)
    except PoolExhausted:
        return
    everything = [*chosen, *taken]
    for number, subnet in enumerate(chosen):
        assert subnet.subnet_of(POOL)
        assert subnet.num_addresses >= sizes[number] + pool.RESERVED
        assert not any(subnet.overlaps(other) for other in everything[number + 1 :])


@given(st.integers(0, 64))
def test_a_subnet_is_no_larger_than_its_hosts_need(hosts: int) -> None:
    length = pool.prefix(hosts)
    needed = hosts + pool.RESERVED
    assert needed <= 2 ** (32 - length)
    assert length == pool.SMALLEST or needed > 2 ** (31 - length)


def test_the_walk_finds_the_last_free_subnet_from_any_start() -> None:
    within = IPv4Network("10.9.0.0/24")
    taken = [subnet for subnet in within.subnets(new_prefix=28) if str(subnet) != "10.9.0.96/28"]
    for start in range(20):
        assert pool.choose(within, [2], taken, start) == (IPv4Network("10.9.0.96/28"),)


def test_a_full_pool_is_exhausted() -> None:
    with pytest.raises(PoolExhausted, match=r"no /28 is free in 10\.9\.0\.0/28"):
        pool.choose(IPv4Network("10.9.0.0/28"), [2, 2], [], 0)


def test_a_pool_smaller_than_the_hosts_need_is_exhausted() -> None:
    with pytest.raises(PoolExhausted, match="no /25"):
        pool.choose(IPv4Network("10.9.0.0/26"), [64], [], 0)


@pytest.mark.parametrize("text", ["nonsense", "10.213.0.1/16", "8.8.8.0/24", "10.0.0.0/29", "fd00::/64"])
def test_a_pool_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(pool.VARIABLE, text)
    with pytest.raises(UsageError, match="LAB_POOL: expected"):
        pool.pool()


def test_the_pool_is_configurable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(pool.VARIABLE, raising=False)
    assert pool.pool() == POOL
    monkeypatch.setenv(pool.VARIABLE, "172.30.0.0/20")
    assert pool.pool() == IPv4Network("172.30.0.0/20")


def test_the_engines_subnets_are_read() -> None:
    config = [{"Subnet": "10.1.0.0/24", "Gateway": "10.1.0.1"}, {"Subnet": "fd00::/64"}, {}]
    assert list(pool.subnets_of({"IPAM": {"Config": config}})) == [IPv4Network("10.1.0.0/24")]
    assert list(pool.subnets_of({"IPAM": {"Config": None}})) == []
    assert list(pool.subnets_of({})) == []


def test_the_machines_routes_are_read_without_the_default_one(tmp_path: Path) -> None:
    table = tmp_path / "route"
    table.write_text(
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "tun0\t0000D50A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
    )
    assert pool.routes(table) == (IPv4Network("10.213.0.0/16"),)
    assert pool.routes(tmp_path / "none") == ()
