"""What sockets pass through, from state to state: seen, ruled out, or passed unseen between two readings."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from lab.align import FAR
from lab.attempts import TOLERANCE, Attempt
from lab.checks.base import Aligned, Outcome, Seen, Verdict, check
from lab.checks.look import asleep, exit_of, far_end, indices, tried, watched
from lab.checks.ordered import listed, ordered
from lab.checks.tables import is_chosen, wanted_socket
from lab.history import Call, Note, Observation, SocketSeen
from lab.i18n import _
from lab.model import StatesExpectation
from lab.patterns import ANY_RUN
from lab.patterns import states as parts_of
from lab.states import GONE, Life, lives, may_have_passed
from lab.wire import Endpoint, plain

_Ends = tuple[Endpoint, Endpoint]


class _Answer(Struct, frozen=True):
    """What is to be said of one socket, or of those that are meant."""

    outcome: Outcome
    observed: str
    shown: tuple[Observation, ...] = ()
    aligned: tuple[Aligned, ...] = ()


@check("states")
def states(expected: str | Sequence[StatesExpectation], seen: Seen) -> Verdict:
    """The socket of each attempt, as `on` has it, passed through these states; or one of those that were chosen did.
    Others may lie between."""
    if isinstance(expected, str):
        text, answers = expected, _of_attempts(parts_of(expected), seen)
    else:
        text = ", ".join(map(wanted_socket, expected))
        answers = [_of_chosen(one, seen) for one in expected]
    worst = _first(answers, Outcome.FAIL, Outcome.ERROR, Outcome.PASS)
    return Verdict(worst.outcome, text, worst.observed, indices(seen, worst.shown), worst.aligned)


def _first(answers: Sequence[_Answer], *order: Outcome) -> _Answer:
    return min(answers, key=lambda answer: order.index(answer.outcome))


def _of_attempts(wanted: Sequence[str], seen: Seen) -> list[_Answer]:
    made = tried(seen)
    if isinstance(made, str):
        return [_Answer(Outcome.ERROR, made)]
    known = _by_ends(_lives(seen))
    return [_of_attempt(wanted, attempt, known, seen) for attempt in made]


def _of_attempt(wanted: Sequence[str], attempt: Attempt, known: Mapping[_Ends, Sequence[Life]], seen: Seen) -> _Answer:
    if attempt.local is None:
        return _Answer(
            Outcome.ERROR, _("the attempt's own port is not known, so its socket is not either"), attempt.calls
        )
    ends = (attempt.local, far_end(attempt))
    ours = known.get(_plain(*(ends if seen.on == seen.host else ends[::-1])), ())
    begun = [life for life in ours if life.seen[0].time >= attempt.started - TOLERANCE]
    before = [life for life in ours if not life.gone or life.seen[-1].time >= attempt.started]
    life = next(iter(begun), before[-1] if before else None)
    if life is None:
        # Nobody chose this socket: its ports were found on the wire. It may have come and gone between two readings.
        return _Answer(Outcome.ERROR, _("no socket of the attempt was seen on {host}", host=seen.on), attempt.calls)
    return _of_life(wanted, life, seen)


def _by_ends(known: Iterable[Life]) -> dict[_Ends, list[Life]]:
    """The TCP sockets by the ends that they were seen to have."""
    found: dict[_Ends, list[Life]] = defaultdict(list)
    for life in known:
        for ends in {_plain(row.local, row.remote) for row in life.rows if row.protocol == "tcp"}:
            found[ends].append(life)
    return found


def _plain(near: Endpoint, far: Endpoint) -> _Ends:
    return (plain(near[0]), near[1]), (plain(far[0]), far[1])


def _of_chosen(one: StatesExpectation, seen: Seen) -> _Answer:
    ours = [life for life in _lives(seen) if any(is_chosen(one, row) for row in life.rows)]
    if ours:
        wanted = parts_of(one.passes)
        return _first([_of_life(wanted, life, seen) for life in ours], Outcome.PASS, Outcome.ERROR, Outcome.FAIL)
    observed = _("no such socket was seen on {host}", host=seen.on)
    if not watched(seen, _begin(seen), _end(seen)):
        return _Answer(Outcome.ERROR, asleep(seen, observed))
    if parts_of(one.passes)[-1] == GONE:
        return _Answer(Outcome.ERROR, f"{observed}; {_('it may have come and gone between two readings')}")
    return _Answer(Outcome.FAIL, observed)


def _of_life(wanted: Sequence[str], life: Life, seen: Seen) -> _Answer:
    observed = listed(life.states)
    answer = ordered(list(_with_others(wanted)), life.states, _distance, str, ", ".join)
    rows = tuple(row for row in answer.rows if row.observed or row.expected != ANY_RUN)
    shown = tuple(life.seen)
    if answer.fits:
        return _Answer(Outcome.PASS, observed, shown)
    read = _was_read(seen)
    if may_have_passed(life, wanted, complete=read):
        why = _("the rest may have passed between two readings") if read else _("nobody read the table at the end")
        return _Answer(Outcome.ERROR, f"{observed}; {why}", shown, rows)
    return _Answer(Outcome.FAIL, observed, shown, rows)


def _with_others(wanted: Sequence[str]) -> Iterator[str | None]:
    yield None
    for state in wanted:
        yield state
        yield None


def _distance(wanted: str, state: str) -> int:
    return 0 if wanted == state else FAR


def _lives(seen: Seen) -> tuple[Life, ...]:
    """The sockets of the host that looks, from the case's start to the step's end."""
    return lives(one for one in seen.history.all(SocketSeen, seen.on) if one.time <= seen.window[1])


def _was_read(seen: Seen) -> bool:
    """Whether the table was read after all that the step did: the last state is the one that the socket still has."""
    return watched(seen, _end(seen), _end(seen))


def _begin(seen: Seen) -> int:
    """When the case's first step began."""
    begun = (note.time for note in seen.history.all(Note) if note.what == "step-begin")
    return min(begun, default=seen.window[0])


def _end(seen: Seen) -> int:
    """When the step had done what it does: a moment before its window ends, since the reading comes between."""
    looking = seen.history.window(seen.observed_at)
    ends = [call.ended for call in seen.history.all(Call, seen.host) if call.step == seen.step and call.ended]
    ended = exit_of(seen)
    ends += [looking[0] if looking else seen.window[1], *([ended.time] if ended else [])]
    return max(end for end in ends if end <= seen.window[1])
