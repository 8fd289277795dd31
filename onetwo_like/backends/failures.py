"""Which of our errors is an HTTP status, and when may one come back?"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping

from onetwo_like.errors import (
    AuthenticationError,
    BackendError,
    BackendTimeoutError,
    InvalidRequestError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitedError,
)

_OF_STATUS: dict[int, type[BackendError]] = {
    401: AuthenticationError,
    402: PermissionDeniedError,  # no credit
    403: PermissionDeniedError,
    404: ModelNotFoundError,
    408: BackendTimeoutError,
    429: RateLimitedError,
}
_SHOWN = 300  # characters; some servers answer with a whole web page


def error_of_status(status: int) -> type[BackendError]:
    """The class for an HTTP status of 400 or more.

    >>> error_of_status(503).__name__, error_of_status(422).__name__
    ('OverloadedError', 'InvalidRequestError')
    """
    return OverloadedError if status >= 500 else _OF_STATUS.get(status, InvalidRequestError)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """For how many seconds the provider asks to be left alone; None if it does not say.

    >>> retry_after_s({"retry-after": "7"})
    7.0
    """
    try:
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            return max(0.0, float(milliseconds) / 1000)
    except ValueError:
        pass
    given = headers.get("retry-after")
    if given is None:
        return None
    try:
        return max(0.0, float(given))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(given).timestamp() - time.time())
    except ValueError:
        return None


def redirection(headers: Mapping[str, str]) -> str:
    """What a reply with a status of 3xx says. Nobody follows it: the key would go with the request."""
    return f"the server redirects to {excerpt(headers.get('location', 'nowhere'))}. Give its own address as base_url"


def excerpt(text: str) -> str:
    """The beginning of what a provider said, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 4]} ..."
