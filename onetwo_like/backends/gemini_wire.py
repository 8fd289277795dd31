"""What does Gemini's API take, in its own words?

Everything is in the form of its REST API (https://ai.google.dev/api/generate-content), which both SDKs speak.
Bytes stay bytes until they are sent (`as_json`): whoever counts tokens takes a file for what it is.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from onetwo_like.backends.chat_model import Asked, seed_of
from onetwo_like.backends.gemini_schema import json_schema
from onetwo_like.core.content import Chunk, ChunkList, Message, Reasoning, ToolCall, ToolResult
from onetwo_like.core.frozen import thawed
from onetwo_like.core.request import SamplePath
from onetwo_like.errors import InvalidRequestError, UsageError

if TYPE_CHECKING:
    from onetwo_like.builtins.tools import Tool

SIGNATURE = "thoughtSignature"
# By these the API's own form of a thought is told from that of another provider.
OWN_THOUGHTS = frozenset(
    {SIGNATURE, "thought", "executableCode", "codeExecutionResult", "toolCall", "toolResponse"}
)
_MEDIA = ("image/", "audio/", "video/", "text/")
_ADDRESSES = ("gs://", "https://")
_MODES = {"auto": "AUTO", "required": "ANY", "none": "NONE"}


def wire_body(asked: Asked, path: SamplePath, declared: Callable[[Tool], dict[str, Any]]) -> dict[str, Any]:
    """The body of generateContent; `declared` is how a tool is described to the API.

    `extra` is a part of that body, and what it has under `generationConfig` and other objects is joined with
    what stands there. Raises UsageError where it would replace something.
    """
    config = _generation_config(asked, path)
    body = {
        **wire_conversation(asked.messages),
        **({"generationConfig": config} if config else {}),
        **_wire_tools(asked, declared),
    }
    return _joined(body, thawed(asked.options.get("extra") or {}), "")


def _joined(body: dict[str, Any], extra: Mapping[str, Any], at: str) -> dict[str, Any]:
    made = dict(body)
    for name, value in extra.items():
        there = made.get(name)
        if isinstance(there, dict) and isinstance(value, dict):
            made[name] = _joined(there, value, f"{at}{name}.")
        elif name in made:
            raise UsageError(
                f"extra has {at + name!r}, which the backend sends itself: give it as an option or argument"
            )
        else:
            made[name] = value
    return made


def wire_embeddings(model: str, texts: Iterable[str], extra: Mapping[str, Any] | None) -> dict[str, Any]:
    """The body of batchEmbedContents; `extra` has options of each of its requests."""
    requests = [{"model": model_path(model), "content": {"parts": [{"text": text}]}} for text in texts]
    return {"requests": [_joined(request, thawed(extra or {}), "") for request in requests]}


def model_path(model: str) -> str:
    """What the API calls a model.

    >>> model_path("gemini-2.5-flash"), model_path("tunedModels/mine")
    ('models/gemini-2.5-flash', 'tunedModels/mine')
    """
    return model if "/" in model else f"models/{model}"


def as_json(value: Any) -> Any:
    """The body with its bytes as base64, ready to be sent."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, dict):
        return {name: as_json(item) for name, item in value.items()}
    return [as_json(item) for item in value] if isinstance(value, list) else value


# A conversation


def wire_conversation(messages: Iterable[Message]) -> dict[str, Any]:
    """The messages as `contents`, and those of the system, with which they may begin, as `systemInstruction`.

    Raises InvalidRequestError for content that the API cannot take.
    """
    system: list[dict[str, Any]] = []
    contents: list[dict[str, Any]] = []
    for message in messages:
        parts = wire_parts(message)
        if message.role != "system":
            contents += [{"role": message.role, "parts": parts}] if parts else []
        elif contents:
            raise InvalidRequestError(
                f"Gemini takes a system message at the beginning only, not after others: {message!r:.80}"
            )
        else:
            system += parts
    if not contents:
        raise InvalidRequestError("Gemini answers the user's messages, and the conversation has none")
    return {"contents": contents, **({"systemInstruction": {"parts": system}} if system else {})}


def wire_parts(message: Message) -> list[dict[str, Any]]:
    """What a message consists of. Thoughts of other providers, and those without a signature, are left out."""
    if isinstance(message.content, str):
        return [{"text": message.content}]
    parts = [_wire_part(chunk, message.role) for chunk in message.content]
    return [part for part in parts if part is not None]


def _wire_part(chunk: Chunk, role: str) -> dict[str, Any] | None:
    content = chunk.content
    if isinstance(content, Reasoning):
        data = thawed(content.data or {})
        return data if OWN_THOUGHTS & data.keys() else None
    part: dict[str, Any]
    if isinstance(content, ToolCall):
        part = {"functionCall": _named(content, {"args": thawed(content.arguments)})}
    elif isinstance(content, ToolResult):
        part = {"functionResponse": _named(content, _wire_result(content))}
    elif chunk.is_text:
        part = {"text": content}
    elif role == "system":
        raise InvalidRequestError(
            f"Gemini takes text from the system, and the system message has a chunk of {chunk.kind}"
        )
    else:
        part = _wire_medium(chunk, role)
    signature = (chunk.metadata or {}).get(SIGNATURE)
    return {**part, SIGNATURE: signature} if signature else part


def _named(call: ToolCall | ToolResult, fields: dict[str, Any]) -> dict[str, Any]:
    return {**({"id": call.id} if call.id else {}), "name": call.name, **fields}


def _wire_result(result: ToolResult) -> dict[str, Any]:
    """The text under the name that tells the model whether it is a result or an error; other content as parts."""
    chunks = ChunkList(result.content)
    media = [_wire_medium(chunk, "user") for chunk in chunks if not chunk.is_text]
    response = {"error" if result.failed else "output": chunks.text}
    return {"response": response, **({"parts": media} if media else {})}


def _wire_medium(chunk: Chunk, role: str) -> dict[str, Any]:
    mime, content = chunk.kind, chunk.content
    if not (mime.startswith(_MEDIA) or mime == "application/pdf"):
        raise InvalidRequestError(
            f"Gemini takes text, images, audio, video and PDF, and the {role} message has a chunk of {mime}"
        )
    if isinstance(content, bytes):
        return {"inlineData": {"mimeType": mime, "data": content}}
    if isinstance(content, str) and content.startswith(_ADDRESSES):
        return {"fileData": {"mimeType": mime, "fileUri": content}}
    if isinstance(content, str) and content.startswith("data:"):
        head, _, data = content.partition(",")
        if head.endswith(";base64") and (found := from_base64(data)) is not None:
            return {"inlineData": {"mimeType": mime, "data": found}}
    raise InvalidRequestError(
        f"Gemini takes {mime} by bytes, by https:// or by gs://, and the {role} message has {content!r:.60}"
    )


def from_base64(text: str) -> bytes | None:
    """The bytes of base64 text, in its standard or its URL-safe alphabet; None if it is none."""
    try:
        return base64.b64decode(text.translate(_STANDARD), validate=True)
    except binascii.Error:
        return None


_STANDARD = str.maketrans("-_", "+/")


def in_standard_base64(text: str) -> str:
    """Base64 text in the standard alphabet, which the API itself uses; an SDK may have changed it."""
    return text.translate(_STANDARD)


# Options and tools


def _generation_config(asked: Asked, path: SamplePath) -> dict[str, Any]:
    options, output = asked.options, asked.output
    stop, seed = options.get("stop"), options.get("seed")
    fields = {
        "temperature": options.get("temperature"),
        "maxOutputTokens": options.get("max_tokens"),
        "stopSequences": list(stop) if stop else None,
        "topK": options.get("top_k"),
        "topP": options.get("top_p"),
        "seed": None if seed is None else seed_of(seed, path),
        "thinkingConfig": _thinking(options.get("reasoning")),
        "candidateCount": asked.n if asked.n > 1 else None,
    }
    if output is not None and output.form in ("schema", "json"):
        fields["responseMimeType"] = "application/json"
        if output.form == "schema":
            fields["responseJsonSchema"] = json_schema(output.schema)
    return {name: value for name, value in fields.items() if value is not None}


def _thinking(reasoning: str | int | None) -> dict[str, Any] | None:
    """How much to think; who asks for it is shown a summary of the thoughts."""
    if reasoning is None:
        return None
    if reasoning == 0:
        return {"thinkingBudget": 0}
    amount = (
        {"thinkingBudget": reasoning} if isinstance(reasoning, int) else {"thinkingLevel": reasoning.upper()}
    )
    return {**amount, "includeThoughts": True}


def _wire_tools(asked: Asked, declared: Callable[[Tool], dict[str, Any]]) -> dict[str, Any]:
    if not asked.tools:
        return {}
    fields: dict[str, Any] = {"tools": [{"functionDeclarations": [declared(tool) for tool in asked.tools]}]}
    choice = asked.tool_choice
    if choice is None:
        return fields
    calling = (
        {"mode": _MODES[choice]} if choice in _MODES else {"mode": "ANY", "allowedFunctionNames": [choice]}
    )
    return {**fields, "toolConfig": {"functionCallingConfig": calling}}
