"""What has been said in a conversation so far, as a value?"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from onetwo_like.core.content import Content, Message
from onetwo_like.core.executable import described
from onetwo_like.errors import UsageError


@dataclasses.dataclass(frozen=True, slots=True, init=False, repr=False)
class History:
    """Messages in order, which do not change: `+` makes a longer one, and leaves this one as it is.

    A step `ot.prompt(..., history="name")` takes one and gives one that is longer by its question and
    the answer. `.text` is what the last message says, "" if there is none; `system` is what the model
    is told before all else.

    >>> from onetwo_like import ot
    >>> start = ot.History(system="You are terse.")
    >>> longer = start + ot.Message("user", "Who are you?") + ot.Message("model", "A model.")
    >>> len(start), len(longer), longer.text
    (1, 3, 'A model.')
    """

    messages: tuple[Message, ...]
    # A field, not a property: a template can read the fields of values, {{ conversation.text }}.
    text: str = dataclasses.field(compare=False)

    def __init__(self, messages: Iterable[Message] = (), *, system: Content | None = None) -> None:
        said = messages if isinstance(messages, tuple) else _as_tuple(messages)
        for message in said:
            if not isinstance(message, Message):
                raise UsageError(
                    f'ot.History takes messages, such as ot.Message("user", "Hello"), not {described(message)}'
                )
        if system is not None:
            said = (_as_system(system), *[m for m in said if m.role != "system"])
        object.__setattr__(self, "messages", said)
        object.__setattr__(self, "text", str(said[-1].content) if said else "")

    def __add__(self, other: Message | Iterable[Message]) -> History:
        if isinstance(other, Message):
            return History((*self.messages, other))
        if isinstance(other, str | bytes) or not isinstance(other, Iterable):
            return NotImplemented
        return History((*self.messages, *other))

    def __len__(self) -> int:
        return len(self.messages)

    def __iter__(self) -> Iterator[Message]:
        return iter(self.messages)

    def __str__(self) -> str:
        return "\n".join(f"{message.role.capitalize()}: {message.content}" for message in self.messages)

    def __repr__(self) -> str:
        return f"History([{', '.join(repr(message) for message in self.messages)}])"


def _as_tuple(messages: object) -> tuple[Message, ...]:
    if isinstance(messages, str | bytes | Message) or not isinstance(messages, Iterable):
        raise UsageError(f"ot.History takes a list of ot.Message, or system=..., not {described(messages)}")
    return tuple(messages)


def _as_system(system: object) -> Message:
    try:
        return Message("system", system)  # type: ignore[arg-type]  # checked there
    except UsageError as error:
        raise UsageError(f"ot.History(system=...): {error}") from None
