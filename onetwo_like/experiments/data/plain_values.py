"""Which Python value does a cell of a table stand for, and how does it enter a hash?"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import hashlib
import json
import uuid
from collections.abc import Hashable, Mapping
from typing import Any

from onetwo_like.core.content import Chunk, ChunkList, Message
from onetwo_like.middleware.key import plain as keyed

_AS_IS = (str, int, bool, type(None))
_ARRAYS = frozenset({"numpy", "torch", "jax", "jaxlib", "tensorflow", "pyarrow"})


def plain(value: Any) -> Any:
    """The value in Python's own types: NaN and pandas' missing values are None, arrays are lists.

    >>> plain(float("nan")) is None
    True
    >>> plain(({"a": 1},))
    [{'a': 1}]
    """
    kind = type(value)
    if kind in _AS_IS:
        return value
    if isinstance(value, float):
        return None if value != value else float(value)
    if kind is list or kind is tuple:
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        named = [(plain(name), name, item) for name, item in value.items()]
        return {n if isinstance(n, Hashable) else name: plain(item) for n, name, item in named}
    package = kind.__module__.partition(".")[0]
    if package == "pandas":
        return _from_pandas(value, kind.__name__)
    if package in _ARRAYS and hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, str | int):  # of a class of its own, such as numpy's str_
        return str(value) if isinstance(value, str) else int(value)
    if isinstance(value, Chunk | Message):
        return value
    if isinstance(value, set | frozenset):
        return sorted([plain(item) for item in value], key=canonical)
    record = record_of(value)
    return value if record is None else plain(record)


def _from_pandas(value: Any, kind: str) -> Any:
    if kind in ("NAType", "NaTType"):
        return None
    if kind == "Timestamp":
        return value.to_pydatetime(warn=False)
    if kind == "Timedelta":
        return value.to_pytimedelta()
    return plain(value.tolist()) if hasattr(value, "tolist") else value


def record_of(value: Any) -> dict[str, Any] | None:
    """The fields of a mapping, a dataclass, a pydantic model or a named tuple; None if it is none of these."""
    if isinstance(value, Mapping):
        return dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return dict(value._asdict())
    if hasattr(type(value), "model_fields") and hasattr(value, "model_dump"):
        return dict(value.model_dump())
    return None


def canonical(value: Any) -> str:
    """JSON in which equal values are equal texts: keys sorted, what JSON lacks described.

    Raises TypeError for what has no description.

    >>> canonical({"b": 1, "a": "é"})
    '{"a":"é","b":1}'
    """
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_described)


def _described(value: Any) -> Any:
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return {f"${type(value).__name__}": value.isoformat()}
    if isinstance(value, datetime.timedelta):
        return {"$seconds": value.total_seconds()}
    if isinstance(value, decimal.Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, Chunk | ChunkList | Message | bytes) or hasattr(value, "__cache_key__"):
        return keyed(value, "an example")
    raise TypeError(
        f"{value!r:.80} is a {type(value).__name__}. "
        "Give it a method __cache_key__ that says what it is in str, numbers, lists and dicts"
    )


def hash_of_text(text: str) -> str:
    """The SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
