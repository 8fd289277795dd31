"""What does a call cost that a model in the process answers in batches?"""

from __future__ import annotations

import asyncio
import time

from onetwo_like import ot
from onetwo_like.backends import Batched
from onetwo_like.builtins import llm
from tests.benchmarks.measuring import Figure, cpu_s, figure

CALLS = 2_000


async def _one_after_another() -> float:
    began = time.perf_counter()
    for _ in range(CALLS):
        await llm.generate_text("hello")
    return (time.perf_counter() - began) / CALLS * 1e3


def measure() -> list[Figure]:
    """An instant call by itself, and many at once."""
    with ot.RegistryContext():
        Batched({"generate_text": lambda prompts: prompts}, name="echo").register()
        alone = asyncio.run(_one_after_another())
        many = cpu_s(lambda: ot.run(ot.parallel(*[llm.generate_text("hello") for _ in range(CALLS)])))
    return [
        figure("an instant batched call by itself", alone, 1.0, "ms"),
        figure("an instant batched call among 2,000", many / CALLS * 1e3, 1.0, "ms"),
    ]
