"""Seal: what a credential says of a picture that was made here, and of one that is released."""

from platemark.core.attempt import Output
from platemark.core.errors import NotFound
from platemark.core.generation import Generation, Input
from platemark.core.image import Image
from platemark.core.model import Operation
from platemark.core.ports import Claim, Ingredient, Platform
from platemark.flows import originals
from platemark.flows.order import used_inputs

_IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
AI_SOURCE = f"{_IPTC}trainedAlgorithmicMedia"
# IPTC's own word for what these two make: part of the picture is that of the source.
COMPOSITE_SOURCE = f"{_IPTC}compositeWithTrainedAlgorithmicMedia"
_COMPOSITES = frozenset({"inpaint", "outpaint"})
SOFTWARE = "Platemark"


def source_type_of(operation: Operation) -> str:
    """The IPTC digital source type of what an operation makes."""
    return COMPOSITE_SOURCE if operation in _COMPOSITES else AI_SOURCE


async def seal_output(
    platform: Platform,
    generation: Generation,
    output: Output,
    original: bytes,
    image: str,
    data: bytes,
    media_type: str,
    *,
    soft_binding: str | None = None,
) -> bytes:
    """A generated picture with its credential; what it was made from goes along as ingredients.

    `original`: what the provider gave; with a credential of its own it is the parent. `image`: the id that the picture
    will have. `soft_binding`: the value of the watermark in its pixels.
    Raises SealFailed, StorageUnavailable.
    """
    ingredients = await _sources(platform, generation)
    theirs = originals.has_credential(output, original)
    if theirs:
        # A picture has one parent: what the provider signed stands between its sources and ours.
        ingredients = [Ingredient(each.title, each.media_type, "inputTo", each.data) for each in ingredients]
        ingredients.append(Ingredient("original", output.media_type, "parentOf", original))
    claim = Claim(
        image=image,
        title=image,
        digital_source_type=source_type_of(generation.operation),
        software=SOFTWARE,
        model=generation.model,
        when=platform.clock.now().isoformat(),
        actions=(*_made(ingredients, theirs), *_marked(soft_binding)),
        ingredients=tuple(ingredients),
        soft_binding=_binding(platform, soft_binding),
    )
    return await platform.provenance.seal(data, media_type, claim)


async def seal_release(
    platform: Platform,
    image: Image,
    data: bytes,
    media_type: str,
    *,
    soft_binding: str | None = None,
    label: str | None = None,
    changes: tuple[str, ...] = (),
) -> bytes:
    """A file that leaves, with a credential of its own whose parent is the stored image.

    `data`: the picture as it is to be released, encoded as `media_type`; nothing may touch what is returned.
    `soft_binding`: the value of the watermark in it. `label`: the visible label's text. `changes`: what was done to the
    stored picture besides, by C2PA's names: `resized`, `addedText`, `transcoded`.
    Raises SealFailed, NotFound, StorageUnavailable.
    """
    stored = await platform.blobs.get(f"{image.project}/{image.sha256}")
    claim = Claim(
        image=image.id,
        title=image.id,
        digital_source_type=await _source_type(platform, image),
        software=SOFTWARE,
        model=None,
        when=platform.clock.now().isoformat(),
        actions=("opened", *changes, *_marked(soft_binding), "published"),
        ingredients=(Ingredient(image.id, image.media_type, "parentOf", stored),),
        soft_binding=_binding(platform, soft_binding),
        label=label,
    )
    return await platform.provenance.seal(data, media_type, claim)


async def _sources(platform: Platform, generation: Generation) -> list[Ingredient]:
    """The pictures that its model was given: the one that it changed is the parent, guides and masks are inputs."""
    return [await _source(platform, each) for each in used_inputs(generation)]


async def _source(platform: Platform, wanted: Input) -> Ingredient:
    async with platform.store.reading() as read:
        image = await read.get(Image, wanted.image)
    data = None
    if image.credential_state != "absent":
        try:
            data = await platform.blobs.get(f"{image.project}/{image.sha256}")
        except NotFound:
            # Deleted while the picture was drawn: it is named all the same.
            data = None
    return Ingredient(image.id, image.media_type, "parentOf" if wanted.role == "image" else "inputTo", data)


def _made(ingredients: list[Ingredient], theirs: bool) -> tuple[str, ...]:
    if theirs:
        return ("opened", "transcoded")
    changed = any(each.relationship == "parentOf" for each in ingredients)
    return ("opened", "edited") if changed else ("created",)


def _marked(soft_binding: str | None) -> tuple[str, ...]:
    return ("watermarked.bound",) if soft_binding else ()


def _binding(platform: Platform, value: str | None) -> tuple[str, str] | None:
    version = platform.watermark.version if platform.watermark else "0"
    return (f"platemark.iss-dct.{version}", value) if value else None


async def _source_type(platform: Platform, image: Image) -> str | None:
    """What the picture is by its origin; None for an upload, which we did not make."""
    if image.generation is None:
        return None
    async with platform.store.reading() as read:
        generation = await read.get(Generation, image.generation)
    return source_type_of(generation.operation)
