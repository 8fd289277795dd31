"""Which JSON schema makes an OpenAI-compatible server keep to a type?

In strict mode the model cannot write anything else, but every property must be required, no others may
be allowed, and constraints are few. What strict mode does not know but the parser checks anyway is left
out; a type whose shape it cannot express (a dict with any keys, a tuple) is asked for without strictness.
"""

from __future__ import annotations

import re
from typing import Any

_KEPT = frozenset(
    {
        "type",
        "description",
        "enum",
        "const",
        "anyOf",
        "items",
        "properties",
        "required",
        "additionalProperties",
    }
    | {"$ref", "$defs", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
    | {"minItems", "maxItems", "pattern", "format"}
)
_NOT_STRICT = frozenset({"oneOf", "allOf", "not", "if", "prefixItems", "patternProperties", "propertyNames"})


class _CannotBeStrict(Exception):
    """The schema has something that strict mode does not know and that matters."""


def response_format(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """The `response_format` for a schema with an object at the top.

    >>> city = {"type": "object", "properties": {"name": {"type": "string", "default": ""}}}
    >>> response_format(city, "City")["json_schema"]["schema"]
    {'type': 'object', 'properties': {'name': {'type': 'string'}}, 'additionalProperties': False, 'required': ['name']}
    >>> response_format({"type": "object", "additionalProperties": {"type": "integer"}}, "Counts")["json_schema"]["strict"]
    False
    """
    try:
        strict, is_strict = _strict(schema), True
    except _CannotBeStrict:
        strict, is_strict = schema, False
    shown = re.sub(r"[^A-Za-z0-9]+", "_", name)[:60].strip("_") or "answer"  # the API allows 64 such
    return {"type": "json_schema", "json_schema": {"name": shown, "strict": is_strict, "schema": strict}}


def _strict(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema and "$defs" not in schema:
        return {"$ref": schema["$ref"]}
    if not _NOT_STRICT.isdisjoint(schema) or not {"type", "anyOf", "enum", "const", "$ref"} & schema.keys():
        raise _CannotBeStrict
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            made[key] = {name: _strict(inner) for name, inner in value.items()}
        elif key == "anyOf":
            made[key] = [_strict(inner) for inner in value]
        elif key == "items":
            made[key] = _strict(value)
        elif key in _KEPT:
            made[key] = value
    if schema.get("type") == "object":
        if schema.get("additionalProperties") or "properties" not in schema:
            raise _CannotBeStrict
        made["additionalProperties"] = False
        made["required"] = list(schema["properties"])
    return made
