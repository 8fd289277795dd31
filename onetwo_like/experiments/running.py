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

from onetwo_like.core.evaluation import Evaluation, Kind
from onetwo_like.core.events import Progress
from onetwo_like.core.executable import Executable
from onetwo_like.core.parallel import parallel
from onetwo_like.core.plan import Planner
from onetwo_like.core.registry import Scope, scope_in_force, scoped
from onetwo_like.core.request import SamplePath
from onetwo_like.core.trace import Span
from onetwo_like.errors import BudgetExceeded, DeadlineError, MetricError, ProgramError, RunCancelled
from onetwo_like.experiments.arms import Arm
from onetwo_like.experiments.asked import Asked
from onetwo_like.experiments.dataset import Dataset
from onetwo_like.experiments.example import Example
from onetwo_like.experiments.metric import Metric, Scored
from onetwo_like.experiments.pairs import Pairs
from onetwo_like.experiments.rows import Call, Row, RowStatus, row

Key = tuple[str, str, int]

_KEY_WORDS = ("_API_KEY", "_TOKEN", "_SECRET", "_PASSWORD")
_SHORTEST_KEY = 8


class Trial:
    """One run of all arms over all examples; afterwards `rows` has every answer, in the order of the arms.

    Sample 0 is the plain call and sample k that of `ot.repeat`, so a fourth sample keeps the first three, and
    what was asked by hand before is not asked again. `earlier` are rows that are not run but taken as they are.
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
        earlier: Mapping[Key, Row] | None = None,
        planners: Mapping[str, Planner] | None = None,
    ) -> None:
        self.arms = arms
        self.examples = list(dataset)
        self.samples = samples
        self.seed = seed
        self.max_concurrency = max_concurrency
        self.stopped: str | None = None
        self._earlier = earlier or {}
        self._planners = planners
        self._of_one = [m for m in metrics if not (m.over_samples or m.pairwise)]
        self._of_samples = [m for m in metrics if m.over_samples]
        self._metrics = metrics
        self.pairs = Pairs(arms, [m for m in metrics if m.pairwise])
        self.yes_no = {m.name: True for m in metrics}
        self._found: list[Row | None] = [None] * (len(arms) * len(self.examples) * samples)
        self._left = [samples] * (len(arms) * len(self.examples))
        self._done = [0] * len(arms)
        self._scoring: list[Call | None] = []
        self._scopes: dict[tuple[int, int], Scope] = {}
        self._secrets = [
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
        self._base, self._scopes = scope, {}
        self._spans = [Span(arm.name, scope.span, scope.sample_path, None, False) for arm in self.arms]
        for place in range(len(self.arms)):
            self._tell(scope, place)
        try:
            with scoped(batched=True):  # progress is told by arm
                await parallel(_Schedule(self), max_concurrency=self.max_concurrency, collect=False)
        except BudgetExceeded as spent:
            self.stopped = _why_stopped(spent)
        self._fill_up()

    @property
    def rows(self) -> list[Row]:
        """Every answer, by arm, example and sample."""
        return [found for found in self._found if found is not None]

    @property
    def scoring(self) -> list[Call]:
        """The calls that metrics have made."""
        return [call for call in self._scoring if call is not None]

    # One answer

    async def row(self, arm_at: int, example_at: int, sample: int) -> Row:
        """Gets and scores one answer; raises what concerns the whole program."""
        arm, example = self.arms[arm_at], self.examples[example_at]
        key = (arm.name, example.id, sample)
        earlier = self._earlier.get(key) if self._earlier else None
        base = scope_in_force.get()
        if earlier is not None and _is_final(earlier):
            found = earlier._replace(scores=dict(earlier.scores), reasons=dict(earlier.reasons))
        else:
            try:
                found = await self._answered(base, arm_at, example, key)
            except BudgetExceeded as spent:
                self.stopped = _why_stopped(spent)
                calls = [call for call in _calls_of(spent) if call is not None]
                unanswered = self._unanswered(key, example, "not run", self.stopped, calls)
                self._keep(base, arm_at, example_at, sample, unanswered)
                raise
        self._keep(base, arm_at, example_at, sample, found)
        if found.status == "ok":
            if self._of_one:
                await self._scored(base, arm_at, example, found, earlier)
            if self.pairs.metrics:
                await self._scored_in_pairs(base, arm_at, example_at, sample, example)
        if self._of_samples:
            await self._scored_over_samples(base, arm_at, example_at, example, earlier)
        return found

    async def _answered(self, base: Scope, arm_at: int, example: Example, key: Key) -> Row:
        arm, sample = self.arms[arm_at], key[2]
        scope = self._scope_of(base, arm_at, sample)
        if base.watch is not None:
            name = f"{arm.name}[{example.id}]" + (f"[{sample}]" if self.samples > 1 else "")
            span = Span(name, base.span, scope.sample_path, {"input": example.input}, base.watch.tracing)
            scope = scope.but(span=span)
        calls: list[Call | None] = []
        noting, token = self._asked.begin(calls), scope_in_force.set(scope)
        prediction, status, text = None, "ok", ""
        try:
            prediction = await arm.ask(example.input)
        except ProgramError as error:
            error.calls_of_row = calls  # type: ignore[attr-defined]
            raise
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # from outside: the whole comparison is being stopped
            status, text = "cancelled", self._error_text(error)
        except Exception as error:  # noqa: BLE001  (whatever a strategy raises stands in its row)
            status, text = _status_of(error), self._error_text(error)
        finally:
            scope_in_force.reset(token)
            self._asked.end(noting)
            if scope.span is not base.span and scope.span is not None:
                scope.span.finish(prediction)
        ended = calls if None not in calls else [call for call in calls if call is not None]
        if status != "ok":
            return self._unanswered(key, example, status, text, ended)  # type: ignore[arg-type]
        return row(key, example.input, example.target, prediction, calls=ended)  # type: ignore[arg-type]

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

    def _unanswered(
        self, key: Key, example: Example, status: RowStatus, text: str, calls: Sequence[Call] = ()
    ) -> Row:
        found = row(key, example.input, example.target, None, status, text, calls)
        reason = f"{status}: {text}"
        for metric in self._metrics:
            found.scores[metric.name] = None
            found.reasons[metric.name] = reason
        return found

    def _keep(self, scope: Scope, arm_at: int, example_at: int, sample: int, found: Row) -> None:
        group = arm_at * len(self.examples) + example_at
        self._found[group * self.samples + sample] = found
        self._left[group] -= 1
        if found.status != "not run":
            self._done[arm_at] += 1
            self._tell(scope, arm_at)

    def _tell(self, scope: Scope, arm_at: int) -> None:
        watch = scope.watch
        if watch is not None and watch.telling:
            total = len(self.examples) * self.samples
            watch.publish(Progress(self._done[arm_at], total, origin=self._spans[arm_at]))

    # Scores

    async def _scored(
        self, base: Scope, arm_at: int, example: Example, found: Row, earlier: Row | None
    ) -> None:
        prediction, target, scores = found.prediction, example.target, found.scores
        for metric in self._of_one:
            name = metric.name
            if earlier is not None and name in earlier.reasons:
                self._no_score(metric, [found], earlier.reasons[name])
                continue
            try:
                scored = metric.score(target=target, prediction=prediction, example=example)
                if not isinstance(scored, Scored):
                    scored = await self._in_scope(base, arm_at, scored)
            except MetricError as error:
                self._no_score(metric, [found], self._error_text(error))
            except BudgetExceeded as spent:
                self._not_scored(spent, [found])
                raise
            else:
                scores[name] = scored.value
                if scored.details is not None:
                    found.details[name] = scored.details
                if not scored.is_bool:
                    self.yes_no[name] = False

    async def _scored_over_samples(
        self, base: Scope, arm_at: int, example_at: int, example: Example, earlier: Row | None
    ) -> None:
        group = arm_at * len(self.examples) + example_at
        if self._left[group] != 0:
            return
        self._left[group] = -1  # whoever comes last scores, and nobody after
        rows = [
            each
            for each in self._found[group * self.samples : (group + 1) * self.samples]
            if each is not None
        ]
        answered = [each for each in rows if each.status == "ok"]
        if any(each.status == "not run" for each in rows) or not answered:
            return
        for metric in self._of_samples:
            known = earlier is not None and metric.name in earlier.reasons and earlier.status == "ok"
            if earlier is not None and known:
                self._no_score(metric, answered, earlier.reasons[metric.name])
                continue
            try:
                predictions = [each.prediction for each in answered]
                scored = metric.score(target=example.target, predictions=predictions, example=example)
                if not isinstance(scored, Scored):
                    scored = await self._in_scope(base, arm_at, scored)
            except MetricError as error:
                self._no_score(metric, answered, self._error_text(error))
            except BudgetExceeded as spent:
                self._not_scored(spent, answered)
                raise
            else:
                self._score(metric, answered, scored)

    async def _scored_in_pairs(
        self, base: Scope, arm_at: int, example_at: int, sample: int, example: Example
    ) -> None:
        for other_at in range(len(self.arms)):
            a_at, b_at = sorted((arm_at, other_at))
            a, b = self._at(a_at, example_at, sample), self._at(b_at, example_at, sample)
            if a_at == b_at or a is None or b is None or a.status != "ok" or b.status != "ok":
                continue  # the later of the two scores the pair
            if not self.pairs.claimed(a, b):
                continue  # both had answered before either was scored
            for metric in self.pairs.metrics:
                earlier = self._earlier.get((a.arm, a.example, sample))
                if earlier is not None and metric.name in earlier.reasons:
                    continue
                try:
                    scored: Any = metric.score(example=example, answer_a=a.prediction, answer_b=b.prediction)
                    if not isinstance(scored, Scored):
                        scored = await self._in_scope(base, arm_at, scored)
                except MetricError as error:
                    self.pairs.failed(metric, a, b, self._error_text(error))
                except BudgetExceeded as spent:
                    self._not_scored(spent, [a, b])
                    raise
                else:
                    self.pairs.scored(metric, a, b, scored)

    def _at(self, arm_at: int, example_at: int, sample: int) -> Row | None:
        return self._found[(arm_at * len(self.examples) + example_at) * self.samples + sample]

    async def _in_scope(self, base: Scope, arm_at: int, scored: Awaitable[Scored]) -> Scored:
        """What an executable metric says: the same question has one answer, whichever sample it is about."""
        noting = self._asked.begin(self._scoring)
        token = scope_in_force.set(self._scope_of(base, arm_at, 0))
        try:
            return await scored
        finally:
            scope_in_force.reset(token)
            self._asked.end(noting)

    def _score(self, metric: Metric, rows: Sequence[Row], scored: Scored) -> None:
        value, details, is_bool = scored
        for each in rows:
            each.scores[metric.name] = value
            if details is not None:
                each.details[metric.name] = details
        if not is_bool:
            self.yes_no[metric.name] = False

    def _no_score(self, metric: Metric, rows: Sequence[Row], reason: str) -> None:
        for each in rows:
            each.scores[metric.name] = None
            each.reasons[metric.name] = reason

    def _not_scored(self, spent: BudgetExceeded, rows: Sequence[Row]) -> None:
        self.stopped = _why_stopped(spent)
        for metric in self._metrics:
            self._no_score(
                metric,
                [each for each in rows if metric.name not in each.scores],
                f"not scored: {self.stopped}",
            )

    # The end

    def _fill_up(self) -> None:
        """Rows for what was not run, and reasons for what has no score."""
        why = self.stopped or ""
        for group in range(len(self._left)):
            arm, example = self.arms[group // len(self.examples)], self.examples[group % len(self.examples)]
            for sample in range(self.samples):
                place = group * self.samples + sample
                if self._found[place] is None:
                    key = (arm.name, example.id, sample)
                    self._found[place] = self._unanswered(key, example, "not run", why)
        rows = self.rows
        if not all(len(each.scores) == len(self._metrics) for each in rows):
            self.pairs.into(rows)
            for each in rows:
                for metric in self._metrics:
                    if metric.name not in each.scores:
                        earlier = self._earlier.get((each.arm, each.example, each.sample))
                        reason = "not scored" + (f": {why}" if why else ": other samples were not run")
                        if earlier is not None:
                            reason = earlier.reasons.get(metric.name, reason)
                        self._no_score(metric, [each], reason)
        names = [metric.name for metric in self._metrics]
        for each in rows:
            if list(each.scores) != names:  # judged at different times, shown in one order
                ordered = {name: each.scores[name] for name in names}
                each.scores.clear()
                each.scores.update(ordered)
        scored = {name for each in rows for name, score in each.scores.items() if score is not None}
        self.yes_no = {name: yes and name in scored for name, yes in self.yes_no.items()}

    def _error_text(self, error: BaseException) -> str:
        text = str(error)
        if not isinstance(error, MetricError):
            text = f"{type(error).__name__}: {text}" if text else type(error).__name__
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _calls_of(error: BaseException) -> Sequence[Call | None]:
    """The calls that a row had made when it was stopped: they have been paid for."""
    return getattr(error, "calls_of_row", ())


def _why_stopped(spent: BudgetExceeded) -> str:
    return f"the budget is spent ({str(spent).partition('. ')[0]})"


def _status_of(error: Exception) -> RowStatus:
    if isinstance(error, DeadlineError):
        return "timeout"
    return "cancelled" if isinstance(error, RunCancelled) else "error"


def _is_final(earlier: Row) -> bool:
    """Whether a recorded row cannot be got from a cache once more: a failure is in no cache."""
    return earlier.status != "ok" or any(call.cache == "failed" for call in earlier.calls)


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
                yield Executable(_ANSWER, (trial, arm, example, sample))

    def __repr__(self) -> str:
        return f"{len(self)} answers"


class _Answer(Kind):
    """One answer of one arm."""

    name = "answer"
    control = True

    async def run(self, args: tuple[Any, ...], evaluation: Evaluation) -> Any:
        trial, arm, example, sample = args
        return await trial.row(arm, example, sample)


_ANSWER = _Answer()
