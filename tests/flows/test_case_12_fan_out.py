"""Case 12: a fan-out of 1,000, with a join of all."""

import asyncio
import dataclasses

from onetwo_like import ot
from onetwo_like.testing import FakeClock


@dataclasses.dataclass(frozen=True)
class Start:
    n: int


@dataclasses.dataclass(frozen=True)
class Item:
    number: int


@dataclasses.dataclass(frozen=True)
class Done:
    number: int


async def start(event: Start) -> list[Item]:
    return [Item(i) for i in range(event.n)]


async def work(event: Item) -> Done:
    await asyncio.sleep(1 + event.number % 7)
    return Done(event.number)


async def gather(done: list[Done]) -> ot.Stop[list[int]]:
    return ot.Stop([d.number for d in done])


def test_a_thousand_members_run_together_and_are_gathered_in_order():
    clock = FakeClock()
    assert clock.run(ot.Workflow(start, work, gather)(Start(1000))) == list(range(1000))
    assert clock.time() == 7
