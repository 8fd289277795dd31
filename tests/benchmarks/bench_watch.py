"""What does it cost to be watched, and to wait?"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable
from typing import Any

from onetwo_like import ot
from onetwo_like.builtins import composables as c
from onetwo_like.builtins import llm
from tests.benchmarks.measuring import Figure, cpu_s, figure, in_fresh_process, interleaved

WAIT_S = 2.0


@dataclasses.dataclass(frozen=True, slots=True)
class _Mine(ot.Event):
    number: int


async def _trivial(prompt: str) -> str:
    return prompt


async def _waiting(prompt: str) -> str:
    await asyncio.sleep(WAIT_S)
    return "x"


def measure() -> list[Figure]:
    """The figures of the section "Speed" in the issue on watching and bounding."""
    return [*_events(), *_deltas(), *_tracing(), *_waits(), _memory()]


def _events() -> list[Figure]:
    n = 200_000

    @ot.make_executable
    async def emitting() -> None:
        emit, Update = ot.emit, ot.Update
        for i in range(n):
            emit(Update(i))

    @ot.make_executable
    async def emitting_nothing() -> None:
        emit = ot.emit
        for i in range(n):
            emit(_Mine(i))

    @ot.make_executable
    async def idle() -> None:
        for _ in range(n):
            pass

    ours, bare, loop = interleaved(
        lambda: ot.run(emitting()), lambda: ot.run(emitting_nothing()), lambda: ot.run(idle())
    )
    return [
        figure("an event of the library that nobody watches", (ours - loop) / n * 1e6, None, "µs"),
        figure(
            "an event of the user's that nobody watches, with its making", (bare - loop) / n * 1e6, 0.3, "µs"
        ),
    ]


def _deltas() -> list[Figure]:
    n, many = 50_000, 200_000

    def producer(count: int, yielding: bool) -> Callable[[], ot.Executable[str]]:
        async def write(prompt: str) -> Any:
            for _ in range(count):
                if yielding:
                    await asyncio.sleep(0)
                yield "x"

        def program() -> ot.Executable[str]:
            llm.generate_text.configure(write)
            return llm.generate_text("?")

        return program

    async def read_async(program: Callable[[], ot.Executable[str]]) -> None:
        async with ot.stream(program(), only=ot.TextDelta) as events:
            async for _ in events:
                pass

    def read_plain(program: Callable[[], ot.Executable[str]]) -> None:
        with ot.stream(program(), only=ot.TextDelta) as events:
            for _ in events:
                pass

    figures = []
    with ot.RegistryContext():
        for what, count, yielding, bound in (
            ("in a burst", many, False, 1.0),
            ("yielded at each", n, True, 10.0),
        ):
            program = producer(count, yielding)
            there, here = interleaved(
                lambda program=program: asyncio.run(read_async(program)),
                lambda program=program: read_plain(program),
            )
            figures.append(figure(f"a delta to an async reader, {what}", there / count * 1e6, bound, "µs"))
            figures.append(figure(f"a delta to a plain reader, {what}", here / count * 1e6, bound, "µs"))
    return figures


def _tracing() -> list[Figure]:
    n = 10_000

    @ot.make_executable
    async def one_after_another() -> None:
        for _ in range(n):
            await llm.generate_text("hello")

    with ot.RegistryContext():
        llm.generate_text.configure(_trivial)
        plain, traced, batch, batch_traced = interleaved(
            lambda: ot.run(one_after_another()),
            lambda: ot.run(one_after_another(), enable_tracing=True),
            lambda: ot.run(ot.parallel(*[llm.generate_text("hello") for _ in range(n)])),
            lambda: ot.run(ot.parallel(*[llm.generate_text("hello") for _ in range(n)]), enable_tracing=True),
        )
    return [
        figure("tracing, per call", (traced - plain) / n * 1e6, 4.0, "µs"),
        figure("parallel of 10,000 calls, traced / not", batch_traced / batch, 2.0, "x"),
    ]


def _waits() -> list[Figure]:
    """The CPU that a wait of two seconds burns, in each construct."""
    ask = llm.generate_text("?")

    @ot.make_executable
    async def awaiting() -> str:
        return await ask

    @ot.make_executable(thread=True)
    def sleeping() -> None:
        time.sleep(WAIT_S)

    @ot.make_executable
    async def streaming() -> None:
        async with ot.stream(ask) as events:
            async for _ in events:
                pass

    async def flaky() -> Any:
        raise ValueError

    programs: dict[str, Callable[[], Awaitable[Any] | Any]] = {
        "await": awaiting,
        "parallel of 1,000": lambda: ot.parallel(*ot.repeat(ask, 1_000)),
        "timeout": lambda: ask.timeout(WAIT_S / 2).fallback(None),
        "retry": lambda: ot.make_executable(flaky)().retry(2, wait=WAIT_S).fallback(None),
        "a template": lambda: c.j("{{ generate_text('?') }}"),
        "a composable": lambda: "?" + c.generate_text(),
        "a thread": sleeping,
        "a stream": streaming,
    }
    figures = []
    with ot.RegistryContext():
        llm.generate_text.configure(_waiting)
        start = {"parallel of 1,000": cpu_s(lambda: _starting(1_000))}
        for name, program in programs.items():
            e = program()
            ot.run(ot.make_executable(lambda: None)())
            spent = cpu_s(lambda e=e: ot.run(e)) - start.get(name, 0.0)
            figures.append(figure(f"CPU of a wait of 2 s in {name}", spent * 1e3, 5.0, "ms"))

        def read() -> None:
            with ot.stream(ask) as events:
                for _ in events:
                    pass

        figures.append(figure("CPU of a wait of 2 s in a plain stream", cpu_s(read) * 1e3, 5.0, "ms"))
    return figures


def _starting(n: int) -> None:
    """What starting and ending so many calls costs, which is not waiting."""
    with ot.RegistryContext():
        llm.generate_text.configure(lambda prompt: asyncio.sleep(0.01, "x"))
        ot.run(ot.parallel(*ot.repeat(llm.generate_text("?"), n)))


def _memory() -> Figure:
    return figure(
        "20,000 untraced calls with 10 kB inputs: memory", float(in_fresh_process(_UNTRACED)), 10.0, "MB"
    )


_UNTRACED = """
import resource
from onetwo_like import ot
from onetwo_like.builtins import llm

llm.generate_text.configure(lambda prompt: "x")

def batch(n):
    ot.run(ot.parallel(llm.generate_text(f"{i}" + "x" * 10_000) for i in range(n)))

batch(2_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
batch(20_000)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
