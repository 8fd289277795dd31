"""How does a trace become plain data, and a trace again?"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from onetwo_like.core.evaluation import Node
from onetwo_like.core.request import Usage
from onetwo_like.core.trace import Span
from onetwo_like.core.trace_text import shown, type_of
from onetwo_like.errors import UsageError

# Values nested deeper than this are shown as text: no prompt is, and some objects contain themselves.
DEEPEST = 40


class RecordedError(Exception):
    """An error of a run that was read from a file: no class named in data is ever imported."""

    def __init__(self, type_name: str, message: str) -> None:
        super().__init__(message)
        self.type_name = type_name

    def __repr__(self) -> str:
        return f"{self.type_name}({self.args[0]!r})"


def plain(value: Any, depth: int = 0) -> Any:
    """The value as JSON has it: records by their fields, what is of no such kind by its repr."""
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else repr(value)
    if depth >= DEEPEST or isinstance(value, Node):
        return shown(value, repr)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Mapping):
        return {k if isinstance(k, str) else shown(k, repr): plain(v, depth + 1) for k, v in value.items()}
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes>"
    if isinstance(value, BaseException):
        return {"type": type_of(value), "message": shown(value, str)}
    fields = _fields(value)
    if fields is not None:
        return {name: plain(getattr(value, name, None), depth + 1) for name in fields}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item, depth + 1) for item in value]
    return shown(value, repr)


def _fields(value: Any) -> list[str] | None:
    """The names of a record's fields: of a dataclass, a named tuple or a pydantic model."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [field.name for field in dataclasses.fields(value)]
    kind = type(value)
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return list(kind._fields)
    model = getattr(kind, "model_fields", None)
    return list(model) if isinstance(model, Mapping) else None


def to_dict(root: Span) -> dict[str, Any]:
    """See `Span.to_dict`."""
    found: dict[str, Any] = {}
    waiting = [(root, found)]
    while waiting:  # not by recursion: there may be thousands within one another
        span, data = waiting.pop()
        data |= {
            "name": span.name,
            "start": span.start,
            "duration": span.duration,
            "waiting": span.waiting,
            "sample_path": list(span.sample_path),
            "inputs": plain(span.inputs),
            "output": plain(span.output),
            "usage": None if span.usage is None else span.usage._asdict(),
            "cost": span.cost,
            "cache": span.cache,
            "attempts": span.attempts,
            "error": None if span.error is None else plain(span.error),
            "children": [{} for _ in span.children],
        }
        waiting.extend(zip(span.children, data["children"], strict=True))
    return found


def from_dict(data: Mapping[str, Any]) -> Span:
    """See `Span.from_dict`."""
    try:
        root = _span(data, None)
        waiting = [(root, data)]
        while waiting:
            parent, described = waiting.pop()
            for child in described["children"]:
                waiting.append((_span(child, parent), child))
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"Span.from_dict takes what to_dict gave, and here {error!r} is missing or wrong"
        ) from None
    return root


def _span(data: Mapping[str, Any], parent: Span | None) -> Span:
    span = Span(data["name"], parent, tuple(data["sample_path"]), data["inputs"], True)
    span.start = data["start"]
    span.duration = data["duration"]
    span.waiting = data["waiting"]
    span.output = data["output"]
    span.usage = None if data["usage"] is None else Usage(**data["usage"])
    span.cache = data["cache"]
    span.attempts = data["attempts"]
    error = data["error"]
    span.error = None if error is None else RecordedError(error["type"], error["message"])
    return span
