"""Which schema makes Gemini keep to a type, or tells it what a tool takes?

Today's API takes JSON schemas, of which it knows a part. The one that google-generativeai speaks takes a
schema of its own, after OpenAPI 3.0. What neither knows but is checked here anyway (a pattern, a default) is
left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onetwo_like.errors import UnsupportedOptionError

# https://ai.google.dev/api/generate-content#generationconfig, field responseJsonSchema
_KEPT = frozenset({"$id", "$anchor", "type", "format", "title", "description", "enum", "required"})
_KEPT |= {"minItems", "maxItems", "minimum", "maximum", "propertyOrdering"}
_INNER = frozenset({"items", "additionalProperties"})
_LISTS = frozenset({"anyOf", "oneOf", "prefixItems"})
_NAMED = frozenset({"properties", "$defs"})


def json_schema(schema: Any) -> Any:
    """The part of a JSON schema that Gemini knows.

    >>> json_schema({"type": "object", "properties": {"kind": {"const": "city", "default": "city"}}})
    {'type': 'object', 'properties': {'kind': {'enum': ['city']}}}
    """
    if not isinstance(schema, Mapping):  # `additionalProperties` may be true or false
        return schema
    if "$ref" in schema:  # beside which nothing may stand
        return {"$ref": schema["$ref"], **_definitions(schema)}
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _NAMED:
            made[key] = {name: json_schema(inner) for name, inner in value.items()}
        elif key in _LISTS:
            made[key] = [json_schema(inner) for inner in value]
        elif key in _INNER:
            made[key] = json_schema(value)
        elif key in _KEPT:
            made[key] = list(value) if isinstance(value, tuple | list) else value
        elif key == "const":
            made["enum"] = [value]
    return made


def _definitions(schema: Mapping[str, Any]) -> dict[str, Any]:
    there = schema.get("$defs")
    return {"$defs": {name: json_schema(inner) for name, inner in there.items()}} if there else {}


def openapi_schema(schema: Mapping[str, Any], what: str) -> dict[str, Any] | None:
    """The schema in the form of OpenAPI 3.0; None for an object without properties, which that API refuses.

    Raises UnsupportedOptionError for a shape that it cannot express: a union, a dict with any keys, a tuple.

    >>> openapi_schema({"type": "object", "properties": {"days": {"type": "integer", "default": 1}}}, "x")
    {'type': 'OBJECT', 'properties': {'days': {'type': 'INTEGER'}}}
    """
    return _open(schema, schema.get("$defs", {}), what, 0) if schema.get("properties") else None


_DEEPEST = 20  # a type that contains itself has no end


def _open(schema: Mapping[str, Any], definitions: Mapping[str, Any], what: str, depth: int) -> dict[str, Any]:
    if depth > _DEEPEST:
        raise _cannot(what, "a type that contains itself")
    if "$ref" in schema:
        named = definitions[schema["$ref"].rpartition("/")[2]]
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return _open({**named, **beside}, definitions, what, depth + 1)
    if "anyOf" in schema:
        others = [inner for inner in schema["anyOf"] if inner.get("type") != "null"]
        if len(others) != 1 or len(others) == len(schema["anyOf"]):
            raise _cannot(what, "a union of types")
        beside = {key: value for key, value in schema.items() if key != "anyOf"}
        return {**_open({**others[0], **beside}, definitions, what, depth + 1), "nullable": True}
    options = list(schema.get("enum", [schema["const"]] if "const" in schema else []))
    kind = schema.get("type") or ("string" if options and _are_texts(options) else None)
    if not isinstance(kind, str) or kind == "null":
        raise _cannot(what, "a value of any type")
    made: dict[str, Any] = {"type": kind.upper()}
    if schema.get("description"):
        made["description"] = schema["description"]
    if options and _are_texts(options):
        made["enum"] = options
    if kind == "array":
        if "prefixItems" in schema or "items" not in schema:
            raise _cannot(what, "a tuple, or a list of anything")
        made["items"] = _open(schema["items"], definitions, what, depth + 1)
        made |= {key: schema[key] for key in ("minItems", "maxItems") if key in schema}
    if kind == "object":
        if not schema.get("properties"):
            raise _cannot(what, "a dict with any keys")
        made["properties"] = {
            name: _open(inner, definitions, what, depth + 1) for name, inner in schema["properties"].items()
        }
        if schema.get("required"):
            made["required"] = list(schema["required"])
    return made


def _are_texts(options: list[Any]) -> bool:
    return all(isinstance(option, str) for option in options)


def _cannot(what: str, shape: str) -> UnsupportedOptionError:
    return UnsupportedOptionError(
        f"google-generativeai cannot describe {shape}, which {what} has. Take the backend Gemini, whose SDK can."
    )
