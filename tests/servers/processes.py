"""How is a process started, waited for and stopped, so that nothing is left behind?

It runs on a leash: a process of ours beside it that reads from a pipe, and ends the whole process group as
soon as the pipe closes. That happens when it is stopped, when the starter fails or is interrupted, and also
when the starter is killed.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self


class StartError(Exception):
    """A process ended or was silent when it should have been ready, or took too long."""


class Leashed:
    """A command under way, for the duration of a `with` block. Its output goes to `log`, or to ours.

    At the end it is asked to end, and made to `grace_s` later.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        grace_s: float = 5.0,
    ) -> None:
        self.command = [str(part) for part in command]
        self.log = log
        self._env = env
        self._cwd = cwd
        self._grace_s = grace_s

    def __enter__(self) -> Self:
        leash = [sys.executable, __file__, str(self._grace_s), *self.command]
        with contextlib.ExitStack() as stack:
            output = None if self.log is None else stack.enter_context(self.log.open("ab"))
            self._process = subprocess.Popen(
                leash,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=self._env,
                cwd=self._cwd,
                start_new_session=True,  # Ctrl-C is for us; it ends when we close the pipe
            )
        return self

    def __exit__(self, *_exc: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def finished(self, within_s: float) -> int:
        """The exit code. Raises StartError if the command takes longer."""
        try:
            return self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise StartError(f"{self.shown} took longer than {within_s:g} s.{self.end_of_log()}") from None

    def wait_until_ready(self, url: str, within_s: float) -> None:
        """Returns when `url` answers with status 200. Raises StartError if it does not, or the process ends."""
        give_up = time.monotonic() + within_s
        while True:
            if (code := self._process.poll()) is not None:
                raise StartError(f"{self.shown} ended with {code} before it was ready.{self.end_of_log()}")
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as response:
                if response.status == 200:
                    return
            if time.monotonic() > give_up:
                raise StartError(f"{self.shown} did not answer {url} in {within_s:g} s.{self.end_of_log()}")
            time.sleep(0.2)

    def end_of_log(self) -> str:
        """The last lines that the process wrote."""
        if self.log is None:
            return ""
        lines = self.log.read_text("utf-8", errors="replace").splitlines()[-20:]
        return "".join(f"\n  | {line}" for line in [str(self.log), *lines])

    @property
    def shown(self) -> str:
        """How the command begins."""
        return " ".join([Path(self.command[0]).name, *self.command[1:4]])


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _hold(grace_s: float, command: Sequence[str]) -> int:
    """Runs the command until it ends or stdin closes; either way its process group is gone afterwards."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def end_with_the_pipe() -> None:
        while sys.stdin.buffer.read(4096):
            pass
        _signal(child.pid, signal.SIGTERM)
        try:
            child.wait(grace_s)
        except subprocess.TimeoutExpired:
            _signal(child.pid, signal.SIGKILL)

    threading.Thread(target=end_with_the_pipe, daemon=True).start()
    code = child.wait()
    _signal(child.pid, signal.SIGKILL)  # what it started, and did not end
    return code


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


if __name__ == "__main__":
    # Not through sys.exit: a thread may be reading stdin, which makes an orderly end hang or complain.
    os._exit(_hold(float(sys.argv[1]), sys.argv[2:]) & 0xFF)
