"""The nouns of a scenario file, frozen: what may be written, and its JSON Schema.

Values stay as plain as they were written (`500 ms`, `>= 2`, `> SYN, < RST`): a field's type checks the form, `patterns`
and `calls` give the meaning. Which names exist, and what fits together, is for `scenario` to say.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

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


def _checked(meaning: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Asks for the meaning, and keeps the text."""

    def check(value: Any) -> Any:
        meaning(value)
        return value

    return check


def _form(meaning: Callable[[Any], Any]) -> AfterValidator:
    return AfterValidator(_checked(meaning))


def _one_or_many(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


def _none_or_many(value: Any) -> Any:
    return None if value is None else _one_or_many(value)


def _many_mappings(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


def _pattern(form: str) -> dict[str, Any]:
    return {"pattern": f"^({form})$"}


def _ordered(form: str) -> dict[str, Any]:
    """Parts of this form, or any, in their order."""
    return _pattern(rf"none|({form}|\.\.\.)( *, *({form}|\.\.\.))*")


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

Name = Annotated[str, Field(pattern=NAME)]
Parameter = Annotated[str, Field(pattern=PARAMETER)]
Sysctl = Annotated[str, Field(pattern=SYSCTL)]
Duration = Annotated[str, BeforeValidator(_checked(seconds)), Field(json_schema_extra=_pattern(patterns.DURATION))]
Amount = Annotated[
    Annotated[int, Field(ge=0)] | Annotated[str, Field(json_schema_extra=_pattern(patterns.AMOUNT))],
    BeforeValidator(_checked(amount)),
]
Share = Annotated[
    int | Annotated[str, Field(json_schema_extra=_pattern(rf"({patterns.AMOUNT})( ?%)?"))],
    BeforeValidator(_checked(patterns.share)),
]
PacketKind = Annotated[str, _form(patterns.packet), Field(json_schema_extra=_pattern(patterns.PACKET))]
Packets = Annotated[str, _form(patterns.packets), Field(json_schema_extra=_ordered(patterns.PACKET))]
CallKind = Annotated[str, _form(patterns.call), Field(json_schema_extra=_pattern(patterns.CALL))]
Calls = Annotated[str, _form(patterns.calls), Field(json_schema_extra=_ordered(patterns.CALL))]
States = Annotated[str, _form(patterns.states), Field(json_schema_extra=_pattern(patterns.STATES_FORM))]
Which = Annotated[
    Annotated[str, Field(json_schema_extra=_pattern(impairments.WHICH))]
    | Annotated[tuple[int, ...], Field(strict=False, min_length=1)],
    BeforeValidator(_checked(impairments.which)),
]
Rate = Annotated[str, _form(impairments.rate), Field(json_schema_extra=_pattern(impairments.RATE))]
Capacity = Annotated[str, _form(impairments.capacity), Field(json_schema_extra=_pattern(impairments.CAPACITY))]
Argv = Annotated[tuple[str | int, ...], Field(strict=False, min_length=1)]
Port = Annotated[int, Field(ge=0, le=65535)]
Names = Annotated[
    tuple[str, ...], Field(strict=False), BeforeValidator(_one_or_many, json_schema_input_type=str | tuple[str, ...])
]
ViewName = Literal["ss", "netstat", "lsof", "ip"]
Views = Annotated[
    tuple[ViewName, ...],
    Field(strict=False),
    BeforeValidator(_one_or_many, json_schema_input_type=ViewName | tuple[ViewName, ...]),
]
Outcomes = Literal["accepted", "refused", "reset", "timed-out", "unreachable", "prohibited"]


Effect = Literal["lost", "overflowed", "delayed", "duplicated", "reordered", "passed"]


class Model(BaseModel):
    """What every noun shares: frozen, exact types, no unknown keys."""

    model_config = ConfigDict(defer_build=True, frozen=True, strict=True, extra="forbid", populate_by_name=True)


class Network(Model):
    """A layer-2 segment; the subnet is chosen when the case is planned."""

    ipv6: bool = Field(False, description="give every interface an IPv6 address too")


class Host(Model):
    """A network namespace with an agent in it."""

    networks: Annotated[tuple[Name, ...], Field(strict=False, description="the networks it has an interface on")]
    router: bool = Field(False, description="forward between its networks; the other hosts get routes through it")
    routes: Literal["auto", "none"] = Field("auto", description="none: no routes through routers")
    sysctls: dict[Sysctl, int | str] = Field({}, description="kernel settings of this host, set at its creation")
    nameserver: Name | None = Field(
        None, description="the host that is asked (by DNS) for names that are no host's; it runs a name-server"
    )


class PacketChoice(Model):
    """Which packets are meant; those that find IPv6's neighbours never are."""

    protocol: Literal["tcp", "udp", "icmp"] | None = None
    port: Annotated[Port | None, Field(description="they come from, or go to")] = None
    data: bool | None = Field(None, description="only those that carry data, or that carry none")


class Impairment(Model):
    """A link of one host made worse, from the step on; another `impair` of the same direction replaces it."""

    network: Annotated[Name, Field(description="a network's name, or lo")]
    direction: Literal["in", "out"] = Field(
        "in", description="in: the host's tap has seen what is lost; out: it never was on the wire"
    )
    of: PacketChoice | None = Field(None, description="the packets that are meant and counted; all unless said")
    none: bool = Field(False, description="make both directions as good as before", json_schema_extra={"const": True})
    lose: Annotated[Which | None, Field(description='"every 3", "every 3 from 2", [2, 5], "30 %", all')] = None
    duplicate: Annotated[Which | None, Field(description="the same, with direction: out")] = None
    reorder: Annotated[int, Field(ge=2, le=64)] | None = Field(
        None, description="each so many packets in reverse; an unfinished group waits for half a second"
    )
    delay: Duration | None = Field(None, description="each packet is held so long")
    jitter: Duration | None = Field(None, description="so much more or less than the delay, by the seed")
    rate: Annotated[Rate | None, Field(description="how fast packets are sent, as in 80 kbit/s")] = None
    queue: Annotated[Capacity | None, Field(description="how much may wait to be sent, as in 4 packets")] = None
    seed: Annotated[int, Field(ge=0)] | None = Field(None, description="decides what is by lot; 1 unless said")

    def badness(self) -> dict[str, Any]:
        """What is said of how bad it is, and of which packets."""
        return self.model_dump(exclude_none=True, exclude={"network", "direction", "none"})

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
        return f"{self.network} {self.direction}: {words}" + f" of {of}" * bool(of)


_DATA = {True: "with data", False: "without data"}


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


class TextExpectation(Model):
    """What a stream of text must, or must not, hold."""

    contains: Names = ()
    lacks: Names = ()
    equals: str | None = None


class ListeningExpectation(Model):
    """A listening socket; `''` and `0.0.0.0` are one address."""

    address: str | None = None
    port: Port
    protocol: Literal["tcp", "udp"] = "tcp"


class SocketChoice(Model):
    """Which sockets of the table are meant."""

    protocol: Literal["tcp", "udp"] = "tcp"
    address: str | None = None
    port: Port | None = None
    peer: str | None = None
    peer_port: Annotated[Port | None, Field(alias="peer-port")] = None


class SocketExpectation(SocketChoice):
    """Lines of the socket table: those that match state, addresses and ports; `count` of them, each with the queues."""

    state: str | None = None
    recv_q: Annotated[Amount | None, Field(alias="recv-q")] = None
    send_q: Annotated[Amount | None, Field(alias="send-q")] = None
    count: Amount = ">= 1"


class StatesExpectation(SocketChoice):
    """One of the sockets that match addresses and ports passed through these states, in this order."""

    passes: States


class SpreadExpectation(Model):
    """What came of the turns of a repeated step, each turn being one value, as text."""

    of: Literal["connect", "raises", "errno", "returns", "stdout", "exit", "peer", "local"]
    distinct: Annotated[Amount | None, Field(description="how many different values: 1 where it never varies")] = None
    among: Annotated[
        tuple[str | int, ...] | None, Field(strict=False, min_length=1, description="no value but these")
    ] = None
    each: Share | None = Field(
        None, description='how often each of `among` came, or each that came: ">= 2", or "40..60 %"'
    )


class Expectation(Model):
    """What a step must have shown, seen by the acting host or, with `on`, by another. Each key is a check."""

    on: Name | None = Field(None, description="the host that looks; the acting host unless said")
    connect: Outcomes | Annotated[dict[Outcomes, Amount], Field(min_length=1)] | None = Field(
        None, description="how the step's attempts to connect ended"
    )
    raises: str | None = Field(None, description="the exception's class, as in ConnectionRefusedError; or nothing")
    errno: Annotated[str, Field(pattern=ERRNO)] | None = Field(None, description="as in ECONNREFUSED")
    returns: Any = Field(None, description="what the call returned; {name: value} for the names it assigned")
    calls: Calls | Annotated[dict[CallKind, Amount], Field(min_length=1)] | None = Field(
        None, description='the step\'s calls in order ("socket, connect = ECONNREFUSED, ..."), none, or counts'
    )
    within: Duration | None = Field(None, description="the attempt, call or program took at most this long")
    after: Duration | None = Field(None, description="it took at least this long")
    stdout: TextExpectation | None = None
    stderr: TextExpectation | None = None
    exit: Amount | None = Field(None, description="the program's exit status")
    spread: Annotated[
        tuple[SpreadExpectation, ...] | None,
        Field(strict=False, min_length=1, description="what came of a repeated step's turns, and how often"),
        BeforeValidator(_none_or_many, json_schema_input_type=SpreadExpectation | tuple[SpreadExpectation, ...] | None),
    ] = None
    listening: Annotated[
        tuple[ListeningExpectation, ...] | None,
        Field(strict=False, min_length=1),
        BeforeValidator(
            _none_or_many, json_schema_input_type=ListeningExpectation | tuple[ListeningExpectation, ...] | None
        ),
    ] = None
    sockets: Annotated[
        tuple[SocketExpectation, ...] | None,
        Field(strict=False, min_length=1),
        BeforeValidator(_none_or_many, json_schema_input_type=SocketExpectation | tuple[SocketExpectation, ...] | None),
    ] = None
    states: Annotated[
        States | Annotated[tuple[StatesExpectation, ...], Field(strict=False, min_length=1)] | None,
        Field(
            description='the states of the attempts\' sockets ("SYN-SENT, ESTAB, gone"), or of those chosen by port, …'
        ),
        BeforeValidator(
            _many_mappings,
            json_schema_input_type=States
            | StatesExpectation
            | Annotated[tuple[StatesExpectation, ...], Field(min_length=1)]
            | None,
        ),
    ] = None
    counters: Annotated[dict[str, Amount], Field(min_length=1)] | None = Field(
        None, description="growth since the case's start, as nstat names them"
    )
    impaired: Annotated[dict[Effect, Amount], Field(min_length=1)] | None = Field(
        None, description="how many packets of impaired links were lost, …, since the case's start"
    )
    interface: Annotated[Names | None, Field(description="lo or networks: where the attempts' packets were seen")] = (
        None
    )
    packets: Packets | Annotated[dict[PacketKind, Amount], Field(min_length=1)] | None = Field(
        None,
        description='the attempts\' packets in order ("> SYN, < RST within 5 ms on lan, ..."), none, or counts',
    )
    ttl: Annotated[int, Field(ge=1, le=255)] | None = Field(
        None, description="of the packets that came from the caller"
    )
    peer: str | None = Field(None, description="the address at the other end of the connection")
    local: str | None = Field(None, description="the address at this end of the connection")

    def checks(self) -> dict[str, Any]:
        """The checks asked for, by name, with what each expects."""
        asked = (name for name in type(self).model_fields if name in self.model_fields_set and name != "on")
        return {name: getattr(self, name) for name in asked}


class Step(Model):
    """One action on one host, or none: then it only observes. Its end comes before the next step's beginning."""

    host: Name
    start: Annotated[Argv | None, Field(description="a program, left running")] = None
    run: Annotated[Argv | None, Field(description="a program, to its end")] = None
    stop: str | None = Field(None, description="a started program, by its name or its `as`")
    kill: str | None = Field(None, description="the same, by a signal that it cannot handle: kill -9")
    call: Annotated[str, _form(parse_call)] | None = Field(None, description='one socket call, as in "s.listen(1)"')
    wait: str | None = Field(None, description="the `as` of a pending step; or a time, to observe an absence")
    firewall: Annotated[str, _form(firewall_rule)] | None = Field(None, description="an iptables or ip6tables command")
    link: Annotated[dict[Name, Literal["up", "down"]], Field(min_length=1)] | None = Field(
        None, description="{network: down} or {network: up}"
    )
    sysctl: Annotated[dict[Sysctl, int | str], Field(min_length=1)] | None = Field(
        None, description="kernel settings of this host, changed while it runs"
    )
    impair: Annotated[Impairment | None, Field(description="a link made worse: it loses, holds, copies, … packets")] = (
        None
    )
    as_: Annotated[Name | None, Field(alias="as", description="a name; leaves a call or run pending")] = None
    repeat: Annotated[int, Field(ge=2, le=MAX_TURNS)] | None = Field(
        None, description="do it so often, one after the other (within `together` at once); each turn is judged"
    )
    only: Annotated[Names, Field(description="the cases that have this step")] = ()
    timeout: Duration | None = Field(None, description="how long it may take; 10 s unless said")
    show: Annotated[Views, Field(description="what these tools print on the host at the step's end, for the eye")] = ()
    predict: str | None = Field(None, description="the question to ask before the step")
    because: str | None = Field(None, description="the reason, told after it")
    expect: Annotated[
        tuple[Expectation, ...],
        Field(strict=False),
        BeforeValidator(_one_or_many, json_schema_input_type=Expectation | tuple[Expectation, ...]),
    ] = ()

    @property
    def action(self) -> str:
        """Which of ACTIONS it is; `observe` where it only looks."""
        return next((name for name in ACTIONS if getattr(self, name) is not None), "observe")


class Together(Model):
    """Steps that begin at once; the next step begins when all of them have ended."""

    together: Annotated[tuple[Step, ...], Field(strict=False, min_length=1, max_length=MAX_HOSTS)]
    only: Annotated[Names, Field(description="the cases that have these steps")] = ()


def _kind(value: Any) -> str:
    return "at once" if isinstance(value, Together) or (isinstance(value, dict) and "together" in value) else "step"


class ScenarioFile(Model):
    """A claim about the world, and the cases in which it comes out differently. `scenario` holds it to its sizes."""

    title: Annotated[str, Field(min_length=1)]
    guide: Annotated[
        Names, Field(description="the claims that it shows, as in echo-server.3; `lab guide` lists them")
    ] = ()
    topics: Annotated[Names, Field(description="the words under which `lab list --topic` finds it")] = ()
    lesson: str = ""
    networks: dict[Name, Network | None] = Field(json_schema_extra={"maxProperties": MAX_NETWORKS})
    hosts: dict[Name, Host] = Field(json_schema_extra={"minProperties": 1, "maxProperties": MAX_HOSTS})
    cases: dict[Name, dict[Parameter, Any] | None] = Field({}, json_schema_extra={"maxProperties": MAX_CASES})
    steps: Annotated[
        tuple[Annotated[Annotated[Step, Tag("step")] | Annotated[Together, Tag("at once")], Discriminator(_kind)], ...],
        Field(strict=False, min_length=1, json_schema_extra={"maxItems": MAX_STEPS}),
    ]
