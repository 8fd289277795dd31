"""Is the JSON in chatter found, and nothing invented?"""

import ast
import contextlib
import json
import time

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from onetwo_like.builtins.json_text import MAX_DEPTH, extract_json, find_json
from onetwo_like.errors import ParseError

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)
CONTAINERS = VALUES.filter(lambda value: isinstance(value, list | dict))
CHATTER = st.text().filter(lambda text: not set(text) & set("[]{}"))


@settings(derandomize=True, deadline=None)
@given(CONTAINERS, CHATTER, CHATTER, st.sampled_from([None, 2]), st.booleans())
def test_any_json_is_found_in_any_chatter_without_brackets(value, before, after, indent, ascii_only):
    text = before + json.dumps(value, indent=indent, ensure_ascii=ascii_only) + after
    with contextlib.suppress(ValueError):
        assume(not isinstance(json.loads(text), str))  # in double quotes it may be a string itself
    assert json.loads(extract_json(text)) == value


@settings(derandomize=True, deadline=None)
@example("[", "```json\n{}\n```")
@given(SCALARS, st.sampled_from(["{}", " {}\n", "```json\n{}\n```", "Here it is:\n```\n{}\n```\nRight?"]))
def test_a_scalar_is_found_where_it_stands_alone(value, frame):
    assert json.loads(extract_json(frame.replace("{}", json.dumps(value)))) == value


@settings(derandomize=True, deadline=None)
@given(CONTAINERS.map(repr))
def test_a_python_literal_is_the_json_that_it_means(written):
    meant = json.loads(json.dumps(ast.literal_eval(written)))
    assert json.loads(extract_json(f"It is {written}.")) == meant


@settings(derandomize=True, deadline=None)
@given(st.text(alphabet="[]{}:,\"'\\ \n/aN1-“”`u"))
def test_whatever_is_found_in_any_text_is_strict_json(text):
    for value in find_json(text).values:
        json.loads(value)


def test_json_that_is_quoted_or_encoded_twice_is_found_after_the_string_itself():
    assert find_json("'[1]'").values == ("[1]", '"[1]"')
    assert find_json(json.dumps('{"a": 1}')).values == (json.dumps('{"a": 1}'), '{"a":1}')


def test_the_error_carries_the_text():
    with pytest.raises(ParseError) as caught:
        extract_json("Sorry.")
    assert caught.value.reply == "Sorry."


@pytest.mark.parametrize(
    ("text", "strict"),
    [
        ('{"a": [1, 2,], }', '{"a":[1,2]}'),
        ("{'a': 'it\\'s \"so\"', 'b': None, 'c': True}", '{"a":"it\'s \\"so\\"","b":null,"c":true}'),
        ("{'a': '\\x41\\U0001F600'}", '{"a":"A\\ud83d\\ude00"}'),
        ("{“a”: “b”}", '{"a":"b"}'),
        ('{"a": 1, // one\n "b": 2 }', '{"a":1,"b":2}'),
        ('{"a": "two\nlines\tand a tab"}', '{"a":"two\\nlines\\tand a tab"}'),
        ("[nan, -inf, NaN, -Infinity]", "[NaN,-Infinity,NaN,-Infinity]"),
        ('{"n": 1.50e+3}', '{"n":1.50e+3}'),
    ],
)
def test_small_slips_are_put_right(text, strict):
    assert extract_json(text) == strict


@pytest.mark.parametrize(
    "inside",
    [
        "a, ]",
        "// no comment",
        "'quoted'",
        "“curly”",
        "None and True",
        "```json\\n[1]\\n```",
        "\\u00e9 \\\\ \\/",
    ],
)
def test_what_strings_say_is_not_touched(inside):
    assert extract_json(f'So: {{"a": "{inside}"}}') == f'{{"a":"{inside}"}}'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Sorry, no.", "There is no JSON in 'Sorry, no.'"),
        ('{"a": 1 "b": 2}', """at '"b": 2}': ',' or the closing bracket was expected"""),
        ('{"a": 1,\n "b": }', "line 2 at '}': a value was expected"),
        ("[1, ...]", "a value or the closing ']' was expected"),
        ("[1,, 2]", "a value or the closing ']' was expected"),
        ('{"a", "b"}', "':' was expected"),
        ("{'a': 1, b: 2}", "a key in double quotes or the closing '}' was expected"),
        ('{"a": 01}', "a value was expected"),
        ('{"a": "\\d"}', "does not exist; a backslash is written twice"),
        ("['a\n']", "the string that begins there is not closed"),
        ('{"a": [1, 2', """breaks off before its end, after '{"a": [1, 2'"""),
        ('{"a": "half an ans', "breaks off before its end"),
        ("[" * (MAX_DEPTH + 1) + "1" + "]" * (MAX_DEPTH + 1), "nested more than 100 deep"),
    ],
)
def test_broken_json_is_an_error_that_says_where(text, why):
    with pytest.raises(ParseError) as caught:
        extract_json(text)
    assert why in str(caught.value)


def test_json_may_be_nested_to_the_depth_that_is_promised():
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert extract_json(f"So {deep}") == deep


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('A draft: {"a": 1}. No, {"a": 2}.', '{"a":2}'),
        ('```json\n{"a": 1}\n``` as in [2]', '{"a":1}'),
        ('```\n{"a": 1}\n```\nor rather\n```\n{"a": 2}\n```', '{"a":2}'),
        ('{"code": "```python\\n[1]\\n```"}', '{"code":"```python\\n[1]\\n```"}'),
        ('Use {name} and [brackets], like {"a": ...}, so: {"a": 3}', '{"a":3}'),
        ('The 5" pipe: {"a": 4}', '{"a":4}'),
        ('For x in [0, 1) it is {"a": 6}, for y in [2, ∞) not.', '{"a":6}'),
        ("Not {'a': ']' 1, 'b': [2]} but {'a': 5}", '{"a":5}'),
    ],
)
def test_of_several_values_the_conclusion_counts(text, expected):
    assert extract_json(text) == expected


def test_a_part_of_a_broken_value_is_not_taken_for_the_answer():
    assert find_json('{"items": [{"a": 1} {"a": 2}]}').values == ()
    assert find_json("{'a': '}' 1, 'b': [2]}").values == ()


def test_a_draft_is_not_taken_for_a_conclusion_that_breaks_off():
    assert find_json('Draft: {"a": 1}. Better: {"a": 2, "b"').values == ()
    assert find_json('Draft: {"a": 1}. Better: {"a": 2 "b": 3, "c').values == ()


PATTERNS = [
    "{",
    "[",
    "[ ",
    '{"',
    '["',
    '{"a":',
    "[“",
    "['\n",
    '["\\"',
    '"\\"',
    "[{",
    "[[a",
    "[1,",
    "{}",
    "{/",
    "[//",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_hostile_text_takes_linear_time(pattern):
    # A quadratic search of 400 kB takes at least 10 s, and the slowest of these 0.4 s.
    began = time.process_time()
    find_json((pattern * 400_000)[:400_000])
    assert time.process_time() - began < 5
