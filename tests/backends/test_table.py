"""Is the table of what each backend serves true, and is it what the page shows?

`python tests/backends/test_table.py --write` writes the page anew, after a change that is meant.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.backends import Anthropic, Backend, Gemini, OpenAI, openai_compatible
from onetwo_like.backends.table import BACKENDS, honoured, how, page
from onetwo_like.core.operation import Operation, operations
from onetwo_like.errors import NotBoundError, UnsupportedOptionError
from onetwo_like.testing import BackendSuite
from tests.backends.gemini_mock import answer
from tests.backends.mocked import Recorder, chat_reply

PAGE = Path(__file__).parents[2] / "docs" / "backend_table.md"
OWN, LOCAL = "https://api.openai.com/v1", "http://127.0.0.1:1/v1"
OPTIONS = {**BackendSuite.options, "extra": {"an_option_of_theirs": {"a": [1]}}, "max_repairs": 0}
# What only changes the call together with something else, or only after a bad answer.
NEEDS: dict[str, dict[str, Any]] = {"tool_choice": {"tools": OPTIONS["tools"]}}
UNSEEN = {"max_repairs"}
CALLS = BackendSuite()


def test_the_page_shows_the_table():
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "meant? then: python tests/backends/test_table.py --write"
    )


def openai_answer(path: str, body: dict[str, Any]) -> Any:
    """What a server that can do everything answers."""
    if path.endswith("/embeddings"):
        return {"data": [{"index": i, "embedding": [float(len(t))]} for i, t in enumerate(body["input"])]}
    if path.endswith("/input_tokens"):
        return {"input_tokens": 3}
    if path.endswith("/detokenize"):
        return {"prompt": "text"}
    if path.endswith("/tokenize"):
        return {"tokens": [1, 2]}
    if path.endswith("/responses"):
        content = [{"type": "output_text", "text": _text(body)}]
        return {"status": "completed", "output": [{"type": "message", "content": content}]}
    if path.endswith("/completions") and "prompt" in body:
        text = body["prompt"] if body.get("echo") else _text(body)
        half = len(text) // 2
        logprobs = {"token_logprobs": [None, -1.0], "text_offset": [0, half]}
        choice = {"index": 0, "text": text, "finish_reason": "stop", "logprobs": logprobs}
        return {"choices": [choice] * body.get("n", 1)}
    reply = chat_reply(_text(body))
    reply["choices"] *= body.get("n", 1)
    return reply


def _text(body: dict[str, Any]) -> str:
    """An answer in the form that was asked for."""
    asked = json.dumps(body)
    if "Put all of these options in order" in asked:
        return '{"value": ["a", "b"]}' if "value" in asked else '["a", "b"]'
    if "enum" in asked:
        return '{"value": "a"}'
    return '{"value": true}' if "boolean" in asked else "true"


def openai(**settings: Any) -> Callable[[], tuple[Backend, Recorder]]:
    def make() -> tuple[Backend, Recorder]:
        recorder = Recorder(openai_answer)
        given = {"api_key": "none", "retries": 0, "http_client": recorder.client, **settings}
        if given.pop("compatible", False):
            openai_compatible._found.clear()
            return OpenAI.compatible(LOCAL, "m", capabilities="vllm", **given), recorder
        return OpenAI("m", **given), recorder

    return make


def anthropic_answer(path: str, body: dict[str, Any]) -> Any:
    """What Anthropic answers."""
    if path.endswith("/count_tokens"):
        return {"input_tokens": 3}
    return {"content": [{"type": "text", "text": _text(body)}], "stop_reason": "end_turn"}


def anthropic() -> tuple[Backend, Recorder]:
    recorder = Recorder(anthropic_answer)
    return Anthropic("m", api_key="none", retries=0, http_client=recorder.client), recorder


def gemini_answer(path: str, body: dict[str, Any]) -> Any:
    """What Google answers."""
    if path.endswith(":countTokens"):
        return {"totalTokens": 3}
    if path.endswith(":batchEmbedContents"):
        texts = [request["content"]["parts"][0]["text"] for request in body["requests"]]
        return {"embeddings": [{"values": [float(len(text))]} for text in texts]}
    candidate = answer(_text(body))["candidates"][0]
    return {"candidates": [candidate] * body["generationConfig"].get("candidateCount", 1)}


def gemini() -> tuple[Backend, Recorder]:
    recorder = Recorder(gemini_answer)
    return Gemini("m", api_key="none", retries=0, http_client=recorder.client), recorder


# The rows whose backends ask somebody; the others have no wire to look at.
WIRED = {
    "OpenAI": openai(base_url=OWN),
    'OpenAI(api="responses")': openai(base_url=OWN, api="responses"),
    "OpenAI(base_url=)": openai(base_url=LOCAL),
    'OpenAI(base_url=, api="completions")': openai(base_url=LOCAL, api="completions"),
    "OpenAI.compatible": openai(compatible=True),
    "Anthropic": anthropic,
    "Gemini": gemini,
}


@pytest.fixture(autouse=True)
def _scope():
    with ot.RegistryContext(ot.Registry()):
        yield


def served(backend: str) -> ot.Registry:
    return ot.Registry(BACKENDS[backend]().bindings())


def sent_for(make: Any, operation: Operation[..., Any], **options: Any) -> list[bytes]:
    """The bodies that a call sends."""
    backend, recorder = make()
    with ot.RegistryContext(ot.Registry()):
        backend.register()
        ot.run(CALLS.call(operation.name, **options))
    return [request.content for request in recorder.requests]


@pytest.mark.parametrize("backend", WIRED)
@pytest.mark.parametrize("name", sorted(operations()))
def test_what_is_native_asks_for_just_that_and_what_is_derived_works(backend, name):
    operation = operations()[name]
    way = how(operation, served(backend))
    made, recorder = WIRED[backend]()
    made.register()
    if way == "-":
        with pytest.raises(NotBoundError):
            ot.run(CALLS.call(name))
        assert recorder.requests == []
        return
    assert operation.is_configured() is (way == "native")
    CALLS.check(name, ot.run(CALLS.call(name)))
    assert recorder.requests


@pytest.mark.parametrize("backend", WIRED)
@pytest.mark.parametrize("name", sorted(operations()))
def test_an_option_that_is_honoured_is_sent_and_one_that_is_refused_sends_nothing(backend, name):
    operation, registry = operations()[name], served(backend)
    if how(operation, registry) == "-":
        return
    for option in operation.parameters:
        if option in operation.required or option in UNSEEN:
            continue
        more = NEEDS.get(option, {})
        options = {**more, option: OPTIONS.get(option, "none")}
        if option in honoured(operation, registry):
            plain = sent_for(WIRED[backend], operation, **more)
            assert sent_for(WIRED[backend], operation, **options) != plain, option
        else:
            made, recorder = WIRED[backend]()
            made.register()
            with pytest.raises(UnsupportedOptionError):
                ot.run(CALLS.call(name, **options))
            assert recorder.requests == []


def test_every_backend_that_asks_somebody_is_looked_at():
    assert set(BACKENDS) - set(WIRED) == {
        *("NGram", "Scripted"),
        "GeminiLegacy",  # see test_gemini_legacy.py, which runs where its SDK is installed
    }


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    PAGE.write_text(page(), encoding="utf-8")
