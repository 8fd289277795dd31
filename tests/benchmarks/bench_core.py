"""What does a call cost, many at once, and what do they hold in memory?"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable
from typing import Any

from onetwo_like import ot
from onetwo_like.builtins import llm
from tests.benchmarks.measuring import Figure, figure, in_fresh_process, interleaved


async def _trivial(prompt: str) -> str:
    return prompt


def _on_a_loop(make: Callable[[], Awaitable[Any]]) -> Callable[[], None]:
    async def main() -> None:
        await make()

    return lambda: asyncio.run(main())


async def _one_after_another(n: int) -> None:
    for _ in range(n):
        await llm.generate_text("hello")


def measure() -> list[Figure]:
    """The figures of the core, in the order in which the README of the project promises them."""
    figures = []
    with ot.RegistryContext():
        llm.generate_text.configure(_trivial)
        n = 20_000
        sequential, empty = interleaved(
            _on_a_loop(lambda: _one_after_another(n)), _on_a_loop(lambda: _one_after_another(0))
        )
        figures.append(
            figure("one awaited call to a trivial backend", (sequential - empty) / n * 1e6, 6.0, "µs")
        )

        n = 10_000
        gathered, ours, lazy = interleaved(
            _on_a_loop(lambda: asyncio.gather(*[_trivial("hello") for _ in range(n)])),
            _on_a_loop(lambda: ot.parallel(*[llm.generate_text("hello") for _ in range(n)])),
            _on_a_loop(lambda: ot.parallel(llm.generate_text("hello") for _ in range(n))),
        )
        figures.append(figure("parallel of 10,000 calls / asyncio.gather", ours / gathered, 3.0, "x"))
        figures.append(figure("lazy parallel of 10,000 calls / asyncio.gather", lazy / gathered, None, "x"))
    figures.append(figure("a pending executable", float(in_fresh_process(_PENDING)), 300.0, "bytes"))
    kept, dropped, ratio = map(float, in_fresh_process(_MILLION).split())
    figures.append(figure("1,000,000 lazy items: memory beyond the results", kept, 20.0, "MB"))
    figures.append(figure("1,000,000 lazy items, collect=False: memory", dropped, 20.0, "MB"))
    figures.append(figure("time per item of 1,000,000 / of 10,000", ratio, 1.5, "x"))
    imports = [float(in_fresh_process(_IMPORT)) for _ in range(7)]
    figures.append(
        figure("importing ot and the built-ins beyond jinja2", statistics.median(imports), 50.0, "ms")
    )
    return figures


_PENDING = """
import tracemalloc
from onetwo_like.builtins import llm
prompts = [f"question {i}" for i in range(100_000)]
llm.generate_text("warm")
tracemalloc.start()
before = tracemalloc.get_traced_memory()[0]
pending = [llm.generate_text(prompt) for prompt in prompts]
print((tracemalloc.get_traced_memory()[0] - before) / len(pending))
"""

_MILLION = """
import resource, time
from onetwo_like import ot
from onetwo_like.builtins import llm

async def trivial(prompt):
    return prompt

llm.generate_text.configure(trivial)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def run(n, collect):
    began = time.process_time()
    ot.run(ot.parallel((llm.generate_text("hello") for _ in range(n)), max_concurrency=100, collect=collect))
    return (time.process_time() - began) / n

run(10_000, True)
few = sorted(run(10_000, True) for _ in range(5))[2]
before = peak()
run(1_000_000, False)
dropped = peak() - before
before = peak()
many = run(1_000_000, True)
kept = peak() - before - 8.0 * 1_000_000 / 2**20  # a list of a million results is 8 bytes each
print(max(kept, 0.0), dropped, many / few)
"""

_IMPORT = """
import time, jinja2
began = time.process_time()
from onetwo_like import ot
from onetwo_like.builtins import composables, llm
print((time.process_time() - began) * 1000)
"""
