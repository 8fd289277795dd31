"""Do the backends of the package keep the contract, and does the suite notice one that does not?"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.backends import (
    Anthropic,
    Backend,
    Batched,
    Fallback,
    Gemini,
    NGram,
    OpenAI,
    RoundRobin,
    Scripted,
)
from onetwo_like.errors import OverloadedError, UnsupportedOptionError
from onetwo_like.testing import BackendSuite
from tests.servers.anthropic_loopback import AnthropicServer
from tests.servers.gemini_loopback import GeminiServer
from tests.servers.http_server import HttpServer, status
from tests.servers.loopback import LoopbackServer

KEY = "sk-planted-0123456789"


class TestNGram(BackendSuite):
    def make_backend(self, **settings):
        return NGram(order=3, **settings)


class TestScripted(BackendSuite):
    def make_backend(self, **settings):
        return Scripted({self.prompt: "Paris"}, **settings)

    def make_failing(self):
        return Scripted(OverloadedError("busy", provider="scripted"))


class TestBatched(BackendSuite):
    def make_backend(self, **settings):
        def shout(prompts: list[str], *, max_tokens: int | None = None) -> list[str]:
            return [prompt.upper()[:max_tokens] for prompt in prompts]

        return Batched({"generate_text": shout}, **{"name": "shouting", **settings})


class _OnLoopback(BackendSuite):
    """A backend that asks a server of the tests."""

    secret = KEY
    server: HttpServer
    kind: type[HttpServer] = LoopbackServer

    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        with self.kind() as self.server:
            yield

    def make(self, **settings: Any) -> Backend:
        return OpenAI("tiny", base_url=self.server.base_url, api_key=KEY, retries=0, **settings)

    def make_backend(self, **settings):
        return self.make(**settings)

    def make_failing(self):
        self.server.always = status(500, KEY)
        return self.make()


class TestOpenAI(_OnLoopback):
    pass


class TestOpenAICompatible(_OnLoopback):
    def make(self, **settings):
        return OpenAI.compatible(
            self.server.base_url, "tiny", api_key=KEY, retries=0, capabilities="llama-cpp-python", **settings
        )

    def bound(self, backend=None):
        served = super().bound(backend)  # the toy server shows no tokens
        return ot.Registry({n: b for n, b in served.bindings.items() if "token" not in n})


class TestAnthropic(_OnLoopback):
    kind = AnthropicServer

    def make(self, **settings):
        return Anthropic("tiny", base_url=self.server.base_url, api_key=KEY, retries=0, **settings)


class TestGemini(_OnLoopback):
    kind = GeminiServer

    def make(self, **settings):
        return Gemini("tiny", base_url=self.server.base_url, api_key=KEY, retries=0, **settings)


class TestFallback(_OnLoopback):
    caches = False

    def make(self, **settings):
        return Fallback(super().make(), super().make(), **settings)


class TestRoundRobin(_OnLoopback):
    caches = False

    def make(self, **settings):
        return RoundRobin(super().make(name="one"), super().make(name="one"), **settings)


# What the suite notices


class Broken(Backend):
    """A backend that is wrong in the way that its name says."""

    provider = "broken"

    def __init__(self, wrong: str, **settings: Any) -> None:
        self.wrong = wrong
        self.count = 0
        super().__init__(**settings)

    @property
    def fingerprint(self):
        more = (
            {"key": KEY} if self.wrong == "secret" else {"id": id(self)} if self.wrong == "unstable" else {}
        )
        kept = {"provider": "broken"} if self.wrong == "nameless" else dict(super().fingerprint)
        return {**kept, **more}

    async def generate_text(self, prompt, *, max_tokens=None):
        self.count += 1
        if self.wrong == "type":
            return ot.Reply(7)
        if self.wrong == "option" and max_tokens is not None:
            raise ValueError(max_tokens)
        usage = ot.Usage(1, -1) if self.wrong == "usage" else None
        return ot.Reply("Paris", usage=usage)

    async def chat(self, messages, *, tools=None, seed=None):
        if self.wrong == "task":
            self.left = asyncio.ensure_future(asyncio.sleep(100.0))
            await asyncio.sleep(0)
        if self.wrong == "refusing" and seed is not None:
            raise UnsupportedOptionError("seed")
        return "Paris" if tools is None or self.wrong == "tools" else ot.ChunkList("Paris")

    async def embed(self, texts):
        vectors = [[float(len(text)), float(ord(text[0]))] for text in texts]
        return vectors[::-1][1:] if self.wrong == "vectors" else vectors


@pytest.mark.parametrize(
    ("wrong", "test"),
    [
        ("secret", "test_the_secret_shows_in_nothing_that_describes_it"),
        ("secret", "test_the_secret_is_in_no_entry"),
        ("unstable", "test_who_answers_is_said_in_plain_data_and_the_same_each_time"),
        ("nameless", "test_a_name_is_another_key"),
        ("type", "test_every_built_in_that_it_serves_answers_in_its_type"),
        ("usage", "test_every_built_in_that_it_serves_answers_in_its_type"),
        ("vectors", "test_every_built_in_that_it_serves_answers_in_its_type"),
        ("refusing", "test_every_option_that_it_does_not_refuse_is_taken"),
        ("tools", "test_every_option_that_it_does_not_refuse_is_taken"),
        ("task", "test_a_call_that_is_given_up_leaves_nothing_behind"),
        ("option", "test_every_option_that_it_does_not_refuse_is_taken"),
    ],
)
def test_what_is_wrong_is_noticed(wrong: str, test: str, tmp_path: Path):
    class Suite(BackendSuite):
        secret = KEY

        def make_backend(self, **settings):
            return Broken(wrong, **settings)

    class Right(Suite):
        def make_backend(self, **settings):
            return Broken("", **settings)

    takes = {"tmp_path": tmp_path} if "entry" in test else {}
    getattr(Right(), test)(**takes)
    with pytest.raises((AssertionError, ValueError)):
        getattr(Suite(), test)(**({"tmp_path": tmp_path / "other"} if takes else {}))


def test_a_failure_that_shows_the_key_is_noticed():
    class Leaking(BackendSuite):
        secret = KEY

        def make_backend(self, **settings):
            return Scripted(["a"], **settings)

        def make_failing(self):
            return Scripted(OverloadedError(f"busy: {KEY}", provider="scripted"))

    with pytest.raises(AssertionError):
        Leaking().test_a_failure_is_an_error_of_ours_that_says_who_failed()
