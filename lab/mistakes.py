"""What the model refuses, in words and at its place in the file: `expected X, observed Y; did you mean Z?`"""

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from lab.errors import Problem
from lab.source import Path_, Source

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
}
_OF_TYPE = {"string_type": str, "int_type": int, "dict_type": dict, "model_type": dict, "tuple_type": list}


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'listen'?`, or the known words where none is near."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(known)}" if known else ""


def problems_of(error: ValidationError, model: type[BaseModel], source: Source, base: Path_) -> Iterator[Problem]:
    """The problems behind a validation error of what stands at `base` in the source."""
    details = error.errors(include_url=False)
    for detail in details:
        if not _other_branch_fits(detail, details):
            where = _place(detail["loc"], source.value, base)
            yield Problem(source.mark(where), _words(detail, model))


def _place(loc: Path_, value: Any, base: Path_) -> Path_:
    """The part of an error's location that exists in the file: the names of union branches are left out, and so are
    the indices into what the file wrote as one value instead of a list of one."""
    node = value
    for key in base:
        node = node[key]
    path = base
    for key in loc:
        if (isinstance(node, dict) and key in node) or (
            isinstance(node, list) and isinstance(key, int) and key < len(node)
        ):
            node, path = node[key], (*path, key)
    return path


def _other_branch_fits(detail: Any, details: list[Any]) -> bool:
    """Of a union's branches, those of another type than the value's own say nothing that helps."""
    wanted = _OF_TYPE.get(detail["type"])
    if wanted is None or isinstance(detail["input"], wanted):
        return False
    parent = detail["loc"][:-1]
    return any(
        other is not detail and other["loc"][: len(parent)] == parent and not _wrong_type(other) for other in details
    )


def _wrong_type(detail: Any) -> bool:
    return detail["type"] in _OF_TYPE


def _words(detail: Any, model: type[BaseModel]) -> str:
    kind, value, loc = detail["type"], detail["input"], detail["loc"]
    if kind == "extra_forbidden":
        return f"unknown key {loc[-1]!r}" + did_you_mean(str(loc[-1]), _keys(model, loc[:-1]))
    if kind == "missing":
        return f"expected the key {loc[-1]!r}, observed none"
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    if kind == "literal_error":
        words = [word.strip("' ") for word in detail["ctx"]["expected"].replace(" or ", ", ").split(",")]
        return f"expected {', '.join(words)}, observed {_shown(value)}" + _near(value, words)
    if kind == "string_pattern_mismatch":
        if detail["ctx"]["pattern"].startswith("^[a-z]"):
            return f"expected a name (small letters, digits, -; at most 31), observed {_shown(value)}"
        return f"expected text of the form {detail['ctx']['pattern']}, observed {_shown(value)}"
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, observed {_shown(value)}{_quote_it(value)}"
    said = detail["msg"][0].lower() + detail["msg"][1:].replace("Input should be", "expected")
    return f"{said}, observed {_shown(value)}"


def _near(value: Any, words: list[str]) -> str:
    near = difflib.get_close_matches(str(value), words, n=1)
    return f"; did you mean {near[0]!r}?" if near else _quote_it(value)


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f"the text {value[:60]!r}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list | tuple) else str(value)[:60]


def _quote_it(value: Any) -> str:
    """`{bind}` without quotes is a mapping to YAML."""
    if isinstance(value, dict) and len(value) == 1 and list(value.values()) == [None]:
        name = next(iter(value))
        return f'; quote it: "{{{name}}}"'
    return ""


def _keys(model: type[BaseModel], loc: Path_) -> set[str]:
    """The keys that a model nested at `loc` knows."""
    schema = model.model_json_schema(by_alias=True)
    definitions = schema.get("$defs", {})
    node: Any = schema
    for key in loc:
        node = next((found for found in _below(node, key, definitions)), node)
    return {name for found in _flat(node, definitions) for name in found.get("properties", {})}


def _flat(node: Any, definitions: Any) -> Iterator[Any]:
    """The schema and the branches it may be."""
    if "$ref" in node:
        yield from _flat(definitions[node["$ref"].rsplit("/", 1)[-1]], definitions)
        return
    yield node
    for branch in node.get("anyOf", []):
        yield from _flat(branch, definitions)


def _below(node: Any, key: str | int, definitions: Any) -> Iterator[Any]:
    for found in _flat(node, definitions):
        if isinstance(key, int):
            if "items" in found:
                yield found["items"]
        elif key in found.get("properties", {}):
            yield found["properties"][key]
        elif isinstance(found.get("additionalProperties"), dict):
            yield found["additionalProperties"]
