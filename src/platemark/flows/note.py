"""Small things that flows write: events and review cases."""

from typing import Any

from platemark.core.event import Event, EventType
from platemark.core.generation import Generation
from platemark.core.image import Image
from platemark.core.moderation import Review, Verdict
from platemark.core.ports import Platform, Transaction


async def tell(platform: Platform, tx: Transaction, type: EventType, about: Generation | Image, **data: Any) -> Event:
    """Append an event about a generation or an image. `data` must not hold personal text."""
    is_image = isinstance(about, Image)
    return await tx.emit(
        Event(
            id=platform.ids.new("evt"),
            project=about.project,
            type=type,
            at=platform.clock.now(),
            data=data,
            generation=about.generation if is_image else about.id,
            image=about.id if is_image else None,
        )
    )


async def open_review(platform: Platform, tx: Transaction, about: Generation | Image, ruled: Verdict) -> Review:
    """A case for a person; it expires by a timer and is never approved by one."""
    now = platform.clock.now()
    review = Review(
        id=platform.ids.new("rev"),
        project=ruled.project,
        generation=ruled.generation,
        image=ruled.image,
        verdict=ruled.id,
        state="pending",
        reason_code=ruled.reason_code,
        created_at=now,
        expires_at=now + platform.limits.review_expires_after,
    )
    await tx.add(review)
    await tell(platform, tx, "review.opened", about, review=review.id, reason_code=ruled.reason_code)
    return review
