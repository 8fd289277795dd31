"""What has been said so far in a composition, and what has been stored?"""

from __future__ import annotations

import dataclasses
import enum
import types
from collections.abc import Iterable, Mapping, ValuesView
from typing import Any

from onetwo_like.core.content import Chunk, ChunkList, Content, Role, as_content, as_messages
from onetwo_like.core.evaluation import Node
from onetwo_like.core.frozen import FrozenDict
from onetwo_like.errors import UsageError


class Text(str):
    """A str that also carries `.content`, its chunks with their roles, and `.variables`, what was stored and set.

    The value of a composable. An image reads as its type in square brackets; `.content` has it in full.

    >>> Text(["Describe ", Chunk(b"...", "image/png")])
    'Describe [image/png]'
    """

    __slots__ = ("content", "variables")
    content: ChunkList
    variables: Mapping[str, Any]

    def __new__(cls, content: Content = "", variables: Mapping[str, Any] | None = None) -> Text:
        chunks = ChunkList(content)
        self = super().__new__(cls, str(chunks))
        self.content = chunks
        self.variables = FrozenDict(variables or {})
        return self

    def __reduce__(self) -> tuple[type[Text], tuple[ChunkList, dict[str, Any]]]:
        return Text, (self.content, dict(self.variables))


@dataclasses.dataclass(frozen=True, slots=True)
class Context:
    """What a step of a composition is given: `prompt`, all that came before it, and `variables`.

    The prompt is a str, or an `ot.ChunkList` if it has images or roles: what the built-ins take.
    """

    prompt: str | ChunkList
    variables: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The prompt as a str."""
        return str(self.prompt)


class Draft:
    """What one run has said and stored so far; each run has its own."""

    __slots__ = ("_merged", "_merged_upto", "_pieces", "given", "variables")

    def __init__(
        self,
        pieces: Iterable[str | Chunk] = (),
        variables: Mapping[str, Any] | None = None,
        given: Mapping[Node, Any] | None = None,
    ) -> None:
        self._pieces = list(pieces)
        self._merged: list[Chunk] = []
        self._merged_upto = 0
        self.variables = dict(variables or {})
        self.given = given or {}  # the values of the executables that steps were given as arguments

    def add(self, content: str | Chunk | ChunkList, role: Role | None = None) -> None:
        """Appends content; chunks without a role of their own get this one."""
        if type(content) is str and role is None:
            self._pieces.append(content)
            return
        for chunk in ChunkList(content):
            if role is not None and chunk.role is None:
                chunk = dataclasses.replace(chunk, role=role)
            self._pieces.append(chunk)

    def fork(self) -> Draft:
        """Another draft that goes on from here."""
        return Draft(self._pieces, self.variables, self.given)

    @property
    def position(self) -> int:
        """Where the next piece will be, for `own`."""
        return len(self._pieces)

    def content(self) -> ChunkList:
        """All so far; neighbouring texts of one speaker are one chunk."""
        # Merged from where it was left off: a chain of n calls asks n times.
        _merge(self._pieces[self._merged_upto :], self._merged)
        self._merged_upto = len(self._pieces)
        return ChunkList(self._merged)

    def own(self, since: int) -> str:
        """What was added since a position: a plain str if it is only text, else a Text."""
        added: list[Chunk] = []
        _merge(self._pieces[since:], added)
        content = as_content(ChunkList(added))
        return content if isinstance(content, str) else Text(content)

    def prompt(self) -> str | ChunkList:
        """All so far as the prompt of a call."""
        return as_content(self.content())

    def text(self) -> Text:
        """All so far as the value of a composition."""
        return Text(self.content(), self.variables)

    def context(self) -> Context:
        """All so far as a step of the user's sees it."""
        return Context(self.prompt(), types.MappingProxyType(self.variables.copy()))

    def value(self, given: Any) -> Any:
        """The value of an argument that may be an executable."""
        return self.given[given] if isinstance(given, Node) else given


def _merge(pieces: Iterable[str | Chunk], into: list[Chunk]) -> None:
    """Appends the pieces, neighbouring texts of one role as one chunk."""
    texts: list[str] = []
    role: Role | None = None
    if into and _is_plain(into[-1]):
        last = into.pop()
        texts, role = [str(last.content)], last.role
    for piece in pieces:
        if isinstance(piece, str):
            text, speaker = piece, None
        elif _is_plain(piece):
            text, speaker = str(piece.content), piece.role
        else:
            _flush(texts, role, into)
            into.append(piece)
            continue
        if texts and speaker != role:
            _flush(texts, role, into)
        role = speaker
        texts.append(text)
    _flush(texts, role, into)


def _flush(texts: list[str], role: Role | None, into: list[Chunk]) -> None:
    if any(texts):
        into.append(Chunk("".join(texts), role=role))
    texts.clear()


def _is_plain(chunk: Chunk) -> bool:
    return chunk.is_text and chunk.mime_type is None and chunk.metadata is None


def spoken(content: str | ChunkList) -> str | ChunkList:
    """The content as a conversation takes it: without the white space between and around messages.

    Templates have a line break after each role tag, which nobody means to say. Content without
    roles is one message and stays as it is.
    """
    if isinstance(content, str) or all(chunk.role is None for chunk in content):
        return content
    said = [c for c in content if c.role is not None or not isinstance(c.content, str) or c.content.strip()]
    chunks: list[Chunk] = []
    for message in as_messages(ChunkList(said)):
        if isinstance(message.content, str):
            text = message.content.lstrip("\n").rstrip()
            chunks += [Chunk(text, role=message.role)] if text else []
        else:
            chunks += [dataclasses.replace(chunk, role=message.role) for chunk in message.content]
    return ChunkList(chunks)


def written(value: Any) -> str | Chunk | ChunkList:
    """How a value reads in a prompt: content as it is, a member of an Enum as its value, all else as `str(value)`.

    UsageError for what reads as an address in memory: functions, and objects without a text of their own.
    """
    if isinstance(value, str) and not isinstance(value, enum.Enum):
        return value
    if isinstance(value, Chunk | ChunkList):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        raise UsageError('bytes in a prompt need a MIME type: ot.Chunk(data, "image/png")')
    refuse_unexecuted(value, "what is put into the prompt")
    if callable(value) and not isinstance(value, Node):
        name = getattr(value, "__name__", None) or getattr(value, "name", type(value).__name__)
        raise UsageError(f"{name} is a function, which has no place in a prompt; call it, {name}(...)")
    kind: Any = type(value)
    if kind.__str__ is object.__str__ and kind.__repr__ is object.__repr__:
        raise UsageError(
            f"{kind.__name__} has no text of its own, so it has no place in a prompt: {value!r:.80}"
        )
    return str(value.value if isinstance(value, enum.Enum) else value)


def refuse_unexecuted(value: Any, what: str) -> None:
    """Raises a UsageError if a container has an executable in it, however deep."""
    items = value.values() if isinstance(value, Mapping) else value
    if not isinstance(items, list | tuple | set | frozenset | ValuesView):
        return
    for item in items:
        if isinstance(item, Node):
            raise UsageError(
                f"{what} is a {type(value).__name__} with an executable in it that has not run: {item!r:.60}. "
                "Give executables as arguments of their own, or execute them first, with ot.parallel(*list)"
            )
        refuse_unexecuted(item, what)
