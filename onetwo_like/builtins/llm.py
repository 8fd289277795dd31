"""Which operations does a program ask of a language model?

Each is a built-in: a typed operation without an implementation. Calling one returns an
Executable; what answers it is decided when that runs, by the registry in scope. What no
backend offers is derived from what one does, see `onetwo_like.builtins.derived`.

The options mean the same everywhere: `temperature` (0 = the most likely), `max_tokens`,
`stop` (strings that end the text and are not part of it), `top_k`, `top_p`, `seed`. None
means the default in scope. With `include_details=True` the value is (value, `ot.Reply`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar, Unpack, cast, overload

from onetwo_like.builtins.arguments import (
    Choices,
    Count,
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
    Type,
)
from onetwo_like.core.content import ChunkList
from onetwo_like.core.operation import operation

if TYPE_CHECKING:
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
) -> str:
    """The text with which a model continues the prompt.

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
) -> list[str]:
    """`samples` continuations of the prompt."""
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
) -> ChunkList:
    """What a model answers as content: text, images or other media, as an `ot.ChunkList`."""
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
) -> Any:
    """A value of type `cls`: int, float, str, bool, Enum, Literal, list, dict, dataclass, TypedDict, pydantic model, or a union of these.

    A reply that does not parse is shown to the model with its error up to `max_repairs`
    (default 1) times; then a ParseError is raised, which carries the reply.
    """
    raise AssertionError


@operation
def chat(
    messages: Messages,
    *,
    temperature: Number = None,
    max_tokens: OptionalCount = None,
    stop: Stop = None,
    top_k: OptionalCount = None,
    top_p: Number = None,
    seed: OptionalWhole = None,
) -> str:
    """The model's next message in a conversation: a list of `ot.Message`, or one message as text."""
    raise AssertionError


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
def embed(texts: Texts) -> list[list[float]]:
    """One vector per text, in order."""
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
