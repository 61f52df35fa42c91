"""Upload: somebody else's picture gets a file, a verdict and an inspection, as ours do (promise P1)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import anyio

from platemark.core.audit import canonical, salted_digest
from platemark.core.errors import Conflict, FieldError, IdempotencyKeyReused, InvalidRequest
from platemark.core.generation import PromptText
from platemark.core.image import Fingerprint, Image
from platemark.core.inspection import Inspection, inspected
from platemark.core.moderation import STATE_OF, Signal, Verdict, rank
from platemark.core.ports import Circumstances, Platform
from platemark.core.project import Principal, Profile
from platemark.core.upload import Said, Upload
from platemark.flows.develop import PUBLICATION_OF, Developed, assemble
from platemark.flows.digests import user_digest
from platemark.flows.evidence import EVERYTHING, Choice
from platemark.flows.inspect import credential_of, inspect
from platemark.flows.keeping.delete import keep
from platemark.flows.keeping.holds import personal
from platemark.flows.policies import rule
from platemark.flows.registry import fingerprint_of
from platemark.flows.screen import About, known_by_content, screen_image, screen_text, verdict
from platemark.flows.unchecked import digest_of, profile_of, uninspected, unscreened
from platemark.imaging.decode import Facts, read_picture, remembering

NOTHING = Said()


@dataclass(frozen=True, slots=True)
class Stored:
    """The image, and whether it was there before under the same idempotency key."""

    image: Image
    replayed: bool = False


async def upload(
    platform: Platform,
    principal: Principal,
    data: bytes,
    said: Said = NOTHING,
    *,
    sha256: str | None = None,
    idempotency_key: str | None = None,
) -> Image:
    """Store a picture as it came, as `store` does."""
    return (await store(platform, principal, data, said, sha256=sha256, idempotency_key=idempotency_key)).image


async def store(
    platform: Platform,
    principal: Principal,
    data: bytes,
    said: Said = NOTHING,
    *,
    sha256: str | None = None,
    idempotency_key: str | None = None,
) -> Stored:
    """Store a picture as it came. What it says about itself is inspected, never trusted.

    `sha256`: what the client says that the bytes are. Raises InvalidImage, TooLarge, InvalidRequest for another hash,
    IdempotencyKeyReused, StorageUnavailable. A picture that the policy holds or blocks is stored as such.
    """
    check(principal, said)
    digest = await anyio.to_thread.run_sync(digest_of, data)
    if sha256 not in (None, digest):
        raise other_bytes(digest)
    row = begun(platform, principal, said, digest, len(data), idempotency_key)
    if row.replay_key is not None and (known := await _replay(platform, row)) is not None:
        return Stored(known, replayed=True)
    text = words_of(platform, principal.project, said)
    try:
        return Stored(await finish(platform, principal, data, said, row, text, new=True))
    except Conflict:
        # Somebody else was faster with the same key: the unique row decides, not the clock.
        if row.replay_key is None or (known := await _replay(platform, row)) is None:
            raise
        return Stored(known, replayed=True)


def check(principal: Principal, said: Said) -> None:
    """Raise NotAllowed unless the key may upload, and say what it says."""
    principal.require("images:write")
    if said.role is not None:
        principal.require("roles:assert")


def other_bytes(digest: str) -> InvalidRequest:
    """The error for bytes that are not those that were announced."""
    message = f"is not that of the bytes that came, which is {digest}"
    return InvalidRequest(
        f"The SHA-256 {message}. Something changed them on the way: send them again.",
        errors=[FieldError(pointer="/sha256", code="hash_mismatch", message=message)],
    )


def begun(
    platform: Platform, principal: Principal, said: Said, digest: str, size: int, idempotency_key: str | None = None
) -> Upload:
    """The row of an upload before its first byte. What was said goes into a row of its own (`words_of`)."""
    now, body = platform.clock.now(), {"said": said.model_dump(mode="json"), "sha256": digest}
    key = None if idempotency_key is None else f"upload\n{principal.project}\n{idempotency_key}"
    return Upload(
        id=platform.ids.new("upl"),
        project=principal.project,
        key=principal.key,
        state="receiving",
        sha256=digest,
        size=size,
        user_sha256=user_digest(principal.project, said.user) if said.user else None,
        role=said.role,
        audience=said.audience,
        tags=said.tags,
        replay_key=key and hashlib.sha256(key.encode()).hexdigest(),
        body_sha256=hashlib.sha256(canonical(body)).hexdigest(),
        created_at=now,
        expires_at=now + platform.limits.upload_expires_after,
    )


def words_of(platform: Platform, project: str, said: Said) -> PromptText | None:
    """The personal part of what was said, in the row that can be erased; None where nothing was."""
    words = said.model_dump(include={"filename", "caption", "user"}, exclude_none=True)
    return personal(platform, project, words) if words else None


async def _replay(platform: Platform, row: Upload) -> Image | None:
    async with platform.store.transaction() as tx:
        found = await tx.all(Upload, replay_key=row.replay_key, limit=1)
        if not found:
            return None
        if found[0].created_at < platform.clock.now() - platform.limits.idempotency_kept:
            await tx.change(found[0], replay_key=None)
            return None
        if found[0].body_sha256 != row.body_sha256:
            raise IdempotencyKeyReused(
                "This Idempotency-Key was used for another picture, or with other words. Send a new key for a new one."
            )
        return await tx.find(Image, found[0].image or "")


async def finish(
    platform: Platform,
    principal: Principal,
    data: bytes,
    said: Said,
    row: Upload,
    text: PromptText | None,
    *,
    new: bool,
) -> Image:
    """Screen, inspect and store what has come whole; `new` where the upload's row and words are not stored yet."""
    profile = await profile_of(platform, principal.project)
    circumstances = Circumstances(
        stage="before_request", role=said.role, audience=said.audience, project=principal.project
    )
    developed = await take_in(platform, principal.project, data, row.sha256, circumstances, profile)
    developed, also = await _with_words(platform, developed, text, circumstances, profile)
    row = row.model_copy(update={"text": text and text.id, "text_sha256": text_digest(text)}) if new else row
    ended: dict[str, Any] = {"state": "stored", "received": row.size, "image": developed.image.id, "pieces": ()}
    ended["finished_at"] = platform.clock.now()
    await platform.blobs.put(developed.blob.id, data)
    async with platform.store.transaction() as tx:
        await keep(platform, tx, developed.blob, data)
        if new:
            await tx.add(*([text] if text else []), row.model_copy(update=ended))
        else:
            await tx.change(row, **ended)
        await developed.write(
            platform,
            tx,
            None,
            requester=principal.actor,
            upload=row.id,
            key=row.key,
            text_sha256=row.text_sha256,
        )
        if also is not None:
            await tx.add(also)
    return developed.image


def text_digest(text: PromptText | None) -> str | None:
    """The salted digest of what was said; None where nothing was."""
    return salted_digest(text.salt or "", text.body or {}) if text else None


async def _with_words(
    platform: Platform, developed: Developed, text: PromptText | None, circumstances: Circumstances, profile: Profile
) -> tuple[Developed, Verdict | None]:
    """With the verdict on file name and caption: the stricter of the two decides, the other one is kept beside it."""
    body = (text.body or {}) if text else {}
    texts = {name: body[name] for name in ("filename", "caption") if name in body}
    if not texts:
        return developed, None
    digest = salted_digest((text.salt if text else None) or "", texts)
    about = About(project=developed.image.project, generation=None, image=developed.image.id)
    if profile == "pass_through":
        return developed, await unscreened(platform, platform.text_detectors, circumstances, digest, **about)
    ruling, signals = await screen_text(platform, texts, circumstances)
    ruled = verdict(platform, ruling, signals, digest, circumstances, **about)
    if rank(ruled.decision) <= rank(developed.verdict.decision):
        return developed, ruled
    state = {"moderation_state": STATE_OF[ruled.decision], "reason_code": ruled.reason_code}
    image = developed.image.model_copy(update=state)
    publication = developed.publication.model_copy(update={"state": PUBLICATION_OF[ruled.decision]})
    return replace(developed, image=image, publication=publication, verdict=ruled), developed.verdict


async def take_in(
    platform: Platform,
    project: str,
    data: bytes,
    digest: str,
    circumstances: Circumstances,
    profile: Profile,
    *,
    generation: str | None = None,
    flags: Sequence[Signal] = (),
) -> Developed:
    """Decode, screen and inspect a picture that came from outside; nothing is stored yet. `pass_through` only decodes.

    `digest`: the SHA-256 of the bytes. `generation`: the one that starts from it, for which it is screened.
    `flags` count with what is found.
    Raises InvalidImage, TooLarge.
    """
    limits, id = platform.limits, platform.ids.new("img")
    about = About(project=project, generation=generation, image=id)
    with remembering(data):
        facts, _ = await anyio.to_thread.run_sync(lambda: read_picture(data, **limits.picture))
        image = Image(
            id=id,
            project=project,
            generation=None,
            index=0,
            origin="uploaded",
            created_at=platform.clock.now(),
            width=facts.width,
            height=facts.height,
            media_type=facts.media_type,
            sha256=digest,
            original_sha256=digest,
            moderation_state="not_evaluated",
            credential_state="off" if profile == "pass_through" else "absent",
        )
        if profile == "pass_through":
            ruled = await unscreened(platform, platform.image_detectors, circumstances, digest, **about)
            return assemble(platform, _decided(image, ruled), len(data), None, ruled, uninspected(platform, image))
        known = await known_by_content(platform, project, digest)
        ruling, signals = await screen_image(platform, data, circumstances, flags=flags, known=known)
        # What is blocked is shown to nobody outside.
        choice = Choice(without=frozenset({"remote"})) if ruling.decision == "block" else EVERYTHING
        fingerprint, inspection = await _inspected(platform, image, data, facts, choice)
    if ruling.decision != "block":
        circumstances = replace(circumstances, inspection=inspected(inspection))
        ruling = await rule(platform, signals, circumstances)
    ruled = verdict(platform, ruling, signals, digest, circumstances, **about)
    image = _decided(image, ruled).model_copy(update=credential_of(inspection.evidence))
    return assemble(platform, image, len(data), fingerprint, ruled, inspection)


def _decided(image: Image, ruled: Verdict) -> Image:
    state = {"moderation_state": STATE_OF[ruled.decision], "reason_code": ruled.reason_code}
    return image.model_copy(update=state)


async def _inspected(
    platform: Platform, image: Image, data: bytes, facts: Facts, choice: Choice
) -> tuple[Fingerprint, Inspection]:
    fingerprint = await fingerprint_of(platform, image, data)
    size = facts.width, facts.height
    inspection = await inspect(
        platform,
        data,
        facts.media_type,
        project=image.project,
        own=image,
        fingerprint=fingerprint,
        size=size,
        choice=choice,
    )
    return fingerprint, inspection
