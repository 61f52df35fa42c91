"""Develop: from a provider's bytes to an image with its file, verdict, credential and inspection (promise P1)."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import anyio

from platemark.core.attempt import Output
from platemark.core.generation import REVISED, Generation, PromptText, Warning
from platemark.core.image import MEDIA_TYPES, Blob, Fingerprint, Image, Publication, PublicationState
from platemark.core.inspection import Inspection
from platemark.core.moderation import STATE_OF, Ruled, Signal, Verdict
from platemark.core.ports import Circumstances, Platform, Transaction
from platemark.core.watermark import WatermarkNumber
from platemark.flows import originals
from platemark.flows.inspect import credential_of, inspect
from platemark.flows.keeping import holds
from platemark.flows.note import is_hard, open_review, tell
from platemark.flows.order import parents_of, used_inputs
from platemark.flows.registry import entry_of, fingerprint_of
from platemark.flows.screen import PROVIDER, About, measure_text, screen_image, verdict
from platemark.flows.seal import seal_output
from platemark.flows.unchecked import digest_of, uninspected, unscreened
from platemark.flows.watermark import mark_output, not_carried
from platemark.imaging.decode import inspect_header, normalise
from platemark.telemetry import IMAGES

# What was not evaluated waits as what is to be reviewed does.
PUBLICATION_OF: dict[Ruled, PublicationState] = {
    "off": "held",
    "allow": "draft",
    "label": "draft",
    "review": "held",
    "block": "rejected",
}


@dataclass(frozen=True, slots=True)
class Developed:
    """Everything about one new image that the closing transaction writes."""

    image: Image
    blob: Blob
    fingerprint: Fingerprint | None
    verdict: Verdict
    inspection: Inspection
    publication: Publication
    warnings: tuple[Warning, ...] = ()
    original: Blob | None = None
    number: WatermarkNumber | None = None

    async def write(
        self,
        platform: Platform,
        tx: Transaction,
        about: Generation | None,
        *,
        requester: str | None = None,
        **facts: Any,
    ) -> None:
        """Insert the rows and tell about the image; open a review where the verdict asks for one.

        What concerns the safety of children is blocked or held, kept from deletion, and brought to who answers for it.

        `requester`: who brought an upload; `facts` of it stand in the event.
        """
        image = self.image
        for blob in {each.id: each for each in (self.blob, self.original) if each}.values():
            kept = await tx.find(Blob, blob.id)
            if kept is None:
                await tx.add(blob)
            elif kept.doomed_at is not None:
                await tx.change(kept, doomed_at=None)
        prints = [each for each in (self.fingerprint, self.number) if each]
        hard = is_hard(self.verdict)
        ruled = self.verdict.model_copy(update={"review_status": "pending"}) if hard else self.verdict
        entries = [entry_of(platform, image, image.sha256, self.fingerprint)] if self.fingerprint else []
        await tx.add(image, *prints, *entries, ruled, self.inspection, self.publication)
        await tell(
            platform,
            tx,
            "image.stored" if about else "image.uploaded",
            image,
            sha256=image.sha256,
            original_sha256=image.original_sha256,
            moderation=image.moderation_state,
            reason_code=image.reason_code,
            policy_version=self.verdict.policy_version,
            credential=image.credential_state,
            watermark=self.number.id if self.number else None,
            publication=self.publication.state,
            **facts,
        )
        if image.credential_state != "off":
            found = self.inspection
            await tell(
                platform, tx, "image.inspected", image, inspection=found.id, verdict=found.verdict, tier=found.tier
            )
        if ruled.decision == "review" or hard:
            await open_review(platform, tx, image, ruled, requester=requester)
        if hard:
            await holds.freeze(platform, tx, image)
        IMAGES.labels(image.origin, image.moderation_state).inc()


async def develop(
    platform: Platform, generation: Generation, output: Output, original: bytes | None = None
) -> Developed:
    """Decode, screen, seal, store and inspect one output. Raises InvalidImage, SealFailed, StorageUnavailable.

    `original`: its bytes, where they are at hand.
    """
    original = await originals.read(platform, output) if original is None else original
    if generation.profile == "pass_through":
        return await _as_it_came(platform, generation, output, original)
    limits = platform.limits
    normal = await anyio.to_thread.run_sync(lambda: normalise(original, generation.output_format, **limits.picture))
    circumstances = _circumstances(generation)
    flags = (*_flags(output), *await _revised(platform, generation, output))
    ruling, signals = await screen_image(platform, normal.data, circumstances, flags=flags)
    looked_at = await anyio.to_thread.run_sync(digest_of, normal.data)
    image_id, now = platform.ids.new("img"), platform.clock.now()
    media_type = MEDIA_TYPES[generation.output_format]
    marked = await mark_output(platform, generation, image_id, normal.data, media_type, output.index)
    data = await seal_output(
        platform, generation, output, original, image_id, marked.data, media_type, soft_binding=marked.binding
    )
    digest = hashlib.sha256(data).hexdigest()
    await platform.blobs.put(f"{generation.project}/{digest}", data)
    kept = await originals.stay(platform, output, original)
    image = Image(
        id=image_id,
        project=generation.project,
        generation=generation.id,
        index=output.index,
        origin="generated",
        created_at=now,
        seed=output.seed,
        width=normal.width,
        height=normal.height,
        media_type=media_type,
        sha256=digest,
        original_sha256=output.sha256,
        parents=parents_of(used_inputs(generation)),
        moderation_state=STATE_OF[ruling.decision],
        reason_code=ruling.reason_code,
        credential_state="absent",
    )
    fingerprint = await fingerprint_of(platform, image, normal.data, normal.pixels)
    inspection = await inspect(
        platform,
        data,
        media_type,
        project=image.project,
        own=image,
        fingerprint=fingerprint,
        size=(normal.width, normal.height),
    )
    image = image.model_copy(update=credential_of(inspection.evidence))
    about = About(project=image.project, generation=generation.id, image=image_id)
    ruled = verdict(platform, ruling, signals, looked_at, circumstances, **about)
    warnings = (*_warnings(output), *marked.warnings)
    developed = assemble(platform, image, len(data), fingerprint, ruled, inspection, warnings)
    return replace(developed, original=kept, number=marked.number)


async def _as_it_came(platform: Platform, generation: Generation, output: Output, data: bytes) -> Developed:
    """The bytes themselves become the image: only their header is read. Raises InvalidImage, StorageUnavailable."""
    limits, id = platform.limits, platform.ids.new("img")
    facts = await anyio.to_thread.run_sync(lambda: inspect_header(data, **limits.picture))
    circumstances = _circumstances(generation)
    about = About(project=generation.project, generation=generation.id, image=id)
    detectors, flags = platform.image_detectors, _flags(output)
    ruled = await unscreened(platform, detectors, circumstances, output.sha256, flags=flags, **about)
    await platform.blobs.put(f"{generation.project}/{output.sha256}", data)
    image = Image(
        id=id,
        project=generation.project,
        generation=generation.id,
        index=output.index,
        origin="generated",
        created_at=platform.clock.now(),
        seed=output.seed,
        width=facts.width,
        height=facts.height,
        media_type=facts.media_type,
        sha256=output.sha256,
        original_sha256=output.sha256,
        parents=parents_of(used_inputs(generation)),
        moderation_state=STATE_OF[ruled.decision],
        reason_code=ruled.reason_code,
        credential_state="off",
    )
    warnings = (*_warnings(output), *_other_format(generation, facts.media_type), *_unmarked(generation, output))
    return assemble(platform, image, len(data), None, ruled, uninspected(platform, image), warnings)


def _circumstances(generation: Generation) -> Circumstances:
    return Circumstances(
        stage="after_response",
        role=generation.role,
        audience=generation.audience,
        project=generation.project,
        operation=generation.operation,
        model=generation.model,
    )


def _other_format(generation: Generation, media_type: str) -> tuple[Warning, ...]:
    wanted = generation.output_format
    if media_type == MEDIA_TYPES[wanted]:
        return ()
    message = f"The picture is {media_type}, as its model gave it: in the profile pass_through none is made {wanted}."
    return (Warning(code="format_differs", field="output_format", message=message),)


def _unmarked(generation: Generation, output: Output) -> tuple[Warning, ...]:
    if generation.watermark != "output":
        return ()
    return (not_carried(output.index, "in the profile pass_through no picture is changed"),)


def assemble(
    platform: Platform,
    image: Image,
    size: int,
    fingerprint: Fingerprint | None,
    ruled: Verdict,
    inspection: Inspection,
    warnings: tuple[Warning, ...] = (),
) -> Developed:
    """The parts together: the blob's row, the publication as the verdict leaves it, the image naming its inspection."""
    blob = Blob(
        id=f"{image.project}/{image.sha256}",
        project=image.project,
        sha256=image.sha256,
        size=size,
        media_type=image.media_type,
        created_at=image.created_at,
    )
    publication = Publication(
        id=platform.ids.new("pub"),
        project=image.project,
        image=image.id,
        state=PUBLICATION_OF[ruled.decision],
        created_at=image.created_at,
        changed_at=image.created_at,
    )
    image = image.model_copy(update={"inspection": inspection.id})
    return Developed(image, blob, fingerprint, ruled, inspection, publication, warnings)


def _flags(output: Output) -> tuple[Signal, ...]:
    """What the provider said about its own picture, as signals: each flag names a reason code."""
    return tuple(
        Signal(detector=f"{PROVIDER}{output.attempt}", version="1", category=code, score=1.0, evidence={"flag": code})
        for code in output.flags.get("reason_codes", ())
    )


async def _revised(platform: Platform, generation: Generation, output: Output) -> tuple[Signal, ...]:
    """What is found in the prompt that the provider made of ours: it is the one that was drawn."""
    if not output.flags.get(REVISED):
        return ()
    async with platform.store.reading() as read:
        said = (await read.get(PromptText, generation.text)).body or {}
    text = said.get(REVISED, {}).get(str(output.index))
    return await measure_text(platform, {"revised_prompt": text}) if text else ()


def _warnings(output: Output) -> tuple[Warning, ...]:
    return tuple(Warning.model_validate(warning) for warning in output.flags.get("warnings", ()))
