"""`{name}` in a scenario's values, replaced once.

A whole `"{x}"` keeps the value's type; within text it becomes text; in a `call` it becomes a Python literal. `{{` and
`}}` are braces. What was put in is never looked at again. Which names there are is the caller's to say.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

NAME = re.compile(r"\{\{|\}\}|\{([A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*)\}")

Path = tuple[str | int, ...]
Unknown = Callable[[Path, str], None]


def expand(value: Any, names: Mapping[str, Any], unknown: Unknown, path: Path = ()) -> Any:
    """The value with its names replaced; one that is not in `names` is told to `unknown` and left as it stands."""
    if isinstance(value, dict):
        return {key: expand(item, names, unknown, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [expand(item, names, unknown, (*path, index)) for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    literal = bool(path) and path[-1] == "call"
    whole = NAME.fullmatch(value)
    if whole and whole[1] in names and not literal:
        return names[whole[1]]

    def replace(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        if match[1] not in names:
            unknown(path, match[1])
            return match[0]
        inserted = names[match[1]]
        return repr(inserted) if literal else _text(inserted)

    return NAME.sub(replace, value)


def names_in(value: Any) -> set[str]:
    """All names that stand in the value."""
    if isinstance(value, dict):
        return set().union(*map(names_in, value.values()))
    if isinstance(value, list):
        return set().union(*map(names_in, value))
    return {match[1] for match in NAME.finditer(value) if match[1]} if isinstance(value, str) else set()


def _text(value: Any) -> str:
    """As YAML would have written it."""
    return (
        {None: "", True: "true", False: "false"}.get(value, str(value))
        if isinstance(value, bool | None)
        else str(value)
    )
