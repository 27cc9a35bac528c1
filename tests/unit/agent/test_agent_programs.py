import json
import os
import re
import shutil
import time
from pathlib import Path

import pytest

from lab.errors import HostError
from lab.history import Call, Exit, Note, Output
from lab.patterns import api_name

PYTHON = ("python3", "-IuS", "@program.py")
IGNORES_SIGTERM = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('up')\ntime.sleep(60)"
SERVES = "import socket\ns = socket.socket()\ns.bind(('127.0.0.1', 0))\ns.listen()\nprint('up')\ns.accept()"

strace = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")


def output(agent, step, stream="stdout"):
    return b"".join(piece.data for piece in agent.of(Output, step) if piece.stream == stream)


def wait_for_output(agent, step, text, times=1, seconds=5):
    deadline = time.monotonic() + seconds
    while output(agent, step).count(text) < times:
        assert time.monotonic() < deadline, f"no {text!r} within {seconds} s"
        agent.remote.join(step, 0.005)


def run(agent, source, *, trace=False):
    step = agent.start(*PYTHON, trace=trace, program=source)
    assert agent.remote.join(step, 10)
    (end,) = agent.of(Exit, step)
    return step, end


@pytest.mark.parametrize("trace", [False, pytest.param(True, marks=strace)])
def test_output_status_and_surroundings(agent, trace):
    source = (
        "import os, sys\nprint(os.getcwd(), sorted(os.environ), os.umask(0), os.getsid(0) == os.getpid())\n"
        "print(os.listdir('/proc/self/fd'))\nprint('wrong', file=sys.stderr)\nsys.exit(7)"
    )
    step, end = run(agent, source, trace=trace)
    first, second, _ = output(agent, step).decode().split("\n")
    assert first == "/tmp ['HOME', 'LANG', 'PATH', 'PYTHONUNBUFFERED'] 18 True"
    assert len(json.loads(second.replace("'", '"'))) == 4  # the three streams, and the listing itself
    assert output(agent, step, "stderr") == b"wrong\n"
    assert (end.code, end.because) == (7, "")
    assert agent.of(Note, step) == []


def test_what_a_program_prints_is_never_the_agents_word(agent):
    step, _ = run(agent, 'print(\'{"id": 1, "result": {}}\\n\' * 3)')
    assert output(agent, step).count(b'{"id": 1, "result": {}}\n') == 3
    assert agent.remote.hello().python


def test_a_signal_is_told_as_the_shell_tells_it(agent):
    _, end = run(agent, "import os\nos.kill(os.getpid(), 9)")
    assert end.code == 137


@pytest.mark.parametrize("trace", [False, pytest.param(True, marks=strace)])
def test_a_program_that_is_not_there_is_refused_in_words(agent, trace):
    with pytest.raises(HostError, match="'nonesuch' is not on this host"):
        agent.start("nonesuch", trace=trace)
    with pytest.raises(HostError, match="no call and no program of step"):
        agent.remote.join(agent.step, 1)


def test_a_files_name_that_is_a_path_is_refused_before_anything_is_written(agent):
    mine = f"of-{os.getpid()}"
    with pytest.raises(HostError, match="plain name"):
        agent.remote.start(99, ["true"], False, {mine: "", "../x": ""})
    assert list(Path("/tmp").glob(f"lab-*/{mine}.py")) == []


@pytest.mark.parametrize("trace", [False, pytest.param(True, marks=strace)])
def test_a_file_that_cannot_be_executed_is_refused_in_words(agent, trace, tmp_path):
    broken = tmp_path / "broken"
    broken.write_text("#!/nonexistent\n")
    broken.chmod(0o755)
    for folder in tmp_path.parents[:2]:
        folder.chmod(0o755)
    with pytest.raises(HostError, match="cannot run"):
        agent.start(str(broken), trace=trace)


@pytest.mark.parametrize("trace", [False, pytest.param(True, marks=strace)])
def test_stop_asks_first(agent, trace):
    source = "import signal, sys, time\nsignal.signal(15, lambda *a: sys.exit(3))\nprint('up')\ntime.sleep(60)"
    step = agent.start(*PYTHON, trace=trace, program=source)
    wait_for_output(agent, step, b"up")
    assert agent.remote.stop(step, 5, "stopped")
    (end,) = agent.of(Exit, step)
    assert (end.code, end.because) == (3, "stopped")


@pytest.mark.parametrize("trace", [False, pytest.param(True, marks=strace)])
def test_stop_is_bounded_where_a_program_ignores_it(agent, trace):
    step = agent.start(*PYTHON, trace=trace, program=IGNORES_SIGTERM)
    wait_for_output(agent, step, b"up")
    began = time.monotonic()
    assert agent.remote.stop(step, 0.1, "case-end")
    assert 0.1 <= time.monotonic() - began < 2
    (end,) = agent.of(Exit, step)
    assert (end.code, end.because) == (137, "case-end")


@strace
@pytest.mark.parametrize("waits", [False, True])
def test_what_a_program_waits_with_is_traced_where_it_is_asked_for(agent, waits):
    source = (
        "import os, select, threading, time\nselect.select([], [], [], 0.001)\nselect.poll().poll(1)\n"
        "select.epoll().poll(0.001)\nit = threading.Thread(target=time.sleep, args=(0.001,))\nit.start(); it.join()\n"
        "pid = os.fork()\nif pid: os.wait()"
    )
    step = agent.start(*PYTHON, trace=True, program=source, waits=waits)
    assert agent.remote.join(step, 10)
    made = [api_name(call.function) for call in agent.of(Call, step)]
    assert made == (["select", "poll", "epoll_wait", "thread", "fork"] if waits else [])
    assert agent.of(Note, step) == []


def test_stop_takes_what_the_program_started(agent):
    source = (
        "import os, signal, time\npid = os.fork()\n"
        "if pid: print(pid)\nelse: signal.signal(15, signal.SIG_IGN)\nprint('up')\ntime.sleep(60)"
    )
    step = agent.start(*PYTHON, program=source)
    wait_for_output(agent, step, b"up", times=2)
    (pid,) = map(int, re.findall(rb"\d+", output(agent, step)))
    assert agent.remote.stop(step, 5, "stopped")
    deadline = time.monotonic() + 5
    status = Path(f"/proc/{pid}/stat")
    while status.exists() and status.read_text().rpartition(") ")[2][0] != "Z":
        assert time.monotonic() < deadline, "what the program started still runs"


def test_a_program_that_ended_by_itself_was_not_stopped(agent):
    step, _ = run(agent, "pass")
    assert agent.remote.stop(step, 1, "stopped")
    assert [end.because for end in agent.of(Exit, step)] == [""]


def test_endless_output_is_cut_counted_and_stopped(agent):
    step = agent.start("yes")
    deadline = time.monotonic() + 5
    while not agent.of(Note, step) and time.monotonic() < deadline:
        agent.remote.join(step, 0.01)
    assert agent.remote.stop(step, 1, "stopped")
    assert len(output(agent, step)) == 1 << 20
    notes = agent.of(Note, step)
    assert [note.what for note in notes] == ["truncated", "truncated"]
    assert "bytes in all" in notes[1].text


def test_a_descendant_that_holds_the_output_does_not_hold_the_end(agent):
    step = agent.start("sh", "-c", "sleep 5 & echo now")
    began = time.monotonic()
    assert agent.remote.join(step, 4)
    assert time.monotonic() - began < 3
    assert output(agent, step) == b"now\n"
    assert ["not at its end" in note.text for note in agent.of(Note, step)] == [True]


def test_join_gives_up_at_its_deadline(agent):
    step = agent.start("sleep", "60")
    assert agent.remote.join(step, 0.05) is False
    assert agent.of(Exit, step) == []


@strace
def test_the_trace_of_a_live_program_is_there_and_grows(agent):
    step = agent.start(*PYTHON, trace=True, program=SERVES)
    wait_for_output(agent, step, b"up")
    deadline = time.monotonic() + 5
    while len(agent.of(Call, step)) < 3 and time.monotonic() < deadline:
        agent.remote.join(step, 0.005)
    assert [call.function for call in agent.of(Call, step)][:3] == ["socket", "bind", "listen"]
    assert agent.remote.stop(step, 1, "stopped")
    calls = agent.of(Call, step)
    assert calls[-1].function.startswith("accept") and (calls[-1].ended is None or calls[-1].error == "ERESTARTSYS")
    assert all(call.program for call in calls)
    assert agent.of(Note, step) == []


@pytest.mark.parametrize(
    ("module", "old", "new", "reason"),
    [
        ("programs", 'find("strace")', 'find("nonesuch")', "strace is not on this host"),
        ("programs", '"strace -DDD', '"sh -c echo${IFS}forbidden>&2;exit${IFS}1', "forbidden"),
    ],
    ids=["absent", "forbidden"],
)
def test_without_strace_the_program_runs_and_the_reason_is_noted(launch, changed, module, old, new, reason):
    agent = launch(source=changed((module, old, new)))
    step, end = run(agent, "print('ran')\nraise SystemExit(4)", trace=True)
    assert (output(agent, step), output(agent, step, "stderr"), end.code) == (b"ran\n", b"", 4)
    (note,) = agent.of(Note, step)
    assert note.what == "trace" and reason in note.text
