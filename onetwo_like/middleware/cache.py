"""When is a call answered from what was recorded, and when is a backend asked?

The rules are those of promises 13 to 19: a reply is durable before the caller sees it; the key is
the request, the backend's fingerprint and the sample path; identical calls at once are one call,
across tasks and processes; in replay mode nothing is called.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import warnings
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from onetwo_like.core.events import CacheHit, emit_text
from onetwo_like.core.registry import Binding, scope_in_force, scoped
from onetwo_like.core.request import Handler, Reply, Request
from onetwo_like.errors import CacheError, ReplayMiss, UsageError
from onetwo_like.middleware.entries import Entry
from onetwo_like.middleware.flight import Answer, Flight
from onetwo_like.middleware.key import Keying, key_of
from onetwo_like.middleware.known_types import KnownTypes, TypesOfReplies
from onetwo_like.middleware.nearest import describe_miss
from onetwo_like.middleware.recorded import MARKS, Recorded, call_recorded
from onetwo_like.middleware.report import Report
from onetwo_like.middleware.sources import OnLoop, Source, Sources, entries_of
from onetwo_like.middleware.store import Store

if TYPE_CHECKING:
    from onetwo_like.middleware.bundle import Imported

Mode: TypeAlias = Literal["read_write", "replay", "refresh", "off"]
MODES = ("read_write", "replay", "refresh", "off")
# How often a follower looks whether the process that leads has written, or died.
FOLLOWER_WAIT_S = 0.05


class Cache:
    """Replies on disk, by request: a finished experiment replays, a half-finished one continues.

    `path` is a folder (made if it is missing), a bundle (`*.jsonl` or `*.jsonl.gz`, for reading), or a
    store of your own. Modes: "read_write"; "replay" never calls a backend, and a miss is a ReplayMiss;
    "refresh" calls, and keeps the earlier reply in the entry's history; "off" passes every call by.
    `read_from` are caches or bundles to look into where this one has nothing; they are not changed.
    `retry` names kinds of reply to ask for again: "refused", "truncated", "unparsed".

    >>> import tempfile
    >>> from onetwo_like import ot
    >>> from onetwo_like.builtins import llm
    >>> from onetwo_like.testing import Scripted
    >>> cache = Cache(tempfile.mkdtemp())
    >>> with ot.RegistryContext():
    ...     backend = Scripted(["Paris"], cache=cache).register()
    ...     [ot.run(llm.generate_text("Capital of France?")) for _ in range(2)]
    ['Paris', 'Paris']
    >>> len(backend.requests), len(cache)
    (1, 1)
    """

    def __init__(
        self,
        path: Source | Cache,
        *,
        mode: Mode = "read_write",
        read_from: Sequence[Source | Cache] = (),
        retry: Iterable[str] = (),
    ) -> None:
        retry = _checked(mode, retry)
        if isinstance(read_from, str | os.PathLike | Cache):
            raise UsageError(f"read_from takes a list of caches: read_from=[{read_from!r:.80}]")
        layers = [source for each in read_from for source in _stores_of(each)]
        own, *below = _stores_of(path)
        self._set(Sources(own, [*below, *layers], read_only=mode == "replay"), mode, retry)

    def _set(self, sources: Sources, mode: Mode, retry: frozenset[str]) -> None:
        self._sources = sources
        self.mode: Mode = mode
        self._retry = retry
        self._handlers: weakref.WeakKeyDictionary[Binding, Handler] = weakref.WeakKeyDictionary()
        self._hits = self._misses = self._made = 0
        self._used: set[str] = (
            set()
        )  # keys of this cache, not of others, that were read or written in this scope
        self._used_elsewhere: set[str] = set()  # keys of others that were read in this scope
        self._asked: set[str] = set()  # keys asked anew in this scope, by "refresh" or `retry`
        self._warned: set[str] = set()
        self._last_length = 0

    def scope(self, mode: Mode | None = None, retry: Iterable[str] | None = None) -> Cache:
        """This cache with another mode and counters of its own, on the same store."""
        mode = self.mode if mode is None else mode
        view = object.__new__(Cache)
        view._set(self._sources, mode, _checked(mode, self._retry if retry is None else retry))
        return view

    # Looking inside

    def __len__(self) -> int:
        return len(self.store)

    def __iter__(self) -> Iterator[Entry]:
        return self.entries()

    def entries(self) -> Iterator[Entry]:
        """Every entry that can be read; what is damaged is left out, and `onetwo-like cache verify` names it."""
        return entries_of(self.store)

    def __getitem__(self, key: str) -> Entry:
        raw = self.store.get(key)
        if raw is None:
            raise KeyError(key)
        return Entry(key, Recorded.unpacked(key, raw))

    def raw(self, key: str) -> bytes | None:
        """The entry as its store keeps it, of this cache or of those it reads from; None if there is none."""
        return self._sources.get(key)

    @property
    def store(self) -> Store:
        """Where the bytes are."""
        return self._sources.store

    @property
    def used(self) -> frozenset[str]:
        """The keys of this cache that were read or written since this scope was opened."""
        return frozenset(self._used)

    @property
    def asked_for(self) -> frozenset[str]:
        """The keys that were read or written since this scope was opened, here or in what it reads from."""
        return frozenset(self._used | self._used_elsewhere)

    def report(self) -> Report:
        """What was answered how since this scope was opened; prints as a table."""
        with contextlib.suppress(CacheError):  # after close, the length is that of the end
            self._last_length = len(self.store)
        return Report(self._hits, self._misses, self._made, max(0, self._last_length - len(self._used)))

    def holds(self, binding: Binding, request: Request) -> bool:
        """Whether the request would be answered from here, without a call."""
        if self.mode == "off" or binding.fingerprint is None:
            return False
        key = key_of(Keying(binding).document(request))
        raw = self._sources.get(key)
        return raw is not None and self._may_serve(key, Recorded.unpacked(key, raw))

    def export(
        self, path: str | os.PathLike[str], *, used: bool = False, datasets: Mapping[str, str] | None = None
    ) -> int:
        """Writes the entries to a bundle (`*.jsonl.gz`), with `used` those of this scope; returns their number.

        `datasets` are the hashes of the data sets that the run was about, by name: they go into the manifest.
        """
        from onetwo_like.middleware.bundle import export_bundle

        return export_bundle(self.store, path, keys=self._used if used else None, datasets=datasets)

    def import_bundle(self, path: str | os.PathLike[str]) -> Imported:
        """Adds the entries of a bundle; where one's own has another value it stays, and its key is returned."""
        from onetwo_like.middleware.bundle import import_bundle

        return import_bundle(path, self.store)

    def close(self) -> None:
        """Waits for what is being written, and closes the files; closing twice does nothing."""
        self.report()
        self._sources.close()

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Cache({self.store!r}, mode={self.mode!r})"

    def _repr_html_(self) -> str:
        from onetwo_like.middleware.report import cache_html

        return cache_html(self)

    # Answering

    def handler_for(self, binding: Binding) -> Handler:
        """The binding's handler, behind this cache."""
        handler = self._handlers.get(binding)
        if handler is None:
            handler = self._handlers[binding] = self._behind(binding)
        return handler

    def _behind(self, binding: Binding) -> Handler:
        call = binding.handler
        assert call is not None
        if self.mode == "off":
            return call
        if binding.fingerprint is None:
            return self._passing_by(binding, call)
        keying = Keying(binding)
        sources = self._sources
        get, used, elsewhere = sources.store.get, self._used, self._used_elsewhere
        types = TypesOfReplies()
        serves_all = self.mode != "refresh" and not self._retry
        # The handler must not keep the binding alive: it is a weak key of the dict that holds the handler.
        described = binding.described

        async def answered(request: Request) -> Reply:
            document = keying.document(request)
            key = key_of(document)
            here = None
            if self.mode != "replay":
                here = sources.loops.here()
                flight = here.flights.get(key)
                if flight is not None and flight.joinable:
                    recorded, _ = await flight.join()
                    self._hits += 1
                    used.add(key)
                    return _replayed(key, recorded.reply(types, request, True))
            while True:
                raw = get(key)
                if raw is not None:
                    used.add(key)
                elif sources.others:
                    raw = sources.elsewhere(key)
                    if raw is not None:
                        elsewhere.add(key)
                found = None if raw is None else self._understood(key, raw)
                if found is not None and (serves_all or self._may_serve(key, found)):
                    self._hits += 1
                    return _replayed(key, found.reply(types, request, True))
                if here is None:
                    self._misses += 1
                    # In a thread, since looking for the nearest among thousands would hold the loop.
                    raise ReplayMiss(await asyncio.to_thread(describe_miss, document, sources, described))
                lead = here.take_lead(sources.store, key)
                if lead is None or sources.get(key) == raw:
                    break
                here.give_back(lead)  # who led a moment ago has written
            # From the miss to here nothing was awaited, so nobody else can have started the same call.
            flight = here.flights[key] = Flight(
                lambda flight: self._call(
                    flight, here, key, document, found, call, request, types.of(request)
                ),
                request.operation,
                lead,
                lambda flight: here.over(key, flight),
            )
            recorded, replayed = await flight.join()
            if replayed:
                self._hits += 1
                return _replayed(key, recorded.reply(types, request, True))
            return recorded.reply(types, request, False)

        return answered

    async def _call(
        self,
        flight: Flight,
        here: OnLoop,
        key: str,
        document: str,
        earlier: Recorded | None,
        call: Handler,
        request: Request,
        types: KnownTypes,
    ) -> Answer:
        """Makes the call and keeps the reply; or waits for who makes it elsewhere, and takes theirs."""
        sources = self._sources
        while flight.lead is None:
            await asyncio.sleep(FOLLOWER_WAIT_S)
            sources.loops.drop_closed()  # a loop that was closed in the middle of the call leads no more
            flight.lead = here.take_lead(sources.store, key)
            if flight.lead is not None:
                raw = sources.get(key)
                found = None if raw is None else self._understood(key, raw)
                if found is not None and (self._may_serve(key, found) or found != earlier):
                    self._note(key)
                    return found, True
        if earlier is None:
            self._misses += 1
            if gap := sources.gap():
                self._warn_once(gap)
        self._made += 1
        recorded = await call_recorded(call, request, document, types)
        if earlier is not None:
            recorded = recorded.superseding(earlier)
        written = here.keep(key, recorded, flight.lead, self._note)
        flight.lead = None  # the writer gives it back
        await written
        return recorded, False

    def _note(self, key: str) -> None:
        self._used.add(key)
        if self.mode == "refresh" or self._retry:
            self._asked.add(key)

    def _understood(self, key: str, raw: bytes) -> Recorded | None:
        """The entry; a damaged one is a CacheError, or about to be replaced."""
        try:
            return Recorded.unpacked(key, raw)
        except CacheError:
            if self.mode == "refresh":
                return None
            raise

    def _may_serve(self, key: str, found: Recorded) -> bool:
        """Whether what was found is the answer here, or is to be asked for again."""
        if self.mode == "replay" or key in self._asked:
            return True
        return self.mode != "refresh" and found.mark not in self._retry

    def _passing_by(self, binding: Binding, call: Handler) -> Handler:
        name, described = binding.name, binding.described
        message = (
            f"{name} is bound to {described or 'a function'}, which has no fingerprint, so the cache passes it by. "
            f'Give it one: llm.{name}.configure(function, fingerprint="a name for what it does").'
        )

        async def passed_by(request: Request) -> Reply:
            if self.mode == "replay":
                raise ReplayMiss(message)
            self._warn_once(message)
            return await call(request)

        return passed_by

    def _warn_once(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            warnings.warn(message, RuntimeWarning, stacklevel=3)


def _replayed(key: str, reply: Reply) -> Reply:
    """Tells who watches that no call was made, and shows the text as it came once."""
    scope = scope_in_force.get()
    watch = scope.watch
    if watch is not None and watch.streaming:
        watch.publish(CacheHit(key, origin=scope.span, replayed=True))
        if scope.span is None or not scope.span.streamed:
            for chunk in reply.chunks or ():
                emit_text(chunk, replayed=True)
    return reply


def _checked(mode: object, retry: Iterable[str]) -> frozenset[str]:
    """The kinds in `retry`; a UsageError for a mode or a kind that does not exist."""
    if mode not in MODES:
        raise UsageError(f"a cache has mode {', '.join(map(repr, MODES))}, not {mode!r}")
    kinds = frozenset((retry,) if isinstance(retry, str) else retry)
    for kind in kinds:
        if kind not in MARKS:
            raise UsageError(f"retry names kinds of reply, {', '.join(map(repr, MARKS))}, not {kind!r}")
    return kinds


def _stores_of(source: Source | Cache) -> list[Source]:
    """What a cache is read from, its own first; a path or a store as it is."""
    return [source.store, *source._sources.others] if isinstance(source, Cache) else [source]


@contextlib.contextmanager
def caching(
    cache: Cache | Source,
    *,
    mode: Mode | None = None,
    retry: Iterable[str] | None = None,
    read_from: Sequence[Source | Cache] = (),
) -> Iterator[Cache]:
    """A block whose calls are answered by this cache, whatever cache their backends have; yields it.

    Takes a path, a bundle or an `ot.Cache`, and `mode`, `retry` and `read_from` as `ot.Cache` does. Of nested
    blocks the innermost counts. The report counts from the beginning of the block.

    >>> import tempfile
    >>> from onetwo_like import ot
    >>> with caching(tempfile.mkdtemp()) as cache:
    ...     pass
    >>> cache.report().made
    0
    """
    if isinstance(cache, Cache):
        if read_from:
            raise UsageError("give read_from to the ot.Cache itself: ot.Cache(path, read_from=[...])")
        with scoped(cache=(scope := cache.scope(mode, retry))):
            yield scope
        return
    with (
        Cache(cache, mode=mode or "read_write", retry=retry or (), read_from=read_from) as opened,
        scoped(cache=opened),
    ):
        yield opened
