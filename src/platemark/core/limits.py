"""Numbers that flows obey. Wiring fills them from the settings."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the main path. Every loop ends by one of these.

    `attempts_before_reroute`: failures of one model of a route after which the next is asked.
    """

    max_attempts: int = 4
    attempts_before_reroute: int = 1
    max_engine_crashes: int = 3
    max_interruptions: int = 100
    retry_base_seconds: float = 1.0
    retry_cap_seconds: float = 60.0
    attempt_timeout: timedelta = timedelta(minutes=15)
    start_within: timedelta = timedelta(hours=24)
    review_expires_after: timedelta = timedelta(hours=72)
    url_lifetime: timedelta = timedelta(minutes=15)
    idempotency_kept: timedelta = timedelta(hours=48)
    max_image_bytes: int = 32 * 1024 * 1024
    max_pixels: int = 64_000_000
    pdq_max_distance: int = 31
    pdq_min_quality: int = 50
