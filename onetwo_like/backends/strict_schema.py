"""Which JSON schema can hold a model to a type, where a provider knows only part of JSON schema?

In the strict modes of providers the model cannot write anything else, but every property must be required, no
others may be allowed, and constraints are few. A constraint that a provider does not know is told in words,
and the parser checks it anyway; a shape that none can express (a dict with any keys, a tuple) is the
caller's to ask for in another way.
"""

from __future__ import annotations

import json
import re
from typing import Any

_SHAPE = frozenset(
    {"type", "description", "enum", "const", "anyOf", "items", "properties", "$ref", "$defs", "format"}
)
_NOT_STRICT = frozenset({"oneOf", "allOf", "not", "if", "prefixItems", "patternProperties", "propertyNames"})
_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
)  # that all providers know
_NOT_TOLD = frozenset({"title", "default", "examples", "required", "additionalProperties", "discriminator"})


class CannotBeStrict(Exception):
    """The schema has something that strict modes do not know and that matters."""


def strict(schema: dict[str, Any], constraints: frozenset[str]) -> dict[str, Any]:
    """The schema for a strict mode that knows these constraints, such as "minimum", beside the shape.

    Raises CannotBeStrict for a shape that strict modes do not know.

    >>> strict({"type": "integer", "minimum": 1, "title": "Age"}, frozenset())
    {'type': 'integer', 'description': 'minimum: 1'}
    >>> strict({"type": "integer", "minimum": 1, "title": "Age"}, frozenset({"minimum"}))
    {'type': 'integer', 'minimum': 1}
    """
    if "$ref" in schema and "$defs" not in schema:
        return {"$ref": schema["$ref"]}
    if not _NOT_STRICT.isdisjoint(schema) or not {"type", "anyOf", "enum", "const", "$ref"} & schema.keys():
        raise CannotBeStrict
    made: dict[str, Any] = {}
    told: list[str] = []
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            made[key] = {name: strict(inner, constraints) for name, inner in value.items()}
        elif key == "anyOf":
            made[key] = [strict(inner, constraints) for inner in value]
        elif key == "items":
            made[key] = strict(value, constraints)
        elif key in constraints or (key in _SHAPE and (key != "format" or value in _FORMATS)):
            made[key] = value
        elif key not in _NOT_TOLD:
            told.append(f"{key}: {json.dumps(value, ensure_ascii=False)}")
    if told:
        made["description"] = ". ".join([*filter(None, [made.get("description")]), ", ".join(told)])
    if schema.get("type") == "object":
        if schema.get("additionalProperties") or "properties" not in schema:
            raise CannotBeStrict
        made["additionalProperties"] = False
        made["required"] = list(schema["properties"])
    return made


def is_recursive(schema: dict[str, Any]) -> bool:
    """Whether a definition refers to itself, maybe by way of others.

    >>> is_recursive({"$defs": {"Tree": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}}})
    True
    """
    uses = {
        name: set(re.findall(r'"#/\$defs/([^"]+)"', json.dumps(inner)))
        for name, inner in schema.get("$defs", {}).items()
    }
    while ends := [name for name, used in uses.items() if not used & uses.keys()]:
        for name in ends:
            del uses[name]
    return bool(uses)
