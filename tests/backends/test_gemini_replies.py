"""What is made of Gemini's answers, whole and in pieces."""

import asyncio
import base64
from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.backends.gemini_replies import (
    COUNT,
    EMBED,
    GENERATE,
    gather_answer,
    read_answers,
    usage_of,
)
from onetwo_like.backends.gemini_wire import wire_conversation
from onetwo_like.errors import (
    ConnectionFailedError,
    ContentRefusedError,
    InvalidRequestError,
    MalformedReplyError,
)

PNG = b"\x89PNG\xfb\xff"  # whose base64 differs in the two alphabets


def candidate(*parts: Any, reason: str | None = "STOP", **fields: Any) -> dict[str, Any]:
    content = {"content": {"role": "model", "parts": list(parts)}}
    return {**content, **({"finishReason": reason} if reason else {}), **fields}


def choice_in(*parts: Any, **fields: Any) -> Any:
    [choice] = read_answers({"candidates": [candidate(*parts, **fields)]})
    return choice


def gathered(*chunks: Any) -> dict[str, Any]:
    async def stream():
        for chunk in chunks:
            yield chunk

    return asyncio.run(gather_answer(stream()))


# Content


def test_texts_that_follow_on_each_other_are_one():
    choice = choice_in({"text": "Hel"}, {"text": "lo"}, {"text": ""})
    assert list(choice.content) == [ot.Chunk("Hello")]
    assert choice.finish_reason == "stop"


def test_thoughts_are_kept_apart_from_the_answer():
    choice = choice_in({"text": "Let me ", "thought": True}, {"text": "see.", "thought": True}, {"text": "7"})
    assert list(choice.content) == [ot.Chunk(ot.Reasoning("Let me see.")), ot.Chunk("7")]
    assert choice.text == "7"


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_images_and_sound_come_as_bytes(encode):
    data = encode(PNG).decode()
    choice = choice_in({"text": "A cat:"}, {"inlineData": {"mimeType": "image/png", "data": data}})
    assert list(choice.content) == [ot.Chunk("A cat:"), ot.Chunk(PNG, "image/png")]


def test_a_file_comes_as_its_address():
    choice = choice_in({"fileData": {"mimeType": "video/mp4", "fileUri": "https://example.org/v"}})
    assert list(choice.content) == [ot.Chunk("https://example.org/v", "video/mp4")]
    with pytest.raises(MalformedReplyError, match="no text"):
        choice.text  # noqa: B018  (raises)


def test_tool_calls_are_content_and_the_reason_to_end():
    choice = choice_in(
        {"functionCall": {"name": "f", "args": {"x": 1}, "id": "call-1"}}, {"functionCall": {"name": "g"}}
    )
    assert choice.content.tool_calls == [ot.ToolCall("f", {"x": 1}, "call-1"), ot.ToolCall("g", {})]
    assert choice.finish_reason == "tool_calls"


def test_an_empty_text_beside_something_else_is_nothing():
    call = {"functionCall": {"name": "f", "args": {}}}
    assert list(choice_in(call, {"text": ""}).content) == [ot.Chunk(ot.ToolCall("f", {}))]


@pytest.mark.parametrize(
    "parts",
    [
        [{"functionCall": {"name": "f", "args": {"x": 1}}, "thoughtSignature": "AbC+/w=="}],
        [{"text": "Hm.", "thought": True, "thoughtSignature": "AbC+/w=="}, {"text": "Hi."}],
        [{"text": "Hi."}, {"text": "", "thoughtSignature": "AbC+/w=="}],
        [{"text": "Hi.", "thoughtSignature": "AbC+/w=="}, {"text": " And?"}],
        [
            {"executableCode": {"language": "PYTHON", "code": "1 + 1"}},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}},
            {"text": "2"},
        ],
    ],
    ids=["tool call", "thought", "nothing but the signature", "text", "code"],
)
def test_what_the_model_needs_back_goes_back_as_it_came(parts):
    content = choice_in(*parts).content
    [_, sent] = wire_conversation([ot.Message("user", "Hi"), ot.Message("model", content)])["contents"]
    assert sent["parts"] == parts


def test_a_signature_that_an_sdk_spelt_otherwise_is_the_same():
    call = {"functionCall": {"name": "f", "args": {}}}
    [url_safe, standard] = [choice_in({**call, "thoughtSignature": s}).content for s in ("-_A=", "+/A=")]
    assert url_safe == standard


@pytest.mark.parametrize(
    "part",
    [
        "text",
        {"functionCall": {"args": {}}},
        {"functionCall": {"name": "f", "args": [1]}},
        {"functionCall": "f"},
        {"inlineData": {"mimeType": "image/png", "data": "?"}},
        {"inlineData": {"data": "AAAA"}},
        {"hologram": 1},
    ],
    ids=str,
)
def test_a_part_that_makes_no_sense_is_an_error(part):
    with pytest.raises(MalformedReplyError):
        choice_in(part)


# Why it ended


@pytest.mark.parametrize(
    ("reason", "ours"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("CONTINUATION", "length"),
        ("NEW_ONE", "new_one"),
        (None, None),
    ],
)
def test_the_finish_reason_is_ours_or_the_providers_word(reason, ours):
    assert choice_in({"text": "Hi"}, reason=reason).finish_reason == ours


RATINGS = [
    {"category": "HARM_CATEGORY_HARASSMENT", "probability": "NEGLIGIBLE"},
    {"category": "HARM_CATEGORY_HATE_SPEECH", "probability": "HIGH", "blocked": True},
]


@pytest.mark.parametrize(
    "reason",
    [
        "SAFETY",
        "PROHIBITED_CONTENT",
        "BLOCKLIST",
        "RECITATION",
        "SPII",
        "IMAGE_SAFETY",
        "LANGUAGE",
        "MODEL_ARMOR",
    ],
)
def test_a_filter_that_stopped_the_answer_is_named_with_what_it_saw(reason):
    with pytest.raises(ContentRefusedError, match=f"{reason} .HARM_CATEGORY_HATE_SPEECH: HIGH."):
        choice_in({"text": "Half an ans"}, reason=reason, safetyRatings=RATINGS)


def test_a_blocked_prompt_is_a_refusal_with_what_was_seen():
    feedback = {"blockReason": "SAFETY", "safetyRatings": RATINGS}
    with pytest.raises(
        ContentRefusedError, match=r"prompt was blocked: SAFETY .HARM_CATEGORY_HATE_SPEECH: HIGH"
    ):
        read_answers({"promptFeedback": feedback})


@pytest.mark.parametrize(
    "reason", ["MALFORMED_FUNCTION_CALL", "OTHER", "UNEXPECTED_TOOL_CALL", "NO_IMAGE", "MALFORMED_RESPONSE"]
)
def test_an_answer_that_failed_in_the_model_is_malformed(reason):
    with pytest.raises(MalformedReplyError, match=f"{reason}: call:f\\(x=1"):
        choice_in({"text": "Hi"}, reason=reason, finishMessage="call:f(x=1")


def test_a_signature_that_was_lost_is_our_mistake():
    with pytest.raises(InvalidRequestError, match="signature"):
        choice_in(reason="MISSING_THOUGHT_SIGNATURE")


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"candidates": []},
        {"candidates": ["text"]},
        {"candidates": [{"finishReason": "STOP"}]},
        {"candidates": [candidate()]},
        {"candidates": [candidate({"text": "Hm.", "thought": True}, reason="MAX_TOKENS")]},
        {"candidates": [{"content": "text", "finishReason": "STOP"}]},
    ],
    ids=str,
)
def test_an_answer_without_content_is_malformed(reply):
    with pytest.raises(MalformedReplyError):
        read_answers(reply)


def test_thoughts_that_took_all_tokens_are_said_to_have():
    with pytest.raises(MalformedReplyError, match="all max_tokens went into reasoning"):
        choice_in({"text": "Hm.", "thought": True}, reason="MAX_TOKENS")


def test_an_empty_text_is_an_answer():
    assert choice_in({"text": ""}).text == ""


# Streams


def test_a_stream_is_the_answer_in_pieces():
    chunks = [
        {"candidates": [candidate({"text": "Hm.", "thought": True}, reason=None)], "responseId": "r-1"},
        {"candidates": [candidate({"text": "Hel"}, reason=None, index=0)], "modelVersion": "m-1"},
        {"candidates": [candidate({"text": "lo"}, reason=None)], "usageMetadata": {"promptTokenCount": 3}},
        {
            "candidates": [candidate({"text": ""})],
            "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2},
        },
    ]
    whole = gathered(*chunks)
    reply = GENERATE.reply(whole, "header")
    [choice] = reply.value
    assert list(choice.content) == [ot.Chunk(ot.Reasoning("Hm.")), ot.Chunk("Hello")]
    assert choice.pieces == ("Hel", "lo")
    assert (reply.usage, reply.model_version, reply.request_id) == (ot.Usage(3, 2), "m-1", "r-1")


def test_tool_calls_in_a_stream_are_whole_and_keep_their_signatures():
    first = {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "AAAA"}
    second = {"functionCall": {"name": "g", "args": {}}}
    chunks = [{"candidates": [candidate(first, reason=None)]}, {"candidates": [candidate(second)]}]
    [choice] = read_answers(gathered(*chunks))
    assert [call.name for call in choice.content.tool_calls] == ["f", "g"]
    assert [chunk.metadata for chunk in choice.content] == [{"thoughtSignature": "AAAA"}, None]


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [{}],
        [{"candidates": [candidate({"text": "Hello"}, reason=None)]}],
        [{"usageMetadata": {"promptTokenCount": 3}}],
    ],
    ids=str,
)
def test_a_stream_without_a_finish_reason_broke_off(chunks):
    with pytest.raises(ConnectionFailedError, match="broke off"):
        gathered(*chunks)


def test_a_stream_may_end_by_blocking_the_prompt_or_the_answer():
    blocked = gathered({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})
    with pytest.raises(ContentRefusedError, match="prompt was blocked: PROHIBITED_CONTENT"):
        read_answers(blocked)
    half = {"candidates": [candidate({"text": "Half"}, reason=None)]}
    stopped = gathered(half, {"candidates": [{"finishReason": "SAFETY", "safetyRatings": RATINGS}]})
    with pytest.raises(ContentRefusedError, match=r"SAFETY .HARM_CATEGORY_HATE_SPEECH"):
        read_answers(stopped)


@pytest.mark.parametrize("chunk", ["text", [1], None], ids=str)
def test_a_chunk_that_is_no_object_is_malformed(chunk):
    with pytest.raises(MalformedReplyError):
        gathered(chunk)


# Tokens and vectors


def test_thoughts_count_as_output_and_what_tools_read_as_input():
    counts = {"promptTokenCount": 10, "cachedContentTokenCount": 4, "candidatesTokenCount": 5}
    counts |= {"thoughtsTokenCount": 7, "toolUsePromptTokenCount": 2, "totalTokenCount": 24}
    assert usage_of({"usageMetadata": counts}) == ot.Usage(12, 12, cached_tokens=4, reasoning_tokens=7)
    assert usage_of({"usageMetadata": {"promptTokenCount": 10}}) == ot.Usage(10)
    assert usage_of({}) is None


def test_vectors_and_counts_are_checked():
    assert EMBED.reply({"embeddings": [{"values": [1, 0.5]}]}, None).value == [[1.0, 0.5]]
    assert COUNT.reply({"totalTokens": 7}, None).value == 7
    with pytest.raises(MalformedReplyError):
        COUNT.reply({"totalTokens": "7"}, None)


@pytest.mark.parametrize(
    "reply", [{}, {"embeddings": []}, {"embeddings": [{}]}, {"embeddings": [{"values": ["a"]}]}], ids=str
)
def test_a_vector_that_is_none_is_malformed(reply):
    with pytest.raises(MalformedReplyError):
        EMBED.reply(reply, None)


@pytest.mark.parametrize("reply", [[], "text", None], ids=str)
def test_a_reply_that_is_no_object_is_malformed(reply):
    with pytest.raises(MalformedReplyError):
        GENERATE.reply(reply, None)
