"""Which classes may a stored value become?

Those that the caller names, in an operation's return type or a request's `cls`, and those that are
reached from them through annotations. A name in the data only chooses among these: nothing is imported.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import functools
import inspect
import sys
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any

from onetwo_like.core.content import Chunk, ChunkList, Message
from onetwo_like.core.request import Request


class KnownTypes:
    """The enums, dataclasses, pydantic models and named tuples that annotations lead to.

    Chunk, ChunkList and Message always belong to them. Make one per operation and keep it: the annotations
    are walked once, when a typed value is first met.

    >>> Size = enum.Enum("Size", "S M")
    >>> Size in KnownTypes(dict[str, list[Size] | None])
    True
    """

    def __init__(self, *annotations: object) -> None:
        self._annotations = annotations

    def __contains__(self, kind: type) -> bool:
        return kind in self._by_name.get(kind.__qualname__, ())

    def __iter__(self) -> Iterator[type]:
        for kinds in self._by_name.values():
            yield from kinds

    def named(self, qualname: str, module: str) -> type | None:
        """The class of that name; `module` decides between namesakes.

        Alone it may have moved: a script is `__main__` in one run and imported in the next.
        """
        namesakes = self._by_name.get(qualname, [])
        if len(namesakes) == 1:
            return namesakes[0]
        return next((kind for kind in namesakes if kind.__module__ == module), None)

    @functools.cached_property
    def _by_name(self) -> dict[str, list[type]]:
        found: dict[str, list[type]] = {}
        for kind in _reached((Chunk, ChunkList, Message, *self._annotations)):
            found.setdefault(kind.__qualname__, []).append(kind)
        return found


class TypesOfReplies:
    """The classes that the replies to one built-in may hold: those of its type, or of the request's `cls`."""

    def __init__(self) -> None:
        self._kept: dict[object, KnownTypes] = {}

    def of(self, request: Request) -> KnownTypes:
        """The classes for the reply to this request."""
        op: Any = request.op
        cls = request.arguments.get("cls") if "cls" in op.parameters else None
        wanted = op.returns if cls is None else cls
        try:
            known = self._kept.get(wanted)
        except TypeError:  # an annotation need not be hashable
            return KnownTypes(wanted)
        if known is None:
            known = self._kept[wanted] = KnownTypes(wanted)
        return known


def is_model(kind: type) -> bool:
    """Whether the class is a pydantic model; never the reason why pydantic is imported."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(kind, pydantic.BaseModel)


def is_named_tuple(kind: type) -> bool:
    """Whether the class was made by typing.NamedTuple or collections.namedtuple."""
    return issubclass(kind, tuple) and hasattr(kind, "_fields") and hasattr(kind, "_make")


def _reached(annotations: Iterable[object]) -> Iterator[type]:
    """The classes worth keeping that the annotations lead to, each once."""
    ahead = list(annotations)
    seen: dict[
        int, object
    ] = {}  # by identity, since an annotation need not be hashable; kept alive by its value
    names: dict[
        str, type
    ] = {}  # for classes defined in a function, whose annotations nothing else can resolve
    for given in ahead:
        if isinstance(given, type):
            names.setdefault(given.__name__, given)
    while ahead:
        annotation = ahead.pop()
        if id(annotation) in seen:
            continue
        seen[id(annotation)] = annotation
        if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
            names.setdefault(annotation.__name__, annotation)
            if _is_kept(annotation):
                yield annotation
            if _is_kept(annotation) or typing.is_typeddict(annotation):
                ahead.extend(_field_types(annotation, names))
        else:
            ahead.extend(_parts(annotation))


def _is_kept(kind: type) -> bool:
    return (
        issubclass(kind, enum.Enum)
        or dataclasses.is_dataclass(kind)
        or is_named_tuple(kind)
        or is_model(kind)
        or kind is ChunkList
    )


def _parts(annotation: Any) -> Iterator[object]:
    """What stands inside an annotation that is not a class itself: list[X], X | None, Annotated, a type alias."""
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        yield from (type(option) for option in typing.get_args(annotation))
        return
    if origin is not None:
        yield origin  # of a generic dataclass, Box[int]
        yield from typing.get_args(annotation)
    for attribute in ("__value__", "__supertype__", "__bound__"):  # of `type X = ...`, NewType, TypeVar
        with contextlib.suppress(AttributeError, NameError):
            yield getattr(annotation, attribute)
    yield from getattr(annotation, "__constraints__", ())


def _field_types(kind: type, names: dict[str, type]) -> list[object]:
    if is_model(kind):
        return [field.annotation for field in typing.cast(Any, kind).model_fields.values()]
    if issubclass(kind, enum.Enum):
        return []
    try:
        return list(typing.get_type_hints(kind, localns=names).values())
    except (NameError, TypeError, AttributeError):
        return list(_resolved_one_by_one(kind, names))


def _resolved_one_by_one(kind: type, names: dict[str, type]) -> Iterator[object]:
    """The annotations that can be resolved, although others of the class cannot."""
    for base in reversed(kind.__mro__):
        module = sys.modules.get(base.__module__)
        with contextlib.suppress(NameError, TypeError):
            for name, annotation in inspect.get_annotations(base).items():
                holder = types.SimpleNamespace(__annotations__={name: annotation})
                with contextlib.suppress(NameError, TypeError, AttributeError):
                    yield from typing.get_type_hints(holder, vars(module) if module else {}, names).values()
