"""What a learner sees by hand, with Compose, is what the lab's scenarios observe."""

import ast
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import docker
import pytest
from compose.project import DOWN, Project, nothing_left
from pytest_docker.plugin import DockerComposeExecutor, get_docker_services

pytestmark = pytest.mark.docker

Told = dict[str, dict[str, Any]]
WORDS = {(0, "Received b'Hello, world'"): "accepted", (1, "ConnectionRefusedError: [Errno 111]"): "refused"}
# The hosts that still run when the clients have ended, and those in the lab.
WAITING = {"nobody": "nothing-listening", "loopback": "bound-to-loopback", "behind-rst": "firewall-tcp-reset"}
SERVERS = {
    "own-loopback": "server-1",
    "own-ethernet": "server-2",
    "others-loopback": "server-3",
    "others-ethernet": "server-4",
}


def outcome(project: Project, client: str) -> str:
    """`connect:` in the words of scenarios, out of how the client ended and what it printed."""
    code, output = project.exit_code(client), project.output(client)
    return next((word for (ended, text), word in WORDS.items() if code == ended and text in output), output)


def peer(text: str) -> str | None:
    """On which side of a host its peer is: `lo` or `lan`, out of the tuple that accept returned; None without one."""
    found = re.search(r"\(.*\)", text)
    if not found:
        return None
    return "lo" if ast.literal_eval(found[0])[0] == "127.0.0.1" else "lan"


def test_each_client_fares_as_in_the_lab(project: Project, told: Told) -> None:
    observed = {case: outcome(project, case) for case in told}
    assert observed == {case: checks["connect"].split()[0] for case, checks in told.items()}
    assert len(set(observed.values())) == 2


@pytest.mark.parametrize("story", ["refused"], indirect=True)
def test_the_exit_codes_are_the_labs(project: Project, told: Told) -> None:
    assert {case: project.exit_code(case) for case in told} == {case: int(told[case]["exit"]) for case in told}


@pytest.mark.parametrize("story", ["refused"], indirect=True)
@pytest.mark.parametrize(("server", "case"), WAITING.items())
def test_the_socket_table_is_the_labs(project: Project, told: Told, server: str, case: str) -> None:
    project.exit_code(case)
    table = project.containers[server].exec_run(["ss", "-Hltn", "sport = :65432"])
    assert table.exit_code == 0
    assert table.output.count(b" 0.0.0.0:65432 ") == int(told[case]["sockets"].split()[0])


@pytest.mark.parametrize("story", ["loopback"], indirect=True)
def test_each_server_meets_the_same_peer_as_in_the_lab(project: Project, told: Told) -> None:
    clients = {case: project.exit_code(case) for case in told}
    observed = {case: peer(project.output(SERVERS[case])) for case in clients}
    assert observed == {case: peer(checks.get("returns", "")) for case, checks in told.items()}


def test_a_host_may_do_nothing_but_its_work(project: Project) -> None:
    for service, container in project.containers.items():
        allowed = container.attrs["HostConfig"]
        firewall = service in {"rst", "icmp"}
        added = {capability.removeprefix("CAP_") for capability in allowed["CapAdd"] or ()}
        assert added == ({"NET_ADMIN"} if firewall else set()), service
        assert allowed["CapDrop"] == ["ALL"], service
        assert any("no-new-privileges" in option for option in allowed["SecurityOpt"]), service
        assert allowed["ReadonlyRootfs"], service
        assert not allowed["Privileged"] and not allowed["PortBindings"], service
        assert container.attrs["Config"]["User"] == ("" if firewall else "1000:1000"), service
    assert [network.attrs["Internal"] for network in project.networks] == [True]


def test_nothing_is_left_where_up_fails(
    engine: docker.DockerClient, docker_compose_command: str, worker_id: str, tmp_path: Path
) -> None:
    file = tmp_path / "fails.yaml"
    file.write_text("""
services:
  waiting: {image: "${LAB_IMAGE}", command: [sleep, infinity], stop_signal: SIGKILL}
  failing: {image: "${LAB_IMAGE}", command: ["false"], depends_on: {waiting: {condition: service_started}}}
  never:
    image: "${LAB_IMAGE}"
    command: ["true"]
    depends_on: {failing: {condition: service_completed_successfully}}
""")
    name = f"lab-test-fails-{worker_id}-{tmp_path.name}".lower()
    project = Project(engine, name)
    compose = DockerComposeExecutor(docker_compose_command, str(file), name)
    with ExitStack() as stack:
        stack.enter_context(nothing_left(project, compose))
        with pytest.raises(Exception, match="returned 1"):
            stack.enter_context(get_docker_services(docker_compose_command, str(file), name, ["up -d"], [DOWN]))
        assert "waiting" in project.containers
    assert not project.containers
