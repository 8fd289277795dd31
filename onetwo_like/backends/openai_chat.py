"""How do messages become what OpenAI's chat completions take, and what these send become choices?"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from onetwo_like.backends.chat_model import ANSWER, Asked, Choice, Output, arguments_of, choice_of, refused
from onetwo_like.backends.failures import excerpt
from onetwo_like.backends.openai_schema import response_format
from onetwo_like.backends.stainless import Api, count, reading
from onetwo_like.core.content import Chunk, Message, Reasoning, ToolCall, ToolResult, text_of
from onetwo_like.core.events import emit_text
from onetwo_like.core.frozen import thawed
from onetwo_like.core.request import Usage
from onetwo_like.errors import (
    ConnectionFailedError,
    ContentRefusedError,
    InvalidRequestError,
    MalformedReplyError,
)

_ROLES = {"system": "system", "user": "user", "model": "assistant"}
_SOUNDS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}
# A reply does not say which format its sound has, and a stream has no other than PCM.
_SOUNDS_BY_BEGINNING = (
    (b"RIFF", "audio/wav"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    ((b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"), "audio/mpeg"),
    (b"\xff\xf1", "audio/aac"),
    (b"", "audio/pcm"),
)


# What is sent


def wire_messages(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """A conversation as the API takes it. Raises InvalidRequestError for content that it cannot take."""
    return [wire for message in messages for wire in _wire_message(message)]


def _wire_message(message: Message) -> list[dict[str, Any]]:
    role, content = _ROLES[message.role], message.content
    if isinstance(content, str):
        return [{"role": role, "content": content}]
    results = [c.content for c in content if isinstance(c.content, ToolResult)]
    wire: list[dict[str, Any]] = [_wire_result(result) for result in results]
    calls = [_wire_call(call) for call in content.tool_calls]
    parts = [
        _wire_part(chunk, message.role)
        for chunk in content
        if not isinstance(chunk.content, ToolCall | ToolResult | Reasoning)
    ]
    if parts or calls or not wire:
        said: dict[str, Any] = {"role": role, "content": _as_text(parts) if parts or not calls else None}
        wire.append({**said, "tool_calls": calls} if calls else said)
    return wire


def _as_text(parts: list[dict[str, Any]]) -> Any:
    """The parts, or their text: some servers know text only as a plain string."""
    if all(part["type"] == "text" for part in parts):
        return "".join([part["text"] for part in parts])
    return parts


def _wire_call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)}
    return {"id": call.id or call.name, "type": "function", "function": function}


def _wire_result(result: ToolResult) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": result.id or result.name, "content": result_text(result)}


def result_text(result: ToolResult) -> str:
    """What a tool returned as text, which is all that OpenAI's APIs take."""
    if not isinstance(result.content, str):
        for chunk in result.content:
            if not chunk.is_text:
                raise InvalidRequestError(
                    f"the OpenAI API takes text from tools, and {result.name!r} returned {chunk.kind}"
                )
    return text_of(result.content)


def _wire_part(chunk: Chunk, role: str) -> dict[str, Any]:
    if chunk.is_text:
        return {"type": "text", "text": chunk.content}
    mime = chunk.kind
    if role != "user":
        raise InvalidRequestError(
            f"the OpenAI API takes text from the {role}, other content from the user only, and the {role} message "
            f"has a chunk of {mime}"
        )
    if mime.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": url_of(chunk)}}
    if mime in _SOUNDS and isinstance(chunk.content, bytes):
        sound = {"data": base64.b64encode(chunk.content).decode("ascii"), "format": _SOUNDS[mime]}
        return {"type": "input_audio", "input_audio": sound}
    if mime == "application/pdf" and isinstance(chunk.content, bytes):
        return {"type": "file", "file": {"filename": "document.pdf", "file_data": url_of(chunk)}}
    how = "by bytes, not by address" if mime in _SOUNDS or mime == "application/pdf" else ""
    raise InvalidRequestError(
        f"the OpenAI backend takes text, images, sound (wav, mp3) and PDF{how and f' ({how})'}, and the {role} "
        f"message has a chunk of {mime}"
    )


def url_of(chunk: Chunk) -> str:
    """Bytes as a data URL, or the address that was given."""
    if isinstance(chunk.content, bytes):
        return f"data:{chunk.mime_type};base64,{base64.b64encode(chunk.content).decode('ascii')}"
    if isinstance(chunk.content, str) and chunk.content.startswith(("http://", "https://", "data:")):
        return chunk.content
    raise InvalidRequestError(
        f"an image is bytes or a URL, and a chunk of {chunk.kind} is {chunk.content!r:.60}"
    )


def wire_tools(asked: Asked) -> dict[str, Any]:
    """The fields for the tools that the model may call, or for the one with which it must answer."""
    if asked.output is not None and asked.output.form == "tool":
        function = {"name": ANSWER, "description": "The answer.", "parameters": asked.output.schema}
        chosen = {"type": "function", "function": {"name": ANSWER}}
        return {"tools": [{"type": "function", "function": function}], "tool_choice": chosen}
    if not asked.tools:
        return {}
    tools = [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": thawed(tool.parameters),
            },
        }
        for tool in asked.tools
    ]
    if asked.tool_choice is None:
        return {"tools": tools}
    if asked.tool_choice in ("auto", "required", "none"):
        return {"tools": tools, "tool_choice": asked.tool_choice}
    return {
        "tools": tools,
        "tool_choice": {"type": "function", "function": {"name": asked.tool_choice}},
    }


def wire_output(output: Output | None) -> dict[str, Any]:
    """The fields that ask for an object."""
    if output is None or output.form in ("tool", "words"):
        return {}
    if output.form == "json":
        return {"response_format": {"type": "json_object"}}
    return {"response_format": response_format(output.schema, output.name)}


# What comes back


def read_chat(reply: dict[str, Any]) -> list[Choice]:
    """The choices of a chat completion, at least one."""
    return [_choice(choice) for choice in items_of(reply, "choices")]


def _choice(choice: dict[str, Any]) -> Choice:
    message = choice.get("message")
    if not isinstance(message, dict):
        raise MalformedReplyError(f"a choice has no message: {excerpt(str(choice))}")
    refusal, finish_reason = message.get("refusal"), choice.get("finish_reason")
    if refusal:
        raise refused(refusal)
    if finish_reason == "content_filter":
        raise ContentRefusedError("the provider's content filter stopped the answer. Change the prompt.")
    if finish_reason == "error":  # of OpenRouter, where the model failed in the middle
        raise MalformedReplyError(f"the answer ended by an error: {excerpt(str(choice.get('error')))}")
    chunks: list[Chunk] = []
    thought = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(thought, str) and thought:
        chunks.append(Chunk(Reasoning(thought)))
    if isinstance(message.get("content"), str):
        chunks.append(Chunk(message["content"]))
    chunks += _sound(message.get("audio"))
    for place, call in enumerate(message.get("tool_calls") or ()):
        function: Any = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise MalformedReplyError(f"a tool call names no function: {excerpt(str(call))}")
        arguments = arguments_of(function.get("arguments"), function["name"], finish_reason)
        id_ = str(call.get("id") or f"call-{place}")  # by which its result is sent back
        chunks.append(Chunk(ToolCall(function["name"], arguments, id_)))
    return choice_of(chunks, finish_reason, choice.get("pieces"))


def _sound(audio: object) -> list[Chunk]:
    data = audio.get("data") if isinstance(audio, Mapping) else None
    if not isinstance(data, str) or not data:
        return []
    try:  # each piece of a stream may end with padding of its own
        pieces = [base64.b64decode(piece, validate=True) for piece in re.findall("[^=]+=*", data)]
    except binascii.Error as error:
        raise MalformedReplyError(f"the sound in the answer is not base64: {data!r:.60}") from error
    sound = b"".join(pieces)
    kinds = [kind for beginning, kind in _SOUNDS_BY_BEGINNING if sound.startswith(beginning)]
    return [Chunk(sound, kinds[0])]


def items_of(reply: dict[str, Any], field: str) -> list[dict[str, Any]]:
    """The objects in a field of a reply, at least one."""
    items = reply.get(field)
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise MalformedReplyError(f"the reply has no {field}: {excerpt(str(reply))}")
    return items


def usage_of(reply: dict[str, Any]) -> Usage | None:
    """The tokens that the provider counted, None if it did not."""
    usage = reply.get("usage")
    if not isinstance(usage, dict):
        return None
    return Usage(
        input_tokens=count(usage, "prompt_tokens"),
        output_tokens=count(usage, "completion_tokens"),
        cached_tokens=count(usage.get("prompt_tokens_details"), "cached_tokens"),
        reasoning_tokens=count(usage.get("completion_tokens_details"), "reasoning_tokens"),
    )


async def gather_chat(events: AsyncIterator[object]) -> dict[str, Any]:
    """The chat completion that a stream of chunks amounts to; publishes each piece of text as it comes.

    Raises ConnectionFailedError if the stream ends without a finish reason: it broke off half-way, and
    what has come is no answer.
    """
    whole: dict[str, Any] = {}
    pieces: list[str] = []
    refusals: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    sound = ""
    finish_reason = None
    has_text = False
    async for event in events:
        for choice in choices_in(event, whole):
            if choice.get("index", 0) != 0:
                continue
            with reading():
                finish_reason = choice.get("finish_reason") or finish_reason
                delta = choice.get("delta") or {}
                text = delta.get("content")
                has_text = has_text or isinstance(text, str)
                if refusal := delta.get("refusal"):
                    refusals.append(str(refusal))
                if thought := delta.get("reasoning_content") or delta.get("reasoning"):
                    thoughts.append(str(thought))
                sound += (delta.get("audio") or {}).get("data") or ""
                for part in delta.get("tool_calls") or ():
                    _add_call(calls, part)
            add_text(pieces, text)
    if finish_reason is None:
        raise ConnectionFailedError(
            f"the stream broke off without a finish reason, after {sum(map(len, pieces))} characters"
        )
    with reading():
        calls.sort(key=lambda call: call["index"] or 0)
    message = {
        "content": "".join(pieces) if has_text else None,
        "refusal": "".join(refusals),
        "reasoning_content": "".join(thoughts),
        "tool_calls": calls,
        "audio": {"data": sound},
    }
    whole["choices"] = [{"message": message, "finish_reason": finish_reason, "pieces": tuple(pieces)}]
    return whole


def choices_in(event: object, whole: dict[str, Any]) -> list[dict[str, Any]]:
    """The choices in a chunk of a stream; what it says of the whole reply is added to that."""
    with reading():
        if not isinstance(event, dict):
            raise MalformedReplyError(f"a chunk of the stream is not an object: {excerpt(str(event))}")
        whole.update({n: event[n] for n in ("id", "model", "usage") if event.get(n)})
        return [choice for choice in event.get("choices") or () if isinstance(choice, dict)]


def add_text(pieces: list[str], text: Any) -> None:
    """Adds a piece of text, if there is one, and publishes it."""
    if not text:
        return
    if not isinstance(text, str):
        raise MalformedReplyError(f"a piece of text in the stream is {text!r:.60}")
    pieces.append(text)
    emit_text(text)


def _add_call(calls: list[dict[str, Any]], part: dict[str, Any]) -> None:
    """Adds a piece of a tool call: its name comes once, its arguments in pieces.

    Some servers number no pieces, or all alike: there a name begins another call, unless the id is the same.
    """
    function, index, id_ = part.get("function") or {}, part.get("index"), part.get("id")
    name = function.get("name")
    call = next((call for call in reversed(calls) if index in (None, call["index"])), None)
    if call is not None and name:
        is_same = call["id"] == id_ if id_ and call["id"] else index is not None
        call = call if is_same else None
    if call is None:
        call = {"index": index, "id": id_, "function": {"name": name, "arguments": None}}
        calls.append(call)
    call["id"] = call["id"] or id_
    call["function"]["name"] = call["function"]["name"] or name
    if said := function.get("arguments"):
        begun = call["function"]["arguments"]
        call["function"]["arguments"] = said if begun is None else begun + said


CHAT = Api(
    "chat.completions",
    "/chat/completions",
    read_chat,
    usage_of,
    gather_chat,
    {"stream": True, "stream_options": {"include_usage": True}},
)
