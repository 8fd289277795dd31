"""Between which values does a mean lie, judged by drawing the examples anew?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESAMPLES = 9_999
_DRAWS = 50_000  # in memory: larger pieces are slower to get than to fill
_FEW = 32


def bca_interval(values: NDArray[np.float64], rng: np.random.Generator) -> tuple[float, float]:
    """The 95 % interval of the mean by the bias-corrected and accelerated bootstrap (Efron 1987).

    Of at least two values that are not all equal. The level is widened for few values, from the normal to
    Student's t and by n/(n-1) (Hesterberg 2015, "expanded percentile"): at n = 10 the plain interval covers
    90 %, not 95 %. At n = 200 it is 1 % wider than the plain one.
    """
    import numpy as np
    from scipy.special import ndtr, ndtri, stdtrit

    n = len(values)
    centre, deviation = values.mean(), values.std(ddof=1)
    z = (values - centre) / deviation
    means = _resampled_means(z, rng)
    # Half of what equals the mean counts as below it, as in scipy; rounding must not decide which half.
    below = (np.mean(means < -1e-11) + np.mean(means <= 1e-11)) / 2
    bias = ndtri(min(max(below, 0.5 / RESAMPLES), 1 - 0.5 / RESAMPLES))
    acceleration = np.sum(z**3) / (6 * np.sum(z**2) ** 1.5)
    reach = math.sqrt(n / (n - 1)) * stdtrit(n - 1, 0.975)
    shifted = bias + np.array([-reach, reach])
    low, high = np.quantile(means, ndtr(bias + shifted / (1 - acceleration * shifted)))
    return float(centre + deviation * low), float(centre + deviation * high)


def _resampled_means(z: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    import numpy as np

    n = len(z)
    distinct, counts = np.unique(z, return_counts=True)
    if len(distinct) <= min(_FEW, n // 8):
        # The same distribution, drawn as how often each value comes: a yes/no metric has three, not n.
        return np.asarray((rng.multinomial(n, counts / n, size=RESAMPLES) * distinct).sum(axis=1) / n)
    means = np.empty(RESAMPLES)
    rows = max(1, _DRAWS // n)
    for start in range(0, RESAMPLES, rows):
        some = means[start : start + rows]
        some[:] = z[rng.integers(0, n, size=(len(some), n))].mean(axis=1)
    return means
