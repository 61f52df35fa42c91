"""Upload: somebody else's picture gets a file, a verdict and an inspection, as ours do (promise P1)."""

from collections.abc import Sequence

import anyio

from platemark.core.image import Image
from platemark.core.moderation import STATE_OF, Signal, Verdict
from platemark.core.ports import Circumstances, Platform
from platemark.core.project import Principal, Profile
from platemark.flows.develop import Developed, assemble
from platemark.flows.inspect import credential_of, fingerprint_of, inspect
from platemark.flows.screen import About, screen_image, verdict
from platemark.flows.unchecked import digest_of, profile_of, uninspected, unscreened
from platemark.imaging.decode import Facts, inspect_bytes


async def upload(platform: Platform, principal: Principal, data: bytes) -> Image:
    """Store a picture as it came. What it says about itself is inspected, never trusted.

    Raises InvalidImage, TooLarge, StorageUnavailable. A picture that the policy holds or blocks is stored as such.
    """
    principal.require("images:write")
    profile = await profile_of(platform, principal.project)
    developed = await take_in(
        platform, principal.project, data, Circumstances(stage="before_request", project=principal.project), profile
    )
    await platform.blobs.put(developed.blob.id, data)
    async with platform.store.transaction() as tx:
        await developed.write(platform, tx, None)
    return developed.image


async def take_in(
    platform: Platform,
    project: str,
    data: bytes,
    circumstances: Circumstances,
    profile: Profile,
    *,
    generation: str | None = None,
    flags: Sequence[Signal] = (),
) -> Developed:
    """Decode, screen and inspect a picture that came from outside; nothing is stored yet. `pass_through` only decodes.

    `generation`: the one that starts from it, for which it is screened. `flags` count with what is found.
    Raises InvalidImage, TooLarge.
    """
    limits = platform.limits
    facts = await anyio.to_thread.run_sync(
        lambda: inspect_bytes(data, max_bytes=limits.max_image_bytes, max_pixels=limits.max_pixels)
    )
    id = platform.ids.new("img")
    about = About(project=project, generation=generation, image=id)
    if profile == "pass_through":
        digest = await anyio.to_thread.run_sync(digest_of, data)
        ruled = await unscreened(platform, platform.image_detectors, circumstances, digest, **about)
    else:
        ruling, signals, digest = await screen_image(platform, data, circumstances, flags=flags)
        ruled = verdict(platform, ruling, signals, digest, circumstances, **about)
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
        moderation_state=STATE_OF[ruled.decision],
        reason_code=ruled.reason_code,
        credential_state="off" if profile == "pass_through" else "absent",
    )
    if profile == "pass_through":
        return assemble(platform, image, len(data), None, ruled, uninspected(platform, image))
    return await _inspected(platform, image, data, facts, ruled)


async def _inspected(platform: Platform, image: Image, data: bytes, facts: Facts, ruled: Verdict) -> Developed:
    fingerprint = await fingerprint_of(platform, image, data)
    inspection = await inspect(
        platform,
        data,
        facts.media_type,
        project=image.project,
        own=image,
        fingerprint=fingerprint,
        size=(facts.width, facts.height),
    )
    image = image.model_copy(update=credential_of(inspection.evidence))
    return assemble(platform, image, len(data), fingerprint, ruled, inspection)
