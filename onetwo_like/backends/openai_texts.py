"""How do OpenAI's legacy completions continue and score texts, and its embeddings become vectors?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from onetwo_like.backends.chat_model import Choice
from onetwo_like.backends.failures import excerpt
from onetwo_like.backends.openai_chat import add_text, choices_in, items_of, usage_of
from onetwo_like.backends.stainless import Api
from onetwo_like.core.content import Chunk, ChunkList
from onetwo_like.errors import ConnectionFailedError, MalformedReplyError

# Continuing


def read_texts(reply: dict[str, Any]) -> list[Choice]:
    """The choices of a legacy completion, at least one."""
    return [_choice(item) for item in items_of(reply, "choices")]


def _choice(item: dict[str, Any]) -> Choice:
    if not isinstance(item.get("text"), str):
        raise MalformedReplyError(f"a choice has no text: {excerpt(str(item))}")
    return Choice(ChunkList([Chunk(item["text"])]), item.get("finish_reason"), item.get("pieces"))


async def gather_text(events: AsyncIterator[object]) -> dict[str, Any]:
    """The completion that a stream amounts to; a ConnectionFailedError if it has no end."""
    whole: dict[str, Any] = {}
    pieces: list[str] = []
    finish_reason = None
    async for event in events:
        for choice in choices_in(event, whole):
            finish_reason = choice.get("finish_reason") or finish_reason
            add_text(pieces, choice.get("text"))
    if finish_reason is None:
        raise ConnectionFailedError(
            f"the stream broke off without a finish reason, after {sum(map(len, pieces))} characters"
        )
    whole["choices"] = [{"text": "".join(pieces), "finish_reason": finish_reason, "pieces": tuple(pieces)}]
    return whole


# Scoring


def read_completions(reply: dict[str, Any]) -> list[dict[str, Any]]:
    """The choices of a legacy completion with their log-probabilities, at least one."""
    return items_of(reply, "choices")


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
    if len(str(text)) > end > offsets[-1]:
        # So does llama-cpp-python up to 0.3.36 at least: its row for a token is the one after it (its issue 1983).
        raise MalformedReplyError(
            "the server's log-probabilities end before the text does, so they are not those of its tokens, and it "
            "cannot score texts"
        )
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


# Embedding


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


def _is_list_of(kind: Any, value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, kind) for item in value)


TEXTS = Api(
    "completions",
    "/completions",
    read_texts,
    usage_of,
    gather_text,
    {"stream": True, "stream_options": {"include_usage": True}},
)
SCORES = Api("completions", "/completions", read_completions, usage_of)
EMBEDDINGS = Api("embeddings", "/embeddings", read_embeddings, usage_of)
