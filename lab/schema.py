"""The published JSON Schema of scenario files, out of the model.

Draft 7, since editors' YAML servers know no later one. Wherever a value may vary from case to case, a `"{parameter}"`
may stand instead of one that is not text, and text with a fixed form may hold one.
"""

from typing import Any

from msgspec.json import schema_components

from lab.model import ScenarioFile, Step, Together

NAME = r"\{[A-Za-z][A-Za-z0-9_.-]*\}"
_WHOLE = {"type": "string", "pattern": f"^{NAME}$", "description": "a case's parameter"}
_WITHIN = {"type": "string", "pattern": NAME, "description": "text with a case's parameter"}
# What is no step, no host and no network is the same in all cases, and so are the names in them.
_FIXED = ("title", "guide", "topics", "lesson", "cases", "only", "together")


def schema() -> dict[str, Any]:
    """The schema as plain values."""
    places, found = schema_components((ScenarioFile, Step, Together), ref_template="#/definitions/{name}")
    scenario = found.pop("ScenarioFile")
    opened = _open(scenario)
    opened["properties"]["steps"] = scenario["properties"]["steps"] | {"items": {"anyOf": list(places[1:])}}
    definitions = {name: _open(value) for name, value in found.items()}
    both: dict[str, Any] = _one_for_many(opened | {"definitions": definitions})
    return {"$schema": "http://json-schema.org/draft-07/schema#", **both}


def _one_for_many(node: Any) -> Any:
    """Where one may stand for a list of one, it may."""
    if isinstance(node, list):
        return [_one_for_many(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _one_for_many(value) for key, value in node.items()}
    if not found.pop("one", False):
        return found
    notes = {key: found.pop(key) for key in ("description", "default") if key in found}
    items = found["items"]
    return {**notes, "anyOf": [*items.get("anyOf", [items]), found]}


def _open(node: dict[str, Any]) -> dict[str, Any]:
    """An object whose values may be parameters."""
    result = dict(node)
    if "properties" in node:
        result["properties"] = {
            key: value if key in _FIXED else _or_parameter(value) for key, value in node["properties"].items()
        }
    for below in ("items", "additionalProperties"):
        if isinstance(node.get(below), dict):
            result[below] = _or_parameter(node[below])
    return result


def _or_parameter(value: dict[str, Any]) -> dict[str, Any]:
    """A value, or a parameter in its place. What may be left out need not be null."""
    notes = {key: note for key, note in value.items() if key in ("description", "default")}
    bare = {key: item for key, item in value.items() if key not in notes}
    optional = notes.get("default", ...) is None and notes.pop("default") is None
    branches = [_open(branch) for branch in bare.get("anyOf", [bare])]
    branches = [branch for branch in branches if not (optional and branch.get("type") == "null")]
    if {"type": "string"} not in branches and {} not in branches:
        branches.append(_WITHIN if any(branch.get("type") == "string" for branch in branches) else _WHOLE)
    return {**notes, **(branches[0] if len(branches) == 1 else {"anyOf": branches})}
