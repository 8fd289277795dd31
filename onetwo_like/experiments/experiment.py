"""What is an experiment: which arms on which examples, checked before anything is spent?"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, TypeAlias

from onetwo_like.core.budget import Budget
from onetwo_like.core.evaluation import Evaluation as GraphEvaluation
from onetwo_like.core.evaluation import Kind
from onetwo_like.core.executable import Executable, described
from onetwo_like.core.function import name_of
from onetwo_like.core.registry import Registry, scope_in_force, scoped
from onetwo_like.errors import UsageError
from onetwo_like.experiments.arms import Arm, shown_registry
from onetwo_like.experiments.caches import Caches
from onetwo_like.experiments.data.dataset import Dataset, load
from onetwo_like.experiments.data.fields import Fields
from onetwo_like.experiments.extra import require_scipy
from onetwo_like.experiments.measured import summary_of_arm
from onetwo_like.experiments.metrics import __all__ as NAMES
from onetwo_like.experiments.metrics.metric import Metric, prepared
from onetwo_like.experiments.replaying import examples_of, replaying
from onetwo_like.experiments.result import COLUMNS, NUMBERS, About, Comparison, Result, rows_by_arm, versions
from onetwo_like.experiments.rows import paid, recorded
from onetwo_like.experiments.running import Trial
from onetwo_like.middleware.cache import Cache
from onetwo_like.middleware.disk_folder import cache_folder

# Any, because a type checker takes functions of several kinds in one dict for objects.
Metrics: TypeAlias = "Mapping[str, Any] | Collection[Callable[..., Any]] | Callable[..., Any]"
Path: TypeAlias = "str | os.PathLike[str]"

HERE = Registry()  # stands for the registry in force when it runs


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What is to be run: the arms on the examples, checked before anything is spent."""

    of: type[Result]
    arms: tuple[Arm, ...]
    dataset: Dataset
    metrics: tuple[Metric, ...]
    samples: int
    seed: int
    cache: Cache | Path | None
    budget: Budget | None
    max_concurrency: int
    data_file: str | None

    async def result(self) -> Result:
        """Runs it."""
        replay = replaying()
        with contextlib.ExitStack() as stack:
            caches = stack.enter_context(self.caching(replay.cache if replay is not None else self.cache))
            if self.budget is not None and replay is None:
                stack.enter_context(self.budget)
            trial = self.trial(
                earlier=None if replay is None else replay.earlier_for(self), may_miss=replay is not None
            )
            await trial.run()
            used = caches.used()
        # In a thread: of tens of thousands of rows the statistics take seconds.
        result = await asyncio.to_thread(self._measured, trial)
        result.used = used
        result.data_file = self.data_file
        result.strategies = tuple([arm.strategy for arm in self.arms])
        if replay is not None:
            if replay.is_about(self):
                # Judges are not asked again what they failed to answer, so what all of it took is as it was.
                result.scoring = replay.saved.scoring
                replay.missed = replay.missed or trial.missed
            replay.made.append(result)
        return result

    @contextlib.contextmanager
    def caching(self, given: Cache | Path | None, *, read_only: bool = False) -> Iterator[Caches]:
        """A block whose calls are answered by the cache given, else by that in scope, else by the backends' own."""
        with contextlib.ExitStack() as stack:
            scope = scope_in_force.get()
            read_only = read_only or scope.plan is not None
            if given is not None and not isinstance(given, Cache):
                is_folder = not os.fspath(given).endswith((".jsonl", ".jsonl.gz"))
                if read_only and is_folder and not cache_folder(given).exists():
                    given = None  # a plan does not make it
                else:
                    given = stack.enter_context(Cache(given, mode="replay" if read_only else "read_write"))
            caches = Caches(scope.cache if given is None else given)
            stack.enter_context(scoped(cache=caches))
            yield caches

    def trial(self, **settings: Any) -> Trial:
        """A run of it, on the registry as it is now where no backend was given."""
        here = scope_in_force.get().in_force()
        arms = [
            dataclasses.replace(arm, registry=here, described=arm.described or shown_registry(here))
            if arm.registry is HERE
            else arm
            for arm in self.arms
        ]
        return Trial(
            arms,
            self.dataset,
            self.metrics,
            samples=self.samples,
            seed=self.seed,
            max_concurrency=self.max_concurrency,
            **settings,
        )

    def _measured(self, trial: Trial) -> Result:
        data, rows = self.dataset, trial.rows
        about = About(
            metrics=tuple([metric.name for metric in self.metrics]),
            yes_no=trial.scoring.yes_no,
            over_samples=tuple([metric.name for metric in self.metrics if metric.over_samples]),
            pairwise=tuple([metric.name for metric in self.metrics if metric.pairwise]),
            samples=self.samples,
            seed=self.seed,
            stopped=trial.stopped,
            dataset={
                "name": data.name,
                "hash": data.hash,
                "size": len(data),
                "input": _as_list(data.input),
                "target": _as_list(data.target),
            },
            versions=versions(),
        )
        by_arm = rows_by_arm(rows)
        arms = [
            summary_of_arm(arm.name, arm.described, arm.fingerprint, by_arm[arm.name]) for arm in trial.arms
        ]
        order = {example.id: place for place, example in enumerate(data)}
        scoring = (recorded(trial.calls_of_metrics), paid(trial.calls_of_metrics))
        return self.of(about, arms, rows, trial.scoring.pairs.found(order), scoring)

    def executable(self) -> Executable[Any]:
        """It as an Executable."""
        return Executable(_COMPARISON if self.of is Comparison else _EVALUATION, (self,))

    def __repr__(self) -> str:
        arms = ", ".join(arm.name for arm in self.arms)
        return f"{arms} on {len(self.dataset)} examples, samples={self.samples}"


def _as_list(fields: Fields | None) -> Any:
    return fields if fields is None or isinstance(fields, str) else list(fields)


class _Experiment(Kind):
    """An experiment as a node."""

    control = True

    def __init__(self, name: str) -> None:
        self.name = name

    async def run(self, args: tuple[Any, ...], evaluation: GraphEvaluation) -> Any:
        experiment: Experiment = args[0]
        return await experiment.result()


_COMPARISON, _EVALUATION = _Experiment("comparison"), _Experiment("evaluation")


# Checking, before anything is spent


def experiment(
    of: type[Result],
    arms: list[Arm],
    examples: Any,
    metrics: Metrics | None,
    where: str,
    *,
    samples: int,
    seed: int,
    cache: Any,
    budget: Any,
    max_concurrency: int,
    input: Fields,
    target: Fields | None,
    id: str | None,
    limit: int | None = None,
) -> Experiment:
    """The experiment; a UsageError or a DatasetError says what is wrong with what was given."""
    require_scipy()
    if examples is None:
        raise UsageError(f"{where} needs examples=: a list of dicts, a frame, or the path of a file")
    _check_whole(samples, f"{where}(samples=...)", least=1)
    _check_whole(max_concurrency, f"{where}(max_concurrency=...)", least=1)
    _check_whole(seed, f"{where}(seed=...)")
    if budget is not None and not isinstance(budget, Budget):
        raise UsageError(f"{where} takes budget as ot.Budget(usd=...), not {budget!r:.60}")
    if cache is not None and not isinstance(cache, Cache | str | os.PathLike):
        raise UsageError(f"{where} takes cache as a path or an ot.Cache, not {described(cache)}")
    if of is Comparison and len(arms) < 2:
        raise UsageError(
            f"{where} takes two arms or more, not {len(arms)}; ot.evaluate(strategy, ...) is for one"
        )
    is_path = isinstance(examples, str | os.PathLike)
    dataset = load(examples_of(examples) if is_path else examples, input=input, target=target, id=id)
    if limit is not None:
        dataset = dataset.limited(limit)
    return Experiment(
        of,
        tuple(arms),
        dataset,
        tuple(_metrics(metrics, where)),
        samples,
        seed,
        cache,
        budget,
        max_concurrency,
        os.path.abspath(os.path.expanduser(examples)) if is_path else None,
    )


def _check_whole(value: object, what: str, least: int | None = None) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or (least is not None and value < least):
        bound = "" if least is None else f" of at least {least}"
        raise UsageError(f"{what} takes a whole number{bound}, not {value!r:.60}")


def _metrics(metrics: Metrics | None, where: str) -> list[Metric]:
    if isinstance(metrics, str) or metrics is None:
        given: Any = [] if metrics is None else [metrics]
    else:
        given = [metrics] if callable(metrics) and not isinstance(metrics, Mapping) else metrics
    by_name: dict[str, Any] = {}
    if isinstance(given, Mapping):
        by_name = dict(given)
    elif isinstance(given, Collection):
        for each in given:
            name = name_of(each) if callable(each) else str(each)
            if name in by_name:
                raise UsageError(f"two metrics are called {name!r}; give a dict of names")
            by_name[name] = each
    else:
        raise UsageError(f"{where} takes metrics as a dict from names to functions, not {described(given)}")
    if not by_name:
        raise UsageError(f"{where} needs metrics=: a dict from names to functions of target and prediction")
    taken = {*COLUMNS, *NUMBERS}
    for name, metric in by_name.items():
        if not isinstance(name, str) or not name or name in taken:
            raise UsageError(
                f"a metric cannot be called {name!r:.60}: "
                f"{'so is a column of the result' if name in taken else 'its name is a str'}"
            )
        if isinstance(metric, str):
            there = metric if metric in NAMES else "..."
            raise UsageError(
                f"metric {name!r} is to be a function, not its name {metric!r}: "
                f"from onetwo_like.experiments.metrics import {there}"
            )
    return [prepared(name, metric) for name, metric in by_name.items()]
