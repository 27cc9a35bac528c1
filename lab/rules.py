"""What must hold between the steps of one case: names known before they are used, pending steps waited for, checks that
fit what they judge. What a single step may hold is the model's; where a mistake stands in the file is `scenario`'s.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from lab import model, patterns
from lab.calls import parse_call
from lab.checks import CHECKS
from lab.decode.packets import DETAILS, NUMBERED
from lab.errors import did_you_mean
from lab.iptables import IMPAIRED_TABLE, firewall_rule
from lab.model import CHECKED, TALKING_TOOLS, TOOLS, Expectation, Host, Step
from lab.source import Path_
from lab.states import parting

REPEATABLE = ("call", "run")
SILENT_TOOLS = {*TOOLS} - {*TALKING_TOOLS}


class Numbered(Struct, frozen=True):
    """A step of one case: its number in the file, counting those within `together`, its value, and where it is written
    (`("steps", 3, "together", 1)`). Steps of one `group` begin at once."""

    number: int
    step: Step
    path: Path_ = ()
    group: int | None = None


Tell = Callable[[Numbered, Path_, str], None]


class Rules:
    """Goes through a case's steps in order. `doubtful` are hosts with steps that could not be read: what those might
    have made is not missed."""

    def __init__(self, hosts: Mapping[str, Host], programs: Collection[str], doubtful: Collection[str], tell: Tell):
        self._hosts = hosts
        self._programs = programs
        self._doubtful = doubtful
        self._tell = tell
        self._sockets: dict[str, set[str]] = {name: set() for name in hosts}
        self._pending: dict[str, Numbered] = {}
        self._joined: set[str] = set()
        self._impaired = False
        self._started: dict[str, set[str]] = {name: set() for name in hosts}

    def hold(self, steps: Sequence[Numbered]) -> None:
        """Tell what does not."""
        self._impaired = any(item.step.impair for item in steps)
        for item in steps:
            if self._is_host(item, ("host",), item.step.host):
                getattr(self, f"_{item.step.action}", self._nothing)(item)
                self._as(item)
                self._repeat(item)
                for index, expectation in enumerate(item.step.expect):
                    self._expectation(item, ("expect", index), expectation)
        self._at_once(steps)
        for name, item in self._pending.items():
            if name not in self._joined and item.step.host not in self._doubtful:
                words = f"expected a later step with wait: {name}; a pending step never joined proves nothing"
                self._tell(item, ("as",), words)

    def _at_once(self, steps: Sequence[Numbered]) -> None:
        """A host holds only so many processes."""
        turns: Counter[tuple[int, str]] = Counter()
        for item in steps:
            if item.group is not None:
                turns[item.group, item.step.host] += item.step.repeat or 1
                if turns[item.group, item.step.host] > model.MAX_AT_ONCE:
                    words = f"expected at most {model.MAX_AT_ONCE} at once on a host, observed more on"
                    self._tell(item, (), f"{words} {item.step.host}")

    def _is_host(self, item: Numbered, path: Path_, name: str) -> bool:
        if name not in self._hosts:
            self._tell(item, path, f"no host is named {name!r}" + did_you_mean(name, self._hosts))
        return name in self._hosts

    def _nothing(self, item: Numbered) -> None:
        """The action names nothing that could be unknown."""

    def _start(self, item: Numbered) -> None:
        step = item.step
        program = str((step.start or step.run or ("",))[0])
        known = (*self._programs, *TOOLS)
        if program not in known:
            self._tell(item, (step.action, 0), f"no program is named {program!r}" + did_you_mean(program, known))
        if step.action == "start":
            self._started[step.host] |= {program, step.as_ or program}

    _run = _start

    def _stop(self, item: Numbered) -> None:
        name, host = item.step.stop or item.step.kill or "", item.step.host
        if name not in self._started[host] and host not in self._doubtful:
            words = f"no program {name!r} was started on {host} before this step"
            self._tell(item, (item.step.action,), words + did_you_mean(name, self._started[host]))

    _kill = _stop

    def _call(self, item: Numbered) -> None:
        call, host = parse_call(item.step.call or ""), item.step.host
        known = self._sockets[host]
        if call.receiver and call.receiver not in known and host not in self._doubtful:
            words = f"no socket is named {call.receiver!r} on {host} before this step"
            self._tell(item, ("call",), words + did_you_mean(call.receiver, known))
        known -= set(call.targets)
        if call.method == "socket" or (call.method == "accept" and len(call.targets) == 2):
            known |= set(call.targets[:1])

    def _wait(self, item: Numbered) -> None:
        name = item.step.wait or ""
        if name[:1].isdigit():
            try:
                patterns.seconds(name)
            except ValueError as error:
                self._tell(item, ("wait",), str(error))
        elif name not in self._pending:
            if not self._doubtful:
                words = f"no pending step is named {name!r} before this one"
                self._tell(item, ("wait",), words + did_you_mean(name, self._pending))
        elif (host := self._pending[name].step.host) != item.step.host:
            self._tell(item, ("host",), f"expected the host of the pending step, {host!r}, observed {item.step.host!r}")
        self._joined.add(name)

    def _link(self, item: Numbered) -> None:
        for network in item.step.link or {}:
            self._is_interface(item, ("link", network), network, item.step.host)

    def _impair(self, item: Numbered) -> None:
        impair = item.step.impair
        assert impair is not None
        self._is_interface(item, ("impair", "network"), impair.network, item.step.host, "lo")
        bad = impair.badness().keys() - {"of", "seed"}
        for key, needed in (("jitter", "delay"), ("queue", "rate")):
            if key in bad and needed not in bad:
                self._tell(item, ("impair", key), f"expected {key} with {needed}")
        if impair.none and (impair.badness() or impair.direction):
            self._tell(
                item, ("impair", "none"), "expected none with nothing but the network: both directions are meant"
            )
        elif not impair.none and not bad - {"jitter", "queue"}:
            words = (
                "expected what makes it worse (lose, duplicate, reorder, delay, rate), or none: true; observed nothing"
            )
            self._tell(item, ("impair",), words)
        if "duplicate" in bad and impair.direction != "out":
            words = "expected direction: out with duplicate; a packet can only be sent twice where it is sent"
            self._tell(item, ("impair", "duplicate"), words)

    def _firewall(self, item: Numbered) -> None:
        words = firewall_rule(item.step.firewall or "")
        if self._impaired and any(word.rpartition("=")[2] == IMPAIRED_TABLE for word in words):
            text = f"expected another table: {IMPAIRED_TABLE} is where this case's impaired links are"
            self._tell(item, ("firewall",), text)

    def _as(self, item: Numbered) -> None:
        step, name = item.step, item.step.as_
        if name is None:
            return
        if step.action not in ("call", "run", "start"):
            with_ = "no action" if step.action == "observe" else step.action
            self._tell(item, ("as",), f"expected `as` with call, run or start; observed it with {with_}")
            return
        if name in self._pending:
            self._tell(item, ("as",), f"expected a name of its own, observed {name!r} again")
        if step.action != "start":
            self._pending[name] = item
            if step.expect:
                self._tell(item, ("expect",), f"expected this at `wait: {name}`: the step is pending until then")

    def _repeat(self, item: Numbered) -> None:
        step = item.step
        if item.group is not None and (step.action not in REPEATABLE or step.as_):
            with_ = f"as: {step.as_}" if step.as_ else "no action" if step.action == "observe" else step.action
            self._tell(item, (), f"expected a call or run in together, which ends by itself; observed {with_}")
            return
        if step.repeat is None:
            return
        if step.action not in REPEATABLE or step.as_:
            with_ = f"as: {step.as_}" if step.as_ else "no action" if step.action == "observe" else step.action
            words = f"expected repeat with a call or run that the step waits for; observed it with {with_}"
            self._tell(item, ("repeat",), words)

    def _expectation(self, item: Numbered, path: Path_, expectation: Expectation) -> None:
        checks = expectation.checks()
        if not checks:
            known = ", ".join(name for name in CHECKED if name in CHECKS)
            words = f"expected a check ({known}), observed none: nothing to check"
            self._tell(item, path, words)
        host = expectation.on or item.step.host
        if not self._is_host(item, (*path, "on"), host):
            return
        acted = self._acted(item.step)
        for name, expected in checks.items():
            self._check(item, (*path, name), name, expected, acted)
        for index, network in enumerate(expectation.interface or ()):
            self._is_interface(item, (*path, "interface", index), network, host, "lo")
        for more, part in _parts(expectation.packets):
            if part.interface:
                self._is_interface(item, (*path, "packets", *more), part.interface, host, "lo")
            self._is_detail(item, (*path, "packets", *more), part.kind)

    def _acted(self, step: Step) -> Step:
        """The step whose doing is judged: of a `wait`, the pending one."""
        pending = self._pending.get(step.wait or "")
        return pending.step if pending else step

    def _check(self, item: Numbered, path: Path_, name: str, expected: Any, acted: Step) -> None:
        action = {"stop": "start", "kill": "start", "wait": "observe"}.get(acted.action, acted.action)
        fits = CHECKS[name].actions
        if fits and action not in fits and not (acted.action == "wait" and self._doubtful):
            with_ = "no action" if action == "observe" else action
            self._tell(item, path, f"expected {name} with {', '.join(sorted(fits))}; observed it with {with_}")
        if name == "states" and isinstance(expected, str) and action not in CHECKS["connect"].actions:
            words = f"expected a chosen socket here, as in {{port: 80, passes: LISTEN}}, observed {expected!r}"
            self._tell(item, path, words)
        if name == "states":
            self._can_pass(item, path, expected)
        if name == "spread":
            self._spread(item, path, expected or (), acted)
        program = str((acted.run or acted.start or ("",))[0])
        if name == "calls" and program in SILENT_TOOLS and program not in self._programs:
            self._tell(item, path, f"expected calls of a program that talks; {program} only looks: nobody traces it")
        if isinstance(expected, model.TextExpectation) and expected == model.TextExpectation():
            self._tell(item, path, "expected contains, lacks or equals, observed none: nothing to check")
        if name == "returns" and isinstance(expected, dict) and acted.call:
            targets = parse_call(acted.call).targets
            for key in expected.keys() - set(targets):
                words = f"the call assigns no {key!r}" + did_you_mean(key, targets)
                self._tell(item, path, words)

    def _can_pass(self, item: Numbered, path: Path_, expected: str | Sequence[model.StatesExpectation] | None) -> None:
        """A socket's life goes one way; what comes after `gone` is another socket's."""
        chosen = () if isinstance(expected, str) else expected or ()
        asked: list[tuple[Path_, str, str]] = [
            ((index, "passes"), it.protocol, it.passes) for index, it in enumerate(chosen)
        ]
        for more, protocol, text in [((), "tcp", expected)] if isinstance(expected, str) else asked:
            if pair := parting(patterns.states(text), protocol):
                words = f"expected states in an order that {protocol} has, observed {pair[1]} after {pair[0]}"
                self._tell(item, (*path, *more), f"{words}; no socket goes from there to there")

    def _spread(self, item: Numbered, path: Path_, expected: Sequence[model.SpreadExpectation], acted: Step) -> None:
        if acted.repeat is None:
            self._tell(item, path, "expected spread with repeat: N; of a single turn nothing varies")
        for one in expected:
            fits = CHECKS[one.of].actions
            if acted.action in REPEATABLE and acted.action not in fits:
                self._tell(item, path, f"expected {one.of} of {', '.join(sorted(fits))}; observed {acted.action}")
            if one.distinct is None and one.among is None and one.each is None:
                self._tell(item, path, "expected distinct, among or each, observed none: nothing to check")

    def _is_interface(self, item: Numbered, path: Path_, name: str, host: str, *more: str) -> None:
        known = (*self._hosts[host].networks, *more)
        if name not in known:
            self._tell(item, path, f"{host} has no interface on {name!r}" + did_you_mean(name, known))

    def _is_detail(self, item: Numbered, path: Path_, kind: str) -> None:
        """A word that no packet has would be counted for ever, and found never."""
        family, _, detail = kind.partition(" ")
        if detail and detail not in DETAILS[family] and not re.fullmatch(NUMBERED, detail):
            self._tell(item, path, f"no {family} is named {detail!r}" + did_you_mean(detail, DETAILS[family]))


def _parts(expected: str | Mapping[str, Any] | None) -> Iterator[tuple[Path_, patterns.PacketPart]]:
    """The parts of a pattern of packets, or the kinds to count: each with its place in there."""
    if isinstance(expected, str):
        yield from (((), part) for part in patterns.packets(expected) if part)
    else:
        yield from (((key,), patterns.packet(key)) for key in expected or ())
