"""When is a call answered from what was recorded, and when is a backend asked?

The rules are those of promises 13 to 19: a reply is durable before the caller sees it; the key is
the request, the backend's fingerprint and the sample path; identical calls at once are one call,
across tasks and processes; in replay mode nothing is called.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import warnings
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias

from onetwo_like.core.events import CacheHit, emit_text
from onetwo_like.core.registry import Binding, scope_in_force, scoped
from onetwo_like.core.request import Handler, Reply, Request
from onetwo_like.errors import CacheError, ContentRefusedError, ParseError, ReplayMiss, UsageError
from onetwo_like.middleware.entries import Entry
from onetwo_like.middleware.flight import Flight
from onetwo_like.middleware.group_commit import DurableWrites
from onetwo_like.middleware.key import Keying, key_of
from onetwo_like.middleware.known_types import KnownTypes
from onetwo_like.middleware.leads import Lead
from onetwo_like.middleware.nearest import describe_miss
from onetwo_like.middleware.per_loop import PerLoop
from onetwo_like.middleware.recorded import MARKS, Recorded
from onetwo_like.middleware.report import Report
from onetwo_like.middleware.store import MemoryStore, Store

Mode: TypeAlias = Literal["read_write", "replay", "refresh", "off"]
MODES = ("read_write", "replay", "refresh", "off")
Source: TypeAlias = "str | os.PathLike[str] | Store"

# How often a follower looks whether the process that leads has written, or died.
FOLLOWER_WAIT_S = 0.05


class _Loop:
    """What a cache keeps per event loop."""

    def __init__(self, store: Store) -> None:
        self.flights: dict[str, Flight] = {}
        self.writes = DurableWrites(store)


class _Storage:
    """A store and the calls on their way to it, shared by all scopes of one cache."""

    def __init__(self, store: Store, owned: bool) -> None:
        self.store = store
        self.owned = owned
        self.loops = PerLoop(lambda: _Loop(store))


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
        path: Source,
        *,
        mode: Mode = "read_write",
        read_from: Sequence[Source] = (),
        retry: Iterable[str] = (),
    ) -> None:
        _check(mode, retry)
        if isinstance(read_from, str | os.PathLike):
            raise UsageError(f"read_from takes a list of caches: read_from=[{str(read_from)!r}]")
        store, owned = _opened(path, read_only=mode == "replay")
        self._set(_Storage(store, owned), [_opened(p, read_only=True) for p in read_from], mode, retry)

    def _set(self, storage: _Storage, layers: list[tuple[Store, bool]], mode: Mode, retry: Iterable[str]) -> None:
        self._storage = storage
        self._layers = layers
        self.mode: Mode = mode
        self._retry = frozenset((retry,) if isinstance(retry, str) else retry)
        self._handlers: weakref.WeakKeyDictionary[Binding, Handler] = weakref.WeakKeyDictionary()
        self._hits = self._misses = self._made = 0
        self._used: set[str] = set()  # keys read or written in this scope
        self._asked: set[str] = set()  # keys asked anew in this scope, by "refresh" or `retry`
        self._passed_by: set[str] = set()
        self._last_length = 0

    def scope(self, mode: Mode | None = None, retry: Iterable[str] | None = None) -> Cache:
        """This cache with another mode and counters of its own, on the same store."""
        mode = self.mode if mode is None else mode
        retry = self._retry if retry is None else retry
        _check(mode, retry)
        view = object.__new__(Cache)
        view._set(self._storage, self._layers, mode, retry)
        return view

    # Looking inside

    def __len__(self) -> int:
        return len(self._storage.store)

    def __iter__(self) -> Iterator[Entry]:
        return self.entries()

    def entries(self) -> Iterator[Entry]:
        """Every entry that can be read; what is damaged is left out, and `verify` names it."""
        store = self._storage.store
        for key in store.keys():
            raw = store.get(key)
            if raw is None:
                continue
            with contextlib.suppress(CacheError):
                yield Entry(key, Recorded.unpacked(key, raw))

    def __getitem__(self, key: str) -> Entry:
        raw = self._storage.store.get(key)
        if raw is None:
            raise KeyError(key)
        return Entry(key, Recorded.unpacked(key, raw))

    @property
    def store(self) -> Store:
        """Where the bytes are."""
        return self._storage.store

    @property
    def used(self) -> frozenset[str]:
        """The keys that were read or written since this scope was opened."""
        return frozenset(self._used)

    def report(self) -> Report:
        """What was answered how since this scope was opened; prints as a table."""
        with contextlib.suppress(CacheError):  # after close, the length is that of the end
            self._last_length = len(self._storage.store) + sum([len(layer) for layer, _ in self._layers])
        unused = max(0, self._last_length - len(self._used))
        return Report(self._hits, self._misses, self._made, unused)

    def holds(self, binding: Binding, request: Request) -> bool:
        """Whether the request would be answered from here, without a call."""
        if self.mode == "off" or binding.fingerprint is None:
            return False
        return self._found(key_of(Keying(binding).document(request))) is not None

    def close(self) -> None:
        """Waits for what is being written, and closes the files; closing twice does nothing."""
        self.report()
        for store, owned in [(self._storage.store, self._storage.owned), *self._layers]:
            if owned:
                store.close()

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Cache({self._storage.store!r}, mode={self.mode!r})"

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
        types: dict[Any, KnownTypes] = {}
        # The handler must not keep the binding alive: it is a weak key of the dict that holds the handler.
        described = binding.described

        async def answered(request: Request) -> Reply:
            document = keying.document(request)
            key = key_of(document)
            here = None
            if self.mode != "replay":
                here = self._storage.loops.here()
                flight = here.flights.get(key)
                if flight is not None and flight.joinable:
                    self._hits += 1
                    return (await flight.join()).reply(_types(types, request), False)
            found = self._found(key)
            if found is not None and self._may_serve(key, found):
                self._hits += 1
                self._used.add(key)
                return _replayed(key, found.reply(_types(types, request), True))
            self._misses += 1
            if here is None:
                raise ReplayMiss(describe_miss(document, self, described))
            # From the miss to here nothing was awaited, so nobody else can have started the same call.
            flight = here.flights[key] = Flight(
                lambda: self._call(here, key, document, call, request, _types(types, request)), request.operation
            )
            return (await flight.join()).reply(_types(types, request), False)

        return answered

    async def _call(
        self, here: _Loop, key: str, document: str, call: Handler, request: Request, types: KnownTypes
    ) -> Recorded:
        """Makes the call, or waits for who makes it elsewhere, and keeps the reply."""
        flight = here.flights[key]
        lead = self._storage.store.lead(key)
        waited = lead is None
        while lead is None:
            await asyncio.sleep(FOLLOWER_WAIT_S)
            found = self._found(key)
            if found is not None and self._may_serve(key, found):
                _forget(here, key, flight)
                return found
            lead = self._storage.store.lead(key)
        try:
            earlier = self._found(key)
            if earlier is not None and (waited or self.mode == "read_write") and self._may_serve(key, earlier):
                lead.release()
                _forget(here, key, flight)
                return earlier
            self._made += 1
            recorded = await _made(call, request, document, types)
            if earlier is not None:
                recorded = recorded.superseding(earlier)
            written = here.writes.put(key, recorded.packed(key))
        except BaseException:
            lead.release()
            _forget(here, key, flight)
            raise
        written.add_done_callback(lambda _: self._landed(here, key, flight, lead))
        await asyncio.shield(written)
        return recorded

    def _landed(self, here: _Loop, key: str, flight: Flight, lead: Lead) -> None:
        lead.release()
        self._used.add(key)
        self._asked.add(key) if self._asks_again() else None
        _forget(here, key, flight)

    def _found(self, key: str) -> Recorded | None:
        raw = self._storage.store.get(key)
        if raw is None:
            for layer, _ in self._layers:
                raw = layer.get(key)
                if raw is not None:
                    break
            else:
                return None
        return Recorded.unpacked(key, raw)

    def _asks_again(self) -> bool:
        return self.mode == "refresh" or bool(self._retry)

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
            if name not in self._passed_by:
                self._passed_by.add(name)
                warnings.warn(message, RuntimeWarning, stacklevel=2)
            return await call(request)

        return passed_by


async def _made(call: Handler, request: Request, document: str, types: KnownTypes) -> Recorded:
    at, began = time.time(), time.perf_counter()
    try:
        reply = await call(request)
    except (ContentRefusedError, ParseError) as error:
        return Recorded.of_failure(error, document, at, time.perf_counter() - began)
    if reply.recorded_at is None:
        reply = reply._replace(recorded_at=at)
    if reply.duration_s is None:
        reply = reply._replace(duration_s=time.perf_counter() - began)
    return Recorded.of(reply, document, types)


def _forget(here: _Loop, key: str, flight: Flight) -> None:
    if here.flights.get(key) is flight:
        del here.flights[key]


def _replayed(key: str, reply: Reply) -> Reply:
    """Tells who watches that the reply was there, and shows its text again as it came."""
    watch = scope_in_force.get().watch
    if watch is not None and watch.streaming:
        watch.publish(CacheHit(key, origin=scope_in_force.get().span, replayed=True))
        for chunk in reply.chunks or ():
            emit_text(chunk, replayed=True)
    return reply


def _types(kept: dict[Any, KnownTypes], request: Request) -> KnownTypes:
    """The classes that a reply may hold: those of the operation's type, or of the request's `cls`."""
    op: Any = request.op
    cls = request.arguments.get("cls") if "cls" in op.parameters else None
    wanted = op.returns if cls is None else cls
    try:
        known = kept.get(wanted)
    except TypeError:  # an annotation need not be hashable
        return KnownTypes(wanted)
    if known is None:
        known = kept[wanted] = KnownTypes(wanted)
    return known


def _check(mode: object, retry: Iterable[str]) -> None:
    if mode not in MODES:
        raise UsageError(f"a cache has mode {', '.join(map(repr, MODES))}, not {mode!r}")
    for kind in (retry,) if isinstance(retry, str) else retry:
        if kind not in MARKS:
            raise UsageError(f"retry names kinds of reply, {', '.join(map(repr, MARKS))}, not {kind!r}")


def _opened(path: Source, read_only: bool) -> tuple[Store, bool]:
    """The store at a path, and whether it is ours to close."""
    if isinstance(path, Cache):
        return path.store, False
    if not isinstance(path, str | os.PathLike):
        if isinstance(path, MemoryStore) or callable(getattr(path, "write", None)):
            return path, False
        raise UsageError(f"a cache is at a path, not {type(path).__name__}: {path!r:.80}")
    name = os.fspath(path)
    if name.endswith((".jsonl", ".jsonl.gz")):
        from onetwo_like.middleware.bundle import BundleStore

        return BundleStore(name), True
    from onetwo_like.middleware.disk_store import DiskStore

    return DiskStore(name, read_only=read_only), True


@contextlib.contextmanager
def caching(
    cache: Cache | Source,
    *,
    mode: Mode | None = None,
    retry: Iterable[str] | None = None,
    read_from: Sequence[Source] = (),
) -> Iterator[Cache]:
    """A block whose calls are answered by this cache, whatever cache their backends have; yields it.

    Takes a path, a bundle or an `ot.Cache`; the innermost block wins. The report counts from here on.

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
    with Cache(cache, mode=mode or "read_write", retry=retry or (), read_from=read_from) as opened, scoped(cache=opened):
        yield opened
