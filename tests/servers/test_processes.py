"""Is a process on the leash gone when its starter is, however that came about?"""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.environments import ROOT
from tests.servers.processes import Leashed, StartError, free_port

# Says hello, and stays until the test hangs up. SIGTERM does not move it.
STUBBORN = """
import signal, socket, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
line = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
line.sendall(b"x")
line.recv(1)
"""
# Has a child of its own, as servers with workers do.
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {STUBBORN!r}, sys.argv[1]])
"""
STARTER = f"""
import sys
from tests.servers.processes import Leashed
with Leashed([sys.executable, "-c", {STUBBORN!r}, sys.argv[1]], grace_s=0.1):
    sys.stdin.read()
"""


class Line:
    """Where a process says hello; hung up when the process has gone."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(30)
        self.port = str(self._listening.getsockname()[1])

    def wait_for_hello(self) -> None:
        self._line, _ = self._listening.accept()
        self._line.settimeout(30)
        assert self._line.recv(1) == b"x"

    def is_hung_up(self) -> bool:
        try:
            return self._line.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self._listening.close()
        self._line.close()


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.close()


@pytest.mark.parametrize("program", [STUBBORN, PARENT], ids=["the process", "and its children"])
def test_leaving_the_block_ends(program: str, line: Line) -> None:
    with Leashed([sys.executable, "-c", program, line.port], grace_s=0.1):
        line.wait_for_hello()
    assert line.is_hung_up()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_starter_that_is_ended_takes_it_along(number: signal.Signals, line: Line) -> None:
    command = [sys.executable, "-c", STARTER, line.port]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as starter:  # fmt: skip
        line.wait_for_hello()
        starter.send_signal(number)
        starter.wait(30)
    assert line.is_hung_up()


def test_the_end_before_it_is_ready_is_told_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('no such model'); raise SystemExit(3)"]
    with (
        Leashed(command, log=tmp_path / "log") as process,
        pytest.raises(StartError, match=r"ended with 3 before it was ready(.|\n)*no such model"),
    ):
        process.wait_until_ready(f"http://127.0.0.1:{free_port()}/", 30)


def test_taking_too_long_is_an_error(line: Line) -> None:
    with Leashed([sys.executable, "-c", STUBBORN, line.port], grace_s=0.1) as process:
        line.wait_for_hello()
        with pytest.raises(StartError, match=r"took longer than 0\.01 s"):
            process.finished(0.01)
    assert line.is_hung_up()


def test_the_exit_code_is_told() -> None:
    with Leashed([sys.executable, "-c", "raise SystemExit(4)"]) as process:
        assert process.finished(30) == 4
