"""Does each node of a graph run once, independent ones at once, and nothing go on behind?"""

import asyncio
import gc
import sys
import warnings
import weakref
from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.errors import RunCancelled
from onetwo_like.testing import FakeClock
from tests.core.probe import Probe


@ot.make_executable
async def give(value, after_s=0.0):
    if after_s:
        await asyncio.sleep(after_s)
    return value


@ot.make_executable
async def fail(error, after_s=0.0):
    if after_s:
        await asyncio.sleep(after_s)
    raise error


@ot.make_executable
def join(*parts, **named):
    return parts + tuple(sorted(named.items()))


class TestArguments:
    def test_they_are_executed_first_and_at_once_positional_and_keyword(self):
        clock = FakeClock()
        e = join(give(1, 5), 2, give(3, 4), x=give(4, 5), y=5)
        assert clock.run(e) == (1, 2, 3, ("x", 4), ("y", 5))
        assert clock.time() == 5

    def test_a_result_that_is_an_executable_is_executed_and_so_is_its_result(self):
        inner = give(give(give("value")))
        assert ot.run(give(inner)) == "value"
        assert ot.run(join(give(lambda_that_returns(inner)))) == ("value",)
        assert asyncio.run(awaited(lambda_that_returns(inner))) == "value"

    def test_of_several_failures_the_first_in_time_is_raised_as_the_same_object(self):
        first, second = KeyError("first in time"), ValueError("second")
        with pytest.raises(KeyError) as raised:
            FakeClock().run(join(fail(second, 2), x=fail(first, 1)))
        assert raised.value is first
        assert (first.__cause__, first.__context__) == (None, None)

    def test_the_others_have_stopped_before_it_is_raised(self):
        probe, named = Probe(cleanup_s=5), Probe(cleanup_s=1)

        async def main():
            with pytest.raises(KeyError):
                await join(probe(), fail(KeyError(), 1), x=named())
            return (probe.calls, probe.running), (named.calls, named.running)

        assert FakeClock().run(main()) == ((1, 0), (1, 0))

    def test_failures_of_the_others_are_not_reported_as_lost(self):
        @ot.make_executable
        async def fails(gate: asyncio.Event) -> None:
            await gate.wait()
            raise ValueError

        lost: list[dict[str, Any]] = []

        async def main() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: lost.append(context))
            gate = asyncio.Event()
            asyncio.get_running_loop().call_later(0.0, gate.set)
            with pytest.raises(ValueError):
                await join(fails(gate), fails(gate))
            gc.collect()

        asyncio.run(main())
        assert lost == []

    def test_the_body_does_not_run_when_an_argument_fails(self):
        probe = Probe(go=True)

        @ot.make_executable
        async def body(_argument):
            return await probe()

        with pytest.raises(KeyError):
            ot.run(body(fail(KeyError())))
        assert probe.calls == 0

    def test_an_argument_that_cancels_itself_is_a_failure(self):
        with pytest.raises(RunCancelled, match="fail was cancelled from inside"):
            ot.run(give(fail(asyncio.CancelledError())))


@ot.make_executable
def lambda_that_returns(e: ot.Executable):
    return e


async def awaited(e):
    return await e


class TestSharing:
    def test_a_node_that_several_use_runs_once(self):
        probe = Probe("x", go=True)
        e = probe()
        diamond = join(
            join(e, e), join(e, x=e), ot.parallel(e, join(e)), e.timeout(9), e.fallback(0), e.named("n")
        )
        value = ("x", "x"), ("x", ("x", "x")), ["x", ("x",)], "x", "x", "x"
        assert ot.run(diamond) == value
        assert probe.calls == 1

    def test_the_next_evaluation_runs_it_again(self):
        probe = Probe("x", go=True)
        e = join(probe())
        assert ot.run(e) == ot.run(e) == ("x",)
        assert probe.calls == 2

    def test_its_failure_is_shared_too(self):
        error = KeyError("x")
        probe = Probe(error=error, go=True)
        e = probe()
        shared = join(e.fallback(1), e.map(str).fallback(2), ot.parallel(e, on_error="keep").map(len))
        assert ot.run(shared) == (1, 2, 1)
        assert probe.calls == 1

    def test_a_first_attempt_is_shared_and_the_others_are_not(self):
        calls = []

        @ot.make_executable
        def flaky():
            calls.append(1)
            if len(calls) < 3:
                raise ValueError
            return len(calls)

        e = flaky()
        assert ot.run(join(e.retry(3), e.fallback("failed"))) == (3, "failed")

    @pytest.mark.parametrize(
        "anew",
        [
            lambda e: ot.make_executable(awaited)(*[give_held(e)]),
            lambda e: ot.repeat(e, 1)[0],
            lambda e: ot.with_current_registry(e),
            lambda e: lambda_that_returns(e),
        ],
        ids=["await in a body", "repeat", "with_registry", "returned"],
    )
    def test_these_start_a_new_evaluation(self, anew):
        probe = Probe("x", go=True)
        e = probe()
        assert ot.run(ot.parallel(e, anew(e), anew(e))) == ["x"] * 3
        assert probe.calls == 3

    def test_it_goes_on_while_one_user_is_left(self):
        async def main():
            probe = Probe("x")
            e = probe()
            running = asyncio.ensure_future(ot.parallel(e.timeout(1), e, on_error="keep"))
            await asyncio.sleep(2)
            assert (probe.running, probe.cancelled) == (1, 0)
            probe.go.set()
            outcomes = await running
            return [o.status for o in outcomes], probe.calls

        assert FakeClock().run(main()) == (["timeout", "ok"], 1)

    def test_it_is_cancelled_when_its_last_user_leaves(self):
        async def main():
            probe = Probe("x")
            e = probe()
            outcomes = await ot.parallel(e.timeout(1), e.map(str).timeout(2), on_error="keep")
            return [o.status for o in outcomes], probe.calls, probe.running, probe.cancelled

        clock = FakeClock()
        assert clock.run(main()) == (["timeout", "timeout"], 1, 0, 1)
        assert clock.time() == 2

    def test_who_comes_after_the_last_user_left_gets_a_new_run(self):
        async def main():
            probe = Probe("x")
            e = probe()
            running = asyncio.ensure_future(e.timeout(1).fallback(e.timeout(9)))
            await asyncio.sleep(2)
            probe.go.set()
            return await running, probe.calls, probe.cancelled

        assert FakeClock().run(main()) == ("x", 2, 1)

    def test_a_failing_sibling_does_not_stop_what_another_still_uses(self):
        async def main():
            probe = Probe("x")
            e = probe()
            saved = join(e, fail(KeyError(), 1)).fallback("saved")
            running = asyncio.ensure_future(ot.parallel(saved, e))
            await asyncio.sleep(2)
            assert probe.running == 1
            probe.go.set()
            return await running, probe.calls

        assert FakeClock().run(main()) == (["saved", "x"], 1)


def give_held(e):
    """What hides an executable from being executed as an argument: a list is a plain value."""
    return AwaitsLater(e)


class AwaitsLater:
    def __init__(self, e):
        self.e = e

    def __await__(self):
        return self.e.__await__()


DEPTH = 5_000


def parallel_first(e):
    return ot.parallel(e).map(lambda values: values[0])


LINKS = {
    "argument": lambda e: give(e),
    "keyword": lambda e: give(value=e),
    "map": lambda e: e.map(lambda x: x),
    "fallback": lambda e: e.fallback("other"),
    "timeout": lambda e: e.timeout(1_000),
    "named": lambda e: e.named("n"),
    "retry": lambda e: e.retry(2, on=KeyError),
    "parallel": parallel_first,
    "lazy parallel": lambda e: ot.parallel(iter([e])).map(lambda values: values[0]),
    "repeat": lambda e: ot.repeat(e, 1)[0],
    "with_registry": lambda e: ot.with_current_registry(e),
}


class TestDepth:
    @pytest.mark.parametrize(
        ("link", "watched"), [*[(link, False) for link in LINKS], ("named", True), ("parallel", True)]
    )
    def test_a_chain_of_thousands_runs_and_is_freed(self, link, watched):
        e = give("value")
        for _ in range(DEPTH):
            e = LINKS[link](e)
        events: list[Any] = []
        assert ot.run(e, on_event=events.append if watched else None) == "value"
        assert repr(e)
        assert e._repr_html_()
        assert len({event.span for event in events}) >= watched
        gone = weakref.ref(e)
        del e
        gc.collect()
        assert gone() is None

    @pytest.mark.parametrize("link", ["argument", "timeout", "named", "retry", "parallel", "repeat"])
    def test_a_failure_comes_up_through_thousands(self, link):
        error = ValueError("from the bottom")
        e = fail(error)
        for _ in range(DEPTH):
            e = LINKS[link](e)
        with pytest.raises(ValueError, match="from the bottom") as raised:
            ot.run(e)
        assert raised.value is error

    @pytest.mark.parametrize("link", ["argument", "fallback", "parallel"])
    def test_a_cancellation_goes_down_through_thousands(self, link):
        async def main():
            probe = Probe()
            e = probe()
            for _ in range(DEPTH):
                e = LINKS[link](e)
            running = asyncio.ensure_future(e)
            await probe.begun.wait()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            return probe.running, probe.cancelled

        assert asyncio.run(main()) == (0, 1)

    @pytest.mark.parametrize(
        "wrapped",
        [
            lambda e: e,
            lambda e: e.timeout(1_000),
            lambda e: ot.with_current_registry(e),
            lambda e: ot.repeat(e, 1)[0],
            lambda e: e.fallback("other"),
            lambda e: e.named("n"),
        ],
        ids=["bare", "timeout", "with_registry", "repeat", "fallback", "named"],
    )
    def test_bodies_may_return_one_another_thousands_of_times(self, wrapped):
        @ot.make_executable
        def down(n):
            return wrapped(down(n - 1)) if n else "bottom"

        assert ot.run(down(DEPTH)) == "bottom"
        assert ot.run(ot.make_executable(awaited)(AwaitsLater(down(DEPTH)))) == "bottom"

    def test_repeated_failures_may_try_again_within_one_another(self):
        probe = Probe(error=ValueError("again"), go=True)
        e = probe()
        for _ in range(6):
            e = e.retry(2)
        with pytest.raises(ValueError, match="again"):
            ot.run(e)
        assert probe.calls == 2**6

    def test_a_deep_trace_can_be_read(self):
        e = give("value")
        for i in range(DEPTH):
            e = e.named(str(i))
        _, trace = ot.run(e, enable_tracing=True)
        deepest = trace.walk()[-1]
        assert deepest.path.count("/") == DEPTH
        assert str(trace).count("\n") == DEPTH + 1

    def test_the_recursion_limit_is_as_it_was(self):
        limit = sys.getrecursionlimit()
        ot.run(give("x"))
        assert sys.getrecursionlimit() == limit


class TestStopping:
    @pytest.mark.parametrize(
        "program",
        [
            lambda e: e,
            lambda e: give(e),
            lambda e: e.map(str),
            lambda e: e.timeout(1_000),
            lambda e: e.fallback("other"),
            lambda e: e.fallback(give("other")),
            lambda e: e.retry(3),
            lambda e: e.named("n"),
            lambda e: ot.parallel(e, e, on_error="keep"),
            lambda e: ot.parallel(iter([e]), timeout=1_000),
            lambda e: ot.repeat(e, 2)[1],
            lambda e: ot.with_current_registry(e),
            lambda e: lambda_that_returns(e),
            lambda e: ot.make_executable(awaited)(AwaitsLater(e)),
        ],
        ids=[
            *("itself", "argument", "map", "timeout", "fallback", "fallback to a call", "retry", "named"),
            *("parallel", "lazy parallel", "repeat", "with_registry", "returned", "awaited in a body"),
        ],
    )
    @pytest.mark.parametrize("how", ["cancel", "wait_for", "TaskGroup"])
    def test_a_cancelled_awaiter_stops_everything_below_it_before_it_goes_on(self, program, how):
        async def broken(probe):
            await probe.begun.wait()
            raise OSError("a sibling of the user's fails")

        async def in_a_group(*coroutines):
            async with asyncio.TaskGroup() as group:
                for coroutine in coroutines:
                    group.create_task(coroutine)

        async def main():
            probe = Probe(cleanup_s=3)
            e = program(probe())
            if how == "cancel":
                running = asyncio.ensure_future(e)
                await probe.begun.wait()
                running.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await running
            elif how == "wait_for":
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(e, 1)
            else:
                with pytest.raises(ExceptionGroup) as raised:
                    await in_a_group(awaited(e), broken(probe))
                assert [type(error) for error in raised.value.exceptions] == [OSError]
            return probe.calls, probe.running, probe.cancelled

        assert FakeClock().run(main()) == (1, 0, 1)

    def test_a_time_out_stops_everything_below_it_before_it_is_raised(self):
        async def main():
            probe = Probe(cleanup_s=3)
            with pytest.raises(TimeoutError):
                await join(give(probe()), x=ot.parallel(probe())).timeout(1)
            return probe.calls, probe.running, probe.cancelled

        clock = FakeClock()
        assert clock.run(main()) == (2, 0, 2)
        assert clock.time() == 4

    def test_a_second_cancellation_does_not_leave_anything_behind(self):
        async def main():
            probe = Probe(cleanup_s=5)
            running = asyncio.ensure_future(join(give(probe()), x=ot.parallel(probe())))
            await asyncio.sleep(1)
            for _ in range(3):
                running.cancel()
                await asyncio.sleep(1)
            with pytest.raises(asyncio.CancelledError):
                await running
            return probe.running

        assert FakeClock().run(main()) == 0

    def test_a_body_that_swallows_its_cancellation_is_named_after_a_second(self):
        @ot.make_executable
        async def stubborn():
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await asyncio.sleep(30)
            raise OSError("nobody hears of this")

        clock = FakeClock()
        with (
            pytest.warns(
                RuntimeWarning, match=r"still running 1 s after being cancelled: stubborn\..*raise it again"
            ),
            pytest.raises(TimeoutError),
        ):
            clock.run(stubborn().timeout(5))
        assert clock.time() == 35

    def test_a_body_that_stops_within_a_second_is_not(self):
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            with pytest.raises(TimeoutError):
                FakeClock().run(Probe(cleanup_s=0.9)().timeout(5))
        assert warned == []

    def test_no_task_is_left_after_a_run(self):
        async def main():
            with pytest.raises(KeyError):
                await ot.parallel(*[Probe()().timeout(5) for _ in range(20)], fail(KeyError(), 1))
            await ot.parallel(give(1), give(2).timeout(3).retry(2).fallback(1))
            return asyncio.all_tasks() - {asyncio.current_task()}

        assert FakeClock().run(main()) == set()


class TestGarbage:
    def test_values_and_nodes_of_a_finished_run_are_freed(self):
        class Value:
            pass

        alive: weakref.WeakSet[object] = weakref.WeakSet()

        @ot.make_executable
        async def make(x):
            value = Value()
            alive.add(value)
            return value

        def run():
            e = ot.parallel(*[make(make(i)) for i in range(50)], make(1).timeout(9).retry(2).fallback(1))
            alive.add(e)
            ot.run(e)

        run()
        gc.collect()
        assert len(alive) == 0

    def test_an_intermediate_value_is_freed_while_the_run_goes_on(self):
        class Value:
            pass

        alive: weakref.WeakSet[object] = weakref.WeakSet()
        peak = 0

        @ot.make_executable
        def make(_before):
            nonlocal peak
            value = Value()
            alive.add(value)
            peak = max(peak, len(alive))
            return value

        @ot.make_executable
        async def body():
            for _ in range(100):
                await make(make(make(0)))

        ot.run(body())
        gc.collect()
        assert peak <= 10
