"""How are a call's arguments checked and put in order, cheaply?

`inspect.Signature.bind` costs 4 to 7 µs a call, more than all the rest of one. So a function
with the same signature is compiled once: the interpreter itself checks the arguments, with the
error messages that people know, and the body puts them into a tuple.
"""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from onetwo_like.errors import UsageError

Normaliser: TypeAlias = Callable[[Any], Any]
Bind: TypeAlias = Callable[..., tuple[tuple[Any, ...], dict[str, Any] | None]]


def compile_binder(signature: inspect.Signature, name: str) -> Bind:
    """A function that takes what `signature` takes and returns (positional arguments, keyword ones or None).

    A wrong argument is the interpreter's own TypeError, under the function's own name.
    """
    taken, positional = _parts(signature)
    extra = next((p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD), None)
    named = ", ".join(
        [f"{p.name!r}: {p.name}" for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY]
    )
    if extra:
        named = f"{{{named}{', ' if named else ''}**{extra}}} or None"
    else:
        named = f"{{{named}}}" if named else "None"
    return _compile(signature, name, taken, f"({', '.join(positional)}{',' if positional else ''}), {named}")


def wrong_call(error: TypeError, name: str, signature: inspect.Signature) -> UsageError:
    """What the interpreter says about a wrong call, and what a right one looks like."""
    return UsageError(f"{error}. The call is {name}{without_types(signature)}")


def without_types(signature: inspect.Signature) -> inspect.Signature:
    """The signature as short as it can be shown."""
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return signature.replace(parameters=bare, return_annotation=signature.empty)


def compile_values(
    signature: inspect.Signature, name: str, normalisers: Mapping[str, Normaliser]
) -> Callable[..., tuple[Any, ...]]:
    """A function that takes what `signature` takes and returns all arguments, normalised, as one tuple.

    None stays None: it means "the default in scope". Text is not copied.
    """
    taken, _ = _parts(signature)
    values = []
    environment: dict[str, Any] = {}
    for p in signature.parameters.values():
        if p.name in normalisers:
            environment[f"_as_{p.name}"] = normalisers[p.name]
            as_is = f"{p.name} is None"
            if p.default is p.empty:
                as_is = f"{p.name}.__class__ is str" if _keeps_text(normalisers[p.name]) else "False"
            values.append(f"{p.name} if {as_is} else _as_{p.name}({p.name})")
        else:
            values.append(p.name)
    return _compile(signature, name, taken, f"({', '.join(values)},)", environment)


def _keeps_text(normalise: Normaliser) -> bool:
    """Whether a plain str, by far the most frequent argument, need not be normalised at all."""
    text = " Some text,\n"
    try:
        return bool(normalise(text) == text)
    except UsageError:
        return False


def _parts(signature: inspect.Signature) -> tuple[list[str], list[str]]:
    """The source of a parameter list with the same parameters, and of the positional arguments."""
    taken: list[str] = []
    positional: list[str] = []
    star = False
    previous = None
    for i, p in enumerate(signature.parameters.values()):
        if previous is p.POSITIONAL_ONLY and p.kind is not p.POSITIONAL_ONLY:
            taken.append("/")
        previous = p.kind
        default = "" if p.default is p.empty else f"=_default_{i}"
        if p.kind is p.VAR_POSITIONAL:
            taken.append(f"*{p.name}")
            positional.append(f"*{p.name}")
            star = True
        elif p.kind is p.VAR_KEYWORD:
            taken.append(f"**{p.name}")
        elif p.kind is p.KEYWORD_ONLY:
            if not star:
                taken.append("*")
                star = True
            taken.append(p.name + default)
        else:
            taken.append(p.name + default)
            positional.append(p.name)
    if previous is inspect.Parameter.POSITIONAL_ONLY:
        taken.append("/")
    return taken, positional


def _compile(
    signature: inspect.Signature,
    name: str,
    taken: list[str],
    returned: str,
    environment: dict[str, Any] | None = None,
) -> Callable[..., Any]:
    namespace: dict[str, Any] = dict(environment or {})
    for i, p in enumerate(signature.parameters.values()):
        if p.default is not p.empty:
            namespace[f"_default_{i}"] = p.default
    shown = name if name.isidentifier() and not keyword.iskeyword(name) else "function"
    exec(f"def {shown}({', '.join(taken)}):\n    return {returned}", namespace)
    compiled: Callable[..., Any] = namespace[shown]
    return compiled
