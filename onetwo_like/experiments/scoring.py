"""What do the metrics say: of each answer, of all samples of an example, and of pairs of answers?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from onetwo_like.errors import MetricError
from onetwo_like.experiments.arms import Arm
from onetwo_like.experiments.data.example import Example
from onetwo_like.experiments.metrics.metric import Metric, Scored
from onetwo_like.experiments.pairs import Pairs
from onetwo_like.experiments.places import Earlier, Place, Places, is_final
from onetwo_like.experiments.rows import Row


class Scoring:
    """The scores of one run, written into its rows as the answers come.

    A metric that fails marks its rows; what concerns the whole program is raised. `ask` awaits what an executable
    metric asks, in the scope of an arm. What failed in an `earlier` run is taken from there.
    """

    def __init__(
        self,
        arms: Sequence[Arm],
        examples: Sequence[Example],
        metrics: Sequence[Metric],
        places: Places,
        earlier: Earlier | None,
        ask: Callable[[int, Awaitable[Scored]], Awaitable[Scored]],
        error_text: Callable[[BaseException], str],
    ) -> None:
        self._arms = arms
        self._examples = examples
        self._metrics = metrics
        self._of_one = [m for m in metrics if not (m.over_samples or m.pairwise)]
        self._of_samples = [m for m in metrics if m.over_samples]
        self.pairs = Pairs(arms, [m for m in metrics if m.pairwise])
        self._places = places
        self._earlier = earlier
        self._ask = ask
        self._error_text = error_text
        self.yes_no = {m.name: True for m in metrics}

    async def score(self, place: Place, found: Row) -> None:
        """Scores an answer that has just come, and what it completes."""
        example = self._examples[place[1]]
        if found.status == "ok":
            if self._of_one:
                await self._score_one(place, example, found)
            if self.pairs.metrics:
                await self._score_pairs(place, example)
        if self._of_samples:
            rows = self._places.completed(place)
            answered = [row for row in rows or () if row.status == "ok"]
            if rows is not None and answered and all(row.status != "not run" for row in rows):
                await self._score_samples(place, example, answered)

    async def _score_one(self, place: Place, example: Example, found: Row) -> None:
        earlier = None if self._earlier is None else self._earlier.row(*found[:3])
        for metric in self._of_one:
            name = metric.name
            if name in found.scores:  # taken as it was
                continue
            if earlier is not None and name in earlier.reasons:
                _no_score(name, [found], earlier.reasons[name])
                continue
            try:
                scored = metric.score(target=example.target, prediction=found.prediction, example=example)
                if not isinstance(scored, Scored):
                    scored = await self._ask(place[0], scored)
            except MetricError as error:
                _no_score(name, [found], self._error_text(error))
            else:
                self._write(name, [found], scored)

    async def _score_samples(self, place: Place, example: Example, rows: list[Row]) -> None:
        earlier = [] if self._earlier is None else [self._earlier.row(*row[:3]) for row in rows]
        for metric in self._of_samples:
            name = metric.name
            if any(row is not None and (is_final(row) or name in row.reasons) for row in earlier):
                _take(name, rows, earlier)
                continue
            predictions = [row.prediction for row in rows]
            try:
                scored = metric.score(target=example.target, predictions=predictions, example=example)
                if not isinstance(scored, Scored):
                    scored = await self._ask(place[0], scored)
            except MetricError as error:
                _no_score(name, rows, self._error_text(error))
            else:
                self._write(name, rows, scored)

    async def _score_pairs(self, place: Place, example: Example) -> None:
        arm_at, example_at, sample = place
        for other_at in range(len(self._arms)):
            a, b = [self._places.at(at, example_at, sample) for at in sorted((arm_at, other_at))]
            if other_at == arm_at or a is None or b is None or a.status != "ok" or b.status != "ok":
                continue  # the later of the two has it scored
            if not self.pairs.claimed(a, b):
                continue  # both had come before either was scored
            for metric in self.pairs.metrics:
                if self._earlier is not None and self._is_taken(metric.name, a, b):
                    continue
                try:
                    scored = metric.score(example=example, answer_a=a.prediction, answer_b=b.prediction)
                    if not isinstance(scored, Scored):
                        scored = await self._ask(arm_at, scored)
                except MetricError as error:
                    self.pairs.failed(metric, a, b, self._error_text(error))
                else:
                    self.pairs.scored(metric, a, b, scored)

    def _is_taken(self, name: str, a: Row, b: Row) -> bool:
        """Takes what was said of two answers where it cannot be asked again; whether that was so."""
        assert self._earlier is not None
        pair = self._earlier.pair(name, a.arm, b.arm, a.example, a.sample)
        rows = [self._earlier.row(*row[:3]) for row in (a, b)]
        if pair is not None and not any(row is not None and is_final(row) for row in rows):
            return False
        if pair is not None:
            self.pairs.take(pair)
        elif rows[0] is not None and rows[1] is not None:
            self.pairs.take_reasons(name, rows[0], rows[1])
        return True

    def _write(self, name: str, rows: Sequence[Row], scored: Scored) -> None:
        value, details, is_bool = scored
        for row in rows:
            row.scores[name] = value
            if details is not None:
                row.details[name] = details
        if not is_bool:
            self.yes_no[name] = False

    def finish(self, rows: Sequence[Row], stopped: str | None) -> None:
        """Gives every row a score in every metric, or the reason why there is none."""
        names = [metric.name for metric in self._metrics]
        why = f"not scored: {stopped or 'no other arm has an answer to it'}"
        if self.pairs.metrics:
            self.pairs.into(rows)
        for row in rows:
            for name in names:
                if name not in row.scores:
                    _no_score(name, [row], why)
            # They came at different times, and are shown in one order.
            if list(row.scores) != names:
                _in_order(row.scores, names)
            if len(row.reasons) > 1:
                _in_order(row.reasons, names)
        scored = {name for row in rows for name, score in row.scores.items() if score is not None}
        self.yes_no = {name: yes and name in scored for name, yes in self.yes_no.items()}


def _in_order(values: dict[str, Any], names: Sequence[str]) -> None:
    ordered = {name: values[name] for name in names if name in values}
    values.clear()
    values.update(ordered)


def _no_score(name: str, rows: Sequence[Row], reason: str) -> None:
    for row in rows:
        row.scores[name] = None
        row.reasons[name] = reason


def _take(name: str, rows: Sequence[Row], earlier: Sequence[Row | None]) -> None:
    """Writes what a saved run has of a metric."""
    for row, saved in zip(rows, earlier, strict=True):
        if saved is None:
            continue
        row.scores[name] = saved.scores[name]
        if name in saved.details:
            row.details[name] = saved.details[name]
        if name in saved.reasons:
            row.reasons[name] = saved.reasons[name]
