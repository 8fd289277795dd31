"""How many calls may be under way at once?"""

from __future__ import annotations

import asyncio

from onetwo_like.core.events import emit_paced
from onetwo_like.core.request import Handler, Middleware, Reply, Request
from onetwo_like.middleware.per_loop import PerLoop


def at_most(max_concurrency: int) -> Middleware:
    """At most so many calls at once on each event loop; the others wait in the order they came.

    All handlers under one `at_most` share its places. It belongs below the cache, so that a replayed
    reply never waits, and below the retries, so that a place is free while a failed call waits.
    """
    places = PerLoop(lambda: asyncio.Semaphore(max_concurrency))

    def around(handler: Handler) -> Handler:
        async def paced(request: Request) -> Reply:
            here = places.here()
            if not here.locked():
                async with here:
                    return await handler(request)
            asked = asyncio.get_running_loop().time()
            async with here:
                emit_paced(asyncio.get_running_loop().time() - asked)
                return await handler(request)

        return paced

    return around
