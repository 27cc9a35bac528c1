"""Programs that do not end, print without end, or do not listen: bounded in time and memory, and the case says so."""

import pytest
from bad_days.house import Ended, nothing_left, start

pytestmark = pytest.mark.docker

PROGRAMS = {
    "never-ends": "import signal\nwhile True:\n    signal.pause()\n",
    "never-stops-printing": "while True:\n    print('x' * 1000)\n",
    "never-listens": "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True:\n    signal.pause()\n",
    "never-stops-eating": "eaten = []\nwhile True:\n    eaten.append(bytearray(1 << 20))\n",
}
SCENARIO = """
title: Programs that do not end
networks: {lan: {}}
hosts: {one: {networks: [lan]}}
cases: {CASES}
steps:
  - {host: one, run: ["{program}"], timeout: '{patience}', expect: {exit: 0}}
"""


@pytest.fixture(scope="module")
def ended(engine, tmp_path_factory) -> Ended:
    """All of them side by side, each in a case of its name."""
    folder = tmp_path_factory.mktemp("programs")
    (folder / "programs").mkdir()
    for name, source in PROGRAMS.items():
        (folder / "programs" / f"{name}.py").write_text(source)
    patience = dict.fromkeys(PROGRAMS, "1 s") | {"never-stops-eating": "10 s"}
    cases = ", ".join(f"{name}: {{program: {name}, patience: {patience[name]}}}" for name in PROGRAMS)
    (folder / "endless.yaml").write_text(SCENARIO.replace("CASES", cases))
    lab = start("run", str(folder / "endless.yaml"), "--json", "--jobs", "4", runs=folder / "runs")
    done = lab.end(40)
    nothing_left(engine, [lab])
    return done


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_bad_program(ended, name):
    (case,) = [case for case in ended.cases() if case["case"] == name]
    (step,) = case["steps"]
    if name == "never-stops-eating":
        assert (case["outcome"], step["checks"][0]["observed"][:3]) == ("FAIL", "137")
    else:
        assert case["outcome"] == "ERROR"
        assert "the program had not ended after 1 s and was stopped" in step["problem"]
    assert case["seconds"] < 10


def test_what_it_cost(ended):
    assert ended.code == 3
    assert ended.memory < 300 << 20
    assert ended.seconds < 35
