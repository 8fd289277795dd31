"""How do tests run the command line, in the process and for real?"""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from absl import logging

from onetwo_like import ot
from onetwo_like.cli import main

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int | str | None
    out: str
    err: str


@pytest.fixture
def cli(capfd, tmp_path, monkeypatch) -> Callable[..., Done]:
    """Runs a command in this process, in an empty folder, with a registry of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # `run` adds the folder of its file

    def command(*words: str) -> Done:
        logging.set_verbosity(
            logging.WARNING
        )  # absl's own, of a process; an earlier test may have changed it
        with ot.RegistryContext(ot.Registry()), pytest.raises(SystemExit) as ended:
            main(words)
        out, err = capfd.readouterr()
        return Done(ended.value.code, out, err)

    return command


@pytest.fixture
def process(tmp_path) -> Callable[..., Done]:
    """Runs a command as a process of its own, in an empty folder, with no terminal."""

    def command(*words: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "onetwo_like", *words],
            cwd=tmp_path,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return command


def environment() -> dict[str, str]:
    """The variables of a process that finds this package, and nothing of this machine's settings."""
    return {"PYTHONPATH": str(ROOT), "PATH": ""}


@pytest.fixture
def refused(cli) -> Callable[..., str]:
    """Runs a command that must end with code 2 and one line on stderr, which it gives."""

    def command(*words: str) -> str:
        done = cli(*words)
        assert done.code == 2
        assert done.out == ""
        [line] = done.err.splitlines()
        return str(line)

    return command
