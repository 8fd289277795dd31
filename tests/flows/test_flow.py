"""Does a flow run each step once, as soon as it can, and refuse what does not fit together?"""

import asyncio
import contextvars
import dataclasses
import functools
import traceback
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.errors import DeadlineError, FlowError, NotBoundError, ProgramError, RunCancelled, UsageError
from onetwo_like.testing import FakeClock


async def after(seconds, value=None):
    await asyncio.sleep(seconds)
    return value


async def cancelled():
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(1)


def noting(begun):
    """A function that makes steps which take `seconds` and note in `begun` when they began."""

    def step(name, seconds, *parameters):
        body = f"async def {name}({', '.join(parameters)}): return await work({name!r}, {seconds})"
        namespace = {"work": work}
        exec(body, namespace)
        return namespace[name]

    async def work(name, seconds):
        begun.append((name, asyncio.get_running_loop().time()))
        await asyncio.sleep(seconds)
        return name

    return step


class TestSteps:
    def test_edges_are_the_names_of_parameters(self):
        flow = ot.Flow(b=lambda a: a + 1, a=lambda x: x * 10, c=lambda a, b, x: (a, b, x))
        assert ot.run(flow(x=2)) == {"b": 21, "a": 20, "c": (20, 21, 2)}
        assert list(ot.run(flow(x=2))) == ["b", "a", "c"]
        assert flow.inputs == ("x",)
        assert flow.edges == [("a", "b"), ("x", "a"), ("a", "c"), ("b", "c"), ("x", "c")]

    def test_a_step_may_be_plain_async_executable_constant_or_a_flow(self):
        async def waits(x):
            return await after(0, x + 1)

        @ot.make_executable
        def executable(waits):
            return waits + 1

        def gives_executable(executable):
            return give(executable + 1)

        async def streams(constant):
            yield constant
            yield constant + 1

        give = ot.make_executable(lambda value: value)
        flow = ot.Flow(
            waits=waits,
            executable=executable,
            gives_executable=gives_executable,
            an_executable=give("value"),
            constant=7,
            streams=streams,
            nested=ot.Flow(inner=lambda constant, y: constant + y),
            thread=ot.make_executable(thread=True)(lambda x: x),
            partial=functools.partial(lambda a, x: a - x, 10),
        )
        assert ot.run(flow(x=1, y=2)) == {
            "waits": 2,
            "executable": 3,
            "gives_executable": 4,
            "an_executable": "value",
            "constant": 7,
            "streams": 8,
            "nested": {"inner": 9},
            "thread": 1,
            "partial": 9,
        }
        assert [step.kind for step in flow.steps.values()].count("function") == 6

    def test_a_built_in_is_a_step_that_needs_its_prompt(self):
        flow = ot.Flow(prompt=lambda name: f"Hello {name}", answer=llm.generate_text)
        with ot.RegistryContext():
            llm.generate_text.configure(lambda prompt: prompt + "!")
            assert ot.run(flow(name="Ann"))["answer"] == "Hello Ann!"

    def test_a_default_makes_an_input_optional_and_gives_way_to_a_step(self):
        def scaled(x, factor=2, /, plus=0):
            return x * factor + plus

        flow = ot.Flow(y=scaled)
        assert flow.inputs == ("x", "factor", "plus")
        assert ot.run(flow(x=5)) == {"y": 10}
        assert ot.run(flow(x=5, plus=1)) == {"y": 11}
        assert ot.run(flow(x=5, factor=3)) == {"y": 15}
        assert ot.run(ot.Flow(y=scaled, factor=10)(x=5)) == {"y": 50, "factor": 10}

    def test_what_is_positional_only_and_left_out_does_not_shift_the_rest(self):
        def three(a, b=2, c=3, /):
            return (a, b, c)

        assert ot.run(ot.Flow(three=three)(a=1, c=30)) == {"three": (1, 2, 30)}

    def test_an_async_function_may_return_an_executable_too(self):
        give = ot.make_executable(lambda value: value)

        async def nested(x):
            return give(give(x))

        assert ot.run(ot.Flow(nested=nested)(x=1)) == {"nested": 1}

    def test_a_class_or_an_object_that_can_be_called_is_a_step(self):
        @dataclasses.dataclass
        class Pair:
            a: int
            b: int

        class Adds:
            def __call__(self, pair: Pair) -> int:
                return pair.a + pair.b

        assert ot.run(ot.Flow(pair=Pair, total=Adds())(a=1, b=2))["total"] == 3

    def test_an_executable_input_is_executed_first_and_once(self):
        calls = []

        @ot.make_executable
        async def title():
            calls.append(1)
            return await after(1, "Jaws")

        e = title()
        flow = ot.Flow(loud=lambda movie: movie.upper(), length=lambda movie: len(movie), other=lambda x: x)
        clock = FakeClock()
        both = ot.parallel(flow(movie=e, x=1), flow(movie=e, x=2))
        first, second = clock.run(both)
        assert first == {"loud": "JAWS", "length": 4, "other": 1}
        assert second["other"] == 2
        assert calls == [1]

    def test_the_same_executable_in_two_steps_runs_once_in_each_call(self):
        calls = []

        @ot.make_executable
        def count():
            calls.append(1)
            return len(calls)

        e = count()
        flow = ot.Flow(a=e, b=e)
        assert ot.run(flow()) == {"a": 1, "b": 1}
        assert ot.run(ot.parallel(flow(), flow())) == [{"a": 2, "b": 2}, {"a": 3, "b": 3}]


class TestTime:
    def test_a_step_starts_when_its_last_input_is_ready(self):
        begun: list[tuple[str, float]] = []
        step = noting(begun)
        flow = ot.Flow(
            slow=step("slow", 5),
            fast=step("fast", 1),
            after_fast=step("after_fast", 1, "fast"),
            after_both=step("after_both", 1, "fast", "slow"),
        )
        clock = FakeClock()
        clock.run(flow())
        assert sorted(begun) == [("after_both", 5.0), ("after_fast", 1.0), ("fast", 0.0), ("slow", 0.0)]
        assert clock.time() == 6.0

    def test_a_join_runs_once_when_its_inputs_end_in_the_same_tick(self):
        begun: list[tuple[str, float]] = []
        step = noting(begun)
        parents = {f"p{i}": step(f"p{i}", 1) for i in range(10)}
        clock = FakeClock()
        clock.run(ot.Flow(**parents, join=step("join", 0, *parents))())
        assert [name for name, _ in begun].count("join") == 1
        assert len(begun) == 11

    def test_two_calls_share_nothing(self):
        begun: list[tuple[str, float]] = []
        step = noting(begun)
        flow = ot.Flow(a=step("a", 1, "x"), b=step("b", 1, "a"))
        clock = FakeClock()
        clock.run(ot.parallel(flow(x=1), flow(x=2)))
        assert clock.time() == 2.0
        assert len(begun) == 4
        e = flow(x=1)
        clock.run(e)
        clock.run(e)
        assert len(begun) == 8

    def test_lists_that_a_step_changes_are_its_own(self):
        def changes(items):
            items.append("changed")
            return items

        async def changes_too(items):
            items.append("changed too")
            return items

        flow = ot.Flow(items=["a"], one=changes, two=changes_too)
        for _ in range(2):
            result = ot.run(flow())
            assert result == {"items": ["a"], "one": ["a", "changed"], "two": ["a", "changed too"]}
            result["items"].append("by the caller")
        constant = ["a"]
        flow = ot.Flow(items=constant)
        constant.append("b")
        assert ot.run(flow()) == {"items": ["a"]}
        given = ["x"]
        call = ot.Flow(one=changes)(items=given)
        given.append("y")
        assert ot.run(call) == ot.run(call) == {"one": ["x", "changed"]}

    def test_what_a_step_sets_in_its_context_is_not_seen_by_the_next(self):
        told = contextvars.ContextVar("told", default="nothing")

        async def sets():
            told.set("by sets")
            await asyncio.sleep(0)

        async def outer():
            told.set("by outer")
            return await ot.Flow(sets=sets, reads=lambda sets: told.get())()

        assert FakeClock().run(outer())["reads"] == "by outer"

    def test_a_time_out_stops_every_step(self):
        stopped = []

        async def waits(x):
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                stopped.append(x)
                raise

        clock = FakeClock()
        with pytest.raises(DeadlineError):
            clock.run(ot.Flow(a=waits, nested=ot.Flow(b=waits))(x=1).timeout(3))
        assert stopped == [1, 1]
        assert clock.time() == 3.0

    def test_who_awaits_is_cancelled_and_nothing_is_left_running(self):
        async def main():
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ot.Flow(a=lambda: after(100), b=lambda: after(100))(), 2)
            return len(asyncio.all_tasks())

        assert FakeClock().run(main()) == 1

    def test_a_failing_task_group_stops_every_step(self):
        async def fails():
            await asyncio.sleep(2)
            raise ValueError("elsewhere")

        async def main():
            async def flow():
                await ot.Flow(a=lambda: after(100), b=lambda: after(100))()

            async def together():
                async with asyncio.TaskGroup() as group:
                    group.create_task(flow())
                    group.create_task(fails())

            with pytest.raises(ExceptionGroup):
                await together()
            return len(asyncio.all_tasks()), asyncio.get_running_loop().time()

        assert FakeClock().run(main()) == (1, 2.0)


class TestFailures:
    def test_a_failure_cancels_the_rest_and_is_the_same_object(self):
        error = ValueError("broken")
        stopped: list[Any] = []

        async def fails():
            await asyncio.sleep(1)
            raise error

        async def waits():
            try:
                await asyncio.sleep(100)
            finally:
                stopped.append(asyncio.get_running_loop().time())

        clock = FakeClock()
        flow = ot.Flow(fails=fails, waits=waits, never=lambda fails: stopped.append("never"))
        with pytest.raises(ValueError, match="broken") as caught:
            clock.run(flow())
        assert caught.value is error
        assert error.__cause__ is None
        assert stopped == [1.0]

    def test_the_error_names_the_step_and_its_path(self):
        def critic(x):
            raise ValueError("no ink")

        flow = ot.Flow(review=ot.Flow(critic=critic))
        with pytest.raises(ValueError, match="no ink") as caught:
            ot.run(flow(x=1))
        assert caught.value.__notes__ == ["in step review/critic of a flow"]
        assert "in step review/critic of a flow" in "".join(traceback.format_exception(caught.value))

    def test_an_error_that_is_raised_again_has_its_note_once(self):
        error = ValueError("again")

        def fails():
            raise error

        for _ in range(3):
            with pytest.raises(ValueError):
                ot.run(ot.Flow(fails=fails)())
        assert error.__notes__ == ["in step fails of a flow"]

    def test_keep_gives_an_outcome_for_every_step(self):
        def fails(a):
            raise ValueError("broken")

        flow = ot.Flow(
            a=lambda x: x,
            b=fails,
            behind=lambda b: b,
            further=lambda behind, a: a,
            slow=lambda: after(5, "kept"),
        )
        clock = FakeClock()
        outcomes = clock.run(flow.on_error("keep")(x=1))
        assert {n: o.status for n, o in outcomes.items()} == {
            "a": "ok",
            "b": "error",
            "behind": "cancelled",
            "further": "cancelled",
            "slow": "ok",
        }
        assert outcomes["slow"].value == "kept"
        assert isinstance(outcomes["b"].error, ValueError)
        assert isinstance(outcomes["further"].error, RunCancelled)
        assert outcomes["further"].error.__cause__ is outcomes["b"].error
        assert "step further did not run, because b before it failed" in str(outcomes["further"].error)

    def test_keep_holds_for_what_is_derived_and_can_be_taken_back(self):
        flow = ot.Flow(a=lambda x: 1 / x, b=lambda a: a).on_error("keep")
        assert ot.run(flow.only("a")(x=1))["a"] == ot.Outcome("ok", 1.0)
        assert ot.run((flow | ot.Flow(c=1))(x=1))["c"].ok
        assert ot.run(flow.on_error("raise")(x=1)) == {"a": 1.0, "b": 1.0}
        with pytest.raises(UsageError, match="'ignore'"):
            flow.on_error("ignore")  # type: ignore[arg-type]

    def test_keep_tells_time_outs_and_cancellations_apart(self):
        async def cancels_itself():
            await cancelled()

        flow = ot.Flow(late=ot.make_executable(after)(9).timeout(1), gone=cancels_itself).on_error("keep")
        outcomes = FakeClock().run(flow())
        assert [outcome.status for outcome in outcomes.values()] == ["timeout", "cancelled"]

    def test_keep_raises_what_concerns_the_whole_program(self):
        flow = ot.Flow(answer=ot.prompt("Hello {{ name }}")).on_error("keep")
        with ot.RegistryContext(ot.Registry()), pytest.raises(NotBoundError):
            ot.run(flow(name="Ann"))

    def test_a_step_that_cancels_itself_is_named(self):
        async def gone():
            await cancelled()

        with pytest.raises(RunCancelled, match="gone was cancelled from inside"):
            ot.run(ot.Flow(gone=gone)())

    def test_an_input_that_fails_says_which(self):
        broken = ot.make_executable(lambda: 1 / 0)()
        flow = ot.Flow(a=lambda x: x, b=lambda y: y)
        with pytest.raises(ZeroDivisionError) as caught:
            ot.run(flow(x=broken, y=1))
        assert "in the input x of a flow" in caught.value.__notes__
        outcomes = ot.run(flow.on_error("keep")(x=broken, y=1))
        assert [outcome.status for outcome in outcomes.values()] == ["cancelled", "ok"]

    def test_the_exit_of_a_step_is_that_of_the_program(self):
        def leaves():
            raise SystemExit(3)

        with pytest.raises(SystemExit) as caught:
            ot.run(ot.Flow(leaves=leaves)())
        assert caught.value.code == 3
        with pytest.raises(SystemExit):
            ot.run(ot.Flow(leaves=leaves).on_error("keep")())


class TestDeriving:
    def flow(self):
        return ot.Flow(
            title=lambda topic: f"title of {topic}",
            song=lambda title: f"song of {title}",
            cast=lambda title, n=2: f"{n} of {title}",
            lyrics=lambda song, cast: f"{song} with {cast}",
            review=lambda lyrics, tone: f"{tone} {lyrics}",
        )

    def test_only_runs_what_is_needed(self):
        part = self.flow().only("song")
        assert ot.run(part(topic="sharks")) == {"title": "title of sharks", "song": "song of title of sharks"}
        assert part.inputs == ("topic",)
        assert list(self.flow().only("song", "cast").steps) == ["title", "song", "cast"]

    def test_override_gives_a_value_and_prunes_what_fed_it(self):
        changed = self.flow().override(song="X", cast="Y")
        assert changed.inputs == ("tone",)
        assert ot.run(changed(tone="bad")) == {
            "song": "X",
            "cast": "Y",
            "lyrics": "X with Y",
            "review": "bad X with Y",
        }

    def test_override_keeps_what_another_step_still_needs(self):
        assert list(self.flow().override(song="X").steps) == ["title", "song", "cast", "lyrics", "review"]

    def test_overriding_a_step_and_what_it_needs_keeps_both(self):
        changed = self.flow().override(title="T", song="S").only("song", "title")
        assert ot.run(changed()) == {"title": "T", "song": "S"}

    def test_override_takes_an_executable_and_functions_as_values(self):
        give = ot.make_executable(lambda: "given")
        assert ot.run(ot.Flow(a=lambda x: x).override(a=give())()) == {"a": "given"}
        assert ot.run(ot.Flow(a=lambda x: x).override(a=len)()) == {"a": len}

    def test_replace_puts_another_step_in_its_place(self):
        changed = self.flow().only("song").replace(title=lambda year: f"a film of {year}")
        assert ot.run(changed(year=1975))["song"] == "song of a film of 1975"

    def test_flows_compose_by_name(self):
        one = ot.Flow(a=lambda x: x + 1)
        two = ot.Flow(b=lambda a: a * 2)
        assert ot.run((one | two)(x=1)) == ot.run((two | one)(x=1)) == {"a": 2, "b": 4}
        assert (one | two).inputs == ("x",)
        assert (one | (one | two)).inputs == ("x",)

    def test_deriving_leaves_the_flow_as_it_was(self):
        flow = self.flow()
        (
            flow.only("title"),
            flow.override(song="X"),
            flow.replace(song=1),
            flow.on_error("keep"),
            flow | ot.Flow(z=1),
        )
        assert flow.inputs == ("topic", "n", "tone")
        assert ot.run(flow(topic="t", tone="x"))["lyrics"] == "song of title of t with 2 of title of t"


class TestRefused:
    def test_a_cycle_with_its_path(self):
        with pytest.raises(FlowError, match=r"need each other.*: a -> b -> c -> a"):
            ot.Flow(x=1, a=lambda c: c, b=lambda a, x: a, c=lambda b: b, d=lambda a: a)

    def test_a_cycle_without_what_only_hangs_on_it(self):
        with pytest.raises(FlowError, match=r": b -> c -> b$"):
            ot.Flow(d=lambda c: c, b=lambda c: c, c=lambda b: b, e=lambda d: d)

    def test_a_cycle_that_comes_with_composition_or_replacement(self):
        with pytest.raises(FlowError, match="a -> b -> a"):
            ot.Flow(a=lambda b: b) | ot.Flow(b=lambda a: a)
        with pytest.raises(FlowError, match="a -> b -> a"):
            ot.Flow(a=lambda x: x, b=lambda a: a).replace(a=lambda b: b)

    def test_a_step_that_needs_itself(self):
        with pytest.raises(FlowError, match="step a needs itself: a -> a"):
            ot.Flow(a=lambda a: a)
        with pytest.raises(FlowError, match="step a needs itself"):
            ot.Flow(a=ot.prompt("{{ a }}"))

    def test_a_name_in_both_of_two_flows(self):
        with pytest.raises(FlowError, match="both flows have a step called a"):
            ot.Flow(a=lambda x: x) | ot.Flow(a=lambda y: y)

    @pytest.mark.parametrize("derive", ["override", "replace", "only"])
    def test_a_step_that_is_not_there(self, derive):
        flow = ot.Flow(song_title=lambda topic: topic)
        with pytest.raises(FlowError, match=rf"{derive}: the flow has no step 'song_titel'.*'song_title'"):
            flow.only("song_titel") if derive == "only" else getattr(flow, derive)(song_titel=1)
        with pytest.raises(FlowError, match="at least one"):
            flow.only()

    def test_a_missing_input_where_the_call_is_written(self):
        flow = ot.Flow(a=lambda topic: topic, b=lambda topic, n=1: n)
        with pytest.raises(FlowError, match=r"lacks an input: topic, for a and b.*flow\(topic=\.\.\.\)"):
            flow()

    def test_an_input_that_is_unknown_or_a_step(self):
        flow = ot.Flow(a=lambda topic: topic)
        with pytest.raises(
            FlowError, match=r"no input 'topik'; its inputs are topic. Did you mean 'topic'\?"
        ):
            flow(topik="x")
        with pytest.raises(FlowError, match=r"a is a step, not an input; flow\.override\(a=\.\.\.\)"):
            flow(topic="x", a=1)

    @pytest.mark.parametrize("function", [lambda *args: args, lambda **kwargs: kwargs])
    def test_a_function_without_names_for_what_it_takes(self, function):
        with pytest.raises(FlowError, match=r"step a takes \*+.*give each a name"):
            ot.Flow(a=function)

    def test_a_function_that_does_not_tell_its_parameters(self):
        with pytest.raises(FlowError, match="does not tell its parameters"):
            ot.Flow(a=max)

    def test_nothing_at_all_or_a_name_that_no_parameter_can_have(self):
        with pytest.raises(FlowError, match="at least one step"):
            ot.Flow()
        with pytest.raises(FlowError, match="'two words' needs a name that a parameter can have"):
            ot.Flow(**{"two words": 1})
        with pytest.raises(FlowError, match="belongs to a parameter's default"):
            ot.Flow(a=ot.each("b"))

    def test_executables_within_lists(self):
        e = llm.generate_text("x")
        with pytest.raises(UsageError, match="input xs"):
            ot.Flow(a=lambda xs: xs)(xs=[e])
        with pytest.raises(UsageError, match="step xs"):
            ot.Flow(xs=[e])
        with pytest.raises(UsageError, match="step a"):
            ot.Flow(a=1).override(a={"k": e})

    def test_all_of_it_is_a_value_error_of_the_program(self):
        assert issubclass(FlowError, ValueError)
        assert issubclass(FlowError, ProgramError)


class TestWatching:
    def flow(self):
        with_model = ot.prompt("Title about {{ topic }}", max_tokens=5)
        return ot.Flow(title=with_model, inner=ot.Flow(loud=lambda title: title.upper()))

    def test_the_trace_has_inputs_prompt_output_and_time_of_every_step(self):
        with ot.RegistryContext():
            llm.generate_text.configure(lambda prompt, max_tokens: "Jaws")
            value, trace = ot.run(self.flow()(topic="sharks"), enable_tracing=True)
        [flow] = trace.children
        title, inner = flow.children
        assert [span.path for span in trace.walk()] == [
            "",
            "flow",
            "flow/title",
            "flow/title/generate_text",
            "flow/inner",
            "flow/inner/loud",
        ]
        assert (flow.inputs, flow.output) == ({"topic": "sharks"}, value)
        assert (title.inputs, title.output) == ({"topic": "sharks"}, "Jaws")
        assert title.children[0].inputs == {"prompt": "Title about sharks", "max_tokens": 5}
        assert title.children[0].cache == "made"
        assert (inner.inputs, inner.output) == ({"title": "Jaws"}, {"loud": "JAWS"})
        assert title.duration is not None
        assert flow.duration is not None
        assert 0 <= title.duration <= flow.duration
        assert flow.start <= title.start <= inner.start

    def test_steps_tell_when_they_start_and_end(self):
        with ot.RegistryContext():
            llm.generate_text.configure(lambda prompt, max_tokens: "Jaws")
            events = list(ot.stream(self.flow()(topic="sharks"), only=(ot.StepStarted, ot.StepFinished)))
        assert [(type(e).__name__, e.step, e.span) for e in events] == [
            ("StepStarted", "title", "flow/title"),
            ("StepFinished", "title", "flow/title"),
            ("StepStarted", "inner", "flow/inner"),
            ("StepStarted", "loud", "flow/inner/loud"),
            ("StepFinished", "loud", "flow/inner/loud"),
            ("StepFinished", "inner", "flow/inner"),
        ]
        assert [e.output for e in events if isinstance(e, ot.StepFinished)] == [
            "Jaws",
            "JAWS",
            {"loud": "JAWS"},
        ]

    def test_a_failed_step_tells_its_error(self):
        events: list[Any] = []
        with pytest.raises(ZeroDivisionError) as caught:
            ot.run(ot.Flow(a=lambda: 1 / 0)(), on_event=events.append)
        [finished] = [e for e in events if isinstance(e, ot.StepFinished)]
        assert finished.error is caught.value

    def test_verbose_prints_each_step_as_it_ends(self, capsys):
        ot.run(ot.Flow(a=lambda x: x + 1, inner=ot.Flow(b=lambda a: a * 2))(x=1), verbose=True)
        assert capsys.readouterr().out == "a: 2\nb: 4\ninner: {'b': 4}\n"

    def test_what_a_step_emits_and_streams_arrives(self):
        async def talks():
            ot.emit("said")
            yield "update"

        events = list(ot.stream(ot.Flow(talks=talks)()))
        assert "said" in events
        assert ot.Update("update") in events


class TestLookingAtIt:
    def test_a_flow_and_its_call_are_shown_as_written(self):
        flow = ot.Flow(title=lambda topic: topic, song=lambda title, topic: title)
        assert repr(flow) == "Flow(title(topic), song(title, topic))"
        assert repr(flow(topic="x")) == "flow(topic='x')"

    def test_steps_say_what_they_are(self):
        flow = ot.Flow(
            p=ot.prompt("{{ x }}"),
            c=ot.prompt("{{ x }}", system="S"),
            k=1,
            e=llm.generate_text("x"),
            n=ot.Flow(a=1),
        )
        kinds = {name: step.kind for name, step in flow.steps.items()}
        assert kinds == {"p": "prompt", "c": "chat", "k": "constant", "e": "executable", "n": "flow"}
        assert list(flow.steps["n"].flow.steps) == ["a"]

    def test_the_executables_among_the_inputs_are_part_of_the_outline(self):
        e = ot.Flow(a=lambda x: x)(x=llm.generate_text("first"))
        assert "generate_text(&#x27;first&#x27;)" in e._repr_html_()


@st.composite
def dags(draw):
    """For each of some steps, which earlier ones it needs; in any order."""
    count = draw(st.integers(1, 12))
    needs = {
        f"s{i}": draw(st.lists(st.sampled_from([f"s{j}" for j in range(i)]), unique=True)) if i else []
        for i in range(count)
    }
    order = draw(st.permutations(list(needs)))
    return {name: needs[name] for name in order}


@settings(max_examples=60, deadline=None)
@given(
    needs=dags(),
    seconds=st.lists(st.integers(0, 3), min_size=12, max_size=12),
    plain=st.sets(st.integers(0, 11)),
)
def test_any_dag_gives_what_plain_calls_in_order_give_and_runs_each_step_once(needs, seconds, plain):
    ran = []

    def step(name, parameters):
        number = int(name[1:])
        parameters = ", ".join([*parameters, "x"])
        work = f"work({name!r}, [{parameters}])"
        body = (
            f"async def {name}({parameters}):\n    await asyncio.sleep({seconds[number]})\n    return {work}"
        )
        if number in plain:
            body = f"def {name}({parameters}):\n    return {work}"
        namespace = {"work": work_of, "asyncio": asyncio}
        exec(body, namespace)
        return namespace[name]

    def work_of(name, values):
        ran.append(name)
        return f"{name}({', '.join(map(str, values))})"

    clock = FakeClock()
    actual = clock.run(ot.Flow(**{name: step(name, parameters) for name, parameters in needs.items()})(x="x"))
    assert sorted(ran) == sorted(needs)

    expected: dict[str, str] = {}
    ends: dict[str, int] = {}
    for name in sorted(needs, key=lambda name: int(name[1:])):
        expected[name] = work_of(name, [*[expected[source] for source in needs[name]], "x"])
        took = 0 if int(name[1:]) in plain else seconds[int(name[1:])]
        ends[name] = took + max([ends[source] for source in needs[name]], default=0)
    assert actual == expected
    assert list(actual) == list(needs)
    assert clock.time() == max(ends.values())
