"""How is a single value that JSON lacks written as JSON, and read again?

A leaf holds no other values: bytes, dates, decimals, odd floats, numpy arrays. Each is a dict whose first
key is its tag.
"""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import io
import math
import struct
import sys
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any

from onetwo_like.errors import CacheError

_CANONICAL_NAN = struct.pack(">d", math.nan)
# Decimal integers this short are written under any limit that sys.set_int_max_str_digits allows.
_LONGEST_INT_BITS = 2_000


def plain_leaf(value: str | float | bool | None) -> Any:
    """A str, int, float, bool or None as it stands, or tagged if JSON text in UTF-8 could not hold it."""
    kind = type(value)
    if kind is float and not math.isfinite(value):  # type: ignore[arg-type]
        packed = struct.pack(">d", value)
        exact = value == value or packed == _CANONICAL_NAN
        return {"$float": repr(value) if exact else packed.hex()}
    if kind is int and value.bit_length() > _LONGEST_INT_BITS:  # type: ignore[union-attr]
        return {"$int": hex(value)}  # type: ignore[arg-type]
    if kind is str:
        try:
            value.encode()  # type: ignore[union-attr]
        except UnicodeEncodeError:
            return {"$str": _escaped(str(value))}
    return value


def tagged_leaf(value: Any) -> dict[str, Any] | None:
    """The tagged form of a bytes, date, decimal, UUID or numpy value; None for all else.

    Raises ValueError for an array of objects, which only pickle could write.
    """
    writer = _WRITERS.get(type(value))
    if writer is not None:
        return writer(value)
    numpy = sys.modules.get("numpy")
    if numpy is None or not (type(value) is numpy.ndarray or isinstance(value, numpy.generic)):
        return None
    if type(value) is numpy.str_:
        return {"$numpy_str": _escaped(str(value))}
    if type(value) is numpy.bytes_:  # an array of it would lose zero bytes at the end
        return {"$numpy_bytes": _base64(bytes(value))}
    file = io.BytesIO()
    numpy.save(file, value, allow_pickle=False)
    if type(value) is numpy.ndarray:
        # shape and dtype are for the person who reads the entry
        return {"$ndarray": _base64(file.getvalue()), "shape": list(value.shape), "dtype": str(value.dtype)}
    return {"$numpy": _base64(file.getvalue()), "shown": str(value)}


def _escaped(text: str) -> str:
    # JSON's own escapes would join two surrogates into one character.
    return text.encode("unicode_escape").decode("ascii")


def _unescaped(text: str) -> str:
    return text.encode("ascii").decode("unicode_escape")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _moment(tag: str, value: dt.datetime | dt.time) -> dict[str, Any] | None:
    """A datetime or time, whose ISO form has neither the fold nor the name of its zone."""
    form: dict[str, Any] = {tag: value.isoformat()}
    zone = value.tzinfo
    if isinstance(zone, zoneinfo.ZoneInfo):
        if zone.key is None:
            return None
        form = {tag: value.replace(tzinfo=None).isoformat(), "zone": zone.key}
    elif type(zone) is dt.timezone:
        name = zone.tzname(None)
        if name != dt.timezone(zone.utcoffset(None)).tzname(None):
            form["zone_name"] = name
    elif zone is not None:
        return None
    if value.fold:
        form["fold"] = 1
    return form


def _moment_read(kind: type[dt.datetime] | type[dt.time], tag: str) -> Callable[[dict[str, Any]], Any]:
    def read(form: dict[str, Any]) -> dt.datetime | dt.time:
        value = kind.fromisoformat(form[tag])
        if "zone" in form:
            value = value.replace(tzinfo=zoneinfo.ZoneInfo(form["zone"]))
        if "zone_name" in form:
            offset = value.utcoffset()
            assert offset is not None
            value = value.replace(tzinfo=dt.timezone(offset, form["zone_name"]))
        return value.replace(fold=form.get("fold", 0))

    return read


def _float_read(text: str) -> float:
    if text in ("nan", "inf", "-inf"):
        return float(text)
    [value] = struct.unpack(">d", bytes.fromhex(text))
    return float(value)


def _numpy_read(data: str) -> Any:
    try:
        import numpy
    except ImportError as error:
        raise CacheError("This entry holds a numpy array: pip install numpy to read it.") from error
    return numpy.load(io.BytesIO(_bytes(data)), allow_pickle=False)


def _numpy_text_read(text: str) -> Any:
    import numpy

    return numpy.str_(_unescaped(text))


def _numpy_bytes_read(text: str) -> Any:
    import numpy

    return numpy.bytes_(_bytes(text))


_WRITERS: dict[type, Callable[[Any], dict[str, Any] | None]] = {
    bytes: lambda value: {"$bytes": _base64(value)},
    dt.date: lambda value: {"$date": value.isoformat()},
    dt.datetime: lambda value: _moment("$datetime", value),
    dt.time: lambda value: _moment("$time", value),
    dt.timedelta: lambda value: {"$timedelta": [value.days, value.seconds, value.microseconds]},
    decimal.Decimal: lambda value: {"$decimal": str(value)},
    uuid.UUID: lambda value: {"$uuid": str(value)},
}

LEAF_READERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "$float": lambda form: _float_read(form["$float"]),
    "$int": lambda form: int(form["$int"], 16),
    "$str": lambda form: _unescaped(form["$str"]),
    "$bytes": lambda form: _bytes(form["$bytes"]),
    "$date": lambda form: dt.date.fromisoformat(form["$date"]),
    "$datetime": _moment_read(dt.datetime, "$datetime"),
    "$time": _moment_read(dt.time, "$time"),
    "$timedelta": lambda form: dt.timedelta(*form["$timedelta"]),
    "$decimal": lambda form: decimal.Decimal(form["$decimal"]),
    "$uuid": lambda form: uuid.UUID(form["$uuid"]),
    "$ndarray": lambda form: _numpy_read(form["$ndarray"]),
    "$numpy": lambda form: _numpy_read(form["$numpy"])[()],
    "$numpy_str": lambda form: _numpy_text_read(form["$numpy_str"]),
    "$numpy_bytes": lambda form: _numpy_bytes_read(form["$numpy_bytes"]),
}
"""For each tag, the function that makes the value of the whole tagged dict."""
