"""How does a reply become bytes, and come back exactly?

Plain text is `t` and the text; all else is `j` and JSON, in which what JSON lacks carries a tag:

    (1, 2)            {"$tuple": [1, 2]}
    {1: "a"}          {"$dict": [[1, "a"]]}      also a dict with a key that begins with "$"
    b"..."            {"$bytes": "Li4u"}
    nan, inf, -inf    {"$float": "nan"}
    Size.S            {"$enum": "Size", "module": "shop", "name": "S"}
    City("Nice")      {"$dataclass": "City", "module": "geo", "fields": {"name": "Nice"}}

Everything is UTF-8 that a person can read. Nothing is unpickled, and a class named in the data is never
imported: it is looked up among the `KnownTypes` that the caller gives.
"""

from __future__ import annotations

import dataclasses
import enum
import json
from typing import Any, NoReturn, TypeAlias

from onetwo_like.core.content import ChunkList
from onetwo_like.core.frozen import FrozenDict
from onetwo_like.errors import CacheError, UnstorableError
from onetwo_like.middleware.codec_leaves import LEAF_READERS, plain_leaf, tagged_leaf
from onetwo_like.middleware.known_types import KnownTypes, is_model, is_named_tuple

ONLY_CONTENT = KnownTypes()
"""No classes but Chunk, ChunkList and Message."""

_Path: TypeAlias = "tuple[_Path, str, object, int] | None"  # above, how to show the step, the step, depth

_PLAIN = frozenset({str, int, float, bool, type(None)})
_SEQUENCES: dict[type, str] = {tuple: "$tuple", set: "$set", frozenset: "$frozenset", ChunkList: "$chunks"}
# A class that is also one of these would lose what it holds beside its fields.
_HOLDERS = (str, int, float, bytes, list, tuple, dict, set, frozenset, BaseException)
_MAX_DEPTH = 200  # well inside the recursion limit, here and where it is read

_dumps = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
).encode


def encode(value: object, types: KnownTypes | None = None) -> bytes:
    """The value as bytes that `decode` turns back into an equal value of the same type.

    With `types`, a class that is not among them is refused now, where it would be lost on replay.
    Raises UnstorableError, which names the type and the place in the value.

    >>> encode({"city": "Nice", "at": (43.7, 7.25)})
    b'j{"city":"Nice","at":{"$tuple":[43.7,7.25]}}'
    """
    if type(value) is str:
        try:
            return b"t" + value.encode()
        except UnicodeEncodeError:
            pass  # half of a surrogate pair, which the careful way below can write
    try:
        try:
            return b"j" + _dumps(_Encoder(types, careful=False).tree(value, None)).encode()
        except ValueError:  # a nan, a surrogate or a huge integer, worth no check in all the values without
            return b"j" + _dumps(_Encoder(types, careful=True).tree(value, None)).encode()
    except (ValueError, RecursionError) as error:
        raise UnstorableError(f"A {_name(type(value))} cannot be kept in the cache: {error}") from error


def decode(data: bytes, types: KnownTypes = ONLY_CONTENT) -> Any:
    """The value that `encode` made these bytes from.

    Raises CacheError if they are no such bytes, or hold a class that is not among `types`.

    >>> decode(b'j{"city":"Nice","at":{"$tuple":[43.7,7.25]}}')
    {'city': 'Nice', 'at': (43.7, 7.25)}
    """
    kind, text = data[:1], data[1:]
    try:
        if kind == b"t":
            return text.decode()
        if kind == b"j":
            return (
                json.loads(text) if b'"$' not in text else json.loads(text, object_hook=_Decoder(types).hook)
            )
    except (ValueError, LookupError, TypeError, ArithmeticError, AssertionError, RecursionError) as error:
        if isinstance(error, CacheError):
            raise
        raise CacheError(
            f"A stored value cannot be read ({type(error).__name__}: {error}): {data!r:.80}"
        ) from error
    raise CacheError(f"A stored value has no known form; it begins with {kind!r}, and t and j are known.")


class _Encoder:
    """Turns a value into what JSON can hold; `careful` looks at each str, int and float as well."""

    def __init__(self, types: KnownTypes | None, *, careful: bool) -> None:
        self.types = types
        self.careful = careful

    def tree(self, value: Any, path: _Path) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return plain_leaf(value) if self.careful else value
        if path is not None and path[3] >= _MAX_DEPTH:
            _refuse(value, path, f"lies deeper than {_MAX_DEPTH} levels (or contains itself)")
        if kind is list:
            return self.items(value, path)
        if kind is dict:
            return self.mapping(value, path)
        tag = _SEQUENCES.get(kind)
        if tag is not None:
            items = self.items(value, path)
            # Sets have no order of their own, and equal values are to give equal bytes.
            return {tag: sorted(items, key=_dumps) if kind in (set, frozenset) else items}
        if kind is FrozenDict:
            return {"$frozen": self.mapping(value, path)}
        try:
            leaf = tagged_leaf(value)
        except ValueError as error:
            _refuse(value, path, str(error))
        return self.typed(value, path) if leaf is None else leaf

    def items(self, values: Any, path: _Path) -> Any:
        if not self.careful and _PLAIN.issuperset(map(type, values)):
            return values if type(values) is list else list(values)
        return [self.tree(item, _step(path, "[{}]", i)) for i, item in enumerate(values)]

    def mapping(self, value: dict[Any, Any], path: _Path) -> Any:
        if all(type(key) is str and key[:1] != "$" and (not self.careful or _is_utf8(key)) for key in value):
            if not self.careful and _PLAIN.issuperset(map(type, value.values())):
                return value
            return {key: self.tree(item, _step(path, "[{!r}]", key)) for key, item in value.items()}
        pairs = [
            [self.tree(key, _step(path, ", key {!r}", key)), self.tree(item, _step(path, "[{!r}]", key))]
            for key, item in value.items()
        ]
        return {"$dict": pairs}

    def typed(self, value: Any, path: _Path) -> dict[str, Any]:
        kind = type(value)
        if self.types is not None and _is_typed(kind) and kind not in self.types:
            _refuse(
                value, path, "is of a class that the operation's types do not name: annotate what it returns"
            )
        if isinstance(value, enum.Enum):
            named = value.name in kind.__members__
            form = {"name": value.name} if named else {"value": self.tree(value.value, path)}
            return {"$enum": kind.__qualname__, "module": kind.__module__, **form}
        if is_model(kind):
            return {"$model": kind.__qualname__, "module": kind.__module__, **self.model(value, path)}
        if is_named_tuple(kind):
            names, tag = kind._fields, "$namedtuple"
        elif dataclasses.is_dataclass(kind) and not issubclass(kind, _HOLDERS):
            names, tag = [field.name for field in dataclasses.fields(kind)], "$dataclass"
        else:
            _refuse(value, path, "is of a type that has no stored form")
        return {tag: kind.__qualname__, "module": kind.__module__, "fields": self.fields(value, names, path)}

    def fields(self, value: Any, names: Any, path: _Path) -> dict[str, Any]:
        missing = [name for name in names if not hasattr(value, name)]
        if missing:
            _refuse(value, path, f"has no value for its field {missing[0]!r}")
        return {name: self.tree(getattr(value, name), _step(path, ".{}", name)) for name in names}

    def model(self, value: Any, path: _Path) -> dict[str, Any]:
        form: dict[str, Any] = {
            "fields": self.fields(value, type(value).model_fields, path),
            "set": sorted(value.model_fields_set),
        }
        if value.__pydantic_extra__ is not None:
            form["extra"] = self.mapping(value.__pydantic_extra__, path)
        if value.__pydantic_private__ is not None:
            form["private"] = self.mapping(value.__pydantic_private__, path)
        return form


class _Decoder:
    """Turns tagged dicts back, innermost first, as json finds them."""

    def __init__(self, types: KnownTypes) -> None:
        self.types = types

    def hook(self, form: dict[str, Any]) -> Any:
        tag = next(iter(form), "")
        if tag[:1] != "$":
            return form
        read = LEAF_READERS.get(tag) or _READERS.get(tag)
        if read is not None:
            return read(form)
        if tag in ("$enum", "$namedtuple", "$dataclass", "$model"):
            return self.typed(tag, form)
        raise CacheError(
            f"A stored value has the tag {tag!r}, which this version of onetwo-like does not know."
        )

    def typed(self, tag: str, form: dict[str, Any]) -> Any:
        kind: Any = self.types.named(form[tag], form["module"])
        if kind is None:
            known = ", ".join(sorted(known.__qualname__ for known in self.types))
            raise CacheError(
                f"The stored value is a {form['module']}.{form[tag]}, and the operation's types lead to no class of "
                f"that name (to {known}). Annotate the operation with it, or name it as `cls`."
            )
        if tag == "$enum" and issubclass(kind, enum.Enum):
            return kind[form["name"]] if "name" in form else kind(form["value"])
        fields: dict[str, Any] = form["fields"]
        if tag == "$namedtuple" and is_named_tuple(kind):
            _check_fields(kind, kind._fields, fields)
            return kind._make(fields[name] for name in kind._fields)
        if tag == "$dataclass" and dataclasses.is_dataclass(kind):
            _check_fields(kind, [field.name for field in dataclasses.fields(kind)], fields)
            # Past __init__: it may compute, check or refuse, and this is the value that came out of it.
            return _made(kind, fields)
        if tag == "$model" and is_model(kind):
            _check_fields(kind, kind.model_fields, fields)
            # As pydantic unpickles: past validation, which may change what it has already changed once.
            state: dict[str, Any] = {"__dict__": fields, "__pydantic_fields_set__": set(form["set"])}
            state |= {"__pydantic_extra__": form.get("extra"), "__pydantic_private__": form.get("private")}
            return _made(kind, state)
        raise CacheError(
            f"The stored value is a {tag[1:]} {form[tag]}, and the class of that name is another kind."
        )


_READERS: dict[str, Any] = {
    "$tuple": lambda form: tuple(form["$tuple"]),
    "$set": lambda form: set(form["$set"]),
    "$frozenset": lambda form: frozenset(form["$frozenset"]),
    "$chunks": lambda form: ChunkList(form["$chunks"]),
    "$frozen": lambda form: FrozenDict(form["$frozen"]),
    "$dict": lambda form: dict(form["$dict"]),
}


def _made(kind: Any, attributes: dict[str, Any]) -> Any:
    value = object.__new__(kind)
    for name, item in attributes.items():
        object.__setattr__(value, name, item)
    return value


def _check_fields(kind: Any, now: Any, stored: dict[str, Any]) -> None:
    if set(now) != stored.keys():
        raise CacheError(
            f"{_name(kind)} has the fields {', '.join(now)}, and the stored value {', '.join(stored)}: the class has "
            'changed since. Ask again with mode="refresh", or restore the class.'
        )


def _is_typed(kind: type) -> bool:
    return (
        issubclass(kind, enum.Enum)
        or dataclasses.is_dataclass(kind)
        or is_named_tuple(kind)
        or is_model(kind)
    )


def _is_utf8(text: str) -> bool:
    return type(plain_leaf(text)) is str


def _name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _step(path: _Path, shown: str, step: object) -> _Path:
    return path, shown, step, 1 if path is None else path[3] + 1


def _refuse(value: object, path: _Path, why: str) -> NoReturn:
    steps = []
    while path is not None:
        path, shown, step, _depth = path
        steps.append(shown.format(step))
    place = "value" + "".join(reversed(steps))
    raise UnstorableError(
        f"A {_name(type(value))} cannot be kept in the cache: {place:.300} {why}. The cache keeps str, bytes, int, "
        "float, bool, None, list, tuple, dict, set, frozenset, enums, dates, dataclasses, pydantic models, named "
        "tuples, ot.ChunkList and numpy arrays."
    )
