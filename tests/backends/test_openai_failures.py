"""What goes wrong with OpenAI's API beyond what can go wrong with every one (see test_failures.py)?"""

import httpx2
import pytest

from onetwo_like import ot
from onetwo_like.backends import OpenAI
from onetwo_like.builtins import llm
from onetwo_like.errors import (
    BackendError,
    ContentRefusedError,
    InvalidRequestError,
    MalformedReplyError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitedError,
)
from tests.backends.mocked import chat_reply
from tests.servers.http_server import status
from tests.servers.loopback import LoopbackServer


@pytest.mark.parametrize(
    ("operation", "fault", "expected"),
    [
        (llm.embed(["a"]), status(429), RateLimitedError),
        (llm.embed(["a"]), "empty", MalformedReplyError),
        (llm.score_text("a", [" b"]), status(500), OverloadedError),
        (llm.score_text("a", [" b"]), "empty", MalformedReplyError),
        (llm.generate_object("a", int), "refusal", ContentRefusedError),
        (llm.generate_texts("a", 2), "broken_json", MalformedReplyError),
    ],
    ids=repr,
)
def test_every_operation_fails_in_the_same_words(operation, fault, expected):
    with LoopbackServer() as server, ot.RegistryContext():
        OpenAI("tiny", base_url=server.base_url, api_key="none", retries=0).register()
        server.fail(fault)
        with pytest.raises(BackendError) as caught:
            ot.run(operation)
    assert type(caught.value) is expected


def refused(answer: httpx2.Response, watched: bool = False) -> BackendError:
    """How a call fails that is answered so."""
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda request: answer))
    with ot.RegistryContext():
        OpenAI("tiny", api_key="none", retries=0, http_client=client).register()
        with pytest.raises(BackendError) as caught:
            ot.run(llm.generate_text("Hello"), on_event=[].append if watched else None)
    return caught.value


@pytest.mark.parametrize("watched", [False, True], ids=["plain", "watched"])
@pytest.mark.parametrize(
    ("error", "expected", "said"),
    [
        ({"message": "slow down", "code": 429}, RateLimitedError, "429: slow down"),
        ({"message": "no credit", "code": 402}, PermissionDeniedError, "402: no credit"),
        ({"message": "odd", "code": "odd"}, OverloadedError, "odd"),
        ("odd", OverloadedError, "odd"),
    ],
)
def test_an_error_with_the_status_200_is_that_error(error, expected, said, watched):
    found = refused(httpx2.Response(200, json={"error": error}), watched)
    assert type(found) is expected
    assert said in str(found)


def test_an_answer_that_ended_by_an_error_is_none():
    cut = chat_reply("Once upon", "error")
    cut["choices"][0]["error"] = {"message": "the model crashed"}
    found = refused(httpx2.Response(200, json=cut))
    assert type(found) is MalformedReplyError
    assert "the model crashed" in str(found)


def test_what_a_server_says_in_a_form_of_its_own_is_shown():
    found = refused(httpx2.Response(422, json={"detail": [{"loc": ["body", "stop"], "msg": "too many"}]}))
    assert "422: {'detail': [{'loc': ['body', 'stop'], 'msg': 'too many'}]}" in str(found)


def test_a_text_that_is_no_unicode_is_the_requests_fault():
    with ot.RegistryContext():
        OpenAI("tiny", base_url="http://127.0.0.1:1/v1", api_key="none").register()
        with pytest.raises(InvalidRequestError, match="surrogates not allowed"):
            ot.run(llm.generate_text("half an emoji: \ud83d"))


def test_json_that_calls_itself_something_else_is_not_trusted():
    login = httpx2.Response(200, json={"choices": []}, headers={"content-type": "text/html"})
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda request: login))
    with ot.RegistryContext():
        OpenAI("tiny", api_key="none", retries=0, http_client=client).register()
        with pytest.raises(MalformedReplyError, match="text/html"):
            ot.run(llm.generate_text("Hello"))
