"""Who, of all tasks, threads and processes, makes the call that all of them want?

Across processes the leader holds a lock on one byte of a file, at a place that follows from the key; the
kernel releases it when the process dies, however it dies. These locks belong to the process: they do not
exclude its own threads, and closing *any* descriptor of the file drops them all. Hence one table and one
descriptor per file and process, whatever the number of stores.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import deque
from pathlib import Path

from onetwo_like.errors import CacheError

try:
    import fcntl
except ImportError:  # Windows has no byte-range locks of this kind: there, only the process itself is covered
    fcntl = None  # type: ignore[assignment]


class Lead:
    """The right to make the call for one key, until `release` or the end of the process."""

    __slots__ = ("_place", "_table")

    def __init__(self, table: LeadTable, place: int) -> None:
        self._table = table
        self._place = place

    def release(self) -> None:
        """Let another lead; calling it again does nothing."""
        self._table._release(self, self._place)

    def __enter__(self) -> Lead:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.release()


class LeadTable:
    """Who leads in this process, and, with a file, the locks that tell other processes.

    >>> table = LeadTable()
    >>> lead = table.lead("k1")
    >>> table.lead("k1") is None
    True
    >>> lead.release()
    >>> table.lead("k1") is None
    False
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = descriptor
        self._guard = threading.Lock()
        self._held: dict[int, Lead] = {}
        self.users = 0

    def lead(self, key: str) -> Lead | None:
        """The lead for the key, at once, or None while somebody else has it."""
        # Two keys may share a place, and then one waits for the other, which costs time and nothing else.
        place = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest()) >> 4
        with self._guard:
            if place in self._held or not self._lock(place):
                return None
            lead = self._held[place] = Lead(self, place)
            return lead

    def _lock(self, place: int) -> bool:
        if self._descriptor is None or fcntl is None:
            return True
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES: another process has it
            return False
        except OSError as error:
            raise CacheError(
                f"The file system of the cache cannot lock ({error}), so processes cannot share it: "
                "move the cache to a local disk."
            ) from error
        return True

    def _release(self, lead: Lead, place: int) -> None:
        with self._guard:
            if self._held.get(place) is not lead:
                return  # released before, or inherited through a fork: the parent leads
            del self._held[place]
            if self._descriptor is not None and fcntl is not None:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, place)

    def _forget(self) -> None:
        """In the child of a fork: the locks stayed with the parent."""
        self._guard = threading.Lock()
        self._held = {}


_tables: dict[tuple[int, int], LeadTable] = {}  # by device and inode
_tables_guard = threading.Lock()
# What was given back. A store that is forgotten gives its table back when it is garbage-collected, which may be
# while this very thread has the guard: so nobody waits for the guard to give back, and who has it looks here.
_left: deque[LeadTable] = deque()


def lead_table(path: Path) -> LeadTable:
    """The process's table for a lock file, which is made if need be; give it back to `leave_table`."""
    with _tables_guard:
        table = None
        if path.exists():
            table = _tables.get(_place(path.stat()))
        if table is None:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
            table = _tables[_place(os.fstat(descriptor))] = LeadTable(descriptor)
        table.users += 1
    _close_left()
    return table


def leave_table(table: LeadTable) -> None:
    """Give back a table; the last to leave closes the file."""
    _left.append(table)
    _close_left()


def _close_left() -> None:
    while _left and _tables_guard.acquire(blocking=False):
        try:
            while _left:
                _leave(_left.popleft())
        finally:
            _tables_guard.release()


def _leave(table: LeadTable) -> None:
    table.users -= 1
    if table.users or table._descriptor is None:
        return
    del _tables[_place(os.fstat(table._descriptor))]
    with table._guard:
        descriptor, table._descriptor = table._descriptor, None
        table._held.clear()
    os.close(descriptor)


def _place(file: os.stat_result) -> tuple[int, int]:
    return file.st_dev, file.st_ino


def _after_fork_in_child() -> None:
    global _tables_guard
    _tables_guard = threading.Lock()
    for table in _tables.values():
        table._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
