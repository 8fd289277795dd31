"""What does a replay cost against reading the store, and filling a cache against writing it?"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import diskcache

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.middleware.disk_store import DiskStore
from onetwo_like.middleware.disk_writer import SETTINGS, BytesDisk
from onetwo_like.middleware.store import write_now
from tests.benchmarks.measuring import Figure, cpu_s, figure, in_fresh_process, interleaved

_ANSWER = "The answer to this question is a paragraph of about two hundred characters. " * 3
_MILLION = 1_000_000


async def _answer(prompt: str) -> str:
    return _ANSWER


def _asked(n: int, start: int = 0) -> Iterator[Any]:
    return (llm.generate_text(f"What is the answer to question number {i}?") for i in range(start, start + n))


def _run(make: Callable[[], Awaitable[Any]]) -> None:
    async def main() -> None:
        await make()

    asyncio.run(main())


async def _one_after_another(n: int) -> None:
    for e in _asked(n):
        await e


def measure() -> list[Figure]:
    """The figures of the cache."""
    folder = Path(tempfile.mkdtemp(prefix="onetwo-bench-"))
    try:
        with ot.RegistryContext():
            llm.generate_text.configure(_answer, fingerprint="trivial")
            return [
                *_replaying(folder / "full"),
                *_filling(folder),
                *_opening(folder / "full"),
                *_following(folder),
            ]
    finally:
        shutil.rmtree(folder)


def _replaying(path: Path) -> list[Figure]:
    n = 100_000
    with ot.caching(path):
        _run(lambda: ot.parallel(_asked(n), collect=False))
    figures = []
    with ot.caching(path, mode="replay") as cache:
        keys = list(cache.store.keys())
        for count, rounds in ((n, 3), (10_000, 7)):

            def read(count: int = count) -> None:
                for key in keys[:count]:
                    cache.store.get(key)

            def read_by_diskcache(count: int = count) -> None:
                for key in keys[:count]:
                    theirs.get(key)

            with diskcache.Cache(path, disk=BytesDisk, **SETTINGS) as theirs:
                by_diskcache, raw, windowed, sequential = interleaved(
                    read_by_diskcache,
                    read,
                    lambda count=count: _run(lambda: ot.parallel(_asked(count), collect=False)),
                    lambda count=count: _run(lambda: _one_after_another(count)),
                    rounds=rounds,
                )
            figures += [
                figure(f"{count:,} replays, each, window of 1,000", windowed / count * 1e6, 25.0, "µs"),
                figure(f"{count:,} replays, each, one after another", sequential / count * 1e6, None, "µs"),
                figure(f"{count:,} reads by diskcache, each", by_diskcache / count * 1e6, None, "µs"),
                figure(
                    f"{count:,} replays, window of 1,000 / reads by diskcache",
                    windowed / by_diskcache,
                    2.5,
                    "x",
                ),
                figure(f"{count:,} reads of our store, each", raw / count * 1e6, None, "µs"),
                # Our store reads in half the time of diskcache, and a task costs as much as such a read.
                figure(f"{count:,} replays, window of 1,000 / reads of our store", windowed / raw, None, "x"),
                figure(
                    f"{count:,} replays, one after another / reads of our store", sequential / raw, 2.5, "x"
                ),
            ]
    return figures


def _filling(folder: Path) -> list[Figure]:
    """Against the store's own durable writes of the same entries, as many at once as are under way."""
    n, numbers = 5_000, iter(range(1_000))
    sample = folder / "sample"
    with ot.caching(sample) as cache:
        _run(lambda: ot.parallel(_asked(n), collect=False))
        entries = [(key, cache.store.get(key)) for key in cache.store.keys()]  # noqa: SIM118
    figures = []
    for at_once in (100, 1_000):

        def write(size: int) -> None:
            with contextlib.closing(DiskStore(folder / f"written {next(numbers)}")) as store:
                for start in range(0, n, size):
                    write_now(store, entries[start : start + size])

        def fill(at_once: int) -> None:
            with ot.caching(folder / f"filled {next(numbers)}"):
                _run(lambda: ot.parallel(_asked(n), max_concurrency=at_once, collect=False))

        singly, together, filled = interleaved(
            functools.partial(write, 1),
            functools.partial(write, at_once),
            functools.partial(fill, at_once),
        )
        figures += [
            figure(f"filling at concurrency {at_once:,}, each", filled / n * 1e6, None, "µs"),
            figure("durable writes of the store, one by one, each", singly / n * 1e6, None, "µs"),
            figure(
                f"filling at concurrency {at_once:,} / durable writes one by one", filled / singly, 1.3, "x"
            ),
            figure(
                f"durable writes of the store, {at_once:,} together, each", together / n * 1e6, None, "µs"
            ),
            # Of interest: what making the calls costs beside the writing.
            figure(
                f"filling at concurrency {at_once:,} / durable writes together", filled / together, None, "x"
            ),
        ]
    return figures


_MEMORY = """
import resource, sys
from onetwo_like import ot
from onetwo_like.builtins import llm
llm.generate_text.configure(lambda prompt: 1 / 0, fingerprint="trivial")
with ot.caching(sys.argv[1], mode="replay"):
    asked = (llm.generate_text(f"What is the answer to question number {i}?") for i in range(5_000))
    ot.run(ot.parallel(asked, collect=False))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def _opening(path: Path) -> list[Figure]:
    """Of a cache of a million entries, most of which are made by SQLite, not by us."""

    def opened() -> float:
        began = time.perf_counter()
        with ot.Cache(path) as cache:
            len(cache)
            cache.store.get("0" * 64)
        return time.perf_counter() - began

    def memory() -> float:
        code = _MEMORY.replace("sys.argv[1]", repr(str(path)))
        return statistics.median(float(in_fresh_process(code)) for _ in range(3))

    small = memory()
    _grow(path)
    large = memory()
    opened()
    return [
        figure(
            "opening a cache of 1,000,000 entries",
            statistics.median(opened() for _ in range(9)) * 1e3,
            20.0,
            "ms",
        ),
        figure("5,000 replays out of 1,000,000 entries: memory beyond 100,000", large - small, 20.0, "MB"),
    ]


def _grow(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path / "cache.db")) as connection:
        connection.create_function(
            "sha", 1, lambda n: hashlib.sha256(str(n).encode()).hexdigest(), deterministic=True
        )
        columns = [name for _, name, *_ in connection.execute("PRAGMA table_info(Cache)") if name != "rowid"]
        values = ", ".join("sha(n)" if name == "key" else name for name in columns)
        connection.execute(
            "WITH RECURSIVE counter(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < ?) "
            f"INSERT INTO Cache ({', '.join(columns)}) "
            f"SELECT {values} FROM counter, (SELECT * FROM Cache WHERE rowid = (SELECT min(rowid) FROM Cache))",
            (_MILLION - 100_000,),
        )
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


_LEAD = """
import asyncio, sys
from onetwo_like import ot
from onetwo_like.builtins import llm
async def for_ever(prompt):
    print("leading", flush=True)
    await asyncio.sleep(3600)
llm.generate_text.configure(for_ever, fingerprint="slow")
with ot.caching(sys.argv[1]):
    ot.run(ot.parallel(*[llm.generate_text(f"{i}") for i in range(8)]))
"""


def _following(folder: Path) -> list[Figure]:
    """The CPU of a process that waits for what another process has asked."""
    leader = subprocess.Popen(
        [sys.executable, "-c", _LEAD, str(folder / "led")], stdout=subprocess.PIPE, text=True
    )
    assert leader.stdout is not None
    for _ in range(8):
        leader.stdout.readline()
    figures = []
    try:
        for tasks in (1, 8):

            async def wait(tasks: int = tasks) -> None:
                with ot.caching(folder / "led"):
                    waiting = ot.parallel(*[llm.generate_text(f"{i}") for i in range(tasks)])
                    with contextlib.suppress(TimeoutError):
                        await waiting.timeout(3.0)

            with ot.RegistryContext():
                llm.generate_text.configure(_answer, fingerprint="slow")
                used = cpu_s(lambda wait=wait: asyncio.run(wait()))
            figures.append(figure(f"CPU of {tasks} waiting for another process", used / 3.0 * 100, 1.0, "%"))
    finally:
        leader.kill()
        leader.communicate()
    return figures
