"""What must hold between steps: here that it may hold; tests/golden/errors has what does not."""

from typing import Any

from lab.model import Host, Step
from lab.rules import Numbered, Rules
from lab.shape import made

HOSTS = {"server": Host(networks=("lan",)), "client": Host(networks=("lan", "wan"))}


def told(*steps: dict[str, Any], doubtful: tuple[str, ...] = ()) -> list[str]:
    said: list[str] = []
    numbered = [Numbered(number, made(Step, {"host": "server"} | step)) for number, step in enumerate(steps)]
    rules = Rules(HOSTS, ["echo-server", "echo-client"], doubtful, lambda item, path, words: said.append(words))
    rules.hold(numbered)
    return said


def call(text: str, **more: Any) -> dict[str, Any]:
    return {"call": text} | more


def test_nothing_is_told_where_all_holds() -> None:
    assert not told(
        call("s = socket()"),
        call("s.listen()", expect={"listening": {"port": 1}, "returns": None}),
        call("conn, peer = s.accept()", **{"as": "accepting"}),
        {"wait": "accepting", "expect": {"returns": {"conn": 1, "peer": 2}, "within": "3 s"}},
        call("conn.recv(1)", expect={"raises": "nothing"}),
        {"start": ["echo-server"], "as": "one", "expect": {"stdout": {"contains": "x"}}},
        {"stop": "echo-server"},
        {"stop": "one", "expect": {"exit": 0, "stdout": {"lacks": "x"}}},
        {"start": ["echo-server"]},
        {"kill": "echo-server", "expect": {"exit": 137}},
        {"run": ["ss", "-l"], "as": "running"},
        {"wait": "3 s", "expect": {"sockets": {"port": 1}}},
        {"wait": "running", "expect": {"exit": 0, "connect": "accepted"}},
        {"host": "client", "link": {"wan": "down"}},
        {"sysctl": {"net.ipv4.tcp_retries2": 3}},
        {"host": "client", "impair": {"network": "wan", "delay": "50 ms", "jitter": "20 ms"}},
        {"impair": {"network": "lo", "direction": "out", "duplicate": [1], "rate": "1 Mbit/s", "queue": "9 packets"}},
        {"impair": {"network": "lo", "none": True}, "expect": {"impaired": {"lost": 0}}},
        {"firewall": "-t nat -F"},
        {"run": ["echo-client"], "expect": {"on": "client", "interface": ["lo", "wan"], "packets": "none"}},
    )


def test_what_a_name_holds_changes_with_what_is_assigned() -> None:
    assert told(call("s = socket()"), call("s = s.recv(1)"), call("s.close()")) == [
        "no socket is named 's' on server before this step"
    ]
    assert told(call("s = socket()"), call("pair = s.accept()"), call("pair.close()"))
    assert told(call("s = socket()"), {"host": "client"} | call("s.close()"))


def test_of_hosts_in_doubt_nothing_is_missed() -> None:
    steps = (call("s.close()"), {"kill": "x"}, {"wait": "y"}, call("s.accept()", **{"as": "z"}))
    assert len(told(*steps)) == 5
    assert not told(*steps, doubtful=("server",))
    assert told({"host": "nobody"}, {"run": ["nothing"]}, doubtful=("server",)) == [
        "no host is named 'nobody'; known: client, server",
        "no program is named 'nothing'; known: echo-client, echo-server, getent, ip, lsof, netstat, ping, redis-cli, "
        "redis-server, ss",
    ]


def test_a_wait_is_judged_as_what_it_waits_for() -> None:
    pending = (call("s = socket()"), call("s.connect(('a', 1))", **{"as": "p"}))
    assert not told(*pending, {"wait": "p", "expect": {"raises": "nothing"}})
    assert told(*pending, {"wait": "p", "expect": {"exit": 0}}) == [
        "expected exit with run, start, wait; observed it with call"
    ]


def test_patterns_name_interfaces_of_the_host_that_looks() -> None:
    ran = {"host": "client", "run": ["echo-client"]}
    assert not told(ran | {"expect": {"packets": "> SYN on lan, < any on wan, ..., < RST on lo"}})
    assert not told(ran | {"expect": {"packets": {"> SYN on wan": 1}}})
    assert told(ran | {"expect": {"on": "server", "packets": "..., > SYN on wan"}}) == [
        "server has no interface on 'wan'; did you mean 'lan'?"
    ]


def test_patterns_name_what_a_packet_may_be() -> None:
    ran = {"host": "client", "run": ["echo-client"]}
    known = "< ICMP port-unreachable, > ICMP neighbour-solicitation, < ICMP type-42, > ARP who-has, > DNS query, < ICMP"
    assert not told(ran | {"expect": {"packets": known}})
    assert told(
        ran | {"expect": {"packets": {"< ICMP port-unreachble": 0}}}, ran | {"expect": {"packets": "> ARP si-at"}}
    ) == [
        "no ICMP is named 'port-unreachble'; did you mean 'port-unreachable'?",
        "no ARP is named 'si-at'; did you mean 'is-at'?",
    ]


def test_calls_are_a_program_s_or_a_call_s_and_states_an_attempt_s_or_chosen() -> None:
    assert not told({"run": ["echo-client"], "expect": {"calls": "none", "states": "ESTAB, gone"}})
    assert not told(call("s = socket()", expect={"calls": "socket = ok"}))
    assert not told({"expect": {"states": {"port": 1, "passes": "LISTEN"}}})
    assert not told({"firewall": "-F", "expect": {"states": [{"port": 1, "passes": "gone"}]}})
    assert told({"run": ["ss"], "expect": {"calls": "none"}}, {"expect": {"states": "LISTEN"}}) == [
        "expected calls of a program that talks; ss only looks: nobody traces it",
        "expected a chosen socket here, as in {port: 80, passes: LISTEN}, observed 'LISTEN'",
    ]


def test_an_impairment_says_what_it_does_and_where() -> None:
    def says(**said: Any) -> list[str]:
        return told({"impair": {"network": "lan"} | said})

    assert says(lose="all", network="wan") == ["server has no interface on 'wan'; did you mean 'lan'?"]
    for said in ({}, {"of": {"port": 1}, "seed": 2}):
        assert "what makes it worse (lose," in says(**said)[0]
    assert says(none=True, lose="all") == says(none=True, direction="in") != []
    assert says(lose="all", jitter="1 ms", queue="1 packet") == [
        "expected jitter with delay",
        "expected queue with rate",
    ]
    assert "expected direction: out with duplicate" in says(duplicate="all")[0]


def test_a_firewall_does_not_touch_impaired_links() -> None:
    rule = {"firewall": "iptables --table=mangle -F"}
    assert not told(rule)
    assert told(rule, {"impair": {"network": "lan", "lose": "all"}}) == [
        "expected another table: mangle is where this case's impaired links are"
    ]
