"""The ways in which a case's world is changed, a row each: what a row applies to, and what it leaves out or replaces.

`@mutation` enters a function in the table. It is given a case that passed, as planned and observed, and yields a Mutant
for each place where the change can matter. Where it cannot (a bigger backlog that nobody fills, a bind that failed),
it yields none: by a rule about what was observed, never by a name. Expectations are never touched.
"""

import ast
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from lab.calls import parse_call, tree_of
from lab.history import Call, Fate, History, Packet, SocketSeen, Tap
from lab.i18n import _, later
from lab.model import Impairment, Step
from lab.plan import Plan, PlannedStep
from lab.wire import is_noise

ON_THE_WIRE = frozenset({"connect", "interface", "packets", "ttl"})
UNMET = frozenset(
    {"bind", "close", "setsockopt", "getsockopt", "settimeout", "gettimeout", "setblocking", "getsockname", "fileno"}
)
ANY, LOOPBACK = ("", "0.0.0.0", "::"), ("127.", "::1")


class Mutant(Struct, frozen=True):
    """One change to one case: `place` is the `file:line:column` of what is changed, `words` say so behind "although".
    Either the plan is changed, and run; or what was observed is, and judged: then a check that cannot tell (ERROR) has
    noticed, too."""

    place: str
    words: str
    plan: Callable[[Plan], Plan] | None = None
    history: Callable[[History], History] | None = None


Mutants = Callable[[Plan, History], Iterable[Mutant]]


class Mutation(Struct, frozen=True):
    """A row of the table: `name` heads a column, `words` explain it, `where` says to what it applies."""

    name: str
    words: str
    where: str
    mutants: Mutants


MUTATIONS: dict[str, Mutation] = {}


def mutation(name: str, words: str, where: str) -> Callable[[Mutants], Mutants]:
    """Enter a function under its name."""

    def enter(mutants: Mutants) -> Mutants:
        MUTATIONS[name] = Mutation(name, words, where, mutants)
        return mutants

    return enter


def _left_out(action: str, thing: str) -> Mutants:
    """Each step of this action is left out, by itself."""

    def mutants(plan: Plan, __: History) -> Iterator[Mutant]:
        for planned in plan.steps:
            if planned.step.action == action:
                words = _("{thing} was left out ({step})", thing=_(thing), step=planned.text)
                yield Mutant(planned.marks[""], words, _without(planned.number))

    return mutants


EACH = later("each, by itself")
mutation("rule", later("a firewall rule left out"), EACH)(_left_out("firewall", later("the firewall rule")))
mutation("sysctl", later("a kernel setting left as it was"), EACH)(_left_out("sysctl", later("the kernel setting")))
mutation("link", later("a link left as it was"), EACH)(_left_out("link", later("the link's change")))


@mutation("impair", later("an impairment that lets all packets pass as they are"), later("where any packet suffered"))
def _harmless(plan: Plan, history: History) -> Iterator[Mutant]:
    """The link is still watched, so that what is counted there can be wrong; one made good again stays as it was."""
    for planned in plan.steps:
        impair = planned.step.impair
        if impair and impair.none:
            yield Mutant(
                planned.marks[""], _("the link stayed bad ({step})", step=planned.text), _without(planned.number)
            )
        elif impair and _suffered(history, planned, impair):
            good = Impairment(network=impair.network, direction=impair.direction, of=impair.of, lose="0 %")
            change = partial(_impaired, good=good)
            words = _("all passed unharmed ({step})", step=planned.text)
            yield Mutant(planned.marks[""], words, _with(planned.number, change))


@mutation(
    "bind",
    later("another bind address: any instead of loopback, loopback instead of any other"),
    later("where a bound socket was used"),
)
def _bound_elsewhere(plan: Plan, history: History) -> Iterator[Mutant]:
    """Only a bind that succeeded gave a socket its address, and nobody meets one that does nothing more; a program is
    changed where its words name the address."""
    for planned in plan.steps:
        binds = [call for call in _succeeded(history, planned, "bind") if _is_used(history, call)]
        for local in dict.fromkeys(call.local[0] for call in binds if call.local):
            if (places := _naming(planned.step, local)) or planned.step.call:
                other = _other(local) or _("any address")
                words = _("{address} was not bound, but {other}", address=local, other=other)
                change = partial(_rebound, places=places, address=_other(local))
                yield Mutant(planned.marks[""], words, _with(planned.number, change))


@mutation("backlog", later("a backlog of twice the size"), later("where a listener's queue was full"))
def _backlog_doubled(plan: Plan, history: History) -> Iterator[Mutant]:
    """Only a limit that the kernel took as it was asked for, and that was reached, keeps anybody out."""
    for planned in plan.steps:
        size = _backlog(planned.step)
        if size is not None and any(_succeeded(history, planned, "listen")) and _was_full(history, planned, size):
            words = _("the backlog was {size} instead of {planned}", size=_twice(size), planned=size)
            yield Mutant(planned.marks[""], words, _with(planned.number, _relistened))


@mutation("server", later("the server not started"), later("what listens, or is left running and bound"))
def _no_server(plan: Plan, history: History) -> Iterator[Mutant]:
    """What listens, or is a program that stays and was bound (UDP knows no listen)."""
    for planned in plan.steps:
        bound = planned.step.action == "start" and any(_succeeded(history, planned, "bind"))
        if bound or any(_succeeded(history, planned, "listen")):
            words = _("the server was not started ({step})", step=planned.text)
            yield Mutant(planned.marks[""], words, _without(planned.number))


@mutation("host", later("a host cut off: its links down from the beginning"), later("who sent a packet"))
def _cut_off(plan: Plan, history: History) -> Iterator[Mutant]:
    """Only who sent anything, if only an answer to ARP, is missed."""
    for host in plan.hosts:
        if any(map(_is_sent, history.all(Packet, host.name))):
            yield Mutant(plan.steps[0].marks[""], _("{host} was cut off", host=host.name), _isolated(host.name))


@mutation("capture", later("an empty capture"), later("where a check looks at packets, and some were seen"))
def _nothing_captured(plan: Plan, history: History) -> Iterator[Mutant]:
    """The taps were awake and saw nothing, where something was to be seen; who looks elsewhere cannot miss it."""
    asked = {name for planned in plan.steps for one in planned.step.expect for name in one.checks()}
    if asked & ON_THE_WIRE and any(not is_noise(packet) for packet in history.all(Packet)):
        yield Mutant(plan.steps[0].marks[""], _("the capture was empty"), history=_uncaptured)


def _succeeded(history: History, planned: PlannedStep, function: str) -> Iterator[Call]:
    for call in history.all(Call, planned.step.host):
        if call.step == planned.number and call.function == function and call.error is None:
            yield call


def _is_used(history: History, bind: Call) -> bool:
    """Whether the socket did anything after its bind by which others could meet it."""
    later = (call for call in history.all(Call, bind.host) if call.caller == bind.caller and call.time > bind.time)
    return any(call.function not in UNMET for call in later)


def _suffered(history: History, planned: PlannedStep, impair: Impairment) -> bool:
    """Whether the link did anything to a packet since."""
    window = history.window(planned.number)
    return any(
        fate.effects and window is not None and fate.time >= window[0]
        for fate in history.all(Fate, planned.step.host)
        if fate.packet.interface == impair.network and fate.packet.outgoing == (impair.direction == "out")
    )


def _is_sent(packet: Packet) -> bool:
    return packet.outgoing and packet.interface != "lo" and (packet.protocol == "arp" or not is_noise(packet))


def _was_full(history: History, planned: PlannedStep, size: int) -> bool:
    rows = (seen.row for seen in history.all(SocketSeen, planned.step.host))
    return any(row.state == "LISTEN" and row.send_q == size < row.recv_q for row in rows)


def _uncaptured(history: History) -> History:
    return History(
        tuple(
            replace(seen, seen=0) if isinstance(seen, Tap) else seen
            for seen in history.observations
            if not isinstance(seen, Packet)
        )
    )


def _with(number: int, change: Callable[[Step], Step]) -> Callable[[Plan], Plan]:
    """A plan's step of that number, changed; what its program is given follows."""

    def one(planned: PlannedStep) -> PlannedStep:
        if planned.number != number:
            return planned
        step = change(planned.step)
        words = tuple(map(str, step.start or step.run or ()))[1:]
        argv = planned.argv[: len(planned.argv) - len(words)] + words
        return replace(planned, step=step, argv=argv)

    return lambda plan: replace(plan, steps=tuple(map(one, plan.steps)))


def _without(number: int) -> Callable[[Plan], Plan]:
    """The step only looks; one that expects nothing is gone."""

    def changed(plan: Plan) -> Plan:
        plan = _with(number, _idle)(plan)
        kept = (planned for planned in plan.steps if planned.number != number or planned.step.expect)
        return replace(plan, steps=tuple(kept))

    return changed


def _idle(step: Step) -> Step:
    return replace(step, **{step.action: None, "as_": None})


def _isolated(host: str) -> Callable[[Plan], Plan]:
    """The host's links go down first, and no step of its own brings them up."""

    def changed(plan: Plan) -> Plan:
        faces = next(item.interfaces for item in plan.hosts if item.name == host)
        down = Step(host=host, link={face.network: "down" for face in faces})
        number = max(planned.number for planned in plan.steps) + 1
        first = PlannedStep(number=number, step=down, marks={"": plan.steps[0].marks[""]})
        for planned in plan.steps:
            if planned.step.host == host and planned.step.action == "link":
                plan = _without(planned.number)(plan)
        return replace(plan, steps=(first, *plan.steps), needs=(*plan.needs, "link"))

    return changed


def _other(address: str) -> str:
    """Loopback for any address but its own, and any address for that."""
    loopback, anything = ("::1", "::") if ":" in address else ("127.0.0.1", "")
    return anything if address.startswith(LOOPBACK) else loopback


def _naming(step: Step, local: str) -> tuple[int, ...]:
    """Which of a program's words name the address that it bound."""
    alike = ANY if local in ANY else (local,)
    return tuple(place for place, word in enumerate(step.start or step.run or ()) if place and word in alike)


def _rebound(step: Step, places: Collection[int], address: str) -> Step:
    """The step with another address where its call, or its program's words, name the one that is bound."""

    def put(call: ast.Call) -> None:
        argument = call.args[0]
        assert isinstance(argument, ast.Tuple)
        argument.elts[0] = ast.Constant(address)

    if step.call is not None:
        return replace(step, call=_recalled(step.call, put))
    words = (address if place in places else word for place, word in enumerate(step.start or step.run or ()))
    return replace(step, **{step.action: tuple(words)})


def _impaired(step: Step, good: Impairment) -> Step:
    return replace(step, impair=good)


def _backlog(step: Step) -> int | None:
    """The size that a call of `listen` names."""
    call = parse_call(step.call) if step.call else None
    size = call.arguments[0] if call and call.method == "listen" and call.arguments else None
    return size if isinstance(size, int) else None


def _twice(size: int) -> int:
    return 2 * size or 1


def _relistened(step: Step) -> Step:
    def put(call: ast.Call) -> None:
        call.args[0] = ast.Constant(_twice(_backlog(step) or 0))

    return replace(step, call=_recalled(step.call or "", put))


def _recalled(text: str, change: Callable[[ast.Call], None]) -> str:
    """The text of a call, its tree changed."""
    tree = tree_of(text)
    (statement,) = tree.body
    assert isinstance(statement, ast.Expr | ast.Assign)
    assert isinstance(statement.value, ast.Call)
    change(statement.value)
    return ast.unparse(tree)
