"""Release: what was let through gets its files and becomes public, all at once; what failed is tried again."""

from datetime import timedelta

from platemark.core.errors import Conflict, InvalidRequest, NotFound, PlatemarkError
from platemark.core.event import EventType
from platemark.core.image import Image, Publication
from platemark.core.moderation import Verdict
from platemark.core.ports import Platform, Transaction
from platemark.core.problem import document
from platemark.flows.due import each_due
from platemark.flows.note import tell
from platemark.flows.publications import deliver
from platemark.flows.publications.make import Made, make
from platemark.flows.registry import enter
from platemark.telemetry import logger

log = logger(__name__)
# Longer than the making of any release: another worker takes it up then.
_LEASE = timedelta(minutes=10)
_ENDING: dict[str, EventType] = {
    "published": "publication.published",
    "held": "publication.held",
    "rejected": "publication.rejected",
}


async def let_out(
    platform: Platform,
    tx: Transaction,
    image: Image,
    publication: Publication,
    made: tuple[Made, ...],
    ruled: Verdict,
    *,
    by: str | None,
) -> Publication:
    """Publish: files, deliveries and event in one transaction. `publication` is a draft as it stands in the store."""
    now = platform.clock.now()
    changed = await tx.change(
        publication, state="published", changed_at=now, published_at=now, error=None, next_at=None
    )
    for each in made:
        await each.write(platform, tx)
        await enter(platform, tx, image, each.rendition.sha256)
    await deliver.plan(platform, tx, changed, changed.targets)
    files = [{"name": each.rendition.name, "sha256": each.rendition.sha256} for each in made]
    marks = {each.rendition.name: each.rendition.watermark for each in made}
    await say(platform, tx, image, changed, ruled, by=by, disclosure=changed.disclosure, files=files, watermark=marks)
    return changed


async def say(
    platform: Platform,
    tx: Transaction,
    image: Image,
    publication: Publication,
    ruled: Verdict,
    *,
    by: str | None,
    **more: object,
) -> None:
    """The event of a publication that has come to a state."""
    await tell(
        platform,
        tx,
        _ENDING[publication.state],
        image,
        publication=publication.id,
        audience=publication.audience,
        by=by,
        decision=ruled.decision,
        reason_code=ruled.reason_code,
        **more,
    )


async def finish_due(platform: Platform, *, limit: int = 20) -> int:
    """Make the releases that wait for their files. Returns how many were tried."""
    return await each_due(
        platform, Publication, "next_at", finish, limit=limit, trouble="release.failed", state="draft"
    )


async def finish(platform: Platform, publication: Publication) -> None:
    """One try. Raises Conflict where somebody else is at it."""
    now = platform.clock.now()
    async with platform.store.transaction() as tx:
        claimed = await tx.change(publication, next_at=now + _LEASE, attempts=publication.attempts + 1)
        image = await tx.get(Image, claimed.image)
    if not image.readable:
        await _refuse(platform, claimed)
        return
    try:
        made = await make(platform, image, claimed)
    except PlatemarkError as error:
        await _put_off(platform, claimed, error)
        return
    async with platform.store.transaction() as tx:
        image = await tx.get(Image, claimed.image)
        ruled = await tx.get(Verdict, claimed.verdict or "")
        if not image.readable:
            raise Conflict("The image was closed meanwhile.")
        await let_out(platform, tx, image, claimed, made, ruled, by=None)
    platform.notices.tell(deliver.TOPIC)


async def _refuse(platform: Platform, publication: Publication) -> None:
    async with platform.store.transaction() as tx:
        image = await tx.get(Image, publication.image)
        ruled = await tx.get(Verdict, publication.verdict or "")
        changed = await tx.change(publication, state="rejected", changed_at=platform.clock.now(), next_at=None)
        await say(platform, tx, image, changed, ruled, by=None)


async def _put_off(platform: Platform, publication: Publication, error: PlatemarkError) -> None:
    async with platform.store.transaction() as tx:
        image = await tx.get(Image, publication.image)
        await tx.change(publication, **failing(platform, publication.attempts, error))
        await delayed(platform, tx, image, publication, error)


async def delayed(
    platform: Platform, tx: Transaction, image: Image, publication: Publication, error: PlatemarkError
) -> None:
    """Tell that files could not be made; nothing is public."""
    await tell(platform, tx, "publication.delayed", image, publication=publication.id, code=error.code)


def failing(platform: Platform, attempts: int, error: PlatemarkError) -> dict[str, object]:
    """The fields of a draft whose files could not be made: why, and when they are tried again."""
    final = isinstance(error, InvalidRequest | NotFound) or attempts >= platform.limits.max_release_attempts
    return {
        "attempts": attempts,
        "error": document(error),
        "next_at": None if final else deliver.again_at(platform, attempts),
    }
