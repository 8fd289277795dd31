"""How likely is a difference as large as this one, if the arms are alike?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FLIPS = 9_999
_ENUMERATED = 20  # all signs of so many differences: 2**19 sums, by symmetry
_AT_ONCE = 50_000  # bytes of signs in memory


def mcnemar_p(wins: int, losses: int) -> float:
    """The exact two-sided p-value of McNemar's test: of the pairs that differ, each arm wins half.

    >>> mcnemar_p(9, 1)
    0.021484375
    """
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(wins, losses), wins + losses, 0.5)))


def permutation_p(differences: NDArray[np.float64], rng: np.random.Generator) -> float:
    """The two-sided p-value of the mean difference, when in each pair the arms could as well be swapped.

    Exact up to 20 differences that are not zero; beyond, from 9,999 random swaps and the one that was seen, so
    never below 0.0001.
    """
    import numpy as np

    moving = differences[differences != 0]
    # Sums that differ by rounding alone are equal.
    seen = abs(float(moving.sum())) - 1e-11 * float(np.abs(moving).sum())
    if len(moving) <= _ENUMERATED:
        sums = moving[:1]  # the sign of the first is fixed: the other half is its mirror image
        for x in moving[1:]:
            sums = np.concatenate((sums + x, sums - x))
        return float(np.mean(np.abs(sums) >= seen))
    reached = np.sum(np.abs(_sums_with_random_signs(moving, rng)) >= seen)
    return (int(reached) + 1) / (FLIPS + 1)


def _sums_with_random_signs(
    differences: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """One random byte gives eight signs, and picks the sum of eight differences from a table."""
    import numpy as np

    eights = np.concatenate((differences, np.zeros(-len(differences) % 8))).reshape(-1, 1, 8)
    signs = 1.0 - 2.0 * np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
    table = (eights * signs).sum(axis=2)
    groups = np.arange(len(table))
    sums = np.empty(FLIPS)
    rows = max(1, _AT_ONCE // len(table))
    for start in range(0, FLIPS, rows):
        some = sums[start : start + rows]
        drawn = np.frombuffer(rng.bytes(len(some) * len(table)), dtype=np.uint8).reshape(len(some), -1)
        some[:] = table[groups, drawn].sum(axis=1)
    return sums


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Each p-value adjusted for being one of several (Holm 1979); those that are None are not counted.

    >>> holm([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]
    """
    adjusted: list[float | None] = [None] * len(p_values)
    ranked = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    highest = 0.0
    for rank, (p, i) in enumerate(ranked):
        highest = max(highest, min(1.0, p * (len(ranked) - rank)))
        adjusted[i] = highest
    return adjusted
