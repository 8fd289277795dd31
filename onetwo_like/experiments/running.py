"""How are all answers of a comparison got, so that neither time nor order favours an arm, and none is lost?

Examples come in a random order. Each is a block: the answers of all arms and samples to it stand in a random
order next to each other, so that a slow hour or a new model version meets all arms alike. The blocks go through
one `parallel`, whose window never waits for the slowest arm.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from typing import Any

from onetwo_like.backends.secrets import given
from onetwo_like.core.evaluation import Evaluation, Kind
from onetwo_like.core.events import Progress
from onetwo_like.core.executable import Executable
from onetwo_like.core.parallel import parallel
from onetwo_like.core.plan import Planner
from onetwo_like.core.registry import Scope, scope_in_force, scoped
from onetwo_like.core.request import SamplePath
from onetwo_like.core.trace import Span
from onetwo_like.errors import (
    BudgetExceeded,
    DeadlineError,
    MetricError,
    ProgramError,
    ReplayMiss,
    RunCancelled,
)
from onetwo_like.experiments.arms import Arm
from onetwo_like.experiments.asked import Asked
from onetwo_like.experiments.data.dataset import Dataset
from onetwo_like.experiments.data.example import Example
from onetwo_like.experiments.metrics.metric import Metric, Scored
from onetwo_like.experiments.places import Earlier, Place, Places
from onetwo_like.experiments.rows import Call, Row, RowStatus, failure_text, row
from onetwo_like.experiments.scoring import Scoring

_KEY_WORDS = ("_API_KEY", "_TOKEN", "_SECRET", "_PASSWORD")
_SHORTEST_KEY = 8


class Trial:
    """One run of all arms over all examples; afterwards `rows` has every answer, in the order of the arms.

    Sample 0 is the plain call and sample k that of `ot.repeat`, so a fourth sample keeps the first three, and
    what was asked by hand before is not asked again. Of what is in `earlier`, failures are not run again but
    taken as they are. With `may_miss`, what a replay lacks ends it like a spent budget.
    """

    def __init__(
        self,
        arms: Sequence[Arm],
        dataset: Dataset,
        metrics: Sequence[Metric],
        *,
        samples: int,
        seed: int,
        max_concurrency: int,
        earlier: Earlier | None = None,
        may_miss: bool = False,
        planners: Mapping[str, Planner] | None = None,
    ) -> None:
        self.arms = arms
        self.examples = list(dataset)
        self.samples = samples
        self.seed = seed
        self.max_concurrency = max_concurrency
        self.stopped: str | None = None
        self.missed: ReplayMiss | None = None
        self._may_miss = may_miss
        self._planners = planners
        self._places = Places(len(arms), len(self.examples), samples)
        self._metrics = metrics
        self._earlier = earlier
        self.scoring = Scoring(
            arms, self.examples, metrics, self._places, earlier, self._in_scope, self._error_text
        )
        self._direct = [arm.direct for arm in arms]
        self._done = [0] * len(arms)
        self._of_metrics: list[Call | None] = []
        self._secrets = given() + [
            value
            for name, value in os.environ.items()
            if name.upper().endswith(_KEY_WORDS) and len(value) >= _SHORTEST_KEY
        ]

    async def run(self) -> None:
        """Gets all answers and scores, or those that a budget allows. Raises a ProgramError at once."""
        scope = scope_in_force.get()
        self._paths: list[SamplePath] = [scope.sample_path]
        self._paths += [(*scope.sample_path, k) for k in range(1, self.samples)]
        self._asked = Asked(scope.usage)
        self._base = scope
        self._scopes: dict[tuple[int, int], Scope] = {}
        for at in range(len(self.arms)):
            self._tell(scope, at)
        try:
            with scoped(batched=True):  # progress is told by arm
                await parallel(_Schedule(self), max_concurrency=self.max_concurrency, collect=False)
        except BudgetExceeded as spent:
            self._stop(spent)
        except ReplayMiss as miss:
            if not self._may_miss:
                raise
            self.missed, self.stopped = miss, "not all of it is in the bundle"
        if self._earlier is not None:
            self.stopped = self._earlier.stopped
        for place in self._places.empty():
            self._places.keep(place, self._unanswered(place, "not run", self.stopped or ""))
        self.scoring.finish(self.rows, self.stopped)

    @property
    def rows(self) -> list[Row]:
        """Every answer, by arm, example and sample."""
        return self._places.rows

    @property
    def calls_of_metrics(self) -> list[Call]:
        """The calls that metrics have made."""
        return _ended(self._of_metrics)

    async def answer(self, place: Place) -> Row:
        """Gets and scores one answer; raises what concerns the whole program."""
        base = scope_in_force.get()
        found = None if self._earlier is None else self._earlier.final(self._key(place))
        if found is None:
            found = await self._answered(base, place)
        else:
            found = found._replace(
                scores=dict(found.scores), details=dict(found.details), reasons=dict(found.reasons)
            )
        self._keep(base, place, found)
        try:
            await self.scoring.score(place, found)
        except BudgetExceeded as spent:
            self._stop(spent)
            raise
        return found

    async def _answered(self, base: Scope, place: Place) -> Row:
        arm_at, example_at, sample = place
        arm, example = self.arms[arm_at], self.examples[example_at]
        scope = self._scope_of(base, arm_at, sample)
        span = None
        if base.watch is not None:
            name = f"{arm.name}[{example.id}]" + (f"[{sample}]" if self.samples > 1 else "")
            span = Span(name, base.span, scope.sample_path, {"input": example.input}, base.watch.tracing)
            scope = scope.but(span=span)
        calls: list[Call | None] = []
        noting, token = self._asked.begin(calls), scope_in_force.set(scope)
        prediction: Any = None
        failure: BaseException | None = None
        try:
            direct = self._direct[arm_at]
            if direct is None or span is not None or example.input.__class__ is not str:
                prediction = await arm.ask(example.input)
            else:  # what no trace shows need not be built, and a str need not be copied
                prediction = direct(example.input)
                while isinstance(prediction, Awaitable):
                    prediction = await prediction
        except BudgetExceeded as spent:
            failure = spent
            self._stop(spent)
            # What it had asked until then was paid for.
            self._keep(base, place, self._unanswered(place, "not run", self.stopped or "", _ended(calls)))
            raise
        except ProgramError as error:
            failure = error
            raise
        except asyncio.CancelledError as error:
            failure = error
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # from outside: the whole comparison is being stopped
        except Exception as error:  # noqa: BLE001  (whatever a strategy raises stands in its row)
            failure = error
        finally:
            scope_in_force.reset(token)
            self._asked.end(noting)
            if span is not None:
                span.finish(prediction, failure)
        if failure is not None:
            return self._unanswered(place, _status_of(failure), self._error_text(failure), _ended(calls))
        return row(self._key(place), example.input, example.target, prediction, calls=_ended(calls))

    def _key(self, place: Place) -> tuple[str, str, int]:
        return self.arms[place[0]].name, self.examples[place[1]].id, place[2]

    def _scope_of(self, base: Scope, arm_at: int, sample: int) -> Scope:
        """What is in force where an arm answers; the same for all examples, unless each has a span of its own."""
        if base is not self._base:
            self._base, self._scopes = base, {}
        scope = self._scopes.get((arm_at, sample))
        if scope is None:
            arm = self.arms[arm_at]
            scope = self._scopes[arm_at, sample] = base.but(
                registry=arm.registry,
                cell=None,
                inside=True,
                usage=self._asked,
                sample_path=self._paths[sample],
                plan=self._planners[arm.name] if self._planners is not None else base.plan,
            )
        return scope

    async def _in_scope(self, arm_at: int, scored: Awaitable[Scored]) -> Scored:
        """What an executable metric says: the same question has one answer, whichever sample it is about."""
        noting = self._asked.begin(self._of_metrics)
        token = scope_in_force.set(self._scope_of(scope_in_force.get(), arm_at, 0))
        try:
            return await scored
        finally:
            scope_in_force.reset(token)
            self._asked.end(noting)

    def _unanswered(self, place: Place, status: RowStatus, text: str, calls: Sequence[Call] = ()) -> Row:
        example: Example = self.examples[place[1]]
        found = row(self._key(place), example.input, example.target, None, status, text, calls)
        for metric in self._metrics:
            found.scores[metric.name] = None
            found.reasons[metric.name] = f"{status}: {text}"
        return found

    def _keep(self, base: Scope, place: Place, found: Row) -> None:
        self._places.keep(place, found)
        if found.status != "not run":
            self._done[place[0]] += 1
            self._tell(base, place[0])

    def _tell(self, base: Scope, arm_at: int) -> None:
        watch = base.watch
        if watch is not None and watch.telling:
            total = len(self.examples) * self.samples
            arm = self.arms[arm_at].name
            watch.publish(Progress(self._done[arm_at], total, part=arm, origin=base.span))

    def _stop(self, spent: BudgetExceeded) -> None:
        self.stopped = self.stopped or f"the budget is spent ({str(spent).partition('. ')[0]})"

    def _error_text(self, error: BaseException) -> str:
        text = str(error) if isinstance(error, MetricError) else failure_text(error)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _ended(calls: list[Call | None]) -> list[Call]:
    """The calls that have ended, with an answer or without one."""
    return [call for call in calls if call is not None]


def _status_of(failure: BaseException) -> RowStatus:
    if isinstance(failure, DeadlineError):
        return "timeout"
    return "cancelled" if isinstance(failure, RunCancelled | asyncio.CancelledError) else "error"


class _Schedule:
    """All answers to get, as executables, in the order in which they are begun."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def __len__(self) -> int:
        return len(self._trial.arms) * len(self._trial.examples) * self._trial.samples

    def __iter__(self) -> Iterator[Executable[Row]]:
        trial = self._trial
        chance = random.Random(trial.seed)
        order = list(range(len(trial.examples)))
        chance.shuffle(order)
        block = [(arm, sample) for arm in range(len(trial.arms)) for sample in range(trial.samples)]
        for example in order:
            chance.shuffle(block)
            for arm, sample in block:
                if trial.stopped is not None:
                    return
                yield Executable(_ANSWER, (trial, (arm, example, sample)))

    def __repr__(self) -> str:
        return f"{len(self)} answers"


class _Answer(Kind):
    """One answer of one arm."""

    name = "answer"
    control = True

    async def run(self, args: tuple[Any, ...], evaluation: Evaluation) -> Any:
        trial, place = args
        return await trial.answer(place)


_ANSWER = _Answer()
