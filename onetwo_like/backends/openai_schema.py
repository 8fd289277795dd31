"""Which `response_format` makes an OpenAI-compatible server keep to a type?"""

from __future__ import annotations

import re
from typing import Any

from onetwo_like.backends.strict_schema import CannotBeStrict, strict

_CONSTRAINTS = frozenset(
    {
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minItems",
        "maxItems",
        "pattern",
    }
)


def response_format(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """The `response_format` for a schema with an object at the top, without strictness where it cannot be strict.

    >>> city = {"type": "object", "properties": {"name": {"type": "string", "default": ""}}}
    >>> response_format(city, "City")["json_schema"]["schema"]
    {'type': 'object', 'properties': {'name': {'type': 'string'}}, 'additionalProperties': False, 'required': ['name']}
    >>> response_format({"type": "object", "additionalProperties": {"type": "integer"}}, "Counts")["json_schema"]["strict"]
    False
    """
    try:
        made, is_strict = strict(schema, _CONSTRAINTS), True
    except CannotBeStrict:
        made, is_strict = schema, False
    shown = re.sub(r"[^A-Za-z0-9]+", "_", name)[:60].strip("_") or "answer"  # the API allows 64 such
    return {"type": "json_schema", "json_schema": {"name": shown, "strict": is_strict, "schema": made}}
