"""Does what one step returns fit what another step takes?

What cannot be known does not refuse: an annotation that is missing, cannot be resolved, or is no class
(a TypeVar, a Protocol that cannot be checked) fits everything.
"""

from __future__ import annotations

import collections.abc
import enum
import inspect
import types
import typing
from collections.abc import Callable
from typing import Any, Literal

from onetwo_like.core.executable import Executable

# Nothing is known of the type.
UNKNOWN: Any = Any

_NUMBERS = {float: (int,), complex: (int, float)}  # as the typing rules have it
_LISTS = (collections.abc.Iterable, collections.abc.AsyncIterable)
_WRAPPERS = (
    collections.abc.Awaitable,
    collections.abc.Coroutine,
    collections.abc.AsyncIterator,
    collections.abc.AsyncIterable,
    collections.abc.AsyncGenerator,
    Executable,
)


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a function by parameter, and under "return", as far as they can be resolved."""
    target: Any = function
    while not (inspect.isroutine(target) or inspect.isclass(target)):
        inner = getattr(target, "func", None) or getattr(target, "__wrapped__", None)
        if inner is None:
            target = getattr(type(target), "__call__", target)  # noqa: B004  (the method, not whether)
            break
        target = inner
    if inspect.isclass(target):
        hints = _resolved(getattr(target, "__init__", target))
        return {**hints, "return": target}
    return _resolved(target)


def _resolved(function: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except Exception:  # noqa: BLE001  (an annotation may be anything, and need not even exist at run time)
        return {}


def returned(annotation: Any) -> Any:
    """The type of the value, for what a function is annotated to return: an awaitable's, an executable's."""
    origin = typing.get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, _WRAPPERS):
        arguments = typing.get_args(annotation)
        if not arguments:
            return UNKNOWN
        return returned(arguments[-1 if origin is collections.abc.Coroutine else 0])
    if isinstance(annotation, type) and issubclass(annotation, _WRAPPERS) and origin is None:
        return UNKNOWN
    return annotation


def type_of(value: Any) -> Any:
    """The type of a value that is there: as narrow as an annotation can be."""
    if value is None or isinstance(value, str | int | bytes | enum.Enum):
        return Literal[value]
    return type(value)


def element_of(annotation: Any) -> Any:
    """The type of the elements of a list of this type; None if it is none, so that nothing can map over it."""
    annotation = _plain(annotation)
    origin = typing.get_origin(annotation) or annotation
    if origin is UNKNOWN or not isinstance(origin, type):
        return UNKNOWN
    if issubclass(origin, str | bytes | collections.abc.Mapping) or not issubclass(origin, _LISTS):
        return UNKNOWN if origin is object else None
    arguments = [a for a in typing.get_args(annotation) if a is not Ellipsis]
    return arguments[0] if len(arguments) == 1 else UNKNOWN


def fits(source: Any, target: Any) -> bool:
    """Whether every value of the source's type is one of the target's: a subclass of it or of a union's member.

    >>> fits(bool, int | str), fits(str, int), fits(list[int], list[str]), fits(Any, int)
    (True, False, False, True)
    """
    source, target = _plain(source), _plain(target)
    if source is UNKNOWN or target is UNKNOWN or target is object:
        return True
    if _is_union(source):
        return all(fits(member, target) for member in typing.get_args(source))
    if _is_union(target):
        return any(fits(source, member) for member in typing.get_args(target))
    origin = typing.get_origin(source) or source
    wanted = typing.get_origin(target) or target
    if origin is Literal:
        values = typing.get_args(source)
        if wanted is Literal:
            allowed = typing.get_args(target)
            return all(any(v == a and type(v) is type(a) for a in allowed) for v in values)
        return all(fits(type(value), target) for value in values)
    if not isinstance(origin, type) or not isinstance(wanted, type):
        return wanted is not Literal or not isinstance(origin, type)
    try:
        below = issubclass(origin, (wanted, *_NUMBERS.get(wanted, ())))
    except TypeError:  # a Protocol or a TypedDict: nobody can tell
        return True
    return below and (
        origin is not wanted or _arguments_fit(typing.get_args(source), typing.get_args(target))
    )


def _arguments_fit(given: tuple[Any, ...], wanted: tuple[Any, ...]) -> bool:
    if len(given) != len(wanted) or Ellipsis in (*given, *wanted):
        return True
    return all(fits(g, w) for g, w in zip(given, wanted, strict=True))


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _plain(annotation: Any) -> Any:
    """The annotation without what says nothing about the class of a value."""
    if annotation is inspect.Parameter.empty or isinstance(annotation, str | typing.TypeVar):
        return UNKNOWN
    if annotation is None:
        return types.NoneType
    if typing.get_origin(annotation) is typing.Annotated:
        return _plain(typing.get_args(annotation)[0])
    if isinstance(annotation, typing.NewType):
        return _plain(annotation.__supertype__)
    return annotation


def shown(annotation: Any) -> str:
    """The type as it is written."""
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation.__name__
    return str(annotation).replace("typing.", "")
