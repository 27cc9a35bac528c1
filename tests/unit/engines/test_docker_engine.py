import platform
from pathlib import Path
from typing import Any

import pytest

from lab.engines import ENGINES, open_engine, pool
from lab.engines.docker import DockerEngine, bodies
from lab.errors import PoolExhausted, UsageError


def engine(**client: Any) -> DockerEngine:
    made = DockerEngine()
    made.client = type("Client", (), {"close": lambda self: None} | client)()
    return made


def network(subnet: str, **labels: str) -> dict[str, Any]:
    return {"Name": "somebody", "IPAM": {"Config": [{"Subnet": subnet}]}, "Labels": labels or None}


def test_an_engine_is_a_row_of_the_table() -> None:
    assert open_engine("docker").name == "docker"
    assert all(open_engine(name).name == name for name in ENGINES)
    with pytest.raises(UsageError, match=r"expected an engine .*, observed 'dokcer'; did you mean 'docker'\?"):
        open_engine("dokcer")
    with pytest.raises(UsageError, match=r"observed 'qqq'$"):
        open_engine("qqq")


def test_a_full_pool_names_its_holders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(pool.VARIABLE, "10.213.7.0/27")
    networks = [network("10.213.7.0/28", **{bodies.RUN: "r7"}), network("10.213.7.16/28"), network("172.18.0.0/16")]
    full = engine(networks=lambda self: networks)
    with pytest.raises(PoolExhausted) as caught:
        full.subnets([2])
    assert "10.213.7.0/28 by run r7, 10.213.7.16/28 by network somebody; " in str(caught.value)
    assert "172.18" not in str(caught.value)


def test_free_subnets_avoid_the_engines_and_the_refused_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(pool.VARIABLE, "10.213.7.0/26")
    free = engine(networks=lambda self: [network("10.213.7.0/28")])
    for _ in range(20):
        assert set(free.subnets([2, 2], avoid=["10.213.7.32/28"])) == {"10.213.7.16/28", "10.213.7.48/28"}


@pytest.mark.parametrize(
    ("kernel", "has"), [("6.18.44", True), ("6.5.0-9-generic", True), ("5.15.0", False), ("odd", False)]
)
def test_a_kernel_lacks_what_came_later(kernel: str, has: bool) -> None:
    version = {"Version": "20.10.24", "KernelVersion": kernel}
    found = engine(version=version).capabilities()
    key = "sysctl:net.ipv4.tcp_syn_linear_timeouts"
    assert (key in found.has) is has
    assert (key in found.lacks) is not has
    assert {"router", "firewall", "capture", "trace", "link"} <= found.has
    assert found.versions["engine"] == "docker 20.10.24"


def test_this_machines_kernel_is_asked_for_ipv6(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("lab.engines.docker.IPV6", tmp_path / "ipv6")
    here = {"Version": "29", "KernelVersion": platform.release()}
    assert "ipv6" in engine(version=here).capabilities().lacks
    assert "ipv6" in engine(version=here | {"KernelVersion": "1.0"}).capabilities().has
    (tmp_path / "ipv6").mkdir()
    assert "ipv6" in engine(version=here).capabilities().has


def test_closing_twice_is_closing_once() -> None:
    made = engine()
    made.close()
    made.close()
