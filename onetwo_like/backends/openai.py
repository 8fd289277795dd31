"""How do OpenAI, and every server that speaks its API, answer the built-ins?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, get_args

from onetwo_like.backends.chat_model import SAMPLING, Asked, ChatModel, Choice, merged, seed_of
from onetwo_like.backends.openai_chat import CHAT, wire_messages, wire_output, wire_tools
from onetwo_like.backends.openai_responses import (
    INPUT_TOKENS,
    RESPONSES,
    wire_input,
    wire_response_tools,
    wire_text,
)
from onetwo_like.backends.openai_texts import EMBEDDINGS, SCORES, TEXTS, score_of
from onetwo_like.backends.remote import as_one
from onetwo_like.backends.secrets import Secret
from onetwo_like.backends.stainless import Api, Sdk, ask, close, leave_open, limits
from onetwo_like.core.content import ChunkList, as_messages, text_of
from onetwo_like.core.events import streaming
from onetwo_like.core.operation import Operation
from onetwo_like.core.registry import Caching
from onetwo_like.core.request import Reply, Request, SamplePath
from onetwo_like.errors import (
    AuthenticationError,
    ConnectionFailedError,
    ContentRefusedError,
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
    from openai import AsyncOpenAI

    from onetwo_like.backends.openai_compatible import Capabilities, Compatible

OWN_ENDPOINT = "https://api.openai.com/v1"
_MOST_TEXTS = 512  # that the API embeds at once
SDK = Sdk(
    package="openai",
    error="OpenAIError",
    request_id="x-request-id",
    advice={
        AuthenticationError: "Check the key: OPENAI_API_KEY, or api_key=.",
        PermissionDeniedError: "Check what the account and its key may do.",
        ModelNotFoundError: "Check the model's name, and that base_url ends where the API begins, mostly in /v1.",
        ContextTooLongError: "Shorten the prompt, or ask for fewer max_tokens.",
        ConnectionFailedError: "Check base_url, and that the server is running.",
    },
    codes={
        "context_length_exceeded": ContextTooLongError,
        "exceed_context_size_error": ContextTooLongError,  # llama.cpp
        "content_filter": ContentRefusedError,
        "content_policy_violation": ContentRefusedError,
        "insufficient_quota": PermissionDeniedError,
        "invalid_api_key": AuthenticationError,
        "model_not_found": ModelNotFoundError,
        "rate_limit_exceeded": RateLimitedError,
    },
)
_ApiName = Literal["chat", "responses", "completions"]
_TOOLS = frozenset({"tools", "tool_choice"})
_HONOURS: dict[str, frozenset[str]] = {
    "chat": SAMPLING | _TOOLS | {"seed", "reasoning", "extra"},
    "responses": SAMPLING - {"stop"} | _TOOLS | {"reasoning", "extra"},
    "completions": SAMPLING | {"seed", "extra"},
}


class OpenAI(ChatModel):
    """A model of OpenAI's, or of any server with the same API at `base_url` (else OPENAI_BASE_URL).

    `api` is what is asked: "chat" completions, the "responses" API, or "completions", which continue texts
    as base models do (conversations are then written as text). Also serves embed, and with a `base_url`
    score_text (OpenAI itself no longer scores texts); instruct, select and others follow from these. See
    `OpenAI.compatible` for servers whose abilities are to be found out. Keyword arguments that are options
    of the built-ins (temperature, max_tokens, ...) are defaults for them; `top_k` is not in the API.

    The key is `api_key` or OPENAI_API_KEY, and is needed by the first call that is not replayed: a missing one
    is an AuthenticationError then. `name` stands for the endpoint in the cache's keys: give one to a server
    whose address changes. Failed calls are made again up to `retries` times, each within `timeout_s` (None: no
    limit), at most `max_concurrency` at once. Calls are paced by the limits that the server states or shows;
    `rpm` and `tpm` (requests and tokens a minute) limit them by hand, for all backends of the same account and
    model. `organization` is the one that OpenAI bills. An `http_client` of yours, such as one with a proxy, serves
    one event loop (that of `ot.run`, or that of your `await`), and is not closed by the backend.

    >>> OpenAI("gpt-4o-mini", temperature=0)
    OpenAI('gpt-4o-mini')
    >>> OpenAI("llama", base_url="http://127.0.0.1:8000/v1", api_key="none").fingerprint
    {'provider': 'openai', 'endpoint': 'http://127.0.0.1:8000/v1', 'model': 'llama'}
    """

    provider = "openai"
    sdk = "openai"
    extra = "openai"
    key_variable = "OPENAI_API_KEY"
    _sdk = SDK

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        organization: str | None = None,
        api: _ApiName = "chat",
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
        if api not in get_args(_ApiName):
            raise UsageError(f"OpenAI has the APIs {', '.join(get_args(_ApiName))}, and not {api!r:.60}")
        self.api = api
        self.honours = _HONOURS[api]
        self.most_choices = 1 if api == "responses" else 128
        self._organization = organization
        self._streaming: dict[str, Any] | None = None  # what asks for a stream, if not what the API says
        self._http_client = http_client
        super().__init__(
            model,
            base_url=base_url or os.environ.get("OPENAI_BASE_URL") or OWN_ENDPOINT,
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

    @classmethod
    def compatible(
        cls,
        base_url: str,
        model: str,
        *,
        capabilities: Capabilities | str | None = None,
        api_key: str = "none",
        **settings: Any,
    ) -> Compatible:
        """A model behind a server that speaks OpenAI's API: vLLM, llama.cpp, Ollama, LM Studio, OpenRouter, ...

        What the server can do beyond chat (objects by schema, scores, tokens) is found out by one to three short
        calls when it is first needed, once per process, or taken from `capabilities`: a
        `onetwo_like.backends.openai_compatible.Capabilities`, or the name of a server that is known. Further
        settings are those of `OpenAI`. OPENAI_API_KEY is not sent to it. `.capabilities()` has all of it found out.

        >>> OpenAI.compatible("http://127.0.0.1:11434/v1", "llama3.2", capabilities="ollama")
        OpenAI.compatible('http://127.0.0.1:11434/v1', 'llama3.2')
        """
        from onetwo_like.backends.openai_compatible import Compatible

        return Compatible(base_url, model, capabilities=capabilities, api_key=api_key, **settings)

    @property
    def fingerprint(self) -> Any:
        """The provider, the model, and the endpoint or its name; the API too, unless it is chat completions."""
        fingerprint = super().fingerprint
        return fingerprint if self.api == "chat" else {**fingerprint, "api": self.api}

    # The built-ins beyond those of every chat model

    async def generate_text(self, prompt: str | ChunkList, *, request: Request, **options: Any) -> Reply:
        """The answer to the prompt as a message of the user's, or with api="completions" what continues it."""
        if self.api != "completions":
            return await super().generate_text(prompt, request=request, **options)
        asked = Asked(as_messages(prompt), options)
        reply = await self._send(self._request(asked, request.sample_path, streaming()))
        choice: Choice = reply.value[0]
        return reply._replace(value=choice.text, finish_reason=choice.finish_reason, chunks=choice.pieces)

    async def score_text(
        self, prompt: str | ChunkList, targets: tuple[str, ...], *, request: Request
    ) -> Reply:
        """One summed log-probability per target, by having prompt and target echoed (legacy completions).

        A token that begins in the prompt and ends in the target counts.
        """
        text = text_of(prompt)
        bodies = [
            {
                "model": self.model,
                "prompt": text + target,
                "echo": True,
                "logprobs": 1,
                "max_tokens": 1,
                "temperature": 0,
            }
            for target in targets
        ]
        replies = await self._all([SCORES.asked(body, request.sample_path) for body in bodies])
        scores = [
            score_of(reply.value[0], text, target) for reply, target in zip(replies, targets, strict=True)
        ]
        return as_one(scores, replies)

    async def embed(
        self, texts: tuple[str, ...], *, request: Request, extra: dict[str, Any] | None = None
    ) -> Reply:
        """One vector per text, in order; many texts take several calls, none take none."""

        def asked(batch: list[str]) -> Request:
            body = {"model": self.model, "input": batch, "encoding_format": "float"}
            return EMBEDDINGS.asked(merged(body, extra, "embed"), request.sample_path)

        return await self._embedded(texts, _MOST_TEXTS, asked)

    async def count_tokens(self, content: str | ChunkList, *, request: Request) -> Reply:
        """How many tokens the content has as a message, by OpenAI's count."""
        body = {"model": self.model, "input": wire_input(as_messages(content))}
        return await self._send(INPUT_TOKENS.asked(body, request.sample_path))

    def _served(self) -> dict[str, Operation[..., Any]]:
        served = super()._served()
        # Neither has the other's: OpenAI no longer scores texts, and its count of tokens is its own.
        left_out = {"score_text"} if self._is_providers_own else {"count_tokens"}
        if self.api == "completions":
            left_out |= {"chat", "generate_content", "generate_object"}
        return {name: operation for name, operation in served.items() if name not in left_out}

    # The API

    def _request(self, asked: Asked, path: SamplePath, stream: bool) -> Request:
        if self.api == "responses":
            return RESPONSES.asked(self._response_body(asked), path, stream)
        api, body = CHAT if self.api == "chat" else TEXTS, self._body(asked, path)
        # OpenAI streams sound as PCM alone: who watches would be refused what others are given.
        makes_sound = self._is_providers_own and "audio" in body
        return api.asked(body, path, stream and not makes_sound)

    def _body(self, asked: Asked, path: SamplePath) -> dict[str, Any]:
        options = asked.options
        stop, seed = options.get("stop"), options.get("seed")
        fields = {
            "temperature": options.get("temperature"),
            self._max_tokens: options.get("max_tokens"),
            "stop": list(stop) if stop else None,
            "top_p": options.get("top_p"),
            "seed": None if seed is None else seed_of(seed, path),
            "reasoning_effort": _effort(options.get("reasoning")),
            "n": asked.n if asked.n > 1 else None,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        if self.api == "completions":
            [message] = asked.messages
            body = {"model": self.model, "prompt": message.text, **given}
        else:
            body = {"model": self.model, "messages": wire_messages(asked.messages), **given}
            body |= {**wire_tools(asked), **wire_output(asked.output)}
        return merged(body, options.get("extra"), "the backend")

    def _response_body(self, asked: Asked) -> dict[str, Any]:
        options = asked.options
        effort = _effort(options.get("reasoning"))
        fields = {
            "temperature": options.get("temperature"),
            "max_output_tokens": options.get("max_tokens"),
            "top_p": options.get("top_p"),
            "reasoning": None if effort is None else {"effort": effort},
            # Nothing is kept at the provider, so what it wants back of its reasoning comes with the reply.
            "include": ["reasoning.encrypted_content"] if asked.tools else None,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        # "stream" is false by default, but transformers' server streams unless it is told not to.
        body = {
            "model": self.model,
            "input": wire_input(asked.messages),
            "store": False,
            "stream": False,
            **given,
        }
        body |= {**wire_response_tools(asked), **wire_text(asked.output)}
        return merged(body, options.get("extra"), "the backend")

    @property
    def _max_tokens(self) -> str:
        # OpenAI's newer models refuse the old name, and most compatible servers ignore the new one.
        own = self._is_providers_own and self.api == "chat"
        return "max_completion_tokens" if own else "max_tokens"

    async def _ask(self, client: AsyncOpenAI, request: Request) -> Reply:
        streaming = self._streaming
        if streaming is not None and isinstance(request.op, Api):
            request = request._replace(op=request.op._replace(streaming=streaming))
        try:
            return await ask(self._sdk, client, request, self._learn)
        except InvalidRequestError as error:
            if streaming is not None or "stream_options" not in str(error):
                raise
        self._streaming = {"stream": True}  # such as Mistral, which counts the tokens of a stream anyway
        return await self._ask(client, request)

    def _connect(self, key: Secret) -> AsyncOpenAI:
        from openai import AsyncOpenAI, DefaultAsyncHttpx2Client

        http_client = self._http_client
        if http_client is None:
            http_client = DefaultAsyncHttpx2Client(limits=limits(self._max_concurrency), timeout=None)
        return AsyncOpenAI(
            api_key=key.reveal(),
            organization=self._organization,
            base_url=self.endpoint,
            timeout=None,  # ours is for the whole attempt
            max_retries=0,  # ours are in the middleware, where they can be watched
            http_client=http_client,
        )

    @property
    def _is_providers_own(self) -> bool:
        return self.endpoint == OWN_ENDPOINT

    def __repr__(self) -> str:
        shown = super().__repr__()
        return shown if self.api == "chat" else f"{shown[:-1]}, api={self.api!r})"


def _effort(reasoning: str | int | None) -> str | None:
    """How much to think, in OpenAI's words."""
    if reasoning == 0:
        return "none"
    if isinstance(reasoning, int):
        raise UnsupportedOptionError(
            f"OpenAI takes reasoning in words ('minimal', 'low', 'medium', 'high', or 0 for none), not {reasoning} tokens"
        )
    return reasoning
