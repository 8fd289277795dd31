"""How near does the pacer come to what a provider allows, in virtual time?

A toy provider holds a bucket of requests and one of tokens, each of one second's worth, and refuses what
does not fit with a 429. 3,000 calls are asked for at once. The ideal time is that of a program that knows
the limits. Latency is from when a call was first sent until it was answered, with its retries. Two usual
ways stand beside ours: a fixed number of calls at once with growing waits, and additive increase with
multiplicative decrease of that number. `python -m tests.benchmarks.bench_pace` prints all as a table.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import Callable
from typing import NamedTuple

from onetwo_like.core.request import Handler, Middleware, Reply, Request, Usage
from onetwo_like.errors import RateLimitedError
from onetwo_like.middleware.pace import Pacer, at_most
from onetwo_like.middleware.retry import retrying
from onetwo_like.testing import FakeClock
from tests.benchmarks.measuring import Figure, figure

CALLS = 3_000
REFUSAL_S = 0.05
CONCURRENCY = 200


class Scene(NamedTuple):
    """What a provider allows in a minute; from `halves_at_s` on, half of it."""

    name: str
    rpm: float
    tpm: float | None = None
    halves_at_s: float = math.inf

    def per_s(self, at: float) -> tuple[float, float]:
        """Requests and tokens a second."""
        part = 0.5 if at >= self.halves_at_s else 1.0
        return part * self.rpm / 60, math.inf if self.tpm is None else part * self.tpm / 60


SCENES = [
    Scene("600 rpm", 600),
    Scene("3,000 rpm and 900k tpm", 3_000, 900_000),
    Scene("600 rpm, half from 120 s on", 600, None, 120.0),
]


class Api:
    """What the toy provider's API is called."""

    name = "toy"
    parameters = ("prompt", "tokens")


class Toy:
    """The provider; notes when calls were first sent, and when they were answered."""

    def __init__(self, scene: Scene, seed: int, *, headers: Callable[[dict[str, str]], None] | None) -> None:
        self.scene = scene
        self.refusals = 0
        self.first_sent: dict[int, float] = {}
        self.latencies: list[float] = []
        self._headers = headers
        self._random = random.Random(seed)
        self._at = 0.0
        self._requests, self._tokens = scene.per_s(0.0)

    async def __call__(self, request: Request) -> Reply:
        """Answers or refuses at once, and says so after a while."""
        index, tokens = request.values[1]
        now = asyncio.get_running_loop().time()
        self.first_sent.setdefault(index, now)
        takes_s = latency_s(self._random)
        per_s, tokens_per_s = self.scene.per_s(now)
        self._requests = min(per_s, self._requests + (now - self._at) * per_s)
        if tokens_per_s < math.inf:
            self._tokens = min(tokens_per_s, self._tokens + (now - self._at) * tokens_per_s)
        self._at = now
        wait_s = max(0.0, 1 - self._requests) / per_s
        if tokens_per_s < math.inf:
            wait_s = max(wait_s, (tokens - self._tokens) / tokens_per_s)
        if wait_s > 1e-6:
            self.refusals += 1
            await asyncio.sleep(REFUSAL_S)
            error = RateLimitedError("429")
            error.retry_after_s = math.ceil(wait_s) if self._headers is None else wait_s
            raise error
        self._requests -= 1
        self._tokens -= tokens
        said = {
            "x-ratelimit-limit-requests": f"{per_s * 60:.0f}",
            "x-ratelimit-remaining-requests": f"{self._requests:.0f}",
        }
        if tokens_per_s < math.inf:
            said["x-ratelimit-limit-tokens"] = f"{tokens_per_s * 60:.0f}"
            said["x-ratelimit-remaining-tokens"] = f"{max(0.0, self._tokens):.0f}"
        await asyncio.sleep(takes_s)
        if self._headers is not None:
            self._headers(said)
        self.latencies.append(asyncio.get_running_loop().time() - self.first_sent[index])
        return Reply("fine", Usage(tokens // 2, tokens - tokens // 2))


class Measured(NamedTuple):
    """What came of one way in one scene."""

    time: float  # of the ideal
    refusals: int
    p99: float  # of that of a provider without limits
    failed: int


def prompts(seed: int) -> list[int]:
    """How many tokens each call takes."""
    draw = random.Random(seed)
    return [int(draw.lognormvariate(math.log(250), 0.4)) for _ in range(CALLS)]


def latency_s(draw: random.Random) -> float:
    """How long the toy takes for one answer: 0.6 s, now and then 2 or 3."""
    return draw.lognormvariate(math.log(0.6), 0.5)


def ideal_s(scene: Scene, sizes: list[int], seed: int) -> float:
    """When the last answer comes to a program that knows the limits, and sends each call as soon as it may."""
    draw = random.Random(seed)
    now, step, last = 0.0, 0.01, 0.0
    calls, tokens = scene.per_s(0.0)
    for size in sizes:
        calls, tokens = calls - 1, tokens - size
        while calls < 0 or tokens < 0:
            per_s, tokens_per_s = scene.per_s(now)
            calls, tokens, now = calls + per_s * step, tokens + tokens_per_s * step, now + step
        last = max(last, now + latency_s(draw))
    return last


def simulate(scene: Scene, way: str, seed: int = 1) -> Measured:
    """All calls at once, by one way of pacing them."""
    sizes = prompts(seed)
    clock = FakeClock()
    pacer = Pacer()
    toy = Toy(scene, seed, headers=pacer.learn if way == "headers" else None)
    pace: Middleware = {
        "headers": lambda: pacer.lane(CONCURRENCY),
        "no headers": lambda: pacer.lane(CONCURRENCY),
        "fixed": lambda: at_most(16),
        "aimd": lambda: Aimd(),
    }[way]()
    attempts = 4 if way in ("headers", "no headers") else 1_000
    draw = random.Random(seed)
    again = retrying(attempts, give_up_after_s=1e9, random=draw.random)
    # The usual way: a place is held while the call waits to be made again.
    send: Handler = pace(again(toy)) if way == "fixed" else again(pace(toy))
    failed = 0

    async def one(index: int, tokens: int) -> None:
        nonlocal failed
        try:
            await send(Request(Api(), ("x" * (tokens * 2), (index, tokens))))
        except RateLimitedError:
            failed += 1

    async def main() -> None:
        await asyncio.gather(*(one(index, tokens) for index, tokens in enumerate(sizes)))

    clock.run(main())
    free = random.Random(seed)
    unlimited = sorted(latency_s(free) for _ in range(CALLS))
    share = int(0.99 * CALLS)
    p99 = sorted(toy.latencies)[min(share, len(toy.latencies) - 1)] / unlimited[share]
    return Measured(clock.time() / ideal_s(scene, sizes, seed), toy.refusals, p99, failed)


class Aimd:
    """So many calls at once: one more after each round that is answered, half as many after a refusal."""

    def __init__(self) -> None:
        self._most, self._under_way = 4.0, 0
        self._free = asyncio.Condition()

    def __call__(self, handler: Handler) -> Handler:
        """The handler, called as often at once as has gone well."""

        async def paced(request: Request) -> Reply:
            async with self._free:
                await self._free.wait_for(lambda: self._under_way < self._most)
                self._under_way += 1
            try:
                reply = await handler(request)
                self._most += 1 / self._most
                return reply
            except RateLimitedError:
                self._most = max(1.0, self._most / 2)
                raise
            finally:
                self._under_way -= 1
                async with self._free:
                    self._free.notify(2)

        return paced


def measure() -> list[Figure]:
    """Ours in each scene, against its bounds."""
    figures = []
    for scene in SCENES:
        for way, bound in (("headers", 1.05), ("no headers", 1.15)):
            found = simulate(scene, way)
            about = f"{scene.name}, {'with' if way == 'headers' else 'without'} headers"
            figures.append(figure(f"{about}: time / ideal", found.time, bound, "x"))
            figures.append(figure(f"{about}: p99 latency / unlimited", found.p99, 1.5, "x"))
            figures.append(
                figure(f"{about}: refusals", found.refusals, 0.0 if way == "headers" else None, "calls")
            )
            figures.append(figure(f"{about}: calls that failed", found.failed, 0.0, "calls"))
    return figures


def table() -> str:
    """All ways in all scenes, as Markdown."""
    lines = [
        "| provider | way | time / ideal | refusals | p99 / unlimited | failed |",
        "|---|---|---|---|---|---|",
    ]
    for scene in SCENES:
        for way in ("headers", "no headers", "fixed", "aimd"):
            found = simulate(scene, way)
            lines.append(
                f"| {scene.name} | {way} | {found.time:.3f} | {found.refusals} | {found.p99:.2f} | {found.failed} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        print(table())
