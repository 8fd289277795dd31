"""How does a function become a tool that a model knows of and can call?"""

from __future__ import annotations

import functools
import inspect
import json
import re
import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any, NotRequired

from onetwo_like.builtins.json_text import extract_json
from onetwo_like.builtins.objects import problems_of
from onetwo_like.builtins.schemas import json_schema, make_adapter
from onetwo_like.builtins.typed_dicts import typed_dict
from onetwo_like.core.frozen import freeze
from onetwo_like.errors import ParseError, UsageError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["Tool", "as_tools", "call_tool", "tool_schema"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")  # what every provider accepts


@dataclass(frozen=True, slots=True)
class Tool:
    """What a model is told about a tool: name, description, and the parameters as a JSON schema.

    `function`, if there is one, is what `llm.run_tools` calls, with the model's arguments by name. A function in
    `tools=[f]` becomes a tool by itself, and its arguments are checked and converted by its annotations. Write an
    `ot.Tool` for what no Python signature describes.

    >>> Tool("now", "The time of day.", {"type": "object", "properties": {}}).name
    'now'
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    function: Callable[..., Any] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or _NAME.fullmatch(self.name) is None:
            raise UsageError(f"A tool needs a name of letters, digits and _, and {self.name!r:.60} is none.")
        if self.name in ("auto", "none", "required"):
            raise UsageError(
                f"A tool cannot be called {self.name!r}, because tool_choice={self.name!r} is another thing."
            )
        if not isinstance(self.description, str):
            raise UsageError(
                f"The tool {self.name!r} takes its description as a str, not {self.description!r:.60}"
            )
        if self.function is not None and not callable(self.function):
            raise UsageError(f"The tool {self.name!r} calls a function, not {self.function!r:.60}")
        if not isinstance(self.parameters, Mapping) or self.parameters.get("type") != "object":
            raise UsageError(
                f"The tool {self.name!r} takes its parameters as a JSON schema of an object, "
                f'{{"type": "object", "properties": ...}}, not {self.parameters!r:.80}'
            )
        object.__setattr__(self, "parameters", freeze(self.parameters))

    def __cache_key__(self) -> dict[str, Any]:
        return {"name": self.name, "description": self.description, "parameters": self.parameters}

    def __repr__(self) -> str:
        return f"Tool({self.name!r})"


def as_tools(value: object) -> tuple[Tool, ...]:
    """Functions and tools as tools, each with a name of its own; a UsageError for what is neither."""
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | Mapping):
        raise UsageError(f"takes a list of functions, not {type(value).__name__}: {value!r:.60}")
    made = tuple([_as_tool(item) for item in value])
    for place, tool in enumerate(made):
        if any(tool.name == other.name for other in made[:place]):
            raise UsageError(f"takes tools whose names differ, and two are called {tool.name!r}")
    return made


def _as_tool(item: object) -> Tool:
    if isinstance(item, Tool):
        return item
    if not callable(item):
        raise UsageError(f"takes functions, and one item is {type(item).__name__}: {item!r:.60}")
    tool = _tool(item)
    return Tool(**_schema(tool), function=lambda **arguments: _call(tool, arguments))


def tool_schema(function: Callable[..., Any]) -> dict[str, Any]:
    """What a model is told about a function: "name", "description", and "parameters" as a JSON schema.

    The description is the docstring's first paragraph. That of a parameter is a text in its Annotated, or
    its line in the docstring (`name: text` under "Args:", or `:param name: text`). Plain and async functions,
    bound methods and executables will do; a function with *args or **kwargs, or with a type that JSON
    cannot hold, is a UsageError.

    >>> def weather(city: str, days: int = 1) -> str:
    ...     '''The forecast for a city.
    ...
    ...     Args:
    ...         days: how many, from today
    ...     '''
    ...     return "sunny"
    >>> tool_schema(weather)["description"]
    'The forecast for a city.'
    >>> tool_schema(weather)["parameters"]["properties"]["days"]
    {'default': 1, 'description': 'how many, from today', 'type': 'integer'}
    """
    return _schema(_tool(function))


def _schema(tool: _Tool) -> dict[str, Any]:
    schema = json_schema(tool.arguments, tool.function)
    schema.pop("title", None)
    for name, parameter in tool.parameters.items():
        if parameter.default is not parameter.empty:
            schema["properties"][name] = {**_shown_default(parameter.default), **schema["properties"][name]}
    return {"name": tool.name, "description": tool.description, "parameters": schema}


def call_tool(function: Callable[..., Any], arguments: Mapping[str, Any] | str) -> Any:
    """Calls a function with a model's arguments: a mapping, or the JSON text of one.

    Each argument becomes a value of its annotated type first. What the function returns is returned as it
    is: of an async function something to await. Arguments that do not fit are a ParseError that tells the model why.

    >>> def double(x: int) -> int:
    ...     return 2 * x
    >>> call_tool(double, '{"x": "21"}')
    42
    """
    return _call(_tool(function), arguments)


def _call(tool: _Tool, arguments: Mapping[str, Any] | str) -> Any:
    from pydantic import ValidationError
    from pydantic_core import to_json

    try:
        if isinstance(arguments, str):
            text = extract_json(arguments) if arguments.strip() else "{}"  # what some say for no arguments
        else:
            text = to_json(arguments).decode()  # a date is a text there, also for a type that is strict
        given = tool.arguments.validate_json(text)
    except ValidationError as error:
        raise ParseError(
            f"The arguments do not fit the tool {tool.name!r}: {problems_of(error)}.", reply=arguments
        ) from error
    parameters = tool.parameters.values()
    positional = [given.pop(p.name, p.default) for p in parameters if p.kind is p.POSITIONAL_ONLY]
    return tool.function(*positional, **given)


@dataclass(frozen=True, slots=True)
class _Tool:
    function: Callable[..., Any]
    name: str
    description: str
    parameters: Mapping[str, inspect.Parameter]
    arguments: TypeAdapter[Any]  # of a TypedDict with the parameters as keys


def _tool(function: Callable[..., Any]) -> _Tool:
    inner = _innermost(function)
    name = getattr(inner, "__name__", type(inner).__name__)
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError) as error:
        raise UsageError(f"{function!r:.80} has no signature that could be shown to a model.") from error
    if _NAME.fullmatch(name) is None:
        raise UsageError(f"A tool needs a name of letters, digits and _, and {name!r} is none. Use a `def`.")
    for parameter in parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise UsageError(
                f"The tool {name!r} takes {parameter}, and a model must be told each argument. "
                "Wrap it in a function with named parameters."
            )
        if parameter.name == "self":
            raise UsageError(f"The tool {name!r} is a method without its object. Give object.{name}.")
    summary, _, rest = _doc(inner).partition("\n\n")
    try:
        arguments = make_adapter(_arguments_type(name, parameters, inner, _parameter_lines(rest)))
    except NameError as error:
        raise UsageError(
            f"The tool {name!r} has an annotation with {error.name!r}, which its module does not define."
        ) from error
    except UsageError as error:
        raise UsageError(f"A parameter of the tool {name!r} has a type that will not do. {error}") from error
    return _Tool(function, name, " ".join(summary.split()), parameters, arguments)


def _innermost(function: Any) -> Any:
    """The function that was written, whose name, docstring and module count."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, types.MethodType):
            function = function.__func__
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        else:
            return function


def _doc(function: Any) -> str:
    if not inspect.isroutine(function) and not isinstance(function, type):
        function = type(function).__call__ if type(function).__call__.__doc__ else type(function)
    return inspect.getdoc(function) or ""


def _arguments_type(
    name: str, parameters: Mapping[str, inspect.Parameter], function: Any, lines: Mapping[str, str]
) -> Any:
    described = {}
    for parameter, annotation in _annotations(parameters, function).items():
        kind = _described(annotation, lines.get(parameter))
        is_required = parameters[parameter].default is inspect.Parameter.empty
        described[parameter] = kind if is_required else NotRequired[kind]
    arguments = typed_dict(name, described)
    arguments.__pydantic_config__ = {"extra": "forbid"}  # a misspelt argument would go unnoticed
    return arguments


def _annotations(parameters: Mapping[str, inspect.Parameter], function: Any) -> dict[str, Any]:
    """The parameters' types, those written as strings evaluated; the return type is nobody's concern here."""

    def holder() -> None: ...

    holder.__annotations__ = {
        name: Any if parameter.annotation is parameter.empty else parameter.annotation
        for name, parameter in parameters.items()
    }
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    names = getattr(function, "__globals__", vars(module) if module is not None else {})
    return typing.get_type_hints(holder, globalns=names, include_extras=True)


def _described(annotation: Any, line: str | None) -> Any:
    """The type with its description: a text in its Annotated, or else the docstring's line."""
    from pydantic import Field
    from pydantic.fields import FieldInfo

    extras = typing.get_args(annotation)[1:] if typing.get_origin(annotation) is Annotated else ()
    if any(isinstance(extra, FieldInfo) and extra.description for extra in extras):
        return annotation
    description = next((extra for extra in extras if isinstance(extra, str)), line)
    return Annotated[annotation, Field(description=description)] if description else annotation


_PARAMETER_LINE = re.compile(r"(\s*)(?::param\s+(?:\S+\s+)??)?(\w+)(?:\s*\([^)]*\))?\s*:\s+(\S.*)")


def _parameter_lines(doc: str) -> dict[str, str]:
    """What a docstring says of each name: its line, and the lines below it that are indented more."""
    said: dict[str, str] = {}
    name, depth = "", 0
    for line in doc.splitlines():
        indent = len(line) - len(line.lstrip())
        if name and line.strip() and indent > depth:
            said[name] += f" {line.strip()}"
        elif match := _PARAMETER_LINE.fullmatch(line):
            name, depth = match[2], indent
            said[name] = match[3].strip()
        else:
            name = ""
    return said


def _shown_default(default: Any) -> dict[str, Any]:
    from pydantic_core import PydanticSerializationError

    try:
        shown = json.loads(json_of(default))
        json.dumps(shown, allow_nan=False)
    except (PydanticSerializationError, ValueError):  # that it has one is what matters
        return {}
    return {"default": shown}


def json_of(value: Any) -> str:
    """The value as JSON, sets in the same order in every process: what a model reads is part of a key."""
    from pydantic_core import to_json

    return to_json(_ordered(value)).decode()


def _ordered(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(map(_ordered, value), key=json_of)
    if isinstance(value, Mapping):
        return {name: _ordered(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_ordered(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type) and not hasattr(value, "__pydantic_serializer__"):
        return {f.name: _ordered(getattr(value, f.name)) for f in fields(value)}
    return value
