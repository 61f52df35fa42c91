"""Rate limits: one token bucket a key, in the memory of this process."""

import math
from collections import OrderedDict
from dataclasses import dataclass

from platemark.core.errors import RateLimited
from platemark.core.ports import Clock

# A bucket that nobody asked for so long is full again; the oldest go first when there are more.
_MOST_BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left to a key: whole requests of `limit`, and seconds until all of them are back."""

    limit: int
    remaining: int
    reset: int

    def headers(self) -> dict[str, str]:
        """As response headers."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }


class RateLimits:
    """`per_minute` tokens flow into a bucket of `burst`; one request takes one. `per_minute` 0 is no limit."""

    def __init__(self, clock: Clock, *, per_minute: int, burst: int) -> None:
        self._clock = clock
        self._per_second = per_minute / 60
        self._burst = burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> tuple[Allowance | None, RateLimited | None]:
        """The allowance after this request, and the error when there was no token for it."""
        if self._per_second == 0:
            return None, None
        now = self._clock.monotonic()
        tokens, then = self._buckets.pop(key, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + (now - then) * self._per_second)
        granted = tokens >= 1
        tokens -= granted
        self._buckets[key] = (tokens, now)
        if len(self._buckets) > _MOST_BUCKETS:
            self._buckets.popitem(last=False)
        allowance = Allowance(self._burst, math.floor(tokens), math.ceil((self._burst - tokens) / self._per_second))
        return allowance, None if granted else self._refuse((1 - tokens) / self._per_second)

    def _refuse(self, seconds: float) -> RateLimited:
        return RateLimited(
            f"This key may make {round(self._per_second * 60)} requests a minute, {self._burst} at once. "
            f"Wait {math.ceil(seconds)} s, then send the request again.",
            retry_after=seconds,
        )
