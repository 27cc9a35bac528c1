"""What the model refuses, in words and at its place in the file: `expected X, observed Y; did you mean Z?`

A place is where the mistake was written: what a step took from its case stands in the case.
"""

import difflib
import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from lab.errors import Mark, Problem, did_you_mean
from lab.model import FORMS
from lab.source import Path_, Source
from lab.template import NAME

_TYPES: Mapping[str, tuple[str, type]] = {
    "string_type": ("text", str),
    "int_type": ("a whole number", int),
    "bool_type": ("true or false", bool),
    "dict_type": ("a mapping", dict),
    "model_type": ("a mapping", dict),
    "tuple_type": ("a list", list),
}
_KEY = "[key]"


def problems_of(
    error: ValidationError, model: type[BaseModel], source: Source, base: Path_, case: str = ""
) -> Iterator[Problem]:
    """The problems behind a validation error of what stands at `base` in the source, as the case sets it."""
    details = [detail for detail in error.errors(include_url=False) if not _follows(detail)]
    groups: dict[tuple[Path_, Path_], list[Any]] = {}
    for detail in details:
        if not _other_branch_fits(detail, details):
            loc = detail["loc"]
            subject = loc if detail["type"] in ("missing", "extra_forbidden") or loc[-1:] == (_KEY,) else ()
            path = path_of(source, (*base, *loc), case, whole=not subject)
            groups.setdefault((path, subject), []).append(detail)
    for (path, subject), group in groups.items():
        yield Problem(source.key(path) if subject else source.mark(path), _words(group, model))


def place(source: Source, path: Path_, case: str = "") -> Mark:
    """Where what stands at this path was written."""
    return source.mark(path_of(source, path, case))


def path_of(source: Source, path: Path_, case: str = "", whole: bool = True) -> Path_:
    """The part of a path that exists in the file. Left out are the names of union branches, and indices into what was
    written as one value instead of a list of one; a `"{name}"` leads to the case's value (at the end, if `whole`)."""
    node: Any = source.value
    found: Path_ = ()
    for key in path:
        node, found = _through(source, node, found, case)
        inside = key in node if isinstance(node, dict) else isinstance(node, list) and key in range(len(node))
        if inside:
            node, found = node[key], (*found, key)
    return _through(source, node, found, case)[1] if whole else found


def _through(source: Source, node: Any, found: Path_, case: str) -> tuple[Any, Path_]:
    name = NAME.fullmatch(node) if case and isinstance(node, str) and found[:1] != ("cases",) else None
    cases = source.value.get("cases") if name else None
    parameters = cases.get(case) if isinstance(cases, dict) else None
    if name and isinstance(parameters, dict) and name[1] in parameters:
        return parameters[name[1]], ("cases", case, name[1])
    return node, found


def _follows(detail: Any) -> bool:
    """A list whose entries are wrong counts as empty, too."""
    return detail["type"] == "too_short" and bool(detail["input"])


def _misfit(detail: Any) -> bool:
    """Whether the value is of another type than this branch of a union wants."""
    wanted = str if detail["type"] == "literal_error" else _TYPES.get(detail["type"], ("", object))[1]
    return not isinstance(detail["input"], wanted) or (wanted is int and isinstance(detail["input"], bool))


def _other_branch_fits(detail: Any, details: list[Any]) -> bool:
    """Of a union's branches, those of another type than the value's own say nothing that helps."""
    around = detail["loc"][:-1]
    return _misfit(detail) and any(
        other["loc"][: len(around)] == around and other["loc"] != detail["loc"] and not _misfit(other)
        for other in details
        if isinstance(detail["loc"][-1], str) and re.search(r"\W|^(str|int)$", detail["loc"][-1])
    )


def _words(group: list[Any], model: type[BaseModel]) -> str:
    detail = group[0]
    kind, value, loc, context = detail["type"], detail["input"], detail["loc"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key {loc[-1]!r}" + _meant(str(loc[-1]), _keys(model, loc[:-1]))
    if kind == "missing":
        return f"expected the key {loc[-1]!r}, observed none"
    if kind == "value_error":
        said = str(context["error"])
        return (
            said
            if isinstance(value, str)
            else f"{said.partition(', obs')[0]}, observed {_shown(value)}{_quote_it(value)}"
        )
    if kind in ("too_short", "string_too_short"):
        return "expected at least one, observed none" if kind == "too_short" else "expected text, observed none"
    if kind == "string_pattern_mismatch":
        return f"expected {FORMS[context['pattern']]}, observed {_shown(value)}"
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = f"at least {context['ge']}" if "ge" in context else f"at most {context['le']}"
        return f"expected {bound}, observed {_shown(value)}"
    expected = " or ".join(dict.fromkeys(map(_expected, group)))
    return f"expected {expected}, observed {_shown(value)}{_near(value, _literals(detail)) or _quote_it(value)}"


def _expected(detail: Any) -> str:
    if literals := _literals(detail):
        return " or ".join(filter(None, (", ".join(literals[:-1]), literals[-1])))
    return _TYPES[detail["type"]][0] if detail["type"] in _TYPES else str(detail["msg"])


def _literals(detail: Any) -> list[str]:
    return re.findall(r"'([^']*)'", detail["ctx"]["expected"]) if detail["type"] == "literal_error" else []


def _near(value: Any, words: list[str]) -> str:
    near = difflib.get_close_matches(str(value), words, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


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
        return f'; quote it: "{{{next(iter(value))}}}"'
    return ""


def _meant(key: str, known: Iterable[str]) -> str:
    if not re.fullmatch(r"[\w-]+", key):
        return "; is it a part of a text with a comma? quote that text"
    return did_you_mean(key, known)


def _keys(model: type[BaseModel], loc: Path_) -> set[str]:
    """The keys that a model nested at `loc` knows."""
    schema = _schema(model)
    definitions = schema.get("$defs", {})
    node: Any = schema
    for key in loc:
        node = next((found for found in _below(node, key, definitions)), node)
    return {name for found in _flat(node, definitions) for name in found.get("properties", {})}


@functools.cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(by_alias=True)


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
        else:
            yield from found.get("patternProperties", {}).values()
            if isinstance(found.get("additionalProperties"), dict):
                yield found["additionalProperties"]
