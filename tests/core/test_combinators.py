"""Do the methods of an Executable try again, fall back, stop in time and bind as they say?"""

import asyncio
import contextlib
from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.errors import (
    DeadlineError,
    NotBoundError,
    ProgramError,
    ReplayMiss,
    RunCancelled,
    TransientError,
    UsageError,
)
from onetwo_like.testing import FakeClock
from tests.core.probe import Probe


@ot.make_executable
async def give(value, after_s=0.0):
    await asyncio.sleep(after_s)
    return value


@ot.make_executable
async def fail(error, after_s=0.0):
    await asyncio.sleep(after_s)
    raise error


def failing(*errors, value="value"):
    """An executable that fails with these, one after the other, then gives the value; and what it has left."""
    left = list(errors)

    @ot.make_executable
    async def flaky():
        if left:
            raise left.pop(0)
        return value

    return flaky(), left


def sample_paths(e):
    """The value of the executable on a backend that answers with the sample path, and all paths asked for."""
    paths = []

    def answer(request):
        paths.append(request.sample_path)
        return str(request.sample_path)

    with ot.RegistryContext():
        llm.generate_text.configure(answer)
        with contextlib.suppress(ValueError):
            ot.run(e)
    return paths


ASK = llm.generate_text("?")


class TestRetry:
    def test_n_counts_all_attempts(self):
        e, left = failing(ValueError("1"), ValueError("2"), ValueError("3"))
        with pytest.raises(ValueError, match="2"):
            ot.run(e.retry(2))
        assert len(left) == 1
        assert ot.run(e.retry(2)) == "value"
        e, _ = failing(ValueError("1"))
        with pytest.raises(ValueError, match="1"):
            ot.run(e.retry(1))

    def test_the_last_error_is_raised_as_the_same_object(self):
        first, last = ValueError("first"), ValueError("last")
        e, _ = failing(first, last)
        with pytest.raises(ValueError, match="last") as raised:
            ot.run(e.retry(2))
        assert raised.value is last
        assert last.__cause__ is None

    @pytest.mark.parametrize(
        "on",
        [
            KeyError,
            LookupError,
            (OSError, KeyError),
            lambda error: "again" in str(error),
        ],
    )
    def test_only_errors_of_the_class_are_tried_again(self, on):
        e, _ = failing(KeyError("again"))
        assert ot.run(e.retry(2, on=on)) == "value"
        e, left = failing(ValueError("x"), ValueError("y"))
        with pytest.raises(ValueError, match="x"):
            ot.run(e.retry(2, on=on))
        assert len(left) == 1

    @pytest.mark.parametrize(
        "error", [NotBoundError("x"), ReplayMiss("x"), UsageError("x"), ProgramError("x")]
    )
    def test_what_concerns_the_program_is_not_tried_again(self, error):
        e, left = failing(error, error)
        with pytest.raises(ProgramError):
            ot.run(e.retry(2, on=Exception))
        assert len(left) == 1

    def test_it_waits_before_the_next_attempt(self):
        clock = FakeClock()
        e, _ = failing(ValueError(), ValueError(), ValueError())
        assert clock.run(e.retry(4, wait=10)) == "value"
        assert clock.time() == 30
        attempts = []

        def longer(attempt):
            attempts.append(attempt)
            return 2**attempt

        e, _ = failing(ValueError(), ValueError(), ValueError())
        assert clock.run(e.retry(4, wait=longer)) == "value"
        assert (attempts, clock.time()) == ([1, 2, 3], 30 + 2 + 4 + 8)

    def test_each_attempt_after_the_first_extends_the_sample_path(self):
        parse = ASK.map(int)
        assert sample_paths(parse.retry(3)) == [(), ("retry 1",), ("retry 2",)]
        assert sample_paths(ot.repeat(parse.retry(2), 3)[2]) == [(2,), (2, "retry 1")]
        assert sample_paths(ot.repeat(parse, 3)[2].retry(2)) == [(2,), ("retry 1", 2)]
        assert sample_paths(parse.retry(2).retry(2)) == [
            (),
            ("inner retry 1",),
            ("retry 1",),
            ("retry 1", "inner retry 1"),
        ]

    def test_all_that_is_below_is_tried_again(self):
        @ot.make_executable
        async def step(text):
            return int(text + await ASK)

        paths = sample_paths(step(ASK).retry(2))
        assert paths == [(), (), ("retry 1",), ("retry 1",)]

    def test_a_cancellation_is_not_tried_again(self):
        async def main():
            probe = Probe()
            with pytest.raises(TimeoutError):
                await probe().retry(5).timeout(1)
            return probe.calls, probe.running

        assert FakeClock().run(main()) == (1, 0)

    def test_nor_is_one_from_inside(self):
        e, left = failing(asyncio.CancelledError(), ValueError())
        with pytest.raises(RunCancelled):
            ot.run(ot.parallel(e.retry(2)))
        assert len(left) == 1

    def test_it_can_be_cancelled_while_it_waits(self):
        clock = FakeClock()
        e, _ = failing(ValueError())
        with pytest.raises(TimeoutError):
            clock.run(e.retry(2, wait=1_000).timeout(5))
        assert clock.time() == 5

    def test_an_attempt_that_comes_is_told_with_the_error_and_the_wait(self):
        error = ValueError("x")
        events: list[Any] = []
        e, _ = failing(error)
        ot.run(e.retry(2, wait=lambda attempt: 0.001 * attempt), on_event=events.append)
        [retrying] = [event for event in events if isinstance(event, ot.Retrying)]
        assert (retrying.attempt, retrying.error, retrying.wait_s) == (2, error, 0.001)

    @pytest.mark.parametrize("wrong", [0, -1, 1.5, "3", None, True])
    def test_a_wrong_number_is_refused_where_it_is_written(self, wrong):
        with pytest.raises(UsageError, match="number of attempts in all"):
            ASK.retry(wrong)

    @pytest.mark.parametrize("wrong", [None, "ValueError", ValueError(), (ValueError, "x"), (), int, 5])
    def test_a_wrong_condition_is_refused_where_it_is_written(self, wrong):
        with pytest.raises(UsageError, match=r"retry\(on=\.\.\.\)"):
            ASK.retry(2, on=wrong)

    @pytest.mark.parametrize("wrong", [-1, "1", None, float("nan")])
    def test_a_wrong_wait_is_refused_where_it_is_written(self, wrong):
        with pytest.raises(UsageError, match=r"retry\(wait=\.\.\.\)"):
            ASK.retry(2, wait=wrong)


class TestFallback:
    @pytest.mark.parametrize("other", ["other", None, 0, ("a", "b")])
    def test_a_value_takes_the_place_of_a_failure(self, other):
        assert ot.run(fail(ValueError()).fallback(other)) == other

    def test_a_value_that_is_changed_afterwards_is_as_it_was_in_the_next_run(self):
        other = {"tags": [1]}
        e = fail(ValueError()).fallback(other)
        other["tags"].append(2)
        ot.run(e)["tags"].append(3)
        assert ot.run(e) == {"tags": [1]}

    def test_an_executable_takes_its_place_and_runs_only_then(self):
        other = Probe("other", go=True)
        assert ot.run(fail(ValueError()).fallback(other())) == "other"
        assert ot.run(give("value").fallback(other())) == "value"
        assert other.calls == 1

    def test_the_first_that_succeeds_is_taken(self):
        e = (
            fail(ValueError(1))
            .fallback(fail(ValueError(2)))
            .fallback(give("third"))
            .fallback(fail(ValueError(4)))
        )
        assert ot.run(e) == "third"

    def test_if_both_fail_the_second_error_is_raised_with_the_first_as_its_context(self):
        first, second = ValueError("first"), KeyError("second")
        with pytest.raises(KeyError) as raised:
            ot.run(fail(first).fallback(fail(second)))
        assert raised.value is second
        assert (second.__cause__, second.__context__) == (None, first)

    @pytest.mark.parametrize("error", [NotBoundError("x"), ReplayMiss("x"), UsageError("x")])
    def test_what_concerns_the_program_is_raised_all_the_same(self, error):
        with pytest.raises(ProgramError) as raised:
            ot.run(fail(error).fallback("other"))
        assert raised.value is error

    @pytest.mark.parametrize("error", [TransientError("x"), TimeoutError(), DeadlineError("x"), OSError()])
    def test_everything_else_is_not(self, error):
        assert ot.run(fail(error).fallback("other")) == "other"

    def test_a_cancellation_passes_through(self):
        async def main():
            probe, other = Probe(), Probe("other", go=True)
            with pytest.raises(TimeoutError):
                await probe().fallback(other()).fallback("value").timeout(1)
            running = asyncio.ensure_future(probe().fallback(other()))
            await asyncio.sleep(1)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            return probe.running, other.calls

        assert FakeClock().run(main()) == (0, 0)

    @pytest.mark.parametrize("escape", [SystemExit(1), KeyboardInterrupt()])
    def test_leaving_the_program_does_too(self, escape):
        with pytest.raises(type(escape)):
            ot.run(fail(escape).fallback("other"))

    def test_a_cancellation_from_inside_does_too(self):
        with pytest.raises(RunCancelled):
            ot.run(fail(asyncio.CancelledError()).fallback("other"))


class TestTimeout:
    def test_what_is_not_over_in_time_is_stopped_and_a_deadline_error(self):
        clock = FakeClock()
        with pytest.raises(DeadlineError, match="give did not finish within 5 s") as raised:
            clock.run(give(1, 10).timeout(5))
        assert isinstance(raised.value, TimeoutError)
        assert raised.value.__cause__ is None
        assert clock.time() == 5

    def test_what_is_over_in_time_has_its_value_or_its_own_error(self):
        clock = FakeClock()
        assert clock.run(give(1, 4).timeout(5)) == 1
        error = TimeoutError("of the body")
        with pytest.raises(TimeoutError) as raised:
            clock.run(fail(error, 4).timeout(5))
        assert raised.value is error

    def test_the_innermost_that_is_missed_is_raised(self):
        with pytest.raises(DeadlineError, match="give did not finish within 2 s"):
            FakeClock().run(give(1, 10).timeout(2).timeout(5))
        with pytest.raises(DeadlineError, match="timeout did not finish within 2 s"):
            FakeClock().run(give(1, 10).timeout(5).timeout(2))

    def test_a_reply_that_arrives_while_it_is_being_stopped_is_not_lost(self):
        @ot.make_executable
        async def answers_anyway():
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return "arrived"

        assert FakeClock().run(answers_anyway().timeout(5)) == "arrived"

    def test_a_cancellation_meanwhile_is_a_cancellation(self):
        async def main():
            probe = Probe(cleanup_s=10)
            running = asyncio.ensure_future(probe().timeout(5))
            await asyncio.sleep(6)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            return probe.running

        assert FakeClock().run(main()) == 0

    @pytest.mark.parametrize("wrong", [0, -1, None, "5", True, float("nan")])
    def test_a_wrong_time_is_refused_where_it_is_written(self, wrong):
        with pytest.raises(UsageError, match=f"timeout takes seconds above 0, not {wrong!r}"):
            ASK.timeout(wrong)


class TestMap:
    def test_a_plain_an_async_and_an_executable_function(self):
        async def later(x):
            return x + 1

        assert ot.run(give(1).map(lambda x: x + 1)) == 2
        assert ot.run(give(1).map(later)) == 2
        assert ot.run(give(1).map(lambda x: give(x + 1))) == 2
        assert ot.run(give(1).map(give)) == 1
        assert ot.run(give("5").map(int).map(str)) == "5"

    def test_it_gets_the_value_of_a_program_and_not_a_shared_list(self):
        e = give([1])
        appended = [e.map(lambda x: [*x, 2]), e.map(lambda x: x.append(3) or x)]
        assert ot.run(ot.parallel(*appended, e)) == [[1, 2], [1, 3], [1]]

    def test_its_error_is_raised(self):
        with pytest.raises(ValueError, match="invalid literal"):
            ot.run(give("x").map(int))

    @pytest.mark.parametrize("wrong", [None, 5, "int", ASK])
    def test_what_is_no_function_is_refused_where_it_is_written(self, wrong):
        with pytest.raises(UsageError, match="map takes a function"):
            ASK.map(wrong)


class TestNamed:
    def test_it_is_the_same_under_another_name_in_traces_and_events(self):
        @ot.make_executable
        async def tell():
            ot.emit("told")
            yield 1

        events: list[Any] = []
        value, trace = ot.run(
            ot.parallel(tell().named("a"), tell().named("b")), enable_tracing=True, on_event=events.append
        )
        assert value == [1, 1]
        assert [span.path for span in trace.walk() if span.name in "ab" and span.name] == [
            "parallel[0]/a",
            "parallel[1]/b",
        ]
        paths = [event.span for event in events if isinstance(event, ot.Update)]
        assert paths == ["parallel[0]/a/tell", "parallel[1]/b/tell"]
        assert ot.run(tell().named("c")) == 1

    @pytest.mark.parametrize("wrong", ["", None, 5])
    def test_a_wrong_name_is_refused_where_it_is_written(self, wrong):
        with pytest.raises(UsageError, match="named takes a name"):
            ASK.named(wrong)
