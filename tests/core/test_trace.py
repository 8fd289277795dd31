"""Does a trace show what went in and out, where, and what it cost?"""

import asyncio

import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm


@ot.make_executable
async def ask(prompt, n=1):
    return [await llm.generate_text(prompt) for _ in range(n)]


def traced(e):
    with ot.RegistryContext():
        llm.generate_text.configure(lambda prompt: ot.Reply(prompt.upper(), usage=ot.Usage(1, 2)))
        return ot.run(e, enable_tracing=True)


class TestTree:
    def test_it_has_what_went_in_and_out_and_how_long_it_took(self):
        value, trace = traced(ask("hi", n=2))
        [body] = trace.children
        assert (trace.name, trace.output, trace.duration > 0) == ("", value, True)
        assert (body.name, body.inputs, body.output) == ("ask", {"prompt": "hi", "n": 2}, ["HI", "HI"])
        for call in body.children:
            assert (call.name, call.inputs, call.output) == ("generate_text", {"prompt": "hi"}, "HI")
            assert (call.usage, call.cache, call.error) == (ot.Usage(1, 2), "made", None)
            assert 0 <= call.duration <= body.duration <= trace.duration
            assert call.start >= trace.start

    def test_each_item_of_a_batch_has_its_place(self):
        _, trace = traced(ot.parallel(ask("a"), ot.parallel(ask("b")).named("inner")))
        assert [span.path for span in trace.walk()] == [
            "",
            "parallel[0]",
            "parallel[0]/ask",
            "parallel[0]/ask/generate_text",
            "parallel[1]",
            "parallel[1]/inner",
            "parallel[1]/inner/parallel[0]",
            "parallel[1]/inner/parallel[0]/ask",
            "parallel[1]/inner/parallel[0]/ask/generate_text",
        ]

    def test_every_sample_says_which_it_is(self):
        _, trace = traced(ot.parallel(*ot.repeat(ask("a"), 2)))
        calls = [span for span in trace.walk() if span.name == "generate_text"]
        assert [call.sample_path for call in calls] == [(0,), (1,)]

    def test_a_replayed_call_is_a_hit(self):
        with ot.RegistryContext():
            llm.generate_text.configure(lambda prompt: ot.Reply("x", replayed=True))
            _, trace = ot.run(llm.generate_text("?"), enable_tracing=True)
        assert [span.cache for span in trace.walk()] == [None, "hit"]

    def test_what_a_body_does_to_its_arguments_is_not_in_it(self):
        @ot.make_executable
        def grow(items):
            items.append("grown")
            return items

        value, trace = ot.run(grow(["given"]), enable_tracing=True)
        value.append("afterwards")
        assert trace.children[0].inputs == {"items": ["given"]}
        assert trace.children[0].output == trace.output == ["given", "grown"]

    def test_what_is_streamed_inside_is_part_of_it(self):
        @ot.make_executable
        async def outer():
            async with ot.stream(ask("a")) as stream:
                return [event.span async for event in stream if isinstance(event, ot.TextDelta)]

        spans, trace = traced(outer())
        assert spans == ["outer/ask/generate_text"]
        assert [span.path for span in trace.walk()] == ["", "outer", "outer/ask", "outer/ask/generate_text"]

    def test_without_tracing_nothing_is_kept(self):
        spans = set()
        with ot.RegistryContext():
            llm.generate_text.configure(lambda prompt: "x")
            ot.run(ask("a"), on_event=lambda event: spans.add(event.origin))
        assert all(not (s.children or s.inputs or s.output) for s in spans)


class TestFailure:
    def test_the_error_carries_the_trace_of_a_failed_run(self):
        error = ValueError("x")

        @ot.make_executable
        async def broken():
            await ask("a")
            raise error

        llm.generate_text.configure(lambda prompt: "x")
        with pytest.raises(ValueError, match="x") as raised:
            ot.run(ot.parallel(broken()), enable_tracing=True)
        trace = raised.value.trace  # type: ignore[attr-defined]
        assert [(s.name, s.error) for s in trace.walk()] == [
            ("", error),
            ("parallel[0]", error),
            ("broken", error),
            ("ask", None),
            ("generate_text", None),
        ]

    def test_what_was_cancelled_says_so(self):
        @ot.make_executable
        async def endless():
            await asyncio.Event().wait()

        @ot.make_executable
        async def broken():
            raise KeyError("x")

        with pytest.raises(KeyError) as raised:
            ot.run(ot.parallel(endless().named("n"), broken()), enable_tracing=True)
        trace = raised.value.trace  # type: ignore[attr-defined]
        errors = {span.path: type(span.error) for span in trace.walk()}
        assert errors["parallel[0]/n/endless"] is errors["parallel[0]"] is asyncio.CancelledError


class TestText:
    def test_it_is_indented_by_depth_whatever_the_names(self):
        _, trace = traced(ask("a").named("a/b").named(""[:0] or "c"))
        lines = str(trace).splitlines()
        assert [line[: len(line) - len(line.lstrip())] for line in lines] == [
            "",
            "  ",
            "    ",
            "      ",
            "        ",
        ]
        assert lines[0].startswith("run (")
        assert lines[-1].startswith("        generate_text prompt='a' (")
        assert lines[-1].endswith("made, 1 + 2 tokens) -> 'A'")

    def test_an_error_and_what_still_runs_are_shown(self):
        @ot.make_executable
        async def broken():
            raise ValueError("wrong")

        with pytest.raises(ValueError, match="wrong") as raised:
            ot.run(broken(), enable_tracing=True)
        assert str(raised.value.trace).endswith("!! ValueError: wrong")  # type: ignore[attr-defined]

    def test_its_repr_is_short(self):
        _, trace = traced(ask("a"))
        assert repr(trace) == "<Span run: 1 children>"
        assert repr(trace.children[0]) == "<Span ask: 1 children>"
