"""How is a model asked for a value of a type, and how does its text become that value?

A text is read as JSON wherever that is possible (see `json_text`). What people answer in words is read only
where the type leaves one reading: the number in "The answer is 42.", a yes or no, one option of an Enum or
a Literal. Two numbers, two options or a negation are a ParseError, never a guess.

Every reading is JSON and goes through pydantic, so the type's own rules always apply. Of several readings the
first that fits wins. Lossless coercions are pydantic's ("12" and 12.0 are the int 12); 3.7 is no int, and
a bare true is no number.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, overload

from onetwo_like.builtins.json_text import FoundJson, excerpt, extract_json, find_json, no_json, shortened
from onetwo_like.builtins.plain_words import (
    Option,
    listed,
    read_boolean,
    read_number,
    read_option,
    says_nothing,
)
from onetwo_like.builtins.schemas import (
    adapter_of,
    is_wrapped,
    named_schema,
    per_type,
    schema_of,
    type_key,
    type_name,
    wrapped_schema,
)
from onetwo_like.errors import ParseError, UsageError

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")

__all__ = [
    "extract_json",
    "instruction",
    "parse",
    "repair_message",
    "schema_of",
    "type_key",
    "type_name",
    "wrapped_schema",
]

_SHOWN_PROBLEMS = 5
_SHOWN_INPUT = 60  # characters


@overload
def parse(text: str, cls: type[T]) -> T: ...
@overload
def parse(text: str, cls: Any) -> Any: ...
def parse(text: str, cls: Any) -> Any:
    """The value of type `cls` that a model's text stands for.

    For `str` that is the text itself, unless all of it is a JSON string. Raises a ParseError that carries the
    text, with a message that the model can act on, and a UsageError for a type that JSON cannot hold.

    >>> parse("The answer is 42.", int)
    42
    >>> parse("```json\\n[1, 2, 3,]\\n```", set[int])
    {1, 2, 3}
    >>> from typing import Literal
    >>> parse("Green, I would say.", Literal["red", "green"])
    'green'
    """
    if not isinstance(text, str):
        raise UsageError(f"parse takes the model's text, a str, not {type(text).__name__}: {text!r:.60}")
    from pydantic import ValidationError

    asked = _asked(cls)
    if text.lstrip()[:1] in asked.openings:  # most replies are JSON and nothing else
        with contextlib.suppress(ValidationError):
            return asked.adapter.validate_json(text)
    misfit: ValidationError | None = None
    found = find_json(text)
    try:
        for reading in _readings(text, found, asked):
            try:
                return asked.adapter.validate_json(reading)
            except ValidationError as error:
                misfit = misfit or error
    except ParseError as error:
        error.reply = text
        raise
    if misfit is not None and not found.problem:
        raise ParseError(f"The answer is no {asked.name}: {problems_of(misfit)}.", reply=text) from misfit
    raise ParseError(found.problem or no_json(text), reply=text)


def instruction(cls: Any) -> str:
    """What a prompt says so that a model answers with a value of the type.

    >>> instruction(int)
    'Answer with one whole number and nothing else.'
    """
    schema = schema_of(cls)
    asked = _asked(cls)
    if asked.kinds == {"option"}:
        return f"Answer with exactly one of these options and nothing else: {listed(asked.options)}"
    if set(schema) == {"type"} and schema["type"] in _IN_WORDS:
        return f"Answer with {_IN_WORDS[schema['type']]} and nothing else."
    compact = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    return f"Answer with JSON and nothing else. It must fit this JSON schema:\n{compact}"


_IN_WORDS = {
    "integer": "one whole number",
    "number": "one number",
    "boolean": "true or false",
    "string": "the text that is asked for",
}


def repair_message(error: ParseError) -> str:
    """What a model is told whose answer could not be read.

    >>> repair_message(ParseError("There is no JSON in 'Hm'. Answer with JSON."))
    "Your answer cannot be used. There is no JSON in 'Hm'. Answer with JSON. Give the whole answer again."
    """
    return f"Your answer cannot be used. {error} Give the whole answer again."


def problems_of(error: ValidationError) -> str:
    """pydantic's findings in one line: where, what, and the value if it is short.

    >>> from pydantic import TypeAdapter, ValidationError
    >>> try:
    ...     TypeAdapter(list[int]).validate_python([1, "two"])
    ... except ValidationError as error:
    ...     problems_of(error)
    '[1]: Input should be a valid integer, unable to parse string as an integer (got "two")'
    """
    problems = error.errors(include_url=False, include_context=False)
    shown = [_problem(problem) for problem in problems[:_SHOWN_PROBLEMS]]
    if len(problems) > len(shown):
        shown.append(f"and {len(problems) - len(shown)} more")
    return "; ".join(shown)


def _problem(problem: Any) -> str:
    """One of pydantic's findings; all of it bounded, since keys, values and options can be of any length."""
    where = ""
    for part in problem["loc"]:
        if isinstance(part, int):
            where += f"[{part}]"
        elif not part.startswith("function-"):  # pydantic's name for a step of its own
            where += f".{part}" if where else part
    message = shortened(problem["msg"], 300)
    text = f"{shortened(where, 100)}: {message}" if where else message
    if problem["type"] in ("missing", "json_invalid"):  # the value would be all that is around it
        return text
    value = json.dumps(problem["input"], ensure_ascii=False, default=repr)
    return f"{text} (got {shortened(value, _SHOWN_INPUT)})"


# What a text can be read as


@dataclass(frozen=True, slots=True)
class _Asked:
    """What texts can be read as, for one type."""

    name: str
    adapter: TypeAdapter[Any]
    kinds: frozenset[str]  # JSON types, "option" for an enumeration, "anything" for no type
    options: tuple[Option, ...]
    wrapped: bool  # a provider that demands an object answers {"value": ...}
    openings: tuple[str, ...]  # a text that begins so may be the JSON itself


@per_type
def _asked(cls: Any) -> _Asked:
    schema = named_schema(cls)
    alternatives = list(_alternatives(schema, schema.get("$defs", {})))
    wrapped = is_wrapped(cls)
    return _Asked(
        name=shortened(type_name(cls), 100),
        adapter=adapter_of(cls),
        kinds=frozenset(map(_kind, alternatives)),
        options=tuple(option for alternative in alternatives for option in _options(alternative)),
        wrapped=wrapped,
        openings=("[",) if wrapped else ("[", "{"),
    )


def _alternatives(schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schemas that a union consists of, down to those that are none."""
    if "$ref" in schema:
        yield from _alternatives(definitions[schema["$ref"].rpartition("/")[2]], definitions)
        return
    inner = schema.get("anyOf") or schema.get("oneOf")
    if not inner:
        yield schema
        return
    for alternative in inner:
        yield from _alternatives(alternative, definitions)


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema or "const" in schema:
        return "option"
    kind = schema.get("type")
    return kind if isinstance(kind, str) else "anything"


def _options(schema: dict[str, Any]) -> Iterator[Option]:
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    for value, name in itertools.zip_longest(values, schema.get("names", ())):
        as_json = json.dumps(value)
        yield Option(value if isinstance(value, str) else as_json, as_json, is_name=False)
        if name is not None:
            yield Option(name, as_json, is_name=True)


# Readings: JSON texts, the most likely first


def _readings(text: str, found: FoundJson, asked: _Asked) -> Iterator[str]:
    """What a text can mean as JSON. Raises ParseError when words were needed, and do not say one thing."""
    only_scalars = asked.kinds <= _SCALARS
    takes_text = not asked.kinds.isdisjoint(("string", "anything"))
    said: list[str] = []  # what strings in JSON say
    for value in _whole(text, found) if only_scalars and takes_text else found.values:
        for reading in _unwrapped(value) if asked.wrapped else (value,):
            if reading in ("true", "false") and asked.kinds.isdisjoint(_TAKE_TRUTH):
                continue  # pydantic would make it 1 or 0
            yield reading
            if reading.startswith('"'):
                said.append(json.loads(reading))
    if "null" in asked.kinds and says_nothing(text):
        yield "null"
    if takes_text and (only_scalars or not (found.values or found.problem)):
        yield json.dumps(text)
        yield json.dumps(text.strip())  # such as a date
    elif only_scalars and asked.kinds != {"null"} and not found.problem:  # in '{"value": 12' 12 may be 120
        yield _in_words(said or [text], asked)


_SCALARS = frozenset({"integer", "number", "boolean", "string", "null", "option"})
_TAKE_TRUTH = frozenset({"boolean", "option", "anything"})


def _whole(text: str, found: FoundJson) -> tuple[str, ...]:
    """The JSON that is all of a text, or all of a code fence that is all of it."""
    body = text.strip()
    if body.startswith("```") and body.endswith("```"):
        body = body.partition("\n")[2][:-3].strip()
        found = find_json(body)
    if found.lone:  # of strings only JSON's own: other quotes may be meant
        return () if body.startswith(("'", "“")) else found.values[:1]
    is_object = len(found.values) == 1 and body.startswith("{") and body.endswith("}")
    return found.values if is_object else ()


def _unwrapped(value: str) -> Iterator[str]:
    """What {"value": ...} holds, as it was written, and then the value as a whole."""
    # An int may have more digits than Python converts, and does not matter here.
    if value.startswith(_WRAPPING) and list(json.loads(value, parse_int=str)) == ["value"]:
        yield value[len(_WRAPPING) : -1]
    yield value


_WRAPPING = '{"value":'


def _in_words(said: list[str], asked: _Asked) -> str:
    """The one reading of what was said; a ParseError if there are none or several."""
    readers: list[Callable[[str], str]] = []
    if "option" in asked.kinds:
        readers.append(lambda text: read_option(text, asked.options))
    if "boolean" in asked.kinds:
        readers.append(read_boolean)
    if not asked.kinds.isdisjoint(("integer", "number")):
        readers.append(read_number)
    problem = None
    for text in said:
        readings = set()
        for reader in readers:
            try:
                readings.add(reader(text))
            except ParseError as error:
                problem = problem or error
        if len(readings) == 1:
            return readings.pop()
        if readings:
            problem = ParseError(f"{excerpt(text)} can be read in {len(readings)} ways. Answer with JSON.")
    assert problem is not None
    raise problem
