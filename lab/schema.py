"""The published JSON Schema of scenario files, out of the model.

Draft 7, since editors' YAML servers know no later one; wherever a value of another type than text stands, a
`"{parameter}"` may stand instead.
"""

from typing import Any

from lab.model import ScenarioFile

_PARAMETER = {"type": "string", "pattern": r"^\{[A-Za-z][A-Za-z0-9_.-]*\}$", "description": "a case's parameter"}
_TEMPLATED = ("Network", "Host", "Step", "Expectation", "TextExpectation", "ListeningExpectation", "SocketExpectation")


def schema() -> dict[str, Any]:
    """The schema as plain values."""
    raw = ScenarioFile.model_json_schema(by_alias=True, ref_template="#/definitions/{model}")
    definitions = raw.pop("$defs")
    for name in _TEMPLATED:
        properties = definitions[name]["properties"]
        definitions[name]["properties"] = {key: _or_parameter(value) for key, value in properties.items()}
    return {"$schema": "http://json-schema.org/draft-07/schema#", **raw, "definitions": definitions}


def _or_parameter(value: dict[str, Any]) -> dict[str, Any]:
    """The property, or a parameter in its place; `expect` and the like may also stand without a list around them."""
    notes = {key: value[key] for key in ("description", "default", "title") if key in value}
    branches = value.get("anyOf", [{key: item for key, item in value.items() if key not in notes}])
    singles = [branch["items"] for branch in branches if branch.get("type") == "array" and "items" in branch]
    return {**notes, "anyOf": [*branches, *singles, _PARAMETER]}
