"""What does Anthropic's API make of images, papers, tools and thoughts, and do these come back as they were?"""

import base64
import json

import pytest

from onetwo_like import ot
from onetwo_like.backends import Anthropic
from onetwo_like.builtins import llm
from onetwo_like.errors import InvalidRequestError, MalformedReplyError, UsageError
from tests.backends.mocked import Recorder, event_stream
from tests.servers.anthropic_loopback import THOUGHT, AnthropicServer

PNG, PDF = b"\x89PNG...", b"%PDF..."
REDACTED = {"type": "redacted_thinking", "data": "c2VjcmV0"}
CALL = {"type": "tool_use", "id": "toolu-1", "name": "weather", "input": {"city": "Nice"}}


def weather(city: str) -> str:
    """The forecast for a city."""
    return f"sunny in {city}"


@pytest.fixture(autouse=True)
def _scope():
    with ot.RegistryContext():
        yield


def registered(*answers, **settings):
    recorder = Recorder(*answers)
    settings = {"api_key": "none", "retries": 0, "base_url": "http://127.0.0.1:9", **settings}
    Anthropic("tiny", http_client=recorder.client, **settings).register()
    return recorder


def message(*blocks, stop_reason="end_turn"):
    content = [{"type": "text", "text": block} if isinstance(block, str) else block for block in blocks]
    return {"model": "tiny-1", "content": content, "stop_reason": stop_reason}


def as_base64(data):
    return base64.b64encode(data).decode("ascii")


# Images and papers


def test_images_and_papers_go_by_bytes_and_by_url():
    sent = registered(message("fine"))
    prompt = ot.ChunkList(
        [
            "What are these?",
            ot.Chunk(PNG, "image/png"),
            ot.Chunk("https://example.org/a.jpg", "image/jpeg"),
            ot.Chunk(PDF, "application/pdf"),
            ot.Chunk("https://example.org/a.pdf", "application/pdf"),
        ]
    )
    ot.run(llm.chat(prompt))
    data = {"type": "base64", "media_type": "image/png", "data": as_base64(PNG)}
    paper = {"type": "base64", "media_type": "application/pdf", "data": as_base64(PDF)}
    assert sent.bodies[0]["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What are these?"},
                {"type": "image", "source": data},
                {"type": "image", "source": {"type": "url", "url": "https://example.org/a.jpg"}},
                {"type": "document", "source": paper},
                {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}},
            ],
        }
    ]


@pytest.mark.parametrize(
    ("role", "chunk", "named"),
    [
        ("user", ot.Chunk(b"...", "video/mp4"), "video/mp4"),
        ("user", ot.Chunk(b"...", "image/tiff"), "image/tiff"),
        ("user", ot.Chunk(b"RIFF", "audio/wav"), "audio/wav"),
        ("user", ot.Chunk("a cat", "image/png"), "image/png as bytes or by a URL, not as 'a cat'"),
        ("system", ot.Chunk(PNG, "image/png"), "the system message has a chunk of image/png"),
        ("model", ot.Chunk(PNG, "image/png"), "the model message has a chunk of image/png"),
        ("user", ot.Chunk(ot.ToolCall("weather", {})), "tool call"),
        ("model", ot.Chunk(ot.ToolResult("weather", "sunny")), "tool result"),
    ],
    ids=repr,
)
def test_content_that_the_api_cannot_take_is_an_error_that_names_it(role, chunk, named):
    sent = registered(message("fine"))
    with pytest.raises(InvalidRequestError, match=named) as caught:
        ot.run(llm.chat([ot.Message(role, ot.ChunkList([chunk]))]))
    assert "Anthropic" in str(caught.value)
    assert (caught.value.provider, caught.value.model) == ("anthropic", "tiny")
    assert sent.requests == []


def test_empty_text_which_the_api_refuses_is_left_out():
    sent = registered(message("fine"))
    ot.run(
        llm.chat(
            [ot.Message("user", ot.ChunkList([ot.Chunk(""), ot.Chunk("a", "text/plain"), ot.Chunk("b")]))]
        )
    )
    assert sent.bodies[0]["messages"][0]["content"] == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b"},
    ]


# Tools


def test_tools_are_sent_by_name_docstring_and_types():
    sent = registered(message("fine"))
    ot.run(llm.chat("How is it?", tools=[weather]))
    [tool] = sent.bodies[0]["tools"]
    assert (tool["name"], tool["description"]) == ("weather", "The forecast for a city.")
    assert tool["input_schema"]["properties"]["city"]["type"] == "string"
    assert "tool_choice" not in sent.bodies[0]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"type": "auto"}),
        ("required", {"type": "any"}),
        ("none", {"type": "none"}),
        ("weather", {"type": "tool", "name": "weather"}),
        (weather, {"type": "tool", "name": "weather"}),
    ],
)
def test_which_tool_is_to_be_called_is_sent(choice, expected):
    sent = registered(message("fine"))
    ot.run(llm.chat("Go", tools=[weather], tool_choice=choice))
    assert sent.bodies[0]["tool_choice"] == expected
    with pytest.raises(UsageError, match="tool_choice is"):
        ot.run(llm.chat("Go", tools=[weather], tool_choice="wether"))


@pytest.mark.parametrize("watched", [False, True], ids=["whole", "streamed"])
def test_a_tool_that_is_called_is_content_with_arguments_and_id(watched):
    with AnthropicServer() as server:
        Anthropic("tiny", base_url=server.base_url, api_key="none").register()
        e = llm.chat("Go", tools=[weather], tool_choice="required", include_details=True)
        content, reply = ot.run(e, on_event=[].append if watched else None)
    assert server.bodies()[0].get("stream", False) is watched
    assert content == ot.ChunkList([ot.ToolCall("weather", {"city": "text"}, "toolu-1")])
    assert reply.finish_reason == "tool_calls"


def test_a_loop_sends_thoughts_calls_and_results_back_as_they_came():
    first = message(THOUGHT, REDACTED, "Let me look.", CALL, stop_reason="tool_use")
    sent = registered(first, message("Sunny."))
    assert ot.run(llm.run_tools("How is it?", [weather], reasoning=1024)) == "Sunny."
    assert sent.bodies[1]["messages"][1:] == [
        {"role": "assistant", "content": first["content"]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "toolu-1", "content": "sunny in Nice"}],
        },
    ]


def test_thoughts_survive_the_cache_to_the_letter(tmp_path):
    first = message(THOUGHT, REDACTED, CALL, stop_reason="tool_use")
    sent = registered(first, message("Sunny."), message("Sunny indeed."))
    question = [ot.Message("user", "How is it?")]
    for _ in range(2):
        with ot.caching(tmp_path):
            content = ot.run(llm.chat(question, tools=[weather]))
    assert len(sent.requests) == 1
    result = ot.Message("user", ot.ChunkList([ot.ToolResult("weather", "sunny", "toolu-1")]))
    ot.run(llm.chat([*question, ot.Message("model", content), result], tools=[weather]))
    assert sent.bodies[1]["messages"][1] == {"role": "assistant", "content": first["content"]}


def test_a_tool_that_failed_or_shows_a_picture_says_so_in_its_result():
    sent = registered(message("fine"))
    shown = ot.ChunkList(["a map", ot.Chunk(PNG, "image/png")])
    results = ot.ChunkList(
        [ot.ToolResult("a", shown, "1"), ot.ToolResult("b", "no such city", "2", failed=True)]
    )
    ot.run(llm.chat([ot.Message("user", results)]))
    picture = {"type": "base64", "media_type": "image/png", "data": as_base64(PNG)}
    assert sent.bodies[0]["messages"][0]["content"] == [
        {
            "type": "tool_result",
            "tool_use_id": "1",
            "content": [{"type": "text", "text": "a map"}, {"type": "image", "source": picture}],
        },
        {"type": "tool_result", "tool_use_id": "2", "content": "no such city", "is_error": True},
    ]


def test_arguments_that_were_cut_off_are_an_error_that_says_so():
    start = {**CALL, "input": {}}
    events = [
        {"type": "message_start", "message": message()},
        {"type": "content_block_start", "index": 0, "content_block": start},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": '{"city": "Ni'},
        },
        {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}},
        {"type": "message_stop"},
    ]
    registered(event_stream(*events, named=True))
    with (
        ot.stream(llm.chat("Go", tools=[weather])) as stream,
        pytest.raises(MalformedReplyError, match="cut off"),
    ):
        stream.result  # noqa: B018  (raises)


# Thoughts


@pytest.mark.parametrize("watched", [False, True], ids=["whole", "streamed"])
def test_what_the_model_thought_is_content_and_no_text(watched):
    with AnthropicServer() as server:
        Anthropic("tiny", base_url=server.base_url, api_key="none").register()
        seen: list[object] = []
        e = llm.generate_content("Hello", reasoning="high")
        content = ot.run(e, on_event=seen.append if watched else None)
        assert [chunk.content for chunk in content] == [
            ot.Reasoning(THOUGHT["thinking"], THOUGHT),
            "You said: Hello",
        ]
        assert "".join(event.text for event in seen if isinstance(event, ot.TextDelta)) in ("", content.text)
        assert ot.run(llm.generate_text("Hello", reasoning="high")) == "You said: Hello"


def test_an_answer_of_thoughts_alone_is_malformed():
    registered(message(THOUGHT, stop_reason="max_tokens"))
    with pytest.raises(MalformedReplyError, match="all max_tokens went into reasoning"):
        ot.run(llm.generate_text("Go"))


def test_the_thoughts_of_another_model_are_not_sent():
    sent = registered(message("fine"))
    thoughts = [ot.Reasoning("Hm"), ot.Reasoning("Hm", {"type": "reasoning", "id": "rs-1"})]
    ot.run(llm.chat([ot.Message("user", "Go"), ot.Message("model", ot.ChunkList([*thoughts, "fine"]))]))
    assert sent.bodies[0]["messages"][1] == {"role": "assistant", "content": "fine"}


def test_a_schema_of_a_tool_is_sent_as_plain_json():
    sent = registered(message("fine"))
    tool = ot.Tool("now", "The time.", {"type": "object", "properties": {"zone": {"enum": ["a", "b"]}}})
    ot.run(llm.chat("Go", tools=[tool]))
    written = json.loads(sent.requests[0].content)["tools"][0]["input_schema"]
    assert written == {"type": "object", "properties": {"zone": {"enum": ["a", "b"]}}}
