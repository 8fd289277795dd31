"""What can a server do that speaks OpenAI's API, and how does one find out?

Servers accept more than they honour, so each ability is tried out, in a short call whose answer shows it, when
it is first needed. What was found holds for the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, TypeVar, get_args

from onetwo_like.backends.chat_model import FORMS, Asked, Choice, Form, Output
from onetwo_like.backends.failures import excerpt
from onetwo_like.backends.openai import SDK, OpenAI
from onetwo_like.backends.openai_texts import SCORES, score_of
from onetwo_like.backends.stainless import Api
from onetwo_like.builtins import objects
from onetwo_like.builtins.derived import by_score, one_of, ranked, ranking
from onetwo_like.core.content import ChunkList, as_messages, text_of
from onetwo_like.core.executable import Executable
from onetwo_like.core.function import make_executable
from onetwo_like.core.operation import Operation, operations
from onetwo_like.core.request import Reply, Request
from onetwo_like.errors import (
    AuthenticationError,
    InvalidRequestError,
    MalformedReplyError,
    ModelNotFoundError,
    NotBoundError,
    OverloadedError,
    ParseError,
    UsageError,
)
from onetwo_like.middleware.per_loop import PerLoop

T = TypeVar("T")
Tokenizer = Literal["vllm", "llama.cpp", "llama-cpp-python", "none"]


@dataclass(frozen=True)
class Capabilities:
    """What a server can do beyond chat; None is found out when it is needed.

    `objects` is how it is asked for an object: by JSON "schema", by a "tool" that must be called, by "json" mode,
    or in "words". `scores` says whether legacy completions echo log-probabilities; `tokens`, whose way of
    showing tokens it has, "none" if it has none.
    """

    objects: Form | None = None
    scores: bool | None = None
    tokens: Tokenizer | None = None

    def __post_init__(self) -> None:
        for name, known in (("objects", FORMS), ("scores", (True, False)), ("tokens", get_args(Tokenizer))):
            if (value := getattr(self, name)) is not None and value not in known:
                raise UsageError(
                    f"Capabilities({name}=...) is {', '.join(map(repr, known))} or None, not {value!r:.60}"
                )


KNOWN: dict[str, Capabilities] = {
    "vllm": Capabilities("schema", True, "vllm"),
    "llama.cpp": Capabilities("schema", False, "llama.cpp"),
    "llama-cpp-python": Capabilities(None, None, "llama-cpp-python"),
    "ollama": Capabilities("schema", False, "none"),
    "lmstudio": Capabilities("schema", False, "none"),
    "openrouter": Capabilities(None, False, "none"),
}
"""Servers by name. Where the server leaves it to the model (or its settings), it is found out."""

_found: dict[tuple[str, ...], Capabilities] = {}
_asking: dict[tuple[str, ...], PerLoop[asyncio.Lock]] = {}


class Compatible(OpenAI):
    """What `OpenAI.compatible` makes."""

    _sdk = SDK._replace(advice={**SDK.advice, AuthenticationError: "Check api_key=, the key of this server."})

    def __init__(
        self, base_url: str, model: str, *, capabilities: Capabilities | str | None, **settings: Any
    ) -> None:
        if isinstance(capabilities, str):
            if capabilities not in KNOWN:
                raise UsageError(
                    f"OpenAI.compatible knows {', '.join(map(repr, KNOWN))}, and not {capabilities!r:.60}; give "
                    "Capabilities(...) instead, or nothing, and it is found out"
                )
            capabilities = KNOWN[capabilities]
        if not isinstance(capabilities, Capabilities | None):
            raise UsageError(
                f"capabilities is a Capabilities or a server's name, not {type(capabilities).__name__}"
            )
        super().__init__(model, base_url=base_url, **settings)
        self._given = capabilities or Capabilities()
        self._server = (self.endpoint, self.model, self.api)
        self._asking = _asking.setdefault(self._server, PerLoop(asyncio.Lock))

    def capabilities(self) -> Executable[Capabilities]:
        """What the server can do, all of it found out."""
        return _capabilities(self)

    # The built-ins

    async def score_text(
        self, prompt: str | ChunkList, targets: tuple[str, ...], *, request: Request
    ) -> Reply:
        """One summed log-probability per target; a NotBoundError if the server does not score texts."""
        if not await self._scores():
            raise self._lacks("score_text", "its completions do not echo log-probabilities")
        return await super().score_text(prompt, targets, request=request)

    async def select(self, prompt: str | ChunkList, options: tuple[str, ...], *, request: Request) -> Reply:
        """The option with the highest score, or where the server does not score the one that it names."""
        if await self._scores():
            reply = await self.score_text(prompt, options, request=request)
            return reply._replace(value=by_score(reply.value, options)[0])
        return await self.generate_object(prompt, one_of(options), request=request)

    async def rank(self, prompt: str | ChunkList, options: tuple[str, ...], *, request: Request) -> Reply:
        """The options by falling score, or where the server does not score in the order that it gives."""
        if await self._scores():
            reply = await self.score_text(prompt, options, request=request)
            return reply._replace(value=by_score(reply.value, options))
        reply = await self.generate_object(*ranking(prompt, options), request=request)
        return reply._replace(value=ranked(reply.value, options))

    async def tokenize(self, text: str, *, request: Request) -> Reply:
        """The server's tokens of a text; a NotBoundError if it does not show them."""
        way = await self._way("tokenize")
        return await self._send(
            self._api(way.tokenize).asked(way.text_body(self.model, text), request.sample_path)
        )

    async def detokenize(self, tokens: tuple[int, ...], *, request: Request) -> Reply:
        """The text of tokens; a NotBoundError if the server does not show them."""
        way = await self._way("detokenize")
        body = {"model": self.model, "tokens": list(tokens)}
        return await self._send(self._api(way.detokenize).asked(body, request.sample_path))

    async def count_tokens(self, content: str | ChunkList, *, request: Request) -> Reply:
        """How many tokens the text has, without those that a chat template adds."""
        reply = await self.tokenize(text_of(content), request=request)
        return reply._replace(value=len(reply.value))

    def _served(self) -> dict[str, Operation[..., Any]]:
        served = {**super()._served(), "count_tokens": operations()["count_tokens"]}
        if self.api == "completions":
            del served["select"], served["rank"]
        return served

    # Finding out

    async def _form(self) -> Form:
        return await self._known("objects", self._try_objects)

    async def _scores(self) -> bool:
        return await self._known("scores", self._try_scores)

    async def _tokens(self) -> Tokenizer:
        return await self._known("tokens", self._try_tokens)

    async def _known(self, name: str, find_out: Callable[[], Awaitable[T]]) -> T:
        """What was given, or found out before, or is found out now: once, however many ask at the same time."""
        given: T | None = getattr(self._given, name)
        if given is not None:
            return given
        server = self._server
        async with self._asking.here():
            found: T | None = getattr(_found.get(server, Capabilities()), name)
            if found is None:
                found = await find_out()
                changed: dict[str, Any] = {name: found}
                _found[server] = replace(_found.get(server, Capabilities()), **changed)
        return found

    async def _try_objects(self) -> Form:
        """The first way that makes the model answer with nothing but the object."""
        for form in FORMS[:-1]:
            output = Output(bool, form)
            messages = output.told(as_messages("Is water wet?"))
            asked = Asked(messages, {"max_tokens": 60, "temperature": 0.0}, output=output)
            reply = await self._tried(self._request(asked, (), False))
            if reply is not None and _is_object(reply.value[0], form):
                return form
        return "words"

    async def _try_scores(self) -> bool:
        body = {"model": self.model, "prompt": "One, two, three", "echo": True, "logprobs": 1}
        reply = await self._tried(SCORES.asked({**body, "max_tokens": 1, "temperature": 0}, ()))
        try:
            return reply is not None and score_of(reply.value[0], "One, two,", " three") <= 0
        except MalformedReplyError:
            return False

    async def _try_tokens(self) -> Tokenizer:
        for name, way in _WAYS.items():
            body = way.text_body(self.model, "One")
            if await self._tried(self._api(way.tokenize).asked(body, ())) is not None:
                return name
        return "none"

    async def _tried(self, request: Request) -> Reply | None:
        """What the server answers; None if it does not know what it was asked."""
        try:
            return await self._send(request)
        except (InvalidRequestError, ModelNotFoundError, MalformedReplyError):
            return None
        except OverloadedError:
            # Some fail so at what they do not know; one that cannot even chat now has failed indeed.
            await self._send(self._request(Asked(as_messages("Hi"), {"max_tokens": 1}), (), False))
            return None

    async def _way(self, operation: str) -> _Way:
        name = await self._tokens()
        if name == "none":
            raise self._lacks(operation, "no path for tokens answers there")
        return _WAYS[name]

    def _api(self, api: Api) -> Api:
        """Beside the API's version: such paths are the server's own."""
        return api._replace(path=f"{self.endpoint.removesuffix('/v1')}{api.path}")

    def _lacks(self, operation: str, why: str) -> NotBoundError:
        return NotBoundError(
            f"the server at {self.endpoint} does not serve {operation}: {why}. Bind another backend for it, or if "
            "this is wrong give OpenAI.compatible(capabilities=...)."
        )

    def __repr__(self) -> str:
        return f"OpenAI.compatible({self.endpoint!r}, {self.model!r})"


@make_executable(name="capabilities")
async def _capabilities(backend: Compatible) -> Capabilities:
    return Capabilities(await backend._form(), await backend._scores(), await backend._tokens())


# Ways to show tokens


class _Way(NamedTuple):
    """The paths of a server for tokens, and what a body calls the text."""

    text: str
    tokenize: Api
    detokenize: Api

    def text_body(self, model: str, text: str) -> dict[str, Any]:
        """What is sent to have a text tokenized."""
        return {"model": model, self.text: text}


def _read_tokens(reply: dict[str, Any]) -> list[int]:
    tokens: Any = reply.get("tokens")
    if not isinstance(tokens, list) or not all(isinstance(token, int) for token in tokens):
        raise MalformedReplyError(f"the reply has no tokens: {excerpt(str(reply))}")
    return tokens


def _read_text(field: str) -> Callable[[dict[str, Any]], str]:
    def read(reply: dict[str, Any]) -> str:
        text = reply.get(field)
        if not isinstance(text, str):
            raise MalformedReplyError(f"the reply has no {field}: {excerpt(str(reply))}")
        return text

    return read


def _way(text: str, prefix: str, answer: str) -> _Way:
    return _Way(
        text,
        Api("tokenize", f"{prefix}/tokenize", _read_tokens, lambda reply: None),
        Api("detokenize", f"{prefix}/detokenize", _read_text(answer), lambda reply: None),
    )


_WAYS: dict[Tokenizer, _Way] = {
    "vllm": _way("prompt", "", "prompt"),
    "llama.cpp": _way("content", "", "content"),
    "llama-cpp-python": _way("input", "/extras", "text"),
}


def _is_object(choice: Choice, form: Form) -> bool:
    """Whether the model kept to the form of a yes or no, without a word beside it."""
    if form == "tool":
        return [set(call.arguments) for call in choice.content.tool_calls] == [{"value"}]
    try:
        text = choice.text.strip()
        return text.startswith("{") and objects.parse(text, bool) in (True, False)
    except (MalformedReplyError, ParseError):
        return False
