"""What does a type checker know of a program? Each line is checked by tests/contracts/test_types.py; nothing runs."""

from collections.abc import AsyncIterator, Iterable
from typing import Any, assert_type

from onetwo_like import backends, ot, testing
from onetwo_like.backends import Scripted
from onetwo_like.builtins import llm
from onetwo_like.core.sampling import Endless
from onetwo_like.core.stream import Stream
from onetwo_like.core.trace import Span


@ot.make_executable
def plain(x: int, *, y: str = "") -> str:
    return y * x


@ot.make_executable()
async def awaiting(x: int) -> str:
    return str(x)


@ot.make_executable(thread=True, name="in_a_thread")
def threaded(x: int) -> list[int]:
    return [x]


@ot.make_executable
async def generating(x: int) -> AsyncIterator[float]:
    yield float(x)


@ot.make_executable
def returning(x: int) -> ot.Executable[str]:
    return awaiting(x)


@ot.make_executable
async def held(e: ot.Executable[int], times: int = 2) -> list[int]:
    return [await attempt for attempt in ot.repeat(e, times)]


class Holder:
    @ot.make_executable
    async def method(self, x: int) -> bytes:
        return bytes(x)


number = ot.make_executable(lambda: 5)()


def made_from_functions() -> None:
    assert_type(plain(1), ot.Executable[str])
    assert_type(plain(1, y="a"), ot.Executable[str])
    assert_type(plain(number, y=awaiting(1)), ot.Executable[str])  # executables in the place of their values
    assert_type(awaiting(1), ot.Executable[str])
    assert_type(threaded(1), ot.Executable[list[int]])
    assert_type(generating(1), ot.Executable[float])
    assert_type(returning(1), ot.Executable[str])
    assert_type(held(number), ot.Executable[list[int]])
    assert_type(number, ot.Executable[int])


def executed() -> None:
    assert_type(ot.run(plain(1)), str)
    assert_type(ot.run(plain(1), enable_tracing=True), tuple[str, Span])
    assert_type(ot.run(plain(1), on_event=print), str)
    ot.run("text")  # type: ignore[call-overload]
    ot.run(plain)  # type: ignore[call-overload]


async def awaited() -> None:
    assert_type(await plain(1), str)
    assert_type(await ot.parallel(plain(1), awaiting(2)), list[str])


def methods() -> None:
    assert_type(plain(1).named("n"), ot.Executable[str])
    assert_type(plain(1).timeout(5), ot.Executable[str])
    assert_type(plain(1).retry(3, on=ValueError, wait=1.5), ot.Executable[str])
    assert_type(
        plain(1).retry(3, on=lambda error: True, wait=lambda attempt: 2.0**attempt), ot.Executable[str]
    )
    assert_type(plain(1).map(len), ot.Executable[int])
    assert_type(number.map(awaiting), ot.Executable[str])
    assert_type(number.map(later), ot.Executable[bytes])
    assert_type(plain(1).fallback("x"), ot.Executable[str])
    assert_type(plain(1).fallback(None), ot.Executable[str | None])
    assert_type(plain(1).fallback(number), ot.Executable[str | int])
    plain(1).timeout("5")  # type: ignore[arg-type]
    plain(1).map(5)  # type: ignore[call-overload]


async def later(x: int) -> bytes:
    return bytes(x)


def many(items: Iterable[ot.Executable[str]], later_items: AsyncIterator[ot.Executable[str]]) -> None:
    assert_type(ot.parallel(plain(1), plain(2)), ot.Executable[list[str]])
    assert_type(ot.parallel(plain(x) for x in range(3)), ot.Executable[list[str]])
    assert_type(ot.parallel(items, max_concurrency=5, timeout=1.0), ot.Executable[list[str]])
    assert_type(ot.parallel(later_items), ot.Executable[list[str]])
    assert_type(ot.parallel(plain(1), on_error="keep"), ot.Executable[list[ot.Outcome[str]]])
    assert_type(ot.parallel(items, on_error="keep"), ot.Executable[list[ot.Outcome[str]]])
    assert_type(ot.parallel(items, collect=False), ot.Executable[int])
    assert_type(ot.parallel(plain(1), number), ot.Executable[list[object]])
    assert_type(ot.repeat(plain(1), 3), list[ot.Executable[str]])
    assert_type(ot.repeat(plain(1)), Endless[str])
    assert_type(ot.parallel(*ot.repeat(plain(1), 3)), ot.Executable[list[str]])
    ot.parallel(plain(1), "x")  # type: ignore[call-overload]
    ot.parallel(5)  # type: ignore[call-overload]
    assert_type(ot.Outcome("ok", 1).unwrap(), int)
    ot.Outcome("good", 1)  # type: ignore[arg-type]


def bound(registry: ot.Registry) -> None:
    assert_type(ot.with_registry(plain(1), registry), ot.Executable[str])
    assert_type(ot.with_current_registry(plain(1)), ot.Executable[str])


async def watched() -> None:
    stream = ot.stream(plain(1))
    assert_type(stream, Stream[str])
    assert_type(stream.result, str)
    assert_type(await stream, str)
    with ot.stream(plain(1)) as events:
        assert_type(events.result, str)
    async with ot.stream(plain(1)) as events:
        assert_type(events.result, str)


def taken_for_more(e: ot.Executable[str]) -> ot.Executable[object]:
    return e  # a program that gives text is one that gives something


def built_ins() -> None:
    assert_type(llm.generate_text("?", temperature=0, stop="Q:"), ot.Executable[str])
    assert_type(llm.generate_text(plain(1)), ot.Executable[str])
    assert_type(llm.generate_text("?", include_details=True), ot.Executable[tuple[str, ot.Reply]])
    assert_type(llm.score_text("?", ["a"]), ot.Executable[list[float]])
    assert_type(llm.embed(["a"]), ot.Executable[list[list[float]]])
    assert_type(llm.chat([ot.Message("user", "hi")]), ot.Executable[str])
    assert_type(llm.chat("?", tools=[plain], tool_choice=plain), ot.Executable[ot.ChunkList])
    assert_type(
        llm.chat("?", tools=[plain], include_details=True), ot.Executable[tuple[ot.ChunkList, ot.Reply]]
    )
    assert_type(llm.chat("?", include_details=True), ot.Executable[tuple[str, ot.Reply]])
    assert_type(llm.chat("?", tools=None), ot.Executable[str])
    assert_type(llm.chat(plain(1), extra={"a": [1]}, reasoning="low"), ot.Executable[str])
    assert_type(llm.run_tools("?", [plain, ot.Tool("now", "", {})], temperature=0), ot.Executable[str])
    llm.run_tools("?", [plain], on_tool_error="ignore")  # type: ignore[arg-type]
    assert_type(llm.generate_object("?", dict[str, int], temperature=0), ot.Executable[dict[str, int]])
    assert_type(llm.generate_object("?", int, include_details=True), ot.Executable[tuple[int, ot.Reply]])
    llm.generate_text(5)  # type: ignore[call-overload]
    llm.generate_text("?", temprature=0)  # type: ignore[call-overload]
    ot.Message("assistant", "hi")  # type: ignore[arg-type]


def wrapped(handler: ot.Handler) -> ot.Handler:
    """What every middleware is."""

    async def around(request: ot.Request) -> ot.Reply:
        assert_type(request.arguments, dict[str, Any])
        reply = await handler(request)
        assert_type(reply, ot.Reply)
        return reply

    return around


middleware: ot.Middleware = wrapped


def comparing(arms: dict[str, ot.Registry], examples: list[dict[str, Any]]) -> None:
    """What a comparison returns, at once and as an Executable."""

    def exact(target: str, prediction: str) -> bool:
        return target == prediction

    metrics = {"exact": exact, "letters": lambda prediction: len(prediction)}
    assert_type(ot.compare(arms, plain, examples, metrics), ot.Comparison)
    assert_type(ot.comparison(arms, plain, examples, metrics), ot.Executable[ot.Comparison])
    assert_type(ot.evaluate(plain, examples, metrics), ot.Evaluation)
    assert_type(ot.evaluation(plain, examples, metrics, samples=3), ot.Executable[ot.Evaluation])
    assert_type(ot.grid(awaiting, x=[1, 2]), dict[str, ot.Executable[str]])
    ot.compare(
        {"a": (plain, arms["a"]), "b": (llm.generate_text, arms["b"])}, examples=examples, metrics=[exact]
    )
    ot.compare({"a": arms["a"], "b": Scripted("x")}, plain, examples, metrics)


def misspelt() -> None:
    """A name that is not there is an error, although many are loaded on first use."""
    ot.paralel()  # type: ignore[attr-defined]
    backends.OpenAi("gpt")  # type: ignore[attr-defined]
    testing.Clock()  # type: ignore[attr-defined]
