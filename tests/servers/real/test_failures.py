"""Is every failure of a server the error that says what to do, without the key?"""

import pytest

from onetwo_like import ot
from onetwo_like.backends.openai_compatible import Compatible
from onetwo_like.builtins import llm
from onetwo_like.core.events import TextDelta
from tests.servers.addresses import Addresses
from tests.servers.http_server import Fault, FaultKind, status
from tests.servers.real.cells import see
from tests.servers.real.upstream import Upstream
from tests.servers.real.ways import WAYS, WRONG_KEY, Way

BEHIND_LITELLM = [way for way in WAYS if way.server == "LiteLLM"]
TOO_LONG = "This model's maximum context length is 512 tokens."
FAULTS = {
    "status 400": status(400),
    "status 400, too long": status(400, TOO_LONG, code="context_length_exceeded"),
    "status 403": status(403),
    "status 429": status(429, headers={"retry-after": "0"}),
    "status 500": status(500),
    "status 503": status(503),
    "not JSON": Fault("broken_json"),
    "no answer": Fault("empty"),
}


def ask(way: Way, at: Addresses, model: str = "failing", **settings: object) -> str:
    """ "ok", if an answer comes."""
    with ot.RegistryContext():
        way.open(at, model, **settings).register()
        return "ok" if ot.run(llm.generate_text("Nice is", max_tokens=4)) else "nothing"


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("way", BEHIND_LITELLM, ids=str)
def test_a_fault_has_its_error(way: Way, fault: str, addresses: Addresses, upstream: Upstream) -> None:
    upstream.always = FAULTS[fault]
    try:
        see(addresses, way, fault, lambda: ask(way, addresses))
    finally:
        upstream.always = None


@pytest.mark.parametrize("way", BEHIND_LITELLM, ids=str)
def test_what_may_pass_is_asked_again(way: Way, addresses: Addresses, upstream: Upstream) -> None:
    upstream.fail(status(500), status(429, headers={"retry-after": "0"}))
    before = len(upstream.requests)

    def outcome() -> str:
        answer = ask(way, addresses, retries=2)
        return answer if (made := len(upstream.requests) - before) == 3 else f"{made} calls"

    see(addresses, way, "retry", outcome)


@pytest.mark.parametrize("kind", ["truncated_stream", "cut_stream"])
@pytest.mark.parametrize("way", BEHIND_LITELLM, ids=str)
def test_what_becomes_of_half_a_stream(
    way: Way, kind: FaultKind, addresses: Addresses, upstream: Upstream
) -> None:
    upstream.fail(kind)

    def outcome() -> str:
        with ot.RegistryContext():
            way.open(addresses, "stream").register()
            with ot.stream(llm.generate_text("Nice is", max_tokens=12), only=TextDelta) as events:
                list(events)
        return "half an answer" if events.result != "You said: Nice is" else "ok"

    row = {"truncated_stream": "connection breaks", "cut_stream": "stream ends early"}[kind]
    see(addresses, way, row, outcome)


@pytest.mark.usefixtures("upstream")
@pytest.mark.parametrize("way", WAYS, ids=str)
class TestMistakes:
    def test_a_wrong_key(self, way: Way, addresses: Addresses) -> None:
        see(addresses, way, "wrong key", lambda: ask(way, addresses, "", api_key=WRONG_KEY))

    def test_an_unknown_model(self, way: Way, addresses: Addresses) -> None:
        see(addresses, way, "unknown model", lambda: ask(way, addresses, "unknown"))

    def test_a_prompt_that_is_too_long(self, way: Way, addresses: Addresses) -> None:
        def outcome() -> str:
            with ot.RegistryContext():
                way.open(addresses, "").register()
                return "ok" if ot.run(llm.generate_text("word " * 2000, max_tokens=4)) else "nothing"

        see(addresses, way, "2,000 words", outcome)


@pytest.mark.usefixtures("upstream")
@pytest.mark.parametrize("way", [way for way in WAYS if way.backend == "OpenAI.compatible"], ids=str)
def test_what_a_server_can_do_is_found_out(way: Way, addresses: Addresses) -> None:
    def outcome() -> str:
        backend = way.open(addresses, "object")
        assert isinstance(backend, Compatible)
        found = ot.run(backend.capabilities())
        return f"objects: {found.objects}; scores: {found.scores}; tokens: {found.tokens}"

    see(addresses, way, "found out", outcome)
