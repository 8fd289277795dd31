"""What is compared with what, when a target or an answer is no single text?"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from onetwo_like.core.content import Chunk, ChunkList, Message


def alternatives(target: Any) -> list[Any]:
    """What the answer may be: the target or, if that is a list, any of its elements.

    Raises ValueError if there is none.
    """
    if isinstance(target, list | tuple | set | frozenset):
        if not target:
            raise ValueError("the target is an empty list, which nothing can match")
        return list(target)
    if target is None:
        raise ValueError("the example has no target; target= names the field where the examples are loaded")
    return [target]


def text_of(value: Any) -> str:
    """The text of an answer or a target; that of None, no answer, is empty.

    Raises TypeError for what is neither text nor a number.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, int | float | Decimal | Fraction | ChunkList | Chunk):
        return str(value.content if isinstance(value, Chunk) else value)
    if isinstance(value, Message):
        return text_of(value.content)
    names = f" with the fields {', '.join(map(repr, value))}" if isinstance(value, Mapping) else ""
    raise TypeError(
        f"text is compared here, and this is a {type(value).__name__}{names}: {value!r:.80}. "
        "Wrap the metric in a function that takes the text out of it"
    )
