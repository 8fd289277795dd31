"""What is kept of a reply, and how does it come back?

An entry is the encoded value and three lines of JSON: what the provider said about the reply, the
key document, and the earlier replies to the same request, oldest first.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any, NamedTuple, Self

from onetwo_like.core.content import text_in
from onetwo_like.core.request import Handler, Reply, Request, Usage
from onetwo_like.errors import CacheError, ContentRefusedError, ParseError
from onetwo_like.middleware.codec import ONLY_CONTENT, decode, encode
from onetwo_like.middleware.entry import pack, unpack
from onetwo_like.middleware.known_types import KnownTypes, TypesOfReplies

# What a reply that is not a complete answer is marked as.
REFUSED, TRUNCATED, UNPARSED = "refused", "truncated", "unparsed"
MARKS = (REFUSED, TRUNCATED, UNPARSED)

_read_first = json.JSONDecoder().raw_decode  # json.loads would look for white space and the encoding first
_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Recorded(NamedTuple):
    """A reply as it is kept: `value` is encoded, `about` what was said of it, `document` the request."""

    value: bytes
    about: dict[str, Any]
    document: str
    history: tuple[str, ...] = ()

    @classmethod
    def of(cls, reply: Reply, document: str, types: KnownTypes | None) -> Self:
        """A complete answer, or one that ended for want of tokens; UnstorableError if it cannot be kept."""
        about = _about(reply)
        if reply.finish_reason == "length":
            about["mark"] = TRUNCATED
        elif reply.finish_reason == "refused":
            about["mark"] = REFUSED
            about["message"] = f"the model refused: {reply.value!r:.200}"
        return cls(encode(reply.value, types), about, document)

    @classmethod
    def of_failure(
        cls, error: ContentRefusedError | ParseError, document: str, at: float, took_s: float
    ) -> Self:
        """A refusal, or a reply that was not what was asked for: an answer all the same."""
        about: dict[str, Any] = {"at": at, "took": took_s, "message": str(error)}
        if isinstance(error, ParseError):
            about["mark"] = UNPARSED
            return cls(encode(error.reply if isinstance(error.reply, str) else None), about, document)
        about["mark"] = REFUSED
        for name in ("provider", "model", "request_id"):
            if getattr(error, name) is not None:
                about[name] = getattr(error, name)
        return cls(encode(None), about, document)

    @classmethod
    def unpacked(cls, key: str, raw: bytes) -> Self:
        """The entry that `packed` made these bytes of; CacheError if they are damaged."""
        value, lines = unpack(key, raw)
        # The key document may hold halves of surrogate pairs, as text of the user's can.
        text = lines.decode("utf-8", "surrogatepass")
        about, end = _read_first(text)
        document, _, history = text[end + 1 :].partition("\n")
        return cls(value, about, document, tuple(json.loads(history)) if history else ())

    def packed(self, key: str) -> bytes:
        """The entry as bytes, with a checksum."""
        lines = f"{_dumps(self.about)}\n{self.document}"
        if self.history:
            lines += "\n" + _dumps(self.history)
        return pack(key, self.value, lines.encode("utf-8", "surrogatepass"))

    @property
    def mark(self) -> str | None:
        """What keeps it from being a complete answer, if anything does."""
        mark: str | None = self.about.get("mark")
        return mark

    def reply(self, types: TypesOfReplies, request: Request, replayed: bool) -> Reply:
        """A copy of the reply that belongs to who asked; raises what a refusal or a parse failure was."""
        # Most values are text, for which no classes need to be known.
        return self.read(ONLY_CONTENT if self.value[:1] == b"t" else types.of(request), replayed)

    def read(self, types: KnownTypes, replayed: bool) -> Reply:
        """`reply`, where the classes that the value may hold are known."""
        about = self.about
        mark = about.get("mark")
        if mark == REFUSED:
            raise ContentRefusedError(
                about["message"],
                provider=about.get("provider"),
                model=about.get("model"),
                request_id=about.get("request_id"),
            )
        value = decode(self.value, types)
        if mark == UNPARSED:
            raise ParseError(about["message"], value)
        usage = about.get("usage")
        return Reply(
            value,
            None if usage is None else Usage(*usage),
            about.get("finish"),
            about.get("model"),
            about.get("at"),
            about.get("took"),
            _chunks(value, about.get("chunks")),
            about.get("id"),
            replayed,
            about.get("price"),
        )

    def superseding(self, earlier: Recorded) -> Recorded:
        """This, with an earlier reply to the same request in its history."""
        line = _dumps({"value": earlier.value.decode(), "about": earlier.about})
        return self._replace(history=(*earlier.history, line))

    def earlier(self) -> Iterable[Recorded]:
        """The earlier replies, oldest first."""
        for line in self.history:
            form = json.loads(line)
            yield Recorded(form["value"].encode(), form["about"], self.document)


async def call_recorded(call: Handler, request: Request, document: str, types: KnownTypes) -> Recorded:
    """Makes the call; what came of it, as it is kept. A failure that is no answer is raised."""
    at, began = time.time(), time.perf_counter()
    try:
        reply = await call(request)
    except (ContentRefusedError, ParseError) as error:
        return Recorded.of_failure(error, document, at, time.perf_counter() - began)
    if reply.recorded_at is None:
        reply = reply._replace(recorded_at=at)
    if reply.duration_s is None:
        reply = reply._replace(duration_s=time.perf_counter() - began)
    return Recorded.of(reply, document, types)


def readable(recorded: Recorded, types: KnownTypes) -> Any:
    """The value, or the tagged JSON it is stored as, where its class is not known here."""
    try:
        return decode(recorded.value, types)
    except CacheError:
        return json.loads(recorded.value[1:])


def _about(reply: Reply) -> dict[str, Any]:
    about: dict[str, Any] = {}
    if reply.usage is not None:
        about["usage"] = list(reply.usage)
    if reply.finish_reason is not None:
        about["finish"] = reply.finish_reason
    if reply.model_version is not None:
        about["model"] = reply.model_version
    about["at"] = reply.recorded_at
    about["took"] = reply.duration_s
    if reply.chunks is not None and len(reply.chunks) > 1:
        about["chunks"] = [len(chunk) for chunk in reply.chunks]
    if reply.request_id is not None:
        about["id"] = reply.request_id
    if reply.price is not None:
        about["price"] = reply.price
    return about


def _chunks(value: Any, lengths: list[int] | None) -> tuple[str, ...] | None:
    text = text_in(value)
    if lengths is None or text is None:
        return None
    chunks, start = [], 0
    for length in lengths:
        chunks.append(text[start : start + length])
        start += length
    return tuple(chunks)
