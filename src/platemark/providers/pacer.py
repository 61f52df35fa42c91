"""Keeps calls to a provider under its contract, counted by their own time."""

from dataclasses import dataclass

from platemark.core.ports import Clock
from platemark.providers.catalogue import Rate

# Clocks and roads differ: calls that leave evenly do not arrive so.
_SHARE_USED = 0.88


@dataclass
class Pacer:
    """Spaces calls evenly; at most those of one second go together (a leaky bucket, as GCRA counts it).

    `workers`: processes that share the contract, each keeping to its part. By the second, because 150 at once and 150
    more ten seconds later can fall into one window of ten seconds (docs/decisions/0006-provider-pace.md).
    """

    rate: Rate
    clock: Clock
    workers: int = 1
    _due: float = 0.0

    async def turn(self) -> None:
        """Return when the next call may leave. A place in the row is taken at once, so that nobody can slip past."""
        per_second = _SHARE_USED * self.rate.calls / self.rate.seconds / max(1, self.workers)
        now = self.clock.monotonic()
        ahead = max(0.0, 1.0 - 1.0 / per_second)
        self._due = max(self._due, now)
        wait = self._due - ahead - now
        self._due += 1.0 / per_second
        if wait > 0:
            await self.clock.sleep(wait)
