"""How do messages become what an OpenAI-compatible server reads, and what it sends become replies?

Replies are read as plain JSON and checked here: servers answer less than they accept, and an SDK that
fills gaps with None would hide it.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, NamedTuple

from onetwo_like.backends.failures import excerpt
from onetwo_like.core.content import Chunk, Message
from onetwo_like.core.events import emit_text
from onetwo_like.core.request import Usage
from onetwo_like.errors import (
    ConnectionFailedError,
    ContentRefusedError,
    InvalidRequestError,
    MalformedReplyError,
)

_ROLES = {"system": "system", "user": "user", "model": "assistant"}


class Choice(NamedTuple):
    """One answer: its text, why it ended, and the pieces it came in if it was streamed."""

    text: str
    finish_reason: str | None
    pieces: tuple[str, ...] | None = None


class Api(NamedTuple):
    """A path of the provider's API, and how what it answers is read. Takes a body and whether to stream."""

    name: str
    path: str
    read: Callable[[dict[str, Any]], Any]
    parameters: tuple[str, ...] = ("body", "stream")


# What is sent


def wire_messages(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """A conversation as the API takes it. Raises InvalidRequestError for content that it cannot take."""
    return [{"role": _ROLES[m.role], "content": _wire_content(m)} for m in messages]


def _wire_content(message: Message) -> str | list[dict[str, Any]]:
    content = message.content
    if isinstance(content, str):
        return content
    parts = [_wire_part(chunk, message.role) for chunk in content]
    if all(part["type"] == "text" for part in parts):  # some servers know text only as a plain string
        return "".join([part["text"] for part in parts])
    return parts


def _wire_part(chunk: Chunk, role: str) -> dict[str, Any]:
    mime = chunk.mime_type or "text/plain"
    if isinstance(chunk.content, str) and mime.startswith("text/"):
        return {"type": "text", "text": chunk.content}
    if not mime.startswith("image/"):
        raise InvalidRequestError(
            f"the OpenAI backend takes text and images, and the {role} message has a chunk of {mime}"
        )
    if role != "user":
        raise InvalidRequestError(
            f"the OpenAI API takes images from the user only, and the {role} message has a chunk of {mime}"
        )
    if isinstance(chunk.content, bytes):
        url = f"data:{mime};base64,{base64.b64encode(chunk.content).decode('ascii')}"
    elif chunk.content.startswith(("http://", "https://", "data:")):
        url = chunk.content
    else:
        raise InvalidRequestError(
            f"an image is bytes or a URL, and a chunk of {mime} is {chunk.content!r:.60}"
        )
    return {"type": "image_url", "image_url": {"url": url}}


# What comes back


def read_chat(reply: dict[str, Any]) -> list[Choice]:
    """The choices of a chat completion, at least one."""
    return [_choice(choice) for choice in items_of(reply, "choices")]


def _choice(choice: dict[str, Any]) -> Choice:
    message = choice.get("message")
    if not isinstance(message, dict):
        raise MalformedReplyError(f"a choice has no message: {excerpt(str(choice))}")
    refusal, finish_reason, text = message.get("refusal"), choice.get("finish_reason"), message.get("content")
    if refusal:
        raise ContentRefusedError(f"the model refused: {excerpt(str(refusal))}")
    if finish_reason == "content_filter":
        raise ContentRefusedError("the provider's content filter stopped the answer. Change the prompt.")
    if not isinstance(text, str):
        why = " (all max_tokens went into reasoning)" if finish_reason == "length" else ""
        raise MalformedReplyError(
            f"the answer has no text{why}: content is {text!r:.60}, it ended by {finish_reason!r}"
        )
    return Choice(text, finish_reason, choice.get("pieces"))


def read_completions(reply: dict[str, Any]) -> list[dict[str, Any]]:
    """The choices of a legacy completion, at least one."""
    return items_of(reply, "choices")


def read_embeddings(reply: dict[str, Any]) -> list[list[float]]:
    """The vectors in the order of the texts, whatever the order they came in."""
    vectors: dict[int, list[float]] = {}
    for item in items_of(reply, "data"):
        vector: Any = item.get("embedding")
        index = item.get("index")
        if not _is_list_of(int | float, vector):
            raise MalformedReplyError(f"an embedding is not a list of numbers: {excerpt(str(vector))}")
        if not isinstance(index, int) or index in vectors:
            raise MalformedReplyError(f"embeddings have the index {index!r} missing or twice")
        vectors[index] = [float(x) for x in vector]
    if sorted(vectors) != list(range(len(vectors))):
        raise MalformedReplyError(f"embeddings are missing: there are those of {sorted(vectors)!s:.80}")
    return [vectors[index] for index in range(len(vectors))]


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
    sent, received = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    return Usage(
        input_tokens=_count(usage, "prompt_tokens"),
        output_tokens=_count(usage, "completion_tokens"),
        cached_tokens=_count(sent, "cached_tokens"),
        reasoning_tokens=_count(received, "reasoning_tokens"),
    )


def _count(counts: object, name: str) -> int | None:
    value = counts.get(name) if isinstance(counts, dict) else None
    return value if isinstance(value, int) else None


async def streamed(events: AsyncIterator[object]) -> dict[str, Any]:
    """The chat completion that a stream of chunks amounts to; publishes each piece of text as it comes.

    Raises ConnectionFailedError if the stream ends without a finish reason: it broke off half-way, and
    what has come is no answer.
    """
    whole: dict[str, Any] = {}
    pieces: list[str] = []
    refusals: list[str] = []
    finish_reason = None
    has_text = False
    async for event in events:
        if not isinstance(event, dict):
            raise MalformedReplyError(f"a chunk of the stream is not an object: {excerpt(str(event))}")
        whole.update({n: event[n] for n in ("id", "model", "usage") if event.get(n)})
        for choice in event.get("choices") or ():
            if not isinstance(choice, dict) or choice.get("index", 0) != 0:
                continue
            finish_reason = choice.get("finish_reason") or finish_reason
            delta = choice.get("delta") or {}
            text = delta.get("content")
            has_text = has_text or isinstance(text, str)
            if text:
                pieces.append(text)
                emit_text(text)
            if delta.get("refusal"):
                refusals.append(delta["refusal"])
    if finish_reason is None:
        raise ConnectionFailedError(
            f"the stream broke off without a finish reason, after {sum(map(len, pieces))} characters"
        )
    message = {"content": "".join(pieces) if has_text else None, "refusal": "".join(refusals)}
    whole["choices"] = [{"message": message, "finish_reason": finish_reason, "pieces": tuple(pieces)}]
    return whole


# Scores


def score_of(choice: dict[str, Any], prompt: str, target: str) -> float:
    """The summed log-probability of the target's tokens in an echoed text.

    A token that begins in the prompt and ends in the target counts as the target's. Raises
    MalformedReplyError if the server did not do what was asked, or a token has no log-probability.
    """
    text, logprobs = choice.get("text"), choice.get("logprobs")
    start = text.find(prompt + target) if isinstance(text, str) else -1
    if start < 0:
        raise MalformedReplyError(
            f"the server ignored echo=True, so it cannot score texts; it sent {text!r:.60}"
        )
    if not isinstance(logprobs, dict):
        raise MalformedReplyError("the server ignored logprobs=1, so it cannot score texts")
    values: Any = logprobs.get("token_logprobs")
    offsets: Any = logprobs.get("text_offset")
    if not _is_list_of(object, values) or not _is_list_of(int, offsets) or len(values) != len(offsets):
        raise MalformedReplyError(
            f"the server's logprobs lack token_logprobs or text_offset: {excerpt(str(logprobs))}"
        )
    begin, end = start + len(prompt), start + len(prompt + target)
    ends = [*offsets[1:], len(str(text))]
    total = 0.0
    for value, token_begin, token_end in zip(values, offsets, ends, strict=True):
        if token_begin >= end or (token_begin < begin and token_end <= begin):
            continue
        if not isinstance(value, int | float):
            first = (
                " The first token of a text has none: give a longer prompt." if token_begin <= start else ""
            )
            raise MalformedReplyError(f"a token of {target!r:.60} has the log-probability {value!r}.{first}")
        total += value
    return total


def _is_list_of(kind: Any, value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, kind) for item in value)
