"""Cases 4 and 5: a monitor of feedback that goes round three times, without and with progress."""

import asyncio
import dataclasses

from onetwo_like import ot
from onetwo_like.testing import FakeClock


@dataclasses.dataclass(frozen=True)
class Start:
    sku: str


@dataclasses.dataclass(frozen=True)
class Loop:
    pass


@dataclasses.dataclass(frozen=True)
class GetFeedback:
    sku: str


@dataclasses.dataclass(frozen=True)
class Order:
    feedback: str


@dataclasses.dataclass(frozen=True)
class Clear:
    feedback: str


@dataclasses.dataclass(frozen=True)
class Progress:
    text: str


class Round:
    """What the steps of one run share."""

    def __init__(self) -> None:
        self.sku = ""
        self.number = 0


class Monitor:
    """The steps, and what the stock manager was told."""

    def __init__(self, *feedback):
        self.feedback = feedback
        self.log = []

    async def begin(self, event: Start | Loop, state: Round) -> GetFeedback | ot.Stop[str]:
        ot.emit(Progress("begin"))
        if isinstance(event, Start):
            state.sku = event.sku
        if state.number == len(self.feedback):
            return ot.Stop("We're done for the day.")
        await asyncio.sleep(3)
        state.number += 1
        return GetFeedback(state.sku)

    async def get_feedback(self, event: GetFeedback, state: Round) -> Order | Clear:
        ot.emit(Progress(f"feedback for {event.sku}"))
        feedback = self.feedback[state.number - 1]
        return Order(feedback) if feedback == "Good" else Clear(feedback)

    async def order(self, event: Order, state: Round) -> Loop:
        await self.manage("order", event, state)
        return Loop()

    async def clear(self, event: Clear, state: Round) -> Loop:
        await self.manage("clear out", event, state)
        return Loop()

    async def manage(self, what, event, state):
        ot.emit(Progress(f"{what} with feedback {event.feedback}"))
        await asyncio.sleep(0.5)
        self.log.append(f"{what} {state.sku}")

    def workflow(self):
        return ot.Workflow(self.begin, self.get_feedback, self.order, self.clear)


def test_three_cycles_act_in_exact_order():
    monitor = Monitor("Good", "Bad", "Good")
    clock = FakeClock()
    assert clock.run(monitor.workflow()(Start("Apple"))) == "We're done for the day."
    assert monitor.log == ["order Apple", "clear out Apple", "order Apple"]
    assert clock.time() == 3 * 3.5


def test_nothing_of_one_run_is_left_for_the_next():
    monitor = Monitor("Good")
    workflow = monitor.workflow()
    FakeClock().run(ot.parallel(workflow(Start("Apple")), workflow(Start("Pear"))))
    FakeClock().run(workflow(Start("Fig")))
    assert monitor.log == ["order Apple", "order Pear", "order Fig"]


def test_progress_is_seen_as_it_happens():
    clock = FakeClock()

    async def main():
        seen = []
        async with ot.stream(
            Monitor("Good", "Bad", "Good").workflow()(Start("Apple")), only=Progress
        ) as events:
            async for event in events:
                seen.append((clock.time(), event.text))
            return seen, await events

    seen, result = clock.run(main())
    assert result == "We're done for the day."
    assert seen == [
        (0, "begin"),
        (3, "feedback for Apple"),
        (3, "order with feedback Good"),
        (3.5, "begin"),
        (6.5, "feedback for Apple"),
        (6.5, "clear out with feedback Bad"),
        (7, "begin"),
        (10, "feedback for Apple"),
        (10, "order with feedback Good"),
        (10.5, "begin"),
    ]
