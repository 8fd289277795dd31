"""Does a model learn what a function takes, and does the function get what was meant?"""

import asyncio
import dataclasses
import datetime
import enum
import functools
import json
from typing import Annotated, Literal, TypedDict

import pytest
from pydantic import BaseModel, ConfigDict, Field

from onetwo_like.builtins.tools import Tool, as_tools, call_tool, tool_schema
from onetwo_like.core.function import make_executable
from onetwo_like.core.run import run
from onetwo_like.errors import ParseError, UsageError


class Unit(enum.Enum):
    CELSIUS = "C"
    FAHRENHEIT = "F"


@dataclasses.dataclass
class Place:
    city: str
    country: str = "France"


class Span(TypedDict):
    days: int


def forecast(place: Place, span: Span | None = None, *, unit: Unit = Unit.CELSIUS) -> tuple[object, ...]:
    """The weather to come,
    in one sentence.

    It is often wrong.

    Args:
        place: where, by its
            usual name
        unit (Unit): of the temperatures
    """
    return place, span, unit


async def double(x: int) -> int:
    return 2 * x


class Shop:
    """A shop that sells one thing."""

    def price(self, amount: int, /, currency: Literal["EUR", "USD"] = "EUR") -> tuple[int, str]:
        """What it costs.

        :param amount: how many
        :param str currency: to pay in
        """
        return amount, currency

    @make_executable
    def sell(self, amount: int) -> int:
        """Sells some."""
        return amount

    def __call__(self, amount: int) -> int:
        return amount


@make_executable
async def mayor(country: str, year: "int" = 2026) -> str:
    """Who governs the capital."""
    return f"{country} {year}"


def test_a_model_is_told_the_name_the_purpose_and_the_parameters():
    schema = tool_schema(forecast)
    assert schema["name"] == "forecast"
    assert schema["description"] == "The weather to come, in one sentence."
    parameters = schema["parameters"]
    assert parameters["type"] == "object"
    assert parameters["required"] == ["place"]
    assert parameters["additionalProperties"] is False
    assert list(parameters["properties"]) == ["place", "span", "unit"]
    assert parameters["properties"]["place"] == {
        "$ref": "#/$defs/Place",
        "description": "where, by its usual name",
    }
    assert parameters["properties"]["span"]["default"] is None
    assert parameters["properties"]["unit"]["default"] == "C"
    assert parameters["properties"]["unit"]["description"] == "of the temperatures"
    assert parameters["$defs"]["Unit"]["enum"] == ["C", "F"]


def test_an_annotation_describes_before_the_docstring_does():
    def search(
        query: Annotated[str, "words to find"],
        limit: Annotated[int, Field(description="how many", ge=1)] = 10,
        page: int = 1,
    ) -> None:
        """Finds.

        Args:
            query: not this
            limit: nor this
            page: but this
        """

    properties = tool_schema(search)["parameters"]["properties"]
    assert [properties[name]["description"] for name in properties] == [
        "words to find",
        "how many",
        "but this",
    ]
    assert properties["limit"]["minimum"] == 1


@pytest.mark.parametrize(
    ("function", "name", "parameters"),
    [
        (double, "double", ["x"]),
        (Shop().price, "price", ["amount", "currency"]),
        (Shop().sell, "sell", ["amount"]),
        (Shop(), "Shop", ["amount"]),
        (mayor, "mayor", ["country", "year"]),
        (functools.partial(forecast, Place("Paris")), "forecast", ["span", "unit"]),
    ],
)
def test_whatever_can_be_called_by_name_is_a_tool(function, name, parameters):
    schema = tool_schema(function)
    assert (schema["name"], list(schema["parameters"]["properties"])) == (name, parameters)


def test_a_parameter_without_a_type_takes_anything():
    def note(text, tags=()):
        return text, tags

    assert tool_schema(note)["parameters"]["properties"] == {"text": {}, "tags": {"default": []}}
    assert call_tool(note, {"text": [1]}) == ([1], ())


def test_sphinx_lines_describe_parameters():
    properties = tool_schema(Shop().price)["parameters"]["properties"]
    assert [properties[name]["description"] for name in properties] == ["how many", "to pay in"]


def test_a_default_that_json_cannot_hold_is_only_left_out():
    def wait(until: object = object()) -> None: ...

    assert tool_schema(wait)["parameters"]["properties"] == {"until": {}}


def test_a_default_that_is_not_a_number_is_left_out():
    def limit(most: float = float("nan")) -> None: ...

    assert tool_schema(limit)["parameters"]["properties"] == {"most": {"type": "number"}}


def test_a_default_set_is_told_in_one_order():
    def pick(colours: set[str] = {"red", "green", "blue", "cyan"}) -> None: ...  # noqa: B006

    assert tool_schema(pick)["parameters"]["properties"]["colours"]["default"] == [
        "blue",
        "cyan",
        "green",
        "red",
    ]


def test_what_a_tool_is_to_a_model_is_what_it_is():
    def double(x: int) -> int:
        return x + x

    assert as_tools([double]) == as_tools([double])
    assert hash(as_tools([double])) == hash(as_tools([double]))
    assert as_tools([double]) != as_tools([now])


def now() -> str:
    return "noon"


def test_a_class_that_is_strict_takes_what_json_can_say():
    class Day(BaseModel):
        model_config = ConfigDict(strict=True)
        at: datetime.date
        hours: tuple[int, ...]

    def plan(day: Day) -> Day:
        return day

    said = {"day": {"at": "2026-01-02", "hours": [9, 17]}}
    expected = Day(at=datetime.date(2026, 1, 2), hours=(9, 17))
    assert call_tool(plan, said) == call_tool(plan, json.dumps(said)) == expected


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (("say so", "", {"type": "object"}), "needs a name"),
        (("auto", "", {"type": "object"}), "cannot be called 'auto'"),
        (("none", "", {"type": "object"}), "cannot be called 'none'"),
        (("required", "", {"type": "object"}), "cannot be called 'required'"),
        (("say", None, {"type": "object"}), "description as a str"),
        (("say", "", {"type": "string"}), "JSON schema of an object"),
        (("say", "", {"type": "object"}, 3), "calls a function, not 3"),
    ],
)
def test_a_tool_that_cannot_be_one_is_refused(fields, why):
    with pytest.raises(UsageError, match=why):
        Tool(*fields)


def anything(*args: int) -> None: ...


def options(**options: int) -> None: ...


def arbitrary(shop: Shop) -> None: ...


def undefined(x: "Nowhere") -> None: ...  # type: ignore[name-defined] # noqa: F821


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (anything, r"\*args"),
        (options, r"\*\*options"),
        (lambda x: x, "needs a name"),
        (Shop.price, "without its object"),
        (arbitrary, "Shop"),
        (undefined, "'Nowhere'"),
        (dict, "no signature"),
        (3, "no signature"),
    ],
)
def test_what_cannot_be_a_tool_is_refused_with_the_reason(function, why):
    for use in (tool_schema, lambda f: call_tool(f, {})):
        with pytest.raises(UsageError, match=why):
            use(function)


def test_arguments_become_values_of_the_annotated_types():
    said = {"place": {"city": "Nice"}, "span": {"days": "3"}, "unit": "F"}
    assert call_tool(forecast, said) == (Place("Nice"), {"days": 3}, Unit.FAHRENHEIT)


def test_arguments_may_be_the_text_of_an_object():
    assert call_tool(Shop(), '```json\n{"amount": 3,}\n```') == 3
    assert call_tool(Shop().price, '{"amount": 1, "currency": "USD"}') == (1, "USD")


def test_no_text_is_no_arguments():
    def now() -> str:
        return "noon"

    nothing: list[dict[str, object] | str] = ["", " ", "{}", {}]
    assert [call_tool(now, said) for said in nothing] == ["noon"] * 4


def test_what_is_not_given_is_the_functions_own_default():
    def pick(a: int = 1, b: int = 2, /, c: list[int] | None = None) -> object:
        return a, b, c

    assert call_tool(pick, {"b": 5}) == (1, 5, None)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({}, "place: Field required"),
        ({"place": {"city": 3}}, "place.city: Input should be a valid string (got 3)"),
        ({"place": {"city": "Nice"}, "units": "F"}, "units: Extra inputs are not permitted"),
        ('{"place": {"city": "Nice"}, "unit": "K"}', "unit: Input should be 'C' or 'F'"),
        ('{"place": {"city"', "breaks off"),
        ("[1]", "Input should be an object"),
    ],
)
def test_arguments_that_do_not_fit_are_the_models_error(said, problem):
    with pytest.raises(ParseError) as caught:
        call_tool(forecast, said)
    assert problem in str(caught.value)
    assert caught.value.reply == said


def test_the_caller_awaits_what_an_async_function_returns():
    assert asyncio.run(call_tool(double, {"x": 21})) == 42


def test_a_tool_that_is_executable_gives_an_executable():
    assert run(call_tool(mayor, {"country": "France", "year": "1999"})) == "France 1999"
    assert run(call_tool(Shop().sell, {"amount": 2})) == 2


def test_the_models_arguments_are_not_changed():
    said: dict[str, object] = {"amount": "1", "currency": "USD"}
    call_tool(Shop().price, said)
    assert said == {"amount": "1", "currency": "USD"}
