"""What do real servers answer the backends? `python -m tests.servers [--work FOLDER] [PYTEST OPTIONS]`.

Installs LiteLLM's proxy, transformers, llama-cpp-python and the SDKs in virtual environments in the work folder
(about 2.8 GB; kept for the next time), makes a tiny model, starts the servers on loopback, runs tests/servers/real
against them, stops the servers, replays the answers from the cache, and prints what was
seen as a table. docs/servers.md holds the table that is expected: a cell that differs is a failed test.
Needs Python 3.11 or later, a C++ compiler, and a package index for the first run.
"""

import argparse
import dataclasses
import json
import os
import platform
import shutil
import signal
import sys
import time
from pathlib import Path

from tests.servers.addresses import VARIABLE, Addresses
from tests.servers.environments import PACKAGES, ROOT, install, python_of, versions
from tests.servers.processes import Leashed, StartError
from tests.servers.real.outcomes import page
from tests.servers.start import make_model, running

_TESTS_S = 900.0


def main() -> int:
    """The exit code: 0 if all was as expected."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers", description=__doc__)
    parser.add_argument(
        "--work", type=Path, default=_cache_folder(), help="where it is installed (%(default)s)"
    )
    given, options = parser.parse_known_args()
    signal.signal(signal.SIGTERM, _interrupt)
    given.work.mkdir(parents=True, exist_ok=True)
    work = given.work.resolve()
    began = time.monotonic()
    try:
        for name in PACKAGES:
            _say(f"installing what {name} needs, if it is not there")
            install(work, name)
        _say("making a model")
        truth = make_model(work)
        _say("starting the servers")
        outcomes = work / "outcomes.json"
        outcomes.unlink(missing_ok=True)
        shutil.rmtree(work / "cache", ignore_errors=True)
        with running(work, truth) as addresses:
            _say("testing")
            code = _pytest(addresses, ["test_answers.py", "test_failures.py"], options)
        _say("testing with the servers stopped")
        code = _pytest(dataclasses.replace(addresses, stopped=True), ["test_replay.py"], options) or code
        about = {"Python": platform.python_version(), **versions(work)}
    except StartError as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        _say("interrupted; everything is stopped")
        return 130
    seen = json.loads(outcomes.read_text("utf-8")) if outcomes.is_file() else {}
    sys.stdout.write(page(seen, about))
    _say(f"done in {time.monotonic() - began:.0f} s: {'as expected' if code == 0 else 'NOT AS EXPECTED'}")
    return code


def _pytest(addresses: Addresses, files: list[str], options: list[str]) -> int:
    where = addresses.work / "addresses.json"
    addresses.write(where)
    command: list[str | Path] = [
        python_of(addresses.work, "tests"),
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    env = {**os.environ, VARIABLE: str(where)}
    paths = [f"tests/servers/real/{name}" for name in files]
    with Leashed([*command, *paths, *options], env=env, cwd=ROOT) as process:
        return process.finished(_TESTS_S)


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "onetwo-like" / "servers"


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
