"""The machine is the same before a run and after it: no firewall rule, no link and no network more or less.

Others may use the engine meanwhile. So what the run made is noted while it is up, and must be gone without a trace; and
where nobody else was there, nothing at all may differ.
"""

import re
import subprocess
from dataclasses import dataclass

import pytest
from bad_days.house import nothing_left, pair, run, start, until

pytestmark = pytest.mark.docker

FOREIGN = re.compile(r"veth\w+|br-[0-9a-f]{12}")


def lines(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{command[0]}: {done.stderr.strip()}")
    return done.stdout.splitlines()


@dataclass(frozen=True)
class Machine:
    """The machine's own state; counters and times are left out."""

    rules: frozenset[str]
    links: frozenset[str]
    networks: frozenset[str]

    @classmethod
    def now(cls, engine) -> "Machine":
        saved = [line for tool in ("iptables-save", "ip6tables-save") for line in lines(tool)]
        rules = [re.sub(r"\[\d+:\d+\]", "", line) for line in saved if not line.startswith("#")]
        links = [line.split(": ")[1].partition("@")[0] for line in lines("ip", "-oneline", "link")]
        return cls(frozenset(rules), frozenset(links), frozenset(it["Id"] for it in engine.client.api.networks()))

    def about(self, names: set[str]) -> set[str]:
        """All that has one of the names."""
        return {item for item in self.rules | self.links | self.networks if any(name in item for name in names)}

    def own(self) -> "Machine":
        """Without the bridges and cables of anybody's containers."""
        rules = frozenset(line for line in self.rules if not FOREIGN.search(line))
        return Machine(rules, frozenset(link for link in self.links if not FOREIGN.match(link)), frozenset())


def test_the_machine_is_as_it_was(engine, folder):
    assert run("sweep", runs=folder / "sweep").code == 0
    before = Machine.now(engine)
    lab = start("run", pair(folder, "1 s"), runs=folder / "runs")
    lab.shows("\n 4. ")
    (network,) = engine.networks(lab.run)
    bridge = f"br-{network['Id'][:12]}"
    cables = until(lambda: lines("ip", "-oneline", "link", "show", "master", bridge), "the hosts have their cables")
    made = {network["Id"], bridge, *(line.split(": ")[1].partition("@")[0] for line in cables)}
    during = Machine.now(engine).about(made)
    assert lab.end().code == 0
    after = Machine.now(engine)
    nothing_left(engine, [lab])
    assert len(cables) == 2
    assert {bridge, network["Id"]} < during, "the notes were taken while it was up"
    assert after.about(made) == set()
    assert after.own() == before.own()
    if after.networks == before.networks:
        assert {*after.rules} - {*before.rules} == set()


def test_the_hosts_rules_are_their_own(engine, folder):
    before = Machine.now(engine).own()
    lab = start("run", "firewall-opened", "--case", "another-port", runs=folder / "runs")
    lab.shows("firewall iptables -P INPUT DROP")
    lab.shows("Does somebody answer?")
    during = Machine.now(engine).own()
    assert lab.end().code == 0
    assert during.rules == before.rules
    assert Machine.now(engine).own() == before
