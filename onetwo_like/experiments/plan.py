"""What would an experiment ask, per arm, and what would it cost?"""

from __future__ import annotations

import asyncio
import collections
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from onetwo_like.core.evaluation import Evaluation, Kind
from onetwo_like.core.executable import Executable
from onetwo_like.core.plan import Planner
from onetwo_like.core.registry import Binding, Caching, scoped
from onetwo_like.core.request import Handler, Reply, Request
from onetwo_like.experiments.experiment import Experiment
from onetwo_like.experiments.showing.figures import UNKNOWN, count, dollars, seconds
from onetwo_like.experiments.showing.table import aligned

# Who answers in this process: nobody is asked, and nothing is spent.
_LOCAL = frozenset({"ngram", "scripted"})


class ArmPlan(NamedTuple):
    """The calls of one arm: how many, how many of them are cached, and of the others tokens, price and time.

    `usd` is at most that, None if it cannot be known; `time_s` is reckoned from the recorded latency at the
    concurrency of the run, None if nothing is recorded. `remote` says that its calls may cost something;
    `ended_early` in how many answers the strategy stopped at an answer that says nothing, so that more calls
    may follow than are counted here.
    """

    arm: str
    calls: int
    cached: int
    tokens: int
    usd: float | None
    time_s: float | None
    remote: bool
    ended_early: int

    @property
    def to_make(self) -> int:
        """The calls that are not cached."""
        return self.calls - self.cached


class _Noting(Planner):
    """A planner of one arm, which also notes who would be asked, and how long the recorded calls took."""

    def __init__(self) -> None:
        super().__init__()
        self.remote = False
        self.took: list[float] = []

    def handler_for(self, binding: Binding, cache: Caching | None) -> Handler:
        if not binding.derived and not is_local(binding):
            self.remote = True
        return super().handler_for(binding, None if cache is None else _Timed(cache, self.took))


class _Timed:
    """A cache whose recorded latencies are noted."""

    def __init__(self, cache: Caching, took: list[float]) -> None:
        self._cache = cache
        self._took = took

    def holds(self, binding: Binding, request: Request) -> bool:
        holds: Any = getattr(self._cache, "holds", None)
        return holds is not None and bool(holds(binding, request))

    def handler_for(self, binding: Binding) -> Handler:
        handler = self._cache.handler_for(binding)

        async def timed(request: Request) -> Reply:
            reply = await handler(request)
            if reply.duration_s is not None:
                self._took.append(reply.duration_s)
            return reply

        return timed


def is_local(binding: Binding) -> bool:
    """Whether a call of it leaves this process for certain not: a function, or an embedded model."""
    fingerprint = binding.fingerprint
    return fingerprint is None or "function" in fingerprint or fingerprint.get("provider") in _LOCAL


class _Planning(Kind):
    """An experiment against stand-ins, one for each arm."""

    name = "plan"
    control = True

    async def run(self, args: tuple[Any, ...], evaluation: Evaluation) -> Any:
        [experiment] = args
        planners = {arm.name: _Noting() for arm in experiment.arms}
        unwatched = scoped(budget=None, checkpoint=None, watch=None, usage=None)
        with unwatched, experiment.caching(experiment.cache, read_only=True):
            trial = experiment.trial(planners=planners)
            await trial.run()
        early = collections.Counter(row.arm for row in trial.rows if row.status != "ok")
        # In a thread: looking up prices loads a package.
        return await asyncio.to_thread(_all_planned, planners, experiment.max_concurrency, early)


_PLANNING = _Planning()


def _all_planned(
    planners: Mapping[str, _Noting], at_once: int, ended_early: Mapping[str, int]
) -> list[ArmPlan]:
    return [_planned(name, planner, at_once, ended_early[name]) for name, planner in planners.items()]


def _planned(name: str, planner: _Noting, at_once: int, ended_early: int) -> ArmPlan:
    plan = planner.plan(None)
    to_make = len(plan.requests) - plan.cached
    time_s = None
    if to_make == 0:
        time_s = 0.0
    elif planner.took:
        time_s = statistics.fmean(planner.took) * math.ceil(to_make / at_once)
    return ArmPlan(
        name, len(plan.requests), plan.cached, plan.tokens, plan.usd, time_s, planner.remote, ended_early
    )


def planning(experiment: Experiment) -> Executable[list[ArmPlan]]:
    """What each arm would ask, found by running it against a stand-in; no call is made and nothing is kept."""
    return Executable(_PLANNING, (experiment,))


def shown(plans: Sequence[ArmPlan]) -> str:
    """The plans as a table."""
    lines = [["arm", "calls", "cached", "to make", "tokens", "price, at most", "time"]]
    for plan in plans:
        price = plan.usd if plan.remote or plan.usd is not None else 0.0
        lines.append(
            [
                plan.arm,
                count(plan.calls),
                count(plan.cached),
                count(plan.to_make),
                count(plan.tokens),
                dollars(price) if plan.to_make else "$0",
                UNKNOWN
                if plan.time_s is None
                else "0 s"
                if plan.to_make == 0
                else f"about {seconds(plan.time_s)}",
            ]
        )
    early = [
        f"{plan.arm}: {plan.ended_early} answers ended early at an empty answer; more calls may follow"
        for plan in plans
        if plan.ended_early
    ]
    return "\n".join([aligned(lines, left=1), *early])
