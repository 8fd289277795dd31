"""How does a mutable argument become a value that running cannot change?"""

from __future__ import annotations

import copy
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Mapping
from typing import Any, Never

_LIKE_DICT = frozenset({OrderedDict, defaultdict, Counter})
MUTABLE = frozenset({list, dict, set, bytearray, deque}) | _LIKE_DICT


class FrozenDict(dict[Any, Any]):
    """A dict that refuses to change; equal to the dict it was made of."""

    __slots__ = ()

    def _refuse(self, *_args: object, **_kwargs: object) -> Never:
        raise TypeError("this mapping is part of a frozen value; copy it with dict(...) to change it")

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = __ior__ = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __copy__(self) -> FrozenDict:
        return self

    def __deepcopy__(self, memo: object) -> FrozenDict:
        return self

    def __reduce__(self) -> tuple[type[FrozenDict], tuple[dict[Any, Any]]]:
        return FrozenDict, (dict(self),)


def freeze(value: Any) -> Any:
    """The value with lists as tuples, dicts as FrozenDicts and sets as frozensets, all the way down.

    >>> freeze({"stop": ["Q:", "A:"]})
    {'stop': ('Q:', 'A:')}
    """
    kind = type(value)
    if kind is tuple or isinstance(value, list):
        return tuple([freeze(item) for item in value])
    if isinstance(value, Mapping) and kind is not FrozenDict:
        return FrozenDict({key: freeze(item) for key, item in value.items()})
    if kind is set:
        return frozenset(value)
    if kind is bytearray:
        return bytes(value)
    return value


def thawed(value: Any) -> Any:
    """The inverse of `freeze` for what JSON holds: lists and dicts of one's own.

    >>> thawed(freeze({"stop": ["Q:", "A:"]}))
    {'stop': ['Q:', 'A:']}
    """
    if isinstance(value, Mapping):
        return {name: thawed(item) for name, item in value.items()}
    return [thawed(item) for item in value] if isinstance(value, tuple | list) else value


def copied(value: Any) -> Any:
    """The value with its lists, dicts, sets and other standard collections copied all the way down.

    Everything else is shared. Functions of the user's get real lists and dicts, their own on every run.
    """
    kind = type(value)
    if kind is list:
        return [copied(item) for item in value]
    if kind is dict:
        return {key: copied(item) for key, item in value.items()}
    if kind is tuple:
        return tuple([copied(item) for item in value]) if any(type(i) in COPIED for i in value) else value
    if kind is set or kind is bytearray:
        return kind(value)
    if kind is deque:
        return deque([copied(item) for item in value], value.maxlen)
    if kind in _LIKE_DICT:
        own = copy.copy(value)
        for key, item in value.items():
            own[key] = copied(item)
        return own
    return value


# The classes that `copied` looks into: a tuple may hold a list.
COPIED = MUTABLE | {tuple}
