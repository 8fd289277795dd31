"""Which of our errors is what an SDK of OpenAI's or Anthropic's make raised?"""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any

from onetwo_like.backends.failures import error_of_status, excerpt, redirection, retry_after_s
from onetwo_like.errors import (
    BackendError,
    BackendTimeoutError,
    ConnectionFailedError,
    ContentRefusedError,
    ContextTooLongError,
    InvalidRequestError,
    OneTwoError,
    OverloadedError,
    RateLimitedError,
)

if TYPE_CHECKING:
    from onetwo_like.backends.stainless import Sdk

_CONTEXT = re.compile(r"context[ _](length|window|size)|prompt is too long", re.IGNORECASE)

_FILTERED = re.compile(r"blocked by content filtering", re.IGNORECASE)


def translated(error: Any, sdk: Sdk) -> BackendError:
    """Our error for the SDK's, to be raised `from` it. Codes come first: one status stands for many things."""
    package = importlib.import_module(sdk.package)
    if isinstance(error, package.APITimeoutError):
        return _made(BackendTimeoutError, "the connection timed out", sdk)
    if isinstance(error, package.APIConnectionError):
        return _made(ConnectionFailedError, f"the connection failed: {cause_of(error)}", sdk)
    status = getattr(error, "status_code", None)
    body = _body_of(error)
    code = str(getattr(error, "code", None) or body.get("code") or body.get("type") or "")
    if (status is None or status < 300) and code.isdecimal():
        status = int(code)  # in the middle of a stream, where the HTTP status was 200
    kind = sdk.codes.get(code)
    if kind is None:
        kind = OverloadedError if status is None or status < 300 else error_of_status(status)
    response = getattr(error, "response", None)
    said = redirection(response.headers) if response is not None and response.is_redirect else _said(error)
    if kind is InvalidRequestError and _CONTEXT.search(said):
        kind = ContextTooLongError
    if _FILTERED.search(said):  # Anthropic's filter, whatever the type of the error
        kind = ContentRefusedError
    made = _made(kind, f"{status}: {said}" if status is not None and status >= 300 else said, sdk)
    made.request_id = getattr(error, "request_id", None)
    if isinstance(made, RateLimitedError | OverloadedError) and response is not None:
        made.retry_after_s = retry_after_s(response.headers)
    return made


def own_error_in(error: BaseException | None) -> OneTwoError | None:
    """The error of ours, such as that of the network guard, which connecting or the SDK wrapped in others."""
    if error is None or isinstance(error, OneTwoError):
        return error
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else [error.__cause__]
    return next(filter(None, map(own_error_in, inner)), None)


def _made(kind: type[BackendError], said: str, sdk: Sdk) -> BackendError:
    advice = sdk.advice.get(kind)
    return kind(f"{said.rstrip('.')}. {advice}" if advice else said)


def _body_of(error: Any) -> dict[str, Any]:
    """What the provider said of the error; OpenAI's SDK takes it out of its "error", Anthropic's does not."""
    body = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, dict) else None
    return inner if isinstance(inner, dict) else {}


def _said(error: Any) -> str:
    body = getattr(error, "body", None)
    said = _body_of(error).get("message") or body
    return excerpt(str(said if said and str(said).strip() else error))


def cause_of(error: BaseException) -> str:
    """What went wrong below an SDK's "Connection error.", in the words of the innermost error that has any."""
    said = str(error)
    below = error.__cause__
    while below is not None:
        said = str(below) or said
        below = below.__cause__ or below.__context__
    return excerpt(said)
