"""Does what is sent reach who receives, once, and is nobody left waiting for what cannot come?"""

import asyncio
import dataclasses
import threading
from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.core.inbox import Inbox
from onetwo_like.errors import DeadlineError, RunCancelled, UsageError, WorkflowStalled
from onetwo_like.testing import FakeClock


@dataclasses.dataclass(frozen=True)
class Start:
    n: int = 0


@dataclasses.dataclass(frozen=True)
class Approval:
    yes: bool


@dataclasses.dataclass(frozen=True)
class Refusal(Approval):
    why: str = ""


@dataclasses.dataclass(frozen=True)
class Tell:
    what: str


def run(e):
    return FakeClock().run(e)


@ot.step(receives=Approval)
async def ask(event: Start) -> ot.Stop:
    ot.emit("may I?")
    answer = await ot.receive(Approval)
    return ot.Stop(answer)


asking = ot.Workflow(ask)


class TestFromAStream:
    def test_an_answer_reaches_the_body_that_waits(self):
        with ot.stream(asking(Start())) as events:
            for event in events:
                if event == "may I?":
                    events.send(Approval(True))
        assert events.result == Approval(True)

    def test_an_answer_may_come_before_the_question(self):
        with ot.stream(asking(Start())) as events:
            events.send(Refusal(False, "no"))
            assert events.result == Refusal(False, "no")

    def test_coroutines_can_answer_too(self):
        async def main():
            async with ot.stream(asking(Start())) as events:
                async for event in events:
                    if event == "may I?":
                        events.send(Approval(True))
                return await events

        assert run(main()) == Approval(True)

    def test_a_thread_can_answer(self):
        async def main():
            async with ot.stream(asking(Start())) as events:
                async for event in events:
                    if event == "may I?":
                        await asyncio.to_thread(events.send, Approval(True))
                return await events

        assert asyncio.run(main()) == Approval(True)

    def test_inner_workflows_are_answered_as_well(self):
        async def outer(event: Tell) -> ot.Stop:
            return ot.Stop((event.what, await asking(Start())))

        with ot.stream(ot.Workflow(outer)(Tell("x")), only=str) as events:
            for _ in events:
                events.send(Approval(True))
        assert events.result == ("x", Approval(True))

    def test_each_question_gets_the_first_answer_of_its_type(self):
        @ot.step(receives=Approval | Tell)
        async def both(event: Start) -> ot.Stop:
            told = await ot.receive(Tell)
            either = await ot.receive(Approval | Tell)
            last = await ot.receive(Tell)
            return ot.Stop((told, either, last))

        with ot.stream(ot.Workflow(both)(Start())) as events:
            for event in (Approval(True), Tell("one"), Tell("two")):
                events.send(event)
            assert events.result == (Tell("one"), Approval(True), Tell("two"))

    def test_a_run_that_is_streamed_waits(self):
        async def main():
            async with ot.stream(asking(Start())) as events:
                await asyncio.sleep(1000)
                events.send(Approval(True))
                return await events

        assert run(main()) == Approval(True)

    def test_leaving_the_stream_stops_who_waits(self):
        with ot.stream(asking(Start())) as events:
            pass
        with pytest.raises(RunCancelled):
            _ = events.result


class TestFromAStep:
    def test_send_answers_a_receive(self):
        async def scatter(event: Start) -> Tell | Approval | None:  # type: ignore[return]  # it sends
            ot.send(Tell("go"))
            await asyncio.sleep(3)
            ot.send(Approval(True))

        @ot.step(receives=Approval)
        async def wait(event: Tell) -> ot.Stop:
            return ot.Stop(await ot.receive(Approval))

        assert run(ot.Workflow(scatter, wait)(Start())) == Approval(True)

    def test_an_event_sent_before_anyone_receives_it_is_kept(self):
        async def scatter(event: Start) -> Tell | Approval:
            ot.send(Approval(True))
            ot.send(Approval(False))
            await asyncio.sleep(3)
            return Tell("go")

        @ot.step(receives=Approval)
        async def wait(event: Tell) -> ot.Stop:
            return ot.Stop([await ot.receive(Approval), await ot.receive(Approval)])

        assert run(ot.Workflow(scatter, wait)(Start())) == [Approval(True), Approval(False)]

    def test_two_runs_do_not_answer_each_other(self):
        @dataclasses.dataclass
        class Mine:
            n: int

        async def scatter(event: Start) -> Tell | Mine | None:  # type: ignore[return]  # it sends
            ot.send(Tell("go"))
            await asyncio.sleep(event.n)
            ot.send(Mine(event.n))

        @ot.step(receives=Mine)
        async def wait(event: Tell) -> ot.Stop:
            return ot.Stop((await ot.receive(Mine)).n)

        workflow = ot.Workflow(scatter, wait)
        assert run(ot.parallel(workflow(Start(2)), workflow(Start(1)))) == [2, 1]


class TestATimeout:
    def test_ends_the_waiting(self):
        @ot.step(receives=Approval)
        async def impatient(event: Start) -> ot.Stop:
            with pytest.raises(DeadlineError, match="no Approval came within 5 s"):
                await ot.receive(Approval, timeout=5)
            return ot.Stop("gave up")

        clock = FakeClock()
        assert clock.run(ot.Workflow(impatient)(Start())) == "gave up"
        assert clock.time() == 5

    def test_leaves_the_event_for_the_next(self):
        @ot.step(receives=Approval)
        async def impatient(event: Start) -> ot.Stop:
            try:
                await ot.receive(Approval, timeout=1)
            except TimeoutError:
                await asyncio.sleep(10)
                return ot.Stop(await ot.receive(Approval))
            return ot.Stop("too early")

        async def main():
            async with ot.stream(ot.Workflow(impatient)(Start())) as events:
                await asyncio.sleep(5)
                events.send(Approval(True))
                return await events

        assert run(main()) == Approval(True)

    def test_that_passes_as_the_event_comes_loses_no_event(self):
        @ot.step(receives=Approval)
        async def impatient(event: Start) -> ot.Stop:
            waiting = asyncio.ensure_future(ot.receive(Approval))
            await asyncio.sleep(1)
            sender[0].send(Approval(True))
            waiting.cancel()  # it has been answered, and has not heard of it
            return ot.Stop(await ot.receive(Approval, timeout=5))

        sender: list[Any] = []

        async def main():
            async with ot.stream(ot.Workflow(impatient)(Start())) as events:
                sender.append(events)
                return await events

        assert run(main()) == Approval(True)

    @pytest.mark.parametrize("seconds", [0, -1, "1"])
    def test_is_above_zero(self, seconds):
        @ot.step(receives=Approval)
        async def wrong(event: Start) -> ot.Stop:
            return ot.Stop(await ot.receive(Approval, timeout=seconds))

        with pytest.raises(UsageError, match="seconds above 0"):
            run(ot.Workflow(wrong)(Start()))


class TestAStall:
    def test_is_seen_at_once_where_nobody_can_answer(self):
        clock = FakeClock()
        with pytest.raises(WorkflowStalled, match=r"ask waits for Approval.*ot\.stream"):
            clock.run(asking(Start()))
        assert clock.time() == 0
        with pytest.raises(WorkflowStalled):
            ot.run(asking(Start()), on_event=lambda event: None)

    def test_is_not_seen_while_another_step_runs(self):
        async def scatter(event: Tell) -> Start | Approval:
            ot.send(Start())
            await asyncio.sleep(100)
            return Approval(True)

        assert run(ot.Workflow(scatter, ask)(Tell(""))) == Approval(True)

    def test_is_seen_when_the_last_other_step_has_ended(self):
        async def scatter(event: Tell) -> Start | None:  # type: ignore[return]  # it sends
            ot.send(Start())
            await asyncio.sleep(100)

        clock = FakeClock()
        with pytest.raises(WorkflowStalled, match="ask waits for Approval"):
            clock.run(ot.Workflow(scatter, ask)(Tell("")))
        assert clock.time() == 100

    def test_is_seen_where_the_answer_to_one_is_what_the_other_would_send(self):
        @ot.step(receives=Approval)
        async def one(event: Start) -> Tell:
            await ot.receive(Approval)
            return Tell("x")

        @ot.step(receives=Tell)
        async def two(event: Start) -> Approval | ot.Stop:
            await ot.receive(Tell)
            return Approval(True)

        with pytest.raises(WorkflowStalled, match=r"one waits for Approval.*two waits for Tell"):
            run(ot.Workflow(one, two)(Start()))

    def test_of_an_inner_run_ends_the_outer_one(self):
        async def outer(event: Tell) -> ot.Stop:
            return ot.Stop(await asking(Start()))

        with pytest.raises(WorkflowStalled):
            run(ot.Workflow(outer)(Tell("x")))

    def test_is_not_seen_where_the_body_does_something_else_meanwhile(self):
        @ot.step(receives=Approval)
        async def both(event: Start) -> ot.Stop:
            async def later():
                await asyncio.sleep(5)
                ot.send(Approval(True))

            answer, _ = await asyncio.gather(ot.receive(Approval), later())
            return ot.Stop(answer)

        both.__annotations__["return"] = ot.Stop | Approval
        assert run(ot.Workflow(both)(Start())) == Approval(True)


class TestOutsideARun:
    def test_receive_says_so(self):
        with pytest.raises(UsageError, match=r"ot\.receive works inside a step"):
            asyncio.run(ot.receive(Approval))

    def test_receive_takes_types(self):
        with pytest.raises(UsageError, match=r"ot\.receive takes the types of events"):
            asyncio.run(ot.receive("Approval"))


class TestAnInbox:
    def test_an_event_for_one_who_has_gone_is_given_to_the_next(self):
        async def main():
            inbox = Inbox()
            gone, here = (asyncio.get_running_loop().create_future() for _ in range(2))
            inbox.wait((Approval,), gone)
            sender = threading.Thread(target=inbox.send, args=(Approval(True),))
            sender.start()
            sender.join()  # the event is on its way to the first, as this body has not yet let go of the loop
            gone.cancel()
            inbox.wait((Approval,), here)
            return await here

        assert asyncio.run(main()) == Approval(True)

    def test_keeps_events_in_order(self):
        async def main():
            inbox = Inbox()
            for n in range(3):
                inbox.send(Start(n))
            got = []
            for _ in range(3):
                answer = asyncio.get_running_loop().create_future()
                inbox.wait((Start,), answer)
                got.append((await answer).n)
            return got

        assert asyncio.run(main()) == [0, 1, 2]
