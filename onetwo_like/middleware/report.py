"""What did a cache do in a scope, and what does it hold?"""

from __future__ import annotations

import collections
import html
import itertools
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from onetwo_like.middleware.cache import Cache


class Report(NamedTuple):
    """How many calls were answered from the cache, not found in it, and made; and how many entries were not asked for.

    >>> print(Report(hits=3, misses=1, made=1, unused=0))
    hits    3
    misses  1
    made    1
    unused  0
    """

    hits: int
    misses: int
    made: int
    unused: int

    def __str__(self) -> str:
        width = max(len(str(count)) for count in self)
        return "\n".join(f"{name:<7} {count:>{width}}" for name, count in self._asdict().items())


def cache_html(cache: Cache) -> str:
    """The cache as a notebook shows it: its size, what it was asked, and the operations of its first entries."""
    counts = collections.Counter(entry.document["operation"] for entry in itertools.islice(cache, 10_000))
    rows = [("entries", f"{len(cache):,}"), ("mode", cache.mode)]
    rows += [(f"of {name}", f"{count:,}") for name, count in sorted(counts.items())]
    rows += [(f"{name} here", f"{count:,}") for name, count in cache.report()._asdict().items()]
    cells = "".join(f"<tr><th>{html.escape(n)}</th><td>{html.escape(v)}</td></tr>" for n, v in rows)
    return f"<table><caption>{html.escape(repr(cache))}</caption>{cells}</table>"
