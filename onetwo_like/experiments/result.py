"""What is the result of a comparison or an evaluation?"""

from __future__ import annotations

import itertools
import json
import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

from onetwo_like import __version__
from onetwo_like.errors import UsageError
from onetwo_like.experiments.caches import Used
from onetwo_like.experiments.measured import (
    ArmSummary,
    Latency,
    differences_of,
    in_words,
    means_of,
    scores_of,
    summary_of_arm,
)
from onetwo_like.experiments.pairs import Pair
from onetwo_like.experiments.rows import Row, Sums
from onetwo_like.experiments.showing.listed import Listed, frame
from onetwo_like.experiments.statistics.difference import Difference, Mean

FORMAT = 1
COLUMNS = ("arm", "example", "sample", "input", "target", "prediction", "status", "error")
NUMBERS = ("input_tokens", "output_tokens", "cost", "latency_s", "cache")
DIFFERENCE_COLUMNS = (
    *(
        "metric",
        "a",
        "b",
        "n",
        "mean_a",
        "mean_b",
        "difference",
        "ci_low",
        "ci_high",
        "p_value",
        "p_adjusted",
    ),
    *("wins", "ties", "losses", "detectable", "bca_low", "bca_high", "effect_size", "test", "said"),
)


class Excluded(NamedTuple):
    """A score that there is not, and why."""

    arm: str
    example: str
    metric: str
    reason: str


class Disagreement(NamedTuple):
    """An example on which two arms part, with both answers; scores are by metric."""

    example: str
    sample: int
    input: Any
    target: Any
    prediction_a: Any
    prediction_b: Any
    scores_a: dict[str, float | None]
    scores_b: dict[str, float | None]


class About(NamedTuple):
    """What was run: everything in a result that is not an answer."""

    metrics: tuple[str, ...]
    yes_no: dict[str, bool]
    over_samples: tuple[str, ...]
    pairwise: tuple[str, ...]
    samples: int
    seed: int
    stopped: str | None
    dataset: dict[str, Any]
    versions: dict[str, str]


class Result:
    """Arms, examples and samples with their scores: prints as a table, and says what it means in one sentence.

    `rows` has one `Row` per arm, example and sample; `arms` has what each arm used and paid; `means[metric][arm]`
    has the means. `complete` is False if a budget ended it; then `stopped` says how.
    """

    kind = "evaluation"

    def __init__(
        self,
        about: About,
        arms: Sequence[ArmSummary],
        rows: Sequence[Row],
        pairs: Sequence[Pair],
        scoring: tuple[Sums, Sums],
        means: dict[str, dict[str, Mean]] | None = None,
        differences: Sequence[Difference] | None = None,
    ) -> None:
        self.about = about
        self.arms = tuple(arms)
        self.rows = list(rows)
        self.pairs = tuple(pairs)
        self.scoring = scoring
        names = [arm.name for arm in self.arms]
        scores = scores_of(rows, about.metrics, names, about.over_samples) if means is None else {}
        self.means = means_of(scores) if means is None else means
        if differences is None:
            found = differences_of(scores, pairs, about.pairwise, about.yes_no, about.seed)
        else:
            found = list(differences)
        self._differences = Listed(found, DIFFERENCE_COLUMNS, Difference.to_dict)
        # Of the process that ran it: what `save` keeps beside the rows.
        self.used: Used | None = None
        self.data_file: str | None = None
        self.strategies: tuple[Any, ...] = ()
        self.program: str | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics."""
        return self.about.metrics

    @property
    def complete(self) -> bool:
        """Whether every answer was asked for."""
        return self.about.stopped is None

    @property
    def stopped(self) -> str | None:
        """What ended it early; None if it is complete."""
        return self.about.stopped

    @property
    def summary(self) -> str:
        """What it means, in one sentence."""
        return in_words(self._differences, self.means)

    @property
    def excluded(self) -> Listed[Excluded]:
        """Every missing score: arm, example, metric and the reason."""
        many = self.about.samples > 1
        found = [
            Excluded(row.arm, row.example, metric, f"sample {row.sample}: {reason}" if many else reason)
            for row in self.rows
            for metric, reason in row.reasons.items()
        ]
        return Listed(found, Excluded._fields, Excluded._asdict)

    def to_pandas(self) -> Any:
        """One row per arm, example and sample as a pandas DataFrame, with a column for each metric."""
        columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in self.rows] for name in COLUMNS}
        columns |= {metric: [row.scores[metric] for row in self.rows] for metric in self.metrics}
        columns |= {name: [getattr(row, name) for row in self.rows] for name in NUMBERS}
        return frame(columns)

    # As data

    def to_dict(self) -> dict[str, Any]:
        """The whole result as plain data, of which `to_json` is the text."""
        about = self.about
        return {
            "format": FORMAT,
            "kind": self.kind,
            **about._asdict(),
            "complete": self.complete,
            "arms": [arm.to_dict() for arm in self.arms],
            "scoring": {"recorded": dict(vars(self.scoring[0])), "paid": dict(vars(self.scoring[1]))},
            "means": {
                m: {arm: mean.to_dict() for arm, mean in arms.items()} for m, arms in self.means.items()
            },
            "differences": [d.to_dict() for d in self._differences],
            "summary": self.summary,
            "rows": [row.to_dict() for row in self.rows],
            "pairs": [pair.to_dict() for pair in self.pairs],
            "excluded": [each._asdict() for each in self.excluded],
        }

    def to_json(self) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict(), separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The result that `to_json` wrote: equal to it, with inputs and predictions as plain data.

        Raises UsageError if the text is none.
        """
        try:
            data = json.loads(text)
            found, kind = data["format"], data["kind"]
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"this is no result that to_json wrote: {text!r:.60}") from error
        if found != FORMAT:
            raise UsageError(
                f"this result has format {found!r}, and this version of onetwo-like reads format {FORMAT}"
            )
        if kind != cls.kind:
            raise UsageError(
                f"this is an {kind}, to be read by ot.{str(kind).title()}.from_json(text)".replace(
                    "an c", "a c"
                )
            )
        try:
            return cls.from_dict(data)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise UsageError(f"this result is damaged: {type(error).__name__}: {error}") from error

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The result that `to_dict` described."""
        about = {name: data[name] for name in About._fields}
        for name in ("metrics", "over_samples", "pairwise"):
            about[name] = tuple(about[name])
        return cls(
            About(**about),
            [_arm(arm) for arm in data["arms"]],
            [Row.from_dict(row) for row in data["rows"]],
            [Pair(**pair) for pair in data["pairs"]],
            (_sums(data["scoring"]["recorded"]), _sums(data["scoring"]["paid"])),
            {m: {arm: Mean(**mean) for arm, mean in arms.items()} for m, arms in data["means"].items()},
            [Difference(**d) for d in data["differences"]],
        )

    def computed_anew(self) -> Self:
        """The same rows, with everything else computed from them once more."""
        by_arm = rows_by_arm(self.rows)
        arms = [summary_of_arm(a.name, a.described, a.fingerprint, by_arm.get(a.name, [])) for a in self.arms]
        return type(self)(self.about, arms, self.rows, self.pairs, self.scoring)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    # To be read and kept

    def report(self, path: str | os.PathLike[str]) -> None:
        """Writes one page that needs nothing else: the result, its pictures, and each example with its calls."""
        from onetwo_like.experiments.replaying import replaying
        from onetwo_like.experiments.report import page

        if not replaying():
            page.write(self.to_dict(), path)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes the rows, the entries of the cache that were used, checksums, and the file that defines it.

        `onetwo-like replay FOLDER` then prints the same table with the network off. The folder appears when
        it is whole, in the place of a saved result that was there; any other folder is a UsageError.
        """
        from onetwo_like.experiments.replaying import replaying
        from onetwo_like.experiments.saving import save

        if not replaying():
            save(self, folder)

    def __str__(self) -> str:
        from onetwo_like.experiments.showing.table import table

        return table(self)

    def __repr__(self) -> str:
        names = ", ".join(arm.name for arm in self.arms)
        rest = "" if self.complete else ", not complete"
        return f"<{type(self).__name__} of {names} on {self.about.dataset['size']} examples{rest}>"

    def _repr_html_(self) -> str:
        from onetwo_like.experiments.showing.notebook import html

        return html(self)


class Evaluation(Result):
    """How good one strategy is: see `Result`'s fields, and `ot.evaluate`.

    >>> from onetwo_like import ot
    >>> double = ot.evaluate(lambda n: 2 * n, [{"input": 1, "target": 2}], {"equal": lambda target, prediction: target == prediction})
    >>> double.means["equal"]["<lambda>"].mean, double.complete
    (1.0, True)
    """


class Comparison(Result):
    """Several arms on the same examples, paired: see `ot.compare`.

    `differences` has each pair of arms in each metric; `disagreements("a", "b")` where two arms part.
    """

    kind = "comparison"

    @property
    def differences(self) -> Listed[Difference]:
        """What each arm scores beyond each earlier one, paired by example; a list with `.to_pandas()`."""
        return self._differences

    def disagreements(self, a: str, b: str, metric: str | None = None) -> Listed[Disagreement]:
        """Where two arms are scored differently, with both answers; in one metric, or in any.

        An answer that failed in one arm only counts as a disagreement, too. A list with `.to_pandas()`.
        """
        names = [arm.name for arm in self.arms]
        for name in (a, b):
            if name not in names:
                raise UsageError(f"there is no arm {name!r:.60}; there are {', '.join(names)}")
        if metric is not None and metric not in self.metrics:
            raise UsageError(f"there is no metric {metric!r:.60}; there are {', '.join(self.metrics)}")
        wanted = self.metrics if metric is None else (metric,)
        by_arm = rows_by_arm(self.rows)
        found = [
            Disagreement(
                x.example, x.sample, x.input, x.target, x.prediction, y.prediction, x.scores, y.scores
            )
            for x, y in zip(by_arm[a], by_arm[b], strict=True)
            if x.status != "not run" and y.status != "not run"
            if any(x.scores[m] != y.scores[m] for m in wanted)
        ]
        sides = itertools.product(wanted, ("a", "b"))
        columns = (*Disagreement._fields[:6], *[f"{m}_{side}" for m, side in sides])
        return Listed(found, columns, _side_by_side)


def _side_by_side(d: Disagreement) -> dict[str, Any]:
    fields = d._asdict()
    scores_a, scores_b = fields.pop("scores_a"), fields.pop("scores_b")
    return fields | {f"{m}_a": s for m, s in scores_a.items()} | {f"{m}_b": s for m, s in scores_b.items()}


def rows_by_arm(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each arm, in their order."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.arm, []).append(row)
    return found


def versions() -> dict[str, str]:
    """What ran it."""
    return {"onetwo_like": __version__, "python": platform.python_version()}


def _arm(data: Mapping[str, Any]) -> ArmSummary:
    return ArmSummary(
        data["name"],
        data["described"],
        data["fingerprint"],
        _sums(data["recorded"]),
        _sums(data["paid"]),
        Latency(**data["latency_s"]),
    )


def _sums(data: Mapping[str, Any]) -> Sums:
    sums = Sums()
    vars(sums).update(data)
    return sums
