"""Under which key is a reply kept?

The key is the SHA-256 of a readable document: the operation, the resolved arguments with their
content, the backend's fingerprint and the sample path. Nothing about order, time or concurrency
enters it. Text stands in it in full; bytes as MIME type, length and SHA-256; a class by its name
and schema. The document is stored beside the value.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from onetwo_like.core.content import Chunk, ChunkList, Message, Reasoning, ToolCall, ToolResult
from onetwo_like.core.registry import Binding
from onetwo_like.core.request import Request
from onetwo_like.errors import UnstorableError

# Raise it when a change alters keys; tests/middleware/test_key.py pins the keys of known requests.
VERSION = 1

_text = json.encoder.encode_basestring  # in C; with surrogates as they are
_canonical = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False
).encode


class Keying:
    """Makes the keys of one binding: what does not change from call to call is written once."""

    def __init__(self, binding: Binding) -> None:
        self._fingerprint = _canonical(plain(binding.fingerprint, "the fingerprint"))
        self._prefix: str | None = None
        self._fields: list[tuple[str, Callable[[Any], Any] | None]] = []

    def document(self, request: Request) -> str:
        """The key document of a request, as canonical JSON."""
        if self._prefix is None:
            self._prepare(request)
        parts = []
        for (field, described), value in zip(self._fields, request.values, strict=True):
            if value is None:
                continue
            if value.__class__ is str:
                parts.append(field + _text(value))
            elif described is not None:
                parts.append(field + _canonical(described(value)))
            else:
                parts.append(field + _canonical(plain(value, field)))
        path = _canonical(list(request.sample_path)) if request.sample_path else "[]"
        return f'{self._prefix}{",".join(parts)}}},"sample_path":{path}}}'

    def _prepare(self, request: Request) -> None:
        op: Any = request.op
        described: Mapping[str, Callable[[Any], Any]] = getattr(op, "described", {})
        self._fields = [(f'"{name}":', described.get(name)) for name in op.parameters]
        self._prefix = (
            f'{{"version":{VERSION},"operation":"{op.name}","fingerprint":{self._fingerprint},"arguments":{{'
        )


def key_of(document: str) -> str:
    """The key under which the reply to a document's request is kept."""
    return hashlib.sha256(document.encode("utf-8", "surrogatepass")).hexdigest()


def plain(value: Any, where: str) -> Any:
    """The value as JSON that says what it is, with bytes by their hash."""
    if isinstance(value, float) and not math.isfinite(value):
        raise UnstorableError(
            f"{value!r} in {where.strip(':')} cannot be part of a cache key: it equals nothing"
        )
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, tuple | list):
        return [plain(item, where) for item in value]
    if isinstance(value, Message):
        return {"role": value.role, "content": plain(value.content, where)}
    if isinstance(value, ChunkList):
        return [_chunk(chunk) for chunk in value]
    if isinstance(value, Chunk):
        return _chunk(value)
    if isinstance(value, bytes):
        return _hashed(value)
    if isinstance(value, Mapping):
        if all(type(name) is str for name in value):
            return {name: plain(item, where) for name, item in value.items()}
        pairs = [[plain(name, where), plain(item, where)] for name, item in value.items()]
        return {"$dict": sorted(pairs, key=_canonical)}  # 1 and "1" are two keys
    if isinstance(value, frozenset):
        return {"$set": sorted([plain(item, where) for item in value], key=_canonical)}
    described = getattr(value, "__cache_key__", None)
    if described is not None:
        return plain(described(), where)
    raise UnstorableError(
        f"a {type(value).__name__} in {where.strip(':')} cannot be part of a cache key: {value!r:.80}. "
        "Give it a method __cache_key__ that says what it is in str, numbers, lists and dicts."
    )


def _chunk(chunk: Chunk) -> Any:
    if (
        isinstance(chunk.content, str)
        and chunk.role is None
        and not chunk.metadata
        and chunk.mime_type is None
    ):
        return chunk.content
    fields: dict[str, Any] = {"mime_type": chunk.mime_type, "role": chunk.role}
    fields["metadata"] = plain(chunk.metadata, "metadata") if chunk.metadata else None
    content = _content(chunk.content)
    return {**content, **{n: v for n, v in fields.items() if v is not None}}


def _content(content: str | bytes | ToolCall | ToolResult | Reasoning) -> dict[str, Any]:
    if isinstance(content, str):
        return {"text": content}
    if isinstance(content, bytes):
        return _hashed(content)
    if isinstance(content, ToolCall):
        arguments = plain(content.arguments, "the arguments of a tool call")
        return {"tool_call": content.name, "arguments": arguments, "id": content.id}
    if isinstance(content, ToolResult):
        result = plain(content.content, "the result of a tool")
        return {"tool_result": content.name, "content": result, "id": content.id, "failed": content.failed}
    return {"reasoning": content.text, "data": plain(content.data, "reasoning")}


def _hashed(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
