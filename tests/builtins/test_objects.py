"""Does a model's text become the value that was meant, or an error that says what to change?"""

import dataclasses
import datetime
import enum
import json
import math
import os
import subprocess
import sys
import textwrap
import typing
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, Optional, TypedDict

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onetwo_like.builtins.objects import (
    instruction,
    parse,
    repair_message,
    schema_of,
    type_key,
    type_name,
    wrapped_schema,
)
from onetwo_like.builtins.schemas import is_wrapped
from onetwo_like.errors import ParseError, UsageError


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"
    DARK_RED = "dark red"


class Rating(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Address(TypedDict):
    street: str
    number: NotRequired[int]


@dataclasses.dataclass(frozen=True)
class City:
    name: str
    population: int
    mayor: str | None = None


@dataclasses.dataclass
class Tree:
    label: str
    children: list["Tree"] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Household:
    address: Address
    pets: tuple[str, ...] = ()


class Review(pydantic.BaseModel):
    stars: int = pydantic.Field(ge=1, le=5)
    color: Color | None = None
    cities: list[City] = []


class Partial(TypedDict, total=False):
    x: int


class Refused(TypedDict):
    when: "Nowhere"  # type: ignore[name-defined] # noqa: F821


@dataclasses.dataclass
class Lost:
    where: "Nowhere"  # type: ignore[name-defined] # noqa: F821


Letter = Literal["A", "B", "C"]

FLOATS = st.floats(allow_nan=False, allow_infinity=False)  # pydantic writes those two as null

# Types with values of theirs, for what holds of all.
FAMILY: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers(-(10**30), 10**30)),
    (float, FLOATS),
    (str, st.text()),
    (bool, st.booleans()),
    (Color, st.sampled_from(Color)),
    (Rating, st.sampled_from(Rating)),
    (Letter, st.sampled_from(["A", "B", "C"])),
    (int | None, st.none() | st.integers()),
    (
        str | None,
        st.none() | st.text().filter(lambda text: text.strip(" .").casefold() not in ("none", "null")),
    ),
    (list[float], st.lists(FLOATS)),
    (dict[str, list[int]], st.dictionaries(st.text(), st.lists(st.integers()))),
    (dict[int, bool], st.dictionaries(st.integers(), st.booleans())),
    (set[str], st.sets(st.text())),
    (tuple[int, str], st.tuples(st.integers(), st.text())),
    (City, st.builds(City, st.text(), st.integers(), st.none() | st.text())),
    (list[City | None], st.lists(st.none() | st.builds(City, st.text(), st.integers()))),
    (Address, st.fixed_dictionaries({"street": st.text()}, optional={"number": st.integers()})),
    (
        Tree,
        st.recursive(
            st.builds(Tree, st.text()), lambda t: st.builds(Tree, st.text(), st.lists(t, max_size=3))
        ),
    ),
    (Review, st.builds(Review, stars=st.integers(1, 5), color=st.none() | st.sampled_from(Color))),
    (City | Address, st.builds(City, st.text(), st.integers())),
]
TYPES = [cls for cls, _ in FAMILY] + [Any, None, Household, datetime.date, str | City, int | bool | Letter]


def written(value: Any) -> str:
    """JSON of a value, by pydantic and not by what is tested here."""
    return json.dumps(pydantic.TypeAdapter(Any).dump_python(value, mode="json"))


@pytest.mark.parametrize(("cls", "values"), FAMILY, ids=[type_name(cls) for cls, _ in FAMILY])
@settings(derandomize=True, deadline=None, max_examples=30)
@given(data=st.data())
def test_what_is_written_as_json_is_read_as_the_same_value(cls, values, data):
    value = data.draw(values)
    frames = ["{}", "\n {} \n", "```json\n{}\n```"]
    if is_wrapped(cls):
        frames.append('{"value": {}}')
    elif cls is not str:
        frames.append("Sure!\n{}\nAnything else?")
    for frame in frames:
        found = parse(frame.replace("{}", written(value)), cls)
        assert found == value
        assert type(found) is type(value)


@pytest.mark.parametrize("cls", TYPES, ids=type_name)
@settings(derandomize=True, deadline=None, max_examples=50)
@given(text=st.text() | st.text(alphabet="{}[]\":,.- \n019aeflnrstuvyo`'"))
def test_any_text_is_a_value_or_a_parse_error_with_that_text(cls, text):
    reply = text
    try:
        parse(text, cls)
    except ParseError as error:
        reply = error.reply
    assert reply == text


NO = ParseError

READ = [
    (int, "42", 42),
    (int, "The answer is 42.", 42),
    (int, "**42**", 42),
    (int, "1,234,567 people", 1_234_567),
    (int, "x = −5", -5),
    (int, '"12"', 12),
    (int, "12.0", 12),
    (int, '{"answer": 42}', 42),
    (int, '{"value": "about 42"}', 42),
    (int, "It is 42 or 43.", NO),
    (int, "2024-01-05", NO),
    (int, "GPT-4", NO),
    (int, "42 million", NO),
    (int, "42%", NO),
    (int, "minus 42", NO),
    (int, "not 42", NO),
    (int, "12,5", NO),
    (int, "007", NO),
    (int, "3.7", NO),
    (int, "The mean is 3.7", NO),
    (int, "true", NO),
    (int, '{"value": true}', NO),
    (int, '{"value": 12', NO),
    (int, "9" * 5000, NO),
    (int, "", NO),
    (float, "The mean is 3.70.", 3.7),
    (float, "-$1,250.50", -1250.5),
    (float, "false", NO),
    (bool, "Yes.", True),
    (bool, "No, it isn't.", False),
    (bool, "**True**", True),
    (bool, "It is false", False),
    (bool, '{"value": "no"}', False),
    (bool, "Yes, there is no doubt", True),
    (bool, "Yes and no.", NO),
    (bool, "That is not true.", NO),
    (bool, "There is no doubt", NO),
    (bool, "2", NO),
    (str, "hello\n", "hello\n"),
    (str, ' "a\\nb" ', "a\nb"),
    (str, '{"value": "x"}', "x"),
    (str, '```json\n{"value": "x"}\n```', "x"),
    (str, '"a" and "b"', '"a" and "b"'),
    (str, "'a'", "'a'"),
    (str, 'Use {"value": "x"}', 'Use {"value": "x"}'),
    (str, 'Say\n```\n"x"\n```', 'Say\n```\n"x"\n```'),
    (str, '"[1]"', "[1]"),
    (list[int], '"[1]"', [1]),
    (City, written('{"name": "Paris", "population": 2}'), City("Paris", 2)),
    (str, "42", "42"),
    (str, "", ""),
    (Color, "RED", Color.RED),
    (Color, '"green"', Color.GREEN),
    (Color, '"DARK_RED"', Color.DARK_RED),
    (Color, "Rather dark red.", Color.DARK_RED),
    (Color, "```\nred\n```", Color.RED),
    (Color, "Green is better than red", NO),
    (Color, "Not red.", NO),
    (Color, "infrared", NO),
    (Color, "red-ish", NO),
    (Color, "purple", NO),
    (Color, f"I looked at it {'for very long ' * 20}and then said red", NO),
    (Rating, "2", Rating.HIGH),
    (Rating, "low", Rating.LOW),
    (Rating, "2 = HIGH", Rating.HIGH),
    (Rating, "2.5", NO),
    (Rating, "3", NO),
    (Literal["red", "red wine"], "A red wine, please.", "red wine"),
    (Letter, "a", "A"),
    (Letter, "It is a B.", "B"),
    (Letter, "A or B", NO),
    (Literal["1", "2"], "1", "1"),
    (Literal[1, "1"], "1", 1),
    (Literal[1, "1"], '"1"', "1"),
    (Literal["a", "A"], "A", "A"),
    (Literal["C", "Java"], "C++", NO),
    (int | None, "None.", None),
    (int | None, "It is 3", 3),
    (str | None, "Paris", "Paris"),
    (int | str, "42", 42),
    (int | str, "true", "true"),
    (int | bool, "yes", True),
    (int | bool, "yes 3", NO),
    (Literal["auto"] | int, "auto", "auto"),
    (int | list[int], "the values [1", NO),
    (str | City, "Paris", "Paris"),
    (str | City, '{"name": "Paris", "population": "many"}', NO),
    (Any, "hello", "hello"),
    (Any, '{"a": [1]}', {"a": [1]}),
    (datetime.date, "2024-01-05\n", datetime.date(2024, 1, 5)),
    (Annotated[int, pydantic.Field(ge=0)], "it is -3", NO),
    (list[int], "Sure: [1, 2, 3,]", [1, 2, 3]),
    (list[int], "1, 2, 3", NO),
    (list[int], "[1, 2.5]", NO),
    (tuple[int, str], "[1]", NO),
    (dict[str, int], '{"value": 3}', {"value": 3}),
    (City, '{"name": "Paris", "population": "2100000"}', City("Paris", 2_100_000)),
    (City, "{'name': 'Paris', 'population': 2,} as in [1]", City("Paris", 2)),
    (City, '{"name": "Paris", "population": 2', NO),
    (City, '{"name": "Paris"}', NO),
    (Address, '{"street": "Rue"}', {"street": "Rue"}),
    (Address, '{"number": 1}', NO),
    (Household, '{"address": {"street": "Rue"}, "pets": ["cat"]}', Household({"street": "Rue"}, ("cat",))),
    (Household, '{"address": {"street": "Rue"}}', Household({"street": "Rue"})),
    (list[Partial], '[{}, {"x": 1}]', [{}, {"x": 1}]),
    (Partial, '{"x": "one"}', NO),
    (list[Household], '[{"address": {"number": 1}}]', NO),
    (Review, '{"stars": 6}', NO),
    (Review, '{"stars": 5, "color": "red"}', Review(stars=5, color=Color.RED)),
]


@pytest.mark.parametrize(("cls", "text", "meant"), READ)
def test_one_meaning_is_read_and_a_doubt_is_an_error(cls, text, meant):
    if meant is NO:
        with pytest.raises(ParseError):
            parse(text, cls)
    else:
        found = parse(text, cls)
        assert found == meant
        assert type(found) is type(meant)


def test_what_json_has_no_number_for_is_a_float_all_the_same():
    assert math.isnan(parse("NaN", float))
    assert parse("[1.5, -Infinity]", list[float]) == [1.5, -math.inf]


def test_of_several_values_the_one_that_fits_counts():
    text = '{"name": "Oslo", "population": 1} or {"name": "Bergen", "population": 2}, see [3] and {}'
    assert parse(text, City) == City("Bergen", 2)


@pytest.mark.parametrize(
    ("cls", "text", "message"),
    [
        (
            Review,
            '{"stars": 9}',
            "The answer is no Review: stars: Input should be less than or equal to 5 (got 9).",
        ),
        (
            Review,
            '{"stars": 1, "cities": [{"name": 3}]}',
            "cities[0].name: Input should be a valid string (got 3)",
        ),
        (City, '{"name": "x"}', "population: Field required"),
        (City, "Sorry.", "There is no JSON in 'Sorry.'. Answer with JSON."),
        (Color, "purple", """Answer with exactly one of "red", "green", "dark red"."""),
        (Rating, "none", "Answer with exactly one of 1 = LOW, 2 = HIGH."),
        (int, "one or 2 or 3", "There is more than one number"),
        (bool, "maybe", "Answer with true or false only."),
        (list[int], written(["x"] * 20), "; and 15 more."),
    ],
)
def test_an_error_says_what_to_change(cls, text, message):
    with pytest.raises(ParseError) as caught:
        parse(text, cls)
    assert message in str(caught.value)
    assert str(caught.value) in repair_message(caught.value)


def test_an_error_never_repeats_a_long_reply():
    long = "long " * 1000
    for cls, text in [
        (City, written({"name": long})),
        (City, long),
        (dict[str, int], written({long: long})),
        (int, f'"{long}"'),
        (list[Literal[tuple(f"long{i}" for i in range(200))]], '["short"]'),  # type: ignore[misc]
        (int, long),
        (Color, long),
    ]:
        with pytest.raises(ParseError) as caught:
            parse(text, cls)
        assert len(str(caught.value)) < 600
        assert str(caught.value).count("long") < 60
        assert "http" not in str(caught.value)


def test_only_a_text_can_be_parsed():
    with pytest.raises(UsageError, match="takes the model's text"):
        parse(42, int)  # type: ignore[call-overload]


# Schemas


class Arbitrary:
    pass


class Empty(enum.Enum):
    pass


class Pairs(enum.Enum):
    A = (1, 2)


@pytest.mark.parametrize(
    ("cls", "named"),
    [
        (Arbitrary, "Arbitrary"),
        (list[Arbitrary], "Arbitrary"),
        (len, "len"),
        (lambda text: text, "<lambda>"),
        (typing.Callable[[int], int], "Callable"),
        ("int", "'int'"),
        (Empty, "Empty"),
        (list[Pairs], "Pairs"),
        (Refused, "'Nowhere'"),
        (Lost, "'Nowhere'"),
    ],
)
def test_what_json_cannot_hold_is_refused_by_name(cls, named):
    for use in (schema_of, wrapped_schema, type_key, instruction, lambda cls: parse("{}", cls)):
        with pytest.raises(UsageError, match=named):
            use(cls)


def test_a_schema_is_the_callers_own():
    schema_of(City)["properties"].clear()
    assert list(schema_of(City)["properties"]) == ["name", "population", "mayor"]


@pytest.mark.parametrize("cls", [int, Color, list[City], City | None, Any, Literal["a"]])
def test_what_is_no_object_is_wrapped_into_one(cls):
    wrapped = wrapped_schema(cls)
    assert (wrapped["type"], list(wrapped["properties"]), wrapped["required"]) == (
        "object",
        ["value"],
        ["value"],
    )
    assert "$defs" not in wrapped["properties"]["value"]


@pytest.mark.parametrize("cls", [City, Address, Review, dict[str, int], Household])
def test_an_object_is_not_wrapped(cls):
    assert wrapped_schema(cls) == schema_of(cls)


def test_a_type_that_contains_itself_is_an_object_at_the_top():
    assert "$ref" in schema_of(Tree)
    assert wrapped_schema(Tree)["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}


def test_an_enum_of_numbers_says_what_they_mean():
    assert schema_of(Rating)["description"].endswith("1 = LOW, 2 = HIGH")


def test_a_default_without_an_order_is_written_in_one():
    @dataclasses.dataclass
    class Tagged:
        tags: frozenset[str] = frozenset("hgfedcba")

    assert schema_of(Tagged)["properties"]["tags"]["default"] == list("abcdefgh")


def test_the_order_of_a_union_or_of_options_does_not_depend_on_who_asked_before():
    for one, other in [(int | str, str | int), (Literal["b", "a"], Literal["a", "b"])]:
        assert one == other  # as keys of a cache they would be one
        assert schema_of(one) != schema_of(other)
        assert list(map(schema_of, (other, one))) == [schema_of(other), schema_of(one)]
    assert schema_of(Literal["b", "a"])["enum"] == ["b", "a"]


def test_options_that_are_equal_only_to_python_are_different_types():
    assert [parse("1", Literal[1]), parse("true", Literal[True])] == [1, True]
    assert type_key(Literal[1]) != type_key(Literal[True])


# Keys


def made(annotation, module):
    """A class `Item` as `module` would define it."""
    cls = dataclasses.make_dataclass("Item", [("x", annotation)])
    cls.__module__ = module
    return cls


def test_a_class_that_moves_to_another_module_keeps_its_key():
    here, there = made(int, "__main__"), made(int, "somewhere.else")
    assert type_key(here) == type_key(there) == {"name": "Item", "schema": schema_of(here)}


def test_two_classes_of_one_name_have_different_keys():
    assert type_key(made(int, "a")) != type_key(made(str, "a"))


def test_two_classes_of_one_name_in_one_type_bring_no_module_into_the_key():
    keys = [type_key(made(int, one) | made(str, other)) for one, other in [("a.b", "c"), ("c", "a.b")]]
    assert keys[0] == keys[1]
    assert list(keys[0]["schema"]["$defs"]) == ["Item", "Item_2"]


def test_enums_with_the_same_values_and_other_names_have_different_keys():
    one, other = enum.Enum("Side", {"LEFT": 1}), enum.Enum("Side", {"RIGHT": 1})
    assert type_key(one) != type_key(other)
    assert type_key(list[one])["schema"]["$defs"]["Side"]["names"] == ["LEFT"]  # type: ignore[valid-type]


@pytest.mark.parametrize("cls", TYPES, ids=type_name)
def test_a_key_is_json(cls):
    assert json.loads(json.dumps(type_key(cls))) == type_key(cls)


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (int, "int"),
        (None, "None"),
        (Optional[City], "City | None"),  # noqa: UP045  (this spelling is tested)
        (list[dict[str, Color]], "list[dict[str, Color]]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (Literal["a", 1, Color.RED], "Literal['a', 1, Color.RED]"),
        (Annotated[int, "unit"], "int"),
    ],
)
def test_a_type_is_called_as_people_write_it(cls, name):
    assert type_name(cls) == name


def run(script, **env):
    """What a script prints, in a Python of its own."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", textwrap.dedent(script)]
    return subprocess.run(
        command, env={**os.environ, **env}, cwd=root, stdout=subprocess.PIPE, check=True, text=True
    ).stdout


def test_schemas_and_keys_are_the_same_in_every_process():
    script = """
        import dataclasses, enum, json
        from onetwo_like.builtins.objects import type_key
        Size = enum.Enum("Size", "SMALL LARGE")
        @dataclasses.dataclass
        class Box:
            size: Size | None
            tags: frozenset[str] = frozenset("abcdefgh")
        print(json.dumps(type_key(dict[str, list[Box]])))
    """
    keys = {run(script, PYTHONHASHSEED=seed) for seed in ("1", "2")}
    assert len(keys) == 1


def test_pydantic_is_imported_with_the_first_type_and_not_before():
    script = """
        import sys
        import onetwo_like.builtins.objects, onetwo_like.builtins.tools
        assert "pydantic" not in sys.modules
        onetwo_like.builtins.objects.parse("1", int)
        assert "pydantic" in sys.modules
    """
    run(script)


# Instructions


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (int, "one whole number"),
        (float, "one number"),
        (bool, "true or false"),
        (Color, '"red", "green", "dark red"'),
        (Rating, "1 = LOW, 2 = HIGH"),
        (Letter, '"A", "B", "C"'),
    ],
)
def test_a_simple_type_is_asked_for_in_words(cls, said):
    assert said in instruction(cls)
    assert "schema" not in instruction(cls)


@pytest.mark.parametrize("cls", [City, list[int], int | None, Review, Annotated[int, pydantic.Field(ge=0)]])
def test_any_other_type_is_asked_for_with_its_schema(cls):
    text, _, schema = instruction(cls).partition("\n")
    assert "JSON" in text
    assert json.loads(schema) == schema_of(cls)
