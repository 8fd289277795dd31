"""How do `key=value` words become the arguments of a function?"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from onetwo_like.errors import UsageError


def split(words: Sequence[str]) -> dict[str, str]:
    """The values by name, of words such as `country=France`.

    >>> split(["country=France", "equation=1+1=2"])
    {'country': 'France', 'equation': '1+1=2'}
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(f"--input {word}: an input is given as key=value")
        if name in found:
            raise UsageError(f"--input {word}: {name!r} is given twice")
        found[name] = value
    return found


def arguments(function: Callable[..., Any], given: Mapping[str, str]) -> dict[str, Any]:
    """The arguments for a call of the function, each read as its annotation says.

    A text is taken as it is, also where nothing is annotated; anything else is read as JSON, or as pydantic
    reads a text. A UsageError names the inputs that are unknown or missing, or what cannot be read.

    >>> def f(country: str, n: int = 1, tags: list[str] = ()): ...
    >>> arguments(f, {"country": "1", "n": "2", "tags": '["a"]'})
    {'country': '1', 'n': 2, 'tags': ['a']}
    """
    parameters = inspect.signature(function).parameters
    by_name = {n: p for n, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    unknown = [name for name in given if name not in by_name and not takes_any]
    missing = [n for n, p in by_name.items() if p.default is p.empty and n not in given]
    if unknown or missing:
        wrong = [f"unknown input {', '.join(unknown)}"] if unknown else []
        wrong += [f"missing input {', '.join(missing)}"] if missing else []
        raise UsageError(f"{' and '.join(wrong)}; the inputs are {_described(by_name) or 'none'}")
    types = _types(function)
    return {name: _read(name, text, types.get(name, str)) for name, text in given.items()}


def _described(parameters: Mapping[str, inspect.Parameter]) -> str:
    return ", ".join(
        n if p.default is p.empty else f"{n} (default {p.default!r:.40})" for n, p in parameters.items()
    )


def _types(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(inspect.unwrap(function))
    except (NameError, TypeError, AttributeError):  # annotations that only a type checker can read
        return {}


def _read(name: str, text: str, wanted: Any) -> Any:
    if wanted in (str, Any, object):
        return text
    import pydantic

    try:
        adapter = pydantic.TypeAdapter(wanted)
    except pydantic.PydanticUserError:
        raise UsageError(
            f"--input {name}: what is of type {_name(wanted)} cannot be given on the command line"
        ) from None
    try:
        return adapter.validate_json(text)
    except pydantic.ValidationError:
        pass  # most are not JSON, and need not be
    try:
        return adapter.validate_python(text)
    except pydantic.ValidationError as error:
        why = error.errors()[0]["msg"]
        raise UsageError(f"--input {name}={text:.60}: not of type {_name(wanted)}: {why}") from None


def _name(wanted: Any) -> str:
    return wanted.__name__ if isinstance(wanted, type) and not typing.get_args(wanted) else str(wanted)
