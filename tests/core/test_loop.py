"""Is there one loop for the process, and does its watchdog name who holds it?"""

import asyncio
import threading
import time
import warnings

import pytest

from onetwo_like import ot
from onetwo_like.core.loop import HOLDING_S, background_loop, holds_background_loop


@ot.make_executable
async def give(value):
    return value


def helper(named):
    assert named.wait(30)


class TestLoop:
    def test_it_is_one_however_many_ask_for_it_at_once(self, python):
        done = python("""
            import threading
            from onetwo_like.core.loop import background_loop

            together, loops = threading.Barrier(20), []

            def ask():
                together.wait()
                loops.append(background_loop())

            threads = [threading.Thread(target=ask) for _ in range(20)]
            for t in threads: t.start()
            for t in threads: t.join()
            print(len(set(loops)), threading.active_count())
        """)
        assert done.stdout == "1 3\n"  # this thread, the loop's and its watchdog's

    def test_its_threads_do_not_keep_the_process_alive(self):
        background_loop()
        ours = {t.name: t.daemon for t in threading.enumerate() if t.name.startswith("onetwo-like")}
        assert (ours["onetwo-like"], ours["onetwo-like-watchdog"]) == (True, True)

    def test_it_knows_its_own_thread(self):
        assert not holds_background_loop()
        assert ot.run(ot.make_executable(holds_background_loop)())
        assert not ot.run(ot.make_executable(thread=True)(holds_background_loop)())

    def test_a_run_that_is_left_behind_does_not_disturb_the_exit(self, python):
        done = python("""
            import asyncio, threading
            from onetwo_like import ot

            begun = threading.Event()

            @ot.make_executable
            async def endless():
                begun.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    print("cleaned up")

            program = ot.parallel(ot.repeat(endless().timeout(60).map(str), 1)[0])
            threading.Thread(target=lambda: ot.run(program, on_event=print), daemon=True).start()
            begun.wait()
            print("end")
        """)
        assert done.stdout.startswith("RunStarted()\nProgress(done=0, total=1)\nend\ncleaned up\n")
        assert (done.stderr, done.returncode) == ("", 0)


class TestWatchdog:
    @pytest.fixture
    def shown(self):
        """(Warnings that were shown, an event that is set when the first one is)."""
        messages, named = [], threading.Event()

        def show(message, category, *_):
            messages.append((str(message), category))
            named.set()

        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = show  # the hook that the standard library offers
            yield messages, named

    @pytest.mark.parametrize("is_async", [False, True])
    def test_it_names_the_function_that_holds_the_loop_once(self, shown, is_async):
        messages, named = shown

        def go_on():
            helper(named)
            time.sleep(2 * HOLDING_S)

        async def holding_async():
            go_on()

        def holding_plain():
            go_on()

        holding = holding_async if is_async else holding_plain
        ot.run(ot.parallel(ot.make_executable(holding)(), give(1)))
        [(message, category)] = messages
        assert category is RuntimeWarning
        assert message.startswith(
            f"{holding.__name__} (test_loop.py:{holding.__code__.co_firstlineno + 1}) holds the event loop"
        )
        assert "thread=True" in message

    def test_it_names_the_next_one_too(self, shown):
        messages, named = shown

        @ot.make_executable
        async def first():
            helper(named)

        @ot.make_executable
        async def second():
            helper(named)

        ot.run(first())
        named.clear()
        ot.run(second())
        assert [message.split()[0] for message, _ in messages] == ["first", "second"]

    def test_a_function_in_a_thread_and_one_that_waits_hold_nothing(self, shown):
        messages, _ = shown

        @ot.make_executable(thread=True)
        def works():
            time.sleep(1.2 * HOLDING_S)

        @ot.make_executable
        async def waits():
            await asyncio.sleep(1.2 * HOLDING_S)

        ot.run(ot.parallel(works(), waits()))
        assert messages == []

    def test_many_that_hold_it_briefly_in_one_turn_are_not_blamed(self, shown):
        messages, _ = shown

        @ot.make_executable
        def brief():
            time.sleep(0.002)

        # All of them are ready at once, so that the loop does not come to wait for twice what one may take.
        ot.run(ot.parallel(*(brief() for _ in range(int(HOLDING_S / 0.001)))))
        assert messages == []

    def test_where_warnings_are_errors_it_goes_on_and_writes_them_down(self, python):
        done = python(
            """
            import time
            from onetwo_like import ot

            @ot.make_executable
            def slow():
                time.sleep(0.6)

            ot.run(slow())
            ot.run(slow())
            """,
            "-W",
            "error",
        )
        assert done.returncode == 0
        assert done.stderr.count("RuntimeWarning: slow (<string>:7) holds the event loop") == 2
