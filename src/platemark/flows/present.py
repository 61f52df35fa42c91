"""Present: nouns in the shapes that the API answers with."""

from collections.abc import Callable

from platemark.core.generation import Generation
from platemark.core.image import Image, Publication
from platemark.core.inspection import Inspection
from platemark.core.ports import Platform, Reading
from platemark.core.resource import (
    AppealInfo,
    GenerationModeration,
    GenerationResource,
    HopResource,
    ImageInspection,
    ImageModeration,
    ImagePublication,
    ImageResource,
    InputResource,
    Links,
    ModelResource,
    PriceResource,
    RouteResource,
    WarningResource,
)
from platemark.core.sentence import sentence
from platemark.flows.content import sign
from platemark.flows.resolve import DEFAULT, models, named
from platemark.flows.reviews.appeal import Standing, standing
from platemark.flows.reviews.effects import by_policy

# From a path to the absolute URL under which clients reach it.
ImageUrl = Callable[[str], str]


async def generation_resource(platform: Platform, generation: Generation, *, url: ImageUrl) -> GenerationResource:
    """A generation with its images and links; `b64_json` is left to whoever writes the bytes."""
    async with platform.store.reading() as read:
        images = await read.all(Image, generation=generation.id, order_by="index")
        shown = tuple([await _image(platform, read, image, url) for image in images])
        moderation = await _moderation(platform, read, generation, url)
    here = url(f"/v1/generations/{generation.id}")
    same = (
        "id",
        "status",
        "operation",
        "model",
        "requested_model",
        "lane",
        "profile",
        "tags",
        "retry_at",
        "created_at",
        "started_at",
        "finished_at",
        "needs_attention",
        "cost",
        "error",
    )
    return GenerationResource(
        **{name: getattr(generation, name) for name in same},
        route=tuple(HopResource.model_validate(hop.model_dump()) for hop in generation.route),
        parameters=generation.parameters.said,
        inputs=tuple(InputResource.model_validate(each.model_dump()) for each in generation.inputs),
        warnings=tuple(WarningResource.model_validate(warning.model_dump()) for warning in generation.warnings),
        moderation=moderation,
        images=shown,
        urls=Links(self=here, events=f"{here}/events", cancel=f"{here}/cancel", record=f"{here}/record"),
    )


async def image_resource(platform: Platform, image: Image, *, url: ImageUrl) -> ImageResource:
    """One image. `url` is None where no bytes are given out."""
    async with platform.store.reading() as read:
        return await _image(platform, read, image, url)


async def _image(platform: Platform, read: Reading, image: Image, url: ImageUrl) -> ImageResource:
    inspection = await read.find(Inspection, image.inspection) if image.inspection else None
    publications = await read.all(Publication, image=image.id)
    path, expires = sign(platform, image.id) if image.readable else (None, None)
    same = (
        "id",
        "generation",
        "origin",
        "index",
        "seed",
        "width",
        "height",
        "media_type",
        "sha256",
        "created_at",
        "deleted_at",
        "parents",
    )
    return ImageResource(
        **{name: getattr(image, name) for name in same},
        url=url(path) if path else None,
        url_expires_at=expires,
        moderation=await _image_moderation(platform, read, image, url),
        inspection=ImageInspection(id=inspection.id, verdict=inspection.verdict, tier=inspection.tier)
        if inspection
        else None,
        publication=ImagePublication(id=publications[-1].id, state=publications[-1].state) if publications else None,
    )


async def _image_moderation(platform: Platform, read: Reading, image: Image, url: ImageUrl) -> ImageModeration:
    found = ImageModeration(state=image.moderation_state, reason_code=image.reason_code)
    if image.moderation_state == "in_review":
        return found.model_copy(update={"message": sentence("review", None)})
    known = await standing(platform, read, image=image.id) if image.moderation_state == "blocked" else None
    if known is None:
        return found
    appeal = _appeal(known, url(f"/v1/images/{image.id}/appeal"))
    return found.model_copy(update={"message": known.message, "appeal": appeal})


async def _moderation(
    platform: Platform, read: Reading, generation: Generation, url: ImageUrl
) -> GenerationModeration | None:
    if generation.status == "held":
        return GenerationModeration(message=sentence("review", None))
    mine = generation.status == "blocked" and by_policy(generation)
    known = await standing(platform, read, generation=generation.id) if mine else None
    if known is None:
        return None
    appeal = _appeal(known, url(f"/v1/generations/{generation.id}/appeal"))
    return GenerationModeration(reason_code=known.reason_code, message=known.message, appeal=appeal)


def _appeal(known: Standing, address: str) -> AppealInfo | None:
    if known.appeal is not None:
        return AppealInfo(state=known.appeal.state, review=known.appeal.id)
    return AppealInfo(state="possible", url=address, until=known.until) if known.until else None


def model_resources(platform: Platform) -> list[ModelResource]:
    """Every configured model with the aliases that lead to it and the routes that it is part of."""
    named_models = [(name, named(platform, name)) for name in sorted(platform.aliases) if name != DEFAULT]
    return [
        ModelResource(
            id=model.id,
            provider=model.provider,
            revision=model.revision,
            licence=model.licence,
            licence_note=model.licence_note,
            description=model.description,
            capabilities=model.capabilities.model_dump(mode="json"),
            price=model.price and PriceResource(**model.price.model_dump()),
            available=platform.providers[model.provider].health.circuit != "open",
            aliases=tuple(name for name, ids in named_models if ids == (model.id,)),
            routes=tuple(
                RouteResource(name=name, models=ids) for name, ids in named_models if len(ids) > 1 and model.id in ids
            ),
        )
        for model in models(platform)
    ]
