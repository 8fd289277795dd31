"""Does what a model writes reach who watches while it is being written, whatever stands between?"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.builtins import composables as c
from onetwo_like.builtins import llm
from onetwo_like.testing import Scripted
from tests.builtins.holding import Holding

ASKED = llm.generate_text("q")


@ot.make_executable
async def awaiting():
    return await ASKED


@ot.make_executable
async def twice():
    async with ot.stream(ASKED) as inner:
        return await inner


@ot.make_executable
def combining(e: ot.Executable):
    return e


@ot.make_executable
async def step(q: str) -> str:
    return await llm.generate_text(q)


def in_a_registry():
    return ot.with_registry(ASKED, ot.copy_registry())


WAYS: dict[str, Callable[[], ot.Executable[Any]]] = {
    "itself": lambda: ASKED,
    "await": awaiting,
    "await of await": lambda: ot.make_executable(outer)(),
    "an argument": lambda: ot.make_executable(lambda text: text)(ASKED),
    "a combinator": lambda: combining(ASKED),
    "a returned executable": lambda: ot.make_executable(lambda: ASKED)(),
    "map": lambda: ASKED.map(str.strip),
    "timeout, retry, fallback, named": lambda: ASKED.timeout(99).retry(2).fallback("x").named("n"),
    "parallel": lambda: ot.parallel(ASKED, ot.make_executable(lambda: 1)()),
    "lazy parallel": lambda: ot.parallel(e for e in [ASKED]),
    "keeping parallel": lambda: ot.parallel(ot.parallel(ASKED, on_error="keep"), timeout=99),
    "repeat": lambda: ot.parallel(*ot.repeat(ASKED, 1)),
    "with_registry": in_a_registry,
    "template": lambda: c.j("{{ generate_text('q') }}"),
    "template in a loop": lambda: c.j("{% for x in [1] %}{{ generate_text() }}{% endfor %}"),
    "composable": lambda: "Question?" + c.generate_text(),
    "instruct, derived": lambda: llm.instruct("q"),
    "chat, derived": lambda: llm.chat("q"),
    "generate_object, derived": lambda: llm.generate_object("q", str).fallback(None),
    "a nested stream": twice,
    "a nested stream in parallel": lambda: ot.parallel(twice()),
    "a flow": lambda: ot.Flow(answer=step)(q="q"),
}


async def outer():
    return await awaiting()


@pytest.fixture(autouse=True)
def held():
    """A model that goes on writing only after its first words have been seen."""
    with ot.RegistryContext():
        holding = Holding()
        llm.generate_text.configure(holding.write)
        yield holding


@pytest.mark.parametrize("way", WAYS)
class TestEveryWay:
    def test_the_delta_arrives_before_the_call_has_ended_in_a_plain_stream(self, way, held):
        with ot.stream(WAYS[way]().timeout(20)) as events:
            texts = []
            for event in events:
                if isinstance(event, ot.TextDelta):
                    texts.append(event.text)
                    assert held.ended == (len(texts) > 1)
                    held.go_on()
            assert texts == ["first ", "last"]

    def test_and_in_an_async_one(self, way, held):
        async def main():
            async with ot.stream(WAYS[way]().timeout(20), only=ot.TextDelta) as events:
                texts = []
                async for event in events:
                    texts.append(event.text)
                    held.go_on()
            assert texts == ["first ", "last"]

        asyncio.run(main())

    def test_and_in_a_callback(self, way, held):
        texts = []

        def see(event):
            if isinstance(event, ot.TextDelta):
                texts.append((event.text, event.span.rsplit("/", 1)[-1], event.replayed))
                held.go_on()

        ot.run(WAYS[way]().timeout(20), on_event=see)
        assert texts == [("first ", "generate_text", False), ("last", "generate_text", False)]


def test_the_text_of_content_is_one_delta_too():
    content = ot.ChunkList(["Look: ", ot.Chunk(b"...", "image/png"), "a cat"])
    with ot.RegistryContext():
        Scripted([content, ot.ChunkList([ot.ToolCall("look", {})])], operations="generate_content").register()
        with ot.stream(llm.generate_content("Draw"), only=ot.TextDelta) as events:
            assert [event.text for event in events] == ["Look: a cat"]
        with ot.stream(llm.generate_content("Look"), only=ot.TextDelta) as events:
            assert [event.text for event in events] == []


def test_two_streams_at_once_stay_apart(held):
    other = Holding("other ", "end")
    with ot.RegistryContext():
        llm.generate_text.configure(other.write)
        elsewhere = ot.with_current_registry(ASKED)
    with ot.stream(ASKED, only=ot.TextDelta) as one, ot.stream(elsewhere, only=ot.TextDelta) as two:
        assert next(iter(one)).text == "first "
        assert next(iter(two)).text == "other "
        held.go_on()
        other.go_on()
        assert [event.text for event in one] == ["first ", "last"]
        assert [event.text for event in two] == ["other ", "end"]


def test_a_replay_shows_the_recorded_pieces_again_and_says_so(held, tmp_path):
    llm.generate_text.configure(held.write, fingerprint="held")
    with ot.caching(tmp_path / "cache"):
        with ot.stream(ASKED, only=ot.TextDelta) as live:
            for _ in live:
                held.go_on()
        with ot.stream(ASKED) as again:
            seen = list(again)
    assert [e.replayed for e in seen if isinstance(e, ot.CacheHit)] == [True]
    assert [(e.text, e.replayed) for e in seen if isinstance(e, ot.TextDelta)] == [
        ("first ", True),
        ("last", True),
    ]
    assert held.calls == 1


def test_a_follower_of_a_shared_call_sees_the_deltas_too(held, tmp_path):
    llm.generate_text.configure(held.write, fingerprint="held")
    spans = []

    def see(event):
        if isinstance(event, ot.TextDelta):
            spans.append((event.span, event.text))
            held.go_on()

    with ot.caching(tmp_path / "cache"):
        ot.run(ot.parallel(llm.generate_text("q"), llm.generate_text("q")), on_event=see)
    assert sorted(spans) == sorted(
        (f"parallel[{i}]/generate_text", t) for i in (0, 1) for t in ("first ", "last")
    )
    assert held.calls == 1
