"""How do the tests of a file replay what they asked once?"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from onetwo_like.errors import CacheError, ReplayMiss
from onetwo_like.middleware.bundle import BundleStore, export_bundle
from onetwo_like.middleware.cache import Cache, caching
from onetwo_like.middleware.store import MemoryStore, Store, write_now

__all__ = ["HINT", "Replay", "ReplayMiss", "Replays"]
__requires__ = ("pytest",)

HINT = "Record what is missing with: pytest --ot-replay=record"


class Replays:
    """The bundles of all files with tests under `ot_cache`, each read when its first test begins."""

    def __init__(
        self, config: pytest.Config, asking: Sequence[pytest.Item], deselected: Sequence[pytest.Item]
    ) -> None:
        self._mode = config.getoption("--ot-replay")
        if self._mode == "record" and hasattr(config, "workerinput"):  # of pytest-xdist
            raise pytest.UsageError("--ot-replay=record writes one file per test file: run it without -n")
        # Of a file that was named with ::, or of which tests were deselected, not all entries are asked for.
        self._partial = {item.path for item in deselected}
        self._partial |= {
            (config.invocation_params.dir / a.split("::")[0]).resolve() for a in config.args if "::" in a
        }
        self._asking: dict[Path, set[str]] = {}
        for item in asking:
            self._asking.setdefault(item.path, set()).add(item.nodeid)
        self._kept: dict[Path, Replay] = {}

    def of(self, item: pytest.Item) -> Replay:
        """The bundle of the item's file."""
        replay = self._kept.get(item.path)
        if replay is None:
            whole = item.path not in self._partial and item.path.resolve() not in self._partial
            replay = Replay(item.path, self._mode, self._asking[item.path], whole=whole)
            self._kept[item.path] = replay
        return replay


class Replay:
    """The bundle beside one test file."""

    def __init__(self, file: Path, mode: str, asking: set[str], *, whole: bool) -> None:
        self.path = file.with_name(f"{file.stem}.replay.jsonl")
        self._mode = mode
        self._left = set(asking)
        self._whole = whole  # whether all tests of the file run, and have passed so far
        self._used: set[str] = set()
        self._recorded = MemoryStore()
        try:
            self._known: Store = BundleStore(self.path) if self.path.exists() else MemoryStore()
        except CacheError as error:
            pytest.fail(f"{error} {HINT}, after deleting it.", pytrace=False)

    @contextlib.contextmanager
    def answering(self) -> Iterator[Cache]:
        """The scope of one test."""
        if self._mode == "strict":
            cache = Cache(self._known, mode="replay")
        elif self._mode == "record":
            cache = Cache(self._recorded, read_from=[self._known])
        else:
            cache = Cache(self._recorded, mode="off")
        with caching(cache) as scope:
            yield scope
        self._used |= scope.asked_for

    def ended(self, item: pytest.Item, passed: bool, cache: Cache) -> None:
        """One test is over: strict fails what was swallowed or never asked for, record writes the bundle."""
        self._left.discard(item.nodeid)
        self._whole = self._whole and passed
        all_ran = self._whole and not self._left
        if self._mode == "record":
            self._write(all_ran)
        if self._mode != "strict" or not passed:
            return
        if misses := cache.report().misses:
            pytest.fail(f"{misses} calls are not in {self.path.name}. {HINT}", pytrace=False)
        unused = set(self._known.keys()) - self._used
        if all_ran and unused:
            pytest.fail(
                f"{len(unused)} entries of {self.path.name} were asked for by no test, such as {min(unused)[:12]}. "
                "Drop them with: pytest --ot-replay=record",
                pytrace=False,
            )

    def _write(self, all_ran: bool) -> None:
        together = MemoryStore()
        for store in (self._known, self._recorded):
            keys = [key for key in store.keys() if not all_ran or key in self._used]  # noqa: SIM118
            write_now(together, [(key, store.get(key)) for key in keys])
        if len(together) or self.path.exists():
            export_bundle(together, self.path)
