"""Case 2: progress and tokens are seen while the steps run."""

import asyncio
import dataclasses

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.testing import FakeClock


@dataclasses.dataclass(frozen=True)
class Start:
    text: str


@dataclasses.dataclass(frozen=True)
class First:
    output: str


@dataclasses.dataclass(frozen=True)
class Second:
    response: str


@dataclasses.dataclass(frozen=True)
class Progress:
    text: str


async def step_one(event: Start) -> First:
    ot.emit(Progress("Step one is happening"))
    return First("First step complete.")


async def step_two(event: First) -> Second:
    return Second(await llm.generate_text("The first 3 paragraphs of Moby Dick."))


async def step_three(event: Second) -> ot.Stop[str]:
    ot.emit(Progress("Step three is happening"))
    return ot.Stop(event.response)


workflow = ot.Workflow(step_one, step_two, step_three)


def test_progress_and_tokens_come_while_the_steps_run():
    async def moby_dick(prompt):
        for word in ("Call ", "me ", "Ishmael."):
            await asyncio.sleep(10)
            yield word

    clock = FakeClock()

    async def main():
        with ot.RegistryContext():
            llm.generate_text.configure(moby_dick)
            async with ot.stream(workflow(Start("go")), only=(Progress, ot.TextDelta)) as events:
                seen = [(clock.time(), event.text) async for event in events]
                return seen, await events

    assert clock.run(main()) == (
        [
            (0, "Step one is happening"),
            (10, "Call "),
            (20, "me "),
            (30, "Ishmael."),
            (30, "Step three is happening"),
        ],
        "Call me Ishmael.",
    )


def test_what_it_consists_of_is_known_without_running():
    workflow.check()
    assert [(s.name, s.accepts, s.sends) for s in workflow.steps] == [
        ("step_one", (Start,), (First,)),
        ("step_two", (First,), (Second,)),
        ("step_three", (Second,), (ot.Stop,)),
    ]
