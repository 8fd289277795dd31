"""What is the smallest value of a type?"""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import json
import types
import typing
from typing import Any

from onetwo_like.core.request import Request

_EMPTY: dict[Any, Any] = {
    collections.abc.Sequence: (),
    collections.abc.Iterable: (),
    collections.abc.Collection: (),
    collections.abc.Mapping: {},
    collections.abc.Set: frozenset(),
}


def smallest(kind: Any) -> Any:
    """0 of a number, "" of a text, the first of a choice, nothing in a list, the smallest of each field.

    None where the type does not say; what cannot be built from its fields is None too.

    >>> smallest(tuple[int, typing.Literal["red", "blue"], list[str]])
    (0, 'red', [])
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return smallest(arguments[0])
    if origin is typing.Literal:
        return arguments[0]
    if origin in (typing.Union, types.UnionType):
        return None if type(None) in arguments else smallest(arguments[0])
    if origin is tuple and arguments and arguments[-1] is not ...:
        return tuple([smallest(argument) for argument in arguments])
    kind = origin or kind
    if kind in _EMPTY:
        return _EMPTY[kind]
    if not isinstance(kind, type) or kind is object or kind is type(None):
        return None
    if issubclass(kind, enum.Enum):
        return next(iter(kind), None)
    fields = _fields(kind)
    try:
        if fields is None:
            return kind()
        return kind(**{name: smallest(annotation) for name, annotation in fields.items()})
    except Exception:  # noqa: BLE001  (a class may want anything of its fields, and raise anything)
        build = getattr(kind, "model_construct", None)
        return build(**{n: smallest(a) for n, a in (fields or {}).items()}) if build is not None else None


def _fields(kind: type) -> dict[str, Any] | None:
    """The fields that a value of a record must be given, with their types; None if it is no record."""
    models = getattr(kind, "model_fields", None)
    if isinstance(models, dict):
        return {name: field.annotation for name, field in models.items() if field.is_required()}
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        missing = dataclasses.MISSING
        return {
            f.name: hints[f.name]
            for f in dataclasses.fields(kind)
            if f.init and f.default is missing and f.default_factory is missing
        }
    if typing.is_typeddict(kind) or hasattr(kind, "_field_defaults"):
        optional: Any = getattr(kind, "__optional_keys__", None) or getattr(kind, "_field_defaults", ())
        return {n: a for n, a in typing.get_type_hints(kind).items() if n not in optional}
    return None


def smallest_answer(request: Request) -> Any:
    """The smallest value that answers the request: of its `cls`, one of its options, one per text asked about."""
    op: Any = request.op
    given = request.arguments
    returns = op.returns
    if "cls" in given:
        return smallest(given["cls"])
    options = given.get("options")
    if isinstance(options, tuple) and options:
        return options[0] if returns is str else list(options)
    if typing.get_origin(returns) is list:
        many = given.get("samples", given.get("targets", given.get("texts", ())))
        each = typing.get_args(returns)[0]
        return [smallest(each) for _ in range(many if isinstance(many, int) else len(many))]
    return smallest(returns)


def written(value: Any) -> str:
    """The value as a model would write it: a text as it is, everything else as JSON."""
    if isinstance(value, str):
        return value
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        value = dump(mode="json")
    return json.dumps(value, default=_record)


def _record(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json")
    return list(value) if isinstance(value, set | frozenset) else str(value)
