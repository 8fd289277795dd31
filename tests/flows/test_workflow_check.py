"""Is what is wrong with a workflow named before anything runs?"""

import dataclasses

import pytest

from onetwo_like import ot
from onetwo_like.errors import ProgramError, UsageError, WorkflowError


@dataclasses.dataclass(frozen=True)
class A:
    n: int = 0


@dataclasses.dataclass(frozen=True)
class B:
    n: int = 0


@dataclasses.dataclass(frozen=True)
class C:
    n: int = 0


@dataclasses.dataclass(frozen=True)
class SubA(A):
    pass


async def a_to_b(event: A) -> B:
    raise AssertionError("nothing runs")


async def b_to_stop(event: B) -> ot.Stop:
    raise AssertionError("nothing runs")


async def b_to_a(event: B) -> A:
    raise AssertionError("nothing runs")


async def c_to_stop(event: C) -> ot.Stop:
    raise AssertionError("nothing runs")


def mistakes(workflow, event=None):
    with pytest.raises(WorkflowError) as caught:
        workflow.check() if event is None else workflow(event)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, ProgramError)
    return str(caught.value)


def test_what_is_right_passes():
    workflow = ot.Workflow(a_to_b, b_to_stop)
    workflow.check()
    workflow(A())
    workflow(SubA())


def test_an_event_that_nobody_consumes_is_named():
    found = mistakes(ot.Workflow(a_to_b, c_to_stop))
    assert "a_to_b sends B, which no step accepts" in found


def test_members_of_lists_that_nobody_consumes_are_named():
    async def fan(event: A) -> list[B | C]:
        return []

    assert "fan sends B" in mistakes(ot.Workflow(fan, c_to_stop), A())


def test_what_only_a_receive_consumes_is_declared():
    async def ask(event: A) -> ot.Stop:
        return ot.Stop()

    async def tell(event: A) -> B:
        return B()

    assert "declare it: @ot.step(receives=B)" in mistakes(ot.Workflow(ask, tell))
    ot.Workflow(ot.step(receives=B)(ask), tell).check()


def test_a_call_takes_only_its_own_event():
    union = ot.Workflow(a_to_b, b_to_stop, c_to_stop)
    union.check()  # A and C may both be starts
    assert "nothing leads from A to c_to_stop" in mistakes(union, A())
    assert "c_to_stop waits for C, which no step sends" in mistakes(union, A())
    assert "no step accepts int" in mistakes(union, 3)


def test_a_join_that_nobody_fills_is_named():
    async def join(b: B, c: C) -> ot.Stop:
        return ot.Stop()

    workflow = ot.Workflow(a_to_b, join)
    workflow.check()
    found = mistakes(workflow, A())
    assert "join waits for C, which no step sends" in found
    assert "nothing leads from A to join" in found


def test_an_island_is_named():
    async def one(event: C) -> D:
        return D()

    async def two(event: D) -> C:
        return C()

    found = mistakes(ot.Workflow(a_to_b, b_to_stop, one, two))
    assert "nothing leads to one, two" in found
    assert "nothing leads from A to one, two" in mistakes(ot.Workflow(a_to_b, b_to_stop, one, two), A())


@dataclasses.dataclass(frozen=True)
class D:
    pass


def test_a_cycle_without_a_way_to_stop_is_refused_and_one_with_a_way_is_not():
    assert "no run would end" in mistakes(ot.Workflow(a_to_b, b_to_a))
    assert "no run would end" in mistakes(ot.Workflow(a_to_b, b_to_a), A())

    async def loop(event: A) -> A | ot.Stop:
        return ot.Stop()

    ot.Workflow(loop).check()
    ot.Workflow(loop)(A())


def test_an_unused_alternative_of_a_union_is_no_mistake():
    async def either(event: A | C) -> ot.Stop:
        return ot.Stop()

    ot.Workflow(either)(A())


def test_a_step_may_announce_a_base_where_a_subclass_is_accepted():
    async def base(event: B) -> A:
        return SubA()

    async def sub(event: SubA) -> ot.Stop[str]:
        return ot.Stop("sub")

    assert ot.run(ot.Workflow(base, sub)(B())) == "sub"


def test_a_step_without_annotations_is_named_with_what_is_missing():
    async def bare(event):
        return None

    async def no_return(event: A):
        return None

    async def nothing() -> ot.Stop:
        return ot.Stop()

    async def any_list(events: list) -> ot.Stop:
        return ot.Stop()

    async def text(event: "Nowhere") -> ot.Stop:  # type: ignore[name-defined]  # noqa: F821
        return ot.Stop()

    async def strict(event: A, /) -> ot.Stop:
        return ot.Stop()

    async def odd(event: 3) -> ot.Stop:  # type: ignore[valid-type]
        return ot.Stop()

    async def yields(event: A) -> ot.Stop:  # type: ignore[misc]
        yield ot.Stop()

    workflow = ot.Workflow(bare, no_return, nothing, any_list, text, strict, odd, yields)
    found = mistakes(workflow)
    assert "bare has no annotation for its parameter event" in found
    assert "no_return has no return annotation" in found
    assert "nothing takes no event" in found
    assert "any_list does not say which events" in found
    assert "text has an annotation that cannot be found" in found
    assert "strict has the positional-only parameter event" in found
    assert (
        "step odd has the parameter event, which takes the types of events, which are classes, not 3" in found
    )
    assert "yields is an async generator" in found
    assert mistakes(workflow, A()) == found


def test_a_join_that_would_take_one_event_twice_is_refused():
    async def fan(event: A) -> list[B]:
        return [B(), B()]

    async def compare(left: B, right: B) -> ot.Stop:
        return ot.Stop()

    async def base(either: A | B, sub: SubA) -> ot.Stop:
        return ot.Stop()

    assert "compare takes B both as left and as right" in mistakes(ot.Workflow(fan, compare), A())
    assert "base takes A both as either and as sub" in mistakes(ot.Workflow(fan, base))


def test_all_mistakes_are_named_at_once():
    async def lost(event: A) -> C:
        return C()

    async def join(b: B, d: D) -> None:
        return None

    found = mistakes(ot.Workflow(lost, join), A())
    for part in ("lost sends C", "join waits for B", "join waits for D", "to join", "no run would end"):
        assert part in found


class TestTheOptionsOfAStep:
    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"workers": 0}, "workers"),
            ({"workers": True}, "workers"),
            ({"retry": 0}, "retry"),
            ({"retry": 1.5}, "retry"),
            ({"timeout": 0}, "timeout"),
            ({"timeout": -1}, "timeout"),
            ({"on_error": 3}, "on_error"),
            ({"receives": 3}, "receives"),
            ({"receives": "A"}, "receives"),
        ],
    )
    def test_are_refused_where_they_are_written(self, options, match):
        with pytest.raises(UsageError, match=match):
            ot.step(**options)

    def test_thread_is_for_plain_functions(self):
        async def work(event: A) -> ot.Stop:
            return ot.Stop()

        with pytest.raises(UsageError, match="work is async"):
            ot.step(thread=True)(work)

    def test_belong_to_functions(self):
        with pytest.raises(UsageError, match="takes a function"):
            ot.step(retry=2)(3)  # type: ignore[type-var]
        with pytest.raises(UsageError, match="decorate the function where it is defined"):
            ot.step(retry=2)(len)

    def test_leave_the_function_as_it_is(self):
        def work(event: A) -> ot.Stop:
            return ot.Stop()

        assert ot.step(work) is work
        assert ot.step(workers=2)(work) is work
