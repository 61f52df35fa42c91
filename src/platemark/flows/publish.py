"""Publish: the gate before an audience. What is let through is released, what waits is held, the rest is refused."""

from platemark.core.errors import BlockedByAppPolicy, Conflict, Gone, NotFound
from platemark.core.generation import REVISED, Generation, PromptText
from platemark.core.image import Image, Publication, PublicationState
from platemark.core.moderation import Decision, Signal, Verdict
from platemark.core.ports import Circumstances, Platform, Reading, Transaction
from platemark.core.project import Principal
from platemark.core.upload import Upload
from platemark.flows import look
from platemark.flows.clearance import cleared
from platemark.flows.content import Content, check_state
from platemark.flows.note import open_review, tell
from platemark.flows.screen import About, known_of, measure_text, screen_image, verdict

_STATE: dict[Decision, PublicationState] = {
    "allow": "published",
    "label": "published",
    "review": "held",
    "block": "rejected",
}
# Such a picture is not only kept from this audience: it is closed for everybody.
_CLOSES = frozenset({"MINOR_SAFETY", "KNOWN_HASH_MATCH", "NCII"})
_STANDS = frozenset({"published", "held"})
_DECIDABLE = ("held", "rejected")
# Of a request, and of an upload.
_TEXTS = ("prompt", "negative_prompt", "filename", "caption")


async def publish(
    platform: Platform, principal: Principal, image_id: str, *, audience: str | None = None, role: str | None = None
) -> Publication:
    """Screen an image for an audience and release it; `held` where a person has to look first.

    Publishing again to the same audience is publishing once. Raises NotFound, Gone, NotAllowed (the image is held or
    blocked), BlockedByAppPolicy (kept as a rejected publication), Conflict when somebody else was at it.
    """
    principal.require("images:write")
    if role is not None:
        principal.require("roles:assert")
    image = await look.image(platform, principal, image_id)
    check_state(image)
    draft = await _standing(platform, image, audience)
    if draft is not None and draft.state in _STANDS and draft.audience == audience and draft.verdict:
        return draft
    ruled = await _ruled(platform, image, audience, role)
    publication = await _write(platform, principal, image, draft, ruled, audience)
    if ruled.decision == "block":
        raise BlockedByAppPolicy(
            f"The policy does not let {image.id} be published"
            + (f" to {audience}" if audience else "")
            + f" ({ruled.reason_code}). Its publication {publication.id} is rejected; "
            f"appeal with POST /v1/images/{image.id}/appeal if you think that this is a mistake.",
            generation=image.generation,
            code=ruled.reason_code,
        )
    return publication


async def _standing(platform: Platform, image: Image, audience: str | None) -> Publication | None:
    """The release to this audience that stands; else the draft that every image begins with."""
    async with platform.store.reading() as read:
        releases = await read.all(Publication, image=image.id, order_by="id")
    same = [each for each in releases if each.verdict and each.audience == audience and each.state in _STANDS]
    unused = [each for each in releases if each.verdict is None and each.state in ("draft", "held")]
    return next(iter((*same, *unused)), None)


async def _ruled(platform: Platform, image: Image, audience: str | None, role: str | None) -> Verdict:
    """The verdict for this audience on the picture and on the words that it was made from."""
    async with platform.store.reading() as read:
        generation = await read.find(Generation, image.generation) if image.generation else None
        text = await _text(read, image, generation)
    circumstances = Circumstances(
        stage="before_publish",
        role=role or (generation.role if generation else None),
        audience=audience,
        project=image.project,
        operation=generation.operation if generation else None,
        model=generation.model if generation else None,
    )
    known, said = await known_of(platform, image)
    words = await _words(platform, image, text)
    data = await platform.blobs.get(f"{image.project}/{image.sha256}")
    ruling, signals = await screen_image(platform, data, circumstances, flags=(*said, *words), known=known)
    ruling = await cleared(platform, image, audience, ruling)
    about = About(project=image.project, generation=image.generation, image=image.id)
    return verdict(platform, ruling, signals, image.sha256, circumstances, **about)


async def _text(read: Reading, image: Image, generation: Generation | None) -> PromptText | None:
    uploads = [] if generation else await read.all(Upload, image=image.id)
    kept = generation.text if generation else next((each.text for each in uploads if each.text), None)
    return await read.get(PromptText, kept) if kept else None


async def _words(platform: Platform, image: Image, text: PromptText | None) -> tuple[Signal, ...]:
    """What is found in the words that it was drawn from, or that it was brought with, as far as they are kept."""
    body = (text.body or {}) if text else {}
    texts = {name: body[name] for name in _TEXTS if body.get(name)}
    if revised := body.get(REVISED, {}).get(str(image.index)):
        texts["revised_prompt"] = revised
    return await measure_text(platform, texts) if texts else ()


async def _write(
    platform: Platform,
    principal: Principal,
    image: Image,
    draft: Publication | None,
    ruled: Verdict,
    audience: str | None,
) -> Publication:
    """Publication, verdict, event and, where it waits, the case for a person; all or nothing."""
    state, now = _STATE[_decided(ruled)], platform.clock.now()
    async with platform.store.transaction() as tx:
        current = await tx.get(Image, image.id)
        check_state(current)
        await tx.add(ruled)
        facts = {"state": state, "audience": audience, "verdict": ruled.id, "changed_at": now}
        if draft is None:
            publication = Publication.model_validate(
                {"id": platform.ids.new("pub"), "project": image.project, "image": image.id, "created_at": now} | facts
            )
            await tx.add(publication)
        elif draft.state == state:
            # The draft of a picture that nobody looked at is held already; now it is so for a reason.
            publication = await tx.change(await tx.change(draft, state="draft"), **facts)
        else:
            publication = await tx.change(draft, **facts)
        await _mark(tx, current, ruled)
        await _tell(platform, tx, principal.actor, image, publication, ruled)
        if state == "held":
            await open_review(platform, tx, image, ruled, requester=principal.actor)
    return publication


def _decided(ruled: Verdict) -> Decision:
    """`off` cannot be: nothing is published without having been looked at."""
    return "review" if ruled.decision == "off" else ruled.decision


async def _mark(tx: Transaction, image: Image, ruled: Verdict) -> None:
    """What holds for every audience is written on the image."""
    if ruled.decision == "block" and ruled.reason_code in _CLOSES:
        await tx.change(image, moderation_state="blocked", reason_code=ruled.reason_code)
    elif ruled.decision == "label" and image.moderation_state == "allowed":
        await tx.change(image, moderation_state="labelled", reason_code=ruled.reason_code)


async def release(platform: Platform, tx: Transaction, ruled: Verdict, *, allowed: bool, by: str) -> None:
    """Carry out what a person decided about the publication that a verdict held or rejected."""
    for publication in await tx.all(Publication, image=ruled.image, verdict=ruled.id, state=_DECIDABLE):
        image, now = await tx.get(Image, publication.image), platform.clock.now()
        if not (allowed and image.readable):
            if publication.state == "rejected":
                continue
            changed = await tx.change(publication, state="rejected", changed_at=now)
        else:
            if publication.state == "rejected":
                publication = await tx.change(publication, state="draft")
            changed = await tx.change(publication, state="published", changed_at=now)
        await _tell(platform, tx, by, image, changed, ruled)


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
        await tell(
            platform,
            tx,
            "publication.withdrawn",
            image,
            publication=changed.id,
            audience=changed.audience,
            by=principal.actor,
        )
    return changed


async def find(platform: Platform, principal: Principal, publication_id: str) -> Publication:
    """One release of the project. Raises NotFound."""
    principal.require("images:read")
    async with platform.store.reading() as read:
        found = await read.find(Publication, publication_id)
    if found is None or found.project != principal.project:
        raise NotFound(f"There is no publication {publication_id!r} in this project.")
    return found


async def read(platform: Platform, publication_id: str) -> Content:
    """The bytes of a release, for anybody, while it is published. Raises NotFound, NotAllowed, Gone."""
    async with platform.store.reading() as reading:
        publication = await reading.find(Publication, publication_id)
        image = await reading.get(Image, publication.image) if publication else None
    # A draft's id tells a stranger nothing, not even that it is there.
    if publication is None or image is None or publication.state not in ("published", "withdrawn"):
        raise NotFound("There is no publication with this id.")
    if publication.state == "withdrawn":
        raise Gone(f"This publication was withdrawn on {publication.changed_at:%Y-%m-%d}.")
    check_state(image)
    data = await platform.blobs.get(f"{image.project}/{image.sha256}")
    return Content(data, image.media_type, image.sha256, image.id)


async def _tell(
    platform: Platform, tx: Transaction, by: str, image: Image, publication: Publication, ruled: Verdict
) -> None:
    state = publication.state
    await tell(
        platform,
        tx,
        "publication.published"
        if state == "published"
        else "publication.held"
        if state == "held"
        else "publication.rejected",
        image,
        publication=publication.id,
        audience=publication.audience,
        by=by,
        decision=ruled.decision,
        reason_code=ruled.reason_code,
    )
