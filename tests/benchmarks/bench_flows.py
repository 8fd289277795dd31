"""What do flows and workflows cost beside the same work in bare asyncio?"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

from onetwo_like import ot
from tests.benchmarks.measuring import Figure, figure, in_fresh_process, interleaved


@dataclasses.dataclass(frozen=True)
class Start:
    """Begins a run, with how much there is to do."""

    n: int


@dataclasses.dataclass(frozen=True)
class Turn:
    """One turn of a loop."""

    left: int


@dataclasses.dataclass(frozen=True)
class Item:
    """One member of a fan-out."""

    number: int


@dataclasses.dataclass(frozen=True)
class Done:
    """What became of a member."""

    number: int


async def begin(event: Start) -> Turn:
    """The first turn."""
    return Turn(event.n)


async def turn(event: Turn) -> Turn | ot.Stop:
    """Another turn, until none is left."""
    return Turn(event.left - 1) if event.left else ot.Stop("done")


async def spread(event: Start) -> list[Item]:
    """All members at once."""
    return [Item(i) for i in range(event.n)]


async def work(event: Item) -> Done:
    """The work on one member."""
    return Done(event.number)


async def gather(results: list[Done]) -> ot.Stop:
    """All results, in the order of the members."""
    return ot.Stop(len(results))


def _on_a_loop(make: Callable[[], Awaitable[Any]]) -> Callable[[], None]:
    async def main() -> None:
        await make()

    return lambda: asyncio.run(main())


async def _task_per_step(n: int) -> None:
    async def step(left: int) -> int:
        return left - 1

    while n:
        n = await asyncio.create_task(step(n))


async def _gathered(n: int) -> None:
    async def step(i: int) -> int:
        return i

    await asyncio.gather(*[step(i) for i in range(n)])


async def _future_per_node(needs: dict[str, list[str]]) -> None:
    """A DAG by hand: each node is a task that awaits a future for each of its inputs."""
    loop = asyncio.get_running_loop()
    futures = {name: loop.create_future() for name in needs}

    async def node(name: str) -> None:
        futures[name].set_result(sum([await futures[need] for need in needs[name]]))

    await asyncio.gather(*[node(name) for name in needs])


def _chain(n: int) -> tuple[ot.Flow, dict[str, list[str]]]:
    steps: dict[str, Any] = {"s0": _constant}
    for i in range(1, n):
        steps[f"s{i}"] = _takes(f"s{i - 1}")
    return ot.Flow(**steps), {f"s{i}": [f"s{i - 1}"] if i else [] for i in range(n)}


async def _constant() -> int:
    return 1


def _takes(name: str) -> Callable[..., Awaitable[int]]:
    namespace: dict[str, Any] = {}
    exec(f"async def step({name}):\n    return {name}", namespace)
    made: Callable[..., Awaitable[int]] = namespace["step"]
    return made


def measure() -> list[Figure]:
    """The figures of flows: each a ratio to bare asyncio in the same run."""
    loop, fan = ot.Workflow(begin, turn), ot.Workflow(spread, work, gather)
    by_hand, ours = interleaved(
        _on_a_loop(lambda: _task_per_step(10_000)), _on_a_loop(lambda: loop(Start(10_000)))
    )
    figures = [figure("a loop of 10,000 steps / one task per step", ours / by_hand, 2.0, "x")]
    by_hand, thousand, ten_thousand = interleaved(
        _on_a_loop(lambda: _gathered(1_000)),
        _on_a_loop(lambda: fan(Start(1_000))),
        _on_a_loop(lambda: fan(Start(10_000))),
    )
    figures.append(figure("fan-out of 1,000 with a join / gather", thousand / by_hand, 2.0, "x"))
    figures.append(figure("an event at 10,000 / at 1,000", ten_thousand / 10 / thousand, 1.5, "x"))
    wide = ot.Flow(**{f"s{i}": _constant for i in range(1_000)})
    by_hand, ours = interleaved(
        _on_a_loop(lambda: _future_per_node({f"s{i}": [] for i in range(1_000)})), _on_a_loop(lambda: wide())
    )
    figures.append(figure("a flow of 1,000 independent steps / a future per node", ours / by_hand, 2.0, "x"))
    chain, needs = _chain(100)

    async def hundred_chains() -> None:
        for _ in range(100):
            await chain()

    async def hundred_by_hand() -> None:
        for _ in range(100):
            await _future_per_node(needs)

    by_hand, ours = interleaved(_on_a_loop(hundred_by_hand), _on_a_loop(hundred_chains))
    figures.append(figure("a flow that is a chain of 100 / a future per node", ours / by_hand, 2.0, "x"))
    grown = float(in_fresh_process(_RELEASED))
    figures.append(figure("memory of 10,000 finished runs of a workflow", grown, 1.0, "MB"))
    return figures


_RELEASED = """
import asyncio, gc, tracemalloc
from tests.benchmarks.bench_flows import Start, ot, spread, work, gather

async def main():
    fan = ot.Workflow(spread, work, gather)
    for _ in range(200):
        await fan(Start(3))
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(10_000):
        await fan(Start(3))
    gc.collect()
    print((tracemalloc.get_traced_memory()[0] - before) / 2**20)

asyncio.run(main())
"""
