"""What the classic tools print, as a real agent hands it over; the tools here are small programs in their place."""

import os

import pytest

from lab.agent.views import _joined
from lab.errors import HostError
from lab.history import Note, View

TOOLS = {
    "ss": r"printf '\377\000bytes'",
    "netstat": "/usr/bin/head -c 300000 /dev/zero; echo more >&2",
    "lsof": "echo HEAD; /usr/bin/id -u",
    "ip": "echo no such thing >&2; /usr/bin/id -u; exit 3",
}


@pytest.fixture
def tooled(launch, changed, tmp_path):
    """An agent for which the tools are these programs, but for one that is nowhere."""

    def start(missing=""):
        for name in TOOLS.keys() - {missing}:
            path = tmp_path / name
            path.write_text(f"#!/bin/sh\n{TOOLS[name]}\n")
            path.chmod(0o755)
        for folder in (tmp_path, *list(tmp_path.parents)[:-2]):
            folder.chmod(0o755)  # programs run as another user
        return launch(source=changed(("children", '\nPATH = "', f'\nPATH = "{tmp_path}" # "')))

    return start


def test_bytes_stay_bytes_and_both_streams_are_one(tooled):
    ss, ip = tooled().remote.views(7, ["ss", "ip"])
    assert (ss.host, ss.step, ss.command, ss.code, ss.data) == ("server", 7, "ss -tuan", 0, b"\xff\0bytes")
    user = 1000 if os.geteuid() == 0 else os.geteuid()
    assert (ip.command, ip.code, ip.data) == ("ip -brief address", 3, b"no such thing\n%d\n" % user)


def test_what_is_too_long_is_cut_and_noted(tooled):
    agent = tooled()
    (view,) = agent.remote.views(7, ["netstat"])
    assert view.data == bytes(256 << 10)
    (note,) = agent.of(Note, 7)
    assert (note.what, note.text) == ("truncated", "netstat -an: more than 262144 bytes; the rest is not kept")


def test_what_two_users_see_stands_under_one_header(tooled):
    (view,) = tooled().remote.views(7, ["lsof"])
    assert view.code == 0
    users = ["0", "1000"] if os.geteuid() == 0 else [str(os.geteuid())]
    assert view.data.decode().split() == ["HEAD", *users]


def test_a_tool_that_is_not_there_pretends_nothing(tooled):
    agent = tooled(missing="ss")
    (view,) = agent.remote.views(7, ["ss"])
    assert isinstance(view, View) and view.code == 127
    assert view.data.startswith(b"ss is not on this host (PATH is ")


def test_other_tools_are_refused(tooled):
    with pytest.raises(HostError, match="expected tools out of ss, netstat, lsof, ip, observed nmap, ps"):
        tooled().remote.views(7, ["ss", "ps", "nmap"])


def test_who_prints_nothing_has_no_say_in_the_status():
    assert _joined([(0, b""), (1, b"HEAD\n")]) == (1, b"HEAD\n")
    assert _joined([(1, b"HEAD\nx\n"), (0, b"HEAD\ny\n")]) == (0, b"HEAD\nx\ny\n")
    assert _joined([(1, b""), (1, b"")]) == (1, b"")
