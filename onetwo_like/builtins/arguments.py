"""What arguments do the built-ins take, and which spellings are one value (0 = 0.0, "Q:" = ["Q:"])?

One value must have one key in the cache, so each type says how it is normalised.
"""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeAlias

from onetwo_like.core.content import ChunkList, Content, Message, as_content, as_messages
from onetwo_like.core.evaluation import Node
from onetwo_like.core.executable import Executable
from onetwo_like.core.frozen import freeze
from onetwo_like.core.operation import Keyed
from onetwo_like.errors import UsageError


def content(value: object) -> str | ChunkList:
    """Text, chunks, or a sequence of them."""
    _refuse_executables(value)
    return as_content(value)


def conversation(value: object) -> tuple[Message, ...]:
    """Messages, or content that is one message of the user's."""
    _refuse_executables(value)
    return as_messages(value)


def text(value: object) -> str:
    """A plain str."""
    if not isinstance(value, str):
        raise UsageError(f"takes a str, not {type(value).__name__}: {value!r:.60}")
    return str(value)


def number(value: object) -> float:
    """A real number as a float."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise UsageError(f"takes a number, not {type(value).__name__}: {value!r:.60}")
    return float(value) + 0.0  # -0.0 is 0.0


def count(value: object) -> int:
    """A whole number of at least 1."""
    whole_number = whole(value)
    if whole_number < 1:
        raise UsageError(f"takes a number of at least 1, not {value!r}")
    return whole_number


def whole(value: object) -> int:
    """A whole number; 3.0 is one."""
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, numbers.Real) and not isinstance(value, bool) and float(value).is_integer():
        return int(float(value))
    raise UsageError(f"takes a whole number, not {type(value).__name__}: {value!r:.60}")


def not_negative(value: object) -> int:
    """A whole number of at least 0."""
    whole_number = whole(value)
    if whole_number < 0:
        raise UsageError(f"takes a number of at least 0, not {value!r}")
    return whole_number


def texts(value: object) -> tuple[str, ...]:
    """Strings; a single one stands for a list of one."""
    _refuse_executables(value)
    if isinstance(value, str):
        return (str(value),)
    if not isinstance(value, Iterable) or isinstance(value, bytes | Mapping):
        raise UsageError(f"takes a str or a list of them, not {type(value).__name__}: {value!r:.60}")
    items = tuple(value)
    for item in items:
        if not isinstance(item, str):
            raise UsageError(f"takes a list of str, and one item is {type(item).__name__}: {item!r:.60}")
    return tuple([str(item) for item in items])


def stops(value: object) -> tuple[str, ...]:
    """Strings that end a text, none of them empty: that would end every text before it begins."""
    found = texts(value)
    if "" in found:
        raise UsageError(
            f"takes strings that are not empty, not {value!r:.60}; stop=[] is for no stop at all"
        )
    return found


def choices(value: object) -> tuple[str, ...]:
    """At least one option, each different."""
    if isinstance(value, str):
        raise UsageError(f"takes a list of options, not one str: [{value!r:.60}]")
    options = texts(value)
    if not options:
        raise UsageError("takes at least one option")
    if len(set(options)) != len(options):
        raise UsageError(f"takes options that differ, and one is there twice: {list(options)!r:.80}")
    return options


def token_ids(value: object) -> tuple[int, ...]:
    """Token numbers."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise UsageError(f"takes a list of token numbers, not {type(value).__name__}: {value!r:.60}")
    return tuple([whole(item) for item in value])


EFFORTS = ("minimal", "low", "medium", "high")


def effort(value: object) -> str | int:
    """How much to think: a word, or a number of tokens; "none" is 0."""
    if isinstance(value, str):
        if value == "none":
            return 0
        if value not in EFFORTS:
            raise UsageError(
                f"takes {', '.join(map(repr, EFFORTS))} or a number of tokens, not {value!r:.60}"
            )
        return str(value)
    return not_negative(value)


def extra(value: object) -> Any:
    """Options by name, frozen: what JSON can hold, since that is how they are sent."""
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise UsageError(f"takes a dict of options by name, not {type(value).__name__}: {value!r:.60}")
    _refuse_executables(list(value.values()))
    frozen = freeze(value)
    try:
        json.dumps(frozen, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"takes options that JSON can hold, not {value!r:.60} ({error})") from None
    return frozen


def tools(value: object) -> Any:
    """Functions, or descriptions of them, as `Tool`s."""
    from onetwo_like.builtins.tools import as_tools  # which knows pydantic

    return as_tools(value)


def tool_choice(value: object) -> str:
    """ "auto", "required", "none" or a tool's name; the function itself will do."""
    if isinstance(value, str) and value:
        return str(value)
    return str(tools((value,))[0].name)


def a_type(value: object) -> Any:
    """A type to parse into; checked where it is used."""
    if value is None or isinstance(value, str | int | float | bytes | list | tuple | dict | set):
        raise UsageError(
            f"takes a type, such as int, list[str], Literal['yes', 'no'] or a dataclass, not {value!r:.60}"
        )
    return value


def _refuse_executables(value: object) -> None:
    if isinstance(value, list | tuple | set) and any(isinstance(item, Node) for item in value):
        raise UsageError(
            "takes values, and the list holds an executable that has not run. Pass executables as arguments of their "
            "own, or execute them first: `await ot.parallel(*list)`"
        )


def _type_key(cls: Any) -> Any:
    from onetwo_like.builtins.schemas import type_key  # pydantic is imported late

    return type_key(cls)


Prompt: TypeAlias = Annotated[Content | Executable[Any], content]
Messages: TypeAlias = Annotated[Content | Message | Sequence[Message] | Executable[Any], conversation]
Text: TypeAlias = Annotated[str | Executable[Any], text]
Texts: TypeAlias = Annotated[str | Sequence[str] | Executable[Any], texts]
Choices: TypeAlias = Annotated[Sequence[str] | Executable[Any], choices]
TokenIds: TypeAlias = Annotated[Sequence[int] | Executable[Any], token_ids]
Type: TypeAlias = Annotated[Any, a_type, Keyed(_type_key)]
Count: TypeAlias = Annotated[int | Executable[Any], count]
Number: TypeAlias = Annotated[float | None, number]
OptionalCount: TypeAlias = Annotated[int | None, count]
OptionalWhole: TypeAlias = Annotated[int | None, whole]
NotNegative: TypeAlias = Annotated[int | None, not_negative]
Effort: TypeAlias = Annotated[str | int | None, effort]
Extra: TypeAlias = Annotated[Mapping[str, Any] | None, extra]
Tools: TypeAlias = Annotated[Sequence[Any] | None, tools]
ToolChoice: TypeAlias = Annotated[str | Callable[..., Any] | None, tool_choice]
Stop: TypeAlias = Annotated[str | Sequence[str] | None, stops]
