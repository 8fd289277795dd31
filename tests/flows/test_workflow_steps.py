"""Do the options of a step hold: workers, attempts, time-outs, handlers of errors, threads, visits?"""

import asyncio
import dataclasses
import threading
from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.errors import DeadlineError, NotBoundError, WorkflowError
from onetwo_like.testing import FakeClock


@dataclasses.dataclass(frozen=True)
class Start:
    n: int = 0


@dataclasses.dataclass(frozen=True)
class Item:
    n: int


@dataclasses.dataclass(frozen=True)
class Done:
    n: int
    how: object = None


def run(e):
    return FakeClock().run(e)


async def fan(event: Start) -> list[Item]:
    return [Item(i) for i in range(event.n)]


async def collect(done: list[Done]) -> ot.Stop:
    return ot.Stop([(d.n, d.how) for d in done])


class TestWorkers:
    def most_at_once(self, workers, at_once=1):
        running = most = 0

        async def work(event: Item) -> Done:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(1)
            running -= 1
            return Done(event.n)

        async def end(done: list[Done]) -> ot.Stop:
            return ot.Stop([d.n for d in done])

        workflow = ot.Workflow(fan, ot.step(workers=workers)(work), end)
        clock = FakeClock()
        results = clock.run(ot.parallel(*[workflow(Start(10)) for _ in range(at_once)]))
        assert results == [list(range(10))] * at_once
        return most, clock.time()

    def test_are_how_many_run_at_once(self):
        assert self.most_at_once(3) == (3, 4)

    def test_are_unlimited_by_default(self):
        assert self.most_at_once(None) == (10, 1)

    def test_are_counted_per_run(self):
        assert self.most_at_once(2, at_once=3) == (6, 5)


class TestRetry:
    def flaky(self, failures, **options):
        attempts = []

        @ot.step(**options)
        async def work(event: Start) -> ot.Stop:
            attempts.append(ot.attempt())
            if len(attempts) <= failures:
                raise ConnectionError(f"failure {len(attempts)}")
            return ot.Stop(attempts)

        return ot.Workflow(work), attempts

    def test_sees_its_attempt_from_one(self):
        assert run(self.flaky(2, retry=3)[0](Start())) == [1, 2, 3]

    def test_is_the_number_of_attempts_in_all(self):
        workflow, attempts = self.flaky(2, retry=2)
        with pytest.raises(ConnectionError, match="failure 2"):
            run(workflow(Start()))
        assert attempts == [1, 2]

    def test_is_announced_to_who_watches(self):
        events: list[Any] = []
        ot.run(self.flaky(1, retry=2)[0](Start()), on_event=events.append)
        retrying = [e for e in events if isinstance(e, ot.Retrying)]
        assert [(e.attempt, str(e.error), e.span) for e in retrying] == [(2, "failure 1", "work")]

    def test_does_not_try_again_what_is_wrong_with_the_program(self):
        attempts = []

        @ot.step(retry=3)
        async def work(event: Start) -> ot.Stop:
            attempts.append(ot.attempt())
            await llm.generate_text("hello")
            return ot.Stop()

        with pytest.raises(NotBoundError):
            run(ot.Workflow(work)(Start()))
        assert attempts == [1]

    def test_asks_anew_each_time_and_the_same_whether_somebody_watches(self):
        def paths(retry_outside, watched):
            found = []

            async def answer(prompt, request):
                found.append(request.sample_path)
                return "no"

            @ot.step(retry=2)
            async def work(event: Start) -> ot.Stop:
                e = llm.generate_text("hello")
                await (e.retry(2) if retry_outside else e).map(fail)
                return ot.Stop()

            def fail(text):
                raise ValueError(text)

            with ot.RegistryContext():
                llm.generate_text.configure(answer)
                with pytest.raises(ValueError, match="no"):
                    ot.run(ot.Workflow(work)(Start()), on_event=(lambda e: None) if watched else None)
            return found

        assert paths(False, False) == paths(False, True) == [(), ("retry 1",)]

    def test_of_an_inner_call_has_the_same_path_whether_somebody_watches(self):
        def paths(watched):
            found = []

            async def answer(prompt, request):
                found.append(request.sample_path)
                return str(len(found))

            def check(text):
                if text == "1":
                    raise ValueError(text)
                return text

            async def work(event: Start) -> ot.Stop:
                return ot.Stop(await llm.generate_text("hello").map(check).retry(2))

            with ot.RegistryContext():
                llm.generate_text.configure(answer)
                ot.run(ot.Workflow(work)(Start()), on_event=(lambda e: None) if watched else None)
            return found

        assert paths(False) == paths(True) == [(), ("retry 1",)]


class TestTimeout:
    def test_stops_the_step_and_names_it(self):
        stopped = []

        @ot.step(timeout=3)
        async def slow(event: Start) -> ot.Stop:
            try:
                await asyncio.sleep(100)
            finally:
                stopped.append(True)
            return ot.Stop()

        clock = FakeClock()
        with pytest.raises(DeadlineError, match="step slow did not finish within 3 s"):
            clock.run(ot.Workflow(slow)(Start()))
        assert (clock.time(), stopped) == (3, [True])

    def test_is_for_each_attempt(self):
        @ot.step(timeout=3, retry=2)
        async def slow(event: Start) -> ot.Stop:
            await asyncio.sleep(100 if ot.attempt() == 1 else 1)
            return ot.Stop("made it")

        clock = FakeClock()
        assert clock.run(ot.Workflow(slow)(Start())) == "made it"
        assert clock.time() == 4

    def test_of_its_own_passes_as_it_is(self):
        @ot.step(timeout=3)
        async def quick(event: Start) -> ot.Stop:
            raise TimeoutError("mine")

        with pytest.raises(TimeoutError, match="mine"):
            run(ot.Workflow(quick)(Start()))


class TestOnError:
    def handled(self, handler, **options):
        @ot.step(on_error=handler, **options)
        async def work(event: Item) -> Done:
            if event.n % 2:
                raise ValueError(f"odd {event.n}")
            return Done(event.n)

        return ot.Workflow(fan, work, collect)

    def test_gets_the_error_and_the_event_and_may_return_an_announced_event(self):
        def handler(error, event):
            return Done(event.n, str(error))

        assert run(self.handled(handler)(Start(3))) == [(0, None), (1, "odd 1"), (2, None)]

    def test_may_be_async_and_may_return_nothing(self):
        async def handler(error, event):
            await asyncio.sleep(1)

        assert run(self.handled(handler)(Start(3))) == [(0, None), (2, None)]

    def test_comes_after_the_last_attempt(self):
        attempts = []

        def handler(error, event):
            attempts.append(ot.attempt())
            return Done(event.n)

        run(self.handled(handler, retry=3)(Start(2)))
        assert attempts == [3]

    def test_may_return_nothing_else(self):
        with pytest.raises(WorkflowError, match="work returned Start"):
            run(self.handled(lambda error, event: Start())(Start(2)))

    def test_that_fails_fails_the_run(self):
        def handler(error, event):
            raise KeyError("handler") from error

        with pytest.raises(KeyError, match="handler"):
            run(self.handled(handler)(Start(2)))

    def test_of_a_join_gets_all_its_events(self):
        got = []

        def handler(error, event):
            got.append(event)
            return ot.Stop(event)

        async def scatter(event: Start) -> list[Item | Done]:
            return [Done(1), Item(2)]

        @ot.step(on_error=handler)
        async def join(item: Item, done: Done) -> ot.Stop:
            raise ValueError

        assert run(ot.Workflow(scatter, join)(Start())) == (Item(2), Done(1))


class TestThreads:
    def test_run_plain_functions_beside_the_loop(self):
        threads = set()

        @ot.step(thread=True)
        def work(event: Item) -> Done:
            threads.add(threading.get_ident())
            return Done(event.n)

        result = ot.run(ot.Workflow(fan, work, collect)(Start(3)))
        assert [n for n, _ in result] == [0, 1, 2]

        def here(event: Start) -> ot.Stop:
            return ot.Stop(threading.get_ident())

        assert ot.run(ot.Workflow(here)(Start())) not in threads

    def test_raise_what_their_function_raises(self):
        @ot.step(thread=True)
        def work(event: Start) -> ot.Stop:
            raise StopIteration

        with pytest.raises(RuntimeError, match="work raised StopIteration"):
            ot.run(ot.Workflow(work)(Start()))


class TestVisits:
    """Visit k > 0 of a step extends the sample path: otherwise a loop would replay its first answer for ever."""

    def paths(self, workflow, event):
        found = []

        async def answer(prompt, request):
            found.append((prompt, request.sample_path))
            return "answer"

        with ot.RegistryContext():
            llm.generate_text.configure(answer)
            run(workflow(event))
        return found

    def test_of_a_loop_have_paths_of_their_own(self):
        async def ask(event: Start) -> Start | ot.Stop:
            await llm.generate_text("again?")
            return Start(event.n - 1) if event.n else ot.Stop()

        assert self.paths(ot.Workflow(ask), Start(2)) == [
            ("again?", ()),
            ("again?", ("ask 1",)),
            ("again?", ("ask 2",)),
        ]

    def test_are_counted_by_lineage_so_that_members_do_not_count_each_other(self):
        def looping(waits):
            async def ask(event: Item) -> Item | Done:
                await asyncio.sleep(waits[event.n // 10])
                await llm.generate_text(str(event.n))
                return Item(event.n + 1) if event.n % 10 < 2 else Done(event.n)

            async def tens(event: Start) -> list[Item]:
                return [Item(10 * i) for i in range(event.n)]

            return ot.Workflow(tens, ask, collect)

        expected = {
            *[(str(10 * i), ()) for i in range(3)],
            *[(str(10 * i + k), (f"ask {k}",)) for i in range(3) for k in (1, 2)],
        }
        for waits in ((1, 2, 3), (3, 1, 2)):
            assert set(self.paths(looping(waits), Start(3))) == expected

    def test_go_on_counting_behind_a_join(self):
        async def ask(event: Start) -> list[Item]:
            await llm.generate_text(f"round {event.n}")
            return [Item(event.n), Item(event.n)]

        async def again(items: list[Item]) -> Start | ot.Stop:
            return Start(items[0].n + 1) if items[0].n < 2 else ot.Stop()

        assert [path for _, path in self.paths(ot.Workflow(ask, again), Start(0))] == [
            (),
            ("ask 1",),
            ("ask 2",),
        ]

    def test_behind_a_join_are_those_of_the_longest_way(self):
        async def fan_two(event: Start) -> list[Item]:
            return [Item(0), Item(3)]

        async def ask(event: Item) -> Item | Done | ot.Stop:
            await llm.generate_text(str(event.n))
            if event.n == 9:
                return ot.Stop()
            return Item(event.n - 1) if event.n else Done(0)

        async def last(done: list[Done]) -> Item:
            return Item(9)

        paths = self.paths(ot.Workflow(fan_two, ask, last), Start())
        assert paths[-1] == ("9", ("ask 4",))

    def test_within_a_sample_extend_its_path(self):
        async def ask(event: Start) -> Start | ot.Stop:
            await llm.generate_text("again?")
            return Start(event.n - 1) if event.n else ot.Stop()

        found = []

        async def answer(prompt, request):
            found.append(request.sample_path)
            return "answer"

        with ot.RegistryContext():
            llm.generate_text.configure(answer)
            ot.run(ot.parallel(*ot.repeat(ot.Workflow(ask)(Start(1)), 2)))
        assert set(found) == {(0,), (0, "ask 1"), (1,), (1, "ask 1")}


class TestWatching:
    def test_a_step_emits_when_it_starts_and_when_it_ends(self):
        async def work(event: Start) -> Done:
            ot.emit("working")
            return Done(1)

        async def end(event: Done) -> ot.Stop:
            return ot.Stop("result")

        with ot.stream(ot.Workflow(work, end)(Start())) as events:
            seen = [
                e if isinstance(e, str) else (type(e).__name__, e.step, getattr(e, "output", None))
                for e in events
                if isinstance(e, str | ot.StepStarted | ot.StepFinished)
            ]
        assert events.result == "result"
        assert seen == [
            ("StepStarted", "work", None),
            "working",
            ("StepFinished", "work", Done(1)),
            ("StepStarted", "end", None),
            ("StepFinished", "end", ot.Stop("result")),
        ]

    def test_a_step_that_fails_says_with_what(self):
        async def work(event: Start) -> ot.Stop:
            raise ValueError("broken")

        seen: list[Any] = []
        with pytest.raises(ValueError, match="broken") as caught:
            ot.run(ot.Workflow(work)(Start()), on_event=seen.append)
        assert [e.error for e in seen if isinstance(e, ot.StepFinished)] == [caught.value]

    def test_the_trace_has_the_steps_with_what_went_in_and_came_out(self):
        async def work(event: Start) -> Done:
            await llm.generate_text("hello")
            return Done(event.n)

        async def end(event: Done) -> ot.Stop:
            return ot.Stop("result")

        with ot.RegistryContext():
            llm.generate_text.configure(lambda prompt: "hi")
            _, trace = ot.run(ot.Workflow(work, end)(Start(1)), enable_tracing=True)
        work_span, end_span = trace.children
        assert (work_span.name, work_span.output, end_span.output) == ("work", Done(1), ot.Stop("result"))
        assert work_span.inputs == {"event": Start(1)}
        assert [span.path for span in work_span.children] == ["work/generate_text"]

    def test_inner_workflows_are_seen_below_the_step_that_awaits_them(self):
        async def inner(event: Item) -> ot.Stop:
            ot.emit("inner")
            return ot.Stop(event.n)

        inside = ot.Workflow(inner)

        async def outer(event: Start) -> ot.Stop:
            return ot.Stop(await inside(Item(5)))

        seen: list[Any] = []
        assert ot.run(ot.Workflow(outer)(Start()), on_event=seen.append) == 5
        assert "inner" in seen
        assert [e.span for e in seen if isinstance(e, ot.StepStarted)] == ["outer", "outer/inner"]


def test_a_plain_step_that_holds_the_loop_is_named():
    release = threading.Event()

    def hog(event: Start) -> ot.Stop:
        release.wait(0.6)
        return ot.Stop("held")

    with pytest.warns(RuntimeWarning, match=r"hog \(test_workflow_steps\.py"):
        assert ot.run(ot.Workflow(hog)(Start())) == "held"
