"""Can a run be read while it runs, by many, at any pace, from threads and coroutines?"""

import asyncio
import contextlib
import itertools
import signal
import sys
import threading
import weakref
from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.core.stream import EventLog
from onetwo_like.errors import NestedRunError, RunCancelled, UsageError
from onetwo_like.testing import FakeClock
from tests.core.probe import Probe


@ot.make_executable
async def count(n):
    for i in range(n):
        yield i


@ot.make_executable
async def failing(error):
    yield 0
    raise error


def values(events):
    return [event.value for event in events if isinstance(event, ot.Update)]


async def values_async(events):
    return [event.value async for event in events if isinstance(event, ot.Update)]


class TestPlain:
    def test_events_come_in_order_and_then_there_is_the_value(self):
        with ot.stream(count(3)) as events:
            read = list(events)
        assert [type(e).__name__ for e in read] == ["RunStarted", *["Update"] * 3, "RunFinished"]
        assert (values(read), events.result) == ([0, 1, 2], 2)

    def test_without_a_block_iterating_runs_it(self):
        events = ot.stream(count(3))
        assert values(events) == [0, 1, 2]
        assert events.result == 2

    def test_the_value_can_be_had_without_iterating(self):
        with ot.stream(count(3)) as events:
            assert events.result == 2
        assert events.result == 2

    def test_iteration_ends_after_a_failure_and_result_raises_it(self):
        error = ValueError("x")
        with ot.stream(failing(error)) as events:
            read = list(events)
            with pytest.raises(ValueError, match="x") as raised:
                _ = events.result
        assert raised.value is error
        assert read[-1] == ot.RunFinished(error)

    def test_without_a_block_a_failure_is_raised_where_it_is_read(self):
        error = ValueError("x")
        read: list[Any] = []
        with pytest.raises(ValueError, match="x") as raised:
            read.extend(ot.stream(failing(error)))
        assert raised.value is error

    def test_events_come_while_it_runs(self):
        go_on = threading.Event()

        @ot.make_executable(thread=True)
        def wait():
            assert go_on.wait(30)

        @ot.make_executable
        async def two_steps():
            yield 1
            await wait()
            yield 2

        read = []
        with ot.stream(two_steps(), only=ot.Update) as events:
            for event in events:
                read.append(event.value)
                go_on.set()
        assert read == [1, 2]

    def test_leaving_the_block_early_stops_the_run_and_all_below_it(self):
        probe = Probe()
        with ot.stream(ot.parallel(probe().timeout(60), count(3))) as events:
            for event in events:
                if isinstance(event, ot.Update):
                    break
        assert (probe.running, probe.cancelled) == (0, probe.calls)
        with pytest.raises(RunCancelled):
            _ = events.result

    def test_so_does_an_error_in_the_block_which_is_raised(self):
        probe = Probe()
        with pytest.raises(KeyError), ot.stream(probe()):
            raise KeyError
        assert probe.running == 0

    def test_so_does_breaking_off_an_iteration_without_a_block(self):
        probe = Probe()
        for event in ot.stream(ot.parallel(probe(), count(3))):
            if isinstance(event, ot.Update):
                break
        assert probe.running == 0

    def test_a_body_that_will_not_stop_is_named(self):
        async def stubborn():
            yield 1
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            await asyncio.to_thread(go_on.wait, 30)

        go_on = threading.Event()
        with pytest.warns(RuntimeWarning, match="still running 1 s after being cancelled: .*stubborn"):
            next(iter(ot.stream(ot.make_executable(stubborn)(), only=ot.Update)))
        go_on.set()

    def test_an_interrupt_while_reading_stops_it(self):
        probe = Probe()

        @ot.make_executable
        async def interrupt():
            await probe.begun.wait()
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, signal.SIGINT)
            await asyncio.Event().wait()

        with pytest.raises(KeyboardInterrupt):
            list(ot.stream(ot.parallel(probe(), interrupt())))
        assert probe.running == 0

    def test_the_registry_is_that_of_the_start(self):
        from onetwo_like.builtins import llm

        llm.generate_text.configure(lambda prompt: "at the start")
        with ot.stream(llm.generate_text("?")) as events:
            llm.generate_text.configure(lambda prompt: "changed")
            assert events.result == "at the start"


class TestAsync:
    def test_events_come_in_order_and_then_there_is_the_value(self):
        async def main():
            async with ot.stream(count(3)) as events:
                read = [event async for event in events]
                return [type(e).__name__ for e in read], await events, events.result

        assert asyncio.run(main()) == (["RunStarted", *["Update"] * 3, "RunFinished"], 2, 2)

    def test_without_a_block_iterating_or_awaiting_runs_it(self):
        async def main():
            events = ot.stream(count(3))
            return await values_async(events), events.result, await ot.stream(count(3))

        assert asyncio.run(main()) == ([0, 1, 2], 2, 2)

    def test_it_runs_on_the_loop_that_reads_it(self):
        @ot.make_executable
        async def where():
            return asyncio.get_running_loop()

        async def main():
            return await ot.stream(where()) is asyncio.get_running_loop()

        assert asyncio.run(main())

    def test_iteration_ends_after_a_failure_and_result_raises_it(self):
        async def main():
            error = ValueError("x")
            async with ot.stream(failing(error)) as events:
                assert await values_async(events) == [0]
                for attempt in (lambda: events.result, lambda: awaited(events)):
                    with pytest.raises(ValueError, match="x") as raised:
                        await asyncio.ensure_future(awaited(attempt()))
                    assert raised.value is error
            with pytest.raises(ValueError, match="x"):
                await values_async(ot.stream(failing(error)))

        asyncio.run(main())

    def test_leaving_the_block_early_stops_the_run_before_it_goes_on(self):
        async def main():
            probe = Probe(cleanup_s=5)
            async with ot.stream(ot.parallel(probe(), count(3))) as events:
                async for event in events:
                    if isinstance(event, ot.Update):
                        break
            with pytest.raises(RunCancelled):
                await events
            return probe.running, probe.cancelled == probe.calls

        assert FakeClock().run(main()) == (0, True)

    def test_a_cancelled_reader_stops_it_too(self):
        async def main():
            probe = Probe(cleanup_s=5)

            async def read():
                async for _ in ot.stream(probe()):
                    pass

            reading = asyncio.ensure_future(read())
            await probe.begun.wait()
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            return probe.running

        assert FakeClock().run(main()) == 0

    def test_breaking_off_an_iteration_without_a_block_stops_it(self):
        async def main():
            probe = Probe()
            iterator: Any = aiter(ot.stream(ot.parallel(probe(), count(3))))
            async with contextlib.aclosing(iterator) as events:
                async for event in events:
                    if isinstance(event, ot.Update):
                        break
            return probe.running

        assert asyncio.run(main()) == 0

    def test_result_before_the_end_says_to_await(self):
        async def main():
            async with ot.stream(Probe()()) as events:
                with pytest.raises(UsageError, match="`await events`"):
                    _ = events.result

        asyncio.run(main())

    @pytest.mark.parametrize("escape", [SystemExit(3), KeyboardInterrupt()])
    def test_who_leaves_the_program_leaves_it(self, escape):
        async def main():
            async with ot.stream(failing(escape)) as events:
                await values_async(events)
            with pytest.raises(type(escape)) as raised:
                _ = events.result
            return raised.value is escape

        assert asyncio.run(main())

    def test_a_body_in_a_thread_wakes_the_reader(self):
        async def main():
            seen = threading.Event()

            @ot.make_executable(thread=True)
            def emits():
                ot.emit("from a thread")
                return seen.wait(30)

            async with ot.stream(emits(), only=str) as events:
                async for _ in events:
                    seen.set()
            return events.result

        assert asyncio.run(main()) is True


async def awaited(e):
    return await e if hasattr(e, "__await__") else e


class TestReaders:
    def test_many_each_see_every_event(self):
        with ot.stream(count(100)) as events:
            read: list[list[int]] = []
            threads = [threading.Thread(target=lambda: read.append(values(events))) for _ in range(4)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            assert [*read, values(events)] == [list(range(100))] * 5
        assert values(events) == list(range(100))

    def test_so_do_many_coroutines(self):
        async def main():
            async with ot.stream(count(100)) as events:
                return await asyncio.gather(*[values_async(events) for _ in range(4)])

        assert asyncio.run(main()) == [list(range(100))] * 4

    def test_who_comes_when_it_is_over_sees_every_event_too(self):
        async def main():
            async with ot.stream(count(2_000)) as events:
                await events
                return await values_async(events)

        with ot.stream(count(2_000)) as events:
            assert events.result == 1_999
            assert values(events) == list(range(2_000))
        assert asyncio.run(main()) == list(range(2_000))

    def test_a_run_started_plainly_can_be_read_by_coroutines(self):
        async def read(events):
            return await values_async(events), await events

        with ot.stream(count(100)) as events:
            assert asyncio.run(read(events)) == (list(range(100)), 99)

    def test_only_those_asked_for_are_seen(self):
        with ot.stream(count(2), only=(ot.Update, ot.RunFinished)) as events:
            assert [type(e) for e in events] == [ot.Update, ot.Update, ot.RunFinished]
        assert list(ot.stream(count(2), only=ot.TextDelta)) == []

    def test_started_twice_is_refused(self):
        events = ot.stream(count(1))
        with events:
            pass
        with pytest.raises(UsageError, match=r"call ot\.stream\(e\) again"), events:
            pass
        with pytest.raises(UsageError, match=r"call ot\.stream\(e\) again"):
            asyncio.run(enter(events))

    def test_result_before_the_start_is_refused(self):
        with pytest.raises(UsageError, match="has not started"):
            _ = ot.stream(count(1)).result

    def test_two_streams_see_their_own_events(self):
        with ot.stream(count(3)) as a, ot.stream(ot.parallel(count(5))) as b:
            assert values(a) == [0, 1, 2]
            assert values(b) == [0, 1, 2, 3, 4]

    @pytest.mark.parametrize("wrong", [0, "TextDelta", [ot.TextDelta], (ot.TextDelta, 1), ot.TextDelta("x")])
    def test_a_filter_that_is_no_class_is_refused_where_it_is_written(self, wrong):
        with pytest.raises(UsageError, match="a class or a tuple of classes"):
            ot.stream(count(1), only=wrong)

    @pytest.mark.parametrize("wrong", [0, -1, None, 1.5, True])
    def test_a_wrong_buffer_is_refused(self, wrong):
        with pytest.raises(UsageError, match="buffer as a number of events"):
            ot.stream(count(1), buffer=wrong)


async def enter(events):
    async with events:
        pass


class TestSlowReaders:
    @pytest.mark.parametrize("buffer", [1, 2, 7, 50, 98, 99, 100, 1_000])
    def test_one_that_is_too_far_behind_is_told_exactly_how_much_it_missed(self, buffer):
        with ot.stream(count(98), buffer=buffer) as events:
            assert events.result == 97  # by now there are 100 events: 98, and RunStarted and RunFinished
            read = list(events)
        if buffer >= 100:
            assert len(read) == 100
        else:
            assert read[0] == ot.Dropped(100 - buffer)
            assert len(read) == 1 + buffer
            assert values(read) == list(range(97 - buffer + 2, 98))

    def test_what_was_missed_is_told_also_to_who_asked_for_one_class(self):
        with ot.stream(count(98), buffer=10, only=ot.RunFinished) as events:
            assert events.result == 97
            assert list(events) == [ot.Dropped(90), ot.RunFinished()]

    def test_it_never_holds_up_the_run_or_the_others(self):
        with ot.stream(count(50_000), buffer=100) as events:
            slow = iter(events)
            first = next(slow)
            assert events.result == 49_999
            missed = next(slow)
            assert isinstance(first, ot.RunStarted | ot.Dropped)
            rest = list(slow)
        assert isinstance(missed, ot.Dropped | ot.Update)
        dropped = sum(e.count for e in (first, missed, *rest) if isinstance(e, ot.Dropped))
        seen = sum(not isinstance(e, ot.Dropped) for e in (first, missed, *rest))
        assert dropped + seen == 50_002

    def test_the_log_keeps_no_more_than_twice_its_buffer(self):
        class Thing:
            pass

        alive: weakref.WeakSet[Thing] = weakref.WeakSet()
        log = EventLog(10)
        for _ in range(1_000):
            thing = Thing()
            alive.add(thing)
            log.append(thing)
            assert len(alive) <= 21

    def test_readers_and_writers_in_many_threads_lose_and_invent_nothing(self):
        usual = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            log, writers = EventLog(50), 4
            read: list[list[Any]] = [[] for _ in range(3)]

            def write(n):
                for i in range(500):
                    log.append((n, i))

            def reader(into):
                position = 0
                while True:
                    ended = log.ended
                    batch, position = log.read(position)
                    into.extend(batch)
                    if not batch and ended:
                        return
                    more = threading.Event()
                    if not batch and log.when_more(position, more.set):
                        more.wait(30)

            reading = [threading.Thread(target=reader, args=(into,)) for into in read]
            writing = [threading.Thread(target=write, args=(n,)) for n in range(writers)]
            for t in (*reading, *writing):
                t.start()
            for t in writing:
                t.join()
            log.end()
            for t in reading:
                t.join()
        finally:
            sys.setswitchinterval(usual)
        for into in read:
            dropped = sum(e.count for e in into if isinstance(e, ot.Dropped))
            seen = [e for e in into if not isinstance(e, ot.Dropped)]
            assert dropped + len(seen) == writers * 500
            for n in range(writers):
                mine = [i for who, i in seen if who == n]
                assert mine == sorted(set(mine))


class TestNested:
    def test_what_is_streamed_inside_is_seen_inside_and_outside(self):
        @ot.make_executable
        async def outer():
            async with ot.stream(count(3)) as events:
                inner = await values_async(events)
            ot.emit("after")
            return inner

        with ot.stream(ot.parallel(outer())) as events:
            read = list(events)
        assert events.result == [[0, 1, 2]]
        assert values(read) == [0, 1, 2]
        assert {e.span for e in read if isinstance(e, ot.Update)} == {"parallel[0]/outer/count"}
        assert "after" in read

    def test_an_inner_one_sees_nothing_of_its_surroundings(self):
        @ot.make_executable
        async def outer():
            ot.emit("before")
            async with ot.stream(count(2)) as events:
                ot.emit("meanwhile")
                return [event async for event in events]

        inner = [type(e).__name__ for e in ot.run(outer())]
        assert inner == ["RunStarted", "Update", "Update", "RunFinished"]

    def test_a_plain_one_inside_is_refused_and_told_to_be_async(self):
        @ot.make_executable
        async def outer():
            with ot.stream(count(2)):
                pass

        with pytest.raises(NestedRunError, match=r"async with ot\.stream\(e\)"):
            ot.run(outer())

    def test_a_failure_outside_stops_what_is_streamed_inside(self):
        async def main():
            probe = Probe(cleanup_s=3)

            @ot.make_executable
            async def outer():
                async for _ in ot.stream(probe()):
                    pass

            @ot.make_executable
            async def fail():
                await probe.begun.wait()
                raise KeyError

            with pytest.raises(KeyError):
                await ot.parallel(outer(), fail())
            return probe.calls, probe.running

        assert FakeClock().run(main()) == (1, 0)


def test_a_stream_of_a_hundred_thousand_events_is_read_as_it_comes():
    with ot.stream(count(100_000), only=ot.Update, buffer=200_000) as events:
        assert [e.value for e in itertools.islice(events, 100_000)] == list(range(100_000))


@ot.make_executable
async def _double(x: int) -> int:
    return 2 * x


def test_a_stream_takes_the_options_of_a_run(capsys):
    seen: list[object] = []
    with ot.stream(_double(_double(1)), enable_tracing=True, on_event=seen.append) as events:
        read = list(events)
    assert events.result == 4
    assert seen == read
    assert [span.name for span in events.trace.walk()] == ["", "_double", "_double"]
    assert events.trace.output == 4
    with pytest.raises(UsageError, match="enable_tracing=True"), ot.stream(_double(1)) as plain:
        _ = plain.trace
    with ot.stream(ot.Flow(twice=_double)(x=3), verbose=True) as told:
        assert told.result == {"twice": 6}
    assert "twice" in capsys.readouterr().out


def test_the_trace_of_an_async_stream_tells_of_a_failure():
    @ot.make_executable
    async def failing() -> None:
        raise ValueError("no")

    async def main() -> None:
        async with ot.stream(failing(), enable_tracing=True) as events:
            with pytest.raises(ValueError, match="no"):
                await events
        assert isinstance(events.trace.error, ValueError)

    asyncio.run(main())
