"""Case 11: asks a person, is answered through the stream, goes on; killed while waiting, resumed in a new process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from onetwo_like import ot

PROGRAM = Path(__file__).with_name("human_in_the_loop.py")


@pytest.fixture
def program(tmp_path):
    """Starts the program in a process of its own; `.log()` is what its steps have written, in all processes."""

    class Program:
        def start(self, *arguments):
            command = [
                sys.executable,
                str(PROGRAM),
                str(tmp_path / "kept"),
                str(tmp_path / "log"),
                *arguments,
            ]
            return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

        def killed_at(self, line, *arguments):
            with self.start(*arguments) as process:
                assert process.stdout is not None
                lines: list[str] = []
                while not lines or lines[-1] != line:
                    lines.append(process.stdout.readline().strip())
                    assert lines[-1], f"the program has ended, after {lines}"
                os.kill(process.pid, signal.SIGKILL)
            return lines

        def output(self, *arguments):
            with self.start(*arguments) as process:
                assert process.stdout is not None
                return process.stdout.read().splitlines()

        def log(self):
            return (tmp_path / "log").read_text(encoding="utf-8").split()

    return Program()


QUESTION = "Buy Apple for 9.5?"


def test_asks_is_answered_and_goes_on(program):
    assert program.output("answer", "Ann") == [QUESTION, "bought Apple, says Ann"]
    assert program.log() == ["priced", "answered", "buying"]


def test_killed_while_it_waits_it_asks_again_and_does_nothing_else_twice(program):
    program.killed_at(QUESTION, "ask")
    assert program.output("answer", "Ann") == [QUESTION, "bought Apple, says Ann"]
    assert program.log() == ["priced", "answered", "buying"]


def test_an_answer_that_was_given_is_kept(program):
    program.killed_at("hanging", "hang", "Ann")
    assert program.output("answer", "Bob") == ["bought Apple, says Ann"]
    assert program.log() == ["priced", "answered", "buying", "buying"]


def test_a_finished_run_gives_its_result_again_and_runs_nothing(program):
    program.output("answer", "Ann")
    assert program.output("answer", "Bob") == ["bought Apple, says Ann"]
    assert program.log() == ["priced", "answered", "buying"]


def test_an_answer_is_kept_also_where_its_step_was_not_finished(tmp_path):
    import asyncio

    from tests.flows.test_workflow_kept import Approval, Start

    asked = []

    @ot.step(receives=Approval)
    async def ask(event: Start) -> ot.Stop:
        first = await ot.receive(Approval)
        asked.append(first.by)
        if len(asked) == 1:
            raise ConnectionError
        return ot.Stop((first.by, (await ot.receive(Approval)).by))

    workflow = ot.Workflow(ask)

    async def attempt(*names):
        async with ot.stream(workflow(Start()), checkpoint=tmp_path / "kept") as events:
            for name in names:
                events.send(Approval(name))
            return await events

    with pytest.raises(ConnectionError):
        asyncio.run(attempt("Ann"))
    assert asyncio.run(attempt("Bob")) == ("Ann", "Bob")
