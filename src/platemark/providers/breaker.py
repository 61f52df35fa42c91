"""The circuit breaker of a provider: after failures in a row it is left alone for a while, then asked once to see."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from platemark.core.errors import ProviderUnavailable
from platemark.core.health import Circuit, Health
from platemark.core.ports import Clock
from platemark.providers.outcomes import Outcome

# The provider's own trouble. Refusals and bad requests say that it works; a limit says that it is busy.
_TECHNICAL: frozenset[Outcome] = frozenset({"overloaded", "timed_out", "unknown"})
# Worth showing to operators: what they can do something about, or wait for.
_SHOWN: frozenset[Outcome] = frozenset({*_TECHNICAL, "auth", "out_of_credit", "not_found", "rate_limited", "unusable"})
THRESHOLD = 5
FIRST_PAUSE = 15.0
LONGEST_PAUSE = 300.0


@dataclass
class Breaker:
    """Opens after THRESHOLD technical failures in a row. Pauses double while probes fail."""

    clock: Clock
    _failures: int = 0
    # Seconds of the present pause; 0 while the circuit is closed.
    _pause: float = 0.0
    _probe_at: float = 0.0
    _last_error: tuple[Outcome, datetime] | None = field(default=None)
    _last_success: datetime | None = None

    def enter(self, provider: str) -> None:
        """Let a call through. Raises ProviderUnavailable while the circuit is open, or another call probes."""
        if not self._pause:
            return
        left = self._probe_at - self.clock.monotonic()
        if left > 0:
            raise ProviderUnavailable(
                f"{provider} failed {self._failures} times in a row and is left alone for {left:.0f} s more.",
                retry_after=left,
            )
        # This one is the probe; what comes until its answer waits for the next pause.
        self._probe_at = self.clock.monotonic() + self._pause

    def note(self, outcome: Outcome) -> None:
        """Learn from the answer to one call."""
        if outcome in _SHOWN:
            self._last_error = (outcome, self.clock.now())
        if outcome not in _TECHNICAL:
            self._failures, self._pause = 0, 0.0
            if outcome in ("ok", "partial", "pending"):
                self._last_success = self.clock.now()
            return
        self._failures += 1
        if self._failures >= THRESHOLD:
            self._pause = min(LONGEST_PAUSE, self._pause * 2 or FIRST_PAUSE)
            self._probe_at = self.clock.monotonic() + self._pause

    @property
    def health(self) -> Health:
        """How things stand now."""
        error, at = self._last_error or (None, None)
        left = max(0.0, self._probe_at - self.clock.monotonic())
        circuit: Circuit = "closed" if not self._pause else "open" if left else "half_open"
        return Health(
            circuit=circuit,
            failures=self._failures,
            last_error=error,
            last_error_at=at,
            last_success_at=self._last_success,
            probe_at=self.clock.now() + timedelta(seconds=left) if self._pause else None,
        )
