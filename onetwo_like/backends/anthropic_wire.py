"""What is sent to Anthropic's messages API, and what is made of its answers and streams?"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from onetwo_like.backends.chat_model import (
    ANSWER,
    Asked,
    Choice,
    Output,
    arguments_of,
    choice_of,
    refused,
)
from onetwo_like.backends.failures import excerpt
from onetwo_like.backends.stainless import Api, count, read_count
from onetwo_like.backends.strict_schema import CannotBeStrict, is_recursive, strict
from onetwo_like.core.content import Chunk, ChunkList, Message, Reasoning, ToolCall, ToolResult
from onetwo_like.core.events import emit_text
from onetwo_like.core.frozen import thawed
from onetwo_like.core.request import Usage
from onetwo_like.errors import ConnectionFailedError, InvalidRequestError, MalformedReplyError

_ROLES = {"system": "system", "user": "user", "model": "assistant"}
_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_THOUGHTS = ("thinking", "redacted_thinking")
_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
}


# What is sent


def wire_conversation(messages: Iterable[Message]) -> dict[str, Any]:
    """The fields for a conversation. Raises InvalidRequestError for content that the API cannot take.

    System messages at the beginning are the `system` field. A later one stands where it was said: newer models
    take it, and the API says of others that they do not.
    """
    left = list(messages)
    first: list[Chunk] = []
    while left and left[0].role == "system":
        first += ChunkList(left.pop(0).content)
    system = _content(ChunkList(first), "system")
    said = [{"role": _ROLES[m.role], "content": _content(m.content, m.role)} for m in left]
    return {**({"system": system} if system else {}), "messages": said}


def _content(content: str | ChunkList, role: str) -> str | list[dict[str, Any]]:
    """Content as blocks, or as text if that is all."""
    if isinstance(content, str):
        return content
    blocks = [block for chunk in content if (block := _block(chunk, role)) is not None]
    return blocks[0]["text"] if [block["type"] for block in blocks] == ["text"] else blocks


def _block(chunk: Chunk, role: str) -> dict[str, Any] | None:
    """A chunk as the API takes it from this role; None for what is not sent."""
    content = chunk.content
    if chunk.is_text:
        return {"type": "text", "text": content} if content else None  # the API refuses empty ones
    if isinstance(content, Reasoning) and role == "model":
        # Only what Anthropic has signed: it does not take another model's thoughts for its own.
        is_own = content.data is not None and content.data.get("type") in _THOUGHTS
        return thawed(content.data) if is_own else None
    if isinstance(content, ToolCall) and role == "model":
        call_id = content.id or content.name
        return {"type": "tool_use", "id": call_id, "name": content.name, "input": thawed(content.arguments)}
    if isinstance(content, ToolResult) and role == "user":
        return _result(content)
    if role == "user" and chunk.kind in _IMAGES:
        return {"type": "image", "source": _source(chunk)}
    if role == "user" and chunk.kind == "application/pdf":
        return {"type": "document", "source": _source(chunk)}
    raise InvalidRequestError(
        "Anthropic takes text, and from the user and from tools images (jpeg, png, gif, webp) and PDF; "
        f"the {role} message has a chunk of {chunk.kind}"
    )


def _result(result: ToolResult) -> dict[str, Any]:
    content = _content(result.content, "user")
    told = {"type": "tool_result", "tool_use_id": result.id or result.name, "content": content}
    return {**told, "is_error": True} if result.failed else told


def _source(chunk: Chunk) -> dict[str, Any]:
    if isinstance(chunk.content, bytes):
        data = base64.b64encode(chunk.content).decode("ascii")
        return {"type": "base64", "media_type": chunk.mime_type, "data": data}
    if isinstance(chunk.content, str) and chunk.content.startswith(("http://", "https://")):
        return {"type": "url", "url": chunk.content}
    raise InvalidRequestError(
        f"Anthropic takes a chunk of {chunk.kind} as bytes or by a URL, not as {chunk.content!r:.60}"
    )


def wire_tools(asked: Asked) -> dict[str, Any]:
    """The fields for the tools that the model may call."""
    if not asked.tools:
        return {}
    fields: dict[str, Any] = {"tools": [_tool(t.name, t.description, t.parameters) for t in asked.tools]}
    if asked.tool_choice is not None:
        kinds = {"auto": "auto", "required": "any", "none": "none"}
        kind = kinds.get(asked.tool_choice)
        fields["tool_choice"] = {"type": kind} if kind else {"type": "tool", "name": asked.tool_choice}
    return fields


def _tool(name: str, description: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "description": description, "input_schema": thawed(parameters)}


def wire_output(output: Output | None) -> dict[str, Any]:
    """The fields that ask for an object: its schema, or a tool that the model must call with it.

    What the API's schemas cannot express (a dict with any keys, a type within itself) takes the tool.
    """
    if output is None:
        return {}
    schema = output.schema
    try:
        if output.form == "schema" and not is_recursive(schema):
            made = strict(schema, frozenset())
            return {"output_config": {"format": {"type": "json_schema", "schema": made}}}
    except CannotBeStrict:
        pass
    tool = _tool(ANSWER, "The answer.", schema)
    return {"tools": [tool], "tool_choice": {"type": "tool", "name": ANSWER}}


# What comes back


def read_message(reply: dict[str, Any]) -> list[Choice]:
    """The one choice that a message is; what tools did that ran at the provider is left out."""
    blocks = _list(reply, "content")
    reason = reply.get("stop_reason")
    if reason == "refusal":
        raise refused(_explanation(reply.get("stop_details")) or _text(blocks))
    chunks = [chunk for block in blocks if (chunk := _chunk(block, reason)) is not None]
    if not chunks and reason == "stop_sequence":
        chunks = [Chunk("")]  # it stopped before the first word, as it was asked to
    return [choice_of(chunks, _REASONS.get(reason, reason) if reason else None, reply.get("pieces"))]


def _explanation(details: object) -> Any:
    return details.get("explanation") or details.get("category") if isinstance(details, dict) else None


def _text(blocks: list[dict[str, Any]]) -> str:
    return "".join(str(block["text"]) for block in blocks if "text" in block)


def _chunk(block: dict[str, Any], reason: object) -> Chunk | None:
    kind = block.get("type")
    if kind == "text" and isinstance(block.get("text"), str):
        return Chunk(block["text"])
    if kind == "tool_use" and isinstance(block.get("name"), str):
        return Chunk(ToolCall(block["name"], _arguments(block, reason), str(block.get("id") or "")))
    if kind in _THOUGHTS:
        return Chunk(Reasoning(str(block.get("thinking") or ""), block))
    if kind in ("text", "tool_use") or not isinstance(kind, str):
        raise MalformedReplyError(f"a block of the answer has not what it should: {excerpt(str(block))}")
    return None


def _arguments(block: dict[str, Any], reason: object) -> Mapping[str, Any]:
    given = block.get("input")
    if isinstance(given, dict):
        return given
    return arguments_of(given, block["name"], "length" if reason == "max_tokens" else None)


def _list(reply: dict[str, Any], field: str) -> list[dict[str, Any]]:
    items = reply.get(field)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise MalformedReplyError(f"the reply has no {field}: {excerpt(str(reply))}")
    return items


def usage_of_message(reply: dict[str, Any]) -> Usage | None:
    """The tokens that the provider counted, None if it did not: those sent include the cached ones."""
    usage = reply.get("usage")
    if not isinstance(usage, dict):
        return None
    cached = count(usage, "cache_read_input_tokens")
    written = count(usage, "cache_creation_input_tokens")
    rest = count(usage, "input_tokens")
    return Usage(
        input_tokens=None if rest is None else rest + (cached or 0) + (written or 0),
        output_tokens=count(usage, "output_tokens"),
        cached_tokens=cached,
        reasoning_tokens=count(usage.get("output_tokens_details"), "thinking_tokens"),
        cache_write_tokens=written,
        cache_write_1h_tokens=count(usage.get("cache_creation"), "ephemeral_1h_input_tokens"),
    )


async def gather_message(events: AsyncIterator[object]) -> dict[str, Any]:
    """The message that a stream of events amounts to; publishes each piece of text as it comes.

    Raises ConnectionFailedError if the stream ends before the message does: what has come is no answer.
    """
    message: dict[str, Any] = {}
    usage: dict[str, Any] = {}
    blocks: dict[int | None, dict[str, Any]] = {}
    pieces: list[str] = []
    is_whole = False
    async for event in events:
        if not isinstance(event, dict):
            raise MalformedReplyError(f"an event of the stream is not an object: {excerpt(str(event))}")
        kind = event.get("type")
        if kind == "message_start":
            message = {**_object(event, "message")}
            usage |= _counts(message)
        elif kind == "content_block_start":
            blocks[count(event, "index")] = {**_object(event, "content_block")}
        elif kind == "content_block_delta":
            _grow(blocks.setdefault(count(event, "index"), {}), _object(event, "delta"), pieces)
        elif kind == "message_delta":
            message |= _object(event, "delta")
            usage |= _counts(event)
        elif kind == "message_stop":
            is_whole = message.get("stop_reason") is not None
    if not is_whole:
        raise ConnectionFailedError(
            f"the stream broke off before the message ended, after {sum(map(len, pieces))} characters"
        )
    return {**message, "usage": usage, "content": list(blocks.values()), "pieces": tuple(pieces)}


def _grow(block: dict[str, Any], delta: dict[str, Any], pieces: list[str]) -> None:
    """Adds what an event brings to its block. (The input of a tool comes as pieces of JSON.)"""
    kind = delta.get("type")
    if kind == "text_delta":
        text = str(delta.get("text") or "")
        block["text"] = str(block.get("text") or "") + text
        if text:
            pieces.append(text)
            emit_text(text)
    elif kind == "input_json_delta":
        so_far = block.get("input")
        block["input"] = (so_far if isinstance(so_far, str) else "") + str(delta.get("partial_json") or "")
    elif kind == "thinking_delta":
        block["thinking"] = str(block.get("thinking") or "") + str(delta.get("thinking") or "")
    elif kind == "signature_delta":
        block["signature"] = delta.get("signature")


def _counts(event: dict[str, Any]) -> dict[str, Any]:
    """The numbers of tokens so far: what is left out here was said before."""
    usage = event.get("usage")
    return {n: v for n, v in usage.items() if v is not None} if isinstance(usage, dict) else {}


def _object(event: dict[str, Any], field: str) -> dict[str, Any]:
    value = event.get(field)
    if not isinstance(value, dict):
        raise MalformedReplyError(f"an event of the stream has no {field}: {excerpt(str(event))}")
    return value


MESSAGES = Api("messages", "/v1/messages", read_message, usage_of_message, gather_message)
COUNT_TOKENS = Api("messages.count_tokens", "/v1/messages/count_tokens", read_count, lambda reply: None)
