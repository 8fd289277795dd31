"""How does a conversation become one prompt?

For a model that continues text, a conversation is written as a play is: each message after the name
of who speaks, on a line of its own, and last the name of the model, whose words are missing.

    System: You are terse.
    User: What is the capital of France?
    Model:

A model that continues text would go on and write the user's next line as well. So the model's message
ends at `STOP`, which it is given as a stop string if it takes any, and which `answer_in` looks for
in any case: the answer is the same, only that it costs less where the model can be stopped.

Nothing is escaped. A message of which a line begins with "User:" reads as two turns, to the model as
to anybody, and an answer ends there. Where that matters, bind a backend with a `chat` of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from onetwo_like.core.content import Message, Role
from onetwo_like.errors import UsageError

NAMES: dict[Role, str] = {"system": "System", "user": "User", "model": "Model"}
"""What each speaker is called in the prompt."""

# Only one, although a model might go on as the system: providers take four stop strings at most, and a list
# in which the model writes "Model: T" or "System: Linux" is no new turn.
STOP = "\nUser:"
"""What ends the model's message."""


def as_prompt(messages: Sequence[Message]) -> str:
    """The conversation as a text that ends where the model's next message begins.

    Raises UsageError if a message has images or other bytes.

    >>> print(as_prompt([Message("system", "Be terse."), Message("user", "What is the capital of France?")]))
    System: Be terse.
    User: What is the capital of France?
    Model:
    """
    turns = [f"{NAMES[message.role]}: {_text(message)}" for message in messages]
    return "\n".join([*turns, f"{NAMES['model']}:"])


def answer_in(text: str) -> str:
    """The model's message at the beginning of its continuation, without white space around it.

    >>> answer_in(" Paris.\\nUser: And of Spain?\\nModel: Madrid.")
    'Paris.'
    """
    return text.partition(STOP)[0].strip()


def _text(message: Message) -> str:
    try:
        return message.text
    except UsageError as error:
        raise UsageError(
            f"the conversation has to be written as one text, because what is bound here continues text: {error}. "
            "Register a backend whose chat takes such content."
        ) from None
