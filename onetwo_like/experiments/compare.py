"""How are arms compared, or one program evaluated, on the same examples?"""

from __future__ import annotations

import dataclasses
import os
from typing import Any, TypeAlias

from onetwo_like.backends.base import Backend
from onetwo_like.core.budget import Budget
from onetwo_like.core.executable import Executable, described
from onetwo_like.core.parallel import MAX_CONCURRENCY
from onetwo_like.core.registry import Registry
from onetwo_like.core.run import refuse_nested, run
from onetwo_like.errors import UsageError
from onetwo_like.experiments.arms import Answering, Arms, Strategy, arm_of, arms_of, shown_strategy
from onetwo_like.experiments.data.fields import Fields
from onetwo_like.experiments.experiment import HERE, Metrics, experiment
from onetwo_like.experiments.result import Comparison, Evaluation
from onetwo_like.middleware.cache import Cache

Path: TypeAlias = "str | os.PathLike[str]"


def comparison(
    arms: Arms,
    strategy: Strategy | None = None,
    examples: Any = None,
    metrics: Metrics | None = None,
    *,
    samples: int = 1,
    seed: int = 0,
    cache: Cache | Path | None = None,
    budget: Budget | None = None,
    max_concurrency: int = MAX_CONCURRENCY,
    input: Fields = "input",
    target: Fields | None = "target",
    id: str | None = "id",
) -> Executable[Comparison]:
    """`compare` as an Executable, with the same arguments: to await, to run with `progress=`, or to stream.

    The stream has an `ot.Progress` for each arm.

    >>> from onetwo_like import ot
    >>> from onetwo_like.backends import NGram
    >>> from onetwo_like.builtins import llm
    >>> arms = {"bigram": NGram(2), "five-gram": NGram(5)}
    >>> right = lambda target, prediction: target in prediction
    >>> france = [{"input": "Q: What is the capital of France?\\nA:", "target": "Paris"}]
    >>> e = comparison(arms, llm.generate_text, france, {"right": right})
    >>> ot.run(e).means["right"]["five-gram"].mean
    1.0
    """
    return experiment(
        Comparison,
        arms_of(arms, strategy, input),
        examples,
        metrics,
        "ot.compare",
        samples=samples,
        seed=seed,
        cache=cache,
        budget=budget,
        max_concurrency=max_concurrency,
        input=input,
        target=target,
        id=id,
    ).executable()


def compare(
    arms: Arms,
    strategy: Strategy | None = None,
    examples: Any = None,
    metrics: Metrics | None = None,
    *,
    samples: int = 1,
    seed: int = 0,
    cache: Cache | Path | None = None,
    budget: Budget | None = None,
    max_concurrency: int = MAX_CONCURRENCY,
    input: Fields = "input",
    target: Fields | None = "target",
    id: str | None = "id",
) -> Comparison:
    """Asks several arms about the same examples, and says which is better, by how much, at what cost.

    `arms` is a dict from names to backends, registries or (strategy, backend) pairs, such as `ot.grid` makes.
    The strategy gets the `input` of an example alone: it is a function, plain, async or under
    `ot.make_executable`, or a template or a flow, which take it by its name. `metrics` is a dict from names to
    functions of target, prediction and example. `examples` are what `ot.evaluate` takes: a list of dicts, a
    frame, a path; `input`, `target` and `id` name their fields.

    With `samples=3` each arm answers each example three times. At most `max_concurrency` answers are under way at
    once, in an order that `seed` fixes. With `cache`, what was answered is not asked again, even after a crash.
    When the `budget` is spent, the finished part comes back, with `complete=False`.

    An answer that fails is a row with its error; a wrong program (nothing bound, an unknown option) is raised.
    Inside an executable, await `ot.comparison(...)`.

    >>> from onetwo_like import ot
    >>> from onetwo_like.backends import NGram
    >>> from onetwo_like.builtins import llm
    >>> from onetwo_like.backends.corpus import countries
    >>> examples = [{"country": c.country, "capital": c.capital} for c in countries()[:20]]
    >>> async def capital(country):
    ...     return await llm.generate_text(f"Q: What is the capital of {country}?\\nA:")
    >>> result = compare(
    ...     {"bigram": NGram(2), "five-gram": NGram(5)}, capital, examples,
    ...     {"right": lambda target, prediction: target == prediction.strip()}, input="country", target="capital")
    >>> d = result.differences[0]
    >>> d.mean_a, d.mean_b, d.wins, d.n
    (0.0, 1.0, 20, 20)
    """
    refuse_nested("ot.compare(...)", "await ot.comparison(...)")
    e = comparison(
        arms,
        strategy,
        examples,
        metrics,
        samples=samples,
        seed=seed,
        cache=cache,
        budget=budget,
        max_concurrency=max_concurrency,
        input=input,
        target=target,
        id=id,
    )
    return run(e)


def evaluation(
    strategy: Strategy,
    examples: Any = None,
    metrics: Metrics | None = None,
    *,
    backend: Answering | None = None,
    samples: int = 1,
    seed: int = 0,
    cache: Cache | Path | None = None,
    budget: Budget | None = None,
    max_concurrency: int = MAX_CONCURRENCY,
    input: Fields = "input",
    target: Fields | None = "target",
    id: str | None = "id",
) -> Executable[Evaluation]:
    """`evaluate`, with the same arguments, as an Executable.

    >>> from onetwo_like import ot
    >>> e = evaluation(str.upper, [{"input": "a", "target": "A"}], {"same": lambda target, prediction: target == prediction})
    >>> ot.run(e).summary
    'upper has a mean of 1.000 in same (1 example).'
    """
    if backend is None:
        arm = arm_of(shown_strategy(strategy), strategy, HERE, input)
        arm = dataclasses.replace(arm, described="")
    elif isinstance(backend, Registry | Backend):
        arm = arm_of(shown_strategy(strategy), strategy, backend, input)
    else:
        raise UsageError(
            f"backend= is a backend or a registry from ot.copy_registry(), not {described(backend)}"
        )
    return experiment(
        Evaluation,
        [arm],
        examples,
        metrics,
        "ot.evaluate",
        samples=samples,
        seed=seed,
        cache=cache,
        budget=budget,
        max_concurrency=max_concurrency,
        input=input,
        target=target,
        id=id,
    ).executable()


def evaluate(
    strategy: Strategy,
    examples: Any = None,
    metrics: Metrics | None = None,
    *,
    backend: Answering | None = None,
    samples: int = 1,
    seed: int = 0,
    cache: Cache | Path | None = None,
    budget: Budget | None = None,
    max_concurrency: int = MAX_CONCURRENCY,
    input: Fields = "input",
    target: Fields | None = "target",
    id: str | None = "id",
) -> Evaluation:
    """Asks one program about every example, and says how good it is; everything else is as in `ot.compare`.

    `examples` is a list of dicts, dataclasses or pydantic models, a pandas, polars or Hugging Face table, or the
    path of a .jsonl, .json, .csv, .tsv or .parquet file. Without `backend`, what is registered answers.

    >>> evaluate(len, [{"input": "four", "target": 4}], {"same": lambda target, prediction: target == prediction}).complete
    True
    """
    refuse_nested("ot.evaluate(...)", "await ot.evaluation(...)")
    e = evaluation(
        strategy,
        examples,
        metrics,
        backend=backend,
        samples=samples,
        seed=seed,
        cache=cache,
        budget=budget,
        max_concurrency=max_concurrency,
        input=input,
        target=target,
        id=id,
    )
    return run(e)
