"""Do types and tools reach Gemini in the schemas that it knows?"""

import dataclasses
import enum
from typing import Annotated, Any, Literal

import pydantic
import pytest

from onetwo_like.backends.gemini_schema import json_schema, openapi_schema
from onetwo_like.builtins.schemas import wrapped_schema
from onetwo_like.builtins.tools import tool_schema
from onetwo_like.errors import UnsupportedOptionError


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"


@dataclasses.dataclass
class Place:
    name: str
    color: Color
    kind: Literal["city"] = "city"
    inside: "Place | None" = None


class Shop(pydantic.BaseModel):
    name: Annotated[str, pydantic.Field(description="its name", pattern="^[A-Z]")]
    pair: tuple[int, str]


def keywords_in(schema: Any) -> set[str]:
    """All keywords, without the names of properties and definitions."""
    if isinstance(schema, list):
        return {word for inner in schema for word in keywords_in(inner)}
    if not isinstance(schema, dict):
        return set()
    found = set(schema)
    for key, value in schema.items():
        named = key in ("properties", "$defs")
        found |= keywords_in(list(value.values()) if named else value)
    return found


def test_a_json_schema_keeps_what_gemini_knows_and_nothing_else():
    place = json_schema(wrapped_schema(Place))
    assert place["properties"]["kind"]["enum"] == ["city"]
    assert place["properties"]["color"] == {"$ref": "#/$defs/Color"}
    assert place["$defs"]["Color"]["enum"] == ["red", "green"]
    assert place["required"] == ["name", "color"]
    assert {"const", "default"} & keywords_in(wrapped_schema(Place)) == {"const", "default"}
    assert {"const", "default", "pattern"} & keywords_in([place, json_schema(wrapped_schema(Shop))]) == set()


def test_a_reference_stands_alone():
    described = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A", "description": "the first"}}}
    assert json_schema(described)["properties"]["a"] == {"$ref": "#/$defs/A"}


def test_tuples_and_maps_stay_what_they_are():
    assert json_schema(wrapped_schema(Shop))["properties"]["pair"]["prefixItems"] == [
        {"type": "integer"},
        {"type": "string"},
    ]
    assert json_schema(wrapped_schema(dict[str, int]))["additionalProperties"] == {"type": "integer"}


def describe(color: Color, days: int | None = None, tags: list[str] = ()) -> None:  # type: ignore[assignment]
    """Describes.

    Args:
        days: how many
    """


def test_the_older_sdk_gets_a_tool_in_openapis_words():
    assert openapi_schema(tool_schema(describe)["parameters"], "the tool") == {
        "type": "OBJECT",
        "properties": {
            "color": {"type": "STRING", "enum": ["red", "green"]},
            "days": {"type": "INTEGER", "nullable": True, "description": "how many"},
            "tags": {"type": "ARRAY", "items": {"type": "STRING"}},
        },
        "required": ["color"],
    }


def test_a_tool_without_parameters_has_no_schema():
    assert openapi_schema(tool_schema(lambda_like)["parameters"], "the tool") is None


def lambda_like() -> None:
    """Does."""


def union(x: int | str) -> None: ...
def anything(x: Any) -> None: ...
def mapping(x: dict[str, int]) -> None: ...
def pair(x: tuple[int, str]) -> None: ...
def endless(x: Place) -> None: ...


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (union, "a union"),
        (anything, "any type"),
        (mapping, "any keys"),
        (pair, "a tuple"),
        (endless, "contains itself"),
    ],
)
def test_a_shape_that_the_older_sdk_cannot_describe_is_refused_by_name(function, named):
    with pytest.raises(UnsupportedOptionError, match=f"{named}.*the tool 'x'.*Gemini"):
        openapi_schema(tool_schema(function)["parameters"], "the tool 'x'")
