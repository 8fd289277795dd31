"""Do joins and lists take their events from one fan-out, in the promised order?"""

import asyncio
import dataclasses
from typing import Annotated

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onetwo_like import ot
from onetwo_like.errors import UsageError, WorkflowError, WorkflowStalled
from onetwo_like.testing import FakeClock


@dataclasses.dataclass(frozen=True)
class Start:
    waits: tuple = ()


@dataclasses.dataclass(frozen=True)
class Item:
    number: int
    wait: float = 0
    parts: tuple = ()


@dataclasses.dataclass(frozen=True)
class Left:
    number: int


@dataclasses.dataclass(frozen=True)
class Right:
    number: int


@dataclasses.dataclass(frozen=True)
class Pair:
    left: int
    right: int


@dataclasses.dataclass(frozen=True)
class Done:
    number: int


@dataclasses.dataclass(frozen=True)
class Whole:
    numbers: tuple


def run(e):
    return FakeClock().run(e)


async def items(event: Start) -> list[Item]:
    return [Item(i, wait) for i, wait in enumerate(event.waits)]


async def work(event: Item) -> Done:
    await asyncio.sleep(event.wait)
    return Done(event.number)


async def collect(done: list[Done]) -> ot.Stop:
    return ot.Stop([event.number for event in done])


class TestAList:
    def test_has_all_members_in_input_order(self):
        assert run(ot.Workflow(items, work, collect)(Start((3, 1, 2)))) == [0, 1, 2]

    def test_may_be_empty(self):
        assert run(ot.Workflow(items, work, collect)(Start())) == []

    def test_leaves_out_members_that_end_without_one(self):
        async def odd(event: Item) -> Done | None:
            await asyncio.sleep(event.wait)
            return Done(event.number) if event.number % 2 else None

        assert run(ot.Workflow(items, odd, collect)(Start((3, 5, 2, 1, 0)))) == [1, 3]
        assert run(ot.Workflow(items, odd, collect)(Start((3,)))) == []

    def test_may_be_of_what_was_fanned_out_itself(self):
        async def gather(event: list[Item]) -> ot.Stop:
            return ot.Stop([item.number for item in event])

        assert run(ot.Workflow(items, gather)(Start((1, 1)))) == [0, 1]
        assert run(ot.Workflow(items, gather)(Start())) == []

    def test_comes_as_soon_as_nothing_that_runs_could_add_to_it(self):
        async def log(event: Item) -> None:
            await asyncio.sleep(100)

        clock = FakeClock()
        assert clock.run(ot.Workflow(items, work, log, collect)(Start((1, 2)))) == [0, 1]
        assert clock.time() == 2

    def test_waits_for_members_that_loop(self):
        async def again(event: Item) -> Item | Done:
            await asyncio.sleep(1)
            return Item(event.number, event.wait - 1) if event.wait else Done(event.number)

        assert run(ot.Workflow(items, again, collect)(Start((5, 0, 9)))) == [0, 1, 2]

    def test_takes_all_that_one_member_sends(self):
        async def twice(event: Item) -> Done:
            ot.send(Done(event.number * 10))
            await asyncio.sleep(event.wait)
            return Done(event.number * 10 + 1)

        assert run(ot.Workflow(items, twice, collect)(Start((2, 1)))) == [0, 1, 10, 11]

    def test_may_be_of_a_union_and_several_steps_may_take_lists(self):
        async def sort(event: Item) -> Left | Right:
            return Left(event.number) if event.number % 2 else Right(event.number)

        async def lefts(events: list[Left]) -> Whole:
            return Whole(tuple(e.number for e in events))

        async def all_of_them(events: list[Left | Right]) -> Done:
            return Done(len(events))

        async def end(some: Whole, count: Done) -> ot.Stop:
            return ot.Stop((some.numbers, count.number))

        workflow = ot.Workflow(items, sort, lefts, all_of_them, end)
        assert run(workflow(Start((0, 0, 0, 0)))) == ((1, 3), 4)
        assert run(workflow(Start())) == ((), 0)

    def test_without_a_fan_out_has_all_that_come_before_nothing_else_can(self):
        async def scatter(event: Start) -> Item | None:  # type: ignore[return]  # it sends
            for i, wait in enumerate(event.waits):
                ot.send(Item(i, wait))

        assert sorted(run(ot.Workflow(scatter, work, collect)(Start((2, 1))))) == [0, 1]

    def test_without_a_fan_out_may_be_gathered_again_while_something_else_runs(self):
        async def scatter(event: Start) -> Item | Left:
            ot.send(Left(0))
            return Item(1)

        async def log(event: Left) -> None:
            await asyncio.sleep(100)

        async def again(done: list[Done]) -> Item | ot.Stop:
            return Item(done[0].number + 1) if done[0].number < 3 else ot.Stop(done[0].number)

        clock = FakeClock()
        assert clock.run(ot.Workflow(scatter, log, work, again)(Start())) == 3
        assert clock.time() == 0

    def test_may_be_joined_with_another_event(self):
        async def scatter(event: Start) -> Left | list[Item]:
            ot.send(Left(7))
            return [Item(0, 1), Item(1)]

        async def both(left: Left, done: list[Done]) -> ot.Stop:
            return ot.Stop((left.number, [d.number for d in done]))

        assert run(ot.Workflow(scatter, work, both)(Start())) == (7, [0, 1])


class TestTheFirstOfAList:
    async def _two(self, done: Annotated[list[Done], ot.First(2)]) -> ot.Stop:
        return ot.Stop([event.number for event in done])

    def test_are_those_that_come_first_and_nobody_waits_for_the_rest(self):
        clock = FakeClock()
        assert clock.run(ot.Workflow(items, work, self._two)(Start((9, 1, 5, 7)))) == [1, 2]
        assert clock.time() == 5

    def test_are_all_where_there_are_fewer(self):
        assert run(ot.Workflow(items, work, self._two)(Start((1,)))) == [0]
        assert run(ot.Workflow(items, work, self._two)(Start())) == []

    def test_are_taken_once(self):
        taken = []

        async def two(done: Annotated[list[Done], ot.First(2)]) -> Whole:
            taken.append([event.number for event in done])
            await asyncio.sleep(50)
            return Whole(())

        async def end(event: Whole) -> ot.Stop:
            return ot.Stop(taken)

        assert run(ot.Workflow(items, work, two, end)(Start((1, 2, 3, 4, 5)))) == [[0, 1]]

    @pytest.mark.parametrize("n", [0, -1, 1.5, True, "2"])
    def test_are_a_number_of_at_least_one(self, n):
        with pytest.raises(UsageError, match="at least 1"):
            ot.First(n)

    def test_make_sense_of_lists_only(self):
        async def wrong(done: Annotated[Done, ot.First(2)]) -> ot.Stop:
            return ot.Stop()

        with pytest.raises(WorkflowError, match=r"wrong has ot\.First for the parameter done"):
            ot.Workflow(wrong).check()


class TestNestedFanOuts:
    def test_are_gathered_each_for_itself(self):
        async def split(event: Item) -> list[Left]:
            await asyncio.sleep(event.wait)
            return [Left(10 * event.number + i) for i in range(event.number)]

        async def polish(event: Left) -> Right:
            await asyncio.sleep(10 - event.number % 10)
            return Right(event.number)

        async def whole(events: list[Right]) -> Whole:
            return Whole(tuple(e.number for e in events))

        async def end(events: list[Whole]) -> ot.Stop:
            return ot.Stop([e.numbers for e in events])

        workflow = ot.Workflow(items, split, polish, whole, end)
        assert run(workflow(Start((5, 1, 3, 2)))) == [(), (10,), (20, 21), (30, 31, 32)]
        assert run(workflow(Start())) == []

    def test_an_empty_list_starts_nothing_that_gathers_further_in_or_out(self):
        ran = []

        async def split(event: Item) -> list[Left]:
            return []

        async def whole(events: list[Left]) -> Done:
            ran.append("whole")
            return Done(0)

        async def end(events: list[Done]) -> ot.Stop:
            return ot.Stop((len(events), ran))

        assert run(ot.Workflow(items, split, whole, end)(Start())) == (0, [])
        assert run(ot.Workflow(items, split, whole, end)(Start((0, 0)))) == (2, ["whole", "whole"])

    def test_may_come_back_to_themselves(self):
        async def grow(event: Item) -> list[Item] | Done:
            if event.wait:
                return [Item(2 * event.number, event.wait - 1), Item(2 * event.number + 1, event.wait - 1)]
            return Done(event.number)

        async def sum_up(events: list[Done]) -> Done | ot.Stop:
            total = sum(event.number for event in events)
            return ot.Stop(total)

        assert run(ot.Workflow(grow, sum_up)(Item(1, 1))) == 2 + 3

    def test_thousands_deep_need_no_recursion(self):
        async def deeper(event: Item) -> list[Item] | Done:
            return [Item(event.number - 1)] if event.number else Done(0)

        async def back(events: list[Done]) -> Done | ot.Stop:
            return Done(events[0].number + 1)

        async def end(event: Done) -> ot.Stop | None:
            return ot.Stop(event.number) if event.number == 3000 else None

        assert run(ot.Workflow(deeper, back, end)(Item(3000))) == 3000


class TestAJoin:
    def test_takes_one_of_each_in_the_declared_order_whichever_comes_first(self):
        async def scatter(event: Start) -> list[Left | Right | Done]:
            return [Done(3), Right(2), Left(1)]

        async def join(a: Left, b: Right, c: Done) -> ot.Stop:
            return ot.Stop((a, b, c))

        assert run(ot.Workflow(scatter, join)(Start())) == (Left(1), Right(2), Done(3))

    def test_is_first_in_first_out_within_its_fan_out(self):
        async def scatter(event: Start) -> list[Left | Right]:
            return [Left(1), Right(1), Left(2), Right(2)]

        async def pair(left: Left, right: Right) -> Pair:
            return Pair(left.number, right.number)

        async def end(found: list[Pair]) -> ot.Stop:
            return ot.Stop([(p.left, p.right) for p in found])

        assert run(ot.Workflow(scatter, pair, end)(Start())) == [(1, 1), (2, 2)]

    def test_waits_for_no_step_that_could_not_fill_it(self):
        async def scatter(event: Start) -> list[Left | Right]:
            return [Left(1), Right(2)]

        async def log(event: Left) -> None:
            await asyncio.sleep(100)

        async def join(left: Left, right: Right) -> ot.Stop:
            return ot.Stop((left.number, right.number))

        clock = FakeClock()
        assert clock.run(ot.Workflow(scatter, log, join)(Start())) == (1, 2)
        assert clock.time() == 0

    def test_of_two_fan_outs_never_happens_and_the_half_filled_are_named(self):
        async def scatter(event: Start) -> Item | Done:
            ot.send(Item(1))
            return Done(1)

        async def lefts(event: Item) -> list[Left]:
            return [Left(1), Left(2)]

        async def rights(event: Done) -> list[Right]:
            return [Right(1)]

        async def join(left: Left, right: Right) -> ot.Stop:
            return ot.Stop("mixed")

        with pytest.raises(WorkflowStalled, match=r"join is half filled: it has 2 for left, 1 for right"):
            run(ot.Workflow(scatter, lefts, rights, join)(Start()))

    def test_closes_its_fan_out_so_that_an_outer_list_gathers_what_it_sends(self):
        async def ask(event: Item) -> list[Left | Right]:
            return [Left(event.number), Right(event.number)]

        async def decide(left: Left, right: Right) -> Pair:
            return Pair(left.number, right.number)

        async def end(found: list[Pair]) -> ot.Stop:
            return ot.Stop([(p.left, p.right) for p in found])

        workflow = ot.Workflow(items, ask, decide, end)
        assert run(workflow(Start((0, 0, 0)))) == [(0, 0), (1, 1), (2, 2)]
        assert run(workflow(Start())) == []


def pairing(split):
    async def hold_left(event: Item) -> Left:
        await asyncio.sleep(event.parts[0])
        return Left(event.number)

    async def hold_right(event: Item) -> Right:
        await asyncio.sleep(event.parts[1])
        return Right(event.number)

    async def pair(left: Left, right: Right) -> Pair:
        return Pair(left.number, right.number)

    async def end(found: list[Pair]) -> ot.Stop:
        return ot.Stop([(p.left, p.right) for p in found])

    return ot.Workflow(split, hold_left, hold_right, pair, end)


latencies = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12)


@settings(deadline=None)
@given(latencies)
def test_two_steps_for_one_item_are_joined_without_mixing_items(waits):
    async def split(event: Start) -> list[Item]:
        return [Item(i, 0, parts) for i, parts in enumerate(event.waits)]

    assert run(pairing(split)(Start(tuple(waits)))) == [(i, i) for i in range(len(waits))]


@dataclasses.dataclass(frozen=True)
class LeftJob:
    number: int
    wait: int


@dataclasses.dataclass(frozen=True)
class RightJob:
    number: int
    wait: int


@settings(deadline=None)
@given(st.lists(latencies, max_size=4))
def test_joins_in_nested_fan_outs_never_mix_items(batches):
    async def split(event: Start) -> list[Item]:
        return [Item(i, 0, batch) for i, batch in enumerate(event.waits)]

    async def split_again(event: Item) -> list[Item2]:
        return [Item2(100 * event.number + i, parts) for i, parts in enumerate(event.parts)]

    async def jobs(event: Item2) -> list[LeftJob | RightJob]:
        return [LeftJob(event.number, event.parts[0]), RightJob(event.number, event.parts[1])]

    async def do_left(event: LeftJob) -> Left:
        await asyncio.sleep(event.wait)
        return Left(event.number)

    async def do_right(event: RightJob) -> Right:
        await asyncio.sleep(event.wait)
        return Right(event.number)

    async def pair(left: Left, right: Right) -> Pair:
        await asyncio.sleep(left.number % 3)
        return Pair(left.number, right.number)

    async def batch(found: list[Pair]) -> Whole:
        return Whole(tuple((p.left, p.right) for p in found))

    async def end(found: list[Whole]) -> ot.Stop:
        return ot.Stop([w.numbers for w in found])

    workflow = ot.Workflow(split, split_again, jobs, do_left, do_right, pair, batch, end)
    expected = [
        tuple((100 * b + i, 100 * b + i) for i in range(len(waits))) for b, waits in enumerate(batches)
    ]
    assert run(workflow(Start(tuple(tuple(b) for b in batches)))) == expected


@dataclasses.dataclass(frozen=True)
class Item2:
    number: int
    parts: tuple


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=20))
def test_a_list_is_in_input_order_whatever_the_latencies_and_whoever_is_left_out(members):
    async def split(event: Start) -> list[Item]:
        return [Item(i, wait, (kept,)) for i, (wait, kept) in enumerate(event.waits)]

    async def some(event: Item) -> Done | None:
        await asyncio.sleep(event.wait)
        return Done(event.number) if event.parts[0] else None

    expected = [i for i, (_, kept) in enumerate(members) if kept]
    assert run(ot.Workflow(split, some, collect)(Start(tuple(members)))) == expected
