"""What goes wrong with OpenAI's API beyond what can go wrong with every one (see test_failures.py)?"""

import httpx2
import pytest

from onetwo_like import ot
from onetwo_like.backends import OpenAI
from onetwo_like.builtins import llm
from onetwo_like.errors import (
    BackendError,
    ContentRefusedError,
    MalformedReplyError,
    OverloadedError,
    RateLimitedError,
)
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


def test_json_that_calls_itself_something_else_is_not_trusted():
    login = httpx2.Response(200, json={"choices": []}, headers={"content-type": "text/html"})
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda request: login))
    with ot.RegistryContext():
        OpenAI("tiny", api_key="none", retries=0, http_client=client).register()
        with pytest.raises(MalformedReplyError, match="text/html"):
            ot.run(llm.generate_text("Hello"))
