"""Is `parallel` structured: bounded, ordered, the first failure raised, and nothing left behind?"""

import asyncio
import contextlib
import gc
import itertools
import threading
import tracemalloc
import weakref
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.errors import (
    ConsumedError,
    DeadlineError,
    NestedRunError,
    NotBoundError,
    ProgramError,
    ReplayMiss,
    RunCancelled,
    TemplateError,
    UnsupportedOptionError,
    UsageError,
)
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


def in_fake_time(e):
    """What the executable gives, and the seconds it took on a clock that nobody waits for."""
    clock = FakeClock()
    value = clock.run(e)
    return value, clock.time()


async def some(*items):
    for item in items:
        yield item


class Watched:
    """An async iterator that notes whether it was closed."""

    def __init__(self, *items):
        self.items, self.closed = items, False

    async def __aiter__(self):
        try:
            for item in self.items:
                yield item
        finally:
            await asyncio.sleep(0)  # closing may take a step of its own
            self.closed = True


class TestValues:
    def test_they_are_in_the_order_given_whatever_finishes_first(self):
        e = ot.parallel(give("a", 3), give("b", 1), give("c", 2))
        assert in_fake_time(e) == (["a", "b", "c"], 3)

    @pytest.mark.parametrize(
        "items",
        [
            lambda: (give(i) for i in range(3)),
            lambda: map(give, range(3)),
            lambda: {i: give(i) for i in range(3)}.values(),
            lambda: some(*[give(i) for i in range(3)]),
            lambda: Watched(*[give(i) for i in range(3)]),
        ],
        ids=["generator", "map", "view", "async generator", "async iterable"],
    )
    def test_any_lazy_iterable_will_do(self, items):
        assert ot.run(ot.parallel(items())) == [0, 1, 2]

    def test_no_items_give_no_values(self):
        assert ot.run(ot.parallel()) == []
        assert ot.run(ot.parallel(iter(()))) == []
        assert ot.run(ot.parallel(some())) == []
        assert ot.run(ot.parallel(collect=False)) == 0

    def test_one_executable_is_a_list_of_one(self):
        assert ot.run(ot.parallel(give(1))) == [1]
        assert ot.run(ot.parallel(ot.parallel(give(1)))) == [[1]]

    def test_results_that_are_executables_are_executed(self):
        assert ot.run(ot.parallel(give(give(give(1))))) == [1]

    @pytest.mark.parametrize("on_error", ["raise", "keep"])
    def test_a_value_that_is_an_outcome_is_a_value(self, on_error):
        failed: ot.Outcome[int] = ot.Outcome("error", None, ValueError("an item of an inner batch"))
        value = ot.run(ot.parallel(give(failed), give(ot.Outcome("ok", 1)), on_error=on_error))
        values = [outcome.unwrap() for outcome in value] if on_error == "keep" else value
        assert values == [failed, ot.Outcome("ok", 1)]

    def test_without_collect_the_value_is_the_number_of_items(self):
        events: list[Any] = []
        e = ot.parallel((give(i * 10) for i in range(3)), collect=False)
        assert ot.run(e, on_event=events.append) == 3
        finished = [event for event in events if isinstance(event, ot.ItemFinished)]
        assert sorted((f.index, f.outcome.value) for f in finished) == [(0, 0), (1, 10), (2, 20)]


class TestConcurrency:
    def test_independent_items_overlap(self):
        assert in_fake_time(ot.parallel(*[give(i, 1) for i in range(100)]))[1] == 1

    def test_at_most_a_thousand_run_at_once_unless_told_otherwise(self):
        assert in_fake_time(ot.parallel(*[give(i, 1) for i in range(1_001)]))[1] == 2
        assert in_fake_time(ot.parallel(*[give(i, 1) for i in range(1_001)], max_concurrency=1_001))[1] == 1

    @settings(derandomize=True, deadline=None, max_examples=60)
    @given(
        st.lists(st.floats(0, 10), max_size=30),
        st.integers(1, 8),
        st.sampled_from(["list", "lazy", "async"]),
        st.booleans(),
    )
    def test_the_bound_is_kept_and_no_place_stays_empty(self, durations, limit, source, keep):
        running, peak = 0, 0

        @ot.make_executable
        async def work(index, seconds):
            nonlocal running, peak
            running += 1
            peak = max(peak, running)
            await asyncio.sleep(seconds)
            running -= 1
            return index

        items = [work(i, s) for i, s in enumerate(durations)]
        given_as: Any = {"list": items, "lazy": [iter(items)], "async": [some(*items)]}[source]
        e = ot.parallel(*given_as, max_concurrency=limit, on_error="keep" if keep else "raise")
        value, took = in_fake_time(e)
        assert ([o.unwrap() for o in value] if keep else value) == list(range(len(durations)))
        assert peak <= limit
        free_at = [0.0] * limit  # whoever is free first takes the next item
        for seconds in durations:
            free_at.sort()
            free_at[0] += seconds
        assert took == pytest.approx(max(free_at), abs=1e-6)

    @pytest.mark.parametrize("is_async", [False, True])
    def test_items_are_drawn_when_there_is_room_and_not_before(self, is_async):
        drawn = 0

        async def main():
            probes = [Probe(i) for i in range(10)]

            def lazy():
                nonlocal drawn
                for probe in probes:
                    drawn += 1
                    yield probe()

            async def lazy_async():
                for item in lazy():
                    yield item

            items = lazy_async() if is_async else lazy()
            running = asyncio.ensure_future(ot.parallel(items, max_concurrency=3))
            await probes[2].begun.wait()
            await asyncio.sleep(0)
            assert drawn == 3
            probes[1].go.set()
            await probes[3].begun.wait()
            await asyncio.sleep(0)
            assert drawn == 4
            for probe in probes:
                probe.go.set()
            return await running

        assert asyncio.run(main()) == list(range(10))

    def test_nested_batches_share_no_bound(self):
        inner = [ot.parallel(*[give(i, 1) for i in range(2)], max_concurrency=1) for _ in range(2)]
        assert in_fake_time(ot.parallel(*inner, max_concurrency=2)) == ([[0, 1], [0, 1]], 2)


class TestFirstFailure:
    def test_it_is_the_first_in_time_and_the_same_object(self):
        first, second = KeyError("first in time"), ValueError("second")
        with pytest.raises(KeyError) as raised:
            in_fake_time(ot.parallel(fail(second, 2), give(1), fail(first, 1)))
        assert raised.value is first

    def test_its_cause_is_untouched_and_it_stands_in_no_group(self):
        cause = OSError("cause")

        @ot.make_executable
        async def caused():
            raise ValueError("error") from cause

        @ot.make_executable
        async def bare():
            raise ValueError("error")

        with pytest.raises(ValueError, match="error") as raised:
            ot.run(ot.parallel(ot.parallel(caused(), give(1)), give(2)))
        assert raised.value.__cause__ is cause
        with pytest.raises(ValueError, match="error") as raised:
            ot.run(ot.parallel(ot.parallel(bare(), give(1)), give(2)))
        assert (raised.value.__cause__, raised.value.__context__) == (None, None)

    @pytest.mark.parametrize("lazy", [False, True])
    def test_the_others_have_stopped_before_it_is_raised_even_those_that_take_long(self, lazy):
        probes = [Probe(cleanup_s=s) for s in (0.0, 5.0, 50.0)]

        async def main():
            items = [p() for p in probes] + [fail(KeyError("x"), 1)]
            with pytest.raises(KeyError):
                await (ot.parallel(iter(items)) if lazy else ot.parallel(*items))
            return [(p.calls, p.running, p.cancelled) for p in probes]

        clock = FakeClock()
        assert clock.run(main()) == [(1, 0, 1)] * 3
        assert clock.time() == 51

    def test_what_is_below_the_others_has_stopped_too(self):
        probe = Probe(cleanup_s=1)

        @ot.make_executable
        async def outer():
            return await ot.parallel(give(give(probe())), give(1).map(lambda x: probe()))

        async def main():
            with pytest.raises(KeyError):
                await ot.parallel(outer(), fail(KeyError("x"), 1))
            return probe.calls, probe.running, probe.cancelled

        assert FakeClock().run(main()) == (2, 0, 2)

    def test_nothing_more_is_drawn_or_started_after_it(self):
        drawn = []

        def items():
            for i in range(1_000):
                drawn.append(i)
                yield fail(KeyError("x")) if i == 5 else give(i)

        with pytest.raises(KeyError):
            ot.run(ot.parallel(items(), max_concurrency=2))
        assert len(drawn) < 10

    def test_an_error_while_the_others_are_being_stopped_does_not_take_its_place(self):
        @ot.make_executable
        async def breaks_when_stopped():
            try:
                await asyncio.Event().wait()
            finally:
                raise ValueError("while stopping")

        with pytest.raises(KeyError, match="first"):
            ot.run(ot.parallel(breaks_when_stopped(), fail(KeyError("first"))))

    def test_a_body_that_cancels_itself_is_a_failure_and_not_a_cancellation(self):
        with pytest.raises(RunCancelled, match="fail was cancelled from inside"):
            ot.run(ot.parallel(fail(asyncio.CancelledError()), give(1)))

    def test_the_same_program_fails_again_and_then_succeeds(self):
        failures = [KeyError("1"), KeyError("2")]

        @ot.make_executable
        async def at_last():
            if failures:
                raise failures.pop(0)
            return "done"

        e = ot.parallel(at_last(), give(1))
        for message in "12":
            with pytest.raises(KeyError, match=message):
                ot.run(e)
        assert ot.run(e) == ["done", 1]


class TestKeep:
    def test_there_is_one_outcome_per_item_in_the_order_given(self):
        error = ValueError("x")
        e = ot.parallel(give(1, 2), fail(error, 1), fail(asyncio.CancelledError()), give(4), on_error="keep")
        outcomes, _ = in_fake_time(e)
        assert [o.status for o in outcomes] == ["ok", "error", "cancelled", "ok"]
        assert (outcomes[0].value, outcomes[3].value) == (1, 4)
        assert outcomes[1].error is error
        assert isinstance(outcomes[2].error, RunCancelled)

    def test_a_failure_stops_no_other(self):
        outcomes, took = in_fake_time(ot.parallel(give(1, 9), fail(ValueError()), on_error="keep"))
        assert ([o.ok for o in outcomes], took) == ([True, False], 9)

    def test_a_missed_time_out_of_an_item_is_an_outcome(self):
        outcomes, took = in_fake_time(ot.parallel(give(1, 9).timeout(2), give(2), on_error="keep"))
        assert ([o.status for o in outcomes], took) == (["timeout", "ok"], 2)

    @pytest.mark.parametrize(
        "error",
        [
            NotBoundError("x"),
            UnsupportedOptionError("x"),
            NestedRunError("x"),
            TemplateError("x"),
            ReplayMiss("x"),
            UsageError("x"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_what_concerns_the_whole_program_is_raised_all_the_same(self, error):
        probe = Probe()

        async def main():
            with pytest.raises(ProgramError) as raised:
                await ot.parallel(probe(), fail(ValueError()), fail(error, 1), on_error="keep")
            assert raised.value is error
            return probe.running, probe.cancelled

        assert FakeClock().run(main()) == (0, 1)

    @pytest.mark.parametrize("escape", [SystemExit(3), KeyboardInterrupt()])
    def test_leaving_the_program_is_no_outcome(self, escape):
        with pytest.raises(type(escape)) as raised:
            ot.run(ot.parallel(give(1), fail(escape), on_error="keep"))
        assert raised.value is escape

    def test_a_cancellation_from_outside_is_no_outcome(self):
        probe = Probe(cleanup_s=1)

        async def main():
            running = asyncio.ensure_future(ot.parallel(probe(), give(1), on_error="keep"))
            await probe.begun.wait()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            return probe.running

        assert FakeClock().run(main()) == 0

    def test_without_collect_each_outcome_is_an_event(self):
        events: list[Any] = []
        e = ot.parallel(give(1), fail(ValueError("x")), on_error="keep", collect=False)
        assert ot.run(e, on_event=events.append) == 2
        finished = [event for event in events if isinstance(event, ot.ItemFinished)]
        assert {f.index: f.outcome.status for f in finished} == {0: "ok", 1: "error"}


class TestDeadline:
    def test_a_missed_one_is_a_time_out_error_that_counts(self):
        probe = Probe(cleanup_s=1)

        async def main():
            with pytest.raises(TimeoutError, match="1 of 2 items had not finished after 5 s"):
                await ot.parallel(probe(), give(1), timeout=5)
            return probe.running

        assert FakeClock().run(main()) == 0
        assert issubclass(DeadlineError, TimeoutError)

    def test_with_keep_what_had_arrived_is_kept_and_the_rest_says_so(self):
        e = ot.parallel(give(1, 1), give(2, 9), fail(ValueError(), 2), give(4, 4), on_error="keep", timeout=5)
        outcomes, took = in_fake_time(e)
        assert took == 5
        assert [o.status for o in outcomes] == ["ok", "timeout", "error", "ok"]
        assert isinstance(outcomes[1].error, TimeoutError)

    def test_a_value_that_arrives_while_the_rest_is_being_stopped_is_kept(self):
        @ot.make_executable
        async def finishes_anyway():
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return "arrived"

        e = ot.parallel(finishes_anyway(), give(1, 9), on_error="keep", timeout=5)
        assert [o.status for o in in_fake_time(e)[0]] == ["ok", "timeout"]

    def test_values_that_arrive_at_the_very_deadline_are_not_lost(self):
        e = ot.parallel(*[give(i, 5) for i in range(20)], on_error="keep", timeout=5)
        outcomes = in_fake_time(e)[0]
        assert len(outcomes) == 20
        assert {o.status for o in outcomes} <= {"ok", "timeout"}

    @pytest.mark.parametrize("collect", [True, False])
    def test_items_that_had_not_started_have_outcomes_too(self, collect):
        events: list[object] = []

        @ot.make_executable
        async def main():
            items = (give(i, 2) for i in range(10))
            return await ot.parallel(items, max_concurrency=2, on_error="keep", timeout=5, collect=collect)

        async def watched():
            async with ot.stream(main()) as stream:
                async for event in stream:
                    events.append(event)
            return stream.result

        value = FakeClock().run(watched())
        statuses = ["ok"] * 4 + ["timeout"] * 6
        finished = [event for event in events if isinstance(event, ot.ItemFinished)]
        assert [f.outcome.status for f in sorted(finished, key=lambda f: f.index)] == statuses
        assert [o.status for o in value] == statuses if collect else value == 10

    def test_of_an_async_iterable_only_what_it_had_yielded_has_an_outcome(self):
        items = Watched(*[give(i, 2) for i in range(10)])
        outcomes, _ = in_fake_time(ot.parallel(items, max_concurrency=2, on_error="keep", timeout=5))
        assert [o.status for o in outcomes] == ["ok"] * 4 + ["timeout"] * 2
        assert items.closed

    def test_endless_samples_end_at_the_deadline(self):
        e = ot.parallel(ot.repeat(give(1, 2)), max_concurrency=2, on_error="keep", timeout=5)
        outcomes, took = in_fake_time(e)
        assert ([o.status for o in outcomes], took) == (["ok"] * 4 + ["timeout"] * 2, 5)

    def test_an_endless_generator_can_be_cancelled_while_what_had_not_started_is_counted(self):
        async def main():
            drawn = asyncio.Event()

            def endless():
                for i in itertools.count():
                    if i == 10_000:
                        drawn.set()
                    yield give(i, 2)

            e = ot.parallel(endless(), max_concurrency=2, on_error="keep", timeout=5, collect=False)
            counting = asyncio.ensure_future(e)
            await drawn.wait()
            counting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await counting

        FakeClock().run(main())

    def test_one_that_is_not_missed_costs_no_time(self):
        assert in_fake_time(ot.parallel(give(1, 1), timeout=1_000)) == ([1], 1)


class TestSources:
    def test_a_consumed_iterator_is_an_error_on_the_second_run(self):
        e = ot.parallel(give(i) for i in range(3))
        assert ot.run(e) == [0, 1, 2]
        with pytest.raises(ValueError, match=r"ot\.parallel\(\*items\)"):
            ot.run(e)
        with pytest.raises(ConsumedError):
            ot.run(ot.parallel(e, on_error="raise"))

    def test_a_consumed_async_iterator_is_an_error_too(self):
        e = ot.parallel(some(give(1)))
        assert ot.run(e) == [1]
        with pytest.raises(ConsumedError):
            ot.run(e)

    def test_what_can_be_read_again_runs_again(self):
        items = {1: give(1), 2: give(2)}.values()
        e = ot.parallel(items)
        assert ot.run(e) == ot.run(e) == [1, 2]
        e = ot.parallel(Watched(give(1)))
        assert ot.run(e) == ot.run(e) == [1]

    @pytest.mark.parametrize("is_async", [False, True])
    @pytest.mark.parametrize("error", [ValueError("from the iterator"), SystemExit(3), KeyboardInterrupt()])
    def test_an_error_of_the_iterator_is_raised_after_the_items_have_stopped(self, is_async, error):
        probe = Probe()

        def lazy():
            yield probe()
            yield give(1)
            raise error

        async def lazy_async():
            for item in lazy():
                yield item
                await asyncio.sleep(0)

        with pytest.raises(type(error)) as raised:
            ot.run(ot.parallel(lazy_async() if is_async else lazy(), on_error="keep"))
        assert raised.value is error
        assert (probe.running, probe.cancelled) == (0, probe.calls)

    @pytest.mark.parametrize("is_async", [False, True])
    def test_an_iterator_that_is_cancelled_from_inside_is_an_error(self, is_async):
        def lazy():
            yield give(1)
            raise asyncio.CancelledError

        async def lazy_async():
            yield give(1)
            raise asyncio.CancelledError

        with pytest.raises(RunCancelled):
            ot.run(ot.parallel(lazy_async() if is_async else lazy()))

    def test_an_item_that_is_no_executable_is_refused_with_its_place(self):
        probe = Probe()
        with pytest.raises(UsageError, match="item 1 is str: 'x'"):
            ot.run(ot.parallel(iter([probe(), "x"])))
        with pytest.raises(UsageError, match="item 1 is int: 2"):
            ot.run(ot.parallel(some(probe(), 2)))
        assert probe.running == 0

    @pytest.mark.parametrize("is_async", [False, True])
    def test_a_generator_is_closed_before_a_failure_is_raised(self, is_async):
        async def main():
            closed = []

            def lazy():
                try:
                    yield fail(KeyError("x"))
                    yield from (give(i) for i in range(10))
                finally:
                    closed.append(True)

            watched = Watched(fail(KeyError("x")), *[give(i) for i in range(10)])
            with pytest.raises(KeyError):
                await ot.parallel(aiter(watched) if is_async else lazy(), max_concurrency=1)
            return closed == [True] or watched.closed

        assert asyncio.run(main())

    @pytest.mark.parametrize("is_async", [False, True])
    def test_a_generator_is_closed_when_the_awaiter_is_cancelled(self, is_async):
        async def main():
            probe, closed = Probe(), []

            def lazy():
                try:
                    yield probe()
                    yield from (give(i) for i in range(10))
                finally:
                    closed.append(True)

            watched = Watched(probe(), *[give(i) for i in range(10)])
            source = aiter(watched) if is_async else lazy()
            running = asyncio.ensure_future(ot.parallel(source, max_concurrency=1))
            await probe.begun.wait()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            return probe.running == 0 and (closed == [True] or watched.closed)

        assert asyncio.run(main())

    def test_an_async_source_that_will_not_stop_starts_nothing_more(self):
        probes = [Probe(), Probe()]

        async def stubborn():
            yield probes[0]()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            yield probes[1]()

        async def main():
            with pytest.raises(DeadlineError):
                await ot.parallel(stubborn(), timeout=5)
            return [p.calls for p in probes], [p.running for p in probes]

        assert FakeClock().run(main()) == ([1, 0], [0, 0])

    def test_a_second_cancellation_while_an_async_source_stops_still_stops_the_items(self):
        probe = Probe(cleanup_s=1)

        async def slow_to_close():
            try:
                yield probe()
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(5)

        async def main():
            running = asyncio.ensure_future(ot.parallel(slow_to_close()))
            await probe.begun.wait()
            await asyncio.sleep(1)
            running.cancel()
            await asyncio.sleep(1)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            return probe.running

        assert FakeClock().run(main()) == 0

    def test_two_runs_at_once_cannot_share_an_iterator(self):
        e = ot.parallel(give(i) for i in range(100))
        outcomes = ot.run(ot.parallel(*ot.repeat(e, 2), on_error="keep"))
        assert sorted(o.status for o in outcomes) == ["error", "ok"]
        assert next(o for o in outcomes if o.ok).value == list(range(100))


class TestWatching:
    def test_a_watcher_that_fails_ends_the_run_with_its_error(self):
        error = ValueError("from the watcher")

        def watch(event):
            if isinstance(event, ot.ItemFinished):
                raise error

        for e in (ot.parallel(give(1), give(2)), ot.parallel(some(give(1)))):
            with pytest.raises(ValueError, match="from the watcher") as raised:
                ot.run(e, on_event=watch)
            assert raised.value is error

    def test_a_watcher_that_leaves_the_program_does(self):
        def watch(event):
            if isinstance(event, ot.ItemFinished):
                raise SystemExit(3)

        with pytest.raises(SystemExit):
            ot.run(ot.parallel(give(1), give(2)), on_event=watch)
        assert ot.run(give("the loop is well")) == "the loop is well"

    def test_each_item_has_a_path_of_its_own(self):
        @ot.make_executable
        async def tell(x):
            ot.emit(ot.Update(x))
            yield x

        events: list[Any] = []
        ot.run(ot.parallel(tell("a"), ot.parallel(tell("b"))), on_event=events.append)
        paths = {event.value: event.span for event in events if isinstance(event, ot.Update) and event.span}
        assert paths == {"a": "parallel[0]/tell", "b": "parallel[1]/parallel[0]/tell"}


class TestSharing:
    def test_the_same_node_twice_runs_once(self):
        probe = Probe("x", go=True)
        e = probe()
        assert ot.run(ot.parallel(e, e, ot.parallel(e))) == ["x", "x", ["x"]]
        assert probe.calls == 1

    def test_equal_calls_that_are_not_the_same_node_run_each(self):
        probe = Probe("x", go=True)
        assert ot.run(ot.parallel(probe(), probe())) == ["x", "x"]
        assert probe.calls == 2

    def test_the_samples_of_a_node_run_each(self):
        probe = Probe("x", go=True)
        assert ot.run(ot.parallel(*ot.repeat(probe(), 3))) == ["x"] * 3
        assert probe.calls == 3


class TestMemory:
    @pytest.mark.slow
    def test_a_lazy_batch_without_collect_needs_the_memory_of_the_running_items(self):
        @ot.make_executable
        async def work(x):
            return [x] * 20

        def peak_of(n):
            gc.collect()
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            assert ot.run(ot.parallel((work(i) for i in range(n)), max_concurrency=50, collect=False)) == n
            return tracemalloc.get_traced_memory()[1] - before

        tracemalloc.start(1)
        try:
            few, many = peak_of(1_000), peak_of(20_000)
        finally:
            tracemalloc.stop()
        assert many < few + 200_000

    def test_items_are_freed_as_they_finish(self):
        alive: weakref.WeakSet[object] = weakref.WeakSet()
        peak = 0

        def items():
            nonlocal peak
            for i in range(200):
                item = give(i)
                alive.add(item)
                peak = max(peak, len(alive))
                yield item

        assert ot.run(ot.parallel(items(), max_concurrency=3, collect=False)) == 200
        assert peak <= 10


class TestWrongUse:
    @pytest.mark.parametrize("wrong", [[give(1)], (give(1),), {give(1)}], ids=["list", "tuple", "set"])
    def test_a_collection_is_refused_and_told_to_be_unpacked(self, wrong):
        with pytest.raises(TypeError, match=r"ot\.parallel\(\*list\)"):
            ot.parallel(wrong)
        with pytest.raises(TypeError, match=r"argument 2 .*ot\.parallel\(\*list\)"):
            ot.parallel(give(1), wrong)

    @pytest.mark.parametrize("wrong", ["text", b"x", 5, None, {"a": give(1)}, llm.generate_text, give])
    def test_anything_else_is_refused_where_it_is_written(self, wrong):
        with pytest.raises(UsageError, match="takes executables"):
            ot.parallel(wrong)
        with pytest.raises(UsageError, match="argument 2"):
            ot.parallel(give(1), wrong)

    @pytest.mark.parametrize(
        ("option", "wrong"),
        [
            ("max_concurrency", 0),
            ("max_concurrency", -1),
            ("max_concurrency", 2.5),
            ("max_concurrency", True),
            ("max_concurrency", None),
            ("timeout", 0),
            ("timeout", -1),
            ("timeout", "5"),
            ("timeout", float("nan")),
            ("on_error", "ignore"),
            ("on_error", None),
        ],
    )
    def test_a_wrong_option_is_refused_where_it_is_written(self, option, wrong):
        with pytest.raises(UsageError, match=f"{option}.*{wrong!r}"):
            ot.parallel(give(1), **{option: wrong})

    def test_its_repr_is_the_call_shortened(self):
        e = ot.parallel(*[give(i) for i in range(5)], max_concurrency=2, timeout=3, on_error="keep")
        shown = 'parallel(give(...), give(...), give(...), ... 2 more, max_concurrency=2, timeout=3, on_error="keep")'
        assert repr(e) == shown
        assert repr(ot.parallel(collect=False)) == "parallel(collect=False)"


def test_it_runs_from_many_threads_at_once():
    results = {}

    def work(n):
        results[n] = ot.run(ot.parallel(*[give(n + i) for i in range(50)]))

    threads = [threading.Thread(target=work, args=(n * 100,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == {n * 100: [n * 100 + i for i in range(50)] for n in range(8)}


def test_a_source_without_end_does_not_outlive_the_deadline():
    @ot.make_executable
    async def never():
        await asyncio.Event().wait()

    def endless():
        while True:
            yield never()

    batch = ot.parallel(endless(), max_concurrency=2, timeout=0.01, on_error="keep")
    outcomes = ot.run(batch)
    assert {outcome.status for outcome in outcomes} == {"timeout"}


def test_what_is_sized_has_an_outcome_for_every_item_however_many():
    @ot.make_executable
    async def never():
        await asyncio.Event().wait()

    items = [never() for _ in range(5_000)]
    assert len(ot.run(ot.parallel(*items, max_concurrency=2, timeout=0.01, on_error="keep"))) == 5_000
