"""How does a Python type become a JSON schema, a name for a cache key, and a validator?

pydantic does the work and is imported when the first type is met. What is added here: no module path and
nothing that depends on the process gets into a schema, options of an Enum that are numbers say what they
mean, and `typing.TypedDict` works on Python 3.11 (see `typed_dicts`).
"""

from __future__ import annotations

import contextlib
import enum
import functools
import json
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from onetwo_like.builtins.typed_dicts import with_typed_dicts
from onetwo_like.errors import UsageError

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic.json_schema import GenerateJsonSchema

T = TypeVar("T")

SUPPORTED = (
    "int, float, str, bool, None, Enum, Literal, list, dict, tuple, set, dataclasses, TypedDict, "
    "pydantic models, and unions of these"
)
# A session has few types; the bound only keeps one that makes classes in a loop from growing for ever.
_KEPT_TYPES = 512
_REFERENCE = "#/$defs/"


def per_type(build: Callable[[Any], T]) -> Callable[[Any], T]:
    """Caches a function of a type by the type and the order of what it consists of.

    `int | str` and `str | int` are equal to Python, as are a Literal's options in any order; but the order
    is part of a schema, and what one caller gets must not depend on who asked before.
    """
    cached = functools.lru_cache(maxsize=_KEPT_TYPES)(lambda cls, spelling: build(cls))

    @functools.wraps(build)
    def of_type(cls: Any) -> T:
        spelling = None if _is_class(cls) else _spelling(cls)
        try:
            hash((cls, spelling))
        except TypeError:  # such as Annotated with a list in it
            return build(cls)
        return cached(cls, spelling)

    return of_type


def _spelling(cls: Any) -> Any:
    origin, arguments = typing.get_origin(cls), typing.get_args(cls)
    if origin is typing.Literal:
        return tuple([(type(argument), argument) for argument in arguments])
    return (origin, *map(_spelling, arguments)) if arguments else cls


def schema_of(cls: Any) -> dict[str, Any]:
    """The JSON schema of a type. A type that JSON cannot hold is a UsageError.

    >>> schema_of(list[int])
    {'items': {'type': 'integer'}, 'type': 'array'}
    """
    schema: dict[str, Any] = json.loads(_schema_text(cls))  # the caller's own copy
    return schema


def wrapped_schema(cls: Any) -> dict[str, Any]:
    """The JSON schema of a type for providers that demand an object at the top.

    What is no object becomes the property "value" of one; `parse` takes it out again.

    >>> wrapped_schema(int)["properties"]
    {'value': {'type': 'integer'}}
    """
    schema = schema_of(cls)
    definitions = schema.pop("$defs", {})
    schema = _top(schema, definitions)
    if schema.get("type") != "object":
        schema = {
            "type": "object",
            "properties": {"value": schema},
            "required": ["value"],
            "additionalProperties": False,
        }
    return {**schema, "$defs": definitions} if definitions else schema


def is_wrapped(cls: Any) -> bool:
    """Whether `wrapped_schema` wraps this type."""
    schema = schema_of(cls)
    return _top(schema, schema.get("$defs", {})).get("type") != "object"


def _top(schema: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The schema itself; that of a recursive type is only a reference to a definition."""
    if "$ref" not in schema:
        return schema
    return {**definitions[schema["$ref"].removeprefix(_REFERENCE)]}


def type_key(cls: Any) -> dict[str, Any]:
    """What stands for a type in a cache key: its name and its schema, an Enum's names included.

    No module path: a class that moves from a notebook to a module keeps its key.

    >>> type_key(enum.Enum("Size", {"S": "small", "L": "large"}))["schema"]["names"]
    ['S', 'L']
    """
    return {"name": type_name(cls), "schema": named_schema(cls)}


def named_schema(cls: Any) -> dict[str, Any]:
    """The JSON schema of a type in which an Enum also has its members' "names", in the order of "enum"."""
    schema: dict[str, Any] = json.loads(_named_schema_text(cls))
    return schema


def type_name(cls: Any) -> str:
    """A type as people write it, without modules.

    >>> type_name(dict[str, typing.Optional[int]])
    'dict[str, int | None]'
    """
    if _is_class(cls):
        return "None" if cls is types.NoneType else str(cls.__name__)
    if cls is None or cls is Ellipsis:
        return "None" if cls is None else "..."
    origin, arguments = typing.get_origin(cls), typing.get_args(cls)
    if origin is typing.Union or origin is types.UnionType:
        return " | ".join(map(type_name, arguments))
    if origin is typing.Annotated:
        return type_name(arguments[0])
    if origin is typing.Literal:
        shown = (f"{type(a).__name__}.{a.name}" if isinstance(a, enum.Enum) else repr(a) for a in arguments)
        return f"Literal[{', '.join(shown)}]"
    if isinstance(cls, typing.ForwardRef):
        return cls.__forward_arg__
    if origin is not None:
        return f"{type_name(origin)}[{', '.join(map(type_name, arguments))}]"
    name = getattr(cls, "__name__", None)
    return name if isinstance(name, str) else repr(cls)[:60]


@per_type
def adapter_of(cls: Any) -> TypeAdapter[Any]:
    """pydantic's validator of a type. A type that pydantic does not know is a UsageError."""
    return make_adapter(cls)


def make_adapter(cls: Any) -> TypeAdapter[Any]:
    """A validator that is not kept, for a type made for one occasion."""
    from pydantic import TypeAdapter

    # pydantic would take a function for the type of its arguments, and a string for a forward reference.
    if isinstance(cls, str | types.FunctionType | types.BuiltinFunctionType | types.MethodType):
        raise UsageError(f"{cls!r:.80} is no type. Supported are {SUPPORTED}.")
    with _unsupported(cls):
        adapter: TypeAdapter[Any] = TypeAdapter(with_typed_dicts(cls))
        if not adapter.pydantic_complete:
            adapter.rebuild(raise_errors=True)  # says which name is missing
    return adapter


def json_schema(adapter: TypeAdapter[Any], cls: Any, *, names: bool = False) -> dict[str, Any]:
    """The schema of an adapter's type, with the rules of this file; `cls` is for error messages."""
    with _unsupported(cls):
        schema = adapter.json_schema(schema_generator=_generator(names))
    return _with_plain_definitions(schema)


@per_type
def _schema_text(cls: Any) -> str:
    return json.dumps(json_schema(adapter_of(cls), cls))


@per_type
def _named_schema_text(cls: Any) -> str:
    return json.dumps(json_schema(adapter_of(cls), cls, names=True))


def _is_class(cls: Any) -> bool:
    return isinstance(cls, type) and not isinstance(cls, types.GenericAlias)


@contextlib.contextmanager
def _unsupported(cls: Any) -> Iterator[None]:
    """Turns pydantic's "cannot" into a UsageError that names the type."""
    from pydantic.errors import PydanticUserError

    try:
        yield
    except NameError as error:
        reason = f"{error.name!r} in its annotations is not defined where a module could see it"
        raise _not_askable(cls, reason) from error
    except PydanticUserError as error:
        reason = error.message.split(". ")[0].splitlines()[0].rstrip(".")
        raise _not_askable(cls, reason) from error


def _not_askable(cls: Any, reason: str) -> UsageError:
    return UsageError(f"{type_name(cls)} cannot be asked of a model: {reason}. Supported are {SUPPORTED}.")


@functools.cache
def _generator(names: bool) -> type[GenerateJsonSchema]:
    from pydantic.json_schema import GenerateJsonSchema

    class Generator(GenerateJsonSchema):
        # A default that JSON cannot hold is left out of the schema, and the reader needs no warning of it.
        ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012  (the base's)

        def field_title_should_be_set(self, schema: Any) -> bool:
            return False  # a title that repeats the field's name costs tokens in every prompt

        def enum_schema(self, schema: Any) -> dict[str, Any]:
            return _enum_schema(super().enum_schema(schema), schema["cls"], schema["members"], names)

        def encode_default(self, dft: Any) -> Any:
            encoded = super().encode_default(dft)
            # A set of strings has another order in every process, and not every pydantic sorts it.
            return sorted(encoded, key=json.dumps) if isinstance(dft, set | frozenset) else encoded

    return Generator


def _enum_schema(
    schema: dict[str, Any], cls: type[enum.Enum], members: list[enum.Enum], names: bool
) -> dict[str, Any]:
    values = [member.value for member in members]
    if not values or not all(isinstance(value, str | int | float | None) for value in values):
        raise UsageError(
            f"The Enum {cls.__name__} cannot be asked of a model: "
            f"{'it has no members' if not values else 'its values are not strings or numbers'}. "
            'Give it members such as RED = "red".'
        )
    if not all(isinstance(value, str) for value in values):  # 1, 2, 3 alone say nothing
        meanings = ", ".join(f"{json.dumps(v)} = {m.name}" for v, m in zip(values, members, strict=True))
        schema["description"] = (
            f"{schema['description']}: {meanings}" if "description" in schema else meanings
        )
    if names:
        schema["names"] = [member.name for member in members]
    return schema


# Definitions


def _with_plain_definitions(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with its definitions called by the classes' names, in the order of their first use.

    For two classes of one name pydantic's own names contain the modules.
    """
    definitions = schema.get("$defs")
    if not definitions:
        return schema
    top = {key: value for key, value in schema.items() if key != "$defs"}
    renamed: dict[str, str] = {}
    for reference in _references(top, definitions, set()):
        name = re.sub(r"\W+", "_", definitions[reference].get("title", reference)).strip("_")
        same = sum(1 for other in renamed.values() if re.fullmatch(rf"{re.escape(name)}(_\d+)?", other))
        renamed[reference] = f"{name}_{same + 1}" if same else name
    plain: dict[str, Any] = _renamed(top, renamed)
    plain["$defs"] = {new: _renamed(definitions[old], renamed) for old, new in renamed.items()}
    return plain


def _references(part: Any, definitions: Mapping[str, Any], seen: set[str]) -> Iterator[str]:
    """The definitions that a part of a schema leads to, each once, in the order of their first use."""
    if isinstance(part, dict):
        reference = part.get("$ref")
        if isinstance(reference, str) and reference.startswith(_REFERENCE):
            name = reference.removeprefix(_REFERENCE)
            if name not in seen:
                seen.add(name)
                yield name
                yield from _references(definitions[name], definitions, seen)
    if isinstance(part, dict | list):
        for inner in part.values() if isinstance(part, dict) else part:
            yield from _references(inner, definitions, seen)


def _renamed(part: Any, names: Mapping[str, str]) -> Any:
    if isinstance(part, dict):
        return {key: _renamed(inner, names) for key, inner in part.items()}
    if isinstance(part, list):
        return [_renamed(inner, names) for inner in part]
    if isinstance(part, str) and part.startswith(_REFERENCE):
        old = part.removeprefix(_REFERENCE)
        return _REFERENCE + names.get(old, old)
    return part
