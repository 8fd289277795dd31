"""Is it shown how far a run is, to whoever looks, without breaking a line of anybody else's?"""

import io
import logging
import os
import pty
import re
import select
import subprocess
import sys
import textwrap

import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.core.progress import Bar

PROGRAM = """
    import asyncio, logging, sys
    from onetwo_like import ot
    from onetwo_like.builtins import llm

    async def answer(prompt):
        await asyncio.sleep(0.05)
        logging.warning("log line %s", prompt)
        return ot.Reply(prompt, usage=ot.Usage(10, 5, cost=0.5))

    llm.generate_text.configure(answer)
    ot.run(ot.parallel(*[llm.generate_text(str(i)) for i in range(20)], max_concurrency=2), progress=PROGRESS)
    print("the end", file=sys.stderr)
"""


def script(progress):
    return [sys.executable, "-c", textwrap.dedent(PROGRAM.replace("PROGRESS", progress))]


class TestProgressEvents:
    def progress(self, e):
        events: list[object] = []
        ot.run(e, on_event=events.append)
        return [(event.done, event.total) for event in events if isinstance(event, ot.Progress)]

    def test_the_outermost_batch_tells_of_each_item(self):
        one = ot.make_executable(lambda: 1)
        e = ot.parallel(*[ot.parallel(one(), one()) for _ in range(3)])
        assert self.progress(e) == [(0, 3), (1, 3), (2, 3), (3, 3)]

    def test_of_a_lazy_one_the_total_is_not_known(self):
        one = ot.make_executable(lambda: 1)
        assert self.progress(ot.parallel(one() for _ in range(2))) == [(0, None), (1, None), (2, None)]

    def test_items_that_failed_are_done_too(self):
        e = ot.parallel(ot.make_executable(lambda: 1 / 0)(), on_error="keep")
        assert self.progress(e) == [(0, 1), (1, 1)]


class TestInAPipe:
    def test_nothing_is_shown_unless_it_was_asked_for(self):
        done = subprocess.run(script("None"), capture_output=True, text=True, check=True)
        assert [line for line in done.stderr.splitlines() if "log line" not in line] == ["the end"]

    def test_each_line_is_whole(self):
        done = subprocess.run(script("True"), capture_output=True, text=True, check=True)
        lines = done.stderr.split("\n")
        assert sorted(line for line in lines if "log line" in line) == sorted(
            f"WARNING:root:log line {i}" for i in range(20)
        )
        shown = [line for line in lines if "log line" not in line][:-2]
        assert "20/20" in shown[-1]
        for note in ("running=0", "calls=20", "tokens=300", "cost=$10"):
            assert note in shown[-1]
        assert "\r" not in done.stderr

    def test_without_tqdm_it_is_a_plain_line(self):
        hidden = 'import sys; sys.modules["tqdm"] = None\n' + script("True")[2]
        done = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True, check=True)
        assert re.search(r"^20/20 items \[\d s, running=0, calls=20", done.stderr, re.M)


class TestOnATerminal:
    def screen(self, progress):
        """What a terminal shows in the end: each line after the last return to its beginning."""
        ours, theirs = pty.openpty()
        with subprocess.Popen(script(progress), stdout=theirs, stderr=theirs, stdin=theirs) as process:
            os.close(theirs)
            written = b""
            while select.select([ours], [], [], 60)[0]:
                try:
                    piece = os.read(ours, 65536)
                except OSError:  # the other side is closed
                    break
                if not piece:
                    break
                written += piece
        os.close(ours)
        assert process.returncode == 0
        lines = written.decode().replace("\r\n", "\n").split("\n")
        return [re.split(r"\r|\x1b\[2K", line)[-1] for line in lines], written

    def test_the_bar_stays_below_what_is_logged(self):
        lines, written = self.screen("True")
        logged = [line for line in lines if "log line" in line]
        assert sorted(logged) == sorted(f"WARNING:root:log line {i}" for i in range(20))
        assert "20/20" in lines[-3]
        assert lines[-2:] == ["the end", ""]
        assert written.count(b"/20") > 2  # it was drawn while it ran

    def test_a_short_run_shows_none(self):
        lines, _ = self.screen("None")
        assert not any("/20" in line for line in lines)


class TestWhoLooks:
    @pytest.mark.parametrize(("progress", "shown"), [(None, False), (False, False), (True, True)])
    def test_in_a_pipe_only_who_asks(self, progress, shown, monkeypatch):
        monkeypatch.setattr(sys, "stderr", io.StringIO())
        assert (Bar.wanted(progress) is not None) == shown

    def test_a_terminal_shows_it_after_a_while(self, monkeypatch):
        class Terminal(io.StringIO):
            def isatty(self):
                return True

        monkeypatch.setattr(sys, "stderr", Terminal())
        bar = Bar.wanted(None)
        assert bar is not None
        assert bar.next_s == 2.0

    def test_a_bar_does_not_make_a_backend_stream(self, capsys):
        from onetwo_like.core.events import streaming

        asked: list[bool] = []

        def answer(prompt):
            asked.append(streaming())
            return "x"

        with ot.RegistryContext():
            llm.generate_text.configure(answer)
            ot.run(llm.generate_text("?"), progress=True)
        assert asked == [False]
        assert "1" in capsys.readouterr().err

    def test_what_it_counts(self):
        bar = Bar.wanted(True)
        assert bar is not None
        usage = ot.Usage(1, 2, cost=0.5)
        for event in (
            ot.CallStarted("a"),
            ot.CallStarted("b"),
            ot.CallStarted("c"),
            ot.CallFinished("a", usage),
            ot.CallFinished("b", usage, replayed=True),
            ot.CallStarted("d"),
            ot.CallFinished("c", error=ValueError()),
        ):
            bar.count(event)
        assert bar.notes() == {"running": "1", "replayed": "1", "failed": "1", "tokens": "6", "cost": "$0.5"}
        assert bar.line.startswith("3")

    def test_logging_is_as_it_was_afterwards(self):
        before = [getattr(h, "stream", None) for h in logging.getLogger().handlers], sys.stdout, sys.stderr
        ot.run(ot.make_executable(lambda: 1)(), progress=True)
        assert (
            [getattr(h, "stream", None) for h in logging.getLogger().handlers],
            sys.stdout,
            sys.stderr,
        ) == before


class TestVerbose:
    def test_each_step_is_printed_with_its_output_as_it_ends(self, capsys):
        @ot.make_executable
        def steps():
            ot.emit(ot.StepStarted("one"))
            ot.emit(ot.StepFinished("one", "an output"))
            ot.emit(ot.StepFinished("two", error=ValueError("bad")))

        ot.run(steps(), verbose=True)
        assert capsys.readouterr().out == "one: an output\ntwo: !! ValueError: bad\n"
        ot.run(steps())
        assert capsys.readouterr().out == ""
