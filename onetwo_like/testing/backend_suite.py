"""Does a backend of yours keep what programs, the cache and the registry rely on?

Derive a test class, say how to make the backend, and pytest runs the rest:

    class TestMyBackend(BackendSuite):
        secret = "key-of-the-test"

        def make_backend(self, **settings):
            return MyBackend(api_key=self.secret, **settings)

Where the real service should not be called, give the backend the mock transport of its SDK, or a server on
loopback. `make_failing` may make one whose service refuses every call.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import traceback
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from onetwo_like.backends.base import Backend
from onetwo_like.builtins import llm
from onetwo_like.core.content import ChunkList
from onetwo_like.core.events import TextDelta
from onetwo_like.core.executable import Executable
from onetwo_like.core.operation import Operation, operations
from onetwo_like.core.parallel import parallel
from onetwo_like.core.registry import Registry, RegistryContext, copy_registry
from onetwo_like.core.request import Reply, Usage
from onetwo_like.core.run import run
from onetwo_like.core.sampling import repeat
from onetwo_like.core.stream import stream
from onetwo_like.errors import BackendError, UnsupportedOptionError
from onetwo_like.middleware.cache import Cache, caching


def _now() -> str:
    """The time of day."""
    return "noon"


class BackendSuite:
    """The contract of `onetwo_like.backends.Backend`, as tests; derive and override `make_backend`.

    `prompt` is what is asked; `secret` is the key that the backend is given, which must show nowhere. `options` are
    values for the options that it is tried with; add `extra` for one of the provider's own.
    """

    prompt: ClassVar[str] = "Q: What is the capital of France?\nA:"
    secret: ClassVar[str | None] = None
    options: ClassVar[dict[str, Any]] = {
        "temperature": 0.5,
        "max_tokens": 50,
        "stop": ["@@@"],
        "top_k": 5,
        "top_p": 0.9,
        "seed": 7,
        "reasoning": "low",
        "max_repairs": 2,
        "tools": [_now],
    }
    caches = True  # False for a router, which keeps nothing itself

    def make_backend(self, **settings: Any) -> Backend:
        """A new backend; settings are those that all backends have, such as `name` and `cache`."""
        raise NotImplementedError(
            "say how to make the backend: def make_backend(self, **settings): return ..."
        )

    def make_failing(self) -> Backend | None:
        """A backend of the same kind whose service refuses every call; None if there is no such."""
        return None

    # What it says of itself

    def test_it_serves_something(self) -> None:
        assert self.bound().bound()

    def test_who_answers_is_said_in_plain_data_and_the_same_each_time(self) -> None:
        fingerprint = json.dumps(dict(self.make_backend().fingerprint), sort_keys=True)
        assert fingerprint == json.dumps(dict(self.make_backend().fingerprint), sort_keys=True)
        assert self.make_backend().fingerprint.get("provider")

    def test_a_name_is_another_key(self) -> None:
        if not self.caches:
            return
        named = [dict(self.make_backend(name=name).fingerprint) for name in ("one", "two")]
        assert named[0] != named[1]
        assert dict(self.make_backend(name="one").fingerprint) == named[0]

    def test_the_secret_shows_in_nothing_that_describes_it(self) -> None:
        backend = self.make_backend()
        shown = [repr(backend), str(backend), repr(vars(backend)), repr(dict(backend.fingerprint))]
        shown.append(repr(self.bound(backend)))
        assert self.secret is None or not [text for text in shown if self.secret in text]

    # What it answers

    def test_every_built_in_that_it_serves_answers_in_its_type(self) -> None:
        with self.registered():
            for name in self.bound().bound():
                value, reply = run(self.call(name, include_details=True))
                self.check(name, value)
                assert type(reply) is Reply
                assert reply.finish_reason is None or isinstance(reply.finish_reason, str)
                self.check_usage(reply.usage)

    def test_every_option_that_it_does_not_refuse_is_taken(self) -> None:
        with self.registered():
            for name in self.bound().bound():
                operation = operations()[name]
                for option in operation.parameters:
                    if option in self.options:
                        self.try_option(operation, option)

    def test_samples_are_separate_calls(self, tmp_path: Path) -> None:
        with self.registered(), caching(tmp_path / "cache") as cache:
            e = self.text()
            if e is not None:
                assert len(run(parallel(*repeat(e, 3)))) == 3
                assert cache.report().made == 3

    def test_a_watched_answer_is_the_sum_of_its_pieces(self) -> None:
        with self.registered():
            e = self.text()
            if e is not None:
                with stream(e, only=TextDelta) as events:
                    pieces = [event.text for event in events]
                assert "".join(pieces) == events.result

    # Where it runs

    def test_it_answers_on_any_event_loop_and_many_at_once(self) -> None:
        with self.registered():
            name = self.bound().bound()[0]

            async def several() -> list[Any]:
                return await asyncio.gather(*[_awaited(self.call(name)) for _ in range(20)])

            for answers in (asyncio.run(several()), asyncio.run(several())):
                for value in answers:
                    self.check(name, value)
            self.check(name, run(self.call(name)))

    def test_a_call_that_is_given_up_leaves_nothing_behind(self) -> None:
        with self.registered():
            name = self.bound().bound()[0]

            async def given_up() -> int:
                before = len(asyncio.all_tasks())
                task = asyncio.ensure_future(_awaited(self.call(name)))
                await asyncio.sleep(0)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
                for _ in range(3):  # what was cancelled with it ends in its own turn
                    await asyncio.sleep(0)
                return len(asyncio.all_tasks()) - before

            assert asyncio.run(given_up()) == 0

    # The cache

    def test_a_recorded_answer_replays_exactly_and_without_a_call(self, tmp_path: Path) -> None:
        with self.registered():
            calls = [self.call(name, include_details=True) for name in self.bound().bound()]
            with caching(tmp_path / "cache"):
                first = [run(e) for e in calls]
            with caching(tmp_path / "cache", mode="replay") as cache:
                again = [run(e) for e in calls]
                assert cache.report().made == 0
        for (value, reply), (replayed, reply_again) in zip(first, again, strict=True):
            assert (value, reply.usage, reply.finish_reason) == (
                replayed,
                reply_again.usage,
                reply_again.finish_reason,
            )

    def test_its_own_cache_is_used(self, tmp_path: Path) -> None:
        if not self.caches:
            return
        with Cache(tmp_path / "cache") as cache, self.registered(cache=cache):
            name = self.bound().bound()[0]
            run(self.call(name))
            run(self.call(name))
            assert (cache.report().made, cache.report().hits) == (1, 1)

    def test_the_secret_is_in_no_entry(self, tmp_path: Path) -> None:
        with self.registered(), caching(tmp_path / "cache") as cache:
            for name in self.bound().bound():
                run(self.call(name))
            shown = [repr(entry) + str(entry) for entry in cache]
            raw = [cache.store.get(key) or b"" for key in cache.store.keys()]  # noqa: SIM118  (no dict)
        assert shown
        assert self.secret is None or not any(self.secret in text for text in shown)
        assert self.secret is None or not any(self.secret.encode() in data for data in raw)

    # Failures

    def test_a_failure_is_an_error_of_ours_that_says_who_failed(self) -> None:
        failing = self.make_failing()
        if failing is None:
            return
        with RegistryContext(Registry()):
            failing.register()
            for name in self.bound(failing).bound():
                error = _error_of(self.call(name))
                assert isinstance(error, BackendError), f"{name}: {error!r}"
                assert error.provider
                shown = "".join(traceback.format_exception(error))
                assert self.secret is None or self.secret not in shown

    # What the tests share

    @contextlib.contextmanager
    def registered(self, **settings: Any) -> Iterator[None]:
        """A block in which the backend, and nothing else, answers."""
        with RegistryContext(Registry()):
            self.make_backend(**settings).register()
            yield

    def bound(self, backend: Backend | None = None) -> Registry:
        """What the backend serves itself."""
        with RegistryContext(Registry()):
            (backend or self.make_backend()).register()
            return copy_registry()

    def call(self, name: str, **options: Any) -> Executable[Any]:
        """A call of the built-in."""
        given: dict[str, tuple[Any, ...]] = {
            "generate_texts": (self.prompt, 2),
            "generate_object": (self.prompt, bool),
            "select": (self.prompt, ["a", "b"]),
            "rank": (self.prompt, ["a", "b"]),
            "score_text": (self.prompt, [" Paris", " London"]),
            "embed": (["Paris", "Nice", "Paris"],),
            "tokenize": ("What is the capital",),
            "detokenize": ([1, 2],),
        }
        made: Callable[..., Executable[Any]] = operations()[name]
        return made(*given.get(name, (self.prompt,)), **options)

    def text(self) -> Executable[str] | None:
        """A call that answers with text, sampled where that can be asked for; None if there is none."""
        if "generate_text" not in self.bound():
            return None
        return llm.generate_text(self.prompt)

    def check(self, name: str, value: Any) -> None:
        """Fails if the value is not of the built-in's type, or not of the right length."""
        if name in ("generate_text", "chat", "instruct", "detokenize"):
            assert isinstance(value, str), (name, value)
        elif name == "generate_texts":
            assert [type(text) for text in value] == [str, str], value
        elif name == "generate_content":
            assert isinstance(value, ChunkList), value
        elif name == "generate_object":
            assert isinstance(value, bool), value
        elif name == "select":
            assert value in ("a", "b"), value
        elif name == "rank":
            assert sorted(value) == ["a", "b"], value
        elif name == "score_text":
            assert len(value) == 2, value
            assert all(isinstance(score, float) and score <= 0 for score in value), value
        elif name == "embed":
            assert len(value) == 3, value
            assert value[0] == value[2] != value[1], "vectors are not in the order of the texts"
            assert all(isinstance(x, float) for vector in value for x in vector), value
        elif name == "tokenize":
            assert value, "a text has tokens"
            assert all(isinstance(token, int) for token in value), value
        elif name == "count_tokens":
            assert isinstance(value, int), value
            assert value > 0, value

    def check_usage(self, usage: Usage | None) -> None:
        """Fails if numbers of tokens are none, or what was cached is more than what was sent."""
        if usage is None:
            return
        for tokens in usage[:4]:
            assert tokens is None or (isinstance(tokens, int) and tokens >= 0), usage
        if usage.cached_tokens is not None and usage.input_tokens is not None:
            assert usage.cached_tokens <= usage.input_tokens, usage

    def try_option(self, operation: Operation[..., Any], option: str) -> None:
        """Fails if an option is neither taken nor refused as one that the backend does not honour."""
        binding = self.bound().bindings[operation.name]
        refused = option in operation.refused(binding)
        try:
            value = run(self.call(operation.name, **{option: self.options[option]}))
        except UnsupportedOptionError:
            assert refused, f"{operation.name} takes {option!r}, and then refuses it"
        else:
            assert not refused
            if option == "tools":
                assert isinstance(value, ChunkList), value
            else:
                self.check(operation.name, value)


def _error_of(e: Executable[Any]) -> Exception | None:
    try:
        run(e)
    except Exception as error:  # noqa: BLE001  (which one it is, is what the test asks)
        return error
    return None


async def _awaited(e: Awaitable[Any]) -> Any:
    return await e
