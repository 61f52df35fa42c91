"""Publish: the gate before an audience. What is let through is released, what waits is held, the rest is refused."""

from collections.abc import Sequence

from platemark.core.base import JsonObject
from platemark.core.delivery import Delivery
from platemark.core.disclosure import disclosure
from platemark.core.errors import (
    BlockedByAppPolicy,
    Conflict,
    FieldError,
    Gone,
    InvalidRequest,
    NotFound,
    PlatemarkError,
)
from platemark.core.generation import REVISED, Generation, PromptText
from platemark.core.image import Image, Publication, PublicationState
from platemark.core.inspection import Inspection, inspected
from platemark.core.moderation import CLOSING_CODES, Decision, Signal, Verdict
from platemark.core.ports import Circumstances, Page, Platform, Query, Reading, Transaction
from platemark.core.project import Principal
from platemark.core.rendition import Rendition, Wanted
from platemark.core.upload import Upload
from platemark.flows import look
from platemark.flows.clearance import cleared
from platemark.flows.content import Content, check_state, released
from platemark.flows.note import open_review, tell
from platemark.flows.publications import deliver, labels
from platemark.flows.publications.make import Made, make
from platemark.flows.publications.release import delayed, failing, finish_due, let_out, say
from platemark.flows.screen import About, known_of, measure_text, screen_image, verdict

_STATE: dict[Decision, PublicationState] = {
    "allow": "published",
    "label": "published",
    "review": "held",
    "block": "rejected",
}
_STANDS = frozenset({"published", "held"})
_LETS_OUT = frozenset({"allow", "label"})
_FIXED = frozenset({"id", "project", "image", "state", "created_at"})
_MADE_WITH_AI = frozenset({"generated_by_us", "ai_generated", "ai_claimed"})
_DECIDABLE = ("held", "rejected")
# Of a request, and of an upload.
_TEXTS = ("prompt", "negative_prompt", "filename", "caption")


async def publish(
    platform: Platform,
    principal: Principal,
    image_id: str,
    *,
    audience: str | None = None,
    role: str | None = None,
    targets: Sequence[str] = (),
    renditions: Sequence[Wanted] = (),
    alt_text: str | None = None,
    burn_label: bool | None = None,
) -> Publication:
    """Screen an image for an audience and release it; `held` where a person has to look first.

    What is released gets its files here and is delivered to `targets` afterwards. Publishing again to the same audience
    is publishing once: further targets are added, its files stay. `burn_label`: draw the label, if there is to be one,
    into the pixels; as configured for the audience when None. Raises NotFound, Gone, NotAllowed (the image is held or
    blocked), InvalidRequest (a target that is not configured, a label without room), BlockedByAppPolicy (kept as a
    rejected publication), SealFailed and StorageUnavailable (kept as a draft that is tried again), Conflict when
    somebody else was at it.
    """
    principal.require("images:write")
    if role is not None:
        principal.require("roles:assert")
    _check_targets(platform, targets)
    image = await look.image(platform, principal, image_id)
    check_state(image)
    draft = await _standing(platform, image, audience)
    if draft is not None and _stands(draft, audience):
        return await _extend(platform, draft, targets)
    ruled = await _ruled(platform, image, audience, role, alt_text)
    planned = await _plan(platform, image, draft, ruled, audience, alt_text)
    planned = planned.model_copy(
        update={
            "targets": tuple(dict.fromkeys(targets)),
            "wanted": tuple(_dump(one) for one in renditions),
            "burn_label": labels.burns(platform, planned, burn_label),
        }
    )
    labels.check_room(platform, image, planned)
    made, error = await _made(platform, image, planned) if _decided(ruled) in _LETS_OUT else ((), None)
    publication = await _write(platform, principal, draft, planned, ruled, made, error)
    if error is not None:
        raise error
    if ruled.decision == "block":
        raise BlockedByAppPolicy(
            f"The policy does not let {image.id} be published"
            + (f" to {audience}" if audience else "")
            + f" ({ruled.reason_code}). Its publication {publication.id} is rejected; "
            f"appeal with POST /v1/images/{image.id}/appeal if you think that this is a mistake.",
            generation=image.generation,
            code=ruled.reason_code,
        )
    platform.notices.tell(deliver.TOPIC)
    return publication


def _check_targets(platform: Platform, targets: Sequence[str]) -> None:
    known = ", ".join(sorted(platform.targets)) or "none"
    errors = [
        FieldError(pointer=f"/targets/{index}", code="unknown_target", message=f"is not configured; there are: {known}")
        for index, name in enumerate(targets)
        if name not in platform.targets
    ]
    if errors:
        raise InvalidRequest("A target of this release is not configured.", errors=errors)


def _stands(publication: Publication, audience: str | None) -> bool:
    return publication.state in _STANDS and publication.audience == audience and publication.verdict is not None


async def _standing(platform: Platform, image: Image, audience: str | None) -> Publication | None:
    """The release to this audience that stands; else one whose files are missing, or the draft of every image."""
    async with platform.store.reading() as read:
        releases = await read.all(Publication, image=image.id, order_by="id")
    same = [each for each in releases if _stands(each, audience)]
    failed = [each for each in releases if each.verdict and each.state == "draft" and each.audience == audience]
    unused = [each for each in releases if each.verdict is None and each.state in ("draft", "held")]
    return next(iter((*same, *failed, *unused)), None)


async def _extend(platform: Platform, publication: Publication, targets: Sequence[str]) -> Publication:
    """Further targets for a release that stands."""
    more = [name for name in dict.fromkeys(targets) if name not in publication.targets]
    if not more:
        return publication
    async with platform.store.transaction() as tx:
        publication = await tx.change(publication, targets=(*publication.targets, *more))
        if publication.state == "published":
            await deliver.plan(platform, tx, publication, more)
    platform.notices.tell(deliver.TOPIC)
    return publication


def _dump(wanted: Wanted) -> JsonObject:
    return wanted.model_dump(mode="json", exclude_none=True)


async def _plan(
    platform: Platform,
    image: Image,
    draft: Publication | None,
    ruled: Verdict,
    audience: str | None,
    alt_text: str | None,
) -> Publication:
    """The publication as it is to be made, with what is told beside it."""
    async with platform.store.reading() as read:
        found = await read.find(Inspection, image.inspection) if image.inspection else None
    kind = disclosure(
        ai=image.origin == "generated" or (found is not None and found.verdict in _MADE_WITH_AI),
        decision=ruled.decision,
        codes=[ruled.reason_code or "", *ruled.secondary_codes],
        audience=audience,
    )
    label, now = platform.limits.labelling.text_of(kind), platform.clock.now()
    return Publication(
        id=draft.id if draft else platform.ids.new("pub"),
        project=image.project,
        image=image.id,
        state="draft",
        audience=audience,
        verdict=ruled.id,
        created_at=draft.created_at if draft else now,
        changed_at=now,
        disclosure=kind,
        label_text=label,
        alt_text=alt_text or label,
    )


async def _made(
    platform: Platform, image: Image, planned: Publication
) -> tuple[tuple[Made, ...], PlatemarkError | None]:
    """The files, or why there are none: that is kept with the draft, which is tried again."""
    try:
        return await make(platform, image, planned), None
    except PlatemarkError as error:
        return (), error


async def _ruled(
    platform: Platform, image: Image, audience: str | None, role: str | None, alt_text: str | None
) -> Verdict:
    """The verdict for this audience on the picture and on the words that it was made from."""
    async with platform.store.reading() as read:
        generation = await read.find(Generation, image.generation) if image.generation else None
        text = await _text(read, image, generation)
        found = await read.find(Inspection, image.inspection) if image.inspection else None
    circumstances = Circumstances(
        stage="before_publish",
        role=role or (generation.role if generation else None),
        audience=audience,
        project=image.project,
        operation=generation.operation if generation else None,
        model=generation.model if generation else None,
        inspection=inspected(found),
    )
    known, said = await known_of(platform, image)
    words = await _words(platform, image, text, alt_text)
    data = await platform.blobs.get(f"{image.project}/{image.sha256}")
    ruling, signals = await screen_image(platform, data, circumstances, flags=(*said, *words), known=known)
    ruling = await cleared(platform, image, audience, ruling)
    about = About(project=image.project, generation=image.generation, image=image.id)
    return verdict(platform, ruling, signals, image.sha256, circumstances, **about)


async def _text(read: Reading, image: Image, generation: Generation | None) -> PromptText | None:
    uploads = [] if generation else await read.all(Upload, image=image.id)
    kept = generation.text if generation else next((each.text for each in uploads if each.text), None)
    return await read.get(PromptText, kept) if kept else None


async def _words(platform: Platform, image: Image, text: PromptText | None, alt_text: str | None) -> tuple[Signal, ...]:
    """What is found in the words that it was drawn from, brought with or shown with, as far as they are kept."""
    body = (text.body or {}) if text else {}
    texts = {name: body[name] for name in _TEXTS if body.get(name)}
    if revised := body.get(REVISED, {}).get(str(image.index)):
        texts["revised_prompt"] = revised
    if alt_text:
        texts["alt_text"] = alt_text
    return await measure_text(platform, texts) if texts else ()


async def _write(
    platform: Platform,
    principal: Principal,
    draft: Publication | None,
    planned: Publication,
    ruled: Verdict,
    made: tuple[Made, ...],
    error: PlatemarkError | None,
) -> Publication:
    """Publication with its files, verdict, event and, where it waits, the case for a person; all or nothing."""
    by = principal.actor
    async with platform.store.transaction() as tx:
        image = await tx.get(Image, planned.image)
        check_state(image)
        await tx.add(ruled)
        waiting = await _as_draft(tx, draft, planned)
        await _mark(platform, tx, image, ruled)
        if made:
            return await let_out(platform, tx, image, waiting, made, ruled, by=by)
        if error is not None:
            await delayed(platform, tx, image, waiting, error)
            return await tx.change(waiting, **failing(platform, 1, error))
        state = _STATE[_decided(ruled)]
        publication = await tx.change(waiting, state=state, changed_at=platform.clock.now())
        await say(platform, tx, image, publication, ruled, by=by)
        if state == "held":
            await open_review(platform, tx, image, ruled, requester=by)
    return publication


async def _as_draft(tx: Transaction, draft: Publication | None, planned: Publication) -> Publication:
    """The row as a draft with everything that is known now. Raises Conflict when somebody else was at it."""
    if draft is None:
        rivals = await tx.all(Publication, image=planned.image, state=tuple(_STANDS))
        if any(_stands(each, planned.audience) for each in rivals):
            raise Conflict("Somebody else has just published it to this audience. Read it again.")
        await tx.add(planned)
        return planned
    if draft.state == "held":
        # The draft of a picture that nobody looked at is held already.
        draft = await tx.change(draft, state="draft")
    kept = {name: getattr(planned, name) for name in planned.model_fields_set - _FIXED}
    return await tx.change(draft, **kept, attempts=0, error=None, next_at=None)


def _decided(ruled: Verdict) -> Decision:
    """`off` cannot be: nothing is published without having been looked at."""
    return "review" if ruled.decision == "off" else ruled.decision


async def _mark(platform: Platform, tx: Transaction, image: Image, ruled: Verdict) -> None:
    """What holds for every audience is written on the image."""
    if ruled.decision == "block" and ruled.reason_code in CLOSING_CODES:
        await tx.change(image, moderation_state="blocked", reason_code=ruled.reason_code)
        await deliver.recall_all(platform, tx, image)
    elif ruled.decision == "label" and image.moderation_state == "allowed":
        await tx.change(image, moderation_state="labelled", reason_code=ruled.reason_code)


async def release(platform: Platform, tx: Transaction, ruled: Verdict, *, allowed: bool, by: str) -> None:
    """Carry out what a person decided about the publication that a verdict held or rejected.

    What is let through is a draft until its files are made, right after the transaction (`publications.release`).
    """
    for publication in await tx.all(Publication, image=ruled.image, verdict=ruled.id, state=_DECIDABLE):
        image, now = await tx.get(Image, publication.image), platform.clock.now()
        if allowed and image.readable:
            cleared = await tx.change(publication, state="draft", changed_at=now, next_at=now, attempts=0, error=None)
            said = {"publication": cleared.id, "audience": cleared.audience, "by": by}
            await tell(platform, tx, "publication.cleared", image, **said)
        elif publication.state != "rejected":
            changed = await tx.change(publication, state="rejected", changed_at=now)
            await say(platform, tx, image, changed, ruled, by=by)


async def withdraw(platform: Platform, principal: Principal, publication_id: str) -> Publication:
    """Take a release back: its URL gives nothing without a key any more. Twice is once. Raises NotFound, Conflict."""
    principal.require("images:write")
    publication = await find(platform, principal, publication_id)
    if publication.state == "withdrawn":
        return publication
    async with platform.store.transaction() as tx:
        current = await tx.get(Publication, publication_id)
        if current.state != "published":
            raise Conflict(f"This publication is {current.state}: there is nothing to withdraw.")
        image = await tx.get(Image, current.image)
        changed = await tx.change(current, state="withdrawn", changed_at=platform.clock.now())
        await deliver.recall(platform, tx, changed)
        await tell(
            platform,
            tx,
            "publication.withdrawn",
            image,
            publication=changed.id,
            audience=changed.audience,
            by=principal.actor,
        )
    platform.notices.tell(deliver.TOPIC)
    return changed


async def retry(platform: Platform, principal: Principal, publication_id: str) -> Publication:
    """Try once more whatever failed: making the files, or delivering them. Raises NotFound, Conflict."""
    principal.require("images:write")
    publication = await find(platform, principal, publication_id)
    async with platform.store.transaction() as tx:
        image = await tx.get(Image, publication.image)
        tried = await deliver.retry(platform, tx, image, publication, by=principal.actor)
        if publication.state == "draft" and publication.error is not None:
            publication = await tx.change(publication, next_at=platform.clock.now(), attempts=0)
            tried += 1
        if not tried:
            raise Conflict("Nothing of this publication has failed: there is nothing to try again.")
    await finish_due(platform)
    platform.notices.tell(deliver.TOPIC)
    return await find(platform, principal, publication_id)


async def find(platform: Platform, principal: Principal, publication_id: str) -> Publication:
    """One release of the project. Raises NotFound."""
    principal.require("images:read")
    async with platform.store.reading() as read:
        found = await read.find(Publication, publication_id)
    if found is None or found.project != principal.project:
        raise NotFound(f"There is no publication {publication_id!r} in this project.")
    return found


async def listing(platform: Platform, principal: Principal, query: Query) -> Page[Publication]:
    """A page of the project's publications, newest first."""
    principal.require("images:read")
    async with platform.store.reading() as read:
        return await read.page(Publication, query)


async def files(platform: Platform, publication: Publication) -> tuple[list[Rendition], list[Delivery]]:
    """The files of a release, the picture itself first, and their ways to targets."""
    async with platform.store.reading() as read:
        renditions = await read.all(Rendition, publication=publication.id, order_by="id")
        return renditions, await deliver.of(read, publication.id)


async def read(platform: Platform, publication_id: str, rendition: str | None = None) -> Content:
    """The bytes of a release, for anybody, while it is published. Raises NotFound, NotAllowed, Gone."""
    async with platform.store.reading() as reading:
        publication = await reading.find(Publication, publication_id)
        image = await reading.get(Image, publication.image) if publication else None
        found = await reading.all(Rendition, publication=publication_id)
    # A draft's id tells a stranger nothing, not even that it is there.
    if publication is None or image is None or publication.state not in ("published", "withdrawn"):
        raise NotFound("There is no publication with this id.")
    if publication.state == "withdrawn":
        raise Gone(f"This publication was withdrawn on {publication.changed_at:%Y-%m-%d}.")
    check_state(image)
    return await released(platform, image, found, rendition)
