"""Does a trace show what went in and out, where, and what it cost?"""

import asyncio
import gc
import json
import tracemalloc

import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.core.registry import bind
from onetwo_like.core.trace import Span
from onetwo_like.errors import OverloadedError, UsageError
from onetwo_like.middleware.pace import at_most
from onetwo_like.middleware.retry import retrying
from tests.core.probe import Probe


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


@ot.make_executable
async def chain(first):
    city = await llm.generate_text(first)
    return await llm.generate_text(f"mayor of {city}")


class Unshowable:
    def __repr__(self):
        raise RuntimeError("no")


class TestWaiting:
    def test_the_pauses_between_attempts_are_waiting_and_not_working(self):
        calls = []

        def flaky(prompt):
            calls.append(prompt)
            if len(calls) < 3:
                raise OverloadedError("busy")
            return "ok"

        with ot.RegistryContext():
            binding = llm.generate_text.binding(flaky)
            assert binding.handler is not None
            wrapped = retrying(5, random=lambda: 0.02)(binding.handler)  # 0.01 s and 0.02 s
            bind({"generate_text": binding.but(handler=wrapped)})
            _, trace = ot.run(llm.generate_text("?"), enable_tracing=True)
        [call] = trace.children
        assert call.attempts == 3
        assert call.waiting == pytest.approx(0.03)
        assert (call.duration or 0) >= call.waiting
        assert "waited 30.0 ms, 3 attempts" in str(trace)
        assert trace.waiting == 0

    def test_so_is_the_time_for_a_place(self):
        async def main():
            first = Probe("a")

            async def held(prompt):
                return await first.body()

            with ot.RegistryContext():
                binding = llm.generate_text.binding(held)
                assert binding.handler is not None
                bind({"generate_text": binding.but(handler=at_most(1)(binding.handler))})
                seen = []
                async with ot.stream(ot.parallel(llm.generate_text("a"), llm.generate_text("b"))) as events:
                    async for event in events:
                        seen.append(event)
                        if len([e for e in seen if isinstance(e, ot.CallStarted)]) == 2:
                            first.go.set()
            [paced] = [event for event in seen if isinstance(event, ot.Paced)]
            assert paced.span == "parallel[1]/generate_text"
            assert paced.origin is not None
            assert paced.wait_s == paced.origin.waiting > 0

        asyncio.run(main())

    def test_so_is_the_pause_of_a_retry_in_the_program(self):
        tried = []

        @ot.make_executable
        def flaky():
            tried.append(1)
            if len(tried) < 2:
                raise ValueError("no")
            return "ok"

        _, trace = ot.run(flaky().retry(2, wait=0.01).named("patient"), enable_tracing=True)
        assert trace.children[0].waiting == 0.01
        assert [child.attempts for child in trace.walk()] == [1, 1, 1, 1]


class TestTotals:
    def test_they_say_what_it_cost_and_what_of_it_was_paid_now(self):
        def answer(prompt):
            if prompt == "bad":
                raise OverloadedError("busy")
            return ot.Reply("x", usage=ot.Usage(10, 5, cost=0.25), replayed=prompt == "old")

        with ot.RegistryContext():
            llm.generate_text.configure(answer)
            e = ot.parallel(*[llm.generate_text(p) for p in ("new", "old", "bad")], on_error="keep")
            _, trace = ot.run(e, enable_tracing=True)
        assert trace.total() == (3, 1, 1, 1, 20, 10, 0.5, 0.25)
        assert [c.cache for c in trace.walk() if c.name == "generate_text"] == ["made", "hit", "failed"]
        assert str(trace).splitlines()[0].startswith("run (")
        assert "3 calls, 1 replayed, 1 failed, 20 + 10 tokens, $0.5, $0.25 of it now)" in str(trace)

    def test_a_cost_that_nobody_told_is_unknown(self):
        assert traced(ask("a"))[1].total().cost is None
        assert traced(ask("a"))[1].children[0].children[0].cost is None


class TestPlainData:
    def test_it_goes_through_json_and_back(self):
        value = {"a": [1, 2.5, None, True], "b": float("inf"), "c": b"1234", "d": {1, 2}, "e": Unshowable()}

        @ot.make_executable
        async def body(value):
            await ask("x")
            raise ValueError("bad")

        with pytest.raises(ValueError, match="bad") as caught:
            traced(body(value))
        trace = caught.value.trace  # type: ignore[attr-defined]
        data = json.loads(json.dumps(trace.to_dict(), allow_nan=False))
        again = Span.from_dict(data)
        assert again.to_dict() == data == trace.to_dict()
        assert "body value=<dict that cannot be shown>" in str(trace)
        assert [s.path for s in again.walk()] == [s.path for s in trace.walk()]
        assert again.children[0].inputs == {
            "value": {
                "a": [1, 2.5, None, True],
                "b": "inf",
                "c": "<4 bytes>",
                "d": [1, 2],
                "e": "<Unshowable that cannot be shown>",
            }
        }
        assert data["children"][0]["error"] == {"type": "ValueError", "message": "bad"}
        assert "!! ValueError: bad" in str(again)
        assert again.total() == trace.total()

    def test_a_value_that_contains_itself_ends_somewhere(self):
        loop: list = []
        for _ in range(100):
            loop = [loop]
        trace: Span = ot.run(ot.make_executable(lambda: loop)(), enable_tracing=True)[1]
        assert json.dumps(trace.to_dict())

    def test_what_a_person_or_a_model_made_is_shown_by_its_fields(self):
        _, trace = traced(llm.generate_text("a", include_details=True))
        assert trace.to_dict()["output"][1]["usage"]["input_tokens"] == 1

    @pytest.mark.parametrize("wrong", [{}, {"name": "x"}, []])
    def test_other_data_is_refused(self, wrong):
        with pytest.raises(UsageError, match="to_dict"):
            Span.from_dict(wrong)


class TestDiff:
    def traces(self, *mayors):
        found = []
        for mayor in mayors:
            with ot.RegistryContext():
                llm.generate_text.configure(lambda prompt, mayor=mayor: mayor if "Nice" in prompt else "Nice")
                found.append(ot.run(ot.parallel(chain("a"), chain("b")), enable_tracing=True)[1])
        return found

    def test_the_same_run_twice_parts_nowhere(self):
        left, right = self.traces("X", "X")
        diff = left.diff(right)
        assert (len(diff), diff.first) == (0, None)
        assert not diff
        assert str(diff) == "The two runs are the same in all 9 spans."

    def test_it_shows_where_two_runs_part_and_what_follows(self):
        left, right = self.traces("X", "Y")
        diff = left.diff(right)
        assert [(p.path, p.what) for p in diff.innermost] == [
            ("parallel[0]/chain/generate_text", "output"),
            ("parallel[1]/chain/generate_text", "output"),
        ]
        assert diff.first == diff.innermost[0]
        assert [p.path for p in diff] == [
            "",
            "parallel[0]",
            "parallel[0]/chain",
            "parallel[0]/chain/generate_text",
            "parallel[1]",
            "parallel[1]/chain",
            "parallel[1]/chain/generate_text",
        ]
        text = str(diff)
        assert "parallel[0]/chain/generate_text: output" in text
        assert f"  {'-> X':58} | -> Y" in text
        assert "<td" in diff._repr_html_()

    def test_what_only_one_of_them_did_is_shown(self):
        left, right = traced(ask("a", n=1))[1], traced(ask("a", n=2))[1]
        [extra] = [p for p in left.diff(right) if p.left is None]
        assert (extra.path, extra.what) == ("ask/generate_text", "only on the right")
        assert "(not there)" in str(left.diff(right))
        assert [p.what for p in right.diff(left) if p.right is None] == ["only on the left"]

    def test_it_says_which_calls_were_made_and_which_replayed(self, tmp_path):
        def program(question):
            return ot.parallel(llm.generate_text("same"), llm.generate_text(question))

        with ot.RegistryContext(), ot.caching(tmp_path / "cache"):
            llm.generate_text.configure(lambda prompt: prompt.upper(), fingerprint="f")
            _, before = ot.run(program("old"), enable_tracing=True)
            _, after = ot.run(program("new"), enable_tracing=True)
        assert [s.cache for s in after.walk() if s.cache] == ["hit", "made"]
        [parting] = before.diff(after).innermost
        assert parting.what == "inputs, output"
        assert "(made)" in str(before.diff(after))

    def test_a_hostile_answer_stays_text_in_a_notebook(self):
        left, right = self.traces("<script>", "<b>")
        shown = left.diff(right)._repr_html_()
        assert "<script>" not in shown
        assert "&lt;script&gt;" in shown


class TestMemory:
    @pytest.mark.slow
    def test_without_tracing_20_000_calls_leave_nothing_behind(self):
        with ot.RegistryContext():
            llm.generate_text.configure(lambda prompt: prompt[:10])

            def batch(n):
                items = (llm.generate_text(f"{i}" + "x" * 10_000) for i in range(n))
                ot.run(ot.parallel(items, collect=False))

            batch(100)
            gc.collect()
            tracemalloc.start()
            try:
                batch(20_000)
                ot.run(ot.parallel(*[ask("x" * 10_000 + str(i)) for i in range(100)]))
                gc.collect()
                left, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        assert left < 10_000_000
