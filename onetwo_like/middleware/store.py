"""Where are the bytes of a cache kept, durably?

A Store is what the cache needs of a place for bytes. `onetwo_like.testing.store_suite` holds a store to it;
`disk_store.DiskStore` is the one that people use.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Protocol, TypeAlias

from onetwo_like.errors import CacheError
from onetwo_like.middleware.leads import Lead, LeadTable

Entries: TypeAlias = "Sequence[tuple[str, bytes | None]]"
"""Keys and their new values; None deletes."""

Written: TypeAlias = "Future[list[CacheError | None]]"
"""Done when what can be durable is; for each entry, what kept it from being so."""


class Store(Protocol):
    """Bytes by key, durable once acknowledged; used from any thread and from several event loops at once.

    Keys are hexadecimal SHA-256. After `close`, and where bytes cannot be had, every method raises CacheError.
    """

    @property
    def read_only(self) -> bool:
        """Whether `write` and `lead` are refused."""

    def get(self, key: str) -> bytes | None:
        """The value, on the caller's thread; None if there is none."""

    def write(self, entries: Entries) -> Written:
        """Store and delete, in this order; returns at once, and the result comes when it is durable.

        A value that cannot be stored harms no other entry. The future cannot be cancelled, is completed
        on any thread, and what is called back from there must not call the store.
        """

    def keys(self) -> Iterator[str]:
        """Every key, in the memory of a few; entries written meanwhile may or may not be among them."""

    def __len__(self) -> int:
        """The number of entries, without counting them."""

    def lead(self, key: str) -> Lead | None:
        """The right to make the call for the key, at once, or None while any task or process has it.

        Look once more with `get` when you have it: the one who led before has written. Release it after
        the write is acknowledged.
        """

    def close(self) -> None:
        """Wait for what is being written, and give everything back; calling it again does nothing."""


def write_now(store: Store, entries: Entries) -> None:
    """Write and wait; the first entry that could not be stored is raised as its CacheError.

    >>> store = MemoryStore()
    >>> write_now(store, [("k1", b"Paris"), ("k2", b"Nice")])
    >>> write_now(store, [("k1", None)])
    >>> list(store.keys())
    ['k2']
    """
    for error in store.write(entries).result():
        if error is not None:
            raise error


class MemoryStore:
    """Entries in a dict: for tests and for runs that need no disk."""

    read_only = False

    def __init__(self) -> None:
        self._entries: dict[str, bytes] = {}
        self._leads = LeadTable()
        self._guard = threading.Lock()
        self._closed = False

    def get(self, key: str) -> bytes | None:
        self._check_open()
        return self._entries.get(key)

    def write(self, entries: Entries) -> Written:
        errors: list[CacheError | None] = []
        with self._guard:
            self._check_open()
            for key, value in entries:
                error = unfit(key, value)
                errors.append(error)
                if error is None and value is not None:
                    self._entries[key] = value
                elif error is None:
                    self._entries.pop(key, None)
        written: Written = Future()
        written.set_result(errors)
        return written

    def keys(self) -> Iterator[str]:
        self._check_open()
        with self._guard:
            return iter(list(self._entries))

    def __len__(self) -> int:
        self._check_open()
        return len(self._entries)

    def lead(self, key: str) -> Lead | None:
        self._check_open()
        return self._leads.lead(key)

    def close(self) -> None:
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise CacheError("This memory store is closed.")


def unfit(key: object, value: object) -> CacheError | None:
    """Why no store takes this entry, if so."""
    if type(key) is not str or not key.isascii():
        return CacheError(f"The key of an entry is a str of ASCII, not {key!r:.80}")
    if value is not None and type(value) is not bytes:
        return CacheError(f"The value of entry {key} is bytes, not {type(value).__name__}: {value!r:.80}")
    return None
