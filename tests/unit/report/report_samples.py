"""Small reports made by hand: a passing, a failing, an erring and a skipped case, and a hostile one."""

from lab.checks.base import Aligned, Outcome, Verdict, could_not_tell, failed, passed
from lab.judge import Judgement, Report, StepReport
from lab.model import Step
from lab.plan import Interface, Plan, PlannedHost, PlannedNetwork, PlannedStep
from lab.shape import made

FILE = "scenarios/bind-address.yaml"
TITLE = "The bind address decides who can reach a server"
LESSON = """\
The loopback interface never leaves its host: a server that is bound to 127.0.0.1 can be reached from that host and
from nowhere else.

Bound to '' it listens on every interface.
"""
START = 1_700_000_000_000_000_000
VERSIONS = {"engine": "Docker 20.10.24", "kernel": "6.18.44", "image": "sha256:0123456789ab"}
HOSTILE = "\x1b[2J\x1b]0;title\x07<script>alert('1')</script>]]>&amp;\x00\r\n\x9b31m\u202egnp.exe\ufffe\udcff é ✓ PASS"


def judged(check: str, verdict: Verdict, line: int, host: str = "client") -> Judgement:
    return Judgement(check, host, f"{FILE}:{line}:15", verdict)


def server(*judgements: Judgement) -> StepReport:
    text = "server: start echo-server --host 127.0.0.1 --port 65432"
    return StepReport(0, "server", "start", text, f"{FILE}:16:5", "", "", START, START + 31_000_000, judgements)


def client(*judgements: Judgement, started: int | None = START + 40_000_000, problem: str = "") -> StepReport:
    ended = started and started + 1_020_000_000
    return StepReport(
        number=2,
        host="client",
        action="run",
        text="client: run echo-client --host 10.213.0.2 --port 65432",
        mark=f"{FILE}:24:5",
        predict="Will the other host get through?",
        because="Nothing listens on the Ethernet address, so the kernel answers RST.",
        started=started,
        ended=ended,
        judgements=judgements,
        problem=problem,
    )


def report(case: str, outcome: Outcome, *steps: StepReport, **more: object) -> Report:
    values = {"versions": VERSIONS, "seconds": 1.06} | more
    return Report("bind-address", FILE, case, TITLE, LESSON, outcome, steps, **values)  # type: ignore[arg-type]


LISTENS = judged("listening", passed("127.0.0.1:65432", "127.0.0.1:65432", 4), 17, "server")
PASSING = report(
    "loopback",
    Outcome.PASS,
    server(LISTENS),
    client(
        judged("connect", passed("refused", "refused: ECONNREFUSED, and the wire showed RST", 7, 8), 27),
        judged("interface", passed("lan", "lan", 8), 28),
    ),
)
PACKETS = failed(
    "> SYN, < SYN-ACK within 5 ms, > ACK, ..., < FIN on lan",
    "> SYN, < SYN-ACK, > RST",
    8,
    aligned=(
        Aligned("> SYN", "+0.021 ms > SYN on lan", True),
        Aligned("< SYN-ACK within 5 ms", "+1.02 s < SYN-ACK on lan", False),
        Aligned("", "+0.012 ms < SYN-ACK on a-network-with-a-long-name again", False),
        Aligned("> ACK", "+0.01 ms > RST on lan", False),
        Aligned("...", "... 7 packets", True),
        Aligned("< FIN on a-network-with-a-long-name within 1 min", "", False),
    ),
)
FAILING = report(
    "any",
    Outcome.FAIL,
    server(LISTENS),
    client(
        judged("connect", failed("accepted", "refused: ECONNREFUSED, and the wire showed RST", 7, 8), 27),
        judged("packets", PACKETS, 28),
        judged("sockets", failed("1 row ESTAB", "none", 9), 29, "server"),
    ),
)
ERRING = report(
    "filtered",
    Outcome.ERROR,
    server(judged("listening", could_not_tell("0.0.0.0:65432", "no socket table was read"), 17, "server")),
    client(started=None),
    problems=("the agent of server died (exit 137)",),
)
UNDONE = report("broken", Outcome.ERROR, client(problem="no strace in the image: build it again with lab image"))
SKIPPED = report("ipv6", Outcome.SKIPPED, skipped="this kernel has no IPv6", seconds=0.0)
ATTACK = report(
    "attack",
    Outcome.FAIL,
    client(
        judged("stdout", failed(HOSTILE, HOSTILE * 1000, aligned=(Aligned(HOSTILE, HOSTILE * 1000, False),)), 27),
        judged("stderr", passed(HOSTILE, HOSTILE), 28),
        problem=HOSTILE,
    ),
    problems=(HOSTILE,),
)
ALL = (PASSING, FAILING, ERRING, SKIPPED)


def plan(case: str = "loopback") -> Plan:
    """The plan of a case with the two steps above."""
    listen = made(Step, {"host": "server", "start": ["echo-server"]})
    ask = made(
        Step,
        {"host": "client", "run": ["echo-client"], "predict": "Will the other host get through?"},
    )
    addresses = {"server": "10.213.0.2", "client": "10.213.0.3"}
    return Plan(
        scenario="bind-address",
        file=FILE,
        case=case,
        title=TITLE,
        lesson=LESSON,
        networks=(PlannedNetwork(name="lan", subnet="10.213.0.0/29"),),
        hosts=tuple(
            PlannedHost(name=name, interfaces=(Interface(network="lan", address=address),))
            for name, address in addresses.items()
        ),
        steps=(PlannedStep(number=0, step=listen), PlannedStep(number=2, step=ask)),
    )
