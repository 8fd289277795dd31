"""What is sent to OpenAI's responses API and to legacy completions, and what is made of the answers?"""

from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.backends import OpenAI
from onetwo_like.builtins import llm
from onetwo_like.errors import (
    BackendError,
    ConnectionFailedError,
    ContentRefusedError,
    InvalidRequestError,
    MalformedReplyError,
    NotBoundError,
    OverloadedError,
    RateLimitedError,
    UnsupportedOptionError,
    UsageError,
)
from tests.backends.mocked import Recorder, event_stream

USAGE = {
    "input_tokens": 7,
    "output_tokens": 5,
    "input_tokens_details": {"cached_tokens": 3},
    "output_tokens_details": {"reasoning_tokens": 2},
}


def weather(city: str) -> str:
    """The forecast for a city."""
    return f"sunny in {city}"


@pytest.fixture(autouse=True)
def _scope():
    with ot.RegistryContext():
        yield


def registered(*answers: Any, **settings: Any) -> Recorder:
    recorder = Recorder(*answers)
    settings = {"api": "responses", "api_key": "none", "retries": 0, **settings}
    OpenAI("tiny", http_client=recorder.client, **settings).register()
    return recorder


def message(*texts: str) -> dict[str, Any]:
    return {"type": "message", "content": [{"type": "output_text", "text": text} for text in texts]}


def response(*items: Any, status: str = "completed", **fields: Any) -> dict[str, Any]:
    return {"id": "r", "model": "tiny-1", "status": status, "output": list(items), "usage": USAGE, **fields}


def function_call(name: str = "weather", arguments: str = '{"city": "Nice"}') -> dict[str, Any]:
    return {"type": "function_call", "call_id": "call-1", "name": name, "arguments": arguments}


REASONING = {
    "type": "reasoning",
    "id": "rs",
    "summary": [{"type": "summary_text", "text": "Hm."}],
    "encrypted_content": "x",
}


def test_what_the_providers_own_tools_did_stands_beside_the_answer():
    sent = registered(response({"type": "web_search_call", "id": "w"}, message("Sunny.")))
    assert ot.run(llm.generate_text("Go", extra={"tools": [{"type": "web_search"}]})) == "Sunny."
    assert sent.bodies[0]["tools"] == [{"type": "web_search"}]
    registered(response({"type": "computer_call", "id": "c"}, message("Sunny.")))
    with pytest.raises(MalformedReplyError, match="an item that is not known here"):
        ot.run(llm.generate_text("Go"))


@pytest.mark.parametrize("status", ["cancelled", "in_progress", "queued"])
def test_a_response_that_is_not_over_is_no_answer(status):
    registered(response(message("Sun"), status=status))
    with pytest.raises(MalformedReplyError, match=status):
        ot.run(llm.generate_text("Go"))


def test_a_text_is_asked_for_and_read():
    sent = registered(response(REASONING, message("Nice ", "day")))
    text, reply = ot.run(
        llm.generate_text(
            "Hello", temperature=0, max_tokens=9, top_p=0.5, reasoning="low", include_details=True
        )
    )
    assert text == "Nice day"
    assert sent.paths == ["/v1/responses"]
    assert sent.bodies[0] == {
        "model": "tiny",
        "stream": False,  # else transformers' server streams
        "input": [{"role": "user", "content": "Hello"}],
        "store": False,
        "temperature": 0.0,
        "max_output_tokens": 9,
        "top_p": 0.5,
        "reasoning": {"effort": "low"},
    }
    assert reply.usage == ot.Usage(7, 5, cached_tokens=3, reasoning_tokens=2)
    assert (reply.finish_reason, reply.model_version) == ("stop", "tiny-1")


@pytest.mark.parametrize(("option", "value"), [("stop", ["a"]), ("seed", 1), ("top_k", 5)])
def test_options_that_the_api_lacks_are_refused_before_any_call(option, value):
    sent = registered(response(message("a")))
    with pytest.raises(UnsupportedOptionError, match=option):
        ot.run(llm.generate_text("Hello", **{option: value}))
    assert sent.requests == []


def test_the_api_is_part_of_the_key_and_chat_is_not():
    assert OpenAI("tiny", api="responses").fingerprint["api"] == "responses"
    assert "api" not in OpenAI("tiny").fingerprint
    with pytest.raises(UsageError, match="has the APIs chat, responses, completions"):
        OpenAI("tiny", api="reponses")  # type: ignore[arg-type]


def test_an_object_is_asked_for_by_schema():
    sent = registered(response(message('{"value": 42}')))
    assert ot.run(llm.generate_object("How many?", int)) == 42
    wanted = sent.bodies[0]["text"]["format"]
    assert (wanted["type"], wanted["strict"]) == ("json_schema", True)
    assert wanted["schema"]["properties"]["value"] == {"type": "integer"}


def test_content_is_sent_in_the_apis_form():
    sent = registered(response(message("a")))
    png, pdf = ot.Chunk(b"...", "image/png"), ot.Chunk("https://example.org/a.pdf", "application/pdf")
    conversation = [
        ot.Message("system", "Be brief."),
        ot.Message("user", ot.ChunkList(["What?", png, pdf])),
        ot.Message("model", ot.ChunkList([ot.Chunk("That.", metadata={"x": 1})])),
        ot.Message("user", "Why?"),
    ]
    ot.run(llm.chat(conversation))
    assert sent.bodies[0]["input"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What?"},
                {"type": "input_image", "image_url": "data:image/png;base64,Li4u"},
                {"type": "input_file", "file_url": "https://example.org/a.pdf"},
            ],
        },
        {"role": "assistant", "content": [{"type": "output_text", "text": "That."}]},
        {"role": "user", "content": "Why?"},
    ]
    with pytest.raises(InvalidRequestError, match="audio/wav"):
        ot.run(llm.chat(ot.Chunk(b"...", "audio/wav")))


def test_a_tool_loop_returns_reasoning_and_calls_as_they_came():
    sent = registered(response(REASONING, message("Look."), function_call()), response(message("Sunny.")))
    assert ot.run(llm.run_tools("How is it?", [weather], tool_choice="weather")) == "Sunny."
    first, second = sent.bodies
    assert first["include"] == ["reasoning.encrypted_content"]
    assert first["tools"][0]["strict"] is False  # strict tools must have no defaults
    assert (first["tools"][0]["name"], first["tool_choice"]) == (
        "weather",
        {"type": "function", "name": "weather"},
    )
    assert second["input"][1:] == [
        REASONING,
        {"role": "assistant", "content": [{"type": "output_text", "text": "Look."}]},
        function_call(),
        {"type": "function_call_output", "call_id": "call-1", "output": "sunny in Nice"},
    ]


def test_content_holds_reasoning_text_and_calls_in_order():
    registered(response(REASONING, message("Look."), function_call()))
    content, reply = ot.run(llm.chat("Go", tools=[weather], include_details=True))
    assert [chunk.kind for chunk in content] == ["reasoning", "text/plain", "tool call"]
    assert reply.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            response(message("a"), status="incomplete", incomplete_details={"reason": "content_filter"}),
            ContentRefusedError,
        ),
        (
            response({"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}),
            ContentRefusedError,
        ),
        (response(status="failed", error={"code": "server_error", "message": "x"}), OverloadedError),
        (response(status="failed", error={"code": "rate_limit_exceeded", "message": "x"}), RateLimitedError),
        (response(), MalformedReplyError),
        (response(REASONING), MalformedReplyError),
        (response({"type": "web_search_call"}), MalformedReplyError),
        (response(function_call(arguments="{")), MalformedReplyError),
        ({"output": 7}, MalformedReplyError),
    ],
)
def test_each_failure_is_its_class(answer, expected):
    registered(answer)
    with pytest.raises(BackendError) as caught:
        ot.run(llm.generate_text("Hello"))
    assert type(caught.value) is expected


def test_an_answer_that_was_cut_off_says_so():
    registered(
        response(message("a"), status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    )
    _, reply = ot.run(llm.generate_text("Hello", include_details=True))
    assert reply.finish_reason == "length"


def delta(text: str) -> dict[str, Any]:
    return {"type": "response.output_text.delta", "delta": text}


def test_a_watched_call_streams():
    end = {"type": "response.completed", "response": response(message("Nice day"))}
    sent = registered(event_stream(delta("Nice "), delta("day"), end, named=True))
    with ot.stream(llm.generate_text("Hello"), only=ot.TextDelta) as events:
        assert [event.text for event in events] == ["Nice ", "day"]
    assert events.result == "Nice day"
    assert sent.bodies[0]["stream"] is True


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([delta("Nice ")], ConnectionFailedError),
        ([delta("Nice "), "[DONE]"], ConnectionFailedError),
        ([delta("Nice "), {"type": "error", "code": "x", "message": "y"}], OverloadedError),
        (
            [{"type": "response.failed", "response": response(status="failed", error={"code": "x"})}],
            OverloadedError,
        ),
        ([{"type": "response.completed"}], MalformedReplyError),
    ],
)
def test_a_stream_without_its_end_is_an_error(events, expected):
    named = "[DONE]" not in events
    registered(event_stream(*events, named=named))
    with ot.stream(llm.generate_text("Hello")) as seen:
        list(seen)
        with pytest.raises(BackendError) as caught:
            seen.result  # noqa: B018  (raises)
    assert type(caught.value) is expected


def test_samples_are_asked_for_one_by_one():
    sent = registered(response(message("a")), response(message("b")))
    assert sorted(ot.run(llm.generate_texts("Hello", 2))) == ["a", "b"]
    assert all("n" not in body for body in sent.bodies)


def test_tokens_are_counted_by_openai_itself():
    sent = registered({"input_tokens": 9}, api="chat")
    assert ot.run(llm.count_tokens("Hello there")) == 9
    assert sent.paths == ["/v1/responses/input_tokens"]
    registered({"tokens": 9}, api="chat")
    with pytest.raises(MalformedReplyError):
        ot.run(llm.count_tokens("Hello there"))


# Legacy completions


def completion(*texts: str, finish_reason: str | None = "stop") -> dict[str, Any]:
    choices = [{"index": i, "text": t, "finish_reason": finish_reason} for i, t in enumerate(texts)]
    return {"model": "base-1", "choices": choices, "usage": {"prompt_tokens": 3, "completion_tokens": 2}}


def base(*answers: Any) -> Recorder:
    return registered(*answers, api="completions", base_url="http://127.0.0.1:1/v1")


def test_a_base_model_continues_a_text():
    sent = base(completion(" Paris"))
    assert ot.run(llm.generate_text("The capital of France is", max_tokens=3, stop=".", seed=7)) == " Paris"
    assert sent.paths == ["/v1/completions"]
    assert sent.bodies[0] == {
        "model": "tiny",
        "prompt": "The capital of France is",
        "max_tokens": 3,
        "stop": ["."],
        "seed": 7,
    }


def test_a_conversation_with_a_base_model_is_written_as_text():
    sent = base(completion(" Lima."))
    assert ot.run(llm.chat("Capital of Peru?")) == "Lima."
    assert sent.bodies[0]["prompt"] == "User: Capital of Peru?\nModel:"


def test_samples_of_a_base_model_come_together():
    sent = base(completion("a", "b", "c"))
    assert ot.run(llm.generate_texts("Hello", 3)) == ["a", "b", "c"]
    assert sent.bodies[0]["n"] == 3


def test_a_base_model_streams():
    def piece(text: str, finish_reason: str | None = None) -> dict[str, Any]:
        return {"choices": [{"index": 0, "text": text, "finish_reason": finish_reason}]}

    base(event_stream(piece(" Pa"), piece("ris"), piece("", "stop"), "[DONE]"))
    with ot.stream(llm.generate_text("France:"), only=ot.TextDelta) as events:
        assert [event.text for event in events] == [" Pa", "ris"]
    assert events.result == " Paris"
    base(event_stream(piece(" Pa"), "[DONE]"))
    with ot.stream(llm.generate_text("France:")) as events:
        list(events)
        with pytest.raises(ConnectionFailedError):
            events.result  # noqa: B018  (raises)


def test_a_base_model_refuses_tools_and_reasoning():
    base(completion("a"))
    with pytest.raises(UnsupportedOptionError, match="tools"):
        ot.run(llm.chat("Go", tools=[weather]))
    with pytest.raises(UnsupportedOptionError, match="reasoning"):
        ot.run(llm.generate_text("Go", reasoning="low"))


def test_openai_itself_no_longer_scores_texts():
    registered(completion("a"), api="completions")
    with pytest.raises(NotBoundError):
        ot.run(llm.score_text("a", ["b"]))
