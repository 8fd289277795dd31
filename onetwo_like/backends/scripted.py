"""How does a program get answers that are written down beforehand?"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from onetwo_like.backends.base import Backend
from onetwo_like.core.content import ChunkList, Message
from onetwo_like.core.operation import Operation, operations
from onetwo_like.core.registry import Caching
from onetwo_like.core.request import Handler, Reply, Request
from onetwo_like.errors import BackendError, UsageError

Answers: TypeAlias = (
    Mapping[str, Any] | Iterable[Any] | Callable[..., Any] | BaseException | type[BaseException]
)


class Scripted(Backend):
    """A backend for tests and examples: it gives fixed answers, and records what it was asked.

    `answers` is a list (answered in order), a mapping from prompt to answer, a function (called with
    the arguments that it accepts, as one given to `configure` is), or an exception, which is raised.
    An answer that is an exception is raised too. A request that nothing answers is a BackendError.

    Serves generate_text, chat and whatever `operations` names; for a conversation, the prompt is the
    text of its last message. Everything else is derived. Give two of them different names if a cache must
    not answer one from the other.

    >>> from onetwo_like import ot
    >>> from onetwo_like.builtins import llm
    >>> backend = Scripted({"Capital of France?": "Paris"})
    >>> with ot.RegistryContext():
    ...     _ = backend.register()
    ...     ot.run(llm.generate_text("Capital of France?"))
    'Paris'
    >>> backend.requests
    [Request(generate_text(prompt='Capital of France?'), sample_path=())]
    """

    provider = "scripted"

    def __init__(
        self,
        answers: Answers,
        *,
        operations: Iterable[str] = ("generate_text", "chat"),
        name: str | None = None,
        cache: Caching | None = None,
        **defaults: Any,
    ) -> None:
        if isinstance(answers, str | bytes):
            raise UsageError(
                f"Scripted takes a list of answers, not one {type(answers).__name__}: [{answers!r:.60}]"
            )
        if isinstance(answers, type) and issubclass(answers, BaseException):
            answers = answers()  # in a list, too, a class stands for one without a message
        self.requests: list[Request] = []
        self._answers: Any = answers
        if not isinstance(answers, Mapping | BaseException) and not callable(answers):
            if not isinstance(answers, Iterable):
                raise UsageError(
                    "Scripted takes a list of answers, a mapping from prompt to answer, a function "
                    f"or an exception, not {type(answers).__name__}: {answers!r:.60}"
                )
            self._answers = iter(list(answers))
        self._operations = _by_name((operations,) if isinstance(operations, str) else tuple(operations))
        self._lock = threading.Lock()
        super().__init__(cache=cache, name=name, **defaults)

    def _served(self) -> dict[str, Operation[..., Any]]:
        return self._operations

    def wrap(self, handler: Handler) -> Handler:
        """The handler, which first notes what it was asked; with tools a text is content, as of every `chat`."""

        async def recorded(request: Request) -> Reply:
            with self._lock:
                self.requests.append(request)
            reply = await handler(request)
            if "tools" in request.arguments and isinstance(reply.value, str):
                return reply._replace(value=ChunkList(reply.value))
            return reply

        return recorded

    def _function(self, operation: Operation[..., Any]) -> Callable[..., Any]:
        if not callable(self._answers):
            return self._answer
        function: Callable[..., Any] = self._answers
        first = next(iter(inspect.signature(function).parameters), None)
        if "messages" in operation.parameters and first not in ("messages", "request"):
            return _last_as_prompt(function)
        return function

    async def _answer(self, request: Request) -> Any:
        answer = self._next(request)
        if isinstance(answer, BaseException) or (
            isinstance(answer, type) and issubclass(answer, BaseException)
        ):
            raise answer
        return answer

    def _next(self, request: Request) -> Any:
        answers = self._answers
        if isinstance(answers, BaseException):
            return answers
        prompt = prompt_of(request)
        if isinstance(answers, Mapping):
            if prompt in answers:
                return answers[prompt]
            raise BackendError(
                f"Scripted has no answer to {request.operation}({prompt!r:.200}); "
                f"it knows {', '.join(repr(k)[:60] for k in answers) or 'none'}",
                provider=self.provider,
            )
        with self._lock:
            for answer in answers:
                return answer
        raise BackendError(
            f"Scripted has no answer left for request {len(self.requests)}: {request.operation}({prompt!r:.200})",
            provider=self.provider,
        )

    def __repr__(self) -> str:
        return f"Scripted({self.name or ''})"


def _by_name(names: tuple[str, ...]) -> dict[str, Operation[..., Any]]:
    known = operations()
    for name in names:
        if name not in known:
            raise UsageError(f"Scripted: there is no built-in {name!r}; there are {', '.join(sorted(known))}")
    return {name: known[name] for name in names}


def prompt_of(request: Request) -> str:
    """The text that a request asks about: its prompt, or the last message of its conversation."""
    value = request.values[0]
    if isinstance(value, tuple) and value and isinstance(value[-1], Message):
        value = value[-1].content
    return str(value) if isinstance(value, str | ChunkList) else repr(value)


def _last_as_prompt(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a prompt, as one of a conversation."""
    signature = inspect.signature(function)
    parameters = [
        p.replace(name="messages") if i == 0 and p.kind is not p.VAR_KEYWORD else p
        for i, p in enumerate(signature.parameters.values())
    ]

    def of_messages(messages: tuple[Message, ...], **options: Any) -> Any:
        content = messages[-1].content
        return function(content if isinstance(content, str) else str(content), **options)

    of_messages.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return of_messages
