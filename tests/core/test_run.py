"""Does `run` work wherever it is called, refuse where it cannot, and leave nothing running?"""

import asyncio
import contextlib
import signal
import threading
import time

import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.core.registry import scope_in_force
from onetwo_like.core.run import Run
from onetwo_like.errors import NestedRunError, RunCancelled, UsageError
from tests.core.probe import Probe


@ot.make_executable
async def give(value):
    return value


@ot.make_executable
async def where():
    return asyncio.get_running_loop(), threading.get_ident()


async def awaited(e):
    return await e


class TestWhereItWorks:
    def test_in_a_script_on_one_loop_that_is_nobody_elses(self):
        loop, thread = ot.run(where())
        assert ot.run(ot.parallel(where(), where().timeout(9))) == [(loop, thread)] * 2
        assert thread != threading.get_ident()

    def test_in_a_function_called_where_a_loop_is_running_as_in_a_notebook_cell(self):
        def helper():
            return ot.run(ot.parallel(give(1), give(2)))

        async def cell():
            return helper()

        assert asyncio.run(cell()) == [1, 2]

    def test_in_many_threads_at_once_on_the_same_loop(self):
        got = []
        together = threading.Barrier(8)

        def work():
            together.wait()
            got.append(ot.run(where()))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert got == [ot.run(where())] * 8

    def test_await_runs_on_the_loop_that_awaits_it(self):
        async def main():
            here = asyncio.get_running_loop(), threading.get_ident()
            e = ot.parallel(where(), where().timeout(9), ot.repeat(where(), 1)[0], where().map(lambda x: x))
            assert await where() == here
            assert await e == [here] * 4
            return here

        assert asyncio.run(main()) != asyncio.run(main())

    def test_one_executable_on_two_loops_in_two_threads_at_once(self):
        together = threading.Barrier(2)

        @ot.make_executable(thread=True)
        def meet():
            together.wait(30)
            return threading.get_ident()

        e = ot.parallel(meet().map(lambda _: give("x")), where())
        got = []
        threads = [threading.Thread(target=lambda: got.append(asyncio.run(awaited(e)))) for _ in range(2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert [values[0] for values in got] == ["x", "x"]
        assert {thread for _, (_, thread) in got} == {t.ident for t in threads}

    def test_in_a_thread_that_a_body_has_started_itself(self):
        @ot.make_executable
        async def body():
            got = []
            thread = threading.Thread(target=lambda: got.append(ot.run(give("x"))))
            thread.start()
            await asyncio.to_thread(thread.join)
            return got

        async def main():
            return await body()

        assert asyncio.run(main()) == ["x"]

    def test_after_a_fork_in_the_parent_and_in_the_child(self, python):
        done = python("""
            import os, sys
            from onetwo_like import ot

            give = ot.make_executable(lambda x: x)
            assert ot.run(give(1)) == 1
            child = os.fork()
            if not child:
                assert ot.run(ot.parallel(give(2), give(3))) == [2, 3]
                os._exit(7)
            assert ot.run(give(4)) == 4
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """)
        assert (done.stdout, done.returncode) == ("7\n", 0)

    def test_a_script_ends_at_once_and_without_noise(self, python):
        done = python(
            """
            import threading
            from onetwo_like import ot
            assert threading.active_count() == 1, "importing starts no thread"
            print(ot.run(ot.parallel(*[ot.make_executable(lambda x: x)(i) for i in range(3)])))
            """,
            "-X",
            "dev",
        )
        assert (done.stdout, done.stderr, done.returncode) == ("[0, 1, 2]\n", "", 0)


class TestNested:
    @pytest.mark.parametrize(
        "program",
        [
            lambda: ot.make_executable(lambda: ot.run(give(1)))(),
            lambda: ot.make_executable(nested_async)(),
            lambda: ot.make_executable(nested_stream)(),
            lambda: give(1).map(lambda x: ot.run(give(x))),
            lambda: give(1).map(lambda x: list(ot.stream(give(x)))),
            lambda: ot.parallel(ot.run(give(i)) for i in range(3)),
            lambda: ot.make_executable(in_a_context)(),
            lambda: ot.make_executable(hopping)(),
        ],
        ids="plain async generator map stream iterator RegistryContext to_thread".split(),  # noqa: SIM905
    )
    def test_inside_an_executable_it_is_refused_and_told_to_await(self, program):
        with pytest.raises(NestedRunError, match=r"write `a(wait e|sync with)"):
            ot.run(program())
        with pytest.raises(RuntimeError, match="inside an executable"):
            asyncio.run(awaited(program()))

    def test_in_a_watcher_it_is_refused_instead_of_waiting_for_itself(self):
        with pytest.raises(NestedRunError):
            ot.run(give(1), on_event=lambda event: ot.run(give(2)))

    def test_on_the_background_loop_it_is_refused_whatever_the_scope(self):
        @ot.make_executable
        async def body():
            done = asyncio.get_running_loop().create_future()

            def callback():
                try:
                    ot.run(give(1))
                except NestedRunError as error:
                    done.set_result(error)

            asyncio.get_running_loop().call_soon(callback)
            return type(await done)

        assert ot.run(body()) is NestedRunError


async def nested_async():
    await asyncio.sleep(0)
    return ot.run(give(1))


async def nested_stream():
    yield 1
    yield ot.run(give(1))


async def in_a_context():
    with ot.RegistryContext():
        return ot.run(give(1))


async def hopping():
    return await asyncio.to_thread(ot.run, give(1))


class TestErrors:
    def test_the_error_of_the_program_is_raised_as_the_same_object_from_where_it_was(self):
        error = ValueError("x")

        @ot.make_executable
        async def the_culprit():
            raise error

        with pytest.raises(ValueError, match="x") as raised:
            ot.run(give(ot.parallel(the_culprit())))
        assert raised.value is error
        assert "the_culprit" in [entry.name for entry in raised.traceback]

    @pytest.mark.parametrize("escape", [SystemExit(7), KeyboardInterrupt("of the body")])
    @pytest.mark.parametrize(
        "program",
        [
            lambda e: e,
            lambda e: give(e),
            lambda e: ot.parallel(e),
            lambda e: e.timeout(9).retry(2),
            lambda e: e.map(str),
        ],
    )
    def test_who_leaves_the_program_leaves_it(self, escape, program):
        @ot.make_executable
        async def leave():
            raise escape

        with pytest.raises(type(escape)) as raised:
            ot.run(program(leave()))
        assert raised.value is escape
        assert ot.run(give("the loop is well")) == "the loop is well"

    def test_the_exit_code_is_that_of_the_body(self, python):
        done = python("""
            import sys
            from onetwo_like import ot
            ot.run(ot.parallel(ot.make_executable(sys.exit)(7), on_error="keep"))
        """)
        assert (done.returncode, done.stderr) == (7, "")

    def test_a_task_of_the_bodys_own_may_leave_too(self):
        async def leave():
            raise SystemExit(7)

        @ot.make_executable
        async def body():
            await asyncio.gather(leave())

        with pytest.raises(SystemExit):
            ot.run(body())
        assert ot.run(give("the loop is well")) == "the loop is well"

    def test_a_body_that_stops_the_loop_does_not_stop_the_others(self):
        @ot.make_executable
        async def stop():
            asyncio.get_running_loop().stop()
            await asyncio.sleep(0)
            return "went on"

        assert ot.run(stop()) == "went on"

    @pytest.mark.parametrize("program", [lambda e: e, lambda e: give(e), lambda e: ot.parallel(e)])
    def test_a_run_that_cancels_itself_is_a_run_cancelled(self, program):
        @ot.make_executable
        async def cancel():
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.Event().wait()

        with pytest.raises(RunCancelled, match="cancelled"):
            ot.run(program(cancel()))
        assert issubclass(RunCancelled, RuntimeError)

    def test_what_is_cancelled_before_it_began_does_not_begin(self):
        probe = Probe()
        run = Run(probe(), scope_in_force.get())
        run.cancel_and_wait()
        run.start()
        with pytest.raises(RunCancelled):
            run.result()
        assert probe.calls == 0

    def test_what_is_cancelled_as_it_begins_does_not_go_on(self):
        probe = Probe()
        run = Run(probe(), scope_in_force.get())
        run.start()
        run.cancel_and_wait()
        with pytest.raises(RunCancelled):
            run.result()
        assert probe.running == 0

    @pytest.mark.parametrize("wrong", [5, "print", []])
    def test_a_watcher_that_cannot_be_called_is_refused(self, wrong):
        with pytest.raises(UsageError, match="on_event as a function"):
            ot.run(give(1), on_event=wrong)

    def test_a_watcher_that_fails_ends_the_run_with_its_error(self):
        error = ValueError("of the watcher")

        def watch(event):
            if isinstance(event, ot.Update):
                raise error

        @ot.make_executable
        async def generate():
            yield 1
            await asyncio.Event().wait()

        with pytest.raises(ValueError, match="of the watcher") as raised:
            ot.run(generate(), on_event=watch)
        assert raised.value is error


def send_to_main_thread(what):
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, what)


class Interruption(Exception):
    """What a signal handler of the user's raises."""


class TestInterrupt:
    def test_it_cancels_the_run_and_all_below_before_it_is_raised(self):
        probes = [Probe(cleanup_s=0.01) for _ in range(3)]

        @ot.make_executable
        async def interrupt():
            for probe in probes:
                await probe.begun.wait()
            send_to_main_thread(signal.SIGINT)
            await asyncio.Event().wait()

        with pytest.raises(KeyboardInterrupt):
            ot.run(ot.parallel(give(probes[0]()), probes[1]().timeout(60), probes[2](), interrupt()))
        assert [(p.running, p.cancelled) for p in probes] == [(0, 1)] * 3

    def test_whatever_a_signal_handler_raises_does_the_same(self):
        probe = Probe()

        def interrupted(*_):
            raise Interruption

        @ot.make_executable
        async def interrupt():
            await probe.begun.wait()
            send_to_main_thread(signal.SIGUSR1)
            await asyncio.Event().wait()

        before = signal.signal(signal.SIGUSR1, interrupted)
        try:
            with pytest.raises(Interruption):
                ot.run(ot.parallel(probe(), interrupt()))
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert probe.running == 0

    def test_runs_of_other_threads_go_on(self):
        begun, got = threading.Event(), []

        @ot.make_executable
        async def other():
            begun.set()
            await go_on.wait()
            return "went on"

        @ot.make_executable
        async def interrupt():
            send_to_main_thread(signal.SIGINT)
            await asyncio.Event().wait()

        @ot.make_executable
        def release():
            go_on.set()

        go_on = asyncio.Event()
        thread = threading.Thread(target=lambda: got.append(ot.run(other())))
        thread.start()
        assert begun.wait(30)
        with pytest.raises(KeyboardInterrupt):
            ot.run(interrupt())
        ot.run(release())
        thread.join()
        assert got == ["went on"]

    def test_what_runs_in_other_threads_is_not_named(self):
        begun, go_on = [threading.Event(), threading.Event()], threading.Event()

        @ot.make_executable
        async def innocent():
            begun[0].set()
            await asyncio.to_thread(go_on.wait, 30)

        @ot.make_executable
        async def stubborn():
            begun[1].set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            await asyncio.to_thread(go_on.wait, 30)

        runs = [Run(e, scope_in_force.get()) for e in (innocent(), ot.parallel(stubborn()))]
        for run, event in zip(runs, begun, strict=True):
            run.start()
            assert event.wait(30)
        with pytest.warns(RuntimeWarning, match="still running") as warned:
            runs[1].cancel_and_wait(0.05)
        go_on.set()
        assert runs[0].result() is None
        assert runs[1].wait(30)
        assert "after being cancelled: parallel, stubborn." in str(warned[0].message)

    def test_in_the_middle_of_a_thousand_calls_it_returns_within_half_a_second(self, python):
        done = python("""
            import asyncio, os, signal, threading, time
            from onetwo_like import ot
            from onetwo_like.builtins import llm

            asked, stopped, interrupted_at = 0, 0, 0.0

            async def answer(prompt):
                global asked, stopped, interrupted_at
                asked += 1
                if asked <= 500:
                    return "answered"
                try:
                    if asked == 1_000:
                        interrupted_at = time.monotonic()
                        os.kill(os.getpid(), signal.SIGINT)
                    await asyncio.Event().wait()
                finally:
                    stopped += 1

            llm.generate_text.configure(answer)
            try:
                ot.run(ot.parallel(llm.generate_text(str(i)) for i in range(1_000)))
            except KeyboardInterrupt:
                print(asked, stopped, time.monotonic() - interrupted_at < 1.0)
                raise
        """)
        assert done.stdout == "1000 500 True\n"
        assert done.stderr.endswith("KeyboardInterrupt\n")
        assert done.stderr.count("Traceback") == 1
        assert done.returncode in (130, -signal.SIGINT)

    def test_a_body_that_swallows_it_is_named_and_not_waited_for(self, python):
        done = python("""
            import asyncio, os, signal, time
            from onetwo_like import ot

            @ot.make_executable
            async def stubborn():
                os.kill(os.getpid(), signal.SIGINT)
                while True:
                    try:
                        await asyncio.Event().wait()
                    except asyncio.CancelledError:
                        pass

            began = time.monotonic()
            try:
                ot.run(ot.parallel(ot.repeat(stubborn().map(str).named("n").retry(2), 1)[0]), enable_tracing=True)
            except KeyboardInterrupt:
                print(0.4 < time.monotonic() - began < 1.5)
        """)
        assert (done.stdout, done.returncode) == ("True\n", 0)
        assert "RuntimeWarning: still running 0.5 s after being cancelled: " in done.stderr
        assert "stubborn" in done.stderr
        assert "Traceback" not in done.stderr
        assert "Task was destroyed" not in done.stderr
        assert "never awaited" not in done.stderr


class TestWatching:
    def test_events_come_in_order_from_started_to_finished(self):
        events: list[object] = []
        llm.generate_text.configure(lambda prompt: "x")
        assert ot.run(give(llm.generate_text("?")), on_event=events.append) == "x"
        assert [type(e).__name__ for e in events] == [
            "RunStarted",
            "CallStarted",
            "TextDelta",
            "CallFinished",
            "RunFinished",
        ]

    def test_a_run_that_failed_says_so_at_the_end(self):
        error = ValueError("x")
        events: list[ot.Event] = []

        def fail():
            raise error

        with pytest.raises(ValueError, match="x"):
            ot.run(ot.make_executable(fail)(), on_event=events.append)
        assert events[-1] == ot.RunFinished(error)

    def test_tracing_and_watching_go_together(self):
        events: list[object] = []
        value, trace = ot.run(give(1), enable_tracing=True, on_event=events.append)
        assert (value, trace.output, len(events)) == (1, 1, 2)


def test_waiting_costs_no_cpu():
    @ot.make_executable
    async def wait():
        await asyncio.sleep(0.4)

    ot.run(give(1))
    began = time.process_time()
    ot.run(ot.parallel(wait(), wait().timeout(9), on_error="keep"))
    assert time.process_time() - began < 0.1
