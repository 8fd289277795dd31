"""What does OpenAI's chat API make of tools, reasoning, sound, files and options of its own?"""

import base64
import json
from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.backends import OpenAI
from onetwo_like.builtins import llm
from onetwo_like.errors import (
    InvalidRequestError,
    MalformedReplyError,
    UnsupportedOptionError,
    UsageError,
)
from tests.backends.mocked import Recorder, chat_reply, event_stream

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def weather(city: str) -> str:
    """The forecast for a city."""
    return f"sunny in {city}"


@pytest.fixture(autouse=True)
def _scope():
    with ot.RegistryContext():
        yield


def registered(*answers: Any, **settings: Any) -> Recorder:
    recorder = Recorder(*answers)
    settings = {"api_key": "none", "retries": 0, **settings}
    OpenAI("tiny", http_client=recorder.client, **settings).register()
    return recorder


def wire_call(name: str, arguments: str, id_: str = "call-1") -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


# Tools


def test_tools_are_sent_by_name_docstring_and_types():
    sent = registered(chat_reply())
    ot.run(llm.chat("How is it?", tools=[weather]))
    [tool] = sent.bodies[0]["tools"]
    assert tool["type"] == "function"
    assert (tool["function"]["name"], tool["function"]["description"]) == (
        "weather",
        "The forecast for a city.",
    )
    assert {n: tool["function"]["parameters"][n] for n in PARAMETERS} == PARAMETERS
    assert "tool_choice" not in sent.bodies[0]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", "auto"),
        ("required", "required"),
        ("none", "none"),
        ("weather", {"type": "function", "function": {"name": "weather"}}),
        (weather, {"type": "function", "function": {"name": "weather"}}),
    ],
)
def test_which_tool_is_to_be_called_is_sent(choice, expected):
    sent = registered(chat_reply())
    ot.run(llm.chat("Go", tools=[weather], tool_choice=choice))
    assert sent.bodies[0]["tool_choice"] == expected


@pytest.mark.parametrize("tools", [[weather], None])
def test_a_tool_that_is_not_offered_cannot_be_chosen(tools):
    sent = registered(chat_reply())
    with pytest.raises(UsageError, match="tool_choice is"):
        ot.run(llm.chat("Go", tools=tools, tool_choice="wether"))
    assert sent.requests == []


@pytest.mark.parametrize("tools", [[], None])
def test_a_call_cannot_be_required_without_tools(tools):
    sent = registered(chat_reply())
    with pytest.raises(UsageError, match=r"tool_choice is 'auto', 'none' or .* not 'required'"):
        ot.run(llm.chat("Go", tools=tools, tool_choice="required"))
    assert sent.requests == []
    ot.run(llm.chat("Go", tools=tools, tool_choice="none"))  # as it is anyway


def test_with_tools_the_value_is_content_and_without_text():
    registered(
        chat_reply(None, "tool_calls", tool_calls=[wire_call("weather", '{"city": "Nice"}')]), chat_reply()
    )
    content, reply = ot.run(llm.chat("Go", tools=[weather], include_details=True))
    assert content.tool_calls == [ot.ToolCall("weather", {"city": "Nice"}, "call-1")]
    assert reply.finish_reason == "tool_calls"
    assert ot.run(llm.chat("Go", tools=[weather])) == ot.ChunkList(["fine"])
    assert ot.run(llm.chat("Go")) == "fine"


def test_a_loop_sends_calls_and_results_back_under_their_ids():
    calls = [wire_call("weather", '{"city": "Nice"}', "a"), wire_call("weather", '{"city": "Lima"}', "b")]
    sent = registered(chat_reply("Let me look.", "tool_calls", tool_calls=calls), chat_reply("Sunny."))
    assert ot.run(llm.run_tools("How is it?", [weather])) == "Sunny."
    assert sent.bodies[1]["messages"][1:] == [
        {"role": "assistant", "content": "Let me look.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a", "content": "sunny in Nice"},
        {"role": "tool", "tool_call_id": "b", "content": "sunny in Lima"},
    ]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (wire_call("weather", '{"city": '), "not JSON"),
        (wire_call("weather", "[1]"), "not by name"),
        ({"id": "a", "type": "function"}, "names no function"),
    ],
)
def test_a_tool_call_that_cannot_be_read_is_a_malformed_reply(call, said):
    registered(chat_reply(None, "tool_calls", tool_calls=[call]))
    with pytest.raises(MalformedReplyError, match=said):
        ot.run(llm.chat("Go", tools=[weather]))


@pytest.mark.parametrize("said", ["", " ", "null", "{}"])
def test_no_arguments_are_none_in_whatever_words(said):
    registered(chat_reply(None, "tool_calls", tool_calls=[wire_call("weather", said)]))
    content = ot.run(llm.chat("Go", tools=[weather]))
    assert content == ot.ChunkList([ot.ToolCall("weather", {}, "call-1")])


def test_a_watched_call_gathers_tool_calls_from_their_pieces():
    def delta(**fields: Any) -> dict[str, Any]:
        return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}

    def piece(index: int, arguments: str, **fields: Any) -> dict[str, Any]:
        function = {"arguments": arguments, **({"name": fields.pop("name")} if "name" in fields else {})}
        return delta(tool_calls=[{"index": index, "function": function, **fields}])

    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    stream = event_stream(
        delta(content="Let me "),
        delta(content="look."),
        piece(0, "", name="weather", id="a"),
        piece(1, '{"city"', name="weather", id="b"),
        piece(0, '{"city": "Ni'),
        piece(0, 'ce"}'),
        piece(1, ': "Lima"}'),
        end,
        "[DONE]",
    )
    registered(stream)
    with ot.stream(llm.chat("Go", tools=[weather]), only=ot.TextDelta) as events:
        assert [event.text for event in events] == ["Let me ", "look."]
    assert events.result == ot.ChunkList(
        [
            "Let me look.",
            ot.ToolCall("weather", {"city": "Nice"}, "a"),
            ot.ToolCall("weather", {"city": "Lima"}, "b"),
        ]
    )


def test_the_text_beside_tool_calls_is_told_again_on_replay(tmp_path):
    call = {"index": 0, **wire_call("weather", '{"city": "Nice"}')}
    pieces = [{"content": "Let me "}, {"content": "look."}, {"tool_calls": [call]}]
    events = [{"choices": [{"index": 0, "delta": piece}]} for piece in pieces]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    registered(event_stream(*events, end))
    e = llm.chat("Go", tools=[weather])

    def deltas() -> list[str]:
        with ot.stream(e, only=ot.TextDelta) as events:
            return [event.text for event in events]

    with ot.caching(tmp_path / "cache"):
        assert deltas() == ["Let me ", "look."]
    with ot.caching(tmp_path / "cache", mode="replay"):
        assert deltas() == ["Let me ", "look."]


def test_content_with_tool_calls_is_kept_in_the_cache_as_it_was(tmp_path):
    registered(chat_reply("Look.", "tool_calls", tool_calls=[wire_call("weather", '{"city": ["Nice", 1]}')]))
    e = llm.chat("Go", tools=[weather])
    with ot.caching(tmp_path / "cache"):
        first = ot.run(e)
    with ot.caching(tmp_path / "cache", mode="replay"):
        assert ot.run(e) == first


def test_an_image_from_a_tool_is_an_error_that_names_it():
    sent = registered(chat_reply(None, "tool_calls", tool_calls=[wire_call("draw", "{}")]))

    def draw():
        return ot.Chunk(b"...", "image/png")

    with pytest.raises(InvalidRequestError, match="takes text from tools, and 'draw' returned image/png"):
        ot.run(llm.run_tools("Go", [draw]))
    assert len(sent.requests) == 1


def test_a_model_without_tools_refuses_them_before_any_call():
    class Plain(OpenAI):
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings)
            self.honours -= {"tools", "tool_choice"}

    sent = Recorder(chat_reply())
    Plain("tiny", http_client=sent.client, api_key="none").register()
    for options in ({"tools": [weather]}, {"tool_choice": "auto"}):
        with pytest.raises(UnsupportedOptionError):
            ot.run(llm.chat("Go", **options))
    assert sent.requests == []


def test_what_a_conversation_holds_beside_text_is_sent_as_the_api_has_it():
    sent = registered(chat_reply())
    asks = ot.ToolCall("weather", {"city": "Nice"}, "a")
    conversation = [
        ot.Message("user", "Go"),
        ot.Message("model", ot.ChunkList([ot.Reasoning("hm"), asks])),
        ot.Message("user", ot.ChunkList([ot.ToolResult("weather", "sunny", "a"), "And then?"])),
        ot.Message("model", ot.ChunkList([ot.Reasoning("hm"), "Rain."])),
        ot.Message("user", "Sure?"),
    ]
    ot.run(llm.chat(conversation))
    assert sent.bodies[0]["messages"][1:4] == [
        {"role": "assistant", "content": None, "tool_calls": [wire_call("weather", '{"city": "Nice"}', "a")]},
        {"role": "tool", "tool_call_id": "a", "content": "sunny"},
        {"role": "user", "content": "And then?"},
    ]
    assert sent.bodies[0]["messages"][4] == {"role": "assistant", "content": "Rain."}


def test_only_the_first_of_several_streamed_answers_is_read():
    events = [
        {"choices": [{"index": index, "delta": {"content": text}, "finish_reason": "stop"}]}
        for index, text in enumerate(["one", "two"])
    ]
    registered(event_stream(*events))
    with ot.stream(llm.generate_text("Go"), only=ot.TextDelta) as seen:
        assert [event.text for event in seen] == ["one"]
    assert seen.result == "one"


# Reasoning


@pytest.mark.parametrize(("given", "sent"), [("low", "low"), ("none", "none"), (0, "none"), (None, None)])
def test_how_much_to_think_is_sent_in_words(given, sent):
    recorder = registered(chat_reply())
    ot.run(llm.generate_text("Go", reasoning=given))
    assert recorder.bodies[0].get("reasoning_effort") == sent


def test_a_number_of_tokens_to_think_is_refused_before_any_call():
    recorder = registered(chat_reply())
    with pytest.raises(UnsupportedOptionError, match="in words"):
        ot.run(llm.generate_text("Go", reasoning=1000))
    assert recorder.requests == []


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_that_a_server_shows_is_content_and_no_text(field):
    registered(chat_reply("42", **{field: "6 times 7"}))
    assert ot.run(llm.generate_text("Go")) == "42"
    content = ot.run(llm.generate_content("Go"))
    assert [chunk.content for chunk in content] == [ot.Reasoning("6 times 7"), "42"]


def test_an_answer_of_reasoning_alone_is_malformed():
    registered(chat_reply(None, "length", reasoning_content="Hm"))
    with pytest.raises(MalformedReplyError, match="all max_tokens went into reasoning"):
        ot.run(llm.generate_content("Go"))


# Content


def test_sound_and_pdf_are_sent_by_bytes():
    sent = registered(chat_reply())
    sound, paper = ot.Chunk(b"RIFF", "audio/wav"), ot.Chunk(b"%PDF", "application/pdf")
    ot.run(llm.chat(ot.ChunkList(["What is this?", sound, paper])))
    assert sent.bodies[0]["messages"][0]["content"][1:] == [
        {"type": "input_audio", "input_audio": {"data": base64.b64encode(b"RIFF").decode(), "format": "wav"}},
        {
            "type": "file",
            "file": {
                "filename": "document.pdf",
                "file_data": "data:application/pdf;base64," + base64.b64encode(b"%PDF").decode(),
            },
        },
    ]


@pytest.mark.parametrize("mime", ["audio/wav", "application/pdf"])
def test_sound_and_pdf_by_address_are_an_error_that_says_so(mime):
    sent = registered(chat_reply())
    with pytest.raises(InvalidRequestError, match="by bytes, not by address"):
        ot.run(llm.chat(ot.Chunk("https://example.org/a", mime)))
    assert sent.requests == []


def test_sound_that_a_model_makes_is_content():
    data = base64.b64encode(b"RIFF").decode()
    registered(chat_reply(None, audio={"data": data, "transcript": "Hello"}))
    assert ot.run(llm.generate_content("Go")) == ot.ChunkList([ot.Chunk(b"RIFF", "audio/wav")])
    with pytest.raises(MalformedReplyError, match="no text"):
        ot.run(llm.generate_text("Go"))


@pytest.mark.parametrize("cut", [3, 4, 5], ids="{} bytes a piece".format)
def test_sound_that_a_model_makes_is_content_also_in_a_stream(cut):
    sound = bytes(range(40))
    deltas = [{"audio": {"id": "a", "transcript": "Hel"}}]
    deltas += [
        {"audio": {"data": base64.b64encode(sound[i : i + cut]).decode()}} for i in range(0, len(sound), cut)
    ]
    events = [{"choices": [{"delta": delta}]} for delta in deltas]
    registered(event_stream(*events, {"choices": [{"delta": {}, "finish_reason": "stop"}]}))
    with ot.stream(llm.generate_content("Go")) as watched:
        list(watched)
    assert watched.result == ot.ChunkList([ot.Chunk(sound, "audio/pcm")])


@pytest.mark.parametrize(
    ("beginning", "mime"),
    [
        (b"RIFF", "audio/wav"),
        (b"OggS", "audio/ogg"),
        (b"fLaC", "audio/flac"),
        (b"ID3", "audio/mpeg"),
        (b"\xff\xf3", "audio/mpeg"),
        (b"\xff\xf1", "audio/aac"),
        (b"\xff\xff", "audio/pcm"),
    ],
)
def test_sound_has_the_type_that_it_is_of(beginning, mime):
    registered(chat_reply(None, audio={"data": base64.b64encode(beginning + b"...").decode()}))
    assert ot.run(llm.generate_content("Go")) == ot.ChunkList([ot.Chunk(beginning + b"...", mime)])


def test_sound_is_not_streamed_by_openai_which_would_refuse_its_format():
    sent = registered(chat_reply("fine"))
    asks_for_sound = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
    for extra in (asks_for_sound, {}):
        with ot.stream(llm.generate_content("Go", extra=extra)) as events:
            list(events)
    assert [body.get("stream") for body in sent.bodies] == [None, True]


# Options of the provider's own


def test_extra_options_are_sent_as_they_are_and_are_part_of_the_key(tmp_path):
    sent = registered(chat_reply("a"), chat_reply("b"))
    with ot.caching(tmp_path / "cache") as cache:
        for bias in (1, 2, 1):
            ot.run(llm.generate_text("Go", extra={"logit_bias": {"50256": bias}, "service_tier": "flex"}))
    assert [body["logit_bias"] for body in sent.bodies] == [{"50256": 1}, {"50256": 2}]
    assert sent.bodies[0]["service_tier"] == "flex"
    assert cache.report().made == 2


def test_extra_cannot_take_the_place_of_what_is_sent_anyway():
    sent = registered(chat_reply())
    with pytest.raises(UsageError, match="extra has 'temperature'"):
        ot.run(llm.generate_text("Go", temperature=0, extra={"temperature": 1}))
    with pytest.raises(UsageError, match=r"generate_text\(extra=...\): takes a dict"):
        llm.generate_text("Go", extra=["logit_bias"])  # type: ignore[call-overload]
    assert sent.requests == []


@pytest.mark.parametrize("name", ["n", "stream", "stream_options"])
def test_extra_cannot_change_how_many_answers_come_or_how(name):
    sent = registered(chat_reply())
    with pytest.raises(UsageError, match=f"extra has '{name}'"):
        ot.run(llm.generate_text("Go", extra={name: 3}))
    assert sent.requests == []


@pytest.mark.parametrize(
    "value",
    [float("nan"), {1}, object(), {"a": [llm.generate_text("x")]}],
    ids=["nan", "set", "object", "lazy"],
)
def test_extra_that_json_cannot_hold_is_refused_where_it_is_written(value):
    with pytest.raises(UsageError, match=r"generate_text\(extra=...\): takes options that JSON can hold"):
        llm.generate_text("Go", extra={"option": value})


def test_the_order_of_extra_options_is_no_part_of_the_key_and_their_types_are(tmp_path):
    registered(chat_reply())
    one: dict[str, Any] = {"a": {"b": 1, "c": 2}, "d": 3}
    other: dict[str, Any] = {"d": 3, "a": {"c": 2, "b": 1}}
    with ot.caching(tmp_path / "cache") as cache:
        for extra in (one, other, {**one, "d": 3.5}, {"d": 1}, {"d": True}):
            ot.run(llm.generate_text("Go", extra=extra))
    assert (cache.report().made, cache.report().hits) == (4, 1)


def test_extra_goes_to_embeddings_too():
    sent = registered({"data": [{"index": 0, "embedding": [1.0]}]})
    ot.run(llm.embed("a", extra={"dimensions": 1}))
    assert sent.bodies[0]["dimensions"] == 1


def test_the_key_of_a_body_does_not_hold_tuples():
    sent = registered(chat_reply())
    ot.run(llm.generate_text("Go", extra={"list": [1, {"a": (2,)}]}))
    assert json.loads(sent.requests[0].content)["list"] == [1, {"a": [2]}]
