"""Health: whether a provider is asked at present, and what went wrong last."""

from typing import Literal

from platemark.core.base import Part, Timestamp

# The words of circuit breakers: `closed` lets calls through, `open` none, `half_open` one at a time to see.
Circuit = Literal["closed", "open", "half_open"]


class Health(Part):
    """Since the start of this process. `failures`: technical ones in a row. `last_error`: an outcome, never words.

    `probe_at`: when a provider that is not asked at present is asked again.
    """

    circuit: Circuit = "closed"
    failures: int = 0
    last_error: str | None = None
    last_error_at: Timestamp | None = None
    last_success_at: Timestamp | None = None
    probe_at: Timestamp | None = None
