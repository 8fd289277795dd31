"""How does a step of a flow run once for each element of a list?"""

from __future__ import annotations

from typing import Any

from onetwo_like.core.executable import described
from onetwo_like.errors import UsageError


class Each:
    """The elements of the list of this name, one at a time; see `each`."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"ot.each({self.name!r})"


def each(name: str) -> Any:
    """Lets a step of an `ot.Flow` run for all elements of a list at once; its value is the list of results, in order.

    Write it as the default of a function's parameter, or as a keyword of `ot.prompt`. `name` is the
    step or the input that makes the list. Of two lists in one step the first elements go together, then
    the second ones, and so on; they must have the same length.

    >>> from onetwo_like import ot
    >>> def length(word: str = ot.each("words")) -> int:
    ...     return len(word)
    >>> flow = ot.Flow(words=lambda text: text.split(), lengths=length, longest=lambda lengths: max(lengths))
    >>> ot.run(flow(text="a list of words"))
    {'words': ['a', 'list', 'of', 'words'], 'lengths': [1, 4, 2, 5], 'longest': 5}
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise UsageError(
            f'ot.each takes the name of a step or an input, ot.each("chunks"), not {described(name)}'
        )
    return Each(name)
