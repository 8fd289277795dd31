"""How do entries get into a folder of diskcache's, with no pickle and nothing half-done?

Importing this imports diskcache, so it is imported when something is first written.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import diskcache

from onetwo_like.errors import CacheError
from onetwo_like.middleware.disk_folder import explained
from onetwo_like.middleware.disk_reader import VALUE_FILE, large_value
from onetwo_like.middleware.store import Entries, unfit

SETTINGS: dict[str, Any] = {
    # Every setting by name, since diskcache would take what we do not name from the table it opens.
    "eviction_policy": "none",
    "size_limit": 2**62,
    "cull_limit": 0,
    "statistics": 0,
    "tag_index": 0,
    "sqlite_auto_vacuum": 1,
    "sqlite_cache_size": 2**13,
    "sqlite_journal_mode": "wal",
    "sqlite_mmap_size": 0,  # a mapped file that is cut short kills the process
    "sqlite_synchronous": 2,  # FULL: durable means after a loss of power, too; per batch, that costs little
    "disk_min_file_size": 2**15,
    "disk_pickle_protocol": 0,
}


class BytesDisk(diskcache.Disk):  # type: ignore[misc]
    """Keeps str keys and bytes values, and refuses what diskcache would pickle or unpickle.

    Value files are removed by `forget_doomed`, after the commit: diskcache removes the old file of an entry
    before, and a kill between the two would lose an answer that was acknowledged.
    """

    def __init__(self, directory: str, **settings: Any) -> None:
        super().__init__(directory, **settings)
        self.made: list[str] = []
        self.doomed: list[str] = []

    def put(self, key: object) -> tuple[str, bool]:
        if type(key) is not str:
            raise CacheError(f"The key of an entry is a str, not {key!r:.80}")
        return key, True

    def get(self, key: object, raw: bool) -> str:
        if not raw or type(key) is not str:
            raise CacheError(
                f"The cache at {self._directory} holds a pickled key, which is refused: {key!r:.80}"
            )
        return key

    def store(self, value: object, read: bool, key: object = diskcache.UNKNOWN) -> Any:
        if type(value) is not bytes or read:
            raise CacheError(f"The value of an entry is bytes, not {type(value).__name__}")
        known = len(self.made)
        try:
            size, mode, filename, column = super().store(value, False, key)
            if filename is not None:
                with open(os.path.join(self._directory, filename), "rb") as file:
                    os.fsync(file.fileno())
        except OSError:
            self.doomed += self.made[known:]
            raise
        return size, mode, filename, column

    def fetch(self, mode: int, filename: str | None, value: object, read: bool) -> bytes:
        return large_value(Path(self._directory), "", (mode, filename, value))

    def filename(self, key: object = diskcache.UNKNOWN, value: object = diskcache.UNKNOWN) -> Any:
        filename, full_path = super().filename(key, value)
        self.made.append(filename)
        return filename, full_path

    def remove(self, file_path: str) -> None:
        self.doomed.append(file_path)

    def forget_made(self) -> None:
        """The files made since the last commit are nobody's: it failed."""
        self.doomed = self.made
        self.forget_doomed()

    def forget_doomed(self) -> None:
        """Remove the files of entries that were deleted or replaced; only such as diskcache names."""
        for file_path in self.doomed:
            if VALUE_FILE.fullmatch(file_path):
                super().remove(file_path)
        self.made, self.doomed = [], []


def make_database(folder: Path) -> None:
    """Make the tables of diskcache's, or complete them after a kill."""
    try:
        diskcache.Cache(folder, disk=BytesDisk, **SETTINGS).close()
    except sqlite3.Error as error:
        raise explained(folder, error) from error


class DiskWriter:
    """Commits entries; lives on one thread, as diskcache's connection does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cache: Any = None

    def commit(self, entries: Entries) -> Sequence[CacheError | None]:
        """Write all in one transaction; for each entry, what kept it from being durable."""
        errors = [unfit(key, value) for key, value in entries]
        if not entries:
            return errors
        try:
            if self._cache is None:
                self._cache = diskcache.Cache(self._folder, disk=BytesDisk, **SETTINGS)
            with self._cache.transact():
                for i, (key, value) in enumerate(entries):
                    if errors[i] is None:
                        errors[i] = self._apply(key, value)
        except (sqlite3.Error, diskcache.Timeout, OSError) as error:
            # A commit that failed leaves diskcache inside its transaction.
            self.leave(failed=True)
            # diskcache hides why it could not begin, and SQLite's own rollback makes diskcache's fail.
            reason = error.__context__ if isinstance(error.__context__, sqlite3.Error | OSError) else error
            failure = explained(self._folder, reason)
            failure.__cause__ = error
            return [known or failure for known in errors]
        self._cache.disk.forget_doomed()
        return errors

    def _apply(self, key: str, value: bytes | None) -> CacheError | None:
        try:
            if value is None:
                self._cache.delete(key)
            else:
                self._cache.set(key, value)
        except OSError as error:  # of the file of a large value; the other entries go on
            failure = explained(self._folder, error)
            failure.__cause__ = error
            return failure
        return None

    def leave(self, *, failed: bool = False) -> None:
        """Close the connection, and with it a transaction that failed; the next commit opens another."""
        if self._cache is not None:
            with contextlib.suppress(sqlite3.Error):
                self._cache.close()
            if failed:
                self._cache.disk.forget_made()
            self._cache = None
