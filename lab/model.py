"""The nouns of a scenario file, frozen: what may be written, and its JSON Schema.

Values stay as plain as they were written (`500 ms`, `>= 2`, `> SYN, < RST`): a field's type checks the form, `patterns`
and `calls` give the meaning. How a plain value becomes one of these, `shape` says; which names exist, and what fits
together, `scenario`.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args

from msgspec import UNSET, Meta, Struct, field, to_builtins

from lab import impairments, patterns
from lab.calls import parse_call
from lab.iptables import firewall_rule
from lab.patterns import amount, seconds

MAX_HOSTS, MAX_NETWORKS, MAX_STEPS, MAX_CASES, MAX_TURNS = 64, 16, 1000, 100, 1000
MAX_AT_ONCE = 32
OUTCOMES = ("accepted", "refused", "reset", "timed-out", "unreachable", "prohibited")
TOOLS = ("ss", "netstat", "lsof", "ip", "ping", "getent", "redis-server", "redis-cli")
TALKING_TOOLS = (
    "ping",
    "getent",
    "redis-server",
    "redis-cli",
)  # those whose own calls are of interest; the others only look
ACTIONS = ("start", "run", "stop", "kill", "call", "wait", "firewall", "link", "sysctl", "impair")


def _means(meaning: Callable[[Any], Any]) -> Meta:
    """Of any value: it has a meaning."""
    return Meta(extra={"means": meaning})


def _reads(meaning: Callable[[str], Any]) -> Meta:
    """Of text: it has a meaning."""
    return Meta(extra={"reads": meaning})


def _form(form: str) -> Meta:
    """For editors: what the text looks like."""
    return Meta(extra_json_schema={"pattern": f"^({form})$"})


def _ordered(form: str) -> str:
    """Parts of this form, or any, in their order."""
    return rf"none|({form}|\.\.\.)( *, *({form}|\.\.\.))*"


def _keys(*names: str) -> Meta:
    """For editors: which keys there are."""
    return Meta(min_length=1, extra_json_schema={"propertyNames": {"enum": list(names)}})


def _note(words: str) -> Meta:
    return Meta(description=words)


NAME = r"^[a-z][a-z0-9-]{0,30}$"
PARAMETER = r"^[A-Za-z][A-Za-z0-9_-]{0,62}$"
SYSCTL = r"^net(\.[A-Za-z0-9_-]+)+$"
ERRNO = r"^E[A-Z0-9]+$"
FORMS = {
    NAME: "a name (small letters, digits, -; at most 31)",
    PARAMETER: "a parameter's name (letters, digits, -, _; at most 63)",
    SYSCTL: "a setting of the network's, as in net.ipv4.tcp_syn_retries",
    ERRNO: "an errno's name, as in ECONNREFUSED",
}

MANY = Meta(extra={"one": True}, extra_json_schema={"one": True})  # a list, or one that stands for a list of one
SOME = Meta(min_length=1)

Name = Annotated[str, Meta(pattern=NAME)]
Parameter = Annotated[str, Meta(pattern=PARAMETER)]
Sysctl = Annotated[str, Meta(pattern=SYSCTL)]
Errno = Annotated[str, Meta(pattern=ERRNO)]
Duration = Annotated[str, _means(seconds), _form(patterns.DURATION)]
Amount = Annotated[Annotated[int, Meta(ge=0)] | Annotated[str, _form(patterns.AMOUNT)], _means(amount)]
Share = Annotated[int | Annotated[str, _form(rf"({patterns.AMOUNT})( ?%)?")], _means(patterns.share)]
Which = Annotated[
    Annotated[str, _form(impairments.WHICH)] | Annotated[tuple[int, ...], SOME], _means(impairments.which)
]
PacketKind = Annotated[str, _reads(patterns.packet), _form(patterns.PACKET)]
Packets = Annotated[str, _reads(patterns.packets), _form(_ordered(patterns.PACKET))]
CallKind = Annotated[str, _reads(patterns.call), _form(patterns.CALL)]
Calls = Annotated[str, _reads(patterns.calls), _form(_ordered(patterns.CALL))]
States = Annotated[str, _reads(patterns.states), _form(patterns.STATES_FORM)]
Rate = Annotated[str, _reads(impairments.rate), _form(impairments.RATE)]
Capacity = Annotated[str, _reads(impairments.capacity), _form(impairments.CAPACITY)]
Argv = Annotated[tuple[str | int, ...], SOME]
Port = Annotated[int, Meta(ge=0, le=65535)]
Names = Annotated[tuple[str, ...], MANY]
ViewName = Literal["ss", "netstat", "lsof", "ip"]
Outcomes = Literal["accepted", "refused", "reset", "timed-out", "unreachable", "prohibited"]
Effect = Literal["lost", "overflowed", "delayed", "duplicated", "reordered", "passed"]


class Model(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What every noun shares: frozen, no unknown keys; what has its default was not said."""


class Network(Model, frozen=True):
    """A layer-2 segment; the subnet is chosen when the case is planned."""

    ipv6: Annotated[bool, _note("give every interface an IPv6 address too")] = False


class Host(Model, frozen=True):
    """A network namespace with an agent in it."""

    networks: Annotated[tuple[Name, ...], _note("the networks it has an interface on")]
    router: Annotated[bool, _note("forward between its networks; the other hosts get routes through it")] = False
    routes: Annotated[Literal["auto", "none"], _note("none: no routes through routers")] = "auto"
    sysctls: Annotated[dict[Sysctl, int | str], _note("kernel settings of this host, set at its creation")] = {}
    nameserver: Annotated[
        Name | None, _note("the host that is asked (by DNS) for names that are no host's; it runs a name-server")
    ] = None


class PacketChoice(Model, frozen=True):
    """Which packets are meant; those that find IPv6's neighbours never are."""

    protocol: Literal["tcp", "udp", "icmp"] | None = None
    port: Annotated[Port | None, _note("they come from, or go to")] = None
    data: Annotated[bool | None, _note("only those that carry data, or that carry none")] = None


class Impairment(Model, frozen=True):
    """A link of one host made worse, from the step on; another `impair` of the same direction replaces it."""

    network: Annotated[Name, _note("a network's name, or lo")]
    direction: Annotated[
        Literal["in", "out"] | None,
        _note("in, unless said: the host's tap has seen what is lost; out: it never was on the wire"),
    ] = None
    of: Annotated[PacketChoice | None, _note("the packets that are meant and counted; all unless said")] = None
    none: Annotated[bool, _note("make both directions as good as before"), Meta(extra_json_schema={"const": True})] = (
        False
    )
    lose: Annotated[Which | None, _note('"every 3", "every 3 from 2", [2, 5], "30 %", all')] = None
    duplicate: Annotated[Which | None, _note("the same, with direction: out")] = None
    reorder: Annotated[
        Annotated[int, Meta(ge=2, le=64)] | None,
        _note("each so many packets in reverse; an unfinished group waits for half a second"),
    ] = None
    delay: Annotated[Duration | None, _note("each packet is held so long")] = None
    jitter: Annotated[Duration | None, _note("so much more or less than the delay, by the seed")] = None
    rate: Annotated[Rate | None, _note("how fast packets are sent, as in 80 kbit/s")] = None
    queue: Annotated[Capacity | None, _note("how much may wait to be sent, as in 4 packets")] = None
    seed: Annotated[Annotated[int, Meta(ge=0)] | None, _note("decides what is by lot; 1 unless said")] = None

    def badness(self) -> dict[str, Any]:
        """What is said of how bad it is, and of which packets."""
        said: dict[str, Any] = to_builtins(self)
        return {key: value for key, value in said.items() if key not in ("network", "direction", "none")}

    @property
    def text(self) -> str:
        """`lan in: lose every 3 of udp port 65432`."""
        if self.none:
            return f"{self.network}: none"
        said = self.badness()
        of = said.pop("of", {})
        parts = (of.get("protocol"), "port" in of and f"port {of['port']}", _DATA.get(of.get("data")))
        of = " ".join(part for part in parts if part)
        words = ", ".join(f"{key} {_words(value)}" for key, value in said.items())
        return f"{self.network} {self.direction or 'in'}: {words}" + f" of {of}" * bool(of)


_DATA = {True: "with data", False: "without data"}


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


class TextExpectation(Model, frozen=True):
    """What a stream of text must, or must not, hold."""

    contains: Names = ()
    lacks: Names = ()
    equals: str | None = None


class ListeningExpectation(Model, frozen=True, kw_only=True):
    """A listening socket; `''` and `0.0.0.0` are one address."""

    address: str | None = None
    port: Port
    protocol: Literal["tcp", "udp"] = "tcp"


class SocketChoice(Model, frozen=True):
    """Which sockets of the table are meant."""

    protocol: Literal["tcp", "udp"] = "tcp"
    address: str | None = None
    port: Port | None = None
    peer: str | None = None
    peer_port: Port | None = field(default=None, name="peer-port")


class SocketExpectation(SocketChoice, frozen=True):
    """Lines of the socket table: those that match state, addresses and ports; `count` of them, each with the queues."""

    state: str | None = None
    recv_q: Amount | None = field(default=None, name="recv-q")
    send_q: Amount | None = field(default=None, name="send-q")
    count: Amount = ">= 1"


class StatesExpectation(SocketChoice, frozen=True, kw_only=True):
    """One of the sockets that match addresses and ports passed through these states, in this order."""

    passes: States


class SpreadExpectation(Model, frozen=True):
    """What came of the turns of a repeated step, each turn being one value, as text."""

    of: Literal["connect", "raises", "errno", "returns", "stdout", "exit", "peer", "local"]
    distinct: Annotated[Amount | None, _note("how many different values: 1 where it never varies")] = None
    among: Annotated[Annotated[tuple[str | int, ...], SOME] | None, _note("no value but these")] = None
    each: Annotated[Share | None, _note('how often each of `among` came, or each that came: ">= 2", or "40..60 %"')] = (
        None
    )


class Expectation(Model, frozen=True):
    """What a step must have shown, seen by the acting host or, with `on`, by another. Each key is a check."""

    on: Annotated[Name | None, _note("the host that looks; the acting host unless said")] = None
    connect: Annotated[
        Outcomes | Annotated[dict[Outcomes, Amount], _keys(*OUTCOMES)] | None,
        _note("how the step's attempts to connect ended"),
    ] = None
    raises: Annotated[str | None, _note("the exception's class, as in ConnectionRefusedError; or nothing")] = None
    errno: Annotated[Errno | None, _note("as in ECONNREFUSED")] = None
    returns: Annotated[Any, _note("what the call returned; {name: value} for the names it assigned")] = UNSET
    calls: Annotated[
        Calls | Annotated[dict[CallKind, Amount], SOME] | None,
        _note('the step\'s calls in order ("socket, connect = ECONNREFUSED, ..."), none, or counts'),
    ] = None
    within: Annotated[Duration | None, _note("the attempt, call or program took at most this long")] = None
    after: Annotated[Duration | None, _note("it took at least this long")] = None
    stdout: TextExpectation | None = None
    stderr: TextExpectation | None = None
    exit: Annotated[Amount | None, _note("the program's exit status")] = None
    spread: Annotated[
        Annotated[tuple[SpreadExpectation, ...], MANY, SOME] | None,
        _note("what came of a repeated step's turns, and how often"),
    ] = None
    listening: Annotated[tuple[ListeningExpectation, ...], MANY, SOME] | None = None
    sockets: Annotated[tuple[SocketExpectation, ...], MANY, SOME] | None = None
    states: Annotated[
        States | Annotated[tuple[StatesExpectation, ...], MANY, SOME] | None,
        _note('the states of the attempts\' sockets ("SYN-SENT, ESTAB, gone"), or of those chosen by port, …'),
    ] = None
    counters: Annotated[
        Annotated[dict[str, Amount], SOME] | None, _note("growth since the case's start, as nstat names them")
    ] = None
    impaired: Annotated[
        Annotated[dict[Effect, Amount], _keys(*get_args(Effect))] | None,
        _note("how many packets of impaired links were lost, …, since the case's start"),
    ] = None
    interface: Annotated[Names | None, _note("lo or networks: where the attempts' packets were seen")] = None
    packets: Annotated[
        Packets | Annotated[dict[PacketKind, Amount], SOME] | None,
        _note('the attempts\' packets in order ("> SYN, < RST within 5 ms on lan, ..."), none, or counts'),
    ] = None
    ttl: Annotated[Annotated[int, Meta(ge=1, le=255)] | None, _note("of the packets that came from the caller")] = None
    peer: Annotated[str | None, _note("the address at the other end of the connection")] = None
    local: Annotated[str | None, _note("the address at this end of the connection")] = None

    def checks(self) -> dict[str, Any]:
        """The checks asked for, by name, with what each expects."""
        said = {name: getattr(self, name) for name in CHECKED}
        return {name: value for name, value in said.items() if value is not (UNSET if name == "returns" else None)}


CHECKED = tuple(name for name in Expectation.__struct_fields__ if name != "on")


class Step(Model, frozen=True):
    """One action on one host, or none: then it only observes. Its end comes before the next step's beginning."""

    host: Name
    start: Annotated[Argv | None, _note("a program, left running")] = None
    run: Annotated[Argv | None, _note("a program, to its end")] = None
    stop: Annotated[str | None, _note("a started program, by its name or its `as`")] = None
    kill: Annotated[str | None, _note("the same, by a signal that it cannot handle: kill -9")] = None
    call: Annotated[Annotated[str, _reads(parse_call)] | None, _note('one socket call, as in "s.listen(1)"')] = None
    wait: Annotated[str | None, _note("the `as` of a pending step; or a time, to observe an absence")] = None
    firewall: Annotated[Annotated[str, _reads(firewall_rule)] | None, _note("an iptables or ip6tables command")] = None
    link: Annotated[
        Annotated[dict[Name, Literal["up", "down"]], SOME] | None, _note("{network: down} or {network: up}")
    ] = None
    sysctl: Annotated[
        Annotated[dict[Sysctl, int | str], SOME] | None,
        _note("kernel settings of this host, changed while it runs"),
    ] = None
    impair: Annotated[Impairment | None, _note("a link made worse: it loses, holds, copies, … packets")] = None
    as_: Annotated[Name | None, _note("a name; leaves a call or run pending")] = field(default=None, name="as")
    repeat: Annotated[
        Annotated[int, Meta(ge=2, le=MAX_TURNS)] | None,
        _note("do it so often, one after the other (within `together` at once); each turn is judged"),
    ] = None
    only: Annotated[Names, _note("the cases that have this step")] = ()
    timeout: Annotated[Duration | None, _note("how long it may take; 10 s unless said")] = None
    show: Annotated[
        Annotated[tuple[ViewName, ...], MANY],
        _note("what these tools print on the host at the step's end, for the eye"),
    ] = ()
    predict: Annotated[str | None, _note("the question to ask before the step")] = None
    because: Annotated[str | None, _note("the reason, told after it")] = None
    expect: Annotated[tuple[Expectation, ...], MANY] = ()

    @property
    def action(self) -> str:
        """Which of ACTIONS it is; `observe` where it only looks."""
        return next((name for name in ACTIONS if getattr(self, name) is not None), "observe")


class Together(Model, frozen=True):
    """Steps that begin at once; the next step begins when all of them have ended."""

    together: Annotated[tuple[Step, ...], Meta(min_length=1, max_length=MAX_HOSTS)]
    only: Annotated[Names, _note("the cases that have these steps")] = ()


class ScenarioFile(Model, frozen=True, kw_only=True):
    """A claim about the world, and the cases in which it comes out differently. `scenario` holds it to its sizes, and
    its steps to Step and Together."""

    title: Annotated[str, SOME]
    guide: Annotated[Names, _note("the claims that it shows, as in echo-server.3; `lab guide` lists them")] = ()
    topics: Annotated[Names, _note("the words under which `lab list --topic` finds it")] = ()
    lesson: str = ""
    networks: Annotated[dict[Name, Network | None], Meta(extra_json_schema={"maxProperties": MAX_NETWORKS})]
    hosts: Annotated[dict[Name, Host], Meta(extra_json_schema={"minProperties": 1, "maxProperties": MAX_HOSTS})]
    cases: Annotated[dict[Name, dict[Parameter, Any] | None], Meta(extra_json_schema={"maxProperties": MAX_CASES})] = {}
    steps: Annotated[tuple[Any, ...], Meta(min_length=1, extra_json_schema={"maxItems": MAX_STEPS})]
