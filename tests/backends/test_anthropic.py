"""What does the backend send to Anthropic's API, and what does it make of the answers of a server that works?"""

import dataclasses
import itertools
import json
from typing import Any

import httpx2
import pytest

from onetwo_like import ot
from onetwo_like.backends import Anthropic
from onetwo_like.backends.anthropic import MAX_TOKENS
from onetwo_like.builtins import llm
from onetwo_like.errors import (
    ConnectionFailedError,
    InvalidRequestError,
    MalformedReplyError,
    NotBoundError,
    ParseError,
    UnsupportedOptionError,
    UsageError,
)
from onetwo_like.testing import FakeClock
from tests.backends.mocked import Recorder, event_stream
from tests.servers.anthropic_loopback import AnthropicServer
from tests.servers.http_server import status

LOCAL = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _scope():
    with ot.RegistryContext():
        yield


@pytest.fixture
def server():
    with AnthropicServer() as running:
        Anthropic("tiny", base_url=running.base_url, api_key="none", retries=0).register()
        yield running


def message(*blocks: Any, stop_reason: str = "end_turn", **fields: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": block} if isinstance(block, str) else block for block in blocks]
    return {"model": "tiny-1", "content": content, "stop_reason": stop_reason, **fields}


def registered(*answers: Any, **settings: Any) -> Recorder:
    """A backend on the SDK's mock transport."""
    recorder = Recorder(*(answers or (message("fine"),)))
    settings = {"api_key": "none", "retries": 0, "base_url": LOCAL, **settings}
    Anthropic("tiny", http_client=recorder.client, **settings).register()
    return recorder


# Text and conversations


def test_a_text_is_asked_for_as_one_message_of_the_users(server):
    assert ot.run(llm.generate_text("Hello")) == "You said: Hello"
    [sent] = server.requests
    assert sent.path == "/v1/messages"
    assert sent.body == {
        "model": "tiny",
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": MAX_TOKENS,
    }
    assert server.key_in(sent.headers) == "none"
    assert sent.headers["anthropic-version"]


def test_a_conversation_keeps_its_roles_and_the_first_system_messages_stand_apart(server):
    conversation = [
        ot.Message("system", "Be brief."),
        ot.Message("user", "Hi"),
        ot.Message("user", "there"),
        ot.Message("model", "Hi."),
        ot.Message("user", ot.ChunkList(["How ", "are you?"])),
    ]
    assert ot.run(llm.chat(conversation)) == "You said: How are you?"
    assert server.bodies()[0]["system"] == "Be brief."
    assert server.bodies()[0]["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "user", "content": "there"},
        {"role": "assistant", "content": "Hi."},
        {"role": "user", "content": "How are you?"},
    ]


def test_several_system_messages_at_the_beginning_are_all_sent():
    sent = registered()
    ot.run(llm.chat([ot.Message("system", "a"), ot.Message("system", "b"), ot.Message("user", "c")]))
    assert sent.bodies[0]["system"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]


def test_a_later_system_message_stands_where_it_was_said():
    sent = registered()
    ot.run(llm.chat([ot.Message("user", "a"), ot.Message("system", "b")]))
    assert sent.bodies[0]["messages"][1] == {"role": "system", "content": "b"}
    assert "system" not in sent.bodies[0]


# Options


def test_options_are_sent_under_the_names_of_the_api():
    sent = registered()
    ot.run(
        llm.generate_text(
            "Go", temperature=0, max_tokens=5, stop="c", top_p=0.5, top_k=7, extra={"speed": "fast"}
        )
    )
    assert {n: v for n, v in sent.bodies[0].items() if n not in ("model", "messages")} == {
        "temperature": 0.0,
        "max_tokens": 5,
        "stop_sequences": ["c"],
        "top_p": 0.5,
        "top_k": 7,
        "speed": "fast",
    }


def test_the_bound_on_tokens_that_the_api_wants_is_an_option_like_any_other(tmp_path):
    sent = registered(max_tokens=9)
    ot.run(llm.generate_text("Go"))
    ot.run(llm.generate_text("Go", max_tokens=2))
    assert [body["max_tokens"] for body in sent.bodies] == [9, 2]
    sent = registered(max_tokens=None)
    with ot.caching(tmp_path) as cache:
        ot.run(llm.generate_text("Go"))
        ot.run(llm.generate_text("Go", max_tokens=MAX_TOKENS))
        assert (cache.report().made, cache.report().hits) == (1, 1)  # it is in the key
        registered(max_tokens=9)
        ot.run(llm.generate_text("Go"))
        assert cache.report().made == 2


def test_a_seed_is_refused_before_any_call():
    sent = registered()
    with pytest.raises(UnsupportedOptionError, match="seed"):
        ot.run(llm.generate_text("Go", seed=7))
    with pytest.raises(UnsupportedOptionError, match="seed"):
        Anthropic("tiny", seed=7)
    assert sent.requests == []


@pytest.mark.parametrize(
    ("reasoning", "expected"),
    [
        (None, {}),
        (0, {"thinking": {"type": "disabled"}}),
        ("none", {"thinking": {"type": "disabled"}}),
        (2048, {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        ("low", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        ("high", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
    ],
)
def test_how_much_to_think_is_a_budget_or_an_effort(reasoning, expected):
    sent = registered()
    ot.run(llm.generate_text("Go", reasoning=reasoning))
    assert {n: sent.bodies[0][n] for n in ("thinking", "output_config") if n in sent.bodies[0]} == expected


def test_an_effort_that_the_api_does_not_know_is_refused_before_any_call():
    sent = registered()
    with pytest.raises(UnsupportedOptionError, match="minimal"):
        ot.run(llm.generate_text("Go", reasoning="minimal"))
    assert sent.requests == []


def test_extra_cannot_take_the_place_of_what_is_sent_anyway():
    sent = registered()
    with pytest.raises(UsageError, match="extra has 'max_tokens'"):
        ot.run(llm.generate_text("Go", extra={"max_tokens": 1}))
    assert sent.requests == []


# Answers


def test_the_reply_says_what_the_provider_said(server):
    text, reply = ot.run(llm.generate_text("Hello there", max_tokens=2, include_details=True))
    assert text == reply.value == "You said"
    # What was sent is what was read from and written to the provider's cache, and the rest.
    assert reply.usage == ot.Usage(2 + 1 + 3, 2, cached_tokens=1, reasoning_tokens=2, cache_write_tokens=3)
    assert (reply.finish_reason, reply.model_version) == ("length", "tiny-20261121")
    assert reply.request_id == "req-1"
    assert reply.chunks is None


def test_what_the_provider_caches_has_its_own_price():
    tokens = {"input_tokens": 1_000, "output_tokens": 0}
    written = {"input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": 1_000}
    for_an_hour = {
        "cache_creation": {"ephemeral_5m_input_tokens": 600, "ephemeral_1h_input_tokens": 400},
        **written,
    }
    sent = Recorder(*[message("fine", usage=usage) for usage in (tokens, written, for_an_hour)])
    Anthropic("claude-haiku-4-5", api_key="none", http_client=sent.client).register()
    costs: list[Any] = []
    for text in ("one", "two", "three"):
        with ot.usage() as used:
            ot.run(llm.generate_text(text))
        costs.append(used.paid.cost)
    assert costs[1:] == pytest.approx([1.25 * costs[0], (0.6 * 1.25 + 0.4 * 2) * costs[0]])


def test_no_count_is_no_number():
    registered(message("fine", usage={"output_tokens": 2, "cache_read_input_tokens": 3}), message("fine"))
    _, reply = ot.run(llm.generate_text("Go", include_details=True))
    assert reply.usage == ot.Usage(None, 2, cached_tokens=3)
    _, reply = ot.run(llm.chat("Go", include_details=True))
    assert reply.usage is None


@pytest.mark.parametrize(
    ("stop_reason", "expected"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("pause_turn", "pause_turn"),
    ],
)
def test_why_an_answer_ended_is_said_in_words_of_ours(stop_reason, expected):
    registered(message("fine", stop_reason=stop_reason))
    _, reply = ot.run(llm.generate_text("Go", include_details=True))
    assert reply.finish_reason == expected


def test_an_answer_that_stops_before_its_first_word_is_empty(server):
    assert ot.run(llm.generate_text("Go", stop="You")) == ""
    with ot.stream(llm.generate_text("Go", stop="You")) as events:
        assert events.result == ""


def test_blocks_of_text_are_one_text_and_what_ran_at_the_provider_is_left_out():
    searched = {"type": "server_tool_use", "id": "a", "name": "web_search", "input": {}}
    registered(message("Nice is ", searched, {"type": "text", "text": "sunny.", "citations": [{}]}))
    assert ot.run(llm.generate_text("Go")) == "Nice is sunny."


@pytest.mark.parametrize(
    "block",
    [{"type": "text"}, {"type": "tool_use", "input": {}}, {"text": "Hi"}, {"type": "server_tool_use"}],
    ids=str,
)
def test_a_block_that_cannot_be_read_is_a_malformed_reply(block):
    registered(message(block))
    with pytest.raises(MalformedReplyError):
        ot.run(llm.generate_content("Go"))


def test_several_answers_are_asked_for_one_by_one(server):
    assert ot.run(llm.generate_texts("Hello", 3)) == ["You said: Hello"] * 3
    assert len(server.requests) == 3


def test_tokens_are_counted_by_the_provider(server):
    conversation = ot.ChunkList(
        [ot.Chunk("Be brief.", role="system"), ot.Chunk("one two three", role="user")]
    )
    assert ot.run(llm.count_tokens(conversation)) == 6
    [sent] = server.requests
    assert sent.path == "/v1/messages/count_tokens"
    assert sent.body == {
        "model": "tiny",
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "one two three"}],
    }
    server.fail("no_content")
    with pytest.raises(MalformedReplyError, match="no input_tokens"):
        ot.run(llm.count_tokens("one two"))


def test_what_the_api_cannot_do_is_not_bound():
    sent = registered()
    for e in (llm.score_text("a", ["b"]), llm.embed(["a"]), llm.tokenize("a")):
        with pytest.raises(NotBoundError):
            ot.run(e)
    assert sent.requests == []


# Streams


def test_a_watched_call_streams_token_by_token(server):
    with ot.stream(llm.generate_text("Hello there"), only=ot.TextDelta) as events:
        assert [event.text for event in events] == ["You", " said", ":", " Hello", " there"]
    assert events.result == "You said: Hello there"
    assert server.bodies()[0]["stream"] is True


def test_a_streamed_reply_is_the_unstreamed_one_and_its_pieces(server):
    e = llm.chat("Hello", reasoning=1024, max_tokens=3, include_details=True)
    _, plain = ot.run(e)
    with ot.stream(e) as events:
        _, streamed = events.result
    assert streamed.chunks == ("You", " said", ":")
    same = ("value", "usage", "finish_reason", "model_version")
    assert [getattr(streamed, n) for n in same] == [getattr(plain, n) for n in same]
    assert streamed.request_id == "req-2"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "message_start"},
        {"type": "content_block_start", "index": 0},
        {"type": "content_block_delta", "index": 0, "delta": "text"},
        {"type": "message_delta", "delta": None},
    ],
    ids=str,
)
def test_an_event_that_cannot_be_read_is_a_malformed_reply(event):
    registered(event_stream(event, named=True))
    with ot.stream(llm.generate_text("Go")) as events, pytest.raises(MalformedReplyError):
        events.result  # noqa: B018  (raises)


BEGUN: list[dict[str, Any]] = [
    {"type": "message_start", "message": message()},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "fine"}},
]


@pytest.mark.parametrize(
    "end",
    [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"}],
    ids=str,
)
def test_a_stream_is_whole_only_when_the_message_has_stopped_for_a_reason(end):
    begun = {**BEGUN[0], "message": {**BEGUN[0]["message"], "stop_reason": None}}
    registered(event_stream(begun, *BEGUN[1:], end, named=True))
    with (
        ot.stream(llm.generate_text("Go")) as events,
        pytest.raises(ConnectionFailedError, match="4 characters"),
    ):
        events.result  # noqa: B018  (raises)


def test_events_of_a_kind_that_is_new_are_passed_over():
    registered(
        event_stream(
            *BEGUN,
            {"type": "something_new", "data": 1},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {}}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
            {"type": "message_stop"},
            named=True,
        )
    )
    with ot.stream(llm.generate_text("Go")) as events:
        assert events.result == "fine"


# Objects


@dataclasses.dataclass
class City:
    name: str
    inhabitants: int
    mayor: str | None = None


@dataclasses.dataclass
class Tree:
    children: list["Tree"]


def test_an_object_is_written_under_its_schema(server):
    assert ot.run(llm.generate_object("A city?", City)) == City("text", 7, "text")
    format_ = server.bodies()[0]["output_config"]["format"]
    assert format_["type"] == "json_schema"
    assert format_["schema"]["required"] == ["name", "inhabitants", "mayor"]
    assert format_["schema"]["additionalProperties"] is False
    assert "tools" not in server.bodies()[0]


def test_an_effort_and_a_schema_go_together(server):
    assert ot.run(llm.generate_object("How many?", int, reasoning="low")) == 7
    assert set(server.bodies()[0]["output_config"]) == {"effort", "format"}


def test_a_model_that_knows_no_schemas_must_call_a_tool_with_the_object():
    with AnthropicServer() as server:
        Anthropic("tiny", base_url=server.base_url, api_key="none", objects="tool").register()
        assert ot.run(llm.generate_object("A city?", City)) == City("text", 7, "text")
        [tool] = server.bodies()[0]["tools"]
        assert server.bodies()[0]["tool_choice"] == {"type": "tool", "name": tool["name"]}
        assert tool["input_schema"]["properties"].keys() == {"name", "inhabitants", "mayor"}
        assert "output_config" not in server.bodies()[0]


@pytest.mark.parametrize(
    ("cls", "written", "value"),
    [
        (dict[str, int], {"a": 1}, {"a": 1}),
        (tuple[int, str], {"value": [1, "a"]}, (1, "a")),
        (Tree, {"children": [{"children": []}]}, Tree([Tree([])])),
    ],
    ids=["dict", "tuple", "recursive"],
)
def test_what_the_apis_schemas_cannot_express_takes_the_tool(cls, written, value):
    called = {"type": "tool_use", "id": "a", "name": "answer", "input": written}
    sent = registered(message(called, stop_reason="tool_use"))
    assert ot.run(llm.generate_object("?", cls)) == value
    assert sent.bodies[0]["tool_choice"] == {"type": "tool", "name": "answer"}
    assert "output_config" not in sent.bodies[0]


@pytest.mark.parametrize("objects", ["schema", "tool"])
def test_a_model_that_ignores_the_form_is_shown_its_error_once(objects):
    with AnthropicServer() as server:
        Anthropic("tiny", base_url=server.base_url, api_key="none", objects=objects).register()
        server.fail("ignores_format")
        assert ot.run(llm.generate_object("How many?", int)) == 7
        first, second = server.bodies()
        assert second["messages"][:2] == [
            *first["messages"],
            {"role": "assistant", "content": "You said: How many?"},
        ]
        server.fail("ignores_format")
        with pytest.raises(ParseError):
            ot.run(llm.generate_object("How many?", int, max_repairs=0))


# Who answers


def test_the_address_is_anthropics_or_that_of_the_environment(monkeypatch):
    own = Anthropic("tiny")
    assert own.fingerprint["endpoint"] == "https://api.anthropic.com"
    assert repr(own) == "Anthropic('tiny')"
    monkeypatch.setenv("ANTHROPIC_BASE_URL", LOCAL)
    assert Anthropic("tiny").fingerprint["endpoint"] == LOCAL


def test_a_redirect_is_not_followed_with_the_key(server):
    with AnthropicServer() as elsewhere:
        server.fail(status(307, headers={"location": f"{elsewhere.base_url}/v1/messages"}))
        with pytest.raises(InvalidRequestError, match=f"redirects to {elsewhere.base_url}/v1/messages"):
            ot.run(llm.generate_text("Hello"))
    assert elsewhere.requests == []


def test_an_unknown_way_to_ask_for_objects_is_an_error():
    with pytest.raises(UsageError, match="'schema' or 'tool', not 'words'"):
        Anthropic("tiny", objects="words")  # type: ignore[arg-type]


# Pace


def test_the_limits_in_the_headers_of_its_own_pace_the_next_calls():
    sent_at: list[float] = []
    clock = FakeClock()

    def answer(path: str, body: dict[str, Any]) -> Any:
        sent_at.append(clock.time())
        limits = {"anthropic-ratelimit-requests-limit": "60", "anthropic-ratelimit-requests-remaining": "0"}
        return httpx2.Response(200, json=message("fine"), headers=limits)

    registered(answer, base_url=f"{LOCAL}/paced", timeout_s=None)

    async def main():
        for text in "abcd":
            await llm.generate_text(text)

    clock.run(main())
    waits = [later - sooner for sooner, later in itertools.pairwise(sent_at[1:])]
    assert waits == pytest.approx([1 / 0.97] * 2, abs=0.01)


def test_everything_that_is_sent_is_json_of_plain_values():
    sent = registered()
    ot.run(llm.generate_text("Go", extra={"metadata": {"user_id": "me", "more": [1, {"a": None}]}}))
    assert json.loads(sent.requests[0].content)["metadata"] == {"user_id": "me", "more": [1, {"a": None}]}
