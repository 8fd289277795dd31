"""Does a model get the tools called that it asks for, until it answers?"""

import asyncio
import dataclasses
import enum
from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.backends import Scripted
from onetwo_like.builtins import llm
from onetwo_like.errors import (
    BudgetExceeded,
    NotBoundError,
    TurnLimitError,
    UnsupportedOptionError,
    UsageError,
)
from onetwo_like.testing import FakeClock

WRONGLY: Any = llm  # for calls that a type checker refuses


def weather(city: str, days: int = 1) -> str:
    """The forecast for a city."""
    return f"sunny in {city} for {days}"


def asks(*calls: ot.ToolCall, text: str = "") -> ot.ChunkList:
    return ot.ChunkList([text, *calls])


def call(name: str, **arguments: Any) -> ot.ToolCall:
    return ot.ToolCall(name, arguments, id=f"id-{name}")


@pytest.fixture(autouse=True)
def _scope():
    with ot.RegistryContext():
        yield


def answered(*answers):
    return Scripted(list(answers)).register()


def test_the_model_is_told_of_the_tools_and_gets_their_results():
    backend = answered(asks(call("weather", city="Nice"), text="Let me look."), "Sunny.")
    assert ot.run(llm.run_tools("How is it in Nice?", [weather])) == "Sunny."
    first, second = backend.requests
    [tool] = first.arguments["tools"]
    assert (tool.name, tool.description) == ("weather", "The forecast for a city.")
    assert tool.parameters["required"] == ("city",)
    question, asked, result = second.arguments["messages"]
    assert question == ot.Message("user", "How is it in Nice?")
    assert asked == ot.Message("model", asks(call("weather", city="Nice"), text="Let me look."))
    assert result == ot.Message(
        "user", ot.ChunkList([ot.ToolResult("weather", "sunny in Nice for 1", "id-weather")])
    )


def test_the_calls_of_one_turn_run_at_once():
    @ot.make_executable
    async def slow(x: int) -> int:
        await asyncio.sleep(1.0)
        return x

    answered(asks(*[ot.ToolCall("slow", {"x": x}, f"{x}") for x in range(5)]), "done")
    clock = FakeClock()
    assert clock.run(llm.run_tools("Go", [slow])) == "done"
    assert clock.time() == pytest.approx(1.0)


def test_results_keep_the_order_and_ids_of_their_calls():
    async def wait(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    backend = answered(asks(*[ot.ToolCall("wait", {"seconds": s}, f"id {s}") for s in (3.0, 1.0)]), "done")
    FakeClock().run(llm.run_tools("Go", [wait]))
    results = backend.requests[1].arguments["messages"][-1].content
    assert [(c.content.id, c.content.content) for c in results] == [("id 3.0", "3.0"), ("id 1.0", "1.0")]


def test_what_a_tool_returns_is_content_as_it_is_or_json():
    picture = ot.Chunk(b"...", "image/png")
    backend = answered(asks(call("picture"), call("table")), "done")

    def table():
        return {"Nice": [1, 2]}

    ot.run(llm.run_tools("Go", [ot.Tool("picture", "", {"type": "object"}, lambda: picture), table]))
    one, two = [c.content for c in backend.requests[1].arguments["messages"][-1].content]
    assert one.content == ot.ChunkList([picture])
    assert two.content == '{"Nice":[1,2]}'


class Unit(str, enum.Enum):  # noqa: UP042  (its str is 'Unit.CELSIUS', that of a StrEnum its value)
    CELSIUS = "C"


@dataclasses.dataclass
class Found:
    cities: set[str]


@pytest.mark.parametrize(
    ("returned", "read"),
    [
        (None, "null"),
        ({"b", "a", "c", "d"}, '["a","b","c","d"]'),
        ([Found({"b", "a", "c"})], '[{"cities":["a","b","c"]}]'),
        ({"x": frozenset({2, 1})}, '{"x":[1,2]}'),
        (Unit.CELSIUS, '"C"'),
        (
            ["a picture: ", ot.Chunk(b"...", "image/png")],
            ot.ChunkList(["a picture: ", ot.Chunk(b"...", "image/png")]),
        ),
    ],
    ids=["None", "set", "set in a dataclass", "set in a dict", "text enum", "list with chunks"],
)
def test_what_a_tool_returns_reads_the_same_in_every_process(returned, read):
    def look():
        return returned

    backend = answered(asks(call("look")), "done")
    ot.run(llm.run_tools("Go", [look]))
    [chunk] = backend.requests[1].arguments["messages"][-1].content
    assert chunk.content == ot.ToolResult("look", read, "id-look")


def test_an_async_generator_is_a_tool_whose_last_value_counts():
    async def count(up_to: int):
        for number in range(up_to + 1):
            yield number

    backend = answered(asks(call("count", up_to=3)), "done")
    with ot.stream(llm.run_tools("Go", [count]), only=ot.Update) as events:
        assert [event.value for event in events] == [0, 1, 2, 3]
    [chunk] = backend.requests[1].arguments["messages"][-1].content
    assert chunk.content.content == "3"


def test_a_tool_may_change_what_it_was_given():
    def sort(cities: list[str]) -> list[str]:
        cities.sort()
        return cities

    asked = asks(call("sort", cities=["Nice", "Lima"]))
    backend = answered(asked, "done")
    ot.run(llm.run_tools("Go", [ot.Tool("sort", "", {"type": "object"}, sort)]))
    _, said, told = backend.requests[1].arguments["messages"]
    assert said.content == asked
    assert told.content[0].content.content == '["Lima","Nice"]'


def test_an_argument_may_have_any_name():
    def show(**arguments: int) -> list[str]:
        return sorted(arguments)

    backend = answered(asks(ot.ToolCall("show", {"self": 1, "function": 2, "arguments": 3})), "done")
    ot.run(llm.run_tools("Go", [ot.Tool("show", "", {"type": "object"}, show)]))
    [chunk] = backend.requests[1].arguments["messages"][-1].content
    assert chunk.content.content == '["arguments","function","self"]'


def test_a_tool_may_be_an_executable_that_asks_a_model_itself():
    @ot.make_executable
    async def capital(country: str) -> str:
        return await llm.generate_text(f"Capital of {country}?")

    answered(asks(call("capital", country="Peru")), "Lima", "It is Lima.")
    assert ot.run(llm.run_tools("Go", [capital])) == "It is Lima."


# Errors of tools


def broken(x: int) -> int:
    raise KeyError(f"no {x}")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (call("broken", x=1), "KeyError: 'no 1'"),
        (call("broken", x="one"), "ParseError: The arguments do not fit the tool 'broken'"),
        (call("broken", y=1), "ParseError: The arguments do not fit the tool 'broken'"),
        (call("brocken", x=1), "LookupError: there is no tool 'brocken'; there are broken"),
    ],
    ids=["raises", "wrong type", "wrong name", "no such tool"],
)
def test_an_error_is_told_to_the_model_or_raised_by_policy(asked, told):
    backend = answered(asks(asked), "I see.")
    assert ot.run(llm.run_tools("Go", [broken])) == "I see."
    [chunk] = backend.requests[1].arguments["messages"][-1].content
    assert chunk.content.failed
    assert chunk.content.content.startswith(told)
    answered(asks(asked), "I see.")
    with pytest.raises((KeyError, ValueError, LookupError)):
        ot.run(llm.run_tools("Go", [broken], on_tool_error="raise"))


def test_arguments_that_do_not_fit_a_tool_written_out_are_told_too():
    backend = answered(asks(call("now", zone="UTC")), "I see.")
    assert ot.run(llm.run_tools("Go", [ot.Tool("now", "", {"type": "object"}, lambda: "noon")])) == "I see."
    [chunk] = backend.requests[1].arguments["messages"][-1].content
    assert chunk.content.failed
    assert "zone" in chunk.content.content


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_is_never_told_to_a_model(error):
    def stop():
        raise error

    backend = answered(asks(call("stop")), "I see.")
    with pytest.raises(error):
        ot.run(llm.run_tools("Go", [stop]))
    assert len(backend.requests) == 1


def test_cancelling_stops_the_tools_and_asks_nothing_more():
    ended = []

    async def wait() -> None:
        try:
            await asyncio.sleep(100.0)
        finally:
            ended.append(True)

    backend = answered(asks(call("wait"), ot.ToolCall("wait", {}, "2")), "I see.")
    with pytest.raises(TimeoutError):
        FakeClock().run(llm.run_tools("Go", [wait]).timeout(1.0))
    assert ended == [True, True]
    assert len(backend.requests) == 1


def test_a_budget_stops_the_loop_also_within_a_tool():
    async def inner() -> str:
        return await llm.generate_text("inner")

    answered(asks(call("inner")), "inner", "I see.")
    with pytest.raises(BudgetExceeded), ot.Budget(calls=1):
        ot.run(llm.run_tools("Go", [inner]))


def test_an_error_of_the_program_itself_is_raised_under_both_policies():
    async def lost() -> list[float]:
        return (await llm.embed("x"))[0]

    answered(asks(call("lost")), "I see.")
    with pytest.raises(NotBoundError):
        ot.run(llm.run_tools("Go", [lost]))


def test_a_failure_of_the_model_is_never_told_to_it():
    answered(asks(call("weather", city="Nice")), RuntimeError("gone"))
    with pytest.raises(RuntimeError, match="gone"):
        ot.run(llm.run_tools("Go", [weather]))


# The bound


def test_max_turns_counts_the_calls_of_the_model():
    endless = [asks(call("weather", city=f"{i}")) for i in range(9)]
    backend = answered(*endless)
    with pytest.raises(TurnLimitError, match=r"after 3 calls .*weather") as caught:
        ot.run(llm.run_tools("Go", [weather], max_turns=3))
    assert len(backend.requests) == 3
    assert len(caught.value.messages) == 7  # the question, and three times what was asked and told
    answered(*endless[:2], "done")
    assert ot.run(llm.run_tools("Go", [weather], max_turns=3)) == "done"


@pytest.mark.parametrize(
    ("choice", "then"), [("required", "auto"), (weather, "auto"), ("auto", "auto"), ("none", "none")]
)
def test_a_call_is_forced_in_the_first_turn_only_or_there_never_was_an_answer(choice, then):
    backend = answered(asks(call("weather", city="Nice")), asks(call("weather", city="Lima")), "done")
    ot.run(llm.run_tools("Go", [weather], tool_choice=choice))
    chosen = [request.arguments["tool_choice"] for request in backend.requests]
    assert chosen == [getattr(choice, "__name__", choice), then, then]


def test_no_choice_stays_none_in_every_turn():
    backend = answered(asks(call("weather", city="Nice")), "done")
    ot.run(llm.run_tools("Go", [weather], tool_choice=None))
    assert [request.arguments.get("tool_choice") for request in backend.requests] == [None, None]


# What is seen of it


def test_each_tool_call_is_a_span():
    answered(asks(call("weather", city="Nice"), call("weather", city="Lima")), "Sunny.")
    _, trace = ot.run(llm.run_tools("How is it?", [weather]), enable_tracing=True)
    spans = [span for span in trace.walk() if span.name == "weather"]
    assert [span.output for span in spans] == ["sunny in Nice for 1", "sunny in Lima for 1"]
    assert [span.inputs for span in spans] == [
        {"arguments": {"city": "Nice"}},
        {"arguments": {"city": "Lima"}},
    ]


def test_its_tool_calls_are_no_items_of_the_program():
    answered(asks(call("weather", city="Nice"), call("weather", city="Lima")), "Sunny.")
    with ot.stream(llm.run_tools("How is it?", [weather])) as events:
        assert [event for event in events if isinstance(event, ot.Progress | ot.ItemFinished)] == []
    assert events.result == "Sunny."


def test_a_run_with_tools_replays_without_a_call_to_the_model(tmp_path):
    called = []

    def count(x: int) -> int:
        called.append(x)
        return x

    e = llm.run_tools("Go", [count])
    with ot.caching(tmp_path / "cache"):
        answered(asks(call("count", x=1)), "done")
        assert ot.run(e) == "done"
    with ot.caching(tmp_path / "cache", mode="replay"):
        answered()
        assert ot.run(e) == "done"
    assert called == [1, 1]  # tools are the program's own, and run again


def test_what_a_model_is_told_of_a_tool_is_part_of_the_key(tmp_path):
    def other(city: str) -> str:
        """Something else."""
        return city

    other.__name__ = "weather"
    with ot.caching(tmp_path / "cache") as cache:
        answered("a", "b")
        assert str(ot.run(llm.chat("Go", tools=[weather]))) == "a"
        assert str(ot.run(llm.chat("Go", tools=[other]))) == "b"
        assert str(ot.run(llm.chat("Go", tools=[weather]))) == "a"
    assert cache.report().made == 2


# Arguments


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"tools": weather}, r"run_tools\(tools=...\): takes a list of functions, not function"),
        ({"tools": ["weather"]}, "takes functions, and one item is str"),
        ({"tools": [weather, weather]}, "two are called 'weather'"),
        ({"tools": [ot.Tool("now", "", {"type": "object"})]}, "has no function"),
        ({"tools": [weather], "max_turns": 0}, r"run_tools\(max_turns=...\): takes a number of at least 1"),
        ({"tools": [weather], "on_tool_error": "ignore"}, '"tell" or "raise", not \'ignore\''),
        ({"tools": [weather], "temprature": 1}, "temprature"),
        ({"tools": [weather], "include_details": True}, "has no include_details"),
    ],
)
def test_what_is_wrong_with_the_arguments_is_said_where_it_is_written(arguments, said):
    with pytest.raises(UsageError, match=said):
        WRONGLY.run_tools("Go", **arguments)


def test_what_is_wrong_with_the_prompt_is_said_where_it_is_written():
    for prompt in (3, [llm.generate_text("x")]):
        with pytest.raises(UsageError, match=r"run_tools\(prompt=...\): "):
            llm.run_tools(prompt, [weather])


def test_iterators_are_read_once_for_all_runs():
    backend = answered("a", "b")
    e = llm.run_tools(iter(["one", "two"]), iter([weather]))  # type: ignore[arg-type]
    assert [ot.run(e), ot.run(e)] == ["a", "b"]
    for request in backend.requests:
        assert request.arguments["messages"] == (ot.Message("user", "onetwo"),)
        assert [tool.name for tool in request.arguments["tools"]] == ["weather"]


def test_with_tools_the_value_is_content_also_of_a_script():
    answered("a", "b")
    assert ot.run(llm.chat("Go", tools=[weather])) == ot.ChunkList(["a"])
    assert ot.run(llm.chat("Go")) == "b"


def test_a_model_that_only_continues_text_refuses_tools_before_any_call():
    backend = Scripted(["a"], operations="generate_text").register()
    with pytest.raises(UnsupportedOptionError, match="does not take 'tools'"):
        ot.run(llm.run_tools("Go", [weather]))
    assert backend.requests == []


def test_options_are_those_of_chat():
    backend = answered("done")
    ot.run(llm.run_tools("Go", [weather], temperature=0, tool_choice=weather))
    assert backend.requests[0].arguments["temperature"] == 0.0
    assert backend.requests[0].arguments["tool_choice"] == "weather"


def test_a_prompt_may_be_an_executable_or_a_conversation():
    backend = answered("Which city?", "done", "done")
    assert ot.run(llm.run_tools(llm.generate_text("Ask"), [weather])) == "done"
    assert backend.requests[1].arguments["messages"] == (ot.Message("user", "Which city?"),)
    conversation = [ot.Message("system", "Be brief."), ot.Message("user", "Go")]
    ot.run(llm.run_tools(conversation, [weather]))
    assert backend.requests[2].arguments["messages"] == tuple(conversation)
