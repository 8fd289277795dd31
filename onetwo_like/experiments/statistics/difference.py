"""What is known of one arm, and of two arms, in one metric?"""

from __future__ import annotations

import dataclasses
from typing import Any, Self


@dataclasses.dataclass(frozen=True, slots=True)
class Mean:
    """The mean of one arm over `n` examples, with its 95 % t interval.

    The interval is None below 8 examples, and without variance.
    """

    n: int
    mean: float | None
    ci_low: float | None
    ci_high: float | None

    def to_dict(self) -> dict[str, Any]:
        """The fields, by name."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """What `b` scores beyond `a` in one metric, over the `n` examples that were scored in both.

    `difference` is `mean_b - mean_a`. `ci_low` and `ci_high` are the 95 % t interval, `bca_low` and `bca_high`
    the bootstrap's. `wins` are the examples in which `b` scores more. `effect_size` is the difference in
    standard deviations of the differences of the examples. `detectable` is the true difference that such a run
    finds with a probability of 80 %. What is None cannot be known from these examples, and `said` tells why.
    """

    metric: str
    a: str
    b: str
    n: int
    mean_a: float | None
    mean_b: float | None
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    bca_low: float | None
    bca_high: float | None
    p_value: float | None
    p_adjusted: float | None
    effect_size: float | None
    wins: int
    ties: int
    losses: int
    detectable: float | None
    test: str
    said: str

    def to_dict(self) -> dict[str, Any]:
        """The fields, by name."""
        return dataclasses.asdict(self)

    def swapped(self) -> Self:
        """The same, told from the other side: what `a` scores beyond `b`."""
        return dataclasses.replace(
            self,
            a=self.b,
            b=self.a,
            mean_a=self.mean_b,
            mean_b=self.mean_a,
            difference=_negative(self.difference),
            ci_low=_negative(self.ci_high),
            ci_high=_negative(self.ci_low),
            bca_low=_negative(self.bca_high),
            bca_high=_negative(self.bca_low),
            effect_size=_negative(self.effect_size),
            wins=self.losses,
            losses=self.wins,
        )


def _negative(x: float | None) -> float | None:
    return None if x is None else 0.0 - x  # -x would show a zero as -0.0
