"""Order: what a provider is asked, put together from the rows and bytes of one generation."""

from collections.abc import Iterable

import anyio

from platemark.core.attempt import Attempt
from platemark.core.errors import GenerationCanceled, Gone, NotFound
from platemark.core.generation import Generation, Input, PromptText
from platemark.core.image import Image
from platemark.core.ports import Platform
from platemark.core.updates import Order
from platemark.imaging.sources import as_png, open_source

# The field of the request that each role of an input comes from.
_FIELDS = {"image": "image", "mask": "mask", "control": "controls"}


async def order_of(platform: Platform, generation: Generation, attempt: Attempt) -> Order:
    """The order of an attempt, its sources decoded anew from what was stored at acceptance.

    Raises GenerationCanceled when its text was erased, Gone when a source was deleted or blocked meanwhile.
    """
    async with platform.store.reading() as read:
        text = await read.get(PromptText, generation.text)
    if text.body is None:
        raise GenerationCanceled("The text of this generation was erased before it was drawn.")
    wanted, dropped = generation.parameters, generation.dropped
    pictures = {(each.role, each.index): await _picture(platform, each) for each in used_inputs(generation)}
    return Order(
        model=generation.model,
        operation=generation.operation,
        prompt=text.body["prompt"],
        negative_prompt=None if "negative_prompt" in dropped else text.body["negative_prompt"],
        parameters=wanted,
        seeds=tuple(wanted.seed + index for index in range(wanted.n)),
        idempotency_key=attempt.id,
        previews=generation.lane == "interactive",
        lane=generation.lane,
        looks=generation.profile != "pass_through",
        image=pictures.get(("image", 0)),
        mask=pictures.get(("mask", 0)),
        guides=tuple(pictures["control", index] for index in range(len(wanted.controls))),
    )


def used_inputs(generation: Generation) -> tuple[Input, ...]:
    """The inputs that its model gets: what that one drops is only kept for others of the route."""
    return tuple(each for each in generation.inputs if _FIELDS[each.role] not in generation.dropped)


def parents_of(inputs: Iterable[Input]) -> tuple[str, ...]:
    """The images that every output of a generation descends from, each once."""
    return tuple(dict.fromkeys(each.image for each in inputs))


async def _picture(platform: Platform, wanted: Input) -> bytes:
    """A source as providers get it: PNG, upright, without metadata."""
    async with platform.store.reading() as read:
        image = await read.get(Image, wanted.image)
    if image.deleted_at is not None or image.moderation_state == "blocked":
        raise _gone(image)
    try:
        data = await platform.blobs.get(f"{image.project}/{image.sha256}")
    except NotFound:
        raise _gone(image) from None
    limits = platform.limits
    return await anyio.to_thread.run_sync(lambda: as_png(open_source(data, wanted.role, **limits.picture)))


def _gone(image: Image) -> Gone:
    state = "deleted" if image.deleted_at else image.moderation_state
    return Gone(f"The source {image.id} was {state} before the picture was drawn. Send the request again with another.")
