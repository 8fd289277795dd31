"""How does a folder on disk keep a cache, for many threads and processes at once?

diskcache writes, on one thread that commits what has gathered; reads go straight to SQLite on the caller's
thread. Before a fork every connection is closed: a child inherits what SQLite believes about its locks, but
not the locks, and loses what it commits when the parent closes. (So it was measured.)
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Iterator
from typing import NoReturn

from onetwo_like.errors import CacheError, CacheFailedError
from onetwo_like.middleware.disk_folder import LOCK, cache_folder, prepare
from onetwo_like.middleware.disk_reader import RAW, Reader, Row, large_value
from onetwo_like.middleware.group_commit import WriterThread
from onetwo_like.middleware.leads import Lead, LeadTable, lead_table, leave_table
from onetwo_like.middleware.store import Entries, Written


class DiskStore:
    """Entries in a folder, which is made if it is missing; `~` and `$VARIABLES` in the path are expanded.

    Nothing is evicted, nothing is pickled. Each entry is durable when its write is acknowledged: killing the
    process, or cutting the power, loses none. With `read_only=True` nothing in the folder is changed.
    Raises CacheError if the folder holds anything else, is of a newer format, or cannot be written.

    >>> import tempfile
    >>> from onetwo_like.middleware.store import write_now
    >>> store = DiskStore(tempfile.mkdtemp())
    >>> write_now(store, [("k1", b"Paris")])
    >>> store.get("k1")
    b'Paris'
    >>> store.close()
    """

    def __init__(self, path: str | os.PathLike[str], *, read_only: bool = False) -> None:
        self.path = cache_folder(path)
        self.read_only = read_only
        prepare(self.path, read_only=read_only)
        self._lock = threading.Lock()  # guards the reader, and which writer and table there are
        self._reader = Reader(self.path)
        self._writer: WriterThread | None = None
        self._leads: LeadTable | None = None
        self._closed = False
        # Runs when the store is closed, forgotten, or the interpreter ends; so it may not refer to the store.
        self._parts = contextlib.ExitStack()
        self._parts.callback(self._reader.close)
        self._finalizer = weakref.finalize(self, self._parts.close)
        with _stores_guard:
            _stores.add(self)
        try:
            self.get("")  # a damaged database is an error here, not at the first question
        except CacheError:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"DiskStore({str(self.path)!r}{', read_only=True' if self.read_only else ''})"

    def get(self, key: str) -> bytes | None:
        with self._lock:
            if self._closed:
                self._refuse()
            row = self._reader.row(key)
        if row is None:
            return None
        if row[0] == RAW and type(row[2]) is bytes:
            return row[2]
        return self._large(key, row)

    def write(self, entries: Entries) -> Written:
        with self._lock:
            if self._closed or self.read_only:
                self._refuse()
            if self._writer is None:
                from onetwo_like.middleware.disk_writer import DiskWriter

                writer = DiskWriter(self.path)
                self._writer = WriterThread(writer.commit, writer.leave)
                self._parts.callback(self._writer.close)
            return self._writer.submit(entries)

    def keys(self) -> Iterator[str]:
        rowid = 0
        while True:
            with self._lock:
                if self._closed:
                    self._refuse()
                page = self._reader.page(rowid)
            if not page:
                return
            for rowid, key in page:  # noqa: B007  (the last one is where the next page begins)
                yield key

    def __len__(self) -> int:
        with self._lock:
            if self._closed:
                self._refuse()
            return self._reader.count()

    def lead(self, key: str) -> Lead | None:
        with self._lock:
            if self._closed or self.read_only:
                self._refuse()
            if self._leads is None:
                self._leads = lead_table(self.path / LOCK)
                self._parts.callback(leave_table, self._leads)
        return self._leads.lead(key)

    def damage(self) -> list[str]:
        """What is wrong with the database and the files of large values, in words; reads all of the former."""
        with self._lock:
            if self._closed:
                self._refuse()
            return list(self._reader.damage())

    def close(self) -> None:
        """Wait for what is being written, put the write-ahead log into the database, and close."""
        with self._lock:
            self._closed = True
        self._finalizer()

    def _large(self, key: str, row: Row) -> bytes | None:
        while True:
            try:
                return large_value(self.path, key, row)
            except OSError as error:
                with self._lock:
                    now = self._reader.row(key)
                if now is None:
                    return None
                if now == row:
                    raise CacheError(
                        f"Cache entry {key} is damaged: its file {self.path / str(row[1])} cannot be read ({error}). "
                        'Ask again with mode="refresh", or take the entry from another copy of the cache.'
                    ) from error
                row = now  # replaced between the two looks

    def _refuse(self) -> NoReturn:
        if self._closed:
            raise CacheFailedError(f"The cache at {self.path} is closed; open it again to use it.")
        raise CacheFailedError(
            f"The cache at {self.path} was opened read-only; open it for writing to add to it."
        )

    def _before_fork(self) -> None:
        while True:
            writer = self._writer
            if writer is not None:
                writer.pause()
            self._lock.acquire()
            if self._writer is writer:
                break
            self._lock.release()  # a first write came between the two looks
        self._reader.suspend()

    def _after_fork_in_parent(self) -> None:
        self._lock.release()
        if self._writer is not None:
            self._writer.resume()

    def _after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        self._writer = None  # its thread stayed with the parent


_stores: weakref.WeakSet[DiskStore] = weakref.WeakSet()
_stores_guard = threading.Lock()
_forking: list[DiskStore] = []


def _before_fork() -> None:
    _stores_guard.acquire()
    _forking[:] = _stores
    for store in _forking:
        store._before_fork()


def _after_fork_in_parent() -> None:
    for store in _forking:
        store._after_fork_in_parent()
    _forking.clear()
    _stores_guard.release()


def _after_fork_in_child() -> None:
    for store in _forking:
        store._after_fork_in_child()
    _forking.clear()
    _stores_guard.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
