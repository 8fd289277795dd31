"""What does Gemini's API answer, and what is made of it?

Replies are taken as plain JSON, in the form of the REST API, whichever SDK brought them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, NamedTuple

from onetwo_like.backends.chat_model import Choice, choice_of
from onetwo_like.backends.failures import excerpt
from onetwo_like.backends.gemini_wire import OWN_THOUGHTS, SIGNATURE, from_base64, in_standard_base64
from onetwo_like.core.content import Chunk, Reasoning, ToolCall
from onetwo_like.core.events import emit_text
from onetwo_like.core.request import Reply, Request, Usage
from onetwo_like.errors import (
    BackendError,
    ConnectionFailedError,
    ContentRefusedError,
    InvalidRequestError,
    MalformedReplyError,
)

_REASONS = {"STOP": "stop", "MAX_TOKENS": "length", "CONTINUATION": "length"}
_REFUSED = frozenset(
    {
        "SAFETY",
        "PROHIBITED_CONTENT",
        "BLOCKLIST",
        "RECITATION",
        "SPII",
        "LANGUAGE",
        "MODEL_ARMOR",
        "ESCALATION",
    }
    | {"IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "PUP_LIMITED_DISABLED"}
)
_MALFORMED = frozenset(
    {"MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"}
    | {"OTHER", "IMAGE_OTHER", "NO_IMAGE"}
)
_UNLIKELY = ("NEGLIGIBLE", "LOW", "HARM_PROBABILITY_UNSPECIFIED", None)


class Api(NamedTuple):
    """A method of the API, and how what it answers is read.

    A request to it has a body and says whether to stream.
    """

    name: str
    read: Callable[[dict[str, Any]], Any]
    parameters: tuple[str, ...] = ("body", "stream")

    def asked(self, body: dict[str, Any], path: tuple[int | str, ...], stream: bool = False) -> Request:
        """The request for one call."""
        return Request(self, (body, stream), path)

    def reply(self, reply: object, request_id: str | None) -> Reply:
        """What the API's reply says; `request_id` is that of the headers, and its own comes first."""
        if not isinstance(reply, dict):
            raise MalformedReplyError(f"the reply is not a JSON object: {excerpt(str(reply))}")
        request_id = _text_in(reply, "responseId") or request_id
        try:
            value = self.read(reply)
        except BackendError as error:
            error.request_id = request_id
            raise
        version = _text_in(reply, "modelVersion")
        return Reply(value, usage_of(reply), model_version=version, request_id=request_id)


# Answers


def read_answers(reply: dict[str, Any]) -> list[Choice]:
    """The candidates as choices, at least one. Raises ContentRefusedError if prompt or answer was blocked."""
    feedback = reply.get("promptFeedback")
    if isinstance(feedback, dict) and (blocked := feedback.get("blockReason")):
        raise ContentRefusedError(
            f"the prompt was blocked: {blocked}{_categories(feedback.get('safetyRatings'))}. Change the prompt."
        )
    return [_choice(candidate) for candidate in _objects(reply, "candidates")]


def _choice(candidate: dict[str, Any]) -> Choice:
    reason = None if candidate.get("finishReason") is None else str(candidate["finishReason"])
    said = f": {excerpt(str(candidate['finishMessage']))}" if candidate.get("finishMessage") else ""
    if reason in _REFUSED:
        categories = _categories(candidate.get("safetyRatings"))
        raise ContentRefusedError(f"the answer was stopped by {reason}{categories}{said}. Change the prompt.")
    if reason in _MALFORMED:
        raise MalformedReplyError(f"the answer ended by {reason}{said}")
    if reason == "MISSING_THOUGHT_SIGNATURE":
        raise InvalidRequestError(
            f"a tool call was sent back without its thought signature{said}. Pass on the content of the model's "
            "message as it came."
        )
    content = candidate.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    chunks = [_chunk(part) for part in _together(parts if isinstance(parts, list) else ())]
    if any(chunk.content != "" for chunk in chunks):
        chunks = [chunk for chunk in chunks if chunk.content != ""]  # with which many streams end
    if reason == "STOP" and any(isinstance(chunk.content, ToolCall) for chunk in chunks):
        reason = "tool_calls"
    named = None if reason is None else _REASONS.get(reason, reason.lower())
    return choice_of(chunks, named, candidate.get("pieces"))


def _together(parts: Iterable[Any]) -> list[dict[str, Any]]:
    """The parts, with texts that follow on each other as one; a text with a signature stays by itself."""
    joined: list[dict[str, Any]] = []
    for part in parts:
        if not isinstance(part, dict):
            raise MalformedReplyError(f"a part of the answer is not an object: {excerpt(str(part))}")
        last = joined[-1] if joined else {}
        if _is_plain(part) and _is_plain(last) and bool(part.get("thought")) == bool(last.get("thought")):
            joined[-1] = {**last, "text": last["text"] + part["text"]}
        else:
            joined.append(part)
    return joined


def _is_plain(part: dict[str, Any]) -> bool:
    return isinstance(part.get("text"), str) and part.keys() <= {"text", "thought"}


def _chunk(part: dict[str, Any]) -> Chunk:
    if isinstance(signature := part.get(SIGNATURE), str):
        part = {**part, SIGNATURE: in_standard_base64(signature)}
    kept = {SIGNATURE: part[SIGNATURE]} if part.get(SIGNATURE) else None
    text, call, data = part.get("text"), part.get("functionCall"), part.get("inlineData")
    if part.get("thought") or (kept and text == ""):
        return Chunk(Reasoning(text if isinstance(text, str) else "", part if kept else None))
    if isinstance(text, str):
        return Chunk(text, metadata=kept)
    if call is not None:
        return Chunk(_tool_call(call), metadata=kept)
    if isinstance(data, dict) and isinstance(data.get("mimeType"), str):
        found = from_base64(str(data.get("data")))
        if found is None:
            raise MalformedReplyError(f"the {data['mimeType']} in the answer is not base64")
        return Chunk(found, data["mimeType"], metadata=kept)
    file = part.get("fileData")
    if isinstance(file, dict) and isinstance(file.get("fileUri"), str):
        return Chunk(file["fileUri"], str(file.get("mimeType") or "application/octet-stream"), metadata=kept)
    if OWN_THOUGHTS & part.keys():  # code that was run to find the answer, and the like
        return Chunk(Reasoning(_code_in(part), part))
    raise MalformedReplyError(f"the answer has content that is not known here: {excerpt(str(part))}")


def _tool_call(call: Any) -> ToolCall:
    arguments = call.get("args") if isinstance(call, dict) else None
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        raise MalformedReplyError(f"a tool call names no function: {excerpt(str(call))}")
    if not isinstance(arguments, dict | None):
        raise MalformedReplyError(
            f"the arguments for the tool {call['name']!r} are not by name: {excerpt(str(call))}"
        )
    return ToolCall(call["name"], arguments or {}, str(call.get("id") or ""))


def _code_in(part: Mapping[str, Any]) -> str:
    for kind, field in (("executableCode", "code"), ("codeExecutionResult", "output")):
        if isinstance(inner := part.get(kind), dict) and isinstance(inner.get(field), str):
            return str(inner[field])
    return ""


def _categories(ratings: object) -> str:
    """What kinds of harm were seen, in brackets; nothing if none were."""
    seen = [
        f"{rating.get('category')}: {rating.get('probability') or 'blocked'}"
        for rating in (ratings if isinstance(ratings, list) else ())
        if isinstance(rating, dict) and (rating.get("blocked") or rating.get("probability") not in _UNLIKELY)
    ]
    return f" ({', '.join(seen)})" if seen else ""


async def gather_answer(chunks: AsyncIterator[object]) -> dict[str, Any]:
    """The reply that a stream amounts to; publishes each piece of text as it comes.

    Raises ConnectionFailedError if the stream ends without a finish reason: it broke off half-way, and
    what has come is no answer.
    """
    whole: dict[str, Any] = {}
    candidate: dict[str, Any] = {}
    parts: list[Any] = []
    pieces: list[str] = []
    async for chunk in chunks:
        if not isinstance(chunk, dict):
            raise MalformedReplyError(f"a chunk of the stream is not an object: {excerpt(str(chunk))}")
        whole.update({name: value for name, value in chunk.items() if name != "candidates" and value})
        for told in chunk.get("candidates") or ():
            if not isinstance(told, dict) or told.get("index", 0) != 0:
                continue
            candidate.update({name: value for name, value in told.items() if name != "content" and value})
            content = told.get("content")
            new = (content.get("parts") if isinstance(content, dict) else None) or ()
            parts += new
            for part in new:
                text = part.get("text") if isinstance(part, dict) and not part.get("thought") else None
                if text and isinstance(text, str):
                    pieces.append(text)
                    emit_text(text)
    blocked = isinstance(whole.get("promptFeedback"), dict) and whole["promptFeedback"].get("blockReason")
    if not candidate.get("finishReason") and not blocked:
        raise ConnectionFailedError(
            f"the stream broke off without a finish reason, after {sum(map(len, pieces))} characters",
            request_id=_text_in(whole, "responseId"),
        )
    return {**whole, "candidates": [{**candidate, "content": {"parts": parts}, "pieces": tuple(pieces)}]}


# Tokens and vectors


def usage_of(reply: dict[str, Any]) -> Usage | None:
    """The tokens that the provider counted, None if it did not. Thoughts are paid for as output."""
    counts = reply.get("usageMetadata")
    if not isinstance(counts, dict):
        return None
    return Usage(
        input_tokens=_sum(counts, "promptTokenCount", "toolUsePromptTokenCount"),
        output_tokens=_sum(counts, "candidatesTokenCount", "thoughtsTokenCount"),
        cached_tokens=_sum(counts, "cachedContentTokenCount"),
        reasoning_tokens=_sum(counts, "thoughtsTokenCount"),
    )


def _sum(counts: Mapping[str, Any], *names: str) -> int | None:
    known = [counts[name] for name in names if isinstance(counts.get(name), int)]
    return sum(known) if known else None


def read_count(reply: dict[str, Any]) -> int:
    """The number of tokens that a content has."""
    tokens = _sum(reply, "totalTokens")
    if tokens is None:
        raise MalformedReplyError(f"the reply has no totalTokens: {excerpt(str(reply))}")
    return tokens


def read_vectors(reply: dict[str, Any]) -> list[list[float]]:
    """The embeddings, in the order of the texts."""
    return [_vector(item) for item in _objects(reply, "embeddings")]


def _vector(item: dict[str, Any]) -> list[float]:
    values = item.get("values")
    if not isinstance(values, list) or not values or not all(isinstance(v, int | float) for v in values):
        raise MalformedReplyError(f"an embedding has no values: {excerpt(str(item))}")
    return [float(value) for value in values]


def _objects(reply: dict[str, Any], field: str) -> list[dict[str, Any]]:
    items = reply.get(field)
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise MalformedReplyError(f"the reply has no {field}: {excerpt(str(reply))}")
    return items


def _text_in(reply: Mapping[str, Any], field: str) -> str | None:
    value = reply.get(field)
    return value if isinstance(value, str) and value else None


GENERATE = Api("generateContent", read_answers)
EMBED = Api("batchEmbedContents", read_vectors)
COUNT = Api("countTokens", read_count)
