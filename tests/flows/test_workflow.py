"""Do events reach the steps that accept them, and does a run end with what a Stop holds?"""

import asyncio
import dataclasses
import functools
from typing import Annotated, Any

import pytest

from onetwo_like import ot
from onetwo_like.errors import UsageError, WorkflowError, WorkflowStalled
from onetwo_like.testing import FakeClock


@dataclasses.dataclass(frozen=True)
class Start:
    n: int = 0


@dataclasses.dataclass(frozen=True)
class Animal:
    name: str


@dataclasses.dataclass(frozen=True)
class Dog(Animal):
    pass


@dataclasses.dataclass(frozen=True)
class Stone:
    name: str


async def begin(event: Start) -> Dog | Stone:
    return Dog("Rex") if event.n else Stone("flint")


async def pet(event: Animal) -> ot.Stop[str]:
    return ot.Stop(f"petted {event.name}")


async def kick(event: Stone) -> ot.Stop[str]:
    return ot.Stop(f"kicked {event.name}")


def run(e):
    return FakeClock().run(e)


def test_a_union_branches_and_a_subclass_matches():
    zoo = ot.Workflow(begin, pet, kick)
    assert run(zoo(Start(1))) == "petted Rex"
    assert run(zoo(Start(0))) == "kicked flint"


def test_a_parameter_may_be_a_union():
    async def either(event: Dog | Stone) -> ot.Stop:
        return ot.Stop(event.name)

    assert run(ot.Workflow(begin, either)(Start(1))) == "Rex"
    assert run(ot.Workflow(either)(Stone("flint"))) == "flint"


def test_a_call_is_an_executable_for_run_parallel_named_map_and_timeout():
    zoo = ot.Workflow(begin, pet, kick)
    call = zoo(Start(1))
    assert isinstance(call, ot.Executable)
    assert ot.run(call) == ot.run(call) == "petted Rex"
    assert ot.run(ot.parallel(call, zoo(Start(0)))) == ["petted Rex", "kicked flint"]
    assert ot.run(call.map(str.upper).named("zoo").timeout(5)) == "PETTED REX"
    assert repr(call).startswith("workflow(Start(n=1")


def test_the_event_of_a_call_may_be_an_executable_itself():
    make_start = ot.make_executable(lambda: Start(1))
    assert ot.run(ot.Workflow(begin, pet, kick)(make_start())) == "petted Rex"


def test_an_event_goes_to_every_step_that_accepts_it():
    seen = []

    async def first(event: Dog) -> None:
        seen.append(("first", event.name))

    async def second(event: Animal) -> ot.Stop:
        await asyncio.sleep(1)
        return ot.Stop(seen)

    assert run(ot.Workflow(first, second)(Dog("Rex"))) == [("first", "Rex")]


def test_steps_are_functions_that_can_be_called_alone():
    @ot.step(retry=3)
    async def double(event: Start) -> ot.Stop:
        return ot.Stop(2 * event.n * ot.attempt())

    assert asyncio.run(double(Start(4))) == ot.Stop(8)


def test_plain_functions_methods_partial_and_executable_functions_are_steps():
    class Keeper:
        def __init__(self):
            self.log = []

        async def feed(self, event: Animal) -> Stone:
            self.log.append(event.name)
            return Stone("bone")

    def begin_plain(event: Start) -> Dog:
        return Dog("Rex")

    @ot.make_executable
    async def throw(event: Stone, far: int) -> ot.Stop[int]:
        return ot.Stop(far)

    keeper = Keeper()
    thrown = functools.partial(throw.__wrapped__, far=7)
    assert run(ot.Workflow(begin_plain, keeper.feed, thrown)(Start())) == 7
    assert keeper.log == ["Rex"]

    @ot.make_executable
    def drop(event: Stone) -> ot.Stop[str]:
        return ot.Stop(event.name)

    assert run(ot.Workflow(begin_plain, keeper.feed, drop)(Start())) == "bone"


def test_a_step_may_return_an_executable_of_its_event():
    @ot.make_executable
    async def find() -> Stone:
        return Stone("flint")

    def look(event: Start) -> ot.Executable[Stone]:
        return find()

    async def look_later(event: Start) -> ot.Executable[Stone]:
        return find()

    assert run(ot.Workflow(look, kick)(Start())) == "kicked flint"
    assert run(ot.Workflow(look_later, kick)(Start())) == "kicked flint"


def test_a_step_may_be_in_many_workflows_and_union_is_by_identity():
    left = ot.Workflow(begin, pet)
    right = ot.Workflow(kick, begin)
    both = left | right
    assert [step.name for step in both.steps] == ["begin", "pet", "kick"]
    assert run(both(Start(0))) == "kicked flint"
    assert [step.name for step in left.steps] == ["begin", "pet"]


def test_the_same_method_of_one_object_is_one_step_and_of_two_objects_is_refused():
    class Keeper:
        async def feed(self, event: Animal) -> ot.Stop:
            return ot.Stop(self)

    one, other = Keeper(), Keeper()
    assert len((ot.Workflow(one.feed) | ot.Workflow(one.feed)).steps) == 1
    with pytest.raises(WorkflowError, match="feed"):
        ot.Workflow(one.feed) | ot.Workflow(other.feed)


def test_two_different_steps_of_one_name_are_refused_by_name():
    async def pet(event: Animal) -> ot.Stop:
        return ot.Stop("other")

    with pytest.raises(WorkflowError, match="called pet"):
        ot.Workflow(begin, globals()["pet"], pet)
    with pytest.raises(ValueError, match="called pet"):
        ot.Workflow(globals()["pet"]) | ot.Workflow(pet)


def test_steps_say_what_they_accept_and_send():
    steps = ot.Workflow(begin, pet, kick).steps
    assert [(s.name, s.accepts, s.sends) for s in steps] == [
        ("begin", (Start,), (Dog, Stone)),
        ("pet", (Animal,), (ot.Stop,)),
        ("kick", (Stone,), (ot.Stop,)),
    ]


def test_only_functions_make_a_workflow():
    wrongs: list[Any] = [3, Start, ot.Workflow(begin), ot.make_executable(lambda: 1)()]
    for wrong in wrongs:
        with pytest.raises(UsageError, match="takes functions"):
            ot.Workflow(wrong)


class Tally:
    def __init__(self) -> None:
        self.n = 0


class TestState:
    def workflow(self):
        async def count(event: Start, state: Tally) -> Start | ot.Stop[int]:
            state.n += 1
            await asyncio.sleep(0)
            return Start(event.n - 1) if event.n else ot.Stop(state.n)

        return ot.Workflow(count)

    def test_is_one_per_run_and_not_kept_on_the_workflow(self):
        counting = self.workflow()
        both = ot.parallel(counting(Start(2)), counting(Start(4)))
        assert run(both) == [3, 5]
        assert run(counting(Start(0))) == 1

    def test_is_shared_by_the_steps_of_a_run(self):
        async def one(event: Start, state: Tally) -> Stone:
            state.n += 10
            return Stone("x")

        async def two(state: Tally, event: Stone) -> ot.Stop:
            return ot.Stop(state.n)

        assert run(ot.Workflow(one, two)(Start())) == 10

    def test_in_a_thread_is_refused(self):
        @ot.step(thread=True)
        def one(event: Start, state: Tally) -> ot.Stop:
            return ot.Stop()

        with pytest.raises(WorkflowError, match="one runs in a thread"):
            ot.Workflow(one).check()


class TestSend:
    def test_routes_from_inside_a_step(self):
        async def scatter(event: Start) -> Dog | Stone:  # type: ignore[return]  # it sends
            ot.send(Dog("Rex"))
            ot.send(Stone("flint"))

        async def join(dog: Dog, stone: Stone) -> ot.Stop:
            return ot.Stop((dog.name, stone.name))

        assert run(ot.Workflow(scatter, join)(Start())) == ("Rex", "flint")

    def test_is_routed_while_the_step_still_runs(self):
        order = []

        async def scatter(event: Start) -> Dog | Stone:
            ot.send(Dog("Rex"))
            await asyncio.sleep(5)
            order.append("scattered")
            return Stone("flint")

        async def walk(event: Dog) -> None:
            order.append("walked")

        async def end(event: Stone) -> ot.Stop:
            return ot.Stop(order)

        assert run(ot.Workflow(scatter, walk, end)(Start())) == ["walked", "scattered"]

    def test_of_what_was_not_announced_is_an_error(self):
        async def scatter(event: Start) -> Dog:
            ot.send(Stone("flint"))
            return Dog("Rex")

        with pytest.raises(WorkflowError, match=r"scatter sent Stone.*announces Dog"):
            run(ot.Workflow(scatter, pet)(Start()))

    def test_from_a_thread_comes_before_the_end_of_the_step(self):
        @ot.step(thread=True)
        def scatter(event: Start) -> Dog | Stone:
            ot.send(Dog("Rex"))
            return Stone("flint")

        seen = []

        async def walk(event: Dog) -> None:
            seen.append(event.name)

        async def end(event: Stone) -> ot.Stop:
            return ot.Stop(seen)

        assert ot.run(ot.Workflow(scatter, walk, end)(Start())) == ["Rex"]

    def test_may_send_the_stop(self):
        async def scatter(event: Start) -> ot.Stop | None:  # type: ignore[return]  # it sends
            ot.send(ot.Stop("sent"))
            await asyncio.sleep(1000)

        clock = FakeClock()
        assert clock.run(ot.Workflow(scatter)(Start())) == "sent"
        assert clock.time() == 0

    def test_outside_a_run_says_so(self):
        with pytest.raises(UsageError, match=r"ot\.send works inside a step"):
            ot.send(Start())

    def test_after_the_step_has_ended_is_refused(self):
        errors = []

        async def late():
            await asyncio.sleep(1)
            try:
                ot.send(Dog("late"))
            except UsageError as error:
                errors.append(str(error))

        async def scatter(event: Start) -> Dog | Stone:
            tasks.add(asyncio.ensure_future(late()))
            return Stone("flint")

        async def end(event: Stone) -> ot.Stop:
            await asyncio.sleep(2)
            return ot.Stop(errors)

        tasks = set()
        assert "scatter has ended" in run(ot.Workflow(scatter, pet, end)(Start()))[0]


class TestWhatWasAnnounced:
    def returning(self, value, annotation):
        async def give(event: Start):
            return value

        give.__annotations__["return"] = annotation
        return ot.Workflow(give, pet, kick)

    @pytest.mark.parametrize(
        ("value", "annotation"),
        [
            (Start(), Dog | Stone),
            (None, Dog | Stone),
            ([Dog("Rex")], Dog | Stone),
            ((Dog("Rex"),), list[Dog | Stone]),
            (Dog("Rex"), list[Dog | Stone]),
            ([Start()], list[Dog | Stone]),
            ([], Dog | Stone),
            ([None], list[Dog | Stone]),
            (ot.Stop(1), Dog | Stone),
            (ot.Stop, Dog | Stone),
            ("Rex", Dog | Stone),
        ],
    )
    def test_anything_else_that_is_returned_is_an_error(self, value, annotation):
        with pytest.raises(WorkflowError, match=r"step give returned.*does not announce"):
            run(self.returning(value, annotation)(Start()))

    @pytest.mark.parametrize(
        ("value", "annotation"),
        [
            (Dog("Rex"), Animal | Stone),
            (ot.Stop("petted Rex"), Dog | Stone | ot.Stop),
            (ot.Stop("petted Rex"), Dog | Stone | ot.Stop[str]),
            ([Dog("Rex")], list[Dog] | Stone),
            ([Dog("Rex")], list[Dog | Stone]),
            (Dog("Rex"), Annotated[Dog | Stone, "the animal"]),
        ],
    )
    def test_what_is_announced_passes(self, value, annotation):
        assert run(self.returning(value, annotation)(Start())) == "petted Rex"

    def test_none_is_fine_where_it_is_announced(self):
        with pytest.raises(WorkflowStalled):
            run(self.returning(None, Dog | Stone | None)(Start()))


def test_the_first_stop_ends_the_run_and_leaves_nothing_running():
    stopped = []

    async def fan(event: Start) -> Dog | Stone:
        ot.send(Dog("Rex"))
        return Stone("flint")

    async def slow(event: Dog) -> ot.Stop:
        try:
            await asyncio.sleep(100)
        finally:
            stopped.append("slow")
        return ot.Stop("slow")

    async def fast(event: Stone) -> ot.Stop:
        await asyncio.sleep(1)
        return ot.Stop("fast")

    clock = FakeClock()

    async def main():
        result = await ot.Workflow(fan, slow, fast)(Start())
        return result, len(asyncio.all_tasks())

    assert clock.run(main()) == ("fast", 1)
    assert stopped == ["slow"]
    assert clock.time() == 1


def test_steps_do_not_see_each_others_context_variables():
    import contextvars

    var = contextvars.ContextVar("var", default="unset")

    async def one(event: Start) -> Stone:
        var.set("by one")
        return Stone("x")

    async def two(event: Stone) -> ot.Stop:
        return ot.Stop(var.get())

    assert run(ot.Workflow(one, two)(Start())) == "unset"
