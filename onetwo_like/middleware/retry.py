"""When is a failed call made again?

When the same call may succeed later: rate limits, overload, connections, time-outs, and replies that are
not what the provider promised. What the caller or the account got wrong (any other 4xx) fails the same
way every time, and a refusal is an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import random as _random
from collections.abc import Callable

from onetwo_like.core.events import emit_retrying
from onetwo_like.core.request import Handler, Middleware, Reply, Request
from onetwo_like.errors import BackendError, MalformedReplyError, TransientError

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
GIVE_UP_AFTER_S = 300.0

_attempt: contextvars.ContextVar[int] = contextvars.ContextVar("onetwo_like_attempt", default=1)


def attempt_under_way() -> int:
    """Which attempt of a call runs here: 1 for one that has not failed."""
    return _attempt.get()


def retrying(
    attempts: int, *, give_up_after_s: float = GIVE_UP_AFTER_S, random: Callable[[], float] = _random.random
) -> Middleware:
    """Up to `attempts` calls in all, as long as the next can begin within `give_up_after_s` of the first failure.

    The wait before attempt k + 1 is drawn evenly between 0 and 0.5 * 2**(k - 1) seconds (at most 30), so
    that calls which failed together do not come back together; where the provider said when to come back
    (`.retry_after_s`), it is at least that long. Each further attempt is announced by a `Retrying` event;
    the error that remains has the number made in `.attempts`. `random` draws from [0, 1).
    """

    def around(handler: Handler) -> Handler:
        async def retried(request: Request) -> Reply:
            now = asyncio.get_running_loop().time
            failed_at: float | None = None  # until then, a call may have waited long in a queue
            attempt = 1
            while True:
                token = _attempt.set(attempt) if attempt > 1 else None
                try:
                    return await handler(request)
                except BackendError as error:
                    if failed_at is None:
                        failed_at = now()
                    error.attempts = attempt
                    if attempt >= attempts or not isinstance(error, TransientError | MalformedReplyError):
                        raise
                    wait_s = random() * min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** (attempt - 1))
                    wait_s = max(wait_s, getattr(error, "retry_after_s", None) or 0.0)
                    if now() - failed_at + wait_s > give_up_after_s:
                        raise
                    attempt += 1
                    emit_retrying(attempt, error, wait_s, of_call=True)
                finally:
                    if token is not None:
                        with contextlib.suppress(ValueError):  # destroyed elsewhere, before it ended
                            _attempt.reset(token)
                await asyncio.sleep(wait_s)

        return retried

    return around
