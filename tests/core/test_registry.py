"""Is the registry read when a program runs, and changed only where it may be?"""

import asyncio
import contextlib
import contextvars
import sys
import threading
from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.core.registry import Binding, Registry
from onetwo_like.errors import NotBoundError, ScopeError, UsageError
from tests.core.probe import Probe

ASK = llm.generate_text("?")


def answer(text):
    """Binds generate_text, in the innermost scope, to a function that answers this."""
    llm.generate_text.configure(lambda prompt: text)


def registry_that_answers(text):
    with ot.RegistryContext():
        answer(text)
        return ot.copy_registry()


def in_a_thread(function):
    """What the function returns, called in a thread that inherits nothing."""
    got = []
    thread = threading.Thread(target=lambda: got.append(function()))
    thread.start()
    thread.join()
    return got[0]


@pytest.fixture
def eager_threads():
    """Threads that take turns as often as they can, so that a race is lost in time."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


class TestRoot:
    def test_what_is_configured_at_top_level_is_seen_by_every_thread_and_context(self):
        answer("root")
        assert ot.run(ASK) == "root"
        assert in_a_thread(lambda: ot.run(ASK)) == "root"
        assert contextvars.Context().run(ot.run, ASK) == "root"

    def test_what_a_thread_configures_at_top_level_is_seen_by_all(self):
        in_a_thread(lambda: answer("from a thread"))
        assert ot.run(ASK) == "from a thread"

    def test_what_a_cell_with_await_configures_outlives_its_context(self):
        async def cell():
            answer("from a cell")
            return await ASK

        assert asyncio.run(cell()) == "from a cell"
        assert ot.run(ASK) == "from a cell"

    def test_changes_made_at_once_by_many_threads_are_all_kept(self, eager_threads):
        operations: list[Any] = [llm.generate_text, llm.chat, llm.embed, llm.tokenize, llm.rank, llm.instruct]
        start = threading.Barrier(len(operations))

        def configure(operation):
            start.wait()
            for _ in range(200):
                operation.configure(lambda *args: "x")

        threads = [threading.Thread(target=configure, args=(o,)) for o in operations]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert {o.name for o in operations} <= set(ot.copy_registry().bound())

    def test_defaults_updated_at_once_by_many_threads_are_all_kept(self, eager_threads):
        llm.generate_text.configure(lambda prompt, **options: " ".join(sorted(options)))
        options = ["temperature", "max_tokens", "top_k", "top_p", "seed"]
        start = threading.Barrier(len(options))

        def update(option):
            start.wait()
            for _ in range(200):
                llm.generate_text.update(**{option: 1})

        threads = [threading.Thread(target=update, args=(o,)) for o in options]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert ot.run(ASK) == " ".join(sorted(options))

    def test_set_registry_replaces_it(self):
        registry = registry_that_answers("set")
        ot.set_registry(registry)
        assert in_a_thread(lambda: ot.run(ASK)) == "set"
        assert ot.copy_registry() is registry


class TestContext:
    def test_what_is_configured_inside_ends_with_it(self):
        answer("outside")
        with ot.RegistryContext():
            assert ot.run(ASK) == "outside"
            answer("inside")
            assert ot.run(ASK) == "inside"
        assert ot.run(ASK) == "outside"

    def test_contexts_nest(self):
        with ot.RegistryContext():
            answer("1")
            with ot.RegistryContext():
                answer("2")
                with ot.RegistryContext():
                    answer("3")
                    assert ot.run(ASK) == "3"
                assert ot.run(ASK) == "2"
            assert ot.run(ASK) == "1"
        with pytest.raises(NotBoundError):
            ot.run(ASK)

    def test_it_ends_with_an_exception_too(self):
        answer("outside")
        with contextlib.suppress(KeyError), ot.RegistryContext():
            answer("inside")
            raise KeyError
        assert ot.run(ASK) == "outside"

    def test_one_context_can_be_entered_again_and_within_itself(self):
        context = ot.RegistryContext(registry_that_answers("given"))
        with context:
            answer("changed")
            with context:
                assert ot.run(ASK) == "given"
            assert ot.run(ASK) == "changed"
        with context:
            assert ot.run(ASK) == "given"

    def test_a_registry_given_to_it_is_not_changed(self):
        registry = registry_that_answers("given")
        with ot.RegistryContext(registry):
            answer("changed")
        assert ot.run(ot.with_registry(ASK, registry)) == "given"

    def test_it_holds_in_its_own_thread_only(self):
        answer("outside")
        with ot.RegistryContext():
            answer("inside")
            assert in_a_thread(lambda: ot.run(ASK)) == "outside"
            in_a_thread(lambda: answer("changed outside"))
            assert ot.run(ASK) == "inside"
        assert ot.run(ASK) == "changed outside"

    def test_set_registry_replaces_that_of_the_innermost(self):
        answer("outside")
        with ot.RegistryContext():
            ot.set_registry(registry_that_answers("set"))
            assert ot.run(ASK) == "set"
        assert ot.run(ASK) == "outside"

    def test_two_tasks_each_have_their_own(self):
        async def ask(text, together):
            with ot.RegistryContext():
                answer(text)
                await together.wait()
                return await ASK

        async def main():
            together = asyncio.Event()
            tasks = [asyncio.ensure_future(ask(text, together)) for text in ("a", "b")]
            await asyncio.sleep(0)
            together.set()
            return await asyncio.gather(*tasks)

        assert asyncio.run(main()) == ["a", "b"]


class TestWhenItIsRead:
    def test_a_program_is_answered_by_what_is_bound_when_it_runs(self):
        with pytest.raises(NotBoundError):
            ot.run(ASK)
        answer("later")
        assert ot.run(ASK) == "later"

    def test_a_change_from_another_thread_does_not_reach_a_run_that_has_started(self):
        answer("at the start")
        begun, changed = threading.Event(), threading.Event()

        @ot.make_executable(thread=True)
        def hold():
            begun.set()
            assert changed.wait(30)

        @ot.make_executable
        async def twice():
            first = await ASK
            await hold()
            return [first, await ASK, *await ot.parallel(ASK, llm.generate_text("!"))]

        def change():
            assert begun.wait(30)
            answer("changed")
            changed.set()

        thread = threading.Thread(target=change)
        thread.start()
        assert ot.run(twice()) == ["at the start"] * 4
        thread.join()
        assert ot.run(ASK) == "changed"

    def test_a_change_between_the_start_of_a_stream_and_its_first_step_does_not_reach_it(self):
        async def main():
            async with ot.stream(ASK) as events:
                answer("changed")
                return await events

        answer("at the start")
        assert asyncio.run(main()) == "at the start"

    def test_a_derived_call_sees_one_registry_from_start_to_end(self):
        async def chatting(messages):
            answer("changed")
            return await ASK

        async def main():
            answer("at the start")
            llm.chat.configure(chatting)
            with pytest.raises(ScopeError):
                await llm.chat("hi")
            return await ASK

        assert asyncio.run(main()) == "at the start"


class TestInsideABody:
    @pytest.mark.parametrize(
        "change",
        [
            lambda: answer("x"),
            lambda: llm.chat.update(temperature=0.0),
            lambda: ot.set_registry(Registry()),
        ],
        ids=["configure", "update", "set_registry"],
    )
    @pytest.mark.parametrize("thread", [False, True])
    def test_the_registry_cannot_be_changed(self, change, thread):
        body = ot.make_executable(thread=thread)(lambda: change())
        answer("outside")
        with pytest.raises(ScopeError, match=r"with ot\.RegistryContext\(\)"):
            ot.run(body())
        with pytest.raises(RuntimeError):
            asyncio.run(awaited(body()))
        with pytest.raises(ScopeError):
            ot.run(ot.parallel(body()))
        assert ot.run(ASK) == "outside"

    def test_a_body_that_opens_a_context_changes_its_own_only(self):
        @ot.make_executable
        async def body(text):
            with ot.RegistryContext():
                answer(text)
                return await ASK, [await ASK, await inner()]

        @ot.make_executable
        async def inner():
            with pytest.raises(ScopeError):
                answer("from below")
            return await ASK

        answer("outside")
        assert ot.run(ot.parallel(body("a"), body("b"), ASK)) == [
            ("a", ["a", "a"]),
            ("b", ["b", "b"]),
            "outside",
        ]

    def test_after_its_context_a_body_may_not_change_the_registry_again(self):
        @ot.make_executable
        async def body():
            with ot.RegistryContext():
                answer("inside")
            with pytest.raises(ScopeError):
                answer("x")
            return await ASK

        answer("outside")
        assert ot.run(body()) == "outside"

    def test_a_lazy_generator_may_open_a_context_around_its_items(self):
        def items():
            with ot.RegistryContext():
                for i in range(5):
                    answer(str(i))
                    yield ot.with_current_registry(ASK)

        answer("outside")
        both = ot.parallel(ot.parallel(items(), max_concurrency=2), ASK)
        assert ot.run(both) == [["0", "1", "2", "3", "4"], "outside"]


async def awaited(e):
    return await e


class TestWithRegistry:
    def test_it_binds_the_whole_program_wherever_it_runs(self):
        @ot.make_executable
        async def body(first):
            return [first, await ASK, *await ot.parallel(ASK, llm.generate_text("!"))]

        a, b = registry_that_answers("a"), registry_that_answers("b")
        answer("outside")
        program = body(ASK)
        bound = ot.parallel(ot.with_registry(program, a), program, ot.with_registry(program, b))
        assert ot.run(bound) == [["a"] * 4, ["outside"] * 4, ["b"] * 4]
        with ot.RegistryContext(b):
            assert ot.run(ot.with_registry(program, a)) == ["a"] * 4

    def test_the_innermost_wins(self):
        a, b = registry_that_answers("a"), registry_that_answers("b")
        assert ot.run(ot.with_registry(ot.with_registry(ASK, a), b)) == "a"

    def test_it_does_not_leak_to_what_runs_after_it(self):
        @ot.make_executable
        async def body():
            return [await ot.with_registry(ASK, registry), await ASK]

        registry = registry_that_answers("bound")
        answer("outside")
        assert ot.run(body()) == ["bound", "outside"]

    def test_the_current_registry_is_that_of_the_time_of_writing(self):
        with ot.RegistryContext():
            answer("then")
            e = ot.with_current_registry(ASK)
            answer("now")
            assert ot.run(e) == "then"

    def test_one_executable_on_two_registries_at_once(self):
        async def main():
            probe = Probe(go=True)

            @ot.make_executable
            async def ask():
                await probe()
                return await ASK

            e = ask()
            registries = [registry_that_answers(text) for text in "abc"]
            return await asyncio.gather(*[ot.with_registry(e, r) for r in registries])

        assert asyncio.run(main()) == ["a", "b", "c"]

    @pytest.mark.parametrize("wrong", [None, {}, "registry", ot.RegistryContext()])
    def test_what_is_not_a_registry_is_refused_where_it_is_written(self, wrong):
        with pytest.raises(UsageError, match=r"ot\.copy_registry\(\)"):
            ot.with_registry(ASK, wrong)
        with pytest.raises(TypeError, match=r"ot\.copy_registry\(\)"):
            ot.set_registry(wrong)
        if wrong is not None:
            with pytest.raises(TypeError, match=r"ot\.copy_registry\(\)"):
                ot.RegistryContext(wrong)

    @pytest.mark.parametrize("wrong", ["text", None, [ASK], llm.generate_text])
    def test_what_is_not_an_executable_is_refused_where_it_is_written(self, wrong):
        with pytest.raises(UsageError, match="takes an Executable"):
            ot.with_current_registry(wrong)


class TestRegistry:
    def test_replacing_makes_another(self):
        empty = Registry()
        full = empty.replace({"generate_text": Binding(None)})
        assert (dict(empty.bindings), list(full.bindings)) == ({}, ["generate_text"])

    def test_it_says_what_is_bound(self):
        with ot.RegistryContext(Registry()):
            llm.generate_text.configure(answer)
            llm.embed.update()
            registry = ot.copy_registry()
        assert registry.bound() == ["generate_text"]
        assert "generate_text" in registry
        assert "embed" not in registry
        assert 5 not in registry
        assert repr(registry) == "Registry(generate_text: answer)"
        assert repr(Registry()) == "Registry(empty)"

    def test_a_copy_does_not_change_with_its_origin(self):
        with ot.RegistryContext():
            answer("before")
            copy = ot.copy_registry()
            answer("after")
            assert ot.run(ot.with_registry(ASK, copy)) == "before"
