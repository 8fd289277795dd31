"""What may a prompt or an answer consist of?"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias, cast, overload

from onetwo_like.core.frozen import freeze
from onetwo_like.errors import UsageError

Role: TypeAlias = Literal["system", "user", "model"]
ROLES = ("system", "user", "model")
_THE_ROLES = f"the roles are {', '.join(ROLES)} (elsewhere also called assistant)"


@dataclasses.dataclass(frozen=True, slots=True)
class ToolCall:
    """What a model asks for: a call of a tool that it was offered. `id` is the provider's name for the call.

    >>> ToolCall("weather", {"city": "Nice"})
    ToolCall('weather', {'city': 'Nice'})
    """

    name: str
    arguments: Mapping[str, Any]
    id: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.arguments, Mapping):
            raise UsageError(f"ToolCall takes the arguments by name, not {self.arguments!r:.80}")
        object.__setattr__(self, "arguments", freeze(self.arguments))

    def __repr__(self) -> str:
        return f"ToolCall({self.name!r}, {self.arguments!r})"


@dataclasses.dataclass(frozen=True, slots=True)
class ToolResult:
    """The result of a tool call as content, or with `failed` what went wrong; `id` is that of the call.

    >>> ToolResult("weather", "sunny")
    ToolResult('weather', 'sunny')
    """

    name: str
    content: str | ChunkList
    id: str = ""
    failed: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "content", as_content(self.content))

    def __repr__(self) -> str:
        return f"ToolResult({self.name!r}, {self.content!r}{', failed=True' if self.failed else ''})"


@dataclasses.dataclass(frozen=True, slots=True)
class Reasoning:
    """What a model thought before it answered, as far as the provider shows it.

    `data` is the provider's own form of it, which some want back with the results of tools.
    """

    text: str
    data: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.data is not None:
            object.__setattr__(self, "data", freeze(self.data))


_NOT_TEXT = (ToolCall, ToolResult, Reasoning)


@dataclasses.dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of content: text, bytes or a URL with the MIME type that says what is there, or what passes between a model and its tools.

    `role` says who speaks (system, user or model); `metadata` is kept and never interpreted.

    >>> Chunk("Bonjour", role="user")
    Chunk('Bonjour', role='user')
    >>> Chunk(b"...", "image/png")
    Chunk(<3 bytes>, 'image/png')
    """

    content: str | bytes | ToolCall | ToolResult | Reasoning
    mime_type: str | None = None
    role: Role | None = None
    metadata: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.content, bytearray | memoryview):
            object.__setattr__(self, "content", bytes(self.content))
        elif isinstance(self.content, str) and type(self.content) is not str:
            object.__setattr__(self, "content", str(self.content))  # one text, one key in the cache
        if not isinstance(self.content, (str, bytes, *_NOT_TEXT)):
            raise UsageError(
                f"Chunk holds str or bytes, not {type(self.content).__name__}: {self.content!r:.80}"
            )
        if isinstance(self.content, bytes) and self.mime_type is None:
            raise UsageError('Chunk of bytes needs a mime_type, such as Chunk(data, "image/png")')
        if self.role is not None and self.role not in ROLES:
            raise UsageError(f"Chunk has role {self.role!r}; {_THE_ROLES}")
        if self.metadata is not None:
            object.__setattr__(self, "metadata", freeze(self.metadata))

    @property
    def is_text(self) -> bool:
        """Whether the content is text, and not the address of something else."""
        mime = self.mime_type
        return isinstance(self.content, str) and (mime is None or mime.startswith("text/"))

    @property
    def kind(self) -> str:
        """What the content is, in a word or two: its MIME type, "tool call", "tool result" or "reasoning"."""
        return _KINDS.get(type(self.content)) or self.mime_type or "text/plain"

    def __repr__(self) -> str:
        shown = f"<{len(self.content)} bytes>" if isinstance(self.content, bytes) else repr(self.content)
        mime = f", {self.mime_type!r}" if self.mime_type else ""
        role = f", role={self.role!r}" if self.role else ""
        return f"Chunk({shown}{mime}{role}{', metadata=...' if self.metadata else ''})"


_KINDS: dict[type, str] = {ToolCall: "tool call", ToolResult: "tool result", Reasoning: "reasoning"}
Piece: TypeAlias = "str | Chunk | ToolCall | ToolResult | Reasoning"


class ChunkList(Sequence[Chunk]):
    """Chunks in order, as one immutable piece of content; `+` joins, also with strings.

    >>> ChunkList(["Describe ", Chunk(b"...", "image/png")]) + " in one word."
    ChunkList([Chunk('Describe '), Chunk(<3 bytes>, 'image/png'), Chunk(' in one word.')])
    """

    __slots__ = ("chunks",)
    chunks: tuple[Chunk, ...]

    def __init__(self, chunks: Piece | Iterable[Piece | ChunkList] = ()) -> None:
        object.__setattr__(self, "chunks", tuple(_chunks_of(chunks)))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a ChunkList does not change; join with + to make another")

    @overload
    def __getitem__(self, index: int) -> Chunk: ...
    @overload
    def __getitem__(self, index: slice) -> ChunkList: ...
    def __getitem__(self, index: int | slice) -> Chunk | ChunkList:
        return ChunkList(self.chunks[index]) if isinstance(index, slice) else self.chunks[index]

    def __len__(self) -> int:
        return len(self.chunks)

    def __iter__(self) -> Iterator[Chunk]:
        return iter(self.chunks)

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The calls that a model asks for, in order."""
        return [c.content for c in self.chunks if isinstance(c.content, ToolCall)]

    @property
    def text(self) -> str:
        """All that is text, joined; what else there is is left out."""
        return "".join([cast(str, c.content) for c in self.chunks if c.is_text])

    def __add__(self, other: str | Chunk | ChunkList) -> ChunkList:
        if not isinstance(other, str | Chunk | ChunkList):
            return NotImplemented
        return ChunkList((*self.chunks, *_chunks_of(other)))

    def __radd__(self, other: str | Chunk) -> ChunkList:
        if not isinstance(other, str | Chunk):
            return NotImplemented
        return ChunkList((*_chunks_of(other), *self.chunks))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ChunkList) and self.chunks == other.chunks

    def __hash__(self) -> int:
        return hash(self.chunks)

    def __repr__(self) -> str:
        return f"ChunkList({list(self.chunks)!r})"

    def __str__(self) -> str:
        return "".join(c.content if isinstance(c.content, str) else f"[{c.kind}]" for c in self.chunks)

    def __format__(self, spec: str) -> str:
        # An f-string would turn an image into the words "[image/png]" and nobody would notice.
        return format(text_of(self), spec)

    def __reduce__(self) -> tuple[type[ChunkList], tuple[tuple[Chunk, ...]]]:
        return ChunkList, (self.chunks,)


def _chunks_of(source: object) -> Iterator[Chunk]:
    if isinstance(source, str):
        content = getattr(source, "content", None)  # the str of a composable carries its real content
        if isinstance(content, ChunkList):
            yield from content.chunks
        elif source:
            yield Chunk(str(source))
    elif isinstance(source, Chunk):
        yield source
    elif isinstance(source, ChunkList):
        yield from source.chunks
    elif isinstance(source, _NOT_TEXT):
        yield Chunk(source)
    elif isinstance(source, Iterable) and not isinstance(source, bytes | Mapping):
        for item in source:
            if not isinstance(item, (str, Chunk, ChunkList, *_NOT_TEXT)):
                raise UsageError(
                    f"content consists of str and Chunk, not {type(item).__name__}: {item!r:.80}"
                )
            yield from _chunks_of(item)
    else:
        raise UsageError(
            f"content is a str, a Chunk or a sequence of them, not {type(source).__name__}: {source!r:.80}"
        )


Content: TypeAlias = str | Chunk | ChunkList | Sequence[str | Chunk | ToolCall | ToolResult | Reasoning]


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """What one speaker says: role system, user or model, and content.

    >>> Message("user", "Who is the mayor of Nice?")
    Message('user', 'Who is the mayor of Nice?')
    """

    role: Role
    content: str | ChunkList

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise UsageError(f"Message has role {self.role!r}; {_THE_ROLES}")
        object.__setattr__(self, "content", as_content(self.content))

    @property
    def text(self) -> str:
        """The content as text; a UsageError if it has images or other bytes."""
        return text_of(self.content)

    def __repr__(self) -> str:
        return f"Message({self.role!r}, {self.content!r})"


def as_content(value: object) -> str | ChunkList:
    """The value as content: plain text as str (one key in the cache), all else as a ChunkList."""
    if type(value) is str:
        return value
    chunks = ChunkList(cast(Any, value))
    if all(type(c.content) is str and not (c.mime_type or c.role or c.metadata) for c in chunks):
        return "".join([cast(str, c.content) for c in chunks])
    return chunks


_AS_MESSAGE = 'A message is written ot.Message("user", "text")'


def as_messages(value: object) -> tuple[Message, ...]:
    """The value as a conversation: a str is one user message; chunks with roles are split by role."""
    if isinstance(value, Message):
        return (value,)
    if isinstance(value, list | tuple) and all(isinstance(item, Message) for item in value):
        if not value:
            raise UsageError("a conversation needs at least one message")
        return tuple(value)
    if isinstance(value, list | tuple):
        is_content = not any(isinstance(item, Message) for item in value)
        for item in value:
            if not isinstance(item, (str, Chunk, ChunkList, *_NOT_TEXT) if is_content else Message):
                raise UsageError(
                    f"a conversation is a list of ot.Message, and one item is {item!r:.80}. {_AS_MESSAGE}"
                )
    elif isinstance(value, bytes | Mapping):
        raise UsageError(f"a conversation is not {type(value).__name__}: {value!r:.80}. {_AS_MESSAGE}")
    elif isinstance(value, Iterable) and not isinstance(value, str | Chunk | ChunkList):
        return as_messages(list(value))
    content = as_content(value)
    if isinstance(content, str):
        return (Message("user", content),)
    messages: list[Message] = []
    for chunk in content:
        role: Role = chunk.role or ("model" if isinstance(chunk.content, ToolCall | Reasoning) else "user")
        bare = dataclasses.replace(chunk, role=None)
        if messages and messages[-1].role == role:
            messages[-1] = Message(role, ChunkList([*_chunks_of(messages[-1].content), bare]))
        else:
            messages.append(Message(role, ChunkList([bare])))
    return tuple(messages)


def text_in(value: object) -> str | None:
    """The text of an answer, also of one that has more than text; None if there is none to read."""
    if isinstance(value, ChunkList):
        return value.text or None
    return value if isinstance(value, str) else None


def text_of(content: str | Chunk | ChunkList) -> str:
    """The content as text; a UsageError if it has images or other bytes."""
    if isinstance(content, str):
        return content
    parts = []
    for chunk in ChunkList(content):
        if not chunk.is_text:
            raise UsageError(f"text is needed here, and the content has a chunk of {chunk.kind}")
        parts.append(cast(str, chunk.content))
    return "".join(parts)
