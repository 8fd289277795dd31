"""Does a built-in become a request, resolved, normalised and refused where it has to be, and nothing else?"""

import asyncio
import inspect
import typing
from typing import Annotated, Any

import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.core.operation import Operation, operations
from onetwo_like.core.registry import Registry
from onetwo_like.errors import (
    ContentRefusedError,
    NestedRunError,
    NotBoundError,
    ProgramError,
    UnsupportedOptionError,
    UsageError,
)
from onetwo_like.testing import Scripted
from tests.core.probe import Probe


def requested(e):
    """The request that an executable makes, with a backend in scope that takes everything."""
    requests = []

    def answer(request):
        requests.append(request)
        return "answer"

    with ot.RegistryContext():
        for operation in operations().values():
            operation.configure(answer)
        ot.run(e)
    [request] = requests
    return request


untyped: Any = llm  # for calls that a type checker would refuse


@ot.make_executable
def give(value):
    return value


class TestCalling:
    def test_it_does_nothing_yet(self):
        backend = Scripted(["x"])
        with ot.RegistryContext():
            backend.register()
            e = llm.generate_text("?")
            assert backend.requests == []
            assert ot.run(e) == "x"
        assert len(backend.requests) == 1

    def test_a_wrong_argument_is_an_error_where_the_call_is_written(self):
        with pytest.raises(
            TypeError,
            match=r"missing 1 required positional argument: 'prompt'.*call is generate_text\(prompt",
        ):
            untyped.generate_text()
        with pytest.raises(UsageError, match=r"'temprature'.*temperature=None, max_tokens=None"):
            untyped.generate_text("?", temprature=1)
        with pytest.raises(UsageError, match="takes 1 positional argument"):
            untyped.generate_text("?", 0.5)
        with pytest.raises(UsageError, match=r"generate_text\(max_tokens=\.\.\.\): .*at least 1, not 0"):
            untyped.generate_text("?", max_tokens=0)
        with pytest.raises(UsageError, match=r"generate_text\(prompt=\.\.\.\): .*not int: 5"):
            untyped.generate_text(5)

    def test_it_keeps_its_signature_and_its_documentation(self):
        assert list(inspect.signature(llm.score_text).parameters) == ["prompt", "targets"]
        assert llm.score_text.__doc__
        assert untyped.score_text.__name__ == llm.score_text.name == "score_text"

    def test_its_repr_is_the_call_as_written_shortened(self):
        e = llm.generate_text("Who?", max_tokens=20, stop="Q:")
        assert repr(e) == "generate_text('Who?', max_tokens=20, stop=('Q:',))"
        assert len(repr(llm.generate_text("x" * 10_000))) < 100
        assert repr(llm.generate_text(llm.generate_text("x"))) == "generate_text(generate_text(...))"
        detailed = llm.generate_text("Who?", include_details=True)
        assert repr(detailed) == "generate_text('Who?', include_details=True)"
        assert repr(llm.embed).startswith("<built-in embed(")


class TestRequest:
    def test_one_value_has_one_spelling(self):
        spellings = [
            requested(untyped.generate_text("?", temperature=0, stop="Q:", max_tokens=5)),
            requested(untyped.generate_text(["?"], temperature=0.0, stop=["Q:"], max_tokens=5.0)),
            requested(untyped.generate_text(prompt="?", temperature=-0.0, stop=("Q:",), max_tokens=5)),
            requested(
                untyped.generate_text(give("?"), stop=give(["Q:"]), temperature=give(0), max_tokens=give(5))
            ),
        ]
        assert {repr(s.values) for s in spellings} == {"('?', 0.0, 5, ('Q:',), None, None, None, None, None)"}

    def test_none_is_an_option_that_was_not_given(self):
        request = requested(llm.generate_text("?", temperature=None, stop=None))
        assert request.arguments == {"prompt": "?"}
        assert request.operation == "generate_text"

    def test_mutable_arguments_are_frozen_when_it_is_called(self):
        targets, messages = ["a", "b"], [ot.Message("user", "a")]
        scored, chatted = llm.score_text("?", targets), llm.chat(messages)
        targets.append("c")
        messages.clear()
        assert requested(scored).arguments == {"prompt": "?", "targets": ("a", "b")}
        assert requested(chatted).arguments == {"messages": (ot.Message("user", "a"),)}

    def test_a_parameter_without_a_normaliser_is_frozen_too(self):
        def look_up(where, *, filters: Any = None): ...

        operation: Operation[..., Any] = Operation(look_up)
        filters = {"year": [2020]}
        e = operation("here", filters=filters)
        filters["year"].append(2021)
        with ot.RegistryContext():
            operation.configure(lambda where, filters: filters)
            assert ot.run(e) == {"year": (2020,)}

    def test_the_sample_path_is_that_of_the_scope(self):
        assert requested(llm.generate_text("?")).sample_path == ()
        assert requested(ot.repeat(ot.repeat(llm.generate_text("?"), 3)[2], 5)[4]).sample_path == (4, 2)

    def test_its_repr_shows_the_call(self):
        request = requested(ot.repeat(llm.generate_text("?", seed=1), 1)[0])
        assert repr(request) == "Request(generate_text(prompt='?', seed=1), sample_path=(0,))"


class TestExecutablesAsArguments:
    def test_their_values_are_what_is_requested(self):
        e = llm.score_text(give("?"), targets=give(["a", "b"]))
        assert requested(e).arguments == {"prompt": "?", "targets": ("a", "b")}

    @pytest.mark.parametrize("nothing", [lambda: None, lambda: give(None)])
    def test_a_required_argument_that_comes_out_as_none_is_refused(self, nothing):
        with pytest.raises(UsageError, match=r"generate_text\(prompt=\.\.\.\): .*NoneType"):
            requested(llm.generate_text(ot.make_executable(nothing)()))

    def test_a_value_of_the_wrong_type_is_refused_with_its_parameter(self):
        with pytest.raises(UsageError, match=r"generate_text\(temperature=\.\.\.\): takes a number, not str"):
            requested(untyped.generate_text("?", temperature=give("hot")))

    @pytest.mark.parametrize(
        "write",
        [
            lambda e: untyped.generate_text([e]),
            lambda e: untyped.generate_text(["text", e]),
            lambda e: untyped.generate_text({"text": e}),
            lambda e: untyped.generate_text("?", stop=[e]),
            lambda e: untyped.chat([e]),
            lambda e: untyped.chat([ot.Message("user", e)]),
            lambda e: untyped.chat([{"role": "user", "content": e}]),
            lambda e: untyped.select("?", ["a", e]),
            lambda e: untyped.score_text("?", {"a": e}),
            lambda e: untyped.embed(["a", e]),
            lambda e: untyped.embed(iter([e])),
        ],
    )
    def test_inside_lists_and_dicts_they_are_refused_where_it_is_written(self, write):
        with pytest.raises(UsageError):
            write(give("x"))

    def test_a_list_that_holds_one_and_comes_from_a_call_is_refused_too(self):
        @ot.make_executable
        def options():
            return ["a", give("b")]

        with pytest.raises(UsageError, match="holds an executable"):
            requested(llm.select("?", options()))

    def test_as_a_default_they_are_refused(self):
        with pytest.raises(UsageError, match="temperature is an executable"):
            llm.generate_text.configure(lambda prompt, temperature: "x", temperature=give(0))
        with pytest.raises(UsageError, match="temperature is an executable"):
            llm.generate_text.update(temperature=give(0))


class TestDefaults:
    def test_those_in_scope_are_resolved_into_the_request(self):
        with ot.RegistryContext():
            llm.generate_text.configure(lambda request: request.arguments, temperature=0, stop="Q:")
            given: Any = llm.generate_text("?")
            assert ot.run(given) == {"prompt": "?", "temperature": 0.0, "stop": ("Q:",)}
            given = llm.generate_text("?", temperature=1)
            assert ot.run(given) == {"prompt": "?", "temperature": 1.0, "stop": ("Q:",)}

    def test_update_changes_some_and_keeps_the_rest_and_none_takes_one_away(self):
        with ot.RegistryContext():
            llm.generate_text.configure(lambda request: dict(request.arguments), temperature=0, seed=1)
            llm.generate_text.update(temperature=0.5, max_tokens=7)
            given: Any = llm.generate_text("?")
            assert ot.run(given) == {"prompt": "?", "temperature": 0.5, "seed": 1, "max_tokens": 7}
            llm.generate_text.update(temperature=None, seed=None)
            assert ot.run(given) == {"prompt": "?", "max_tokens": 7}
            with ot.RegistryContext():
                llm.generate_text.update(max_tokens=9)
                assert ot.run(given) == {"prompt": "?", "max_tokens": 9}
            assert ot.run(given) == {"prompt": "?", "max_tokens": 7}

    def test_an_option_that_does_not_exist_is_refused_with_those_that_do(self):
        with pytest.raises(UsageError, match=r"no option 'temprature'.*temperature, max_tokens"):
            llm.generate_text.configure(lambda prompt: prompt, temprature=0)
        with pytest.raises(UsageError, match=r"no option 'prompt'"):
            llm.generate_text.update(prompt="x")

    def test_a_default_that_the_function_does_not_take_is_not_handed_to_it(self):
        with ot.RegistryContext():
            llm.generate_text.configure(lambda prompt: prompt, temperature=0.0)
            assert ot.run(llm.generate_text("?")) == "?"

    def test_a_default_is_normalised(self):
        with pytest.raises(UsageError, match=r"generate_text\(max_tokens=\.\.\.\)"):
            llm.generate_text.update(max_tokens=0)


class TestOptionsThatCannotBeHonoured:
    def test_it_is_an_error_before_any_call_that_names_the_option_and_the_alternatives(self):
        calls = []
        with ot.RegistryContext():
            llm.generate_text.configure(lambda prompt, seed=None: calls.append(prompt))
            with pytest.raises(
                UnsupportedOptionError,
                match=r"temperature=0\.5.*<lambda>, does not take 'temperature'.*prompt, seed",
            ):
                ot.run(llm.generate_text("?", temperature=0.5))
            with pytest.raises(TypeError):
                ot.run(untyped.generate_text("?", temperature=give(0.5)))
            with pytest.raises(TypeError):
                ot.run(llm.generate_text("?", temperature=0.5), on_event=print)
            with pytest.raises(UnsupportedOptionError):
                llm.generate_text.update(temperature=0.5)
        assert calls == []

    def test_none_is_no_option(self):
        with ot.RegistryContext():
            llm.generate_text.configure(lambda prompt: "x")
            assert ot.run(llm.generate_text("?", temperature=None)) == "x"


class TestConfigure:
    @pytest.mark.parametrize("wrong", [None, "text", 5, ["a"]])
    def test_what_cannot_be_called_is_refused(self, wrong):
        with pytest.raises(UsageError, match=r"generate_text\.configure takes a function"):
            llm.generate_text.configure(wrong)

    @pytest.mark.parametrize("wrong", ["", 5, {"a": 1}])
    def test_a_fingerprint_is_a_name(self, wrong):
        with pytest.raises(UsageError, match="fingerprint as a name"):
            llm.generate_text.configure(lambda prompt: prompt, fingerprint=wrong)

    def test_is_configured_says_whether_something_answers_directly(self):
        with ot.RegistryContext(Registry()):
            assert not llm.generate_text.is_configured()
            llm.generate_text.update(temperature=0)
            assert not llm.generate_text.is_configured()
            llm.generate_text.configure(lambda prompt: prompt)
            assert llm.generate_text.is_configured()
            assert not llm.chat.is_configured()

    def test_defaults_that_came_first_do_not_outlive_what_is_configured_then(self):
        with ot.RegistryContext(Registry()):
            llm.generate_text.update(temperature=0)
            llm.generate_text.configure(lambda request: request.arguments)
            given: Any = llm.generate_text("?")
            assert ot.run(given) == {"prompt": "?"}

    def test_a_function_that_calls_ot_run_is_told_to_await(self):
        llm.generate_text.configure(lambda prompt: ot.run(give("x")))

        async def main():
            return await llm.generate_text("?")

        with pytest.raises(NestedRunError, match="await e"):
            ot.run(llm.generate_text("?"))
        with pytest.raises(NestedRunError, match="await e"):
            asyncio.run(main())

    def test_a_function_may_await_other_built_ins(self):
        async def shout(prompt):
            return (await llm.generate_text(prompt)).upper()

        with ot.RegistryContext():
            llm.generate_text.configure(lambda prompt: f"{prompt}!")
            llm.instruct.configure(shout)
            assert ot.run(llm.instruct("hi")) == "HI!"


class TestNotBound:
    def test_it_says_what_is_bound_and_what_would_serve(self):
        with ot.RegistryContext(Registry()):
            with pytest.raises(LookupError, match="nothing is bound here") as raised:
                ot.run(llm.score_text("?", ["a"]))
            assert isinstance(raised.value, NotBoundError)
            llm.embed.configure(lambda texts: [[0.0]])
            with pytest.raises(
                NotBoundError,
                match=r"'generate_text'.*bound here: embed.*llm\.generate_text\.configure\(function\)",
            ):
                ot.run(llm.generate_text("?"))

    def test_it_is_raised_even_where_errors_are_kept(self):
        e = ot.parallel(llm.score_text("?", ["a"]), on_error="keep")
        with ot.RegistryContext(Registry()), pytest.raises(ProgramError):
            ot.run(e)


class TestDetails:
    def test_the_value_is_the_value_and_the_reply(self):
        reply = ot.Reply("x", usage=ot.Usage(3, 4), finish_reason="length")
        with ot.RegistryContext():
            llm.generate_text.configure(lambda prompt: reply)
            assert ot.run(llm.generate_text("?", include_details=True)) == ("x", reply)
            assert ot.run(llm.generate_text(give("?"), include_details=True)) == ("x", reply)
            assert ot.run(untyped.generate_text("?", include_details=False)) == "x"

    def test_they_are_no_part_of_the_request(self):
        assert requested(llm.generate_text("?", include_details=True)) == requested(llm.generate_text("?"))

    def test_they_are_watched_like_any_call(self):
        events: list[Any] = []
        with ot.RegistryContext():
            llm.generate_text.configure(lambda prompt: "x")
            ot.run(llm.generate_text("?", include_details=True), on_event=events.append)
        assert [type(e).__name__ for e in events[1:-1]] == ["CallStarted", "TextDelta", "CallFinished"]


class TestEvents:
    def test_a_failing_call_is_told_as_finished_with_its_error(self):
        error = OSError("down")
        events: list[Any] = []
        with ot.RegistryContext():
            Scripted(error).register()
            with pytest.raises(OSError, match="down"):
                ot.run(llm.generate_text("?"), on_event=events.append)
        assert [type(e).__name__ for e in events] == [
            "RunStarted",
            "CallStarted",
            "CallFinished",
            "RunFinished",
        ]
        assert events[2].error is error
        assert events[3].error is error

    def test_a_call_says_its_usage_when_it_has_finished(self):
        events: list[Any] = []
        with ot.RegistryContext():
            llm.generate_text.configure(lambda prompt: ot.Reply("x", usage=ot.Usage(1, 2), replayed=True))
            ot.run(llm.generate_text("?"), on_event=events.append)
        [finished] = [e for e in events if isinstance(e, ot.CallFinished)]
        assert (finished.operation, finished.usage, finished.replayed) == (
            "generate_text",
            ot.Usage(1, 2),
            True,
        )

    def test_a_text_that_was_not_streamed_is_one_delta_at_the_end(self):
        events: list[Any] = []
        with ot.RegistryContext():
            llm.generate_text.configure(lambda prompt: "whole")
            llm.embed.configure(lambda texts: [[1.0]])
            ot.run(ot.parallel(llm.generate_text("?"), llm.embed("x")), on_event=events.append)
        assert [e.text for e in events if isinstance(e, ot.TextDelta)] == ["whole"]

    def test_a_derived_call_tells_nothing_twice(self):
        events: list[Any] = []
        with ot.RegistryContext():
            llm.generate_text.configure(lambda prompt: "whole")
            ot.run(llm.instruct("?"), on_event=events.append)
        assert [e.text for e in events if isinstance(e, ot.TextDelta)] == ["whole"]
        assert [e.operation for e in events if isinstance(e, ot.CallFinished)] == ["generate_text"]

    def test_a_cancelled_call_is_told_as_finished_too(self):
        async def main():
            probe, events = Probe(), []
            llm.generate_text.configure(lambda prompt: probe.body())
            async with ot.stream(llm.generate_text("?")) as stream:
                await probe.begun.wait()
            async for event in stream:
                events.append(event)
            return [type(e.error) for e in events if isinstance(e, ot.CallFinished)]

        assert asyncio.run(main()) == [asyncio.CancelledError]


class TestDeclaring:
    def test_its_normalisers_come_from_its_annotations(self):
        def shout(text: Annotated[str, str.upper], *, times: Annotated[int | None, int] = None) -> str:
            raise AssertionError

        operation: Operation[..., str] = Operation(shout)
        with ot.RegistryContext():
            operation.configure(lambda text, times: text * times)
            assert ot.run(operation("ab", times="2")) == "ABAB"
        assert operation.returns is str

    def test_as_an_attribute_of_a_class_it_is_itself(self):
        class Holder:
            ask = llm.generate_text

        assert Holder().ask is llm.generate_text

    def test_every_built_in_is_listed_and_cannot_be_added_to(self):
        assert operations()["generate_text"] is llm.generate_text
        with pytest.raises(TypeError):
            typing.cast(Any, operations())["x"] = None


def test_a_reply_that_is_a_refusal_is_raised_live_as_on_replay():
    with ot.RegistryContext():
        llm.generate_text.configure(lambda prompt: ot.Reply("I cannot say.", finish_reason="refused"))
        with pytest.raises(ContentRefusedError, match="I cannot say"):
            ot.run(llm.generate_text("How?"))
        with pytest.raises(ContentRefusedError):
            ot.run(llm.generate_text("How?"), enable_tracing=True)
