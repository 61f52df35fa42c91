"""Record: everything about an image or a generation as one document, with its audit chain recomputed (promise P8)."""

from typing import Any

from platemark.core.attempt import Attempt
from platemark.core.audit import GENESIS, verify
from platemark.core.base import JsonObject, Noun
from platemark.core.delivery import Delivery
from platemark.core.errors import AuditBroken
from platemark.core.generation import REVISED, Generation, Input, PromptText
from platemark.core.image import Image, Publication
from platemark.core.inspection import Inspection, document
from platemark.core.moderation import Verdict
from platemark.core.money import Cost
from platemark.core.ports import Platform, Reading
from platemark.core.project import Principal
from platemark.core.record import (
    GenerationRecord,
    Record,
    RecordAttempt,
    RecordChain,
    RecordHop,
    RecordImage,
    RecordInput,
    RecordRequest,
    RecordUsage,
)
from platemark.core.rendition import Rendition
from platemark.core.review import Decision, Review
from platemark.flows import look
from platemark.flows.keeping import kept
from platemark.flows.order import parents_of
from platemark.flows.resolve import models
from platemark.flows.watermark import record_of

# What only the desk works with, and what stands in the record already.
_OF_THE_QUEUE = {"project", "user_sha256", "place", "barred", "version", "claimed_by", "claimed_at", "lease_until"}
_KNOWN = {"project", "review"}


async def image_record(platform: Platform, principal: Principal, image_id: str) -> Record:
    """The record of one image, also of a deleted one. Raises NotFound."""
    image = await look.image(platform, principal, image_id)
    async with platform.store.reading() as read:
        return await _image(platform, read, image)


async def generation_record(platform: Platform, principal: Principal, generation_id: str) -> GenerationRecord:
    """The record of one generation with those of its images. Raises NotFound."""
    generation = await look.generation(platform, principal, generation_id)
    async with platform.store.reading() as read:
        images = await read.all(Image, generation=generation.id, order_by="index")
        attempts = await read.all(Attempt, generation=generation.id, order_by="number")
        return GenerationRecord(
            generation=_plain(generation, "id", "status", "needs_attention", "error", "created_at", "finished_at"),
            request=await _request(read, generation),
            attempts=tuple(_attempt(attempt) for attempt in attempts),
            moderation=await _moderation(read, generation, None),
            reviews=await _reviews(read, await read.all(Review, generation=generation.id)),
            images=tuple([await _image(platform, read, image) for image in images]),
            holds=await kept.holds_of(read, *images, generation=generation.id),
            takedowns=await kept.takedowns_of(read, *images),
            usage=_usage(generation, attempts),
            chain=await _chain(read, generation.project, generation=generation.id),
        )


async def _image(platform: Platform, read: Reading, image: Image) -> Record:
    generation = await read.find(Generation, image.generation) if image.generation else None
    attempts = await read.all(Attempt, generation=generation.id, order_by="number") if generation else []
    inspection = await read.find(Inspection, image.inspection) if image.inspection else None
    chain = {"generation": generation.id} if generation else {"image": image.id}
    return Record(
        image=_picture(image),
        request=await _request(read, generation) if generation else None,
        upload=await kept.upload_of(read, image),
        attempts=tuple(_attempt(attempt) for attempt in attempts),
        moderation=await _moderation(read, generation, image),
        inspection=document(inspection) if inspection else None,
        reviews=await _reviews(read, await _about(read, image)),
        publications=tuple([await _publication(read, one) for one in await read.all(Publication, image=image.id)]),
        credential={"state": image.credential_state, "signer": image.credential_signer},
        watermark=await record_of(read, image, generation),
        holds=await kept.holds_of(read, image, generation=image.generation),
        takedowns=await kept.takedowns_of(read, image),
        usage=_usage(generation, attempts) if generation else None,
        licence=_licence(platform, generation) if generation else None,
        chain=await _chain(read, image.project, **chain),
    )


async def _publication(read: Reading, publication: Publication) -> JsonObject:
    """A release with its files and their ways to targets."""
    renditions = await read.all(Rendition, publication=publication.id, order_by="id")
    deliveries = await read.all(Delivery, publication=publication.id, order_by="id")
    return _all(publication) | {"renditions": [*map(_all, renditions)], "deliveries": [*map(_all, deliveries)]}


def _picture(image: Image) -> RecordImage:
    return RecordImage(
        **{name: getattr(image, name) for name in RecordImage.model_fields if name != "stored"},
        stored=image.deleted_at is None,
    )


async def _request(read: Reading, generation: Generation) -> RecordRequest:
    text = await read.get(PromptText, generation.text)
    said = text.body or {}
    same = (
        "project",
        "role",
        "audience",
        "key",
        "operation",
        "lane",
        "profile",
        "text_sha256",
        "requested_model",
        "model",
        "model_revision",
        "tags",
        "dropped",
        "warnings",
    )
    return RecordRequest(
        **{name: getattr(generation, name) for name in same},
        generation=generation.id,
        route=tuple(
            RecordHop.model_validate(hop.model_dump(include=set(RecordHop.model_fields))) for hop in generation.route
        ),
        user=said.get("user"),
        prompt=said.get("prompt"),
        negative_prompt=said.get("negative_prompt"),
        revised_prompts=said.get(REVISED, {}),
        text_erased_at=text.erased_at,
        prompt_version=None,
        parameters=generation.parameters.said,
        inputs=tuple([await _input(read, wanted) for wanted in generation.inputs]),
        accepted_at=generation.created_at,
    )


async def _input(read: Reading, wanted: Input) -> RecordInput:
    image = await read.get(Image, wanted.image)
    return RecordInput(**wanted.model_dump(), sha256=image.sha256)


def _attempt(attempt: Attempt) -> RecordAttempt:
    cost = Cost(status=attempt.cost_status, micro_usd=attempt.cost_micro_usd, basis=attempt.cost_basis)
    return RecordAttempt(
        **{name: getattr(attempt, name) for name in RecordAttempt.model_fields if name != "cost"}, cost=cost
    )


async def _moderation(read: Reading, generation: Generation | None, image: Image | None) -> tuple[JsonObject, ...]:
    """Verdicts on the request and its sources, and on this image where one is named."""
    if generation is None:
        found = await read.all(Verdict, image=image.id) if image else []
    else:
        about = {None, image.id if image else None, *parents_of(generation.inputs)}
        found = [ruled for ruled in await read.all(Verdict, generation=generation.id) if ruled.image in about]
    return tuple(_all(ruled) for ruled in found)


async def _about(read: Reading, image: Image) -> list[Review]:
    """Cases about the image, and about the request that it came from."""
    asked = await read.all(Review, generation=image.generation) if image.generation else []
    found = {case.id: case for case in (*await read.all(Review, image=image.id), *asked)}
    return [found[id] for id in sorted(found) if found[id].image in (None, image.id)]


async def _reviews(read: Reading, cases: list[Review]) -> tuple[JsonObject, ...]:
    """Each case with what was decided, in order; what people wrote stays with the case, as does who held it when."""
    found = [(case, await read.all(Decision, review=case.id, order_by="id")) for case in cases]
    return tuple(
        case.model_dump(mode="json", exclude=_OF_THE_QUEUE)
        | {"decisions": [made.model_dump(mode="json", exclude=_KNOWN) for made in decisions]}
        for case, decisions in found
    )


def _usage(generation: Generation, attempts: list[Attempt]) -> RecordUsage:
    started, finished = generation.started_at, generation.finished_at
    return RecordUsage(
        queue_ms=round((started - generation.created_at).total_seconds() * 1000) if started else None,
        run_ms=round((finished - started).total_seconds() * 1000) if started and finished else None,
        attempts=len(attempts),
        cost=generation.cost,
    )


def _licence(platform: Platform, generation: Generation) -> JsonObject:
    model = next((model for model in models(platform) if model.id == generation.model), None)
    return {
        "model": model.licence if model else None,
        "note": model.licence_note if model else "the model is no longer configured",
    }


async def _chain(read: Reading, project: str, **subject: str) -> RecordChain:
    """Recompute the part of the project's chain that speaks of the subject; `audit verify` does the whole."""
    span = await read.chain_span(project, **subject)
    if span is None:
        return RecordChain(first_seq=None, last_seq=None, head=GENESIS, verified=False)
    first, last = span
    before = await read.chain(project, after=first - 2, limit=1) if first > 1 else []
    lines = await read.chain(project, after=first - 1, limit=last - first + 1)
    try:
        head = verify(lines, after=before[0] if before else None)
    except AuditBroken:
        head = None
    whole = head is not None and head.seq == last
    return RecordChain(first_seq=first, last_seq=last, head=lines[-1].hash if lines else GENESIS, verified=whole)


def _all(noun: Noun) -> JsonObject:
    return noun.model_dump(mode="json")


def _plain(noun: Noun, *names: str) -> dict[str, Any]:
    return noun.model_dump(mode="json", include=set(names))
