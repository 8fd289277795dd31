"""What the backend says through google-genai, and what it makes of the answers of a server that works."""

import dataclasses
from typing import Any

import httpx2
import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.errors import (
    InvalidRequestError,
    MalformedReplyError,
    NotBoundError,
    ParseError,
    UnsupportedOptionError,
    UsageError,
)
from tests.backends.gemini_mock import Google, answer

PNG = b"\x89PNG..."


@pytest.fixture(autouse=True)
def _scope():
    with ot.RegistryContext():
        yield


def detailed(e) -> Any:
    """The value and the Reply."""
    return ot.run(e)


# Text


def test_a_text_is_asked_for_as_one_message_of_the_users():
    google = Google(answer("Hello!"))
    google.backend()
    assert ot.run(llm.generate_text("Hello")) == "Hello!"
    [sent] = google.requests
    assert str(sent.url) == "https://generativelanguage.googleapis.com/v1beta/models/tiny:generateContent"
    assert sent.headers["x-goog-api-key"] == "none"
    assert google.bodies == [
        {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}], "generationConfig": {}}
    ]


def test_everything_that_was_asked_for_reaches_the_server_as_it_was_written():
    google = Google()
    google.backend(temperature=0.5, max_tokens=9)
    conversation = [
        ot.Message("system", "Be brief."),
        ot.Message("user", ot.ChunkList(["What is this?", ot.Chunk(PNG, "image/png")])),
        ot.Message("model", "A picture."),
        ot.Message("user", "Of?"),
    ]
    extra = {"safetySettings": [{"category": "c", "threshold": "OFF"}], "newField": {"in_snake_case": [1]}}
    ot.run(llm.chat(conversation, max_tokens=2, reasoning=0, top_k=3, extra=extra))
    assert google.bodies == [
        {
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
                "temperature": 0.5,
                "maxOutputTokens": 2,
                "topK": 3,
                "thinkingConfig": {"thinkingBudget": 0},
            },
            **extra,
        }
    ]


def test_extra_options_are_part_of_the_key(tmp_path):
    google = Google(answer("one"), answer("two"))
    google.backend(cache=ot.Cache(tmp_path))
    first = llm.generate_text("Hi", extra={"safetySettings": []})
    second = llm.generate_text("Hi", extra={"safetySettings": [{"category": "c"}]})
    assert [ot.run(first), ot.run(second), ot.run(first)] == ["one", "two", "one"]


def test_the_reply_says_what_the_provider_said():
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 2, "thoughtsTokenCount": 4}
    google = Google(answer("Hi", reason="MAX_TOKENS", usageMetadata=usage, responseId="r-1"))
    google.backend()
    _, reply = detailed(llm.generate_text("Hello", include_details=True))
    assert reply.usage == ot.Usage(3, 6, reasoning_tokens=4)
    assert (reply.finish_reason, reply.model_version, reply.request_id) == ("length", "tiny-001", "r-1")
    assert reply.duration_s > 0
    assert reply.chunks is None


def test_the_request_id_of_a_proxy_stands_in_for_the_providers():
    google = Google(httpx2.Response(200, json=answer("Hi"), headers={"x-request-id": "proxy-7"}))
    google.backend()
    _, reply = detailed(llm.generate_text("Hello", include_details=True))
    assert reply.request_id == "proxy-7"


def test_thoughts_are_paid_for_as_output():
    usage = {"promptTokenCount": 1_000_000, "candidatesTokenCount": 0, "thoughtsTokenCount": 1_000_000}
    google = Google(answer("Hi", usageMetadata=usage))
    google.backend("gemini-2.5-flash")
    _, reply = detailed(llm.generate_text("Hello", include_details=True))
    assert reply.usage.cost == pytest.approx(0.30 + 2.50)


# Content


def test_pictures_and_thoughts_come_as_content():
    picture = {"inlineData": {"mimeType": "image/png", "data": "iVBORy4uLg=="}}
    google = Google(answer({"text": "Hm.", "thought": True}, "A cat:", picture))
    google.backend()
    content = ot.run(
        llm.generate_content("Draw a cat.", extra={"generationConfig": {"responseModalities": ["IMAGE"]}})
    )
    assert list(content) == [ot.Chunk(ot.Reasoning("Hm.")), ot.Chunk("A cat:"), ot.Chunk(PNG, "image/png")]


def test_content_that_the_api_cannot_take_is_an_error_that_names_it():
    google = Google()
    google.backend()
    with pytest.raises(InvalidRequestError, match="application/zip") as caught:
        ot.run(llm.chat(ot.ChunkList([ot.Chunk(b"...", "application/zip")])))
    assert (caught.value.provider, caught.value.model) == ("gemini", "tiny")
    assert google.requests == []


# Tools


def population(city: str) -> int:
    """How many live there."""
    return {"Nice": 348_085}[city]


CALL = {
    "functionCall": {"name": "population", "args": {"city": "Nice"}, "id": "call-1"},
    "thoughtSignature": "+/A=",
}


@pytest.mark.parametrize("watched", [False, True], ids=["whole", "streamed"])
def test_a_tool_loop_returns_calls_ids_and_signatures_as_they_came(watched):
    calling, answering = answer(CALL), answer("About 350,000.")
    google = Google(*([[calling], [answering]] if watched else [calling, answering]))
    google.backend()
    e = llm.run_tools("How many live in Nice?", [population], tool_choice="auto")
    assert ot.run(e, on_event=(lambda event: None) if watched else None) == "About 350,000."
    first, second = google.bodies
    assert first["tools"] == [
        {
            "functionDeclarations": [
                {
                    "name": "population",
                    "description": "How many live there.",
                    "parametersJsonSchema": {
                        "type": "object",
                        "properties": {"city": {"type": "string"}},
                        "required": ["city"],
                        "additionalProperties": False,
                    },
                }
            ]
        }
    ]
    result = {"id": "call-1", "name": "population", "response": {"output": "348085"}}
    assert second["contents"][1:] == [
        {"role": "model", "parts": [CALL]},
        {"role": "user", "parts": [{"functionResponse": result}]},
    ]


def test_arguments_with_nulls_in_a_stream_keep_them():
    args = {"a": None, "b": (None, {"c": None}), "snake_case": 1}
    google = Google([answer({"functionCall": {"name": "f", "args": args}})])
    google.backend()
    tool = ot.Tool("f", "", {"type": "object", "properties": {}})
    content = ot.run(llm.chat("Call f.", tools=[tool]), on_event=lambda event: None)
    assert content.tool_calls == [ot.ToolCall("f", args)]


# Streaming


def test_a_watched_call_streams_piece_by_piece():
    google = Google([answer("Hel", reason=None), answer("lo"), {"usageMetadata": {"promptTokenCount": 3}}])
    google.backend()
    with ot.stream(llm.generate_text("Hello", include_details=True)) as events:
        pieces = [event.text for event in events if isinstance(event, ot.TextDelta)]
    text, reply = events.result
    assert (pieces, text, reply.chunks) == (["Hel", "lo"], "Hello", ("Hel", "lo"))
    assert (reply.usage, reply.finish_reason, reply.model_version) == (ot.Usage(3), "stop", "tiny-001")
    assert str(google.requests[0].url).endswith(":streamGenerateContent?alt=sse")


def test_what_nobody_watches_is_not_streamed():
    google = Google()
    google.backend()
    ot.run(llm.generate_text("Hello"), enable_tracing=True)
    assert str(google.requests[0].url).endswith(":generateContent")


def test_a_server_that_does_not_stream_answers_in_one_piece():
    google = Google(answer("fine"))
    google.backend()
    with ot.stream(llm.generate_text("Hello"), only=ot.TextDelta) as events:
        assert [event.text for event in events] == ["fine"]


# Several answers


def candidates(*texts):
    return {"candidates": [answer(text)["candidates"][0] | {"index": i} for i, text in enumerate(texts)]}


def test_eight_answers_take_one_call_and_nine_two():
    google = Google(candidates(*"abcdefgh"), candidates("i"))
    google.backend(max_concurrency=1)
    assert ot.run(llm.generate_texts("Hello", 9)) == list("abcdefghi")
    counts = [body["generationConfig"].get("candidateCount") for body in google.bodies]
    assert counts == [8, None]


def test_answers_that_a_server_leaves_out_are_asked_for_one_by_one():
    google = Google(candidates("a"), answer("b"), answer("c"))
    google.backend(max_concurrency=1)
    assert ot.run(llm.generate_texts("Hello", 3)) == ["a", "b", "c"]


def test_a_model_that_gives_one_answer_only_is_asked_for_one_at_a_time_from_then_on():
    told = {
        "code": 400,
        "message": "Multiple candidates is not enabled for this model",
        "status": "INVALID_ARGUMENT",
    }
    google = Google(httpx2.Response(400, json={"error": told}), answer("a"))
    google.backend()
    for _ in range(2):
        assert ot.run(llm.generate_texts("Hello", 2)) == ["a", "a"]
    counts = [body["generationConfig"].get("candidateCount") for body in google.bodies]
    assert counts == [2, None, None, None, None]


def test_another_mistake_in_a_request_for_several_is_not_repeated():
    told = {"code": 400, "message": "temperature is too high", "status": "INVALID_ARGUMENT"}
    google = Google(httpx2.Response(400, json={"error": told}))
    google.backend()
    with pytest.raises(InvalidRequestError, match="too high"):
        ot.run(llm.generate_texts("Hello", 2))
    assert len(google.requests) == 1


# Objects


@dataclasses.dataclass
class City:
    name: str
    inhabitants: int


def test_an_object_is_written_under_its_schema():
    google = Google(answer('{"name": "Nice", "inhabitants": 348085}'))
    google.backend()
    assert ot.run(llm.generate_object("A city?", City)) == City("Nice", 348_085)
    config = google.bodies[0]["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    assert config["responseJsonSchema"]["required"] == ["name", "inhabitants"]


def test_a_server_that_ignores_the_schema_is_shown_its_error_once():
    google = Google(answer("Nice, I think."), answer('{"value": 7}'))
    google.backend()
    assert ot.run(llm.generate_object("How many?", int)) == 7
    first, second = google.bodies
    assert second["contents"][:2] == [
        *first["contents"],
        {"role": "model", "parts": [{"text": "Nice, I think."}]},
    ]


def test_a_server_that_keeps_ignoring_the_schema_is_a_parse_error_with_the_reply():
    google = Google(answer("Nice, I think."))
    google.backend()
    with pytest.raises(ParseError) as caught:
        ot.run(llm.generate_object("How many?", int))
    assert (caught.value.reply, len(google.requests)) == ("Nice, I think.", 2)


# Embeddings, tokens, scores


def vectors(count):
    return {"embeddings": [{"values": [float(i), 1.0]} for i in range(count)]}


@pytest.mark.parametrize("model", ["text-embedding-004", "gemini-embedding-2"])
def test_each_text_is_a_content_of_its_own_and_gets_a_vector_of_its_own(model):
    google = Google({**vectors(2), "usageMetadata": {"promptTokenCount": 5}})
    google.backend(model)
    found, reply = detailed(
        llm.embed(
            ["one", "two"],
            extra={"taskType": "RETRIEVAL_QUERY", "outputDimensionality": 2},
            include_details=True,
        )
    )
    assert found == [[0.0, 1.0], [1.0, 1.0]]
    assert reply.usage.input_tokens == 5
    assert str(google.requests[0].url).endswith(f"/models/{model}:batchEmbedContents")
    asked = google.bodies[0]["requests"]
    assert [request["content"]["parts"] for request in asked] == [[{"text": "one"}], [{"text": "two"}]]
    assert {(request["taskType"], request["outputDimensionality"]) for request in asked} == {
        ("RETRIEVAL_QUERY", 2)
    }


def test_many_texts_are_embedded_in_batches_and_none_in_no_call():
    google = Google(vectors(100), vectors(100), vectors(1))
    google.backend(max_concurrency=1)
    assert len(ot.run(llm.embed([f"text {i}" for i in range(201)]))) == 201
    assert [len(body["requests"]) for body in google.bodies] == [100, 100, 1]
    assert ot.run(llm.embed([])) == []
    assert len(google.requests) == 3


@pytest.mark.parametrize(
    "reply",
    [{}, vectors(1), vectors(3), {"embeddings": [{"values": [1.0]}, {}]}, {"embeddings": "none"}],
    ids=str,
)
def test_vectors_that_do_not_fit_the_texts_are_an_error(reply):
    google = Google(reply)
    google.backend()
    with pytest.raises(MalformedReplyError):
        ot.run(llm.embed(["one", "two"]))


def test_an_option_of_embeddings_that_nobody_knows_yet_is_sent_as_it_is():
    google = Google(vectors(1))
    google.backend()
    ot.run(llm.embed(["one"], extra={"newOption": {"in_snake_case": [1]}}))
    assert google.bodies[0]["requests"][0]["newOption"] == {"in_snake_case": [1]}
    with pytest.raises(UsageError, match="content"):
        ot.run(llm.embed(["one"], extra={"content": "another"}))


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({"newOption": 1}, UnsupportedOptionError),
        ({"httpOptions": {"baseUrl": "http://203.0.113.7"}}, UnsupportedOptionError),
        ({"outputDimensionality": "many"}, UsageError),
    ],
    ids=str,
)
def test_an_option_of_embeddings_that_the_sdk_does_not_know_is_refused_on_vertex_ai(extra, expected):
    google = Google(vectors(1))
    google.backend(vertexai=True)
    with pytest.raises(expected):
        ot.run(llm.embed(["one"], extra=extra))
    assert google.requests == []


def test_tokens_are_counted_by_the_provider():
    google = Google({"totalTokens": 7})
    google.backend()
    content = ot.ChunkList([ot.Chunk("Be brief.", role="system"), ot.Chunk(PNG, "image/png")])
    assert ot.run(llm.count_tokens(content)) == 7
    assert str(google.requests[0].url).endswith(":countTokens")
    assert google.bodies == [
        {
            "contents": [
                {"role": "user", "parts": [{"text": "Be brief."}]},
                {
                    "role": "user",
                    "parts": [{"inlineData": {"mimeType": "image/png", "data": "iVBORy4uLg=="}}],
                },
            ]
        }
    ]


def test_gemini_scores_nothing_so_select_asks_it_to_choose():
    google = Google(answer('{"value": " Rome"}'))
    google.backend()
    assert ot.run(llm.select("It is", [" Paris", " Rome"])) == " Rome"
    schema = google.bodies[0]["generationConfig"]["responseJsonSchema"]
    assert schema["properties"]["value"]["enum"] == [" Paris", " Rome"]
    with pytest.raises(NotBoundError):
        ot.run(llm.score_text("It is", [" Paris"]))
