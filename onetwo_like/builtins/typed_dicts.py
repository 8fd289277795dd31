"""How are TypedDicts made that pydantic takes on every Python version?

Before Python 3.12 a `typing.TypedDict` forgets what it was made from, so pydantic refuses it. Each is
replaced by one of typing_extensions with the same fields; a dataclass that contains one is read as a
TypedDict of its fields and then made. pydantic models are left alone: one that has such a field cannot be
defined in the first place.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
import sys
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired, Required

Replaced = dict[type, Any]


def typed_dict(name: str, fields: Mapping[str, Any], doc: str | None = None) -> Any:
    """A TypedDict with these annotations, of the kind that pydantic takes."""
    import typing_extensions  # pydantic depends on it

    namespace = {"__annotations__": dict(fields), "__doc__": doc, "__module__": __name__}
    return types.new_class(name, (typing_extensions.TypedDict,), {}, lambda scope: scope.update(namespace))


def with_typed_dicts(cls: Any) -> Any:
    """The type with every `typing.TypedDict` in it replaced; the type itself if there is none."""
    if sys.version_info >= (3, 12):
        return cls
    return _replace(cls, {}) if _has_one(cls, set()) else cls


def _is_typed_dict(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, dict) and hasattr(cls, "__required_keys__")


def _is_plain_dataclass(cls: Any) -> bool:
    return (
        isinstance(cls, type)
        and not isinstance(cls, types.GenericAlias)
        and dataclasses.is_dataclass(cls)
        and not hasattr(cls, "__pydantic_validator__")
    )


def _has_one(cls: Any, seen: set[type]) -> bool:
    if _is_typed_dict(cls) and type(cls).__module__ == "typing":
        return True
    if _is_typed_dict(cls) or _is_plain_dataclass(cls):
        if cls in seen:
            return False
        seen.add(cls)
        try:
            hints = _hints(cls)
        except NameError:  # pydantic will say so
            return False
        return any(_has_one(hint, seen) for hint in hints.values())
    if typing.get_origin(cls) is Literal:
        return False
    return any(_has_one(argument, seen) for argument in typing.get_args(cls))


def _replace(cls: Any, replaced: Replaced) -> Any:
    """`replaced` has each class that was met, so that a type may contain itself."""
    if isinstance(cls, type) and cls in replaced:
        return replaced[cls]
    if not _has_one(cls, set()):
        return cls
    if _is_typed_dict(cls):
        return _same_fields(cls, replaced)
    if _is_plain_dataclass(cls):
        return _dataclass(cls, replaced)
    origin, arguments = typing.get_origin(cls), typing.get_args(cls)
    if origin is Annotated:
        return Annotated[(_replace(arguments[0], replaced), *arguments[1:])]
    new = tuple(_replace(argument, replaced) for argument in arguments)
    if origin is types.UnionType or origin is typing.Union:
        return functools.reduce(operator.or_, new)
    return cls.copy_with(new) if hasattr(cls, "copy_with") else origin[new]


def _same_fields(cls: Any, replaced: Replaced) -> Any:
    new = replaced[cls] = typed_dict(cls.__name__, {}, cls.__doc__)
    if hasattr(cls, "__pydantic_config__"):
        new.__pydantic_config__ = cls.__pydantic_config__
    # pydantic reads the annotations when it builds the schema, so they may come after the class.
    new.__annotations__ = {
        name: _field(hint, name in cls.__required_keys__, replaced) for name, hint in _hints(cls).items()
    }
    return new


def _dataclass(cls: Any, replaced: Replaced) -> Any:
    from pydantic import AfterValidator

    doc = cls.__doc__ or ""
    fields = typed_dict(cls.__name__, {}, None if doc.startswith(f"{cls.__name__}(") else doc)
    new = replaced[cls] = Annotated[fields, AfterValidator(lambda given: cls(**given))]
    hints = _hints(cls)
    missing = dataclasses.MISSING
    fields.__annotations__ = {
        field.name: _field(
            hints[field.name], field.default is missing and field.default_factory is missing, replaced
        )
        for field in dataclasses.fields(cls)
        if field.init
    }
    return new


def _field(hint: Any, required: bool, replaced: Replaced) -> Any:
    origin = typing.get_origin(hint)
    if origin is Required or origin is NotRequired:
        # What the annotation says counts: __required_keys__ is wrong when annotations are strings.
        return origin[_replace(typing.get_args(hint)[0], replaced)]
    new = _replace(hint, replaced)
    return Required[new] if required else NotRequired[new]


def _hints(cls: Any) -> dict[str, Any]:
    # A class made in a function finds itself, as it does in pydantic.
    return typing.get_type_hints(cls, localns={cls.__name__: cls}, include_extras=True)
