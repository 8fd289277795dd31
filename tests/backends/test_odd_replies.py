"""What becomes of replies that servers send in a form which the API does not promise?"""

import asyncio
import copy
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from onetwo_like import ot
from onetwo_like.backends import Anthropic, OpenAI
from onetwo_like.builtins import llm
from onetwo_like.errors import BackendError, MalformedReplyError
from tests.backends.mocked import Recorder, chat_reply, event_stream


def weather(city: str) -> str:
    """The forecast for a city."""
    return f"sunny in {city}"


@pytest.fixture(autouse=True)
def _scope():
    with ot.RegistryContext():
        yield


def registered(answer: Any, **settings: Any) -> Recorder:
    recorder = Recorder(answer)
    settings = {"api_key": "none", "retries": 0, "base_url": "http://127.0.0.1:1/v1", **settings}
    if settings.get("api") == "messages":
        del settings["api"]
        Anthropic("tiny", http_client=recorder.client, **settings).register()
    else:
        OpenAI("tiny", http_client=recorder.client, **settings).register()
    return recorder


# Anything anywhere

USAGE = {
    "prompt_tokens": 1,
    "completion_tokens": 2,
    "prompt_tokens_details": {"cached_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 1},
}


def wire_call(id_: str | None, city: str, **fields: Any) -> dict[str, Any]:
    function = {"name": "weather", "arguments": json.dumps({"city": city})}
    return {"id": id_, "type": "function", "function": function, **fields}


def chunk(**delta: Any) -> dict[str, Any]:
    return {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


CALLED = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
CHAT = {
    **chat_reply("hi", reasoning_content="hm", refusal=None, tool_calls=[wire_call("a", "Nice")]),
    "usage": USAGE,
}
CHAT_EVENTS = [
    chunk(role="assistant", content="hi", reasoning_content="hm"),
    chunk(tool_calls=[wire_call("a", "Nice", index=0)]),
    {**CALLED, "usage": USAGE},
]
RESPONSE = {
    "model": "m",
    "status": "completed",
    "incomplete_details": None,
    "output": [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "message", "content": [{"type": "output_text", "text": "hi"}]},
        {"type": "function_call", "call_id": "a", "name": "weather", "arguments": "{}"},
    ],
    "usage": {"input_tokens": 1, "output_tokens": 1, "input_tokens_details": {"cached_tokens": 1}},
}
CUT = {**RESPONSE, "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
RESPONSE_EVENTS = [
    {"type": "response.output_text.delta", "delta": "hi"},
    {"type": "response.completed", "response": RESPONSE},
]
TEXT = {"model": "m", "choices": [{"text": "hi", "finish_reason": "stop"}], "usage": USAGE}
SCORE = {
    "choices": [
        {"text": "ab c", "logprobs": {"token_logprobs": [None, -1.0, -2.0], "text_offset": [0, 1, 2]}}
    ]
}
EMBEDDINGS = {"model": "m", "data": [{"index": 0, "embedding": [1.0, 2.0]}], "usage": {"prompt_tokens": 1}}
BLOCKS = [
    {"type": "thinking", "thinking": "hm", "signature": "s"},
    {"type": "text", "text": "hi"},
    {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Nice"}},
]
MESSAGE = {
    "model": "m",
    "content": BLOCKS,
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": 1},
}
MESSAGE_EVENTS = [
    {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "hi"}},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "tool_use", "id": "a", "name": "weather", "input": {}},
    },
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
]

ODD = (None, -1, True, "x", [5], {"a": 1})


def damaged(reply: Any) -> Iterator[Any]:
    """The reply with each of its places in turn holding something odd."""
    for place in _places(reply):
        for odd in ODD:
            made = copy.deepcopy(reply)
            inner = made
            for step in place[:-1]:
                inner = inner[step]
            inner[place[-1]] = odd
            yield made


def _places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if above:
        yield above
    steps = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for step in steps:
        yield from _places(value[step], (*above, step))


def chat_with_tools() -> ot.Executable[Any]:
    return llm.chat("q", tools=[weather])


@pytest.mark.parametrize(
    ("reply", "api", "ask"),
    [
        (CHAT, "chat", chat_with_tools),
        (CHAT_EVENTS, "chat", chat_with_tools),
        (RESPONSE, "responses", chat_with_tools),
        (CUT, "responses", chat_with_tools),
        (RESPONSE_EVENTS, "responses", chat_with_tools),
        (MESSAGE, "messages", chat_with_tools),
        (MESSAGE_EVENTS, "messages", chat_with_tools),
        (TEXT, "completions", lambda: llm.generate_text("q")),
        ([TEXT], "completions", lambda: llm.generate_text("q")),
        (SCORE, "chat", lambda: llm.score_text("a", "b c")),
        (EMBEDDINGS, "chat", lambda: llm.embed("q")),
    ],
    ids=[
        "chat",
        "chat stream",
        "response",
        "cut",
        "response stream",
        "message",
        "message stream",
        "text",
        "text stream",
        "score",
        "embed",
    ],
)
def test_whatever_stands_anywhere_in_a_reply_is_an_answer_or_an_error_of_ours(reply, api, ask):
    current: Any = None

    def answer(path: str, body: dict[str, Any]) -> httpx2.Response:
        if isinstance(current, list):
            return event_stream(*current, named=api == "messages")
        return httpx2.Response(200, json=current)

    registered(answer, api=api)

    async def outcome() -> object:
        try:
            if not isinstance(reply, list):
                return await ask()
            async with ot.stream(ask()) as events:
                async for _ in events:
                    pass
            return events.result
        except BackendError as error:
            return error

    async def outcomes() -> list[type]:
        nonlocal current
        found = []
        for made in [reply, *damaged(reply)]:
            current = made
            found.append(type(await outcome()))
        return found

    first, *others = asyncio.run(outcomes())
    assert not issubclass(first, BackendError)
    assert first in others  # much does not matter
    assert MalformedReplyError in others


@pytest.mark.parametrize("body", ["[" * 100_000, '{"choices": ' + "1" * 5_000 + "}"], ids=["deep", "digits"])
def test_json_that_python_cannot_read_is_malformed(body):
    registered(httpx2.Response(200, text=body, headers={"content-type": "application/json"}))
    with pytest.raises(MalformedReplyError):
        ot.run(llm.generate_text("q"))


def test_numbers_of_tokens_that_are_none_are_not_told():
    registered({**chat_reply(), "usage": {"prompt_tokens": -1, "completion_tokens": True}})
    _, reply = ot.run(llm.generate_text("q", include_details=True))
    assert reply.usage is not None
    assert reply.usage[:2] == (None, None)


@pytest.mark.parametrize("api", ["chat", "responses", "completions"])
def test_an_error_of_who_watches_is_not_the_replys(api):
    piece = {"choices": [{"index": 0, "delta": {"content": "a"}, "text": "a"}]}
    event = {"type": "response.output_text.delta", "delta": "a", **piece}
    sent = registered(lambda path, body: event_stream(event), api=api, retries=1)

    def watch(event: ot.Event) -> None:
        if isinstance(event, ot.TextDelta):
            raise TypeError("mine")

    with pytest.raises(TypeError, match="mine"):
        ot.run(llm.generate_text("q"), on_event=watch)
    assert len(sent.requests) == 1


# Tool calls


def asked_for(reply: Any) -> list[ot.ToolCall]:
    registered(reply)
    e = chat_with_tools()
    if isinstance(reply, httpx2.Response):
        with ot.stream(e) as events:
            for _ in events:
                pass
        content: Any = events.result
    else:
        content = ot.run(e)
    return list(content.tool_calls)


@pytest.mark.parametrize("arguments", [{"city": "Nice"}, '{"city": "Nice"}'], ids=["object", "text"])
def test_arguments_may_be_the_object_itself(arguments):
    call = {"id": "a", "function": {"name": "weather", "arguments": arguments}}
    expected = [ot.ToolCall("weather", {"city": "Nice"}, "a")]
    assert asked_for(chat_reply(None, "tool_calls", tool_calls=[call])) == expected
    assert asked_for(event_stream(chunk(tool_calls=[{**call, "index": 0}]), CALLED)) == expected


@pytest.mark.parametrize("arguments", [5, True, ["Nice"], '{"x": NaN}', "[" * 100_000, "1" * 5_000])
def test_arguments_that_are_no_object_of_json_are_malformed(arguments):
    call = {"id": "a", "function": {"name": "weather", "arguments": arguments}}
    with pytest.raises(MalformedReplyError, match="the arguments for the tool 'weather' are not"):
        asked_for(chat_reply(None, "tool_calls", tool_calls=[call]))


@pytest.mark.parametrize(
    "numbers", [(0, 1), (0, 0), (None, None), (1, 0)], ids=["numbered", "all 0", "none", "backwards"]
)
@pytest.mark.parametrize("ids", [("a", "b"), (None, None)], ids=["ids", "no ids"])
def test_calls_in_a_stream_are_told_apart_however_they_are_numbered(numbers, ids):
    if numbers == (0, 0) and ids == (None, None):
        return  # nothing tells them apart
    parts = [
        {k: v for k, v in wire_call(id_, city, index=n).items() if v is not None}
        for id_, city, n in zip(ids, ("Nice", "Lima"), numbers, strict=True)
    ]
    found = asked_for(event_stream(*[chunk(tool_calls=[part]) for part in parts], CALLED))
    cities = [call.arguments["city"] for call in found]
    assert cities == (["Lima", "Nice"] if numbers == (1, 0) else ["Nice", "Lima"])


@pytest.mark.parametrize("number", [{"index": 0}, {}], ids=["numbered", "not"])
@pytest.mark.parametrize("repeated", [{}, {"id": "a"}], ids=["once", "id again"])
def test_pieces_of_one_call_are_put_together(number, repeated):
    pieces: list[dict[str, Any]] = [
        {"id": "a", "function": {"name": "weather", "arguments": ""}, **number},
        {"function": {"arguments": '{"city":'}, **number, **repeated},
        {"function": {"arguments": ' "Nice"}'}, **number, **repeated},
    ]
    found = asked_for(event_stream(*[chunk(tool_calls=[piece]) for piece in pieces], CALLED))
    assert found == [ot.ToolCall("weather", {"city": "Nice"}, "a")]


def test_no_text_and_empty_text_beside_a_call_are_the_same():
    calls = [wire_call("a", "Nice")]
    expected = ot.ChunkList([ot.ToolCall("weather", {"city": "Nice"}, "a")])
    for content in (None, ""):
        registered(chat_reply(content, "tool_calls", tool_calls=calls))
        assert ot.run(chat_with_tools()) == expected


def test_calls_without_ids_get_some_so_that_each_result_finds_its_call():
    calls = [wire_call(None, "Nice"), wire_call(None, "Lima")]
    sent = Recorder(chat_reply(None, "tool_calls", tool_calls=calls), chat_reply())
    OpenAI("tiny", http_client=sent.client, api_key="none", retries=0).register()
    ot.run(llm.run_tools("q", [weather]))
    _, asked, *results = sent.bodies[1]["messages"]
    ids = [call["id"] for call in asked["tool_calls"]]
    assert len(set(ids)) == 2
    assert [result["tool_call_id"] for result in results] == ids


# No text


@pytest.mark.parametrize("content", [None, ""])
def test_an_answer_cut_off_before_its_first_word_is_malformed(content):
    registered(chat_reply(content, "length", reasoning_content="Hm"))
    with pytest.raises(MalformedReplyError, match="all max_tokens went into reasoning"):
        ot.run(llm.generate_text("q"))


def test_a_model_may_answer_with_nothing():
    registered(chat_reply("", "stop"))
    assert ot.run(llm.generate_text("q")) == ""
