"""How is a key kept out of everything that people read, store or send on?"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from typing import Any, Never

MASK = "***"
# Placeholders for servers that want no key ("none", "EMPTY") are words that messages may need.
_SHORTEST = 6
# A shorter one may be a part of what a program needs elsewhere.
_LONG = 16
_HEADERS = ("authorization", "api-key", "x-api-key", "x-goog-api-key")


class Secret:
    """A key that shows itself to nobody but who calls `reveal`.

    >>> Secret("sk-123456")
    Secret(***)
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        _given.add(value)

    def reveal(self) -> str:
        """The key itself."""
        return self._value

    def masked(self, value: Any) -> Any:
        """A text, or the texts in lists, tuples and dicts, with the key replaced by asterisks.

        >>> Secret("sk-123456").masked({"message": "no such key: sk-123456"})
        {'message': 'no such key: ***'}
        """
        if len(self._value) < _SHORTEST:
            return value
        if isinstance(value, str):
            return value.replace(self._value, MASK)
        if isinstance(value, bytes):
            return value.replace(self._value.encode(), MASK.encode())
        if isinstance(value, list | tuple):
            return type(value)([self.masked(item) for item in value])
        if isinstance(value, dict):
            return {self.masked(key): self.masked(item) for key, item in value.items()}
        return value

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __reduce__(self) -> Never:
        raise TypeError("a key is not pickled; make the backend anew where it is needed")


_given: set[str] = set()  # every key of this process


def given() -> list[str]:
    """Every key of this process that is masked in messages, the longest first."""
    return sorted([value for value in _given if len(value) >= _SHORTEST], key=len, reverse=True)


def masked_file(content: bytes) -> bytes:
    """The content of a file that is to be shared, with every key that was given in this process masked.

    A short one is masked where it is a whole literal, and if it has a digit: others are words.

    >>> keys = Secret("sk-12345678901234"), Secret("token-abc123"), Secret("ollama")
    >>> masked_file(b"api_key='sk-12345678901234', other='token-abc123', model='ollama'")
    b"api_key='***', other='***', model='ollama'"
    """
    for value in given():
        key = value.encode("utf-8", "surrogatepass")
        if len(value) >= _LONG:
            content = content.replace(key, MASK.encode())
        elif any(letter.isdigit() for letter in value):
            for quote in (b"'", b'"'):
                content = content.replace(quote + key + quote, quote + MASK.encode() + quote)
    return content


def hide(secret: Secret, error: BaseException) -> None:
    """Masks the key in an error and in all that it was raised from: messages, bodies and request headers.

    What the functions that it passed through had in their local variables goes: tracebacks may show these, and
    some SDKs hold the headers of a request there.
    """
    for each in _chain(error):
        traceback.clear_frames(each.__traceback__)
        if (args := secret.masked(each.args)) != each.args:
            each.args = args
        for name, value in list(vars(each).items()):
            if (kept := secret.masked(value)) is not value and kept != value:
                setattr(each, name, kept)
            _hide_headers(value)
            with contextlib.suppress(RuntimeError):  # from a response that was not asked for
                _hide_headers(getattr(value, "request", None))


def _hide_headers(message: object) -> None:
    headers = getattr(message, "headers", None)  # of a request that was sent, and is spent by now
    for header in _HEADERS:
        if headers is not None and header in headers:
            headers[header] = MASK


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
