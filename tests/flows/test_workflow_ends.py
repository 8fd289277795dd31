"""Case 10: however a run ends, does it end at once, with nothing left running, and say why?"""

import asyncio
import dataclasses
import weakref

import pytest

from onetwo_like import ot
from onetwo_like.errors import RunCancelled, WorkflowError, WorkflowStalled
from onetwo_like.testing import FakeClock


@dataclasses.dataclass(frozen=True)
class Start:
    n: int = 0


@dataclasses.dataclass(frozen=True)
class A:
    n: int = 0


@dataclasses.dataclass(frozen=True)
class B:
    n: int = 0


@dataclasses.dataclass(frozen=True)
class C:
    n: int = 0


class Branches:
    """Three branches, of which one may fail; notes what runs."""

    def __init__(self, error=None):
        self.error = error
        self.running = set()

    async def start(self, event: Start) -> list[A | B | C]:
        return [A(), B(), C()]

    async def a(self, event: A) -> None:
        await self.busy("a", 100)

    async def b(self, event: B) -> ot.Stop:
        await self.busy("b", 2)
        if self.error is not None:
            raise self.error
        await self.busy("b", 100)
        return ot.Stop()

    async def c(self, event: C) -> None:
        await self.busy("c", 50)

    async def busy(self, name, seconds):
        self.running.add(name)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.running.discard(name)

    def workflow(self):
        return ot.Workflow(self.start, self.a, self.b, self.c)


async def left_over():
    return [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]


def test_a_failure_in_one_of_three_branches_is_raised_as_it_is_with_its_step_and_stops_the_others():
    error = ValueError("broken")
    branches = Branches(error)
    clock = FakeClock()

    async def main():
        with pytest.raises(ValueError, match="broken") as caught:
            await branches.workflow()(Start())
        assert caught.value is error
        assert caught.value.__notes__ == ["in step b of a workflow"]
        assert branches.running == set()
        return await left_over()

    assert clock.run(main()) == []
    assert clock.time() == 2


def test_the_notes_of_nested_workflows_are_the_path():
    async def inner(event: A) -> ot.Stop:
        raise ValueError("deep")

    inside = ot.Workflow(inner)

    async def outer(event: Start) -> ot.Stop:
        return ot.Stop(await inside(A()))

    with pytest.raises(ValueError, match="deep") as caught:
        ot.run(ot.Workflow(outer)(Start()))
    assert caught.value.__notes__ == ["in step inner of a workflow", "in step outer of a workflow"]


def test_wait_for_cancels_all_that_runs_below():
    branches = Branches()
    clock = FakeClock()

    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(branches.workflow()(Start()), 5)
        return branches.running, await left_over()

    assert clock.run(main()) == (set(), [])
    assert clock.time() == 5


def test_a_failing_task_group_cancels_all_that_runs_below():
    branches = Branches()

    async def fail():
        await asyncio.sleep(3)
        raise KeyError("other")

    async def main():
        with pytest.raises(ExceptionGroup):
            await together()
        return branches.running, await left_over()

    async def together():
        async with asyncio.TaskGroup() as group:
            group.create_task(awaited(branches.workflow()(Start())))
            group.create_task(fail())

    async def awaited(e):
        return await e

    assert FakeClock().run(main()) == (set(), [])


def test_a_timeout_on_the_call_stops_all_that_runs_below():
    branches = Branches()
    clock = FakeClock()
    with pytest.raises(TimeoutError):
        clock.run(branches.workflow()(Start()).timeout(7))
    assert (clock.time(), branches.running) == (7, set())


def test_a_step_that_cancels_itself_is_a_failure_that_names_it():
    async def start(event: Start) -> ot.Stop:
        raise asyncio.CancelledError

    with pytest.raises(RunCancelled, match="start was cancelled from inside"):
        ot.run(ot.Workflow(start)(Start()))


def test_a_system_exit_in_a_step_reaches_the_caller():
    async def start(event: Start) -> ot.Stop:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        ot.run(ot.Workflow(start)(Start()))


def test_an_event_nobody_consumes_and_a_cycle_end_before_anything_runs():
    ran = []

    async def start(event: Start) -> A:
        ran.append("start")
        return A()

    async def back(event: A) -> Start:
        ran.append("back")
        return Start()

    with pytest.raises(WorkflowError, match="start sends A, which no step accepts"):
        ot.Workflow(start)(Start())
    with pytest.raises(WorkflowError, match="no run would end"):
        ot.Workflow(start, back)(Start())
    assert ran == []


def test_an_event_whose_class_no_step_accepts_after_all_is_an_error_when_it_is_sent():
    class Special(A):
        pass

    async def start(event: Start) -> A:
        return A()

    async def special(event: Special) -> ot.Stop:
        return ot.Stop()

    with pytest.raises(WorkflowError, match="no step accepts A"):
        ot.run(ot.Workflow(start, special)(Start()))


class TestAStall:
    def test_is_an_error_at_once(self):
        async def start(event: Start) -> ot.Stop | None:
            return None

        with pytest.raises(WorkflowStalled, match=r"no step has returned ot\.Stop"):
            ot.run(ot.Workflow(start)(Start()))

    def test_names_the_half_filled_joins(self):
        async def start(event: Start) -> A | B | None:
            return A()

        async def join(a: A, b: B) -> ot.Stop:
            return ot.Stop()

        with pytest.raises(WorkflowStalled, match="join is half filled: it has 1 for a, and none for b"):
            ot.run(ot.Workflow(start, join)(Start()))

    def test_names_half_filled_joins_of_fan_outs_that_are_over_and_no_filled_ones(self):
        async def start(event: Start) -> list[A | B]:
            return [A(), A(), A(), B()]

        async def join(a: A, b: B) -> C:
            return C()

        async def end(c: C) -> ot.Stop | None:
            return None

        with pytest.raises(WorkflowStalled, match=r"join is half filled: it has 2 for a, and none for b$"):
            ot.run(ot.Workflow(start, join, end)(Start()))


def test_what_a_finished_run_held_is_released():
    class Heavy:
        pass

    held = []

    async def start(event: Start) -> A:
        heavy = Heavy()
        held.append(weakref.ref(heavy))
        return A(heavy)  # type: ignore[arg-type]  # whatever an event holds

    async def end(event: A) -> ot.Stop:
        return ot.Stop("light")

    async def fail(event: A) -> ot.Stop:
        raise ValueError

    async def main():
        assert await ot.Workflow(start, end)(Start()) == "light"
        with pytest.raises(ValueError):
            await ot.Workflow(start, fail)(Start())
        await asyncio.sleep(0)
        return [ref() for ref in held]

    assert asyncio.run(main()) == [None, None]
