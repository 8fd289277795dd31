"""How do OpenAI, and every server that speaks its API, answer the built-ins?"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from onetwo_like.backends.openai_api import CHAT, COMPLETIONS, EMBEDDINGS, ask
from onetwo_like.backends.openai_schema import response_format
from onetwo_like.backends.openai_wire import Api, Choice, score_of, wire_messages
from onetwo_like.backends.remote import Remote, agreed, all_of, as_one
from onetwo_like.backends.secrets import Secret
from onetwo_like.builtins import objects
from onetwo_like.core.content import ChunkList, Message, as_messages, text_of
from onetwo_like.core.events import streaming
from onetwo_like.core.operation import Operation
from onetwo_like.core.registry import Caching
from onetwo_like.core.request import Reply, Request, SamplePath
from onetwo_like.errors import MalformedReplyError, ParseError

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

OWN_ENDPOINT = "https://api.openai.com/v1"
# What the API takes at once.
_MOST_CHOICES = 128
_MOST_TEXTS = 512


class OpenAI(Remote):
    """A model of OpenAI's, or of any server with the same API at `base_url` (else OPENAI_BASE_URL).

    Serves generate_text, generate_texts, generate_object, chat and embed; instruct, select and others
    follow from these. With a `base_url`, score_text too (OpenAI itself no longer scores texts). The key is
    `api_key` or OPENAI_API_KEY, and is needed by the first call that is not replayed: a missing one is
    an AuthenticationError then. Options: temperature, max_tokens, stop, top_p, seed; further keyword
    arguments are defaults for these. `top_k` is not in the API, and refused.

    `name` stands for the endpoint in the cache's keys: give one to a server whose address changes. Failed
    calls are made again up to `retries` times, each within `timeout_s` (None: no bound), at most
    `max_concurrency` at once. Calls are paced by the limits that the server states or shows; `rpm` and `tpm`
    (requests and tokens a minute) bound them by hand, for all backends of the same account and model. An
    `http_client` of yours, such as one with a proxy, stays yours to close.

    >>> OpenAI("gpt-4o-mini", temperature=0)
    OpenAI('gpt-4o-mini')
    >>> OpenAI("llama", base_url="http://127.0.0.1:8000/v1", api_key="none").fingerprint
    {'provider': 'openai', 'endpoint': 'http://127.0.0.1:8000/v1', 'model': 'llama'}
    """

    provider = "openai"
    sdk = "openai"
    extra = "openai"
    key_variable = "OPENAI_API_KEY"

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        organization: str | None = None,
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
        self._organization = organization
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
            close=_close if http_client is None else _leave_open,
            **defaults,
        )

    # The built-ins

    async def generate_text(
        self,
        prompt: str | ChunkList,
        *,
        request: Request,
        temperature: float | None = None,
        max_tokens: int | None = None,
        stop: tuple[str, ...] | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> Reply:
        """The answer to the prompt as a message of the user's: chat models do not continue texts."""
        return await self.chat(
            as_messages(prompt),
            request=request,
            temperature=temperature,
            max_tokens=max_tokens,
            stop=stop,
            top_p=top_p,
            seed=seed,
        )

    async def chat(
        self,
        messages: tuple[Message, ...],
        *,
        request: Request,
        temperature: float | None = None,
        max_tokens: int | None = None,
        stop: tuple[str, ...] | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> Reply:
        """The model's next message, token by token if somebody watches."""
        body = self._chat_body(messages, request.sample_path, temperature, max_tokens, stop, top_p, seed)
        return _of_first(await self._call(CHAT, body, request.sample_path, stream=streaming()))

    async def generate_texts(
        self,
        prompt: str | ChunkList,
        samples: int,
        *,
        request: Request,
        temperature: float | None = None,
        max_tokens: int | None = None,
        stop: tuple[str, ...] | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> Reply:
        """So many answers; those that a server does not give at once (it ignored `n`) are asked for one by one."""
        body = self._chat_body(
            as_messages(prompt), request.sample_path, temperature, max_tokens, stop, top_p, seed
        )
        sizes = [min(_MOST_CHOICES, samples - start) for start in range(0, samples, _MOST_CHOICES)]
        replies = await self._calls(CHAT, [{**body, "n": size} for size in sizes], request.sample_path)
        choices: list[Choice] = []
        for reply, size in zip(replies, sizes, strict=True):
            choices += reply.value[:size]
        missing = range(len(choices), samples)
        # With the same seed they would be the first choice again.
        alone = [
            {**body, "seed": _seed(body["seed"], (index,))} if "seed" in body else body for index in missing
        ]
        more = await self._calls(CHAT, alone, request.sample_path)
        choices += [reply.value[0] for reply in more]
        one = as_one([choice.text for choice in choices], [*replies, *more])
        return one._replace(finish_reason=agreed([choice.finish_reason for choice in choices]))

    async def generate_object(
        self,
        prompt: str | ChunkList,
        cls: Any,
        *,
        request: Request,
        max_repairs: int = 1,
        temperature: float | None = None,
        max_tokens: int | None = None,
        stop: tuple[str, ...] | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> Reply:
        """A value of the type, written under its JSON schema, and checked: a server may have ignored that."""
        schema = response_format(objects.wrapped_schema(cls), objects.type_name(cls))
        messages = as_messages(prompt)
        replies: list[Reply] = []
        while True:
            body = self._chat_body(messages, request.sample_path, temperature, max_tokens, stop, top_p, seed)
            body["response_format"] = schema
            replies.append(_of_first(await self._call(CHAT, body, request.sample_path)))
            text = replies[-1].value
            try:
                value = objects.parse(text, cls)
            except ParseError as error:
                if len(replies) > max_repairs:
                    raise
                repair = Message("user", objects.repair_message(error))
                messages = (*messages, Message("model", text), repair)
            else:
                return as_one(value, replies)._replace(finish_reason=replies[-1].finish_reason)

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
        replies = await self._calls(COMPLETIONS, bodies, request.sample_path)
        scores = [
            score_of(reply.value[0], text, target) for reply, target in zip(replies, targets, strict=True)
        ]
        return as_one(scores, replies)

    async def embed(self, texts: tuple[str, ...], *, request: Request) -> Reply:
        """One vector per text, in order; many texts take several calls, none take none."""
        batches = [texts[start : start + _MOST_TEXTS] for start in range(0, len(texts), _MOST_TEXTS)]
        bodies = [
            {"model": self.model, "input": list(batch), "encoding_format": "float"} for batch in batches
        ]
        replies = await self._calls(EMBEDDINGS, bodies, request.sample_path)
        for batch, reply in zip(batches, replies, strict=True):
            if len(reply.value) != len(batch):
                problem = f"{len(batch)} texts were sent, and {len(reply.value)} embeddings came back"
                raise MalformedReplyError(problem, request_id=reply.request_id)
        return as_one([vector for reply in replies for vector in reply.value], replies)

    def _served(self) -> dict[str, Operation[..., Any]]:
        served = super()._served()
        if self._is_providers_own:
            del served["score_text"]
        return served

    # The API

    def _chat_body(
        self,
        messages: Sequence[Message],
        path: SamplePath,
        temperature: float | None,
        max_tokens: int | None,
        stop: tuple[str, ...] | None,
        top_p: float | None,
        seed: int | None,
    ) -> dict[str, Any]:
        # OpenAI's newer models refuse the old name, and most compatible servers ignore the new one.
        max_tokens_name = "max_completion_tokens" if self._is_providers_own else "max_tokens"
        options = {
            "temperature": temperature,
            max_tokens_name: max_tokens,
            "stop": list(stop) if stop else None,
            "top_p": top_p,
            "seed": None if seed is None else _seed(seed, path),
        }
        given = {name: value for name, value in options.items() if value is not None}
        return {"model": self.model, "messages": wire_messages(messages), **given}

    async def _call(
        self, api: Api, body: dict[str, Any], sample_path: SamplePath, stream: bool = False
    ) -> Reply:
        return await self._send(Request(api, (body, stream), sample_path))

    async def _calls(
        self, api: Api, bodies: Sequence[dict[str, Any]], sample_path: SamplePath
    ) -> list[Reply]:
        if len(bodies) == 1:
            return [await self._call(api, bodies[0], sample_path)]
        return await all_of([self._call(api, body, sample_path) for body in bodies])

    async def _ask(self, client: AsyncOpenAI, request: Request) -> Reply:
        return await ask(client, request, self._learn)

    def _connect(self, key: Secret) -> AsyncOpenAI:
        from openai import AsyncOpenAI, DefaultAsyncHttpx2Client

        http_client = self._http_client
        if http_client is None:
            import httpx2  # comes with openai, so what is missing without the extra is openai

            most = self._max_concurrency
            limits = httpx2.Limits(max_connections=most, max_keepalive_connections=most)
            http_client = DefaultAsyncHttpx2Client(limits=limits, timeout=None)
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


async def _close(client: AsyncOpenAI) -> None:
    await client.close()


async def _leave_open(client: AsyncOpenAI) -> None:
    """For a client whose connections are the user's."""


def _of_first(reply: Reply) -> Reply:
    """The reply with its first choice as the value."""
    choice: Choice = reply.value[0]
    return reply._replace(value=choice.text, finish_reason=choice.finish_reason, chunks=choice.pieces)


def _seed(seed: int, path: Sequence[int | str]) -> int:
    """A seed of its own for each sample: with the same one, five samples would be one answer, paid five times."""
    if not path:
        return seed
    digest = hashlib.sha256(json.dumps([seed, *path]).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1  # servers take 31 bits
