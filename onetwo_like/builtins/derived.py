"""What follows from what?

A backend offers some of the built-ins; the others follow from these, as written here. Of several ways
the first is taken whose sources are bound, or follow in turn from what is bound. Options are passed on to
the source, so one that the source cannot honour is refused before any call. What costs money is always a
call of something that is bound: that is what is cached, streamed and counted.

score_text, embed, tokenize and detokenize follow from nothing: only the model knows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence, Sized
from numbers import Real
from types import GenericAlias
from typing import Any, Literal, TypeAlias

from onetwo_like.builtins import llm
from onetwo_like.builtins.formatting import STOP, answer_in, as_prompt
from onetwo_like.core.content import ChunkList, Message, as_messages, text_of
from onetwo_like.core.deriving import Derivation
from onetwo_like.core.operation import Operation, operations
from onetwo_like.core.parallel import parallel
from onetwo_like.core.registry import copy_registry
from onetwo_like.core.request import Reply, Usage
from onetwo_like.core.sampling import repeat
from onetwo_like.errors import MalformedReplyError, ParseError

Answer: TypeAlias = Callable[..., Any]

MAX_REPAIRS = 1


def _follows(operation: Operation[..., Any], source: Operation[..., Any]) -> Callable[[Answer], Answer]:
    """Declares that the function answers the operation by calling the source."""

    def declare(function: Answer) -> Answer:
        operation.derivations.append(Derivation((source.name,), function))
        return function

    return declare


# Text


@_follows(llm.generate_text, llm.chat)
async def text_from_chat(prompt: str | ChunkList, **options: Any) -> Reply:
    """The prompt is the user's only message."""
    _, reply = await llm.chat(prompt, include_details=True, **options)
    return _reply(reply.value, [reply])


@_follows(llm.chat, llm.generate_text)
async def chat_from_text(
    messages: tuple[Message, ...], *, stop: tuple[str, ...] | None = None, **options: Any
) -> Reply:
    """The conversation is written as one text, which the model continues until it speaks for the user."""
    source = llm.generate_text.bound(copy_registry())
    place = llm.generate_text.parameters.index("stop")
    if place not in source.refused:
        if stop is None and source.defaults is not None:
            stop = source.defaults[place]
        stop = (*(stop or ()), STOP)
    text, reply = await llm.generate_text(as_prompt(messages), stop=stop, include_details=True, **options)
    return _reply(answer_in(_text(text, llm.generate_text)), [reply])


@_follows(llm.instruct, llm.chat)
async def instruct_from_chat(prompt: str | ChunkList, **options: Any) -> Reply:
    """The instruction is the user's only message."""
    _, reply = await llm.chat(prompt, include_details=True, **options)
    return _reply(reply.value, [reply])


@_follows(llm.generate_texts, llm.generate_text)
async def texts_from_text(prompt: str | ChunkList, samples: int, **options: Any) -> Reply:
    """As many calls at once, each a sample of its own, as `ot.repeat` gives them."""
    sample = llm.generate_text(prompt, include_details=True, **options)
    answers = await parallel(*repeat(sample, samples))
    return _reply([text for text, _ in answers], [reply for _, reply in answers])


@_follows(llm.generate_content, llm.generate_text)
async def content_from_text(prompt: str | ChunkList, **options: Any) -> Reply:
    """The content is the text."""
    text, reply = await llm.generate_text(prompt, include_details=True, **options)
    return _reply(ChunkList(_text(text, llm.generate_text)), [reply])


# Typed objects


@_follows(llm.generate_object, llm.chat)
async def object_from_chat(
    prompt: str | ChunkList, cls: Any, *, max_repairs: int = MAX_REPAIRS, **options: Any
) -> Reply:
    """The question ends with the form of the answer; the model is shown what is wrong with its answer."""
    from onetwo_like.builtins.objects import instruction, parse, repair_message, type_name

    conversation = with_request(as_messages(prompt), instruction(cls))
    replies: list[Reply] = []
    while True:
        text, reply = await llm.chat(conversation, include_details=True, **options)
        replies.append(reply)
        try:
            return _reply(parse(_text(text, llm.chat), cls), replies)
        except ParseError as error:
            if len(replies) > max_repairs:
                cut = " The answer was cut off at max_tokens." if reply.finish_reason == "length" else ""
                attempt = f"attempt {len(replies)} of {max_repairs + 1}"
                raise ParseError(
                    f"no {type_name(cls)} in the model's answer ({attempt}): {error}{cut}", error.reply
                ) from error
            conversation = (*conversation, Message("model", text), Message("user", repair_message(error)))


# Choices


@_follows(llm.select, llm.score_text)
async def select_from_scores(prompt: str | ChunkList, options: tuple[str, ...]) -> Reply:
    """The option with the highest score; of equal ones the first."""
    return await _ordered_by_score(prompt, options, lambda order: order[0])


@_follows(llm.select, llm.generate_object)
async def select_from_object(prompt: str | ChunkList, options: tuple[str, ...]) -> Reply:
    """The model is asked for exactly one of the options."""
    choice, reply = await llm.generate_object(prompt, one_of(options), include_details=True)
    if choice not in options:
        raise ParseError(
            f"the model selected {choice!r:.80}, which is none of {list(options)!r:.200}", choice
        )
    return _reply(choice, [reply])


@_follows(llm.rank, llm.score_text)
async def rank_from_scores(prompt: str | ChunkList, options: tuple[str, ...]) -> Reply:
    """The options by falling score; equal ones in the order given."""
    return await _ordered_by_score(prompt, options, list)


@_follows(llm.rank, llm.generate_object)
async def rank_from_object(prompt: str | ChunkList, options: tuple[str, ...]) -> Reply:
    """The model is asked once for a list of all options in order."""
    order, reply = await llm.generate_object(*ranking(prompt, options), include_details=True)
    return _reply(ranked(order, options), [reply])


def ranking(prompt: str | ChunkList, options: tuple[str, ...]) -> tuple[str | ChunkList, Any]:
    """The prompt that asks for all options in order, and the type of its answer."""
    question = (
        f"Put all of these options in order, the best one first: {json.dumps(options, ensure_ascii=False)}"
    )
    return prompt + f"\n\n{question}", GenericAlias(list, (one_of(options),))


def ranked(order: object, options: tuple[str, ...]) -> list[str]:
    """The order that a model gave. Raises ParseError if it is none of just these options."""
    ranked = list(order) if isinstance(order, Iterable) else []
    missing = [option for option in options if option not in ranked]
    if missing or len(ranked) != len(options):
        what = f"leaves out {missing!r:.120}" if missing else "names more than the options"
        raise ParseError(f"the order that the model gave {what}: {order!r:.200}", order)
    return ranked


# Tokens


@_follows(llm.count_tokens, llm.tokenize)
async def count_from_tokens(content: str | ChunkList) -> Reply:
    """How many tokens the text has."""
    tokens, reply = await llm.tokenize(text_of(content), include_details=True)
    if not isinstance(tokens, Sized):
        raise MalformedReplyError(f"tokenize answered {tokens!r:.80}, and a list of tokens was expected")
    return _reply(len(tokens), [reply])


def table() -> str:
    """The chain as a Markdown table, for people to read."""
    rows = ["| built-in | follows from | how |", "|---|---|---|"]
    for name, operation in sorted(operations().items()):
        for needs, function in operation.derivations:
            how = (function.__doc__ or "").partition("\n")[0]
            rows.append(f"| `{name}` | {', '.join(f'`{n}`' for n in needs)} | {how} |")
        if not operation.derivations:
            rows.append(f"| `{name}` | nothing | Only the model knows. |")
    return "\n".join(rows) + "\n"


async def _ordered_by_score(
    prompt: str | ChunkList, options: tuple[str, ...], result: Callable[[list[str]], Any]
) -> Reply:
    scores, reply = await llm.score_text(prompt, options, include_details=True)
    return _reply(result(by_score(scores, options)), [reply])


def by_score(scores: object, options: tuple[str, ...]) -> list[str]:
    """The options by falling score, equal ones in the order given; a MalformedReplyError if a score is missing."""
    numbers = list(scores) if isinstance(scores, Iterable) else []
    if len(numbers) != len(options) or not all(isinstance(n, Real) and n == n for n in numbers):
        raise MalformedReplyError(
            f"score_text answered {scores!r:.120} to {len(options)} targets; one number for each was expected"
        )
    return [options[place] for place in sorted(range(len(options)), key=lambda place: -numbers[place])]


def _text(value: Any, source: Operation[..., Any]) -> str:
    """The value, if what is bound to the source answered with text."""
    if not isinstance(value, str):
        raise MalformedReplyError(f"{source.name} answered {value!r:.80}, and text was expected")
    return value


def one_of(options: tuple[str, ...]) -> Any:
    """The type of a value that is one of the options."""
    literal: Any = Literal
    return literal[options]


def with_request(messages: tuple[Message, ...], request: str) -> tuple[Message, ...]:
    """The conversation, in which the user's last message ends with the request."""
    *before, last = messages
    if last.role != "user":
        return (*messages, Message("user", request))
    return (*before, Message("user", last.content + f"\n\n{request}"))


def _reply(value: Any, replies: Sequence[Reply]) -> Reply:
    """The value of one or several calls, with what they used together; the rest is as in the last."""
    last = replies[-1]._replace(value=value, chunks=None)
    if len(replies) == 1:
        return last
    usages = [reply.usage for reply in replies if reply.usage is not None]
    known = len(usages) == len(replies)
    # A sum in which one part is unknown is unknown, not smaller.
    usage = (
        Usage(*[None if None in parts else sum(parts) for parts in zip(*usages, strict=True)])
        if known
        else None
    )
    return last._replace(
        usage=usage, duration_s=None, request_id=None, replayed=all(reply.replayed for reply in replies)
    )
