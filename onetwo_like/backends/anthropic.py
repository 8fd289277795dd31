"""How do Anthropic's models answer the built-ins?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, get_args

from onetwo_like.backends.anthropic_wire import (
    COUNT_TOKENS,
    MESSAGES,
    wire_conversation,
    wire_output,
    wire_tools,
)
from onetwo_like.backends.chat_model import SAMPLING, Asked, ChatModel, Form, merged
from onetwo_like.backends.secrets import Secret
from onetwo_like.backends.stainless import Sdk, ask, close, leave_open, limits
from onetwo_like.core.content import ChunkList, as_messages
from onetwo_like.core.registry import Caching
from onetwo_like.core.request import Reply, Request, SamplePath
from onetwo_like.errors import (
    AuthenticationError,
    ConnectionFailedError,
    ContextTooLongError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    UnsupportedOptionError,
    UsageError,
)

if TYPE_CHECKING:
    import httpx2
    from anthropic import AsyncAnthropic

OWN_ENDPOINT = "https://api.anthropic.com"
MAX_TOKENS = 8192
"""What an answer may have if nobody says: about what comes within a `timeout_s` of a minute."""
_Objects = Literal["schema", "tool"]
_SDK = Sdk(
    package="anthropic",
    error="AnthropicError",
    request_id="request-id",
    advice={
        AuthenticationError: "Check the key: ANTHROPIC_API_KEY, or api_key=.",
        PermissionDeniedError: "Check what the account and its key may do.",
        ModelNotFoundError: "Check the model's name, and that base_url ends before the API's /v1.",
        ContextTooLongError: "Shorten the prompt, or ask for fewer max_tokens.",
        ConnectionFailedError: "Check base_url, and that the server is running.",
    },
    # The other types of errors are what their HTTP status says; in a stream, an overload.
    codes={
        "authentication_error": AuthenticationError,
        "billing_error": PermissionDeniedError,
        "invalid_request_error": InvalidRequestError,
        "not_found_error": ModelNotFoundError,
        "permission_error": PermissionDeniedError,
        "rate_limit_error": RateLimitedError,
        "request_too_large": InvalidRequestError,
    },
)


class Anthropic(ChatModel):
    """A model of Anthropic's, asked through its messages API at `base_url` (else ANTHROPIC_BASE_URL).

    Keyword arguments that are options of the built-ins (temperature, max_tokens, ...) are defaults for them.
    The API requires `max_tokens`, so it is 8,192 by default, as if you had given it: it
    counts tokens of reasoning as well, and an answer that it cuts off has the finish reason "length". `seed` is
    not in the API. `reasoning` as a number of tokens is a budget of thinking, 0 switches it off; "low", "medium" and
    "high" are an effort, where the model adapts its thinking. `objects` is how objects are asked for: by
    their "schema", or by a "tool" that must be called, for models that know no schemas (and for types that a
    schema of the API cannot express, such as a dict with any keys). Serves count_tokens; instruct, select and others
    follow.

    The key is `api_key` or ANTHROPIC_API_KEY, and is needed by the first call that is not replayed: a missing one
    is an AuthenticationError then. `name` stands for the endpoint in the cache's keys: give one to a server
    whose address changes. Failed calls are made again up to `retries` times, each within `timeout_s` (None: no
    bound), at most `max_concurrency` at once. Calls are paced by the limits that the server states or shows;
    `rpm` and `tpm` (requests and tokens a minute) bound them by hand, for all backends of the same account and
    model. An `http_client` of yours, such as one with a proxy, stays yours to close.

    >>> Anthropic("claude-haiku-4-5", temperature=0)
    Anthropic('claude-haiku-4-5')
    >>> Anthropic("claude-haiku-4-5", base_url="http://127.0.0.1:8000", api_key="none").fingerprint
    {'provider': 'anthropic', 'endpoint': 'http://127.0.0.1:8000', 'model': 'claude-haiku-4-5'}
    """

    provider = "anthropic"
    sdk = "anthropic"
    extra = "anthropic"
    key_variable = "ANTHROPIC_API_KEY"
    honours = SAMPLING | {"top_k", "reasoning", "extra", "tools", "tool_choice"}

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        objects: _Objects = "schema",
        name: str | None = None,
        cache: Caching | None = None,
        timeout_s: float | None = 60.0,
        retries: int = 3,
        max_concurrency: int = 100,
        rpm: float | None = None,
        tpm: float | None = None,
        http_client: httpx2.AsyncClient | None = None,
        **defaults: Any,
    ) -> None:
        if objects not in get_args(_Objects):
            raise UsageError(
                f"Anthropic(objects=...) is {' or '.join(map(repr, get_args(_Objects)))}, not {objects!r:.60}"
            )
        self.objects: Form = objects
        self._http_client = http_client
        if defaults.get("max_tokens") is None:
            defaults["max_tokens"] = MAX_TOKENS
        super().__init__(
            model,
            base_url=base_url or os.environ.get("ANTHROPIC_BASE_URL") or OWN_ENDPOINT,
            api_key=api_key,
            name=name,
            cache=cache,
            timeout_s=timeout_s,
            retries=retries,
            max_concurrency=max_concurrency,
            rpm=rpm,
            tpm=tpm,
            close=close if http_client is None else leave_open,
            **defaults,
        )

    async def count_tokens(self, content: str | ChunkList, *, request: Request) -> Reply:
        """How many tokens the content has as a message, by Anthropic's count."""
        body = {"model": self.model, **wire_conversation(as_messages(content))}
        return await self._send(COUNT_TOKENS.asked(body, request.sample_path))

    # The API

    async def _form(self) -> Form:
        return self.objects

    def _request(self, asked: Asked, path: SamplePath, stream: bool) -> Request:
        options = asked.options
        stop = options.get("stop")
        output = wire_output(asked.output)
        thinking, effort = _thinking(options.get("reasoning"))
        if effort:
            output["output_config"] = {**output.get("output_config", {}), **effort}
        fields = {
            "max_tokens": options.get("max_tokens"),
            "temperature": options.get("temperature"),
            "stop_sequences": list(stop) if stop else None,
            "top_k": options.get("top_k"),
            "top_p": options.get("top_p"),
            "thinking": thinking,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        body = {"model": self.model, **wire_conversation(asked.messages), **given}
        body |= {**wire_tools(asked), **output}
        return MESSAGES.asked(merged(body, options.get("extra"), "the backend"), path, stream)

    async def _ask(self, client: AsyncAnthropic, request: Request) -> Reply:
        return await ask(_SDK, client, request, self._learn)

    def _connect(self, key: Secret) -> AsyncAnthropic:
        from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient

        http_client = self._http_client
        if http_client is None:
            # Redirects are not followed: the key would go with them, to wherever they lead.
            http_client = DefaultAsyncHttpxClient(
                limits=limits(self._max_concurrency), timeout=None, follow_redirects=False
            )
        return AsyncAnthropic(
            api_key=key.reveal(),
            base_url=self.endpoint,
            timeout=None,  # ours is for the whole attempt
            max_retries=0,  # ours are in the middleware, where they can be watched
            http_client=http_client,
        )

    @property
    def _is_providers_own(self) -> bool:
        return self.endpoint == OWN_ENDPOINT


def _thinking(reasoning: str | int | None) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """How much to think: the API's `thinking`, and what stands in its `output_config`."""
    if reasoning is None:
        return None, None
    if isinstance(reasoning, int):
        return {"type": "enabled", "budget_tokens": reasoning} if reasoning else {"type": "disabled"}, None
    if reasoning == "minimal":
        raise UnsupportedOptionError(
            "Anthropic takes reasoning as a number of tokens (0 for none), or as 'low', 'medium' or 'high', "
            "and has nothing that is 'minimal'"
        )
    return {"type": "adaptive"}, {"effort": reasoning}
