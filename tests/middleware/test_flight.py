"""Are identical calls at once one call, whoever leaves, fails or closes what meanwhile?"""

import asyncio
import contextvars
import os
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path

import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.errors import BackendError, CacheError, DeadlineError, UnstorableError
from onetwo_like.middleware.store import MemoryStore
from onetwo_like.testing import FakeClock, Scripted

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _own_registry():
    with ot.RegistryContext():
        yield


class Gate:
    """A model that answers when it is told to, and notes what happened to its calls."""

    def __init__(self, answer="done"):
        self.answer = answer
        self.asked = 0
        self.cancelled = 0
        self.opened = threading.Event()
        self.entered = threading.Event()
        Scripted(self.call, name="gate").register()

    async def call(self, prompt):
        self.asked += 1
        self.entered.set()
        try:
            while not self.opened.is_set():  # noqa: ASYNC110  (it is opened from another thread)
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.answer


def after(seconds, answer="done"):
    """A model that takes so long, by the clock of its loop, and the list of what it was asked."""
    asked = []

    async def call(prompt):
        asked.append(prompt)
        await asyncio.sleep(seconds)
        return answer

    Scripted(call, name="slow").register()
    return asked


def hello():
    return llm.generate_text("hello")


def several(n, prompt="hello"):
    """As many evaluations of their own as asked: `parallel(e, e)` would be one node."""
    ask = ot.make_executable(lambda _i: llm.generate_text(prompt))
    return [ask(i) for i in range(n)]


@pytest.fixture
def cache(tmp_path):
    with ot.Cache(tmp_path / "cache") as opened:
        yield opened


def test_identical_calls_at_once_are_paid_for_once(cache):
    asked = after(0.01)
    with ot.caching(cache) as scope:
        assert ot.run(ot.parallel(*several(8))) == ["done"] * 8
        assert scope.report() == (7, 1, 1, 0)
    assert asked == ["hello"]


def test_each_user_gets_a_copy(cache):
    Scripted([[1.0, 2.0]], operations=["score_text"]).register()
    ask = ot.make_executable(lambda _i: llm.score_text("2 + 2 =", ["4", "5"]))
    with ot.caching(cache):
        first, second = ot.run(ot.parallel(ask(1), ask(2)))
    first.append(3.0)
    assert second == [1.0, 2.0]


def test_a_trace_shows_one_made_call_and_the_others_as_replayed(cache):
    after(0.01)
    with ot.caching(cache):
        program = ot.parallel(*several(4))
        trace = ot.run(program, enable_tracing=True)[1]
    marks = [span.cache for span in trace.walk() if span.name == "generate_text"]
    assert sorted(map(str, marks)) == ["hit", "hit", "hit", "made"]


def test_a_failure_is_everybodys_and_the_next_asks_anew(cache):
    Scripted([BackendError("down"), "up"], name="failing").register()
    with ot.caching(cache):
        outcomes = ot.run(ot.parallel(*several(3), on_error="keep"))
        assert [str(outcome.error) for outcome in outcomes] == ["down"] * 3
        assert ot.run(hello()) == "up"


def test_a_value_that_cannot_be_kept_fails_its_users_and_holds_nobody_up(cache):
    Scripted([object(), "fine"], name="odd").register()
    with ot.caching(cache):
        outcomes = ot.run(ot.parallel(*several(2), on_error="keep"))
        assert [type(outcome.error) for outcome in outcomes] == [UnstorableError] * 2
        assert ot.run(hello()) == "fine"


# Leaving


def test_the_time_out_of_one_leaves_the_call_to_the_others(cache):
    asked = after(5.0)
    patient, hasty = several(2)
    program = ot.parallel(hasty.timeout(1.0), patient, on_error="keep")

    async def main():
        with ot.caching(cache):
            return await program

    first, second = FakeClock().run(main())
    assert isinstance(first.error, DeadlineError)
    assert second.value == "done"
    assert asked == ["hello"]


def test_the_leader_may_leave_and_the_follower_stays(cache):
    asked = after(5.0)

    async def main():
        with ot.caching(cache):
            leader = asyncio.ensure_future(_awaited(hello()))
            await asyncio.sleep(1)
            follower = asyncio.ensure_future(_awaited(hello()))
            await asyncio.sleep(1)
            leader.cancel()
            await asyncio.wait([leader])
            return await follower, leader.cancelled()

    assert FakeClock().run(main()) == ("done", True)
    assert asked == ["hello"]


async def _awaited(e):
    return await e


def test_the_last_to_leave_cancels_the_call(cache):
    gate = Gate()
    with ot.caching(cache) as scope:
        outcomes = ot.run(ot.parallel(*several(3), timeout=0.05, on_error="keep"))
        assert [outcome.status for outcome in outcomes] == ["timeout"] * 3
        assert (gate.asked, gate.cancelled) == (1, 1)
        gate.opened.set()
        assert ot.run(hello()) == "done"  # and the lead was given back
        assert scope.report().made == 2


class SlowStore(MemoryStore):
    """Writes when it is told to."""

    def __init__(self):
        super().__init__()
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.ended = threading.Event()

    def write(self, entries):
        written: Future[list[CacheError | None]] = Future()
        self.begun.set()

        def work():
            self.go_on.wait(10)
            written.set_result(super(SlowStore, self).write(entries).result())
            self.ended.set()

        threading.Thread(target=work).start()
        return written


def test_a_reply_that_has_arrived_is_written_although_all_have_left():
    after(0.0)
    store = SlowStore()
    with ot.caching(store) as cache:
        outcomes = ot.run(ot.parallel(*several(3), timeout=0.1, on_error="keep"))
        assert [outcome.status for outcome in outcomes] == ["timeout"] * 3
        assert store.begun.is_set()
        assert len(store) == 0
        store.go_on.set()
        assert ot.run(hello()) == "done"
        assert cache.report().made == 1


def test_nobody_sees_a_reply_before_it_is_durable():
    after(0.0)
    store = SlowStore()
    seen = []
    with ot.caching(store):
        thread = threading.Thread(target=_in_context(lambda: seen.append(ot.run(hello()))))
        thread.start()
        assert store.begun.wait(5)
        assert seen == []
        store.go_on.set()
        thread.join(5)
    assert seen == ["done"]


def _in_context(function):
    """The function in the context of here, for a thread, which inherits none."""
    context = contextvars.copy_context()
    return lambda: context.run(function)


def test_a_write_that_fails_is_everybodys_error_and_holds_nobody_up():
    after(0.0)

    class FullOnce(MemoryStore):
        full = True

        def write(self, entries):
            if FullOnce.full:
                FullOnce.full = False
                raise CacheError("no room left")
            return super().write(entries)

    with ot.caching(FullOnce()) as cache:
        outcomes = ot.run(ot.parallel(*several(2), on_error="keep"))
        assert [str(outcome.error) for outcome in outcomes] == ["no room left"] * 2
        assert ot.run(hello()) == "done"
        assert cache.report().unused == 0


# Interrupts, loops, threads, forks


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_inside_a_call_reaches_the_caller_and_leaves_nothing_held(cache, interrupt):
    script = [interrupt("stop"), "fine"]
    Scripted(script, name="interrupting").register()
    with ot.caching(cache):
        with pytest.raises(interrupt):
            ot.run(hello())
        assert ot.run(hello()) == "fine"

    async def main():
        with ot.caching(cache):
            with pytest.raises(interrupt):
                await llm.generate_text("other")
            return "the loop goes on"

    Scripted([interrupt("stop")], name="interrupting").register()
    assert asyncio.run(main()) == "the loop goes on"


def test_two_loops_in_two_threads_make_one_call(cache):
    gate = Gate()
    answers = []

    def on_a_loop():
        answers.append(asyncio.run(_awaited(hello())))

    with ot.caching(cache) as scope:
        threads = [threading.Thread(target=_in_context(on_a_loop)) for _ in range(2)]
        for thread in threads:
            thread.start()
        assert gate.entered.wait(5)
        gate.opened.set()
        for thread in threads:
            thread.join(10)
        assert answers == ["done", "done"]
        assert gate.asked == 1
        assert scope.report()[:3] == (1, 1, 1)


def test_two_caches_of_one_folder_make_one_call(tmp_path):
    gate = Gate()
    answers = []

    def with_its_own_cache():
        with ot.caching(tmp_path / "cache"):
            answers.append(ot.run(hello()))

    threads = [threading.Thread(target=_in_context(with_its_own_cache)) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert gate.entered.wait(5)
    gate.opened.set()
    for thread in threads:
        thread.join(10)
    assert answers == ["done", "done"]
    assert gate.asked == 1


def test_two_caches_of_one_folder_refresh_it_once(tmp_path):
    after(0.0, "old")
    with ot.caching(tmp_path / "cache"):
        ot.run(hello())
    gate = Gate("new")
    Scripted(gate.call, name="slow").register()
    answers = []

    def refresh():
        with ot.caching(tmp_path / "cache", mode="refresh"):
            answers.append(ot.run(hello()))

    threads = [threading.Thread(target=_in_context(refresh)) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert gate.entered.wait(5)
    gate.opened.set()
    for thread in threads:
        thread.join(10)
    assert answers == ["new", "new"]


CLOSED_LOOP = """
import asyncio, os, sys, threading

from onetwo_like import ot
from onetwo_like.builtins import llm
from tests.middleware.test_flight import Gate, SlowStore, after

async def awaited(e):
    return await e

async def nothing():
    await asyncio.sleep(0)

def run_until(event):
    "Runs a call on a loop until the event, and closes the loop over it."
    loop = asyncio.new_event_loop()
    task = loop.create_task(awaited(llm.generate_text("hello")))
    while not event.is_set():
        loop.run_until_complete(nothing())
    loop.close()
    return task

def ended(asked, made):
    print(asked, made, flush=True)
    os._exit(0)  # what the closed loops left behind is nobody's concern
"""
IN_A_WRITE = """
asked, store = after(0.0), SlowStore()
with ot.caching(store) as cache:
    task = run_until(store.begun)
    store.go_on.set()
    store.ended.wait(5)
    assert asyncio.run(awaited(llm.generate_text("hello"))) == "done"
    ended(len(asked), cache.report().made)
"""
IN_A_CALL = """
gate = Gate()
with ot.caching(sys.argv[1]) as cache:
    # This loop is known to the cache before the other is closed.
    Gate().opened.set()
    assert ot.run(llm.generate_text("other")) == "done"
    gate = Gate()
    task = run_until(gate.entered)
    gate.opened.set()
    assert ot.run(llm.generate_text("hello")) == "done"
    ended(gate.asked, cache.report().made)
"""


@pytest.mark.parametrize(("program", "printed"), [(IN_A_WRITE, "1 1"), (IN_A_CALL, "2 3")])
def test_a_loop_closed_under_its_calls_gives_its_leads_back(tmp_path, program, printed):
    result = subprocess.run(
        [sys.executable, "-c", CLOSED_LOOP + program, str(tmp_path / "cache")],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert result.stdout.strip() == printed, result.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_parent_and_child_of_a_fork_go_on_with_the_cache(cache):
    asked = after(0.01)
    with ot.caching(cache):
        ot.run(hello())
        child = os.fork()
        if child == 0:
            code = 1
            try:
                replayed = ot.run(hello()) == "done" and asked == ["hello"]
                made = ot.run(llm.generate_text("child")) == "done" and asked == ["hello", "child"]
                code = 0 if replayed and made else 2
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert [ot.run(llm.generate_text(prompt)) for prompt in ("child", "parent")] == ["done"] * 2
    assert asked == ["hello", "parent"]


def test_the_flights_of_calls_that_ended_are_forgotten(cache):
    Scripted(["a", BackendError("down"), "b"], name="three").register()
    with ot.caching(cache):

        async def main():
            await _awaited(llm.generate_text("1"))
            with pytest.raises(BackendError, match="down"):
                await _awaited(llm.generate_text("2"))
            unstarted = asyncio.ensure_future(_awaited(llm.generate_text("3")))
            await asyncio.sleep(0)
            unstarted.cancel()
            [ended], _ = await asyncio.wait([unstarted])
            assert ended.cancelled()
            return cache._sources.loops.here()

        here = asyncio.run(main())
    cache.close()  # the third may have been answered, and was then written
    assert (here.flights, here.leads) == ({}, set())


# Watching


async def _writing(prompt):
    for piece in ("one ", "two ", "three"):
        yield piece
        await asyncio.sleep(1)


def _shown(events):
    return "|".join(event.text for event in events if isinstance(event, ot.TextDelta))


def test_every_user_sees_the_text_as_it_is_written_and_who_is_late_what_was_missed(cache):
    Scripted(_writing, name="writing").register()
    seen: dict[str, list[tuple[float, object]]] = {"leader": [], "follower": []}

    async def watch(name, wait):
        await asyncio.sleep(wait)
        async with ot.stream(hello()) as events:
            async for event in events:
                seen[name].append((asyncio.get_running_loop().time(), event))

    async def main():
        with ot.caching(cache):
            await asyncio.gather(watch("leader", 0), watch("follower", 1.5))

    FakeClock().run(main())
    shown = {
        name: [(at, event.text) for at, event in events if isinstance(event, ot.TextDelta)]
        for name, events in seen.items()
    }
    assert shown["leader"] == [(0.0, "one "), (1.0, "two "), (2.0, "three")]
    assert shown["follower"] == [(1.5, "one "), (1.5, "two "), (2.0, "three")]
    for events in seen.values():
        spans = {event.span for _, event in events if isinstance(event, ot.TextDelta)}
        assert spans == {"generate_text"}


def test_a_watcher_who_leaves_gets_no_more(cache):
    Scripted(_writing, name="writing").register()
    left, stayed = [], []

    async def main():
        with ot.caching(cache):
            async with ot.stream(hello()) as events, ot.stream(hello()) as others:
                async for event in events:
                    left.append(event)
                    if isinstance(event, ot.TextDelta):
                        break
                events.cancel() if hasattr(events, "cancel") else None
                async for event in others:
                    stayed.append(event)

    FakeClock().run(main())
    assert _shown(left) == "one "
    assert _shown(stayed) == "one |two |three"
