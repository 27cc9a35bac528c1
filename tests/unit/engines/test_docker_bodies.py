from typing import Any

import pytest
from msgspec.structs import replace

from lab.addressing import Interface
from lab.engines.docker import bodies
from lab.plan import Plan, PlannedHost, PlannedNetwork

LAN = PlannedNetwork(name="lan", subnet="10.213.0.0/28")
DUAL = PlannedNetwork(name="dual", subnet="10.213.0.16/28", subnet6="fd4c:6162::/64", internal=False)
SERVER = PlannedHost(
    name="server",
    interfaces=(
        Interface(network="lan", address="10.213.0.2"),
        Interface(network="dual", address="10.213.0.18", ipv6="fd4c:6162::2"),
    ),
    sysctls={"net.ipv4.ip_forward": "0", "net.ipv4.neigh.eth1.retrans_time_ms": "100"},
)
PLAN = Plan(
    scenario="s",
    file="s.yaml",
    case="c",
    title="t",
    networks=(LAN, DUAL),
    hosts=(SERVER,),
    names={"server": ("10.213.0.2", "10.213.0.18"), "client": ("10.213.0.3", "fd4c::3")},
    steps=(),
)
NAMES = bodies.Names("r1", "ab12", "{}")
OLD, NEW = (1, 41), (1, 51)


def container(api: tuple[int, ...]) -> Any:
    return bodies.container_body(PLAN, SERVER, NAMES, "image:1", ["python3"], api)


def test_the_gateway_is_the_first_address_that_no_host_has() -> None:
    assert bodies.gateways(DUAL, PLAN.hosts) == ("10.213.0.17", "fd4c:6162::1")
    first = PlannedHost(name="a", interfaces=(Interface(network="lan", address="10.213.0.1"),))
    assert bodies.gateways(LAN, [first, SERVER]) == ("10.213.0.3",)


@pytest.mark.parametrize("api", [OLD, NEW])
def test_a_network_keeps_the_machine_off(api: tuple[int, ...]) -> None:
    body = bodies.network_body(LAN, ("10.213.0.1",), {"a": "b"}, api)
    assert body["internal"] is True
    assert body["enable_ipv6"] is False
    assert body["ipam"]["Config"] == [{"Subnet": "10.213.0.0/28", "Gateway": "10.213.0.1"}]
    assert body["options"]["com.docker.network.bridge.inhibit_ipv4"] == "true"
    isolated = body["options"].get("com.docker.network.bridge.gateway_mode_ipv4") == "isolated"
    assert isolated is (api == NEW)


def test_a_routers_network_is_open_to_forwarding_and_is_not_masqueraded() -> None:
    body = bodies.network_body(DUAL, ("10.213.0.17", "fd4c:6162::1"), {}, NEW)
    assert body["internal"] is False
    assert body["enable_ipv6"] is True
    assert len(body["ipam"]["Config"]) == 2
    assert body["options"]["com.docker.network.bridge.gateway_mode_ipv4"] == "routed"
    assert body["options"]["com.docker.network.bridge.gateway_mode_ipv6"] == "routed"
    assert body["options"]["com.docker.network.bridge.enable_ip_masquerade"] == "false"


def test_a_host_has_the_least() -> None:
    settings = container(OLD)["HostConfig"]
    assert settings["CapDrop"] == ["ALL"]
    assert set(settings["CapAdd"]) == {"NET_ADMIN", "NET_RAW", "SETUID", "SETGID", "KILL"}
    assert settings["SecurityOpt"] == ["no-new-privileges"]
    assert settings["ReadonlyRootfs"] is True
    assert "noexec" in settings["Tmpfs"]["/tmp"]
    assert not {"Binds", "Mounts", "Privileged", "PortBindings", "PidMode", "Devices"} & settings.keys()


def test_only_who_asks_a_name_server_has_a_root_that_its_agent_may_write() -> None:
    asking = replace(SERVER, nameserver="10.213.0.3")
    body = bodies.container_body(PLAN, asking, NAMES, "image", ["python3"], OLD)
    assert body["HostConfig"]["ReadonlyRootfs"] is False


def test_a_host_goes_with_its_agent() -> None:
    body = container(OLD)
    assert body["OpenStdin"] and body["StdinOnce"] and not body["Tty"]
    assert body["HostConfig"]["AutoRemove"] is True
    assert body["Labels"] == {bodies.RUN: "r1", bodies.DEPLOYMENT: "ab12", bodies.LEASE: "{}", bodies.HOST: "server"}


def test_an_old_engine_is_told_of_the_first_network_only() -> None:
    body = container(OLD)
    assert body["HostConfig"]["NetworkMode"] == "lab-r1-ab12-lan"
    endpoints = body["NetworkingConfig"]["EndpointsConfig"]
    assert list(endpoints) == ["lab-r1-ab12-lan"]
    assert endpoints["lab-r1-ab12-lan"]["IPAMConfig"] == {"IPv4Address": "10.213.0.2"}
    assert body["HostConfig"]["Sysctls"] == SERVER.sysctls


def test_a_new_engine_is_told_of_all_and_of_their_settings_apart() -> None:
    body = container(NEW)
    endpoints = body["NetworkingConfig"]["EndpointsConfig"]
    assert endpoints["lab-r1-ab12-dual"] == {
        "IPAMConfig": {"IPv4Address": "10.213.0.18", "IPv6Address": "fd4c:6162::2"},
        "DriverOpts": {"com.docker.network.endpoint.sysctls": "net.ipv4.neigh.IFNAME.retrans_time_ms=100"},
    }
    assert endpoints["lab-r1-ab12-lan"]["DriverOpts"] is None
    assert body["HostConfig"]["Sysctls"] == {"net.ipv4.ip_forward": "0"}


def test_names_are_the_plans_and_its_own_is_the_engines() -> None:
    assert container(OLD)["HostConfig"]["ExtraHosts"] == ["client:10.213.0.3", "client:fd4c::3"]
