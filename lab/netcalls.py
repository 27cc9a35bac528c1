"""Which calls are on TCP and UDP sockets: name services and the like have sockets of their own. Pure."""

import re
from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping

from lab.history import Call, History
from lab.patterns import OF_NO_SOCKET, api_name

ACCEPTS = ("accept", "accept4")
_MAKERS = ("socket", "socketpair")


def of_networks(history: History) -> list[Call]:
    """The calls of steps, and those of programs on TCP and UDP sockets, in the order of their beginnings."""
    programs: dict[tuple[str, int], list[Call]] = defaultdict(list)
    for call in history.all(Call):
        if call.program:
            programs[call.host, call.step].append(call)
    traced = (call for made in programs.values() for call in network_calls(made))
    steps = (call for call in history.all(Call) if not call.program)
    return sorted([*traced, *steps], key=lambda call: call.time)


def network_calls(made: Iterable[Call]) -> list[Call]:
    """Those of one program, in the order of their beginnings.

    A socket that the program did not make was accepted, or is one of a pair: whoever handed its number out last tells.
    """
    made = sorted((call for call in made if not of_no_socket(call)), key=lambda call: call.time)
    kinds = {call.caller: _is_of_network(call) for call in made if call.function == "socket" and not call.error}
    births: dict[str, list[tuple[int, bool]]] = defaultdict(list)
    for ended, given, ours in (born for call in made for born in _births(call, kinds)):
        insort(births[str(given)], (ended, ours), key=_born)
    for call in made:
        if call.caller not in kinds:
            handed = births[call.caller.rpartition(".")[2].partition("#")[0]]
            before = bisect_right(handed, call.time, key=_born)
            kinds[call.caller] = handed[before - 1][1] if before else True
    return [call for call in made if (_is_of_network(call) if call.function in _MAKERS else kinds[call.caller])]


def of_no_socket(call: Call) -> bool:
    """Whether a program waits for several sockets at once, or starts somebody who does its work."""
    return call.program and api_name(call.function) in OF_NO_SOCKET


def _births(call: Call, kinds: Mapping[str, bool]) -> list[tuple[int, int, bool]]:
    """(when, number, whether it is of a network) of the sockets that a call handed out, beside `socket`."""
    if call.ended is None or call.error:
        return []
    if call.function in ACCEPTS and isinstance(call.result, int):
        return [(call.ended, call.result, kinds.get(call.caller, True))]
    if call.function == "socketpair" and call.arguments:
        return [(call.ended, int(number), False) for number in re.findall(r"\d{1,9}", str(call.arguments[-1]))]
    return []


def _born(birth: tuple[int, bool]) -> int:
    return birth[0]


def _is_of_network(made: Call) -> bool:
    family, kind = (*map(str, made.arguments), "", "")[:2]
    return family in ("AF_INET", "AF_INET6") and bool(re.search("SOCK_STREAM|SOCK_DGRAM", kind))
