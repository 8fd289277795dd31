"""Is what a run has done kept, found again by lineage, and never mixed up with another run?"""

import asyncio
import contextlib
import dataclasses
import threading
from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.errors import CacheError, UnstorableError, UsageError


@dataclasses.dataclass(frozen=True)
class Start:
    n: int = 0


@dataclasses.dataclass(frozen=True)
class Item:
    n: int


@dataclasses.dataclass(frozen=True)
class Done:
    n: int


@dataclasses.dataclass(frozen=True)
class Approval:
    by: str = ""


@dataclasses.dataclass
class Tally:
    total: int = 0
    seen: list = dataclasses.field(default_factory=list)


class Broken(Exception):
    pass


class App:
    """Fans out, works on each, gathers; notes what ran, and breaks at the given items."""

    def __init__(self, breaks=()):
        self.breaks = set(breaks)
        self.ran = []

    async def fan(self, event: Start) -> list[Item]:
        self.ran.append("fan")
        return [Item(i) for i in range(event.n)]

    async def work(self, event: Item) -> Done:
        await asyncio.sleep(0)
        if event.n in self.breaks:
            raise Broken(event.n)
        self.ran.append(event.n)
        return Done(10 * event.n)

    async def end(self, done: list[Done]) -> ot.Stop[list]:
        self.ran.append("end")
        return ot.Stop([d.n for d in done])

    def workflow(self):
        return ot.Workflow(self.fan, self.work, self.end)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs" / "app"


def test_a_run_that_broke_continues_where_it_was(folder):
    first, second = App(breaks=[3]), App()
    with pytest.raises(Broken):
        ot.run(first.workflow()(Start(4)), checkpoint=folder)
    assert first.ran == ["fan", 0, 1, 2]
    assert ot.run(second.workflow()(Start(4)), checkpoint=folder) == [0, 10, 20, 30]
    assert second.ran == [3, "end"]


def test_a_step_that_was_kept_does_not_run_again(folder):
    first, second = App(breaks=[1]), App()

    async def one_at_a_time(event: Item) -> Done:
        return await first.work(event)

    async def again(event: Item) -> Done:
        return await second.work(event)

    again.__name__ = "one_at_a_time"
    with pytest.raises(Broken):
        ot.run(
            ot.Workflow(first.fan, ot.step(workers=1)(one_at_a_time), first.end)(Start(3)), checkpoint=folder
        )
    assert first.ran == ["fan", 0]
    result = ot.run(ot.Workflow(second.fan, again, second.end)(Start(3)), checkpoint=folder)
    assert (result, second.ran) == ([0, 10, 20], [1, 2, "end"])


def test_a_finished_run_replays_its_result(folder):
    call = App().workflow()(Start(3))
    assert ot.run(call, checkpoint=folder) == [0, 10, 20]
    again = App()
    assert ot.run(again.workflow()(Start(3)), checkpoint=folder) == [0, 10, 20]
    assert again.ran == []
    with ot.stream(again.workflow()(Start(3)), checkpoint=str(folder)) as events:
        assert not [e for e in events if isinstance(e, ot.StepStarted | ot.StepFinished)]
    assert (events.result, again.ran) == ([0, 10, 20], [])


def test_without_a_checkpoint_nothing_is_kept(folder):
    app = App()
    for _ in range(2):
        ot.run(app.workflow()(Start(1)))
    assert app.ran == ["fan", 0, "end"] * 2


def test_another_event_another_workflow_and_another_sample_are_other_runs(folder):
    app = App()
    call = app.workflow()(Start(1))
    ot.run(call, checkpoint=folder)
    app.ran.clear()
    ot.run(app.workflow()(Start(2)), checkpoint=folder)
    assert app.ran == ["fan", 0, 1, "end"]

    async def more(event: Done) -> None:
        return None

    app.ran.clear()
    ot.run((app.workflow() | ot.Workflow(more))(Start(1)), checkpoint=folder)
    assert app.ran == ["fan", 0, "end"]

    app.ran.clear()
    ot.run(ot.parallel(*ot.repeat(call, 2)), checkpoint=folder)
    assert sorted(map(str, app.ran)) == sorted(["fan", "0", "end"] * 2)
    ot.run(ot.parallel(*ot.repeat(call, 2)), checkpoint=folder)
    assert len(app.ran) == 6


def test_the_same_call_twice_in_one_run_runs_twice(folder):
    app = App()
    call = app.workflow()(Start(1))

    @ot.make_executable
    async def twice():
        return [await call, await call]

    for _ in range(2):
        assert ot.run(twice(), checkpoint=folder) == [[0], [0]]
        assert app.ran == ["fan", 0, "end"] * 2


def test_nested_runs_are_kept_for_each_step_that_awaits_them(folder):
    app = App(breaks=[7])
    inner = app.workflow()

    async def outer(event: Approval) -> list[Start]:
        return [Start(1), Start(1)]

    async def nest(event: Start) -> Done:
        return Done(sum(await inner(event)))

    async def both(done: list[Done]) -> ot.Stop:
        app.ran.append("both")
        if len(app.ran) < 8:
            raise Broken
        return ot.Stop(len(done))

    workflow = ot.Workflow(outer, nest, both)
    with pytest.raises(Broken):
        ot.run(workflow(Approval()), checkpoint=folder)
    assert sorted(map(str, app.ran)) == sorted(["fan", "0", "end"] * 2 + ["both"])
    assert ot.run(workflow(Approval()), checkpoint=folder) == 2
    assert app.ran[7:] == ["both"]


def test_a_loop_is_kept_visit_by_visit(folder):
    ran: list[Any] = []

    async def count(event: Start) -> Start | ot.Stop:
        ran.append(event.n)
        if event.n == 2 and ran.count(2) == 1:
            raise Broken
        return Start(event.n + 1) if event.n < 4 else ot.Stop("done")

    async def stay(event: Item) -> Item | ot.Stop:
        ran.append("stay")
        if len(ran) == 3:
            raise Broken
        return Item(event.n) if len(ran) < 5 else ot.Stop(len(ran))

    with pytest.raises(Broken):
        ot.run(ot.Workflow(count)(Start()), checkpoint=folder)
    assert ot.run(ot.Workflow(count)(Start()), checkpoint=folder) == "done"
    assert ran == [0, 1, 2, 2, 3, 4]
    ran.clear()
    with pytest.raises(Broken):
        ot.run(ot.Workflow(stay)(Item(1)), checkpoint=folder)
    assert ot.run(ot.Workflow(stay)(Item(1)), checkpoint=folder) == 5  # equal events, told apart by lineage


def test_what_a_step_sent_is_sent_again_when_it_is_repeated(folder):
    ran: list[Any] = []

    async def scatter(event: Start) -> Item | Done | None:  # type: ignore[return]  # it sends
        ran.append("scatter")
        ot.send(Item(1))
        ot.send(Done(2))

    async def join(item: Item, done: Done) -> ot.Stop:
        ran.append("join")
        if ran.count("join") == 1:
            raise Broken
        return ot.Stop((item.n, done.n))

    workflow = ot.Workflow(scatter, join)
    with pytest.raises(Broken):
        ot.run(workflow(Start()), checkpoint=folder)
    assert ot.run(workflow(Start()), checkpoint=folder) == (1, 2)
    assert ran == ["scatter", "join", "join"]


def test_the_state_is_as_the_steps_that_are_repeated_left_it(folder):
    ran: list[Any] = []

    async def count(event: Start, state: Tally) -> Start | Done:
        ran.append(event.n)
        state.total += event.n
        state.seen.append(event.n)
        return Start(event.n - 1) if event.n else Done(0)

    async def end(event: Done, state: Tally) -> ot.Stop:
        ran.append("end")
        if ran.count("end") == 1:
            raise Broken
        return ot.Stop((state.total, state.seen))

    workflow = ot.Workflow(count, end)
    with pytest.raises(Broken):
        ot.run(workflow(Start(3)), checkpoint=folder)
    assert ot.run(workflow(Start(3)), checkpoint=folder) == (6, [3, 2, 1, 0])
    assert ran == [3, 2, 1, 0, "end", "end"]


def test_the_state_is_that_of_the_step_that_ended_last_whichever_comes_first_in_the_list(folder):
    ran: list[Any] = []

    async def fan(event: Start) -> list[Item]:
        return [Item(0), Item(1)]

    async def work(event: Item, state: Tally) -> Done:
        await asyncio.sleep(0.05 if event.n == 0 else 0)
        state.seen.append(event.n)
        return Done(event.n)

    async def end(done: list[Done], state: Tally) -> ot.Stop:
        ran.append("end")
        if len(ran) == 1:
            raise Broken
        return ot.Stop(state.seen)

    workflow = ot.Workflow(fan, work, end)
    with pytest.raises(Broken):
        ot.run(workflow(Start()), checkpoint=folder)
    assert ot.run(workflow(Start()), checkpoint=folder) == [1, 0]


def test_a_stop_that_was_sent_by_a_step_that_did_not_end_is_a_result(folder):
    ran: list[Any] = []

    async def one(event: Start) -> ot.Stop:
        ran.append(1)
        ot.send(ot.Stop("sent"))
        await asyncio.sleep(60)
        return ot.Stop("returned")

    for _ in range(2):
        assert ot.run(ot.Workflow(one)(Start()), checkpoint=folder) == "sent"
    assert ran == [1]


def test_a_nested_run_that_broke_does_not_take_the_place_of_its_finished_twin(folder):
    ran: list[Any] = []

    async def book(event: Start) -> Item:
        ran.append("book")
        if len(ran) == 2:
            raise Broken
        return Item(event.n)

    async def end(event: Item) -> ot.Stop:
        return ot.Stop(event.n)

    inner = ot.Workflow(book, end)

    async def two(event: Approval) -> list[Start]:
        return [Start(), Start()]

    @ot.step(workers=1)
    async def nest(event: Start) -> Done:
        return Done(await inner(event))

    async def both(done: list[Done]) -> ot.Stop:
        return ot.Stop(len(done))

    workflow = ot.Workflow(two, nest, both)
    with pytest.raises(Broken):
        ot.run(workflow(Approval()), checkpoint=folder)
    assert ot.run(workflow(Approval()), checkpoint=folder) == 2
    assert ran == ["book"] * 3


def test_steps_that_run_again_emit_again_and_others_do_not(folder):
    broken = [True]

    async def one(event: Start) -> Item:
        ot.emit("one")
        return Item(1)

    async def two(event: Item) -> ot.Stop:
        ot.emit("two")
        if broken.pop():
            broken.append(False)
            raise Broken
        return ot.Stop("done")

    def texts():
        seen = []
        with contextlib.suppress(Broken):
            ot.run(
                ot.Workflow(one, two)(Start()),
                checkpoint=folder,
                on_event=lambda e: seen.append(e.step if isinstance(e, ot.StepStarted) else e),
            )
        return [e for e in seen if isinstance(e, str)]

    assert texts() == ["one", "one", "two", "two"]
    assert texts() == ["two", "two"]


def test_calls_of_models_need_no_other_cache(folder):
    calls: list[Any] = []

    async def one(event: Start) -> Item:
        return Item(len(await llm.generate_text("hello")))

    async def two(event: Item) -> ot.Stop:
        if len(calls) == 1:
            calls.append("broken")
            raise Broken
        return ot.Stop(event.n)

    def answer(prompt):
        calls.append(prompt)
        return "four"

    with ot.RegistryContext():
        llm.generate_text.configure(answer)
        with pytest.raises(Broken):
            ot.run(ot.Workflow(one, two)(Start()), checkpoint=folder)
        assert ot.run(ot.Workflow(one, two)(Start()), checkpoint=folder) == 4
    assert calls == ["hello", "broken"]


def test_a_result_or_an_event_that_cannot_be_kept_is_an_error_that_names_it(folder):
    class Opaque:
        pass

    async def one(event: Start) -> ot.Stop:
        return ot.Stop(Opaque())

    with pytest.raises(UnstorableError, match="Opaque"):
        ot.run(ot.Workflow(one)(Start()), checkpoint=folder)


def test_what_a_thread_sent_and_cannot_be_restored_is_the_error_of_the_run(folder):
    followed = threading.Event()

    def app(kind: type, breaks: bool) -> ot.Workflow:
        @ot.step(thread=True)
        def one(event: Start) -> Item | None:
            ot.send(Item(1))
            if breaks:
                followed.wait(10)
                raise Broken
            return None

        async def two(event: Item) -> kind:  # type: ignore[valid-type]  # made at run time
            made: Any = kind()
            return made  # type: ignore[no-any-return]

        async def three(event: kind) -> ot.Stop | None:  # type: ignore[valid-type]
            followed.set()
            return None if breaks else ot.Stop()

        return ot.Workflow(one, two, three)

    before = dataclasses.make_dataclass("Passed", [("old", int, 0)], frozen=True)
    after = dataclasses.make_dataclass("Passed", [("new", int, 0)], frozen=True)
    with pytest.raises(Broken):
        ot.run(app(before, True)(Start()), checkpoint=folder)
    with pytest.raises(CacheError, match="the class has changed"):
        ot.run(app(after, False)(Start()), checkpoint=folder)


def test_a_result_of_a_class_is_restored_where_the_annotation_names_it(folder):
    @dataclasses.dataclass(frozen=True)
    class Report:
        text: str

    async def one(event: Start) -> ot.Stop[Report]:
        return ot.Stop(Report("fine"))

    for _ in range(2):
        assert ot.run(ot.Workflow(one)(Start()), checkpoint=folder) == Report("fine")


def test_none_is_a_result_that_is_replayed(folder):
    ran: list[Any] = []

    async def one(event: Start) -> ot.Stop:
        ran.append(1)
        return ot.Stop()

    for _ in range(2):
        assert ot.run(ot.Workflow(one)(Start()), checkpoint=folder) is None
    assert ran == [1]


def test_a_handled_error_is_kept_as_what_came_of_it(folder):
    ran: list[Any] = []

    @ot.step(on_error=lambda error, event: None)
    async def one(event: Item) -> Done:
        ran.append(event.n)
        raise ValueError

    async def fan(event: Start) -> list[Item]:
        return [Item(1)]

    async def end(done: list[Done]) -> ot.Stop:
        ran.append("end")
        if ran.count("end") == 1:
            raise Broken
        return ot.Stop(len(done))

    with pytest.raises(Broken):
        ot.run(ot.Workflow(fan, one, end)(Start()), checkpoint=folder)
    assert ot.run(ot.Workflow(fan, one, end)(Start()), checkpoint=folder) == 0
    assert ran == [1, "end", "end"]


@pytest.mark.parametrize("wrong", [3, True, ["a"]])
def test_a_checkpoint_is_the_path_of_a_folder(wrong):
    with pytest.raises(UsageError, match="path of a folder"):
        ot.run(App().workflow()(Start()), checkpoint=wrong)
