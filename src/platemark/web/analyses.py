"""What an analysis may cost this process: so many a key and minute, and so many pictures in memory at once."""

import anyio
from fastapi import Request

from platemark.core.ports import Clock
from platemark.settings import Settings
from platemark.web.auth import Call
from platemark.web.ratelimit import RateLimits
from platemark.web.requests import exchange_of

# A decoded picture takes up to a quarter of a gigabyte.
_AT_ONCE = 4


class Analyses:
    """A verifier that anybody may ask as often as they like tells how to get past it."""

    def __init__(self, clock: Clock, settings: Settings) -> None:
        self.at_once = anyio.CapacityLimiter(_AT_ONCE)
        self._rates = RateLimits(clock, per_minute=settings.analyze_per_minute, burst=settings.analyze_burst)

    def take(self, request: Request, key: str) -> None:
        """One analysis from the key's allowance, which the answer's headers tell. Raises RateLimited."""
        allowance, refused = self._rates.take(key)
        if allowance is not None:
            exchange_of(request).headers.update(allowance.headers())
        if refused is not None:
            raise refused


def analyses_of(call: Call) -> Analyses:
    """Those of the application that answers."""
    return call.request.app.state.analyses
