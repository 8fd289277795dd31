"""What does a template write, when it is more than text: images, roles, marks of who speaks?

Jinja joins strings. So everything else travels through it as an object that a template cannot make:
no text that a user or a model wrote can pass for an image or for another speaker.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable
from typing import Any

from onetwo_like.builtins.context import Draft, Text, written
from onetwo_like.core.content import Chunk, ChunkList, Role
from onetwo_like.core.evaluation import Node
from onetwo_like.errors import UsageError


class Piece(str):
    """Output that is more than text. `str()` of it is itself: that is how it survives Jinja's output."""

    __slots__ = ("content",)
    content: ChunkList

    def __new__(cls, content: ChunkList) -> Piece:
        self = super().__new__(cls, str(content))
        self.content = content
        return self

    def __str__(self) -> str:
        return self


class Mark(str):
    """Output that changes who speaks: to `role`, or back if that is None."""

    __slots__ = ("automatic", "role")
    automatic: bool
    role: Role | None

    def __new__(cls, role: Role | None, automatic: bool = False) -> Mark:
        self = super().__new__(cls)
        self.role = role
        self.automatic = automatic  # gives way to a role that the template states
        return self

    def __str__(self) -> str:
        return self


class Media:
    """Content with images or other bytes, as a template sees it: to be output, not to be turned into text."""

    __slots__ = ("content",)

    def __init__(self, content: ChunkList) -> None:
        self.content = content

    def __str__(self) -> str:
        kinds = sorted({chunk.kind for chunk in self.content if not chunk.is_text})
        raise UsageError(
            f"{', '.join(kinds)} cannot be turned into text; write it by itself, as {{{{ name }}}}"
        )

    def __format__(self, _spec: str) -> str:
        return str(self)

    __repr__ = __str__


def seen(value: Any) -> Any:
    """A value as a template sees it: content with images or roles keeps them, all else is as it is."""
    if isinstance(value, Text):
        # What a finished program said is quoted, not said anew, so its roles end here.
        value = ChunkList([dataclasses.replace(chunk, role=None) for chunk in value.content])
    if isinstance(value, Chunk | ChunkList):
        content = ChunkList(value)
        if not all(chunk.is_text for chunk in content):
            return Media(content)
        plain = all(not (c.role or c.mime_type or c.metadata) for c in content)
        return str(content) if plain else Piece(content)
    kind = type(value)
    if kind is list or kind is tuple:
        return kind([seen(item) for item in value])
    if kind is dict:
        return {key: seen(item) for key, item in value.items()}
    return value


def kept(value: Any) -> Any:
    """A value of a template as the rest of the program sees it; the inverse of `seen`."""
    return Text(value.content) if isinstance(value, Piece | Media) else value


def shown(value: Any) -> str:
    """What a value reads like in the output."""
    if type(value) is str or isinstance(value, Piece | Mark):
        return value
    if isinstance(value, Media):
        return Piece(value.content)
    if isinstance(value, Chunk | ChunkList | Text):
        return shown(seen(value))
    if inspect.isawaitable(value) and not isinstance(value, Node):
        raise UsageError(f"{value!r:.60} has not been awaited, so it cannot be turned into text")
    return str(written(value))


class Writer:
    """Appends output to a draft, and knows who speaks."""

    __slots__ = ("draft", "roles")

    def __init__(self, draft: Draft, roles: Iterable[Mark] = ()) -> None:
        self.draft = draft
        self.roles = list(roles)

    def write(self, value: Any) -> None:
        """Appends a piece of output, or changes who speaks."""
        piece = shown(value)
        if not isinstance(piece, Mark):
            self.draft.add(piece.content if isinstance(piece, Piece) else piece, self._role())
        elif piece.role is None:
            self.roles.pop()
        else:
            self.roles.append(piece)

    def _role(self) -> Role | None:
        automatic = None
        for mark in reversed(self.roles):
            if not mark.automatic:
                return mark.role
            automatic = mark.role
        return automatic


class Buffer(list[Any]):
    """Output that a macro or a block collects; in `open_buffers` until it is joined."""

    def __init__(self, open_buffers: list[Buffer]) -> None:
        super().__init__()
        self.open_buffers = open_buffers
        open_buffers.append(self)


def joined(pieces: Iterable[Any]) -> Any:
    """Collected output as one value."""
    if isinstance(pieces, Buffer):
        pieces.open_buffers.pop()
    writer = Writer(Draft())
    for piece in pieces:
        writer.write(piece)
    return seen(writer.draft.content())
