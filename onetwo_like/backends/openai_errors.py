"""Which of our errors is what the OpenAI SDK raised?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from onetwo_like.backends.failures import error_of_status, excerpt, retry_after_s
from onetwo_like.errors import (
    AuthenticationError,
    BackendError,
    BackendTimeoutError,
    ConnectionFailedError,
    ContentRefusedError,
    ContextTooLongError,
    InvalidRequestError,
    ModelNotFoundError,
    OneTwoError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitedError,
)

if TYPE_CHECKING:
    from openai import OpenAIError

# By code first: the same status stands for things as different as a rate and an empty account.
_OF_CODE: dict[str, type[BackendError]] = {
    "context_length_exceeded": ContextTooLongError,
    "exceed_context_size_error": ContextTooLongError,  # llama.cpp
    "content_filter": ContentRefusedError,
    "content_policy_violation": ContentRefusedError,
    "insufficient_quota": PermissionDeniedError,
    "invalid_api_key": AuthenticationError,
    "model_not_found": ModelNotFoundError,
    "rate_limit_exceeded": RateLimitedError,
}
_CONTEXT = re.compile(r"context[ _](length|window|size)", re.IGNORECASE)
_ADVICE: dict[type[BackendError], str] = {
    AuthenticationError: "Check the key: OPENAI_API_KEY, or api_key=.",
    PermissionDeniedError: "Check what the account and its key may do.",
    ModelNotFoundError: "Check the model's name, and that base_url ends where the API begins, mostly in /v1.",
    ContextTooLongError: "Shorten the prompt, or ask for fewer max_tokens.",
    ConnectionFailedError: "Check base_url, and that the server is running.",
}


def translated(error: OpenAIError) -> BackendError:
    """Our error for the SDK's, to be raised `from` it."""
    import openai

    if isinstance(error, openai.APITimeoutError):
        return _made(BackendTimeoutError, "the connection timed out")
    if isinstance(error, openai.APIConnectionError):
        return _made(ConnectionFailedError, f"the connection failed: {_cause_of(error)}")
    status = getattr(error, "status_code", None)
    code = str(getattr(error, "code", None) or getattr(error, "type", None) or "")
    if status is None and code.isdecimal():  # in the middle of a stream, where the HTTP status was 200
        status = int(code)
    kind = _OF_CODE.get(code) or (error_of_status(status) if status is not None else OverloadedError)
    said = _said(error)
    if kind is InvalidRequestError and _CONTEXT.search(said):
        kind = ContextTooLongError
    made = _made(kind, f"{status}: {said}" if status is not None else said)
    made.request_id = getattr(error, "request_id", None)
    response = getattr(error, "response", None)
    if isinstance(made, RateLimitedError | OverloadedError) and response is not None:
        made.retry_after_s = retry_after_s(response.headers)
    return made


def own_error_in(group: BaseExceptionGroup[Any]) -> OneTwoError | None:
    """The error of ours, such as that of the network guard, which connecting wraps in a group."""
    for error in group.exceptions:
        if isinstance(error, OneTwoError):
            return error
        if isinstance(error, BaseExceptionGroup) and (inner := own_error_in(error)) is not None:
            return inner
    return None


def _made(kind: type[BackendError], said: str) -> BackendError:
    advice = _ADVICE.get(kind)
    return kind(f"{said.rstrip('.')}. {advice}" if advice else said)


def _said(error: OpenAIError) -> str:
    body = getattr(error, "body", None)
    said = body.get("message") if isinstance(body, dict) else body
    return excerpt(said if isinstance(said, str) and said.strip() else str(error))


def _cause_of(error: BaseException) -> str:
    """What went wrong below the SDK's "Connection error.", in the words of the innermost error that has any."""
    said = str(error)
    below = error.__cause__
    while below is not None:
        said = str(below) or said
        below = below.__cause__ or below.__context__
    return excerpt(said)
