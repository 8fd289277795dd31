"""Which comparison does a file define, by the names in it?"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from onetwo_like.core.budget import Budget
from onetwo_like.core.parallel import MAX_CONCURRENCY
from onetwo_like.errors import UsageError
from onetwo_like.experiments.arms import arms_of
from onetwo_like.experiments.data.dataset import ID, INPUT, TARGET
from onetwo_like.experiments.experiment import Experiment, experiment
from onetwo_like.experiments.result import Comparison

NEEDED = ("arms", "examples", "metrics")
OPTIONAL = ("strategy", "samples", "seed", "input", "target", "id")


def comparison_in(
    names: Mapping[str, Any],
    *,
    where: str = "the file",
    arms: Sequence[str] | None = None,
    limit: int | None = None,
    samples: int | None = None,
    seed: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    budget: Budget | None = None,
) -> Experiment:
    """The comparison of `arms`, `strategy`, `examples` and `metrics` in a module, with some things changed.

    `samples`, `seed`, `input`, `target` and `id` may stand there, too. `arms` chooses some, in the order of
    the file, and `limit` the first so many examples.
    """
    for name in NEEDED:
        if name not in names:
            raise UsageError(
                f"{where} defines no {name}; a comparison is arms, strategy, examples and metrics"
            )
    fields = {
        name: names.get(name, default) for name, default in (("input", INPUT), ("target", TARGET), ("id", ID))
    }
    given = arms_of(names["arms"], names.get("strategy"), fields["input"])
    if arms is not None:
        there = [arm.name for arm in given]
        for name in arms:
            if name not in there:
                raise UsageError(f"there is no arm {name!r} in {where}; there are {', '.join(there)}")
        given = [arm for arm in given if arm.name in arms]
    return experiment(
        Comparison,
        given,
        names["examples"],
        names["metrics"],
        where,
        samples=names.get("samples", 1) if samples is None else samples,
        seed=names.get("seed", 0) if seed is None else seed,
        cache=cache,
        budget=budget,
        max_concurrency=MAX_CONCURRENCY,
        limit=limit,
        **fields,
    )
