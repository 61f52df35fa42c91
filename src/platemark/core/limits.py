"""Numbers that flows obey. Wiring fills them from the settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType

from platemark.core.disclosure import Labelling
from platemark.core.hours import WorkingHours

# By reason code, by `audience:NAME`, or `default`: how soon a person has to have decided.
REVIEW_SLA: Mapping[str, timedelta] = MappingProxyType(
    {
        "default": timedelta(hours=24),
        "MINOR_SAFETY": timedelta(minutes=15),
        "KNOWN_HASH_MATCH": timedelta(minutes=15),
        "NCII": timedelta(hours=48),
        "audience:newsroom": timedelta(minutes=30),
    }
)


@dataclass(frozen=True, slots=True)
class ReviewLimits:
    """Numbers of the review queue. `sample`: the share of decisions that a second person looks at blindly.

    `hours`: when people are there, for what can wait until then; None: round the clock.

    `reveals_per_hour` and `reveals_per_shift`: severe pictures that one person may unveil; then comes a `pause`.
    """

    sla: Mapping[str, timedelta] = field(default_factory=lambda: REVIEW_SLA)
    hours: WorkingHours | None = None
    lease: timedelta = timedelta(minutes=10)
    undo: timedelta = timedelta(seconds=60)
    sample: float = 0.05
    reveals_per_hour: int = 30
    reveals_per_shift: int = 120
    shift: timedelta = timedelta(hours=8)
    pause: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is kept, by class; None: until somebody deletes it. Legal holds win over every one of them."""

    rejected: timedelta | None = timedelta(days=30)
    drafts: timedelta | None = None
    published: timedelta | None = None
    withdrawn: timedelta | None = None
    responses: timedelta | None = None
    texts: timedelta | None = None
    reveals: timedelta | None = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the main path. Every loop ends by one of these.

    `attempts_before_reroute`: failures of one model of a route after which the next is asked.
    `strikes`: blocked requests of one user within `strikes_within` after which a person looks at the next.
    `watermark_decibels`: by audience, how faint the mark in its releases is, where not as usual.
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
    upload_expires_after: timedelta = timedelta(hours=24)
    max_release_attempts: int = 8
    max_delivery_attempts: int = 12
    delivery_base_seconds: float = 5.0
    delivery_cap_seconds: float = 3600.0
    retention: Retention = field(default_factory=Retention)
    reviews: ReviewLimits = field(default_factory=ReviewLimits)
    strikes: int = 5
    strikes_within: timedelta = timedelta(minutes=10)
    watermark_decibels: Mapping[str, float] = field(default_factory=dict[str, float])
    labelling: Labelling = field(default_factory=Labelling)

    @property
    def picture(self) -> dict[str, int]:
        """Of a picture that is decoded, as `imaging` takes them."""
        return {"max_bytes": self.max_image_bytes, "max_pixels": self.max_pixels}
