"""`{name}` in a scenario's values, replaced once; and the steps to do that in, one by one.

A whole `"{x}"` keeps the value's type; within text it becomes text; in a step's `call` it becomes a Python literal, or
the constant of the socket module that it names (`AF_INET6`).
`{{` and `}}` are braces. What was put in is never looked at again. Which names there are is the caller's to say.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from lab.calls import CONSTANT

NAME = re.compile(r"\{\{|\}\}|\{([A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*)\}")
MAX_INSERTED = 1000

Path = tuple[str | int, ...]
Refuse = Callable[[Path, str], None]


def expand(value: Any, names: Mapping[str, Any], refuse: Refuse, path: Path = ()) -> Any:
    """The value with its names replaced. One that is not in `names`, or holds what is no text where text is wanted, is
    told to `refuse` and left as it stands."""
    if isinstance(value, dict):
        return {key: expand(item, names, refuse, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [expand(item, names, refuse, (*path, index)) for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    form = _literal if path == ("call",) else _text
    whole = NAME.fullmatch(value)
    if whole and whole[1] in names and form is _text:
        return names[whole[1]]

    def replace(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        if match[1] not in names or not is_text(names[match[1]]):
            refuse(path, match[1])
            return match[0]
        return form(names[match[1]])

    return NAME.sub(replace, value)


def is_text(value: Any) -> bool:
    """Whether a value may stand within text: one plain value, and not so long that a file could blow up."""
    return not isinstance(value, dict | list) and not (isinstance(value, str) and len(value) > MAX_INSERTED)


def names_in(value: Any) -> set[str]:
    """All names that stand in the value."""
    if isinstance(value, dict):
        return set().union(*map(names_in, value.values()))
    if isinstance(value, list):
        return set().union(*map(names_in, value))
    return {match[1] for match in NAME.finditer(value) if match[1]} if isinstance(value, str) else set()


def _literal(value: Any) -> str:
    return value if isinstance(value, str) and CONSTANT.fullmatch(value) else repr(value)


def _text(value: Any) -> str:
    """As YAML would have written it."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def steps_in(raw_steps: Iterable[Any]) -> Iterator[tuple[Any, Path, int | None]]:
    """The steps one by one, those within `together` too: each as written, its place, and which group it is of."""
    for index, raw in enumerate(raw_steps):
        if not isinstance(raw, dict) or "together" not in raw:
            yield raw, ("steps", index), None
            continue
        more = {"only": raw["only"]} if "only" in raw else {}
        for number, one in enumerate(raw["together"] if isinstance(raw["together"], list) else ()):
            yield (one | more if isinstance(one, dict) else one), ("steps", index, "together", number), index
