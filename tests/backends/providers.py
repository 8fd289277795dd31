"""Which backends face the tests that hold for every provider, each with what server, and what goes wrong in its own way?"""

import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from onetwo_like.backends import Anthropic, Gemini, GeminiLegacy, OpenAI
from onetwo_like.backends.remote import Remote
from onetwo_like.errors import (
    AuthenticationError,
    BackendError,
    ContentRefusedError,
    ContextTooLongError,
    InvalidRequestError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitedError,
)
from tests.servers.anthropic_loopback import AnthropicServer
from tests.servers.gemini_loopback import GeminiServer
from tests.servers.http_server import Fault, HttpServer, status
from tests.servers.loopback import LoopbackServer

KEY = "sk-planted-0123456789"


class Provider(NamedTuple):
    """A provider: its backend, a server of its API, and the failures that only it has, whole and within a stream."""

    backend: Callable[..., Remote]
    server: type[HttpServer]
    failures: tuple[tuple[Fault, type[BackendError]], ...]
    stream_failures: tuple[tuple[Fault, type[BackendError]], ...]

    def made(self, server: HttpServer, **settings: Any) -> Remote:
        """A backend that asks this server once, and hides the key `KEY`."""
        made = {"model": "tiny", "base_url": server.base_url, "api_key": KEY, "retries": 0, **settings}
        return self.backend(**made)


INVALID_KEY = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
GOOGLES = (
    (status(400, "API key not valid. Please pass a valid API key."), AuthenticationError),
    (status(400, "no", details=INVALID_KEY), AuthenticationError),
    (
        status(
            400, "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576)."
        ),
        ContextTooLongError,
    ),
    (
        status(400, "User location is not supported for the API use.", status="FAILED_PRECONDITION"),
        PermissionDeniedError,
    ),
)

GOOGLES_STREAMS = (
    (Fault("stream_error", 429, message="slow down"), RateLimitedError),
    (Fault("stream_error", 403), PermissionDeniedError),
)

PROVIDERS = {
    "gemini": Provider(
        Gemini,
        GeminiServer,
        GOOGLES,
        GOOGLES_STREAMS,
    ),
    "anthropic": Provider(
        Anthropic,
        AnthropicServer,
        (
            (status(400, "prompt is too long: 9 tokens > 5 maximum"), ContextTooLongError),
            (status(400, "Output blocked by content filtering policy"), ContentRefusedError),
            (status(402), PermissionDeniedError),
            (status(413), InvalidRequestError),
        ),
        (
            *[
                (Fault("stream_error", error={"type": kind}), expected)
                for kind, expected in {
                    "overloaded_error": OverloadedError,
                    "timeout_error": OverloadedError,
                    "rate_limit_error": RateLimitedError,
                    "invalid_request_error": InvalidRequestError,
                    "authentication_error": AuthenticationError,
                    "permission_error": PermissionDeniedError,
                    "billing_error": PermissionDeniedError,
                    "not_found_error": ModelNotFoundError,
                    "request_too_large": InvalidRequestError,
                }.items()
            ],
            (
                Fault("stream_error", message="Output blocked by content filtering policy"),
                ContentRefusedError,
            ),
        ),
    ),
    "openai": Provider(
        OpenAI,
        LoopbackServer,
        (
            (status(400, "too long", code="context_length_exceeded"), ContextTooLongError),
            (status(400, "This model's maximum context length is 5 tokens."), ContextTooLongError),
            (status(400, "filtered", code="content_filter"), ContentRefusedError),
            (status(404, "no such model", code="model_not_found"), ModelNotFoundError),
            (status(429, "pay first", code="insufficient_quota"), PermissionDeniedError),
        ),
        (
            (Fault("stream_error", message="slow down", error={"code": 429}), RateLimitedError),
            (Fault("stream_error", error={"code": "content_filter"}), ContentRefusedError),
        ),
    ),
}

# Its SDK, which holds protobuf below 6, is not in the dev extra: CI runs these in an environment of their own.
if importlib.util.find_spec("google") and importlib.util.find_spec("google.generativeai"):
    PROVIDERS["gemini-legacy"] = Provider(GeminiLegacy, GeminiServer, GOOGLES, GOOGLES_STREAMS)

each_provider = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
"""For tests that take a `provider`."""
