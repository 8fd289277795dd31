"""What the backend sends, and what it makes of the answers of a server that works."""

import base64
import dataclasses
import enum
import json
from typing import Any, Literal

import httpx2
import pytest

from onetwo_like import ot
from onetwo_like.backends import OpenAI
from onetwo_like.builtins import llm
from onetwo_like.errors import (
    BudgetExceeded,
    InvalidRequestError,
    MalformedReplyError,
    NotBoundError,
    ParseError,
    UnsupportedOptionError,
)
from tests.backends.mocked import Recorder, chat_reply
from tests.servers.loopback import LoopbackServer, logprob_of, vector_of

PNG = b"\x89PNG..."


@pytest.fixture
def server():
    with LoopbackServer() as running:
        yield running


@pytest.fixture
def backend(server):
    with ot.RegistryContext():
        yield OpenAI("tiny", base_url=server.base_url, api_key="none", retries=0).register()


def text_reply(text="fine", **fields):
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return httpx2.Response(200, json={"choices": [choice], "model": "tiny-1", **fields})


def mocked(respond, **options):
    """A backend on the SDK's mock transport."""
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(respond))
    return OpenAI("tiny", **{"api_key": "none", "retries": 0, "http_client": client, **options})


def detailed(e) -> Any:
    """The value and the Reply."""
    return ot.run(e)


# Text


def test_a_text_is_asked_for_as_one_message_of_the_users(server, backend):
    assert ot.run(llm.generate_text("Hello")) == "You said: Hello"
    [sent] = server.requests
    assert sent.path == "/chat/completions"
    assert sent.body == {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}]}
    assert sent.headers["authorization"] == "Bearer none"


def test_a_conversation_keeps_its_roles(server, backend):
    conversation = [
        ot.Message("system", "Be brief."),
        ot.Message("user", "Hi"),
        ot.Message("model", "Hi."),
        ot.Message("user", ot.ChunkList(["How ", "are you?"])),
    ]
    assert ot.run(llm.chat(conversation)) == "You said: How are you?"
    assert server.bodies()[0]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hi."},
        {"role": "user", "content": "How are you?"},
    ]


def test_chunks_with_roles_in_a_prompt_are_messages(server, backend):
    prompt = ot.ChunkList([ot.Chunk("Be brief.", role="system"), ot.Chunk("Hi", role="user")])
    ot.run(llm.generate_text(prompt))
    assert [message["role"] for message in server.bodies()[0]["messages"]] == ["system", "user"]


def test_options_reach_the_server_and_it_honours_them(server, backend):
    e = llm.generate_text("a b. c", temperature=0, max_tokens=5, stop="c", top_p=0.5, seed=7)
    assert ot.run(e) == "You said: a b (seed 7)"
    sent = server.bodies()[0]
    assert {n: v for n, v in sent.items() if n not in ("model", "messages")} == {
        "temperature": 0.0,
        "max_tokens": 5,
        "stop": ["c"],
        "top_p": 0.5,
        "seed": 7,
    }


def test_the_bound_on_tokens_has_the_name_that_the_server_knows():
    sent = []

    def respond(request):
        sent.append(json.loads(request.content))
        return text_reply()

    with ot.RegistryContext():
        mocked(respond).register()
        ot.run(llm.generate_text("Hello", max_tokens=5))
        mocked(respond, base_url="http://127.0.0.1:8000/v1").register()
        ot.run(llm.generate_text("Hello", max_tokens=5))
    names = [{"max_tokens", "max_completion_tokens"} & body.keys() for body in sent]
    assert names == [{"max_completion_tokens"}, {"max_tokens"}]


def test_defaults_of_the_backend_are_part_of_every_request(server):
    with ot.RegistryContext():
        OpenAI("tiny", base_url=server.base_url, api_key="none", temperature=0.5, max_tokens=9).register()
        ot.run(llm.generate_text("Hello", max_tokens=2))
    assert (server.bodies()[0]["temperature"], server.bodies()[0]["max_tokens"]) == (0.5, 2)


def test_an_option_that_the_api_lacks_is_refused_before_any_call(server, backend):
    with pytest.raises(UnsupportedOptionError, match="top_k"):
        ot.run(llm.generate_text("Hello", top_k=5))
    with pytest.raises(UnsupportedOptionError, match="top_k"):
        OpenAI("tiny", top_k=5)
    assert server.requests == []


def test_the_apis_of_one_model_are_apart():
    shown = [repr(OpenAI("gpt-5", api=api)) for api in ("chat", "responses")]
    assert shown == [
        "OpenAI('gpt-5')",
        "OpenAI('gpt-5', api='responses')",
    ]  # which are the names in by_backend


def test_a_seed_gives_other_answers_in_each_of_several_calls():
    def answer(path: str, body: dict[str, Any]) -> dict[str, Any]:
        return {"choices": chat_reply(f"{body['seed']}")["choices"] * body["n"]}

    sent = Recorder(answer)
    with ot.RegistryContext():
        OpenAI("tiny", api_key="none", http_client=sent.client).register()
        texts = ot.run(llm.generate_texts("Hello", 300, seed=7))
    assert sorted(body["n"] for body in sent.bodies) == [44, 128, 128]  # they are sent at the same time
    assert len(set(texts)) == 3
    assert texts[0] == "7"


def test_samples_of_a_seeded_request_have_seeds_of_their_own(server, backend):
    e = llm.generate_text("Hello", seed=7)
    ot.run(e)
    ot.run(ot.parallel(*ot.repeat(e, 3)))
    ot.run(ot.parallel(*ot.repeat(e, 3)))
    seeds = [body["seed"] for body in server.bodies()]
    assert seeds[0] == 7
    assert len(set(seeds)) == 4
    assert sorted(seeds[1:4]) == sorted(seeds[4:7])
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_the_reply_says_what_the_provider_said(server, backend):
    text, reply = detailed(llm.generate_text("Hello there", max_tokens=2, include_details=True))
    assert text == reply.value == "You said"
    assert reply.usage == ot.Usage(2, 2, cached_tokens=1, reasoning_tokens=2)
    assert (reply.finish_reason, reply.model_version) == ("length", "tiny-2026-11-21")
    assert reply.request_id == "req-1"
    assert reply.duration_s > 0
    assert reply.recorded_at > 1_700_000_000
    assert reply.chunks is None


# Content


def test_images_go_as_data_urls_and_as_links(server, backend):
    image, link = ot.Chunk(PNG, "image/png"), ot.Chunk("https://example.org/a.jpg", "image/jpeg")
    ot.run(llm.chat(ot.ChunkList(["What are these?", image, link])))
    assert server.bodies()[0]["messages"][0]["content"] == [
        {"type": "text", "text": "What are these?"},
        {
            "type": "image_url",
            "image_url": {"url": "data:image/png;base64," + base64.b64encode(PNG).decode()},
        },
        {"type": "image_url", "image_url": {"url": "https://example.org/a.jpg"}},
    ]


@pytest.mark.parametrize(
    ("message", "named"),
    [
        (ot.Message("user", ot.ChunkList([ot.Chunk(b"...", "video/mp4")])), "video/mp4"),
        (ot.Message("system", ot.ChunkList([ot.Chunk(PNG, "image/png")])), "from the user only"),
        (ot.Message("user", ot.ChunkList([ot.Chunk("a picture of a cat", "image/png")])), "bytes or a URL"),
    ],
)
def test_content_that_the_api_cannot_take_is_an_error_that_names_it(server, backend, message, named):
    with pytest.raises(InvalidRequestError, match=named) as caught:
        ot.run(llm.chat([message]))
    assert (caught.value.provider, caught.value.model) == ("openai", "tiny")
    assert server.requests == []


# Streaming


def test_a_watched_call_streams_token_by_token(server, backend):
    with ot.stream(llm.generate_text("Hello there"), only=ot.TextDelta) as events:
        pieces = [event.text for event in events]
    assert pieces == ["You", " said", ":", " Hello", " there"]
    assert events.result == "You said: Hello there"
    sent = server.bodies()[0]
    assert (sent["stream"], sent["stream_options"]) == (True, {"include_usage": True})


def test_a_streamed_reply_is_the_unstreamed_one_and_its_pieces(server, backend):
    e = llm.chat("Hello", include_details=True)
    _, plain = ot.run(e)
    with ot.stream(e) as events:
        _, streamed = events.result
    assert streamed.chunks == ("You", " said", ":", " Hello")
    same = ("value", "usage", "finish_reason", "model_version")
    assert [getattr(streamed, n) for n in same] == [getattr(plain, n) for n in same]
    assert streamed.request_id == "req-2"


def test_what_nobody_watches_is_not_streamed(server, backend):
    ot.run(llm.generate_text("Hello"), enable_tracing=True)
    assert "stream" not in server.bodies()[0]


def test_a_server_that_does_not_stream_answers_in_one_piece(server, backend):
    server.fail("ignores_stream")
    with ot.stream(llm.generate_text("Hello"), only=ot.TextDelta) as events:
        assert [event.text for event in events] == ["You said: Hello"]


# What it costs


@pytest.mark.parametrize("watched", [False, True])
def test_dollars_bound_what_a_model_with_a_list_price_is_asked(server, watched):
    with ot.RegistryContext():
        OpenAI("gpt-4o-mini", base_url=server.base_url, api_key="none", retries=0).register()
        questions = ot.parallel(*[llm.generate_text(f"q{i}") for i in range(4)], max_concurrency=1)
        with ot.Budget(usd=1e-9) as budget, pytest.raises(BudgetExceeded) as caught:
            ot.run(questions, on_event=[].append if watched else None)
    assert [outcome.ok for outcome in caught.value.outcomes] == [True, False, False, False]
    assert len(server.bodies()) == 1
    assert 0 < budget.usd < 0.001


# Several answers


def test_several_answers_take_one_call_where_the_server_counts(server, backend):
    texts, reply = detailed(llm.generate_texts("Hello", 3, include_details=True))
    assert texts == ["You said: Hello", "You said: Hello [1]", "You said: Hello [2]"]
    assert [body["n"] for body in server.bodies()] == [3]
    assert (reply.finish_reason, reply.usage.output_tokens) == ("stop", 12)


def test_answers_that_a_server_leaves_out_are_asked_for_one_by_one(server, backend):
    server.fail("ignores_n")
    texts, reply = detailed(llm.generate_texts("Hello", 3, seed=7, include_details=True))
    assert [body.get("n") for body in server.bodies()] == [3, None, None]
    assert len(texts) == 3
    assert len(set(texts)) == 3  # each has a seed of its own, or the three would be one
    assert reply.usage.output_tokens == 12


def test_a_hundred_and_thirty_answers_take_two_calls(server, backend):
    assert len(ot.run(llm.generate_texts("Hello", 130))) == 130
    assert sorted(body["n"] for body in server.bodies()) == [2, 128]


# Objects


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"


@dataclasses.dataclass
class City:
    name: str
    inhabitants: int
    colors: list[Color]
    mayor: str | None = None


def test_an_object_is_written_under_its_schema(server, backend):
    city = ot.run(llm.generate_object("A city?", City))
    assert city == City("text", 7, [Color.RED], "text")
    asked = server.bodies()[0]["response_format"]
    assert asked["type"] == "json_schema"
    schema = asked["json_schema"]
    assert (schema["name"], schema["strict"]) == ("City", True)
    assert schema["schema"]["required"] == ["name", "inhabitants", "colors", "mayor"]
    assert schema["schema"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("cls", "value"),
    [
        (int, 7),
        (bool, True),
        (Literal["yes", "no"], "yes"),
        (list[int], [7]),
        (int | City, 7),
        (Color, Color.RED),
    ],
)
def test_what_is_no_object_is_wrapped_in_one(server, backend, cls, value):
    assert ot.run(llm.generate_object("?", cls)) == value
    schema = server.bodies()[0]["response_format"]["json_schema"]["schema"]
    assert (schema["type"], list(schema["properties"])) == ("object", ["value"])


def test_a_type_that_strict_mode_cannot_express_is_asked_for_without(server, backend):
    assert ot.run(llm.generate_object("?", dict[str, int])) == {}
    assert server.bodies()[0]["response_format"]["json_schema"]["strict"] is False


def test_a_server_that_ignores_the_schema_is_shown_its_error_once(server, backend):
    server.fail("ignores_format")
    assert ot.run(llm.generate_object("How many?", int)) == 7
    first, second = server.bodies()
    assert second["messages"][:2] == [
        *first["messages"],
        {"role": "assistant", "content": "You said: How many?"},
    ]
    assert second["messages"][2]["role"] == "user"
    assert "How many?" in second["messages"][2]["content"]


def test_a_server_that_keeps_ignoring_the_schema_is_a_parse_error_with_the_reply(server, backend):
    server.fail("ignores_format", "ignores_format", "ignores_format")
    with pytest.raises(ParseError) as caught:
        ot.run(llm.generate_object("How many?", int))
    assert len(server.requests) == 2
    assert str(caught.value.reply).startswith("You said: Your answer cannot be used.")
    with pytest.raises(ParseError):
        ot.run(llm.generate_object("How many?", int, max_repairs=0))
    assert len(server.requests) == 3


def test_the_tokens_of_a_repaired_object_are_those_of_both_calls(server, backend):
    server.fail("ignores_format")
    _, reply = detailed(llm.generate_object("How many?", int, include_details=True))
    assert reply.usage.cached_tokens == 2


# Scores


def test_a_target_is_scored_by_its_own_tokens(server, backend):
    scores = ot.run(llm.score_text("The capital is", [" Paris", " Rome now"]))
    assert scores == [logprob_of(" Paris"), logprob_of(" Rome") + logprob_of(" now")]
    assert [sent.path for sent in server.requests] == ["/completions", "/completions"]
    asked = sorted(server.bodies(), key=lambda body: body["prompt"])[0]
    assert asked == {
        "model": "tiny",
        "prompt": "The capital is Paris",
        "echo": True,
        "logprobs": 1,
        "max_tokens": 1,
        "temperature": 0,
    }


def test_a_token_that_begins_in_the_prompt_and_ends_in_the_target_counts(server, backend):
    assert ot.run(llm.score_text("It is Par", ["is now"])) == [logprob_of(" Paris") + logprob_of(" now")]


def test_an_empty_target_is_certain(server, backend):
    assert ot.run(llm.score_text("It is", [""])) == [0.0]


def test_select_follows_from_scores(server, backend):
    assert ot.run(llm.select("It is", [" Constantinople", " Rome"])) == " Rome"


@pytest.mark.parametrize("kind", ["ignores_echo", "ignores_logprobs", "none_logprobs"])
def test_a_server_that_cannot_score_is_found_out(server, backend, kind):
    server.fail(kind)
    with pytest.raises(MalformedReplyError) as caught:
        ot.run(llm.score_text("It is", [" Paris"]))
    assert caught.value.model == "tiny"


def test_log_probabilities_that_are_another_tokens_are_no_scores():
    # As llama-cpp-python 0.3.36 answers: an entry for each token that was sent, none for the one that came.
    logprobs = {"token_logprobs": [None, -5.0, -7.5], "text_offset": [0, 2, 5]}
    sent = Recorder({"choices": [{"text": "It is Paris and", "logprobs": logprobs}]})
    scorer = OpenAI("tiny", base_url="http://127.0.0.1:1/v1", api_key="x", retries=0, http_client=sent.client)
    with ot.RegistryContext():
        scorer.register()
        with pytest.raises(MalformedReplyError, match="end before the text does"):
            ot.run(llm.score_text("It is", [" Paris"]))


def test_a_target_without_a_prompt_has_a_token_that_nobody_scores(server, backend):
    with pytest.raises(MalformedReplyError, match="give a longer prompt"):
        ot.run(llm.score_text("", ["Paris is nice"]))


def test_openai_itself_scores_nothing_so_select_may_follow_from_something_else():
    with ot.RegistryContext():
        mocked(lambda request: text_reply()).register()
        assert "score_text" not in ot.copy_registry()
        with pytest.raises(NotBoundError):
            ot.run(llm.score_text("It is", [" Paris"]))


# Embeddings


def test_each_text_gets_its_own_vector_whatever_the_order_they_come_in(server, backend):
    vectors, reply = detailed(llm.embed(["one", "two", "three words here"], include_details=True))
    assert vectors == [vector_of("one"), vector_of("two"), vector_of("three words here")]
    assert reply.usage.input_tokens == 5


def test_many_texts_are_embedded_in_batches_and_none_in_no_call(server, backend):
    texts = [f"text {i}" for i in range(1025)]
    assert ot.run(llm.embed(texts)) == [vector_of(text) for text in texts]
    assert sorted(len(body["input"]) for body in server.bodies()) == [1, 512, 512]
    assert ot.run(llm.embed([])) == []
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "data",
    [
        [],
        [{"index": 0, "embedding": [1.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 2, "embedding": [1.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": None}],
    ],
    ids=["none", "too few", "one twice", "a gap", "no vector"],
)
def test_vectors_that_do_not_fit_the_texts_are_an_error(data):
    with ot.RegistryContext():
        mocked(lambda request: httpx2.Response(200, json={"data": data})).register()
        with pytest.raises(MalformedReplyError):
            ot.run(llm.embed(["one", "two"]))


# Who answers


def test_the_address_in_the_environment_is_the_one_in_the_fingerprint(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8001/v1")
    assert OpenAI("tiny").fingerprint["endpoint"] == "http://127.0.0.1:8001/v1"
