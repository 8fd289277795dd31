"""How is OpenAI's responses API asked, and what becomes of its answers?"""

from __future__ import annotations

import json
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
from onetwo_like.backends.openai_chat import items_of, result_text, url_of
from onetwo_like.backends.openai_schema import response_format
from onetwo_like.backends.stainless import Api, count, read_count
from onetwo_like.core.content import Chunk, Message, Reasoning, ToolCall, ToolResult
from onetwo_like.core.events import emit_text
from onetwo_like.core.frozen import thawed
from onetwo_like.core.request import Usage
from onetwo_like.errors import (
    ConnectionFailedError,
    ContentRefusedError,
    InvalidRequestError,
    MalformedReplyError,
    OverloadedError,
    RateLimitedError,
)

_ROLES = {"system": "system", "user": "user", "model": "assistant"}
# What the provider's own tools, which `extra` may ask for, did for the answer.
_DONE_BY_THE_PROVIDER = (
    "code_interpreter_call",
    "file_search_call",
    "mcp_call",
    "mcp_list_tools",
    "web_search_call",
)


# What is sent


def wire_input(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """A conversation as items. Raises InvalidRequestError for content that the API cannot take."""
    return [item for message in messages for item in _items(message)]


def _items(message: Message) -> list[dict[str, Any]]:
    role = _ROLES[message.role]
    if isinstance(message.content, str):
        return [{"role": role, "content": message.content}]
    items: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    for chunk in message.content:
        item = _item(chunk)
        if item is None:
            parts.append(_part(chunk, message.role))
            continue
        if parts:  # the order of what was said and called is kept
            items.append({"role": role, "content": parts})
            parts = []
        items += item
    return [*items, {"role": role, "content": parts}] if parts else items


def _item(chunk: Chunk) -> list[dict[str, Any]] | None:
    """The items of their own that a chunk is, maybe none; None for what is part of a message."""
    content = chunk.content
    if isinstance(content, ToolCall):
        arguments = json.dumps(content.arguments, ensure_ascii=False)
        call_id = content.id or content.name
        return [{"type": "function_call", "call_id": call_id, "name": content.name, "arguments": arguments}]
    if isinstance(content, ToolResult):
        call_id = content.id or content.name
        return [{"type": "function_call_output", "call_id": call_id, "output": result_text(content)}]
    if isinstance(content, Reasoning):
        return [thawed(content.data)] if content.data and content.data.get("type") == "reasoning" else []
    return None


def _part(chunk: Chunk, role: str) -> dict[str, Any]:
    if chunk.is_text:
        return {"type": "output_text" if role == "model" else "input_text", "text": chunk.content}
    mime = chunk.kind
    if role == "user" and mime.startswith("image/"):
        return {"type": "input_image", "image_url": url_of(chunk)}
    if role == "user" and mime == "application/pdf":
        if isinstance(chunk.content, bytes):
            return {"type": "input_file", "filename": "document.pdf", "file_data": url_of(chunk)}
        return {"type": "input_file", "file_url": url_of(chunk)}
    raise InvalidRequestError(
        f"the responses API takes text, and from the user images and PDF; the {role} message has a chunk of {mime}"
    )


def wire_response_tools(asked: Asked) -> dict[str, Any]:
    """The fields for the tools that the model may call, or for the one with which it must answer."""
    if asked.output is not None and asked.output.form == "tool":
        tool = _tool(ANSWER, "The answer.", asked.output.schema)
        return {"tools": [tool], "tool_choice": {"type": "function", "name": ANSWER}}
    if not asked.tools:
        return {}
    fields: dict[str, Any] = {"tools": [_tool(t.name, t.description, t.parameters) for t in asked.tools]}
    if asked.tool_choice in ("auto", "required", "none"):
        fields["tool_choice"] = asked.tool_choice
    elif asked.tool_choice is not None:
        fields["tool_choice"] = {"type": "function", "name": asked.tool_choice}
    return fields


def _tool(name: str, description: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    told = {"type": "function", "name": name, "description": description}
    return {**told, "parameters": thawed(parameters), "strict": False}


def wire_text(output: Output | None) -> dict[str, Any]:
    """The fields that ask for an object."""
    if output is None or output.form in ("tool", "words"):
        return {}
    if output.form == "json":
        return {"text": {"format": {"type": "json_object"}}}
    schema = response_format(output.schema, output.name)["json_schema"]
    return {"text": {"format": {"type": "json_schema", **schema}}}


# What comes back


def read_response(reply: dict[str, Any]) -> list[Choice]:
    """The one choice that a response is."""
    status = reply.get("status")
    if status == "failed":
        _raise_failure(reply.get("error"))
    if status not in ("completed", "incomplete", None):  # some servers give none
        raise MalformedReplyError(f"the response is {status!r:.60}, not completed")
    chunks: list[Chunk] = []
    for item in items_of(reply, "output"):
        chunks += _chunks(item, _reason(reply))
    reason = _reason(reply)
    if reason is None and any(isinstance(chunk.content, ToolCall) for chunk in chunks):
        reason = "tool_calls"
    if reason is None and status == "completed":
        reason = "stop"
    return [choice_of(chunks, reason, reply.get("pieces"))]


def _reason(reply: Mapping[str, Any]) -> str | None:
    """Why a response is incomplete; None if it is not."""
    if reply.get("status") != "incomplete":
        return None
    reason = (reply.get("incomplete_details") or {}).get("reason")
    if reason == "content_filter":
        raise ContentRefusedError("the provider's content filter stopped the answer. Change the prompt.")
    return "length" if reason == "max_output_tokens" else str(reason)


def _chunks(item: dict[str, Any], reason: str | None) -> list[Chunk]:
    kind = item.get("type")
    if kind == "message":
        return [_said(part) for part in items_of(item, "content")]
    if kind == "function_call":
        if not isinstance(item.get("name"), str):
            raise MalformedReplyError(f"a tool call names no function: {excerpt(str(item))}")
        arguments = arguments_of(item.get("arguments"), item["name"], reason)
        return [Chunk(ToolCall(item["name"], arguments, str(item.get("call_id") or "")))]
    if kind == "reasoning":
        summaries = [part.get("text", "") for part in item.get("summary") or () if isinstance(part, dict)]
        return [Chunk(Reasoning("\n\n".join(summaries), item))]
    if kind in _DONE_BY_THE_PROVIDER:
        return []
    raise MalformedReplyError(f"the response has an item that is not known here: {excerpt(str(item))}")


def _said(part: dict[str, Any]) -> Chunk:
    if part.get("type") == "refusal":
        raise refused(part.get("refusal"))
    if part.get("type") == "output_text" and isinstance(part.get("text"), str):
        return Chunk(part["text"])
    raise MalformedReplyError(f"the response has content that is not known here: {excerpt(str(part))}")


def _raise_failure(error: Any) -> None:
    code, said = (error.get("code"), error.get("message")) if isinstance(error, dict) else (None, error)
    if code == "rate_limit_exceeded":
        raise RateLimitedError(f"the response failed: {excerpt(str(said))}")
    raise OverloadedError(f"the response failed: {code or 'error'}: {excerpt(str(said))}")


def usage_of_response(reply: dict[str, Any]) -> Usage | None:
    """The tokens that the provider counted, None if it did not."""
    usage = reply.get("usage")
    if not isinstance(usage, dict):
        return None
    return Usage(
        input_tokens=count(usage, "input_tokens"),
        output_tokens=count(usage, "output_tokens"),
        cached_tokens=count(usage.get("input_tokens_details"), "cached_tokens"),
        reasoning_tokens=count(usage.get("output_tokens_details"), "reasoning_tokens"),
    )


async def gather_response(events: AsyncIterator[object]) -> dict[str, Any]:
    """The response with which a stream of events ends; a ConnectionFailedError if it ends without one."""
    pieces: list[str] = []
    async for event in events:
        if not isinstance(event, dict):
            raise MalformedReplyError(f"an event of the stream is not an object: {excerpt(str(event))}")
        kind = event.get("type")
        if kind == "response.output_text.delta" and isinstance(event.get("delta"), str):
            pieces.append(event["delta"])
            emit_text(event["delta"])
        elif kind == "error":
            _raise_failure(event.get("error") or event)
        elif kind in ("response.completed", "response.incomplete", "response.failed"):
            response = event.get("response")
            if not isinstance(response, dict):
                raise MalformedReplyError(f"the stream ends without a response: {excerpt(str(event))}")
            return {**response, "pieces": tuple(pieces)}
    raise ConnectionFailedError(
        f"the stream broke off without a response, after {sum(map(len, pieces))} characters"
    )


RESPONSES = Api("responses", "/responses", read_response, usage_of_response, gather_response)
INPUT_TOKENS = Api("responses.input_tokens", "/responses/input_tokens", read_count, lambda reply: None)
