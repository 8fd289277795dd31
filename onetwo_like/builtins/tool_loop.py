"""How does a model get the tools called that it asks for, until it answers?"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from onetwo_like.builtins import llm
from onetwo_like.builtins.arguments import conversation, count
from onetwo_like.builtins.tools import Tool, as_tools, json_of
from onetwo_like.core.content import Chunk, ChunkList, Message, ToolCall, ToolResult, as_messages
from onetwo_like.core.executable import Executable
from onetwo_like.core.frozen import thawed
from onetwo_like.core.function import make_executable
from onetwo_like.errors import ProgramError, TurnLimitError, UsageError

POLICIES = ("tell", "raise")


def loop(
    prompt: Any,
    tools: Sequence[Callable[..., Any] | Tool],
    max_turns: int,
    on_tool_error: str,
    options: Mapping[str, Any],
) -> Executable[str]:
    """The executable that `llm.run_tools` returns; what is wrong with its arguments is raised here."""
    if on_tool_error not in POLICIES:
        raise UsageError(f'run_tools(on_tool_error=...): takes "tell" or "raise", not {on_tool_error!r:.60}')
    offered = _checked("tools", as_tools, tools)
    for tool in offered:
        if tool.function is None:
            raise UsageError(f"run_tools calls the tools, and {tool!r} has no function")
    if "include_details" in options:
        raise UsageError(
            "run_tools makes several calls, so it has no include_details; see ot.usage and traces"
        )
    if not isinstance(prompt, Executable):
        prompt = _checked("prompt", conversation, prompt)
    llm.chat("", tools=offered, **options)  # an option that does not exist is an error now
    return run_tools(prompt, offered, _checked("max_turns", count, max_turns), on_tool_error, dict(options))


def _checked(name: str, check: Callable[[object], Any], value: object) -> Any:
    try:
        return check(value)
    except UsageError as error:
        raise UsageError(f"run_tools({name}=...): {error}") from None


@make_executable
async def run_tools(
    prompt: Any, tools: tuple[Tool, ...], max_turns: int, on_tool_error: str, options: dict[str, Any]
) -> str:
    """Asks, calls what the model wants called, tells it what came of that, and asks again."""
    messages = as_messages(prompt)
    for _turn in range(max_turns):
        content = ChunkList(await llm.chat(messages, tools=tools, **options))
        if not content.tool_calls:
            return content.text
        results = await _at_once(*[_result(call, tools, on_tool_error) for call in content.tool_calls])
        messages = (*messages, Message("model", content), Message("user", results))
        if options.get("tool_choice") not in (None, "none"):  # a model that must call a tool never answers
            options = {**options, "tool_choice": "auto"}
    wanted = ", ".join(sorted({call.name for call in content.tool_calls}))
    raise TurnLimitError(
        f"after {max_turns} calls the model still wants tools called ({wanted}). Raise max_turns, or look at "
        "error.messages for what it is after.",
        messages,
    )


@make_executable
def _at_once(*results: ToolResult) -> ChunkList:
    """The results of executables; not a `parallel`, whose progress would be that of the program's items."""
    return ChunkList(results)


@make_executable
async def _result(call: ToolCall, tools: tuple[Tool, ...], on_tool_error: str) -> ToolResult:
    try:
        return ToolResult(call.name, _as_content(await _called(call, tools)), call.id)
    except ProgramError:
        raise
    except Exception as error:
        if on_tool_error == "raise":
            raise
        return ToolResult(call.name, f"{type(error).__name__}: {error}", call.id, failed=True)


def _called(call: ToolCall, tools: tuple[Tool, ...]) -> Executable[Any]:
    """The call as an executable under the tool's name, which is its span in a trace."""
    tool = next((tool for tool in tools if tool.name == call.name), None)
    if tool is None or tool.function is None:
        there = ", ".join(tool.name for tool in tools)
        raise LookupError(f"there is no tool {call.name!r}; there are {there}")
    function = tool.function

    @make_executable(name=tool.name)
    def called(arguments: dict[str, Any]) -> Any:
        value = function(**arguments)
        return _last(value) if isinstance(value, AsyncGenerator) else value

    return called(thawed(call.arguments))


@make_executable
async def _last(updates: AsyncGenerator[Any, None]) -> AsyncIterator[Any]:
    """What an async generator yields: each is published, and the last is the value."""
    async with contextlib.aclosing(updates):
        async for value in updates:
            yield value


def _as_content(value: Any) -> str | ChunkList:
    """What a tool returned, as a model reads it: text and content as they are, all else as JSON."""
    if isinstance(value, str) and not isinstance(value, enum.Enum):
        return value
    if isinstance(value, Chunk | ChunkList):
        return ChunkList(value)
    if isinstance(value, list | tuple) and any(isinstance(item, Chunk | ChunkList) for item in value):
        return ChunkList(value)
    return json_of(value)
