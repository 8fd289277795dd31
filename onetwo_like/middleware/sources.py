"""Where may the answer to a call be: in a cache of one's own, or in those that are read beside it?"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from onetwo_like.errors import CacheError, UsageError
from onetwo_like.middleware.entries import Entry
from onetwo_like.middleware.flight import Flight
from onetwo_like.middleware.group_commit import DurableWrites
from onetwo_like.middleware.key import VERSION
from onetwo_like.middleware.leads import Lead
from onetwo_like.middleware.per_loop import PerLoop
from onetwo_like.middleware.recorded import Recorded
from onetwo_like.middleware.store import Store

Source: TypeAlias = "str | os.PathLike[str] | Store"


class OnLoop:
    """What a cache keeps per event loop: the calls on their way, the leads they hold, and the writes."""

    def __init__(self, store: Store) -> None:
        self.flights: dict[str, Flight] = {}
        self.leads: set[Lead] = set()
        self.writes = DurableWrites(store)

    def keep(
        self, key: str, recorded: Recorded, lead: Lead, note: Callable[[str], None]
    ) -> asyncio.Future[None]:
        """Writes what was answered; when it is durable, notes it and gives the lead back, on any thread.

        Waiting for it may be cancelled; the writing goes on.
        """

        def written(error: BaseException | None) -> None:
            if error is None:
                note(key)
            self.give_back(lead)

        return self.writes.put(key, recorded.packed(key), written)

    def over(self, key: str, flight: Flight) -> None:
        """A call has ended, one way or another."""
        if flight.lead is not None:
            self.give_back(flight.lead)
        if self.flights.get(key) is flight:
            del self.flights[key]

    def take_lead(self, store: Store, key: str) -> Lead | None:
        """The right to make the call for a key, if nobody has it."""
        lead = store.lead(key)
        if lead is not None:
            self.leads.add(lead)
        return lead

    def give_back(self, lead: Lead) -> None:
        """Lets another lead."""
        lead.release()
        self.leads.discard(lead)

    def abandon(self) -> None:
        """The loop was closed with calls on their way: nobody makes them any more."""
        for lead in tuple(self.leads):
            self.give_back(lead)


class Sources:
    """A store to write to, and others to look into where it has nothing; shared by all scopes of a cache."""

    def __init__(self, path: Source, read_from: Sequence[Source], *, read_only: bool) -> None:
        self.store, owned = opened(path, read_only=read_only)
        self._owned = [self.store] if owned else []
        self.others: list[Store] = []
        try:
            for each in read_from:
                store, owned = opened(each, read_only=True)
                self.others.append(store)
                if owned:
                    self._owned.append(store)
        except BaseException:
            self.close()
            raise
        store = self.store
        self.loops: PerLoop[OnLoop] = PerLoop(lambda: OnLoop(store), OnLoop.abandon)
        self._gap: str | None = None

    def elsewhere(self, key: str) -> bytes | None:
        """The entry of the first of the others that has one."""
        for other in self.others:
            raw = other.get(key)
            if raw is not None:
                return raw
        return None

    def get(self, key: str) -> bytes | None:
        """The entry, of one's own or of the others."""
        raw = self.store.get(key)
        return self.elsewhere(key) if raw is None else raw

    def entries(self) -> Iterator[Entry]:
        """Every entry that can be read, one's own first."""
        for store in (self.store, *self.others):
            yield from entries_of(store)

    def gap(self) -> str:
        """Says so if what is recorded here has keys of another version, which are not found; else ""."""
        if self._gap is None:
            # One entry tells: the oldest stands first.
            entry = next(entries_of(self.store), None)
            found = VERSION if entry is None else json.loads(entry.recorded.document).get("version")
            self._gap = (
                ""
                if found == VERSION
                else (
                    f"{self.store!r} has entries of key version {found}, which this version of onetwo-like does not "
                    f"look for: its keys have version {VERSION}. Install the version that wrote them, or record anew."
                )
            )
        return self._gap

    def close(self) -> None:
        for store in self._owned:
            store.close()


def entries_of(store: Store) -> Iterator[Entry]:
    """Every entry of a store that can be read; what is damaged is left out."""
    keys = store.keys()
    for key in keys:
        try:
            raw = store.get(key)
            if raw is None:
                continue
            entry = Entry(key, Recorded.unpacked(key, raw))
        except CacheError:
            continue
        yield entry


def opened(path: Source, *, read_only: bool) -> tuple[Store, bool]:
    """The store at a path, and whether it is ours to close."""
    if not isinstance(path, str | os.PathLike):
        if callable(getattr(path, "lead", None)):
            return path, False
        raise UsageError(f"a cache is at a path, not {type(path).__name__}: {path!r:.80}")
    name = os.fspath(path)
    if name.endswith((".jsonl", ".jsonl.gz")):
        from onetwo_like.middleware.bundle import BundleStore

        return BundleStore(name), True
    from onetwo_like.middleware.disk_store import DiskStore

    return DiskStore(name, read_only=read_only), True
