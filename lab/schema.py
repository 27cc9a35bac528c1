"""The published JSON Schema of scenario files, out of the model.

Draft 7, since editors' YAML servers know no later one. Wherever a value may vary from case to case, a `"{parameter}"`
may stand instead of one that is not text, and text with a fixed form may hold one.
"""

from typing import Any

from lab.model import ScenarioFile

NAME = r"\{[A-Za-z][A-Za-z0-9_.-]*\}"
_WHOLE = {"type": "string", "pattern": f"^{NAME}$", "description": "a case's parameter"}
_WITHIN = {"type": "string", "pattern": NAME, "description": "text with a case's parameter"}
_BELOW = ("properties", "patternProperties")
# What is no step, no host and no network is the same in all cases, and so are the names in them.
_FIXED = ("title", "guide", "topics", "lesson", "cases", "only")


def schema() -> dict[str, Any]:
    """The schema as plain values."""
    raw = ScenarioFile.model_json_schema(by_alias=True, ref_template="#/definitions/{model}")
    found = raw.pop("$defs")
    definitions = {name: _open(value) for name, value in found.items()}
    definitions["Together"]["properties"]["together"] = found["Together"]["properties"]["together"]
    step, together = ({"$ref": f"#/definitions/{name}"} for name in ("Step", "Together"))
    opened = _open(raw)
    opened["properties"]["steps"] = raw["properties"]["steps"] | {"items": {"anyOf": [step, together]}}
    closed: dict[str, Any] = _closed(opened | {"definitions": definitions})
    return {"$schema": "http://json-schema.org/draft-07/schema#", **closed}


def _closed(node: Any) -> Any:
    """Where keys have a form, there are no others."""
    if isinstance(node, dict):
        found = {key: _closed(value) for key, value in node.items()}
        return found | {"additionalProperties": False} if "patternProperties" in node else found
    return [_closed(item) for item in node] if isinstance(node, list) else node


def _open(node: dict[str, Any]) -> dict[str, Any]:
    """An object whose values may be parameters."""
    result = dict(node)
    for below in _BELOW:
        if below in node:
            result[below] = {
                key: value if key in _FIXED else _or_parameter(value) for key, value in node[below].items()
            }
    for below in ("items", "additionalProperties"):
        if isinstance(node.get(below), dict):
            result[below] = _or_parameter(node[below])
    return result


def _or_parameter(value: dict[str, Any]) -> dict[str, Any]:
    """A value, or a parameter in its place. What may be left out need not be null."""
    notes = {key: note for key, note in value.items() if key in ("description", "default", "title")}
    bare = {key: item for key, item in value.items() if key not in notes}
    optional = notes.get("default", ...) is None and notes.pop("default") is None
    branches = [_open(branch) for branch in bare.get("anyOf", [bare])]
    branches = [branch for branch in branches if not (optional and branch.get("type") == "null")]
    if {"type": "string"} not in branches and {} not in branches:
        branches.append(_WITHIN if any(branch.get("type") == "string" for branch in branches) else _WHOLE)
    return {**notes, **(branches[0] if len(branches) == 1 else {"anyOf": branches})}
