"""Present: nouns in the shapes that the API answers with."""

from collections.abc import Callable

from platemark.core.generation import Generation
from platemark.core.image import Image, Publication
from platemark.core.inspection import Inspection
from platemark.core.ports import Platform, Reading
from platemark.core.resource import (
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
from platemark.flows.content import sign
from platemark.flows.resolve import DEFAULT, models, named

# From a path to the absolute URL under which clients reach it.
ImageUrl = Callable[[str], str]


async def generation_resource(platform: Platform, generation: Generation, *, url: ImageUrl) -> GenerationResource:
    """A generation with its images and links; `b64_json` is left to whoever writes the bytes."""
    async with platform.store.reading() as read:
        images = await read.all(Image, generation=generation.id, order_by="index")
        shown = tuple([await _image(platform, read, image, url) for image in images])
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
        moderation=ImageModeration(state=image.moderation_state, reason_code=image.reason_code),
        inspection=ImageInspection(id=inspection.id, verdict=inspection.verdict, tier=inspection.tier)
        if inspection
        else None,
        publication=ImagePublication(id=publications[-1].id, state=publications[-1].state) if publications else None,
    )


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
