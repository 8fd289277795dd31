"""Which of our errors is what Google's API refused, or the connection to it?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from onetwo_like.backends.failures import error_of_status, excerpt, redirection, retry_after_s
from onetwo_like.backends.stainless_errors import cause_of
from onetwo_like.errors import (
    AuthenticationError,
    BackendError,
    BackendTimeoutError,
    ConnectionFailedError,
    ContextTooLongError,
    InvalidRequestError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitedError,
)

# https://cloud.google.com/apis/design/errors; one HTTP status stands for several of these.
_OF_STATUS: dict[str, type[BackendError]] = {
    "INVALID_ARGUMENT": InvalidRequestError,
    "FAILED_PRECONDITION": InvalidRequestError,
    "OUT_OF_RANGE": InvalidRequestError,
    "UNAUTHENTICATED": AuthenticationError,
    "PERMISSION_DENIED": PermissionDeniedError,
    "NOT_FOUND": ModelNotFoundError,
    "RESOURCE_EXHAUSTED": RateLimitedError,
    "ABORTED": OverloadedError,
    "CANCELLED": OverloadedError,
    "DEADLINE_EXCEEDED": OverloadedError,
    "INTERNAL": OverloadedError,
    "UNAVAILABLE": OverloadedError,
    "UNKNOWN": OverloadedError,
}
_ADVICE: dict[type[BackendError], str] = {
    AuthenticationError: "Check the key: GEMINI_API_KEY, or api_key=.",
    PermissionDeniedError: "Check what the account and its key may do, and from where.",
    ModelNotFoundError: "Check the model's name, and that base_url ends before the version, such as /v1beta.",
    ContextTooLongError: "Shorten the prompt, or ask for fewer max_tokens.",
    ConnectionFailedError: "Check base_url, and that the server is running.",
}
_CONTEXT = re.compile(r"exceeds the maximum number of tokens|context (length|window)", re.IGNORECASE)
_KEY = re.compile(r"API[ _]key (not valid|not found|expired)|API_KEY_INVALID|valid API key", re.IGNORECASE)
_NOT_ALLOWED = re.compile(r"location|country|region|billing|free tier", re.IGNORECASE)
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")
_TRANSPORTS = frozenset({"httpx2", "httpx", "aiohttp", "requests", "urllib3"})


def refusal(status: object, body: object, headers: Mapping[str, str]) -> BackendError:
    """Our error for a reply of the API that is an error; `body` is its JSON, or an event's in a stream."""
    told = _error_in(body)
    headers = {name.lower(): value for name, value in headers.items()}
    code = status if isinstance(status, int) else told.get("code")
    number = int(code) if isinstance(code, int) and code >= 400 else None
    said = excerpt(str(told.get("message") or body))
    kind = _OF_STATUS.get(str(told.get("status")))
    if isinstance(code, int) and 300 <= code < 400:
        kind, said = InvalidRequestError, redirection(headers)
    if kind is None:
        kind = OverloadedError if number is None else error_of_status(number)
    kind = _closer(kind, said, told)
    made = failure(kind, f"{number}: {said}" if number else said)
    made.request_id = request_id_in(headers)
    if isinstance(made, RateLimitedError | OverloadedError):
        delay = _retry_delay_s(told)
        made.retry_after_s = retry_after_s(headers) if delay is None else delay
    return made


def _closer(kind: type[BackendError], said: str, told: Mapping[str, Any]) -> type[BackendError]:
    """The class by what the message says, where Google has one status for several things."""
    if kind is InvalidRequestError:
        reasons = [detail.get("reason") for detail in _details(told)]
        if "API_KEY_INVALID" in reasons or _KEY.search(said):
            return AuthenticationError
        if _CONTEXT.search(said):
            return ContextTooLongError
        if told.get("status") == "FAILED_PRECONDITION" and _NOT_ALLOWED.search(said):
            return PermissionDeniedError
    return kind


def _error_in(body: object) -> Mapping[str, Any]:
    """What the API says of the error: it is under "error", in a stream in a list, and proxies leave both out."""
    if isinstance(body, list) and body:
        body = body[0]
    inner = body.get("error", body) if isinstance(body, dict) else None
    return inner if isinstance(inner, dict) else {}


def _details(told: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    details = told.get("details")
    return (each for each in (details if isinstance(details, list) else ()) if isinstance(each, dict))


def _retry_delay_s(told: Mapping[str, Any]) -> float | None:
    """The `retryDelay` of a google.rpc.RetryInfo, such as "7s"."""
    for detail in _details(told):
        if match := _SECONDS.fullmatch(str(detail.get("retryDelay"))):
            return float(match[1])
    return None


def request_id_in(headers: Mapping[str, str]) -> str | None:
    """What a server calls the request, if it says so in its headers; Google's own says it in the reply."""
    return headers.get("x-request-id") or headers.get("x-goog-request-id")


def broken_connection(error: BaseException) -> BackendError | None:
    """Our error for one of an HTTP client's; None for any other."""
    classes = [each for each in type(error).__mro__ if each.__module__.partition(".")[0] in _TRANSPORTS]
    if not classes:
        return None
    if any("Timeout" in each.__name__ for each in classes):
        return BackendTimeoutError("the connection timed out")
    return failure(ConnectionFailedError, f"the connection failed: {cause_of(error)}")


def failure(kind: type[BackendError], said: str) -> BackendError:
    """An error of the kind, with what to do about it."""
    advice = _ADVICE.get(kind)
    return kind(f"{said.rstrip('.')}. {advice}" if advice else said)
