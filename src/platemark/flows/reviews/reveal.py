"""Reveal: a withheld picture is given veiled; unveiled only to who holds its case, noted down, and not without end."""

from dataclasses import dataclass, field
from datetime import timedelta

import anyio

from platemark.core.errors import Gone, NotAllowed, NotFound, RateLimited
from platemark.core.generation import Generation
from platemark.core.image import Image
from platemark.core.ports import Platform, Reading
from platemark.core.project import Principal
from platemark.core.review import Reveal, Review
from platemark.flows.content import Content
from platemark.flows.note import tell_case
from platemark.flows.order import parents_of
from platemark.flows.reviews.desk import Reviewer, case, held, reviewer_of
from platemark.imaging.veil import MEDIA_TYPE, veil

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Exposure:
    """How many severe pictures a person was shown, and how many more they may be shown now."""

    hour: int
    shift: int
    left: int


@dataclass(frozen=True, slots=True)
class Veiled:
    """A blurred picture as JPEG."""

    data: bytes = field(repr=False)
    media_type: str = MEDIA_TYPE


async def veiled(
    platform: Platform, principal: Principal, id: str, image: str | None = None, *, greyscale: bool = False
) -> Veiled:
    """The blurred picture of a case, or of a picture that its request started from.

    Raises NotAllowed for what concerns the safety of children, which is not shown in any form.
    """
    async with platform.store.reading() as read:
        found = await case(read, (await reviewer_of(read, principal)).project, id)
        shown = await _picture(read, found, image)
    limits, data = platform.limits, await platform.blobs.get(f"{shown.project}/{shown.sha256}")
    return Veiled(await anyio.to_thread.run_sync(lambda: veil(data, **limits.picture, greyscale=greyscale)))


async def reveal(platform: Platform, principal: Principal, id: str, image: str | None = None) -> Content:
    """The picture itself, for who holds the case; it is written down first.

    Raises Conflict (not held), NotAllowed (never shown), RateLimited when it is time for a break.
    """
    async with platform.store.transaction() as tx:
        who = await reviewer_of(tx, principal)
        found = await held(platform, tx, who, id)
        shown = await _picture(tx, found, image)
        if found.severe:
            await _check_break(platform, tx, who)
        seen = Reveal(
            id=platform.ids.new("rvl"),
            project=found.project,
            review=found.id,
            image=shown.id,
            by=who.actor,
            reason_code=found.reason_code,
            severe=found.severe,
            at=platform.clock.now(),
        )
        await tx.add(seen)
        await tell_case(platform, tx, "review.revealed", found, image=shown.id, by=who.actor, reveal=seen.id)
    data = await platform.blobs.get(f"{shown.project}/{shown.sha256}")
    return Content(data, shown.media_type, shown.sha256, shown.id)


async def exposure(platform: Platform, principal: Principal) -> Exposure:
    """What the caller was shown lately."""
    async with platform.store.reading() as read:
        who = await reviewer_of(read, principal)
        hour, shift = await _lately(platform, read, who)
    limits = platform.limits.reviews
    left = min(limits.reveals_per_hour - len(hour), limits.reveals_per_shift - len(shift))
    return Exposure(len(hour), len(shift), max(0, left))


async def _lately(platform: Platform, read: Reading, who: Reviewer) -> tuple[list[Reveal], list[Reveal]]:
    """Severe pictures that the person was shown within an hour and within a shift, oldest first."""
    now, limits = platform.clock.now(), platform.limits.reviews
    # In every project: the eyes are the same.
    found = [seen for seen in await read.all(Reveal, order_by="at", by=who.actor, severe=True)]
    return [seen for seen in found if seen.at > now - _HOUR], [seen for seen in found if seen.at > now - limits.shift]


async def _check_break(platform: Platform, read: Reading, who: Reviewer) -> None:
    now, limits = platform.clock.now(), platform.limits.reviews
    hour, shift = await _lately(platform, read, who)
    for seen, most, span in ((hour, limits.reveals_per_hour, _HOUR), (shift, limits.reveals_per_shift, limits.shift)):
        if len(seen) >= most:
            until = max(seen[-most].at + span, seen[-1].at + limits.pause)
            raise RateLimited(
                f"You have looked at {len(seen)} severe pictures lately. Take a break; other cases can be decided.",
                retry_after=max(1.0, (until - now).total_seconds()),
            )


async def _picture(read: Reading, found: Review, wanted: str | None) -> Image:
    if found.hard:
        raise NotAllowed("This concerns the safety of children: it is shown to nobody here. Decide from its record.")
    pictures = await pictures_of(read, found)
    shown = next((each for each in pictures if wanted is None or each.id == wanted), None)
    if shown is None:
        raise NotFound("This review has no such picture.")
    if shown.deleted_at is not None:
        raise Gone(f"The bytes of {shown.id} were deleted on {shown.deleted_at:%Y-%m-%d}. Its record remains.")
    return shown


async def pictures_of(read: Reading, found: Review) -> list[Image]:
    """The picture that a case is about, then those that its request started from."""
    generation = await read.find(Generation, found.generation) if found.generation else None
    named = [found.image, *(parents_of(generation.inputs) if generation else ())]
    pictures = [await read.find(Image, id) for id in dict.fromkeys(named) if id]
    return [picture for picture in pictures if picture is not None]
