"""Purge: what is deleted because its time is over. In bounded batches; safe to run twice and on many workers."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, Literal, TypeVar

from platemark.core.attempt import ATTEMPT_OPEN, Attempt
from platemark.core.base import Noun
from platemark.core.errors import Conflict, NotFound
from platemark.core.generation import Generation, PromptText
from platemark.core.image import Image, Publication
from platemark.core.ports import Platform, Reading
from platemark.core.project import Principal
from platemark.core.review import OPEN, Review
from platemark.core.upload import Upload
from platemark.flows.keeping import delete, holds
from platemark.flows.keeping.erase import wipe, wipe_upload
from platemark.flows.note import emit
from platemark.telemetry import PURGED, logger

log = logger(__name__)
What = Literal["rejected", "drafts", "published", "withdrawn", "responses", "texts"]
N = TypeVar("N", bound=Noun)
_BATCH = 100
# Evidence of a crime is preserved, and never deleted by a timer: a person decides with the authorities.
_NEVER = frozenset({"MINOR_SAFETY"})


@dataclass(frozen=True, slots=True)
class Due:
    """One thing whose time is over since `since`. `kept`: why it stays nevertheless; None: it goes."""

    what: What
    id: str
    project: str
    since: datetime
    kept: str | None


@dataclass(frozen=True, slots=True)
class Purged:
    """What one run deleted, by class; `kept` was due and stays; `more`: the run ended at its bound."""

    gone: dict[What, int] = field(default_factory=dict[What, int])
    kept: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True)
class _Class(Generic[N]):
    """One class: which rows are looked at, why one of them stays, and what its deletion is."""

    what: What
    span: timedelta
    kind: type[N]
    since: str
    equals: Mapping[str, Any]
    stays: Callable[[Platform, Reading, N], Awaitable[str | None]]
    drop: Callable[[Platform, N], Awaitable[object]]
    having: str | None = None


async def due(platform: Platform, principal: Principal, *, limit: int = 1000) -> list[Due]:
    """What a purge of the project would look at now, oldest first in each class, at most `limit` of each."""
    principal.require("moderation:manage")
    found: list[Due] = []
    for each in _classes(platform):
        async for row, why in _looked_at(platform, each, principal.project, limit):
            found.append(_due(each, row, why))
    return found


async def purge_project(platform: Platform, principal: Principal, *, limit: int = _BATCH) -> Purged:
    """Purge one project now. Raises NotAllowed."""
    principal.require("moderation:manage")
    return await purge(platform, project=principal.project, limit=limit)


async def purge(platform: Platform, *, project: str | None = None, limit: int = _BATCH) -> Purged:
    """Delete what is due, at most `limit` of each class; without a project, everywhere."""
    gone: dict[What, int] = {}
    kept, more = 0, False
    for each in _classes(platform):
        looked = 0
        async for row, why in _looked_at(platform, each, project, limit):
            looked += 1
            if why is None and await _dropped(platform, each, row):
                gone[each.what] = gone.get(each.what, 0) + 1
                PURGED.labels(each.what).inc()
            else:
                kept += 1
        more = more or looked >= limit
    return Purged(gone, kept, more and bool(gone))


async def _dropped(platform: Platform, each: _Class[Any], row: Noun) -> bool:
    try:
        await each.drop(platform, row)
    except (Conflict, NotFound):
        # A hold was placed, or somebody else was faster.
        return False
    except Exception:
        log.exception("purge.failed", what=each.what, id=row.id)
        return False
    return True


async def _looked_at(
    platform: Platform, each: _Class[Any], project: str | None, limit: int
) -> AsyncIterator[tuple[Any, str | None]]:
    """Rows that are due, each with why it stays. Rows that stay do not stand in the way of those behind them."""
    before, skip, going = platform.clock.now() - each.span, 0, 0
    equals = {**each.equals, **({"project": project} if project else {})}
    while going < limit:
        async with platform.store.reading() as read:
            rows = await read.before(
                each.kind, each.since, before, limit=_BATCH, skip=skip, having=each.having, **equals
            )
            judged = [(row, await each.stays(platform, read, row)) for row in rows]
        for row, why in judged[: limit - going]:
            yield row, why
            going += why is None
        # What went is no longer among them; where nothing was deleted (a look, or a failure), it is passed over.
        async with platform.store.reading() as read:
            skip += len([row for row, _ in judged if await read.find(each.kind, row.id) == row])
        if len(rows) < _BATCH:
            return


def _due(each: _Class[Any], row: Any, why: str | None) -> Due:
    return Due(each.what, row.id, row.project, getattr(row, each.since) + each.span, why)


def _classes(platform: Platform) -> list[_Class[Any]]:
    spans = platform.limits.retention
    live = {"moderation_state": "blocked", "deleted_at": None}
    unused = {"state": ("draft", "held")}
    public, taken_back = {"state": "published"}, {"state": "withdrawn", "purged_at": None}
    found: list[_Class[Any]] = []
    if spans.rejected is not None:
        found.append(_Class("rejected", spans.rejected, Image, "created_at", live, _image_stays, _drop_rejected))
    if spans.drafts is not None:
        found.append(_Class("drafts", spans.drafts, Publication, "changed_at", unused, _draft_stays, _drop_draft))
    if spans.published is not None:
        found.append(
            _Class("published", spans.published, Publication, "changed_at", public, _published_stays, _drop_published)
        )
    if spans.withdrawn is not None:
        found.append(
            _Class(
                "withdrawn", spans.withdrawn, Publication, "changed_at", taken_back, _withdrawn_stays, _drop_withdrawn
            )
        )
    if spans.responses is not None:
        found.append(
            _Class(
                "responses", spans.responses, Attempt, "finished_at", {}, _response_stays, _drop_response, "response"
            )
        )
    if spans.texts is not None:
        said = {"erased_at": None}
        found.append(_Class("texts", spans.texts, PromptText, "created_at", said, _text_stays, _drop_text))
    return found


async def _held(platform: Platform, read: Reading, project: str, **about: str) -> str | None:
    hold = await holds.holding(read, project, platform.clock.now(), **about)
    return f"legal hold {hold.id}" if hold else None


async def _image_stays(platform: Platform, read: Reading, image: Image) -> str | None:
    if image.reason_code in _NEVER:
        return "evidence that only a person may delete"
    if await read.all(Review, image=image.id, state=OPEN, limit=1):
        return "a person is looking at it"
    return await _held(platform, read, image.project, image=image.id)


async def _drop_rejected(platform: Platform, image: Image) -> None:
    await delete.drop(platform, image, retention="rejected")


async def _draft_stays(platform: Platform, read: Reading, draft: Publication) -> str | None:
    if await read.all(Publication, image=draft.image, state="published", limit=1):
        return "it is published elsewhere"
    image = await read.get(Image, draft.image)
    return "it is deleted" if image.deleted_at is not None else await _image_stays(platform, read, image)


async def _drop_draft(platform: Platform, draft: Publication) -> None:
    async with platform.store.reading() as read:
        image = await read.get(Image, draft.image)
    await delete.drop(platform, image, retention="drafts")


async def _published_stays(platform: Platform, read: Reading, public: Publication) -> str | None:
    others = await read.all(Publication, image=public.image, state="published")
    if any(other.changed_at > public.changed_at for other in others):
        return "it was published again since"
    return await _image_stays(platform, read, await read.get(Image, public.image))


async def _drop_published(platform: Platform, public: Publication) -> None:
    async with platform.store.reading() as read:
        image = await read.get(Image, public.image)
    await delete.drop(platform, image, retention="published")


async def _withdrawn_stays(platform: Platform, read: Reading, withdrawn: Publication) -> str | None:
    image = await read.get(Image, withdrawn.image)
    if image.deleted_at is not None:
        return None
    if await read.all(Publication, image=image.id, state=("draft", "held", "published"), limit=1):
        return "it is wanted elsewhere"
    since = await read.all(Publication, image=image.id, state="withdrawn")
    if any(other.changed_at > withdrawn.changed_at for other in since):
        return "it was withdrawn again since"
    return await _image_stays(platform, read, image)


async def _drop_withdrawn(platform: Platform, withdrawn: Publication) -> None:
    """The picture, where it is still there; and the mark by which the next purge does not look here again."""
    async with platform.store.reading() as read:
        image = await read.get(Image, withdrawn.image)
    if image.deleted_at is None:
        await delete.drop(platform, image, retention="withdrawn")
    async with platform.store.transaction() as tx:
        for each in await tx.all(Publication, image=image.id, state="withdrawn", purged_at=None):
            await tx.change(each, purged_at=platform.clock.now())


async def _response_stays(platform: Platform, read: Reading, attempt: Attempt) -> str | None:
    if attempt.state in ATTEMPT_OPEN or attempt.state == "unknown":
        return "its outcome is not known"
    return await _held(platform, read, attempt.project, generation=attempt.generation)


async def _drop_response(platform: Platform, attempt: Attempt) -> None:
    async with platform.store.transaction() as tx:
        await holds.refuse(platform, tx, attempt.project, generation=attempt.generation)
        await tx.change(await tx.get(Attempt, attempt.id), response=None)
        facts = {"attempt": attempt.id}
        await emit(platform, tx, "response.purged", attempt.project, facts, generation=attempt.generation)


async def _owner(read: Reading, text: PromptText) -> Generation | Upload | None:
    """Whose words they are; None for those of holds and notices, which people wrote about a case."""
    of_generation = await read.all(Generation, text=text.id, limit=1)
    of_upload = await read.all(Upload, text=text.id, limit=1)
    return next(iter([*of_generation, *of_upload]), None)


async def _text_stays(platform: Platform, read: Reading, text: PromptText) -> str | None:
    owner = await _owner(read, text)
    if owner is None:
        return "it belongs to a hold or a notice"
    if isinstance(owner, Upload):
        done, about = owner.image is not None, {"image": owner.image or ""}
    else:
        done, about = owner.done, {"generation": owner.id}
    return await _held(platform, read, text.project, **about) if done else "it is still needed"


async def _drop_text(platform: Platform, text: PromptText) -> None:
    async with platform.store.transaction() as tx:
        owner = await _owner(tx, text)
        if isinstance(owner, Generation):
            await wipe(platform, tx, owner, retention="texts")
        elif owner is not None:
            await wipe_upload(platform, tx, owner, retention="texts")
