"""Look: reads that are bounded by the caller's project. What belongs to another project is not found."""

from typing import TypeVar

from platemark.core.errors import NotFound
from platemark.core.event import Event
from platemark.core.generation import Generation
from platemark.core.image import Image
from platemark.core.inspection import Inspection
from platemark.core.ports import Page, Platform, Query
from platemark.core.project import Principal

Owned = TypeVar("Owned", Generation, Image, Inspection)
_WORDS = {Generation: "generation", Image: "image", Inspection: "inspection"}


async def _owned(platform: Platform, principal: Principal, kind: type[Owned], id: str) -> Owned:
    principal.require("images:read")
    async with platform.store.reading() as read:
        found = await read.find(kind, id)
    if found is None or found.project != principal.project:
        raise NotFound(f"There is no {_WORDS[kind]} {id!r} in this project.")
    return found


async def generation(platform: Platform, principal: Principal, id: str) -> Generation:
    """One generation. Raises NotFound."""
    return await _owned(platform, principal, Generation, id)


async def image(platform: Platform, principal: Principal, id: str) -> Image:
    """One image. Raises NotFound."""
    return await _owned(platform, principal, Image, id)


async def inspection(platform: Platform, principal: Principal, id: str) -> Inspection:
    """One inspection. Raises NotFound."""
    return await _owned(platform, principal, Inspection, id)


async def generations(platform: Platform, principal: Principal, query: Query) -> Page[Generation]:
    """A page of the project's generations, newest first."""
    principal.require("images:read")
    async with platform.store.reading() as read:
        return await read.page(Generation, query)


async def images(platform: Platform, principal: Principal, query: Query) -> Page[Image]:
    """A page of the project's images, newest first."""
    principal.require("images:read")
    async with platform.store.reading() as read:
        return await read.page(Image, query)


async def inspections(platform: Platform, principal: Principal, query: Query) -> Page[Inspection]:
    """A page of the project's inspections, newest first: of its images, and of files that were analysed."""
    principal.require("images:read")
    async with platform.store.reading() as read:
        return await read.page(Inspection, query)


async def events(
    platform: Platform, principal: Principal, generation_id: str | None, after: int, limit: int = 1000
) -> list[Event]:
    """Events after a sequence number, oldest first; of one generation, or of the whole project."""
    if generation_id is not None:
        await generation(platform, principal, generation_id)
    principal.require("images:read")
    async with platform.store.reading() as read:
        return await read.events(principal.project, generation=generation_id, after=after, limit=limit)
