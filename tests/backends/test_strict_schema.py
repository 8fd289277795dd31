"""Is a strict schema one that a provider takes, and does the model still hear of what was left out?"""

from typing import Any

import pytest

from onetwo_like.backends.strict_schema import CannotBeStrict, is_recursive, strict

NONE: frozenset[str] = frozenset()


def test_every_property_is_required_and_no_other_allowed_all_the_way_down():
    inner = {"type": "object", "title": "In", "properties": {"a": {"type": "string", "default": ""}}}
    schema = {
        "type": "object",
        "properties": {
            "list": {"type": "array", "items": inner},
            "maybe": {"anyOf": [inner, {"type": "null"}]},
        },
        "required": ["list"],
        "$defs": {"In": inner},
    }
    made_inner = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "additionalProperties": False,
        "required": ["a"],
    }
    assert strict(schema, NONE) == {
        "type": "object",
        "properties": {
            "list": {"type": "array", "items": made_inner},
            "maybe": {"anyOf": [made_inner, {"type": "null"}]},
        },
        "$defs": {"In": made_inner},
        "additionalProperties": False,
        "required": ["list", "maybe"],
    }


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "integer", "minimum": 1}, "minimum: 1"),
        ({"type": "integer", "minimum": 1, "description": "How many"}, "How many. minimum: 1"),
        ({"type": "string", "format": "uri", "maxLength": 9}, 'format: "uri", maxLength: 9'),
        ({"type": "array", "items": {"type": "string"}, "minItems": 2}, "minItems: 2"),
    ],
    ids=str,
)
def test_what_the_provider_does_not_know_is_told_in_words(schema, said):
    made = strict(schema, NONE)
    assert made["description"] == said
    assert not {"minimum", "format", "maxLength", "minItems"} & made.keys()


def test_what_the_provider_knows_stays():
    assert strict({"type": "integer", "minimum": 1}, frozenset({"minimum"})) == {
        "type": "integer",
        "minimum": 1,
    }
    assert strict({"type": "string", "format": "date"}, NONE) == {"type": "string", "format": "date"}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"type": "object", "properties": {"a": {}}},
        {"type": "array", "prefixItems": [{"type": "integer"}]},
        {"oneOf": [{"type": "integer"}], "type": "integer"},
    ],
    ids=str,
)
def test_a_shape_that_strict_modes_do_not_know_is_an_error(schema):
    with pytest.raises(CannotBeStrict):
        strict(schema, NONE)


@pytest.mark.parametrize(
    ("refers", "expected"),
    [({"A": "B", "B": "C"}, False), ({"A": "B", "B": "A"}, True), ({"A": "A"}, True)],
    ids=str,
)
def test_a_type_within_itself_is_noticed_by_whatever_way(refers, expected):
    definitions: dict[str, Any] = {n: {"items": {"$ref": f"#/$defs/{to}"}} for n, to in refers.items()}
    assert is_recursive({"$defs": {"C": {"type": "null"}, **definitions}}) is expected
