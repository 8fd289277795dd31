"""Which operations does a program ask of a language model?

Each is a built-in: a typed operation without an implementation. Calling one returns an
Executable; what answers it is decided when that runs, by the registry in scope. What no
backend offers is derived from what one does, see `onetwo_like.builtins.derived`.

The options mean the same everywhere: `temperature` (0 = the most likely), `max_tokens`,
`stop` (strings that end the text and are not part of it), `top_k`, `top_p`, `seed`. None
means the default in scope. `reasoning` is how much a model thinks first: "minimal", "low", "medium", "high", or
a number of tokens (0 = not at all). `extra` are options of one provider, under its own names: they are sent as they
are, and are part of the request. With `include_details=True` the value is (value, `ot.Reply`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar, Unpack, cast, overload

from onetwo_like.builtins.arguments import (
    Choices,
    Count,
    Effort,
    Extra,
    Messages,
    NotNegative,
    Number,
    OptionalCount,
    OptionalWhole,
    Prompt,
    Stop,
    Text,
    Texts,
    TokenIds,
    ToolChoice,
    Tools,
    Type,
)
from onetwo_like.core.content import ChunkList
from onetwo_like.core.operation import operation

if TYPE_CHECKING:
    from onetwo_like.builtins.tools import Tool
    from onetwo_like.core.executable import Executable
    from onetwo_like.core.operation import Operation
    from onetwo_like.core.request import Reply

    T = TypeVar("T")

    class _ObjectOptions(TypedDict, total=False):
        max_repairs: NotNegative
        temperature: Number
        max_tokens: OptionalCount
        stop: Stop
        top_k: OptionalCount
        top_p: Number
        seed: OptionalWhole
        reasoning: Effort
        extra: Extra

    class _ChatOptions(TypedDict, total=False):
        tool_choice: ToolChoice
        temperature: Number
        max_tokens: OptionalCount
        stop: Stop
        top_k: OptionalCount
        top_p: Number
        seed: OptionalWhole
        reasoning: Effort
        extra: Extra

    class _WithTools(Operation[..., Any]):
        """`chat` as type checkers see it: text, or with tools content."""

        @overload  # type: ignore[override]
        def __call__(
            self,
            messages: Messages,
            *,
            tools: Sequence[Any],
            include_details: Literal[True],
            **options: Unpack[_ChatOptions],
        ) -> Executable[tuple[ChunkList, Reply]]: ...
        @overload
        def __call__(
            self, messages: Messages, *, tools: Sequence[Any], **options: Unpack[_ChatOptions]
        ) -> Executable[ChunkList]: ...
        @overload
        def __call__(
            self,
            messages: Messages,
            *,
            tools: None = None,
            include_details: Literal[True],
            **options: Unpack[_ChatOptions],
        ) -> Executable[tuple[str, Reply]]: ...
        @overload
        def __call__(
            self, messages: Messages, *, tools: None = None, **options: Unpack[_ChatOptions]
        ) -> Executable[str]: ...
        @overload
        def __call__(self, messages: Messages, **options: Any) -> Executable[Any]: ...
        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

    class _ByClass(Operation[..., Any]):
        """`generate_object` as type checkers see it: the class that is asked for is the type of the value."""

        @overload  # type: ignore[override]
        def __call__(
            self,
            prompt: Prompt,
            cls: type[T],
            *,
            include_details: Literal[True],
            **options: Unpack[_ObjectOptions],
        ) -> Executable[tuple[T, Reply]]: ...
        @overload
        def __call__(
            self, prompt: Prompt, cls: type[T], **options: Unpack[_ObjectOptions]
        ) -> Executable[T]: ...
        @overload
        def __call__(self, prompt: Prompt, cls: Any, **options: Any) -> Executable[Any]: ...
        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...


__all__ = [
    "chat",
    "count_tokens",
    "detokenize",
    "embed",
    "generate_content",
    "generate_object",
    "generate_text",
    "generate_texts",
    "instruct",
    "rank",
    "run_tools",
    "score_text",
    "select",
    "tokenize",
]


@operation
def generate_text(
    prompt: Prompt,
    *,
    temperature: Number = None,
    max_tokens: OptionalCount = None,
    stop: Stop = None,
    top_k: OptionalCount = None,
    top_p: Number = None,
    seed: OptionalWhole = None,
    reasoning: Effort = None,
    extra: Extra = None,
) -> str:
    """The text with which a model continues the prompt.

    The options are those of all built-ins: `temperature`, `max_tokens`, `stop` (one string or several, before
    which the answer ends), `top_k`, `top_p`, `seed`, `reasoning` (how much the model thinks first) and `extra`
    (options that only the provider has). None is the backend's default.

    >>> from onetwo_like import ot
    >>> with ot.RegistryContext():
    ...     generate_text.configure(lambda prompt: prompt + " Nice.")
    ...     ot.run(generate_text("A city in France?"))
    'A city in France? Nice.'
    """
    raise AssertionError


@operation
def generate_texts(
    prompt: Prompt,
    samples: Count,
    *,
    temperature: Number = None,
    max_tokens: OptionalCount = None,
    stop: Stop = None,
    top_k: OptionalCount = None,
    top_p: Number = None,
    seed: OptionalWhole = None,
    reasoning: Effort = None,
    extra: Extra = None,
) -> list[str]:
    """So many continuations of the prompt as `samples` says; the options are those of `generate_text`."""
    raise AssertionError


@operation
def generate_content(
    prompt: Prompt,
    *,
    temperature: Number = None,
    max_tokens: OptionalCount = None,
    stop: Stop = None,
    top_k: OptionalCount = None,
    top_p: Number = None,
    seed: OptionalWhole = None,
    reasoning: Effort = None,
    extra: Extra = None,
) -> ChunkList:
    """What a model answers as content: text, images or other media, as an `ot.ChunkList`.

    The options are those of `generate_text`.
    """
    raise AssertionError


@cast("Callable[[Any], _ByClass]", operation)
def generate_object(
    prompt: Prompt,
    cls: Type,
    *,
    max_repairs: NotNegative = None,
    temperature: Number = None,
    max_tokens: OptionalCount = None,
    stop: Stop = None,
    top_k: OptionalCount = None,
    top_p: Number = None,
    seed: OptionalWhole = None,
    reasoning: Effort = None,
    extra: Extra = None,
) -> Any:
    """A value of type `cls`: int, float, str, bool, Enum, Literal, list, dict, dataclass, TypedDict, pydantic model, or a union of these.

    A reply that does not parse is shown to the model with its error up to `max_repairs`
    (default 1) times; then a ParseError is raised, whose `.reply` it is. The other options are those of `generate_text`.
    """
    raise AssertionError


@cast("Callable[[Any], _WithTools]", operation)
def chat(
    messages: Messages,
    *,
    tools: Tools = None,
    tool_choice: ToolChoice = None,
    temperature: Number = None,
    max_tokens: OptionalCount = None,
    stop: Stop = None,
    top_k: OptionalCount = None,
    top_p: Number = None,
    seed: OptionalWhole = None,
    reasoning: Effort = None,
    extra: Extra = None,
) -> str:
    """The model's next message in a conversation: a list of `ot.Message`, or one message as text.

    `tools` are functions that the model may ask to have called; it is told their names, docstrings and types
    (see `ot.Tool`). With them the value is an `ot.ChunkList`, whose `.tool_calls` are what it asks for;
    `run_tools` calls them and goes on. `tool_choice` is "auto", "required", "none" or the one tool to call.
    The other options are those of `generate_text`.
    """
    raise AssertionError


def run_tools(
    prompt: Any,
    tools: Sequence[Callable[..., Any] | Tool],
    *,
    max_turns: int = 8,
    on_tool_error: Literal["tell", "raise"] = "tell",
    **options: Any,
) -> Executable[str]:
    """The model's answer to a prompt or a conversation, after the tools that it wanted have been called.

    The calls of one turn run at once, each in a span under the tool's name. An error of a tool, or arguments
    that do not fit it, are told to the model, or with `on_tool_error="raise"` raised; errors of the program
    itself always are. `max_turns` bounds the calls of the model: a TurnLimitError if it still wants tools then.
    Further options are those of `chat`; a `tool_choice` that forces a call does so in the first turn only.

    >>> from onetwo_like import ot
    >>> from onetwo_like.testing import Scripted
    >>> def population(city: str) -> int:
    ...     return {"Nice": 348_085}[city]
    >>> asks = ot.ChunkList([ot.ToolCall("population", {"city": "Nice"})])
    >>> with ot.RegistryContext():
    ...     _ = Scripted([asks, "About 350,000."]).register()
    ...     ot.run(run_tools("How many live in Nice?", [population]))
    'About 350,000.'
    """
    from onetwo_like.builtins.tool_loop import loop

    return loop(prompt, tools, max_turns, on_tool_error, options)


@operation
def instruct(
    prompt: Prompt,
    *,
    temperature: Number = None,
    max_tokens: OptionalCount = None,
    stop: Stop = None,
    top_k: OptionalCount = None,
    top_p: Number = None,
    seed: OptionalWhole = None,
    reasoning: Effort = None,
    extra: Extra = None,
) -> str:
    """The model's answer to an instruction or a question."""
    raise AssertionError


@operation
def select(prompt: Prompt, options: Choices) -> str:
    """The option that the model prefers as the continuation of the prompt."""
    raise AssertionError


@operation
def rank(prompt: Prompt, options: Choices) -> list[str]:
    """The options, the one that the model prefers first."""
    raise AssertionError


@operation
def score_text(prompt: Prompt, targets: Texts) -> list[float]:
    """One log-probability per target: the sum over its tokens (natural logarithm), given the prompt."""
    raise AssertionError


@operation
def embed(texts: Texts, *, extra: Extra = None) -> list[list[float]]:
    """One vector per text, in order; `extra` has options that only the provider has."""
    raise AssertionError


@operation
def tokenize(text: Text) -> list[int]:
    """The model's tokens of a text, as numbers."""
    raise AssertionError


@operation
def detokenize(tokens: TokenIds) -> str:
    """The text of tokens; the inverse of `tokenize`."""
    raise AssertionError


@operation
def count_tokens(content: Prompt) -> int:
    """How many tokens the model sees in the content."""
    raise AssertionError
