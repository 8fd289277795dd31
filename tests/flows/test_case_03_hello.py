"""Case 3: hello."""

import dataclasses

from onetwo_like import ot


@dataclasses.dataclass(frozen=True)
class Start:
    payload: str


@dataclasses.dataclass(frozen=True)
class SecondStep:
    payload: str


async def start(event: Start) -> SecondStep:
    return SecondStep(event.payload)


async def second_step(event: SecondStep) -> ot.Stop[str]:
    return ot.Stop(event.payload)


def test_hello():
    assert ot.run(ot.Workflow(start, second_step)(Start("hello world"))) == "hello world"
