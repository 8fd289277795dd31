"""What do all chat models behind a network have in common?

    a built-in            generate_text, chat, generate_texts, generate_content, generate_object
    └── Asked             the conversation, the options, and what form the answer is to have
        └── _request      what the provider's API takes             (each backend's own)
            └── Choices   what came back, read and checked          (each backend's own)

A backend of this kind says which options it honours and translates; what follows from an answer (so many
samples, an object that is checked and repaired, text or content) is here.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Never, TypeAlias

from onetwo_like.backends.remote import Remote, agreed, all_of, as_one
from onetwo_like.builtins import objects
from onetwo_like.builtins.derived import MAX_REPAIRS, with_request
from onetwo_like.core.content import Chunk, ChunkList, Message, Reasoning, as_messages
from onetwo_like.core.events import streaming
from onetwo_like.core.frozen import thawed
from onetwo_like.core.operation import Operation
from onetwo_like.core.request import Reply, Request, SamplePath
from onetwo_like.errors import (
    ContentRefusedError,
    InvalidRequestError,
    MalformedReplyError,
    ParseError,
    UsageError,
)

if TYPE_CHECKING:
    from onetwo_like.builtins.tools import Tool

Form: TypeAlias = Literal["schema", "tool", "json", "words"]
"""How a model is asked for an object: by the API's JSON schema, by a tool it must call, by JSON mode, or in words."""
FORMS: tuple[Form, ...] = ("schema", "tool", "json", "words")
ANSWER = "answer"  # the tool that a model must call to answer with an object
# What a server speaks of that gives one answer only: llama.cpp of "completion choice", Groq of "n", Google of "candidates".
_OF_SEVERAL = re.compile(r"\bn\b|\bchoice|candidate", re.IGNORECASE)
SAMPLING = frozenset({"temperature", "max_tokens", "stop", "top_p"})
"""The options of generation that every provider has."""


class Output(NamedTuple):
    """The object that is asked for: its type, and how."""

    cls: Any
    form: Form

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema, of an object: other types are the "value" in one."""
        return objects.wrapped_schema(self.cls)

    @property
    def name(self) -> str:
        """What the type is called."""
        return objects.type_name(self.cls)

    def told(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """The conversation, which ends with the form of the answer where the API does not tell it."""
        if self.form == "words":
            return with_request(messages, objects.instruction(self.cls))
        if self.form == "json":  # in which only an object can be answered
            schema = json.dumps(self.schema, ensure_ascii=False, separators=(",", ":"))
            return with_request(messages, f"Answer with JSON that fits this JSON schema:\n{schema}")
        return messages


class Asked(NamedTuple):
    """What one call asks of a chat model: `n` next messages of a conversation. `options` are those given."""

    messages: tuple[Message, ...]
    options: Mapping[str, Any]
    n: int = 1
    output: Output | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: str | None = None


class Choice(NamedTuple):
    """One answer: its content, why it ended ("stop", "length", "tool_calls" or the provider's word), and the pieces it was streamed in."""

    content: ChunkList
    finish_reason: str | None
    pieces: tuple[str, ...] | None = None

    @property
    def text(self) -> str:
        """The text; a MalformedReplyError if there is none, such as where a model answers with sound alone."""
        if not any(chunk.is_text for chunk in self.content):
            raise MalformedReplyError(f"the answer has no text; it is {str(self.content)!r:.60}")
        return self.content.text


def choice_of(
    chunks: Sequence[Chunk], finish_reason: str | None, pieces: tuple[str, ...] | None = None
) -> Choice:
    """A choice with this content. Raises MalformedReplyError if there is none, or reasoning only.

    A text that is empty counts only where the model ended it so, and says nothing beside other content.
    """
    said = [chunk for chunk in chunks if chunk.content != ""]
    if all(isinstance(chunk.content, Reasoning) for chunk in said):
        if finish_reason == "length" or len(said) == len(chunks):
            why = " (all max_tokens went into reasoning)" if finish_reason == "length" else ""
            raise MalformedReplyError(f"the answer has no text{why}; it ended by {finish_reason!r}")
        said = list(chunks)
    return Choice(ChunkList(said), finish_reason, pieces)


class ChatModel(Remote):
    """A chat model behind a network; see the module."""

    honours: frozenset[str]
    most_choices: int = 1  # that the API gives in one call

    def _request(self, asked: Asked, path: SamplePath, stream: bool) -> Request:
        """The call of the provider's API, whose reply is a list of `Choice`s, at least one."""
        raise NotImplementedError

    async def _form(self) -> Form:
        """How this model is asked for objects."""
        return "schema"

    # The built-ins

    async def generate_text(self, prompt: str | ChunkList, *, request: Request, **options: Any) -> Reply:
        """The answer to the prompt as a message of the user's: chat models do not continue texts."""
        return await self.chat(as_messages(prompt), request=request, **options)

    async def chat(
        self,
        messages: tuple[Message, ...],
        *,
        request: Request,
        tools: tuple[Tool, ...] | None = None,
        tool_choice: str | None = None,
        **options: Any,
    ) -> Reply:
        """The model's next message, token by token if somebody watches: text, or with tools content."""
        asked = Asked(messages, options, tools=tools or (), tool_choice=_checked(tool_choice, tools or ()))
        reply = await self._send(self._request(asked, request.sample_path, streaming()))
        choice: Choice = reply.value[0]
        return _as(choice.text if tools is None else choice.content, choice, reply)

    async def generate_content(self, prompt: str | ChunkList, *, request: Request, **options: Any) -> Reply:
        """All that the model answers: text, reasoning that it shows, images or sound if it makes them."""
        asked = Asked(as_messages(prompt), options)
        reply = await self._send(self._request(asked, request.sample_path, streaming()))
        return _as(reply.value[0].content, reply.value[0], reply)

    async def generate_texts(
        self, prompt: str | ChunkList, samples: int, *, request: Request, **options: Any
    ) -> Reply:
        """So many answers; those that a server does not give at once (it ignored `n`, or refused it) are asked for one by one."""
        path, most = request.sample_path, self.most_choices
        asked = Asked(as_messages(prompt), options)
        sizes = [min(most, samples - start) for start in range(0, samples, most)] if most > 1 else []
        together = [
            self._request(asked._replace(n=size), (*path, "from", place * most) if place else path, False)
            for place, size in enumerate(sizes)
        ]
        try:
            replies = await self._all(together)
        except InvalidRequestError as error:
            if not _OF_SEVERAL.search(str(error)):
                raise
            replies = []
        choices: list[Choice] = []
        for reply, size in zip(replies, sizes, strict=False):
            choices += reply.value[:size]
        # A sample path of its own for each call: with the same seed they would be the first answers again.
        alone = [self._request(asked, (*path, index), False) for index in range(len(choices), samples)]
        more = await self._all(alone)
        if together and not replies:
            self.most_choices = 1
        choices += [reply.value[0] for reply in more]
        one = as_one([choice.text for choice in choices], [*replies, *more])
        return one._replace(finish_reason=agreed([choice.finish_reason for choice in choices]))

    async def generate_object(
        self,
        prompt: str | ChunkList,
        cls: Any,
        *,
        request: Request,
        max_repairs: int = MAX_REPAIRS,
        **options: Any,
    ) -> Reply:
        """A value of the type, checked: a server may have ignored how it was asked for."""
        output = Output(cls, await self._form())
        messages = output.told(as_messages(prompt))
        replies: list[Reply] = []
        while True:
            asked = Asked(messages, options, output=output)
            reply = await self._send(self._request(asked, request.sample_path, False))
            choice: Choice = reply.value[0]
            replies.append(_as(None, choice, reply))
            text = _object_in(choice)
            try:
                value = objects.parse(text, cls)
            except ParseError as error:
                if len(replies) > max_repairs:
                    raise
                repair = Message("user", objects.repair_message(error))
                messages = (*messages, Message("model", text), repair)
            else:
                return as_one(value, replies)._replace(finish_reason=choice.finish_reason)

    # For the backends

    async def _all(self, requests: Sequence[Request]) -> list[Reply]:
        if len(requests) == 1:
            return [await self._send(requests[0])]
        return await all_of([self._sent(request) for request in requests])

    async def _embedded(
        self, texts: Sequence[str], at_once: int, asked: Callable[[list[str]], Request]
    ) -> Reply:
        """One vector per text, in order, in calls of at most so many texts each."""
        batches = [list(texts[start : start + at_once]) for start in range(0, len(texts), at_once)]
        replies = await self._all([asked(batch) for batch in batches])
        for batch, reply in zip(batches, replies, strict=True):
            if len(reply.value) != len(batch):
                problem = f"{len(batch)} texts were sent, and {len(reply.value)} embeddings came back"
                raise MalformedReplyError(problem, request_id=reply.request_id)
        return as_one([vector for reply in replies for vector in reply.value], replies)

    async def _sent(self, request: Request) -> Reply:
        return await self._send(request)

    def _function(self, operation: Operation[..., Any]) -> Callable[..., Any]:
        """The method of the operation's name, which takes the options that this model honours."""
        method = super()._function(operation)
        taken = inspect.signature(method).parameters
        kept = [p for p in taken.values() if p.kind is not p.VAR_KEYWORD]
        if len(kept) == len(taken):
            return method
        honoured = [n for n in operation.parameters if n not in taken and n in self.honours]
        made = functools.partial(method)
        made.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [p for p in kept if p.name not in ("tools", "tool_choice") or p.name in self.honours]
            + [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=None) for n in honoured]
        )
        return made


# How many answers, and whether they stream, depends on the call and on who watches.
_OURS = frozenset({"n", "stream", "stream_options"})


def merged(body: dict[str, Any], extra: Mapping[str, Any] | None, what: str) -> dict[str, Any]:
    """The body with the user's `extra` options; a UsageError for one that would replace what is sent anyway."""
    for name in extra or ():
        if name in body or name in _OURS:
            raise UsageError(
                f"extra has {name!r}, which {what} sends itself: give it as an option or argument"
            )
    return {**body, **thawed(extra or {})}


def seed_of(seed: int, path: Sequence[int | str]) -> int:
    """A seed of its own for each sample: with the same one, five samples would be one answer, paid five times."""
    if not path:
        return seed
    digest = hashlib.sha256(json.dumps([seed, *path]).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1  # servers take 31 bits


def arguments_of(said: object, tool: str, finish_reason: str | None) -> Mapping[str, Any]:
    """The arguments of a tool call: JSON text, or what some servers send in its place, the object itself.

    Raises MalformedReplyError if they are neither; NaN is no JSON.
    """
    arguments = said
    try:
        if isinstance(said, str):
            arguments = json.loads(said.strip() or "{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        cut = " It was cut off at max_tokens." if finish_reason == "length" else ""
        raise MalformedReplyError(
            f"the arguments for the tool {tool!r} are not JSON: {said!r:.200}.{cut}"
        ) from error
    if arguments is None:
        return {}
    if not isinstance(arguments, dict):
        raise MalformedReplyError(f"the arguments for the tool {tool!r} are not by name: {said!r:.200}")
    return arguments


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is no JSON")


def refused(said: object) -> ContentRefusedError:
    """The error for a model that would not answer."""
    return ContentRefusedError(f"the model refused: {str(said)!r:.300}")


def _checked(choice: str | None, tools: tuple[Tool, ...]) -> str | None:
    names = [tool.name for tool in tools]
    free = (
        ("auto", "none", "required") if tools else ("auto", "none")
    )  # without tools there is nothing to call
    if choice is not None and choice not in (*free, *names):
        raise UsageError(
            f"tool_choice is {', '.join(map(repr, free))} or one of the tools "
            f"({', '.join(names) or 'there are none'}), not {choice!r:.60}"
        )
    return choice


def _as(value: Any, choice: Choice, reply: Reply) -> Reply:
    return reply._replace(value=value, finish_reason=choice.finish_reason, chunks=choice.pieces)


def _object_in(choice: Choice) -> str:
    """The object as JSON text: what the answer tool was called with, or what was written."""
    for call in choice.content.tool_calls:
        return json.dumps(thawed(call.arguments), ensure_ascii=False)
    return choice.text
