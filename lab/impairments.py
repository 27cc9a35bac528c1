"""How bad a link is made, text -> numbers: which packets, how fast, how long a queue. What an agent is ordered to do.

Each function gives a text's meaning, or a ValueError that says which form was expected. Which of them go together is
for `rules` to say; what becomes of a packet, for `agent.fates`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lab.patterns import seconds

_COUNT = r"[1-9][0-9]{0,8}"
_DECIMAL = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
WHICH = rf"all|every {_COUNT}(?: from {_COUNT})?|{_DECIMAL} ?%"
RATE = rf"{_DECIMAL} ?[kM]?bit/s"
CAPACITY = rf"{_COUNT} (?:packets?|bytes)"
_SCALES = {"": 1.0, "k": 1e3, "M": 1e6}


def which(said: str | Sequence[int]) -> dict[str, Any]:
    """`every 3 from 2` (the 2nd, 5th, 8th, …), `all`, `30 %` (by a seed), or a list as [2, 5], as an agent takes it."""
    if isinstance(said, list | tuple) and said and all(type(one) is int and one > 0 for one in said):
        return {"these": list(said)}
    if not isinstance(said, str) or not re.fullmatch(WHICH, said):
        raise ValueError(
            f"expected which packets, as in every 3, every 3 from 2, [2, 5], 30 % or all, observed {said!r}"
        )
    if said.endswith("%"):
        share = float(said[:-1]) / 100
        if share > 1:
            raise ValueError(f"expected a share of at most 100 %, observed {said!r}")
        return {"share": share}
    numbers = [int(word) for word in said.split() if word.isdigit()] or [1, 1]
    return {"every": numbers[0], "from": numbers[-1]}


def rate(said: str) -> float:
    """`80 kbit/s` in bits per second."""
    match = re.fullmatch(rf"({_DECIMAL}) ?([kM]?)bit/s", said) if isinstance(said, str) else None
    if not match or not float(match[1]):
        raise ValueError(f"expected a rate, as in 80 kbit/s or 1 Mbit/s, observed {said!r}")
    return float(match[1]) * _SCALES[match[2]]


def capacity(said: str) -> dict[str, int]:
    """`4 packets` or `3000 bytes`: how much a queue holds."""
    if not isinstance(said, str) or not re.fullmatch(CAPACITY, said):
        raise ValueError(f"expected the size of a queue, as in 4 packets or 3000 bytes, observed {said!r}")
    number, unit = said.split()
    return {"packets" if unit.startswith("packet") else "bytes": int(number)}


_MEANINGS = {"lose": which, "duplicate": which, "delay": seconds, "jitter": seconds, "rate": rate, "queue": capacity}


def orders(said: Mapping[str, Any]) -> dict[str, Any]:
    """An `impair` as an agent takes it: seconds, bits per second, numbers."""
    return {key: _MEANINGS[key](value) if key in _MEANINGS else value for key, value in said.items()}
