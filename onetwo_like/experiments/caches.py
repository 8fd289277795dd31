"""From which caches are the calls of a comparison answered, and which entries did it use?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from onetwo_like.core.registry import Binding, Caching
from onetwo_like.core.request import Handler, Request
from onetwo_like.errors import CacheError
from onetwo_like.middleware.cache import Cache
from onetwo_like.middleware.store import MemoryStore, Store, write_now

_AT_ONCE = 500


class Caches:
    """In the place of the cache in scope: the one that was given, else each backend's own, with its use noted.

    `uncached` names the operations that no cache can replay: there was none, or what answered has no fingerprint.
    """

    def __init__(self, given: Caching | None) -> None:
        self._given = given.scope() if isinstance(given, Cache) else given
        self._views: dict[int, tuple[Cache, Cache]] = {}
        self.uncached: set[str] = set()
        self._handlers: dict[Binding, Handler] = {}

    def handler_for(self, binding: Binding) -> Handler:
        """What answers in the place of the binding."""
        handler = self._handlers.get(binding)
        if handler is None:
            handler = self._handlers[binding] = self._found(binding)
        return handler

    def _found(self, binding: Binding) -> Handler:
        cache = self._cache_of(binding)
        if cache is None or binding.fingerprint is None or getattr(cache, "mode", None) == "off":
            self.uncached.add(binding.name)
        if cache is None:
            assert binding.handler is not None
            return binding.handler
        return cache.handler_for(binding)

    def holds(self, binding: Binding, request: Request) -> bool:
        """Whether the request would be answered without a call."""
        holds: Any = getattr(self._cache_of(binding), "holds", None)
        return holds is not None and bool(holds(binding, request))

    def _cache_of(self, binding: Binding) -> Caching | None:
        if self._given is not None:
            return self._given
        own = binding.cache
        if not isinstance(own, Cache):
            return own
        view = self._views.get(id(own))
        if view is None:
            view = self._views[id(own)] = (own, own.scope())
        return view[1]

    def used(self) -> Used | None:
        """Which entries were read or written, if there was a cache."""
        caches = [cache for _, cache in self._views.values()]
        if isinstance(self._given, Cache):
            caches.append(self._given)
        entries = [(cache, frozenset(cache.asked_for)) for cache in caches]
        return Used(entries, frozenset(self.uncached)) if entries else None


class Used:
    """The entries that a run used; `uncached` are the operations whose answers are in no cache."""

    def __init__(self, entries: list[tuple[Cache, frozenset[str]]], uncached: frozenset[str]) -> None:
        self._entries = entries
        self.uncached = uncached

    def entries(self) -> Store:
        """All of them in one store; a cache that has been closed meanwhile is opened again."""
        together = MemoryStore()
        for cache, keys in self._entries:
            try:
                _copy(cache, keys, together)
            except CacheError:
                path = getattr(cache.store, "path", None)
                if path is None:
                    raise
                with Cache(path, mode="replay") as again:
                    _copy(again, keys, together)
        return together


def _copy(cache: Cache, keys: frozenset[str], store: Store) -> None:
    waiting: list[tuple[str, bytes | None]] = []
    for key, raw in _raw(cache, keys):
        waiting.append((key, raw))
        if len(waiting) == _AT_ONCE:
            write_now(store, waiting)
            waiting = []
    write_now(store, waiting)


def _raw(cache: Cache, keys: frozenset[str]) -> Iterator[tuple[str, bytes]]:
    for key in sorted(keys):
        raw = cache.raw(key)
        if raw is not None:
            yield key, raw
