"""Does a backend find out what a server can do, once, and act on it?"""

import asyncio
import json
import math
from typing import Any

import httpx2
import pytest

from onetwo_like import ot
from onetwo_like.backends import OpenAI, openai_compatible
from onetwo_like.backends.openai_compatible import Capabilities, Compatible
from onetwo_like.builtins import llm
from onetwo_like.errors import AuthenticationError, NotBoundError, OverloadedError, ParseError, UsageError
from tests.backends.mocked import Recorder, chat_reply

URL = "http://127.0.0.1:1/v1"
MISSING = httpx2.Response(404, json={"error": {"message": "no such path"}})


@pytest.fixture(autouse=True)
def _scope():
    openai_compatible._found.clear()
    with ot.RegistryContext():
        yield


class Server:
    """A server with some of the abilities, which answers "ok" to what it does not know, as many do."""

    def __init__(self, *abilities: str, fails_with: int | None = None) -> None:
        self.abilities = abilities
        self.fails_with = fails_with
        self.recorder = Recorder(self.answer)

    def answer(self, path: str, body: dict[str, Any]) -> Any:
        answer = self.answers(path, body)
        if answer is MISSING and self.fails_with:
            return httpx2.Response(self.fails_with, json={"error": {"message": "what?"}})
        return answer

    def answers(self, path: str, body: dict[str, Any]) -> Any:
        if path == "/v1/chat/completions":
            return self.chat(body)
        if path == "/v1/completions" and "scores" in self.abilities:
            tokens = body["prompt"].split(" ")
            words = [tokens[0], *[f" {token}" for token in tokens[1:]]]
            offsets = [sum(map(len, words[:i])) for i in range(len(words))]
            logprobs = {
                "token_logprobs": [None, *[-float(len(w)) for w in words[1:]]],
                "text_offset": offsets,
            }
            return {"choices": [{"text": body["prompt"], "logprobs": logprobs}]}
        if path == "/tokenize" and "vllm" in self.abilities and "prompt" in body:
            return {"tokens": [len(word) for word in body["prompt"].split()], "count": 1}
        if path == "/detokenize" and "vllm" in self.abilities:
            return {"prompt": " ".join("x" * token for token in body["tokens"])}
        if path == "/tokenize" and "llama.cpp" in self.abilities and "content" in body:
            return {"tokens": [1, 2, 3]}
        if path == "/extras/tokenize" and "llama-cpp-python" in self.abilities:
            return {"tokens": [4]}
        return MISSING

    def chat(self, body: dict[str, Any]) -> Any:
        form = body.get("response_format", {}).get("type")
        value = json.dumps({"value": "b" if "enum" in json.dumps(body) else True})
        if "tools" in body and "tool" in self.abilities:
            call = {"id": "a", "function": {"name": body["tools"][0]["function"]["name"], "arguments": value}}
            return chat_reply(None, "tool_calls", tool_calls=[call])
        if form == "json_schema" and "schema" in self.abilities:
            return chat_reply(value)
        if form == "json_object" and "json" in self.abilities:
            return chat_reply(value)
        if "with exactly one of" in str(body["messages"]):
            return chat_reply("b")
        return chat_reply("Yes, it is.")

    def register(self, **settings: Any) -> Compatible:
        return OpenAI.compatible(
            URL, "tiny", retries=0, http_client=self.recorder.client, **settings
        ).register()


@pytest.mark.parametrize("fails_with", [None, 400, 500], ids=["404", "400", "500"])
@pytest.mark.parametrize(
    ("abilities", "expected"),
    [
        (("schema", "scores", "vllm"), Capabilities("schema", True, "vllm")),
        (("tool", "json", "llama.cpp"), Capabilities("tool", False, "llama.cpp")),
        (("json", "llama-cpp-python"), Capabilities("json", False, "llama-cpp-python")),
        ((), Capabilities("words", False, "none")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_a_server_can_do_is_found_out(abilities, expected, fails_with):
    assert ot.run(Server(*abilities, fails_with=fails_with).register().capabilities()) == expected


def test_one_ability_is_not_forgotten_over_another():
    server = Server("schema", "scores", "vllm")
    backend = server.register()
    found = ot.run(backend.capabilities())
    asked = len(server.recorder.requests)
    assert ot.run(backend.capabilities()) == found
    assert len(server.recorder.requests) == asked


def test_several_backends_of_one_server_find_out_once():
    server = Server("schema")
    backends = [server.register() for _ in range(3)]
    ot.run(ot.parallel(*[backend.capabilities() for backend in backends]))
    bodies = [json.dumps(body, sort_keys=True) for body in server.recorder.bodies]
    assert len(bodies) == len(set(bodies))


def test_each_api_of_a_server_has_its_own_ways():
    server = Server("schema")
    assert ot.run(server.register().capabilities()).objects == "schema"
    assert ot.run(server.register(api="responses").capabilities()).objects == "words"


def test_nothing_is_tried_out_that_is_not_needed():
    server = Server()
    server.register()
    ot.run(llm.generate_text("Hi"))
    assert len(server.recorder.requests) == 1


def test_what_was_found_holds_for_the_process_and_is_asked_once_however_many_need_it():
    server = Server("json")
    server.register()
    questions = [llm.generate_object(f"Is {i} odd?", bool) for i in range(5)]
    assert ot.run(ot.parallel(*questions)) == [True] * 5
    assert len(server.recorder.requests) == 3 + 5  # schema, tool and JSON mode are tried out
    other = Server("json")
    other.register()
    assert ot.run(llm.generate_object("Is 1 odd?", bool)) is True
    assert len(other.recorder.requests) == 1


@pytest.mark.parametrize(
    ("ability", "field"),
    [("schema", "response_format"), ("tool", "tool_choice"), ("json", "response_format")],
)
def test_an_object_is_asked_for_in_the_way_that_works(ability, field):
    server = Server(ability)
    server.register()
    assert ot.run(llm.generate_object("Is 1 odd?", bool)) is True
    last = server.recorder.bodies[-1]
    assert field in last
    assert last["messages"][0]["content"].startswith("Is 1 odd?")


def test_a_server_that_is_down_is_no_server_that_lacks_something():
    down = Recorder(httpx2.Response(503, json={"error": {"message": "busy"}}))
    OpenAI.compatible(URL, "tiny", retries=0, http_client=down.client).register()
    with pytest.raises(OverloadedError):
        ot.run(llm.generate_object("Is 1 odd?", bool))
    assert openai_compatible._found == {}
    denied = Recorder(httpx2.Response(401, json={"error": {"message": "no"}}))
    backend = OpenAI.compatible(URL, "tiny", retries=0, http_client=denied.client).register()
    with pytest.raises(AuthenticationError, match="api_key=") as caught:
        ot.run(backend.capabilities())
    assert "OPENAI_API_KEY" not in str(caught.value)  # which is not sent there


def test_selecting_goes_by_scores_where_there_are_any():
    server = Server("scores")
    server.register()
    assert ot.run(llm.select("The word is", [" abc", " a", " ab"])) == " a"
    assert all(path == "/v1/completions" for path in server.recorder.paths)


@pytest.mark.parametrize("abilities", [("schema",), ("tool",), ()], ids=str)
def test_selecting_is_an_enumeration_where_there_are_no_scores(abilities):
    Server(*abilities).register()
    assert ot.run(llm.select("Which letter?", ["a", "b"])) == "b"


def test_ranking_goes_by_scores_or_by_the_order_that_the_model_gives():
    Server("scores").register()
    assert ot.run(llm.rank("The word is", [" abc", " a", " ab"])) == [" a", " ab", " abc"]
    openai_compatible._found.clear()
    server = Server("schema")
    server.register()
    with pytest.raises(ParseError):
        ot.run(llm.rank("Which letter?", ["a", "b"]))  # it says "b" alone
    assert server.recorder.bodies[-1]["messages"][-1]["content"].startswith("Your answer cannot be used")


def test_scores_that_a_server_lacks_are_an_error_that_says_what_to_do():
    Server("vllm").register()
    with pytest.raises(NotBoundError, match=r"does not serve score_text.*capabilities="):
        ot.run(llm.score_text("a", [" b"]))
    Server("scores").register(capabilities=Capabilities(scores=True))
    [score] = ot.run(llm.score_text("a", [" b"]))
    assert math.isclose(score, -2.0)


def test_tokens_are_those_of_the_server():
    Server("vllm").register()
    assert ot.run(llm.tokenize("one three")) == [3, 5]
    assert ot.run(llm.detokenize([3, 5])) == "xxx xxxxx"
    assert ot.run(llm.count_tokens("one three")) == 2
    openai_compatible._found.clear()
    Server().register()
    with pytest.raises(NotBoundError, match="does not serve tokenize"):
        ot.run(llm.tokenize("one"))


def test_what_is_given_by_hand_is_not_tried_out():
    server = Server("schema")
    server.register(capabilities="ollama")
    assert ot.run(llm.generate_object("Is 1 odd?", bool)) is True
    assert len(server.recorder.requests) == 1
    with pytest.raises(NotBoundError):
        ot.run(llm.score_text("a", [" b"]))
    assert len(server.recorder.requests) == 1


@pytest.mark.parametrize(
    ("capabilities", "said"),
    [("olama", "knows 'vllm'"), (7, "not int"), (None, None)],
)
def test_capabilities_are_checked_where_they_are_given(capabilities, said):
    if said is None:
        OpenAI.compatible(URL, "tiny", capabilities=capabilities)
        return
    with pytest.raises(UsageError, match=said):
        OpenAI.compatible(URL, "tiny", capabilities=capabilities)


@pytest.mark.parametrize("wrong", [{"objects": "yaml"}, {"scores": "yes"}, {"tokens": "hf"}])
def test_capabilities_are_what_exists(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Capabilities(**wrong)


def test_openais_own_key_is_not_sent_to_another_server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-0123456789")
    server = Server()
    server.register()
    ot.run(llm.generate_text("Hi"))
    assert server.recorder.requests[0].headers["authorization"] == "Bearer none"


def test_the_key_of_a_reply_is_that_of_the_same_server_without_the_preset():
    preset = OpenAI.compatible(URL, "tiny")
    assert preset.fingerprint == OpenAI("tiny", base_url=URL).fingerprint
    assert repr(preset) == f"OpenAI.compatible({URL!r}, 'tiny')"


def test_a_replayed_run_tries_nothing_out(tmp_path):
    server = Server("json")
    server.register()
    e = llm.generate_object("Is 1 odd?", bool)
    with ot.caching(tmp_path / "cache"):
        ot.run(e)
    openai_compatible._found.clear()
    made = len(server.recorder.requests)
    with ot.caching(tmp_path / "cache", mode="replay"):
        assert ot.run(e) is True
    assert len(server.recorder.requests) == made


def test_who_waits_for_a_trial_that_is_cancelled_makes_it_again():
    server = Server("json")
    server.register()

    @ot.make_executable
    async def main() -> bool:
        first = asyncio.ensure_future(_asked())
        await asyncio.sleep(0)
        second = asyncio.ensure_future(_asked())
        await asyncio.sleep(0)
        first.cancel()
        return await second

    async def _asked() -> bool:
        return await llm.generate_object("Is 1 odd?", bool)

    assert ot.run(main()) is True
