"""How do `key=value` words become the arguments of a function?"""

import enum
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from onetwo_like import ot
from onetwo_like.cli.inputs import arguments, split
from onetwo_like.errors import UsageError


class Colour(enum.Enum):
    RED = "red"


@dataclass
class City:
    name: str
    people: int = 0


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (str, "France", "France"),
        (str, "1", "1"),
        (str, "null", "null"),
        (Any, "1", "1"),
        (int, "3", 3),
        (int, "-3", -3),
        (float, "0.5", 0.5),
        (float, "1", 1.0),
        (bool, "true", True),
        (bool, "no", False),
        (list, '["a", 1]', ["a", 1]),
        (list[str], '["a"]', ["a"]),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (tuple[int, int], "[1, 2]", (1, 2)),
        (str | None, "France", "France"),
        (str | None, "12", "12"),
        (int | None, "null", None),
        (Literal["a", "b"], "b", "b"),
        (Colour, "red", Colour.RED),
        (City, '{"name": "Nice"}', City("Nice")),
    ],
)
def test_a_value_is_read_as_its_annotation_says(annotation, text, value):
    def function(x): ...

    function.__annotations__["x"] = annotation
    found = arguments(function, {"x": text})
    assert found == {"x": value}
    assert type(found["x"]) is type(value)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "three"),
        (int, "1.5"),
        (float, "x"),
        (bool, "maybe"),
        (list[int], "[1"),
        (list[int], '["a"]'),
        (dict, "[]"),
        (City, "{}"),
    ],
)
def test_a_value_that_cannot_be_read_is_named_in_one_line(annotation, text):
    def function(x): ...

    function.__annotations__["x"] = annotation
    with pytest.raises(UsageError) as caught:
        arguments(function, {"x": text})
    assert str(caught.value).startswith(f"--input x={text}: not of type ")
    assert "\n" not in str(caught.value)


def test_what_has_no_form_as_text_cannot_be_given():
    def function(e: ot.Executable): ...

    with pytest.raises(UsageError, match=r"what is of type Executable cannot be given on the command line"):
        arguments(function, {"e": "x"})


def test_without_an_annotation_a_value_is_a_text():
    assert arguments(lambda x: x, {"x": "1"}) == {"x": "1"}


def test_annotations_that_are_texts_are_read():
    def function(x: "int"): ...

    assert arguments(function, {"x": "1"}) == {"x": 1}


def test_an_annotation_that_only_a_type_checker_knows_leaves_a_text():
    def function(x: "Unknown"): ...  # type: ignore[name-defined]  # noqa: F821

    assert arguments(function, {"x": "1"}) == {"x": "1"}


def test_the_arguments_of_an_executable_function_are_those_of_the_function():
    @ot.make_executable
    async def function(x: int) -> int:
        return x

    assert arguments(function, {"x": "1"}) == {"x": 1}


def test_unknown_and_missing_inputs_are_named_with_those_there_are():
    def function(country: str, n: int = 3): ...

    with pytest.raises(UsageError) as caught:
        arguments(function, {"contry": "France"})
    assert str(caught.value) == (
        "unknown input contry and missing input country; the inputs are country, n (default 3)"
    )
    with pytest.raises(UsageError, match="unknown input x; the inputs are none"):
        arguments(lambda: 1, {"x": "1"})


def test_a_function_of_any_names_takes_them_as_texts():
    assert arguments(lambda **values: values, {"x": "1"}) == {"x": "1"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["country"], "--input country: an input is given as key=value"),
        (["=France"], "--input =France: an input is given as key=value"),
        (["a=1", "a=2"], "'a' is given twice"),
    ],
)
def test_a_malformed_input_is_named(words, said):
    with pytest.raises(UsageError, match=said):
        split(words)


def test_a_value_may_be_empty_and_have_equals_signs():
    assert split(["a=", "b=c=d"]) == {"a": "", "b": "c=d"}
