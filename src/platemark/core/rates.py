"""Rates with their intervals, and quantiles that err to the safe side."""

import math
from collections.abc import Sequence

# Two-sided, 95 %.
_Z = 1.959964


def wilson(hits: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a rate (E. B. Wilson, 1927); 0 to 1 where nothing was counted."""
    if total == 0:
        return 0.0, 1.0
    rate, extra = hits / total, _Z**2 / total
    middle = (rate + extra / 2) / (1 + extra)
    reach = _Z / (1 + extra) * math.sqrt(rate * (1 - rate) / total + extra / (4 * total))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def quantile(scores: Sequence[float], share: float) -> float:
    """The smallest score that at least `share` of n + 1 do not exceed: split-conformal. Raises ValueError for none."""
    ordered = sorted(scores)
    if not ordered:
        raise ValueError("There is no score to take a quantile of.")
    return float(ordered[min(math.ceil(share * (len(ordered) + 1)) - 1, len(ordered) - 1)])
