"""What the backend says through google-generativeai, and what it makes of the answers of a server that works.

What goes wrong is in test_failures.py. That SDK holds protobuf below 6, so it is not in the dev extra: CI runs
these tests in an environment of their own, `.ci/run` says how.
"""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.backends import Gemini, GeminiLegacy
from onetwo_like.backends.table import BACKENDS, honoured
from onetwo_like.builtins import llm
from onetwo_like.core.frozen import thawed
from onetwo_like.core.operation import operations
from onetwo_like.errors import (
    AuthenticationError,
    InvalidRequestError,
    MalformedReplyError,
    NotBoundError,
    ParseError,
    RateLimitedError,
    UnsupportedOptionError,
)
from onetwo_like.testing import BackendSuite
from tests.servers.gemini_loopback import GeminiServer
from tests.servers.http_server import Fault, status

pytest.importorskip("google.generativeai", reason="needs the extra gemini-legacy", exc_type=ImportError)

ROOT = Path(__file__).parents[2]
PNG = b"\x89PNG..."


@pytest.fixture
def server() -> Iterator[GeminiServer]:
    with GeminiServer() as running, ot.RegistryContext():
        yield running


@pytest.fixture
def backend(server):
    return legacy(server).register()


def legacy(server, **options: Any) -> GeminiLegacy:
    return GeminiLegacy("tiny", **{"base_url": server.base_url, "api_key": "none", "retries": 0, **options})


def legacy_served() -> set[str]:
    return set(BACKENDS["GeminiLegacy"]().bindings())


class Answering(GeminiServer):
    """A server that gives these replies, one after the other."""

    def __init__(self, *replies: dict[str, Any]) -> None:
        super().__init__()
        self.replies = list(replies)

    def reply(self, received: Any, kind: Any) -> dict[str, Any]:
        return self.replies.pop(0)

    def events(self, reply: Any, received: Any, kind: Any) -> Iterator[str]:
        yield json.dumps([reply])


def answer(*parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, "finishReason": 1}], **fields}


# Text


def test_a_conversation_and_its_options_reach_the_server(server, backend):
    conversation = [
        ot.Message("system", "Be brief."),
        ot.Message("user", ot.ChunkList(["What is this?", ot.Chunk(PNG, "image/png")])),
        ot.Message("model", "A picture."),
        ot.Message("user", "Of?"),
    ]
    safety = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
    extra = {"safetySettings": safety, "generationConfig": {"presencePenalty": 0.5}}
    e = llm.chat(conversation, temperature=0, max_tokens=9, stop="?", top_k=3, top_p=0.5, extra=extra)
    assert ot.run(e) == "You said: Of"
    [sent] = server.requests
    assert sent.path.partition("?")[0] == "/v1beta/models/tiny:generateContent"
    assert sent.headers["x-goog-api-key"] == "none"
    assert sent.body == {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": "What is this?"},
                    {"inlineData": {"mimeType": "image/png", "data": "iVBORy4uLg=="}},
                ],
            },
            {"role": "model", "parts": [{"text": "A picture."}]},
            {"role": "user", "parts": [{"text": "Of?"}]},
        ],
        "generationConfig": {
            "temperature": 0.0,
            "maxOutputTokens": 9,
            "stopSequences": ["?"],
            "topK": 3,
            "topP": 0.5,
            "presencePenalty": 0.5,
        },
        "safetySettings": [{"category": 7, "threshold": 4}],
    }


def test_the_reply_says_what_the_provider_said(server, backend):
    e: Any = llm.generate_text("Hello there", max_tokens=2, include_details=True)
    text, reply = ot.run(e)
    assert (text, reply.finish_reason, reply.model_version) == ("You said", "length", "tiny-001")
    assert reply.usage.input_tokens == 2
    assert reply.usage.cached_tokens == 1


def test_what_both_backends_ask_is_answered_from_one_cache(server, tmp_path):
    legacy(server, cache=ot.Cache(tmp_path)).register()
    assert ot.run(llm.generate_text("Hello")) == "You said: Hello"
    newer = Gemini("tiny", base_url=server.base_url, api_key="none")
    assert legacy(server).fingerprint == newer.fingerprint


@pytest.mark.parametrize(
    "options",
    [{"seed": 7}, {"reasoning": "low"}],
    ids=str,
)
def test_an_option_that_the_sdk_has_not_learnt_is_refused_before_any_call(server, backend, options):
    with pytest.raises(UnsupportedOptionError, match=next(iter(options))):
        ot.run(llm.generate_text("Hello", **options))
    with pytest.raises(UnsupportedOptionError):
        legacy(server, **options)
    assert server.requests == []


@pytest.mark.parametrize(
    ("e", "named"),
    [
        (
            llm.generate_text("Hi", extra={"generationConfig": {"thinkingConfig": {}}}),
            "thinkingConfig.*Gemini",
        ),
        (llm.generate_text("Hi", extra={"newField": 1}), "newField"),
        (llm.embed(["Hi"], extra={"autoTruncate": True}), "autoTruncate"),
        (
            llm.chat(
                [
                    ot.Message(
                        "user", ot.ChunkList([ot.ToolResult("f", ot.ChunkList([ot.Chunk(PNG, "image/png")]))])
                    )
                ]
            ),
            "parts",
        ),
    ],
    ids=["generationConfig", "a field", "embed", "an image of a tool"],
)
def test_what_the_sdk_cannot_express_is_refused_before_any_call(server, backend, e, named):
    with pytest.raises(UnsupportedOptionError, match=named):
        ot.run(e)
    assert server.requests == []


# Streaming


def test_a_watched_call_streams_piece_by_piece(server, backend):
    e: Any = llm.generate_text("Hello there", include_details=True)
    with ot.stream(e) as events:
        pieces = [event.text for event in events if isinstance(event, ot.TextDelta)]
    text, reply = events.result
    assert pieces == ["You", " said", ":", " Hello", " there"]
    assert (text, reply.chunks, reply.finish_reason) == ("You said: Hello there", tuple(pieces), "stop")
    assert ":streamGenerateContent" in server.requests[0].path


# Several answers, objects


def test_several_answers_take_one_call(server, backend):
    assert ot.run(llm.generate_texts("Hello", 3)) == ["You said: Hello"] * 3
    assert [body["generationConfig"]["candidateCount"] for body in server.bodies()] == [3]


@dataclasses.dataclass
class City:
    name: str
    inhabitants: int | None


def test_an_object_is_asked_for_in_json_mode_and_in_words(server, backend):
    assert ot.run(llm.generate_object("A city?", City)) == City("text", 7)
    [body] = server.bodies()
    assert body["generationConfig"] == {"responseMimeType": "application/json"}
    assert "inhabitants" in body["contents"][-1]["parts"][-1]["text"]


def test_a_server_that_ignores_the_format_is_shown_its_error_once(server, backend):
    server.fail("ignores_format", "ignores_format")
    with pytest.raises(ParseError):
        ot.run(llm.generate_object("How many?", int))
    assert len(server.requests) == 2


# Tools


def population(city: str, year: int = 2024) -> int:
    """How many live there."""
    return {"Nice": 348_085}[city] + (year - 2024)


@pytest.mark.parametrize("watched", [False, True], ids=["whole", "streamed"])
def test_a_tool_loop_has_calls_and_results_with_their_ids(watched):
    call = {"functionCall": {"id": "call-1", "name": "population", "args": {"city": "Nice", "year": 2024}}}
    with Answering(answer(call), answer({"text": "About 350,000."})) as server, ot.RegistryContext():
        legacy(server).register()
        e = llm.run_tools("How many live in Nice?", [population], tool_choice="required")
        assert ot.run(e, on_event=(lambda event: None) if watched else None) == "About 350,000."
    first, second = server.bodies()
    [tool] = first["tools"][0]["functionDeclarations"]
    assert tool == {
        "name": "population",
        "description": "How many live there.",
        "parameters": {
            "type": 6,
            "properties": {"city": {"type": 1}, "year": {"type": 3}},
            "required": ["city"],
        },
    }
    assert first["toolConfig"] == {"functionCallingConfig": {"mode": 2}}
    assert second["contents"][1:] == [
        {"role": "model", "parts": [call]},
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "call-1", "name": "population", "response": {"output": "348085"}}}
            ],
        },
    ]


def test_whole_numbers_in_arguments_stay_whole():
    call = {"functionCall": {"name": "f", "args": {"n": 3, "x": 0.5, "many": [{"n": 10}], "none": None}}}
    with Answering(answer(call)) as server, ot.RegistryContext():
        legacy(server).register()
        tool = ot.Tool("f", "", {"type": "object", "properties": {}})
        [found] = ot.run(llm.chat("Call f.", tools=[tool])).tool_calls
    assert json.dumps(thawed(found.arguments), sort_keys=True) == json.dumps(
        call["functionCall"]["args"], sort_keys=True
    )


def mapping(x: dict[str, int]) -> None: ...


def test_a_tool_that_the_sdk_cannot_describe_is_refused_by_name(server, backend):
    with pytest.raises(UnsupportedOptionError, match=r"any keys.*'mapping'"):
        ot.run(llm.chat("Hi", tools=[mapping]))
    assert server.requests == []


# Embeddings, tokens, scores


def test_texts_are_embedded_in_batches(server, backend):
    texts = ["a" * (1 + i % 7) for i in range(101)]
    found = ot.run(llm.embed(texts, extra={"taskType": "CLUSTERING"}))
    assert found == [[float(len(text)), 0.5] for text in texts]
    assert sorted(len(body["requests"]) for body in server.bodies()) == [1, 100]
    assert {request["taskType"] for body in server.bodies() for request in body["requests"]} == {5}


def test_vectors_that_are_missing_are_an_error(server, backend):
    server.fail("empty")
    with pytest.raises(MalformedReplyError):
        ot.run(llm.embed(["one"]))


def test_tokens_are_counted_by_the_provider(server, backend):
    assert ot.run(llm.count_tokens("one two three")) == 3
    assert ":countTokens" in server.requests[0].path
    with pytest.raises(NotBoundError):
        ot.run(llm.score_text("It is", [" Paris"]))


# What goes wrong in its own way


def test_the_sdk_asks_once_with_a_wrong_key():
    with GeminiServer(key="the-right-one") as server, ot.RegistryContext():
        legacy(server, retries=3).register()
        with pytest.raises(AuthenticationError):
            ot.run(llm.generate_text("Hello"))
    assert len(server.requests) == 1


def test_a_redirect_is_not_followed_with_the_key(server, backend):
    server.fail(status(302, headers={"location": f"{server.base_url}/elsewhere"}))
    with pytest.raises(InvalidRequestError, match="base_url"):
        ot.run(llm.generate_text("Hello"))
    assert len(server.requests) == 1


def test_when_to_come_back_is_read_from_the_error(server, backend):
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7.5s"}
    server.fail(Fault("status", 429, message="slow down", error={"details": [info]}))
    with pytest.raises(RateLimitedError) as caught:
        ot.run(llm.generate_text("Hello"))
    assert caught.value.retry_after_s == 7.5


# The table in docs/backend_table.md

CALLS = BackendSuite()
EXTRA = {"embed": {"taskType": "CLUSTERING"}}
SAFETY = {"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]}


@pytest.mark.parametrize("name", sorted(legacy_served()))
def test_an_option_that_is_honoured_is_sent_and_one_that_is_refused_sends_nothing(server, backend, name):
    operation = operations()[name]
    CALLS.check(name, ot.run(CALLS.call(name)))
    plain = server.bodies()
    for option in set(operation.parameters) - set(operation.required) - {"max_repairs"}:
        value = EXTRA.get(name, SAFETY) if option == "extra" else CALLS.options.get(option, "none")
        options = {option: value, **({"tools": CALLS.options["tools"]} if option == "tool_choice" else {})}
        server.requests.clear()
        if option in honoured(operation, ot.copy_registry()):
            ot.run(CALLS.call(name, **options))
            assert server.bodies() != plain, option
        else:
            with pytest.raises(UnsupportedOptionError):
                ot.run(CALLS.call(name, **options))
            assert server.requests == []


# Clients


def test_two_backends_in_one_process_keep_their_keys_and_addresses(server):
    with GeminiServer() as other:
        first, second = legacy(server, api_key="the-first"), legacy(other, api_key="the-second")
        for each in (first, second, first):
            with ot.RegistryContext():
                each.register()
                ot.run(llm.generate_text("Hello"))
    assert [sent.headers["x-goog-api-key"] for sent in server.requests] == ["the-first", "the-first"]
    assert [sent.headers["x-goog-api-key"] for sent in other.requests] == ["the-second"]


def test_as_many_calls_are_under_way_as_allowed():
    with GeminiServer(delay_s=0.05) as server, ot.RegistryContext():
        legacy(server, max_concurrency=12).register()
        ot.run(ot.parallel(*[llm.generate_text(f"Hello {i}") for i in range(24)]))
    assert server.most_at_once == 12
    assert server.connections == 12  # and they were kept alive


def test_its_docstring_says_what_to_take_instead():
    assert "Take `Gemini` instead" in str(GeminiLegacy.__doc__)
