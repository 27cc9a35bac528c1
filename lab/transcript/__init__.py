"""Plan + History -> Transcript: what happened, step by step, without what differs between any two runs. Pure.

    names    what chance gave (addresses, ports), named
    calls    what was asked of sockets
    packets  what went over the wires
    output   what programs wrote
    blocks   lines in a canonical order

Left out: times, process ids, descriptors, sequence numbers, and what scheduling alone decides, as each module says.
What a connection, a socket or a program did stands in the step that began it, whenever it happened. Two transcripts
are compared by `diff`.
"""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from lab.attempts import Attempt, attempts
from lab.history import Call, Exit, History, Note, Packet
from lab.judge import Report, StepReport, judge
from lab.plan import SYSCTLS, Plan, PlannedHost, PlannedStep
from lab.timeline import LATE
from lab.transcript import output, packets
from lab.transcript.blocks import Block, told
from lab.transcript.calls import ACCEPTED, as_of, is_stream, last_deed, sockets, steps_own
from lab.transcript.names import Names, names_of, rows_of
from lab.wire import Endpoint, is_neighbourly, is_syn, plain, unanswered

SET_UP, BESIDE = "the hosts", "beside the steps"
_SYNS = re.compile(r"^(\d+) SYNs?, then")


class Section(Struct, frozen=True):
    """A step, or what belongs to none: its heading and the lines below. `number` is the step's in the file, from 0; -1
    for the hosts and for what stands beside the steps. `perhaps` are the lines that a case may have been too short to
    see: the last words of a program that nobody waits for."""

    number: int
    heading: str
    lines: tuple[str, ...]
    perhaps: frozenset[str] = frozenset()


class Transcript(Struct, frozen=True):
    """A case; `skipped` is the reason why it was not run."""

    scenario: str
    case: str
    sections: tuple[Section, ...] = ()
    skipped: str = ""

    def __str__(self) -> str:
        """All of it as text; what is below a heading stands deeper."""
        lines = [f"{self.scenario}.{self.case}" + (f": skipped, {self.skipped}" if self.skipped else "")]
        for section in self.sections:
            number = f"{section.number + 1}. " if section.number >= 0 else ""
            lines += ["", f"{number}{section.heading}", *(f"   {line}" for line in section.lines)]
        return "\n".join(lines) + "\n"


def skipped(plan: Plan, reason: str) -> Transcript:
    """The transcript of a case that was not run."""
    return Transcript(plan.scenario, plan.case, skipped=reason)


def transcript(plan: Plan, history: History, report: Report | None = None) -> Transcript:
    """The transcript of a case that was run; `report` is judged where it is not given."""
    case = _Case(plan, history)
    report = report or judge(plan, history)
    steps = [case.section(*pair) for pair in zip(plan.steps, report.steps, strict=True)]
    beside = tuple(case.beside(report.problems))
    sections = (
        Section(-1, SET_UP, tuple(_set_up(plan, case.names))),
        *steps,
        *([Section(-1, BESIDE, beside)] if beside else []),
    )
    return Transcript(plan.scenario, plan.case, sections)


def _set_up(plan: Plan, names: Names) -> Iterator[str]:
    for host in plan.hosts:
        yield f"{host.name} on {', '.join(face.network + ' with IPv6' * bool(face.ipv6) for face in host.interfaces)}"
        yield from (f"  route to {names.text(route.to)} over {names.text(route.via)}" for route in host.routes)
        yield from (f"  {key} = {value}" for key, value in _unusual(host))


def _unusual(host: PlannedHost) -> list[tuple[str, str]]:
    return sorted((key, value) for key, value in host.sysctls.items() if SYSCTLS.get(key) != value)


class _Case:
    """What the steps of one case share."""

    def __init__(self, plan: Plan, history: History) -> None:
        self.plan, self.history, self.names = plan, history, names_of(plan, history)
        self.end = max((note.time for note in history.all(Note) if note.what in ("step-end", "problem")), default=0)
        self.begins = sorted((note.time, note.step) for note in history.all(Note) if note.what == "step-begin")
        self.loose = _loose(plan.steps)
        self.owners = {
            address: host.name
            for host in plan.hosts
            for face in host.interfaces
            for address in (face.address, face.ipv6)
        }
        self.calls: dict[int, list[Call]] = defaultdict(list)
        for call in as_of(history, self.end):
            self.calls[call.step].append(call)
        self.asking: dict[Endpoint, list[Call]] = defaultdict(list)
        for call in (call for calls in self.calls.values() for call in calls):
            if call.remote:
                self.asking[_plain(call.remote)].append(call)
        self.attempts = {planned.number: attempts(history, planned.number, self.end) for planned in plan.steps}
        self.loose_ends = set(self._loose_ends())
        self.silent = dict(self._silent())
        self.talks = self._talks()

    def section(self, planned: PlannedStep, judged: StepReport) -> Section:
        """A step."""
        lines = tuple(self._step(planned, judged))
        sure = last_deed(self.calls[planned.number]) if planned.number in self.loose else self.end
        perhaps = frozenset(line for line, came in self._written(planned) if came > sure)
        return Section(planned.number, self.names.text(planned.text), lines, perhaps)

    def _step(self, planned: PlannedStep, judged: StepReport) -> Iterator[str]:
        number = planned.number
        if judged.started is None:
            yield "not reached"
            return
        if judged.problem:
            yield f"problem: {self.names.text(judged.problem)}"
        yield from self._notes(number)
        yield from told((f"attempt to {self._attempted(attempt)}",) for attempt in self.attempts[number])
        yield from steps_own([call for call in self.calls[number] if not call.program], self.names)
        yield from told(self._sockets(number))
        yield from (line for line, _ in self._written(planned))
        yield from told(self.talks.get(number, []))
        yield from self._unheard(number)
        yield from self._exit(number)
        for item in judged.judgements:
            where = f" on {item.on}" if item.on != judged.host else ""
            yield f"{item.check}{where}: {item.verdict.outcome}"

    def beside(self, problems: Sequence[str]) -> Iterator[str]:
        """What belongs to no step."""
        yield from (f"problem: {self.names.text(problem)}" for problem in problems)
        yield from self._notes(-1)
        yield from told(self.talks.get(-1, []))
        yield from sorted(set(self._listeners()))

    def _notes(self, step: int) -> Iterator[str]:
        for note in self.history.all(Note):
            if note.step == step and note.what in ("trace", "truncated", "output"):
                lead = "calls not seen" if note.what == "trace" else note.what
                yield f"{lead}: {self.names.text(note.text)}"

    def _attempted(self, attempt: Attempt) -> str:
        """`server.lan:80: refused, ECONNREFUSED: RST from server.lan:80 on lan`"""
        error = f", {attempt.error}" if attempt.error else ""
        why = _SYNS.sub(lambda match: "SYN, then" if match[1] == "1" else "SYN, SYN again, then", attempt.why)
        return f"{self.names.end(attempt.remote)}: {attempt.outcome}{error}: {self.names.text(why)}"

    def _sockets(self, number: int) -> list[Block]:
        made = [call for call in self.calls[number] if call.program]
        return sockets(made, self.names, number in self.loose)

    def _written(self, planned: PlannedStep) -> list[output.Line]:
        connected = sum(map(_is_connected, self._sockets(planned.number)))
        streams = any(call.function == "socket" and is_stream([call]) for call in self.calls[planned.number])
        lines = output.written(self.history, planned, self.end, self.names, streams=streams, several=connected > 1)
        return list(lines)

    def _exit(self, number: int) -> Iterator[str]:
        """How the program ended. Of one that nobody waits for, it depends on who is faster whether it is ended."""
        for seen in self.history.all(Exit):
            if seen.step == number and not (number in self.loose and (seen.because or seen.code == 0)):
                yield f"exit {seen.code}" + f" ({seen.because})" * bool(seen.because)

    def _unheard(self, number: int) -> Iterator[str]:
        """The neighbours that were asked for in this step, and never answered."""
        begin = next(time for time, step in self.begins if step == number)
        until = min((time for time, _ in self.begins if time > begin), default=self.end)
        for host, (seen, never) in self.silent.items():
            for address in unanswered(seen, begin, until):
                if address in never:
                    yield f"{host}: nobody answers for {self.names.addresses[address]}"

    def _silent(self) -> Iterator[tuple[str, tuple[list[Packet], set[str]]]]:
        """Each host that asked in vain: its neighbours' talk, and the addresses of the plan that never answered."""
        for host in self.plan.hosts:
            seen = [packet for packet in self.history.all(Packet, host.name) if is_neighbourly(packet)]
            if never := self.names.addresses.keys() & unanswered(seen, 0, self.end):
                yield host.name, (seen, never)

    def _listeners(self) -> Iterator[str]:
        """Who listened where: a state that stays for as long as its socket."""
        for host, row in rows_of(self.history):
            if row.state == "LISTEN":
                yield f"{host}: {row.protocol} LISTEN {self.names.end(row.local)}, backlog {row.send_q}"

    def _talks(self) -> Mapping[int, list[Block]]:
        """Each talk with the step that began it."""
        tried = {
            (first.source, first.sport, first.seq): attempt
            for made in reversed(self.attempts.values())
            for attempt in made
            for first in filter(is_syn, attempt.packets)
        }
        found: dict[int, list[Block]] = defaultdict(list)
        for talk in packets.talks(self.history, self.end):
            attempt = tried.get((*talk.caller, talk.syn or 0))
            number = attempt.step if attempt else self._asked_by(talk)
            in_vain = attempt is not None and attempt.outcome in ("timed-out", "unknown")
            given_up = attempt.ended if attempt and attempt.ended and in_vain else self.end
            found[number].append(packets.block(talk, self.names, self._is_late, given_up))
        return found

    def _asked_by(self, talk: packets.Talk) -> int:
        """The step of the last call that can have sent the first packet; where none is known, the step at that time."""
        time = talk.first.time
        asking = self.asking.get(_plain(talk.called), ())
        under_way = [call for call in asking if call.time <= time <= (call.ended or time) + LATE]
        if under_way:
            return max(under_way, key=lambda call: call.time).step
        index = bisect_right(self.begins, (time, 1 << 30)) - 1
        return self.begins[index][1] if index >= 0 else -1

    def _loose_ends(self) -> Iterator[tuple[str, Endpoint]]:
        """The ends of programs that nobody waits for: their host, and the caller's end of the connection."""
        for number in self.loose:
            for attempt in self.attempts[number]:
                if attempt.local:
                    yield attempt.host, _plain(attempt.local)
            for call in self.calls[number]:
                if call.function.startswith("accept") and call.remote:
                    yield call.host, _plain(call.remote)

    def _is_late(self, fin: Packet) -> bool:
        """Whether a FIN comes from a program that nobody waits for."""
        owner = self.owners.get(fin.source, fin.host)
        ends = ((fin.source, fin.sport), (fin.destination, fin.dport))
        return any((owner, _plain(end)) in self.loose_ends for end in ends)


def _plain(end: Endpoint) -> Endpoint:
    return plain(end[0]), end[1]


def _is_connected(block: Block) -> bool:
    """Whether it is the socket of a connection, or of a try to make one."""
    return block[0] == ACCEPTED or any(line.startswith("connect") for line in block)


def _loose(steps: Sequence[PlannedStep]) -> set[int]:
    """The steps that leave a program running for whose end no other step waits."""
    awaited = {step.target for step in steps if step.step.action == "wait"}
    return {
        step.number
        for step in steps
        if step.number not in awaited and (step.step.action == "start" or (step.step.action == "run" and step.step.as_))
    }
