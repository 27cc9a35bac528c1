import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from lab.errors import HostError


def test_hello_says_where_it_runs(agent):
    hello = agent.remote.hello()
    assert hello.kernel == os.uname().release and hello.machine == os.uname().machine
    assert hello.uid == os.geteuid() and hello.python.startswith("3.")


def test_it_ends_with_its_input_and_takes_its_programs_along(agent):
    pid = agent.remote.start(1, ["sh", "-c", "trap '' TERM; sleep 60"], False)
    began = time.monotonic()
    agent.pipe.close()
    assert agent.pipe.process.wait(5) == 0
    assert time.monotonic() - began < 2
    deadline = time.monotonic() + 5
    status = Path(f"/proc/{pid}/stat")
    while status.exists() and status.read_text().rpartition(") ")[2][0] != "Z":
        assert time.monotonic() < deadline, "its program still runs"
    with pytest.raises(HostError, match="the agent ended"):
        agent.remote.hello()


def test_it_leaves_no_files(agent):
    mine = f"lives-{os.getpid()}"
    agent.remote.start(1, ["sleep", "60"], False, {mine: "pass"})
    (file,) = Path("/tmp").glob(f"lab-*/{mine}.py")
    agent.pipe.close()
    agent.pipe.process.wait(5)
    assert not file.parent.exists()


@pytest.mark.parametrize("stays", [False, True])
def test_sigterm_ends_it(agent, stays):
    agent.remote.hello()
    if stays:
        agent.remote.stay()
        agent.pipe.close()
        with pytest.raises(subprocess.TimeoutExpired):
            agent.pipe.process.wait(0.2)
    agent.pipe.process.send_signal(signal.SIGINT)
    agent.pipe.process.send_signal(signal.SIGTERM)
    assert agent.pipe.process.wait(5) == 0


def test_what_it_does_not_know_is_refused_in_words(agent):
    with pytest.raises(HostError, match=r"server: expected one of call, .*observed 'dance'"):
        agent.remote.request("dance")
    with pytest.raises(HostError, match="TypeError"):
        agent.remote.request("stop", step=1)
    with pytest.raises(HostError, match="no call and no program of step 5"):
        agent.remote.stop(5, 0, "stopped")
    with pytest.raises(HostError, match="ask for `configure` first"):
        agent.remote.drain()
    with pytest.raises(HostError, match="expected iptables or ip6tables"):
        agent.remote.firewall(["sh", "-c", "id"])
    with pytest.raises(HostError, match="lan down"):
        agent.remote.link("lan", "down")


def test_a_step_is_one_thing_at_a_time(agent):
    agent.remote.start(1, ["sleep", "60"], False)
    with pytest.raises(HostError, match="what step 1 started has not ended"):
        agent.remote.start(1, ["true"], False)


def test_what_is_no_request_ends_it(agent):
    agent.remote.hello()
    agent.pipe.write(b"not json\n")
    assert agent.pipe.process.wait(5) == 0


def test_without_its_source_it_ends(launch):
    agent = launch(source=b"0000000100{")
    agent.pipe.close()
    assert agent.pipe.process.wait(5) == 1
