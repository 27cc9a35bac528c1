"""What was asked of the socket API, and what came of it: the calls of a step in their order, none, or counts."""

from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from lab.align import FAR
from lab.checks.base import Seen, Verdict, check, could_not_tell, failed, passed
from lab.checks.look import as_of, call_of, exit_of, indices, lasted, untraced
from lab.checks.ordered import Ordered, listed, ordered, said
from lab.history import Call, Note, Value
from lab.i18n import _, counted, later
from lab.netcalls import network_calls
from lab.patterns import OF_NO_SOCKET, CallPart, amount, api_name, kinds
from lab.patterns import call as part_of
from lab.patterns import calls as parts_of
from lab.tries import error_of

_TELL_NUMBERS = ("send", "recv", "select", "poll", "epoll_wait")
_GOES_ON = later("what has not returned cannot be judged before its end")


class _Item(Struct, frozen=True):
    """A call as it stood when the step ended: its name, what came of it (an errno's name, pending, a number, or None
    for something else), and how long it took, or has taken so far (ns)."""

    name: str
    saw: str | int | None
    took: int

    @property
    def pending(self) -> bool:
        """Whether it had not returned."""
        return self.saw == "pending"

    def __str__(self) -> str:
        told = isinstance(self.saw, str) or (self.saw is not None and self.name in _TELL_NUMBERS)
        return f"{self.name} = {self.saw}" if told else self.name


_UNSEEN = _Item("", "pending", 0)


class _Made(Struct, frozen=True):
    """The step's calls; `unseen` may have followed them; `shown` is where they are in the history."""

    items: Sequence[_Item]
    unseen: Sequence[_Item]
    shown: Sequence[int]
    time_scale: float


@check("calls", "run", "start", "call", "wait")
def calls(expected: str | Mapping[str, int | str], seen: Seen) -> Verdict:
    """The step's calls in their order; `none`; or how many of each kind there were. Of a program, those on its TCP and
    UDP sockets, and of those that belong to no socket the kinds that are asked for; while it runs, those that have
    returned."""
    text = said(expected)
    try:
        made = _made(seen, kinds(expected) & OF_NO_SOCKET)
        if isinstance(made, str):
            return could_not_tell(text, made)
        return _in_order(expected, made) if isinstance(expected, str) else _counted(expected, text, made)
    except ValueError as error:
        return could_not_tell(text, str(error))


def _made(seen: Seen, more: Collection[str]) -> _Made | str:
    """What there is to judge; or why there is nothing."""
    found = _found(seen, more)
    if isinstance(found, str):
        return found
    items = [_item(as_of(call, seen.window[1]), seen) for call in found]
    unseen: list[_Item] = []
    if seen.action == "start" and exit_of(seen) is None:
        # strace tells a call at its end, or when another one begins: the last one may be pending, or not be
        unseen, items = [_UNSEEN], items[:-1] if items and items[-1].pending else items
    return _Made(items, unseen, indices(seen, found), seen.time_scale)


def _found(seen: Seen, more: Collection[str]) -> Sequence[Call] | str:
    """The calls; or why they cannot be judged. That there were none takes a program that was traced."""
    if reason := untraced(seen):
        return reason
    own = list(seen.own(Call))
    if seen.action == "call":
        notes = (note for note in seen.history.all(Note, seen.host) if note.step == seen.step)
        cut = [note.text for note in notes if note.what == "truncated"]
        if call_of(seen) is None or cut:
            return cut[0] if cut else _("no call was recorded for this step")
        return [call for call in own if not call.program]
    if seen.action not in ("run", "start") or not seen.traced:
        return _("no program was seen in this step whose calls are traced")
    if seen.action == "run" and exit_of(seen) is None:
        return _("the program has not ended: there may be more calls")
    return _of_interest([call for call in own if call.program], more)


def _of_interest(made: Sequence[Call], more: Collection[str]) -> list[Call]:
    """Those on TCP and UDP sockets, and of no socket those asked for; one that a signal interrupted is told once."""
    asked = [call for call in made if api_name(call.function) in more]
    ours = sorted([*network_calls(made), *asked], key=lambda call: call.time)
    return [call for index, call in enumerate(ours) if not (_interrupted(call) and _again(call, ours[index + 1 :]))]


def _interrupted(call: Call) -> bool:
    """Whether a signal came before it returned: the kernel begins it again, or the program ends."""
    return (call.error or "").startswith("ERESTART")


def _again(call: Call, later: Sequence[Call]) -> bool:
    return any((other.caller, other.function) == (call.caller, call.function) for other in later)


def _item(call: Call, seen: Seen) -> _Item:
    name = api_name(call.function)
    took = (seen.window[1] if call.ended is None else call.ended) - call.time
    if call.ended is None or _interrupted(call):
        return _Item(name, "pending", took)
    return _Item(name, error_of(call) or _number(name, call), took)


def _number(name: str, call: Call) -> int | None:
    """How many bytes went or came; of other calls, the number that they returned."""
    result = call.result
    if name == "recv" and isinstance(result, tuple | list):
        result = result[0]
    if name == "send" and result is None:
        return _size(call.arguments[0]) if call.arguments else None
    if isinstance(result, bytes):
        return len(result)
    return result if type(result) is int else None


def _size(argument: Value) -> int | None:
    """How long the bytes are that a step's sendall was given: all of them went."""
    if isinstance(argument, dict) and isinstance(repeated := argument.get("repeat"), list):
        data, times = repeated
        return len(data) * times if isinstance(data, bytes) and isinstance(times, int) else None
    return len(argument) if isinstance(argument, bytes) else None


def _in_order(text: str, made: _Made) -> Verdict:
    pattern = parts_of(text)
    answer = _fit(pattern, made.items, made.time_scale, hopeful=False)
    observed = listed([str(item) for item in made.items])
    if answer.fits:
        return passed(text, observed, *made.shown)
    hopes = (_fit(pattern, [*made.items, *more], made.time_scale, hopeful=True) for more in ((), made.unseen))
    if any(hope.fits for hope in hopes):
        return could_not_tell(text, f"{observed}; {_(_GOES_ON)}", *made.shown, aligned=answer.rows)
    return failed(text, observed, *made.shown, aligned=answer.rows)


def _fit(pattern: Sequence[CallPart | None], items: Sequence[_Item], time_scale: float, hopeful: bool) -> Ordered:
    def distance(part: CallPart, item: _Item) -> int:
        return 0 if _is(part, item, time_scale, hopeful) else FAR - (part.name in ("any", item.name))

    return ordered(
        pattern, items, distance, _timed, lambda taken: counted("... {count:,} call", "... {count:,} calls", len(taken))
    )


def _timed(item: _Item) -> str:
    known = {"call": item, "time": lasted(item.took)}
    return _("{call} for {time}", **known) if item.pending else _("{call} in {time}", **known)


def _counted(expected: Mapping[str, int | str], text: str, made: _Made) -> Verdict:
    def count(items: Sequence[_Item], hopeful: bool) -> dict[str, int]:
        return {key: sum(_is(part, item, made.time_scale, hopeful) for item in items) for key, part in parts.items()}

    parts = {key: part_of(key) for key in expected}
    sure, hoped, more = count(made.items, False), count(made.items, True), count(made.unseen, True)
    observed = ", ".join(_("{count} of {item}", count=number, item=key) for key, number in sure.items())
    ranges = {key: amount(wanted) for key, wanted in expected.items()}
    if any(sure[key] > most or hoped[key] + more[key] < least for key, (least, most) in ranges.items()):
        return failed(text, observed, *made.shown)
    if any(sure[key] < least or hoped[key] > most for key, (least, most) in ranges.items()):
        return could_not_tell(text, f"{observed}; {_(_GOES_ON)}", *made.shown)
    return passed(text, observed, *made.shown)


def _is(part: CallPart, item: _Item, time_scale: float, hopeful: bool) -> bool:
    """Whether a call is what a part asks for; of one that goes on it is not known yet how long it takes: then only
    `hopeful` says yes."""
    if item is _UNSEEN:
        return hopeful and part.saw in (None, item.saw)
    if part.name not in ("any", item.name) or not _came(part, item):
        return False
    if not item.pending:
        return part.times.hold(item.took, time_scale)
    in_time = item.took <= part.times.most * 1e9 * time_scale
    return in_time and (hopeful or (part.times.most == float("inf") and part.times.hold(item.took, time_scale)))


def _came(part: CallPart, item: _Item) -> bool:
    if part.saw is None or part.saw == item.saw:
        return True
    if part.saw == "ok":
        return not isinstance(item.saw, str)
    return isinstance(part.saw, tuple) and isinstance(item.saw, int) and part.saw[0] <= item.saw <= part.saw[1]
