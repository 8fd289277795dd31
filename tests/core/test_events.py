"""Do events reach whoever watches, from any depth, say where they come from, and cost nothing otherwise?"""

import asyncio
import dataclasses
import time
from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.core.events import streaming


@dataclasses.dataclass(frozen=True)
class Mine(ot.Event):
    """An event of the user's."""

    text: str


@ot.make_executable
async def tell(what):
    ot.emit(what)
    return what


def watched(e):
    events: list[Any] = []
    ot.run(e, on_event=events.append)
    return events[1:-1]


class TestEmit:
    @pytest.mark.parametrize("what", [Mine("x"), "any object", None, 5, {"a": 1}])
    def test_any_object_of_yours_is_published(self, what):
        assert watched(tell(what)) == [what]

    @pytest.mark.parametrize(
        "program",
        [
            lambda e: e,
            lambda e: e.map(lambda x: x),
            lambda e: e.named("n").timeout(9).retry(2).fallback(0),
            lambda e: ot.parallel(ot.parallel(e)),
            lambda e: ot.parallel(iter([e])),
            lambda e: ot.repeat(e, 1)[0],
            lambda e: ot.with_current_registry(e),
            lambda e: ot.make_executable(lambda: e)(),
            lambda e: ot.make_executable(awaiting)(lambda: e),
            lambda e: ot.make_executable(streaming_inside)(lambda: e),
        ],
        ids=[
            "itself",
            "map",
            "methods",
            "parallel",
            "lazy",
            "repeat",
            "registry",
            "returned",
            "await",
            "stream",
        ],
    )
    def test_it_is_seen_from_any_depth(self, program):
        events = watched(program(tell(Mine("x"))))
        assert [e for e in events if isinstance(e, Mine)] == [Mine("x")]

    def test_plain_functions_threads_and_tasks_of_the_bodys_own_may_emit(self):
        async def later():
            ot.emit("task")

        @ot.make_executable
        async def tasks():
            asyncio.get_running_loop().call_soon(ot.emit, "callback")
            await asyncio.gather(asyncio.to_thread(ot.emit, "thread"), later())

        assert watched(ot.make_executable(lambda: ot.emit("plain"))()) == ["plain"]
        assert watched(ot.make_executable(thread=True)(lambda: ot.emit("thread"))()) == ["thread"]
        assert set(watched(tasks())) == {"callback", "thread", "task"}

    def test_without_a_watcher_it_goes_nowhere(self):
        ot.emit("nobody")
        assert ot.run(tell("nobody")) == "nobody"

    def test_tracing_alone_is_nobody_who_watches(self):
        @ot.make_executable
        def look():
            return streaming()

        assert ot.run(look(), enable_tracing=True)[0] is False
        assert ot.run(look()) is False
        assert ot.run(look(), on_event=lambda event: None) is True


async def awaiting(make):
    return await make()


async def streaming_inside(make):
    async with ot.stream(make()) as events:
        return await events


class TestWhereTheyComeFrom:
    def test_the_library_s_events_say_span_sample_and_time(self):
        llm.generate_text.configure(lambda prompt: "x")
        before = time.time()
        call = llm.generate_text("?").named("n")
        events = watched(ot.parallel(tell(0).map(lambda _: call), ot.repeat(call, 3)[2]))
        started = [e for e in events if isinstance(e, ot.CallStarted)]
        assert sorted((e.span, e.sample_path) for e in started) == [
            ("parallel[0]/n/generate_text", ()),
            ("parallel[1]/n/generate_text", (2,)),
        ]
        assert all(before <= e.time <= time.time() for e in started)

    def test_those_made_by_hand_come_from_nowhere(self):
        event = ot.TextDelta("x")
        assert (event.span, event.sample_path, event.replayed) == ("", (), False)

    def test_they_are_equal_if_they_say_the_same_and_cannot_be_changed(self):
        assert ot.TextDelta("x") == ot.TextDelta("x") != ot.TextDelta("y")
        assert repr(ot.TextDelta("x")) == "TextDelta(text='x')"
        with pytest.raises(dataclasses.FrozenInstanceError):
            ot.TextDelta("x").text = "y"  # type: ignore[misc]


async def three_words(prompt):
    yield "one "
    yield "two "
    yield prompt


class TestDeltas:
    def test_each_piece_is_a_delta_as_it_comes_and_none_is_told_twice(self):
        llm.generate_text.configure(three_words)
        events = watched(llm.generate_text("three"))
        assert [type(e).__name__ for e in events] == ["CallStarted", *["TextDelta"] * 3, "CallFinished"]
        assert "".join(e.text for e in events[1:-1]) == "one two three"
        assert {e.span for e in events} == {"generate_text"}

    def test_they_come_before_the_call_has_ended(self):
        async def main():
            seen, go_on = asyncio.Event(), asyncio.Event()

            async def answer(prompt):
                yield "first"
                seen.set()
                await go_on.wait()
                yield " second"

            llm.generate_text.configure(answer)
            got: list[str] = []
            program = ot.parallel(ot.repeat(ot.with_current_registry(awaits(llm.generate_text("?"))), 1)[0])
            async with ot.stream(program, only=ot.TextDelta) as events:
                async for event in events:
                    got.append(event.text)
                    if len(got) == 1:
                        assert seen.is_set()
                        go_on.set()
            return got, events.result

        assert asyncio.run(main()) == (["first", " second"], [("first second",)])

    def test_a_replayed_text_is_marked(self):
        llm.generate_text.configure(lambda prompt: ot.Reply("x", replayed=True))
        events = watched(llm.generate_text("?"))
        assert [e.replayed for e in events] == [False, True, True]


@ot.make_executable
async def awaits(e: ot.Executable):
    return (await e,)
