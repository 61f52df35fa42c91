"""Content: the one place where image bytes are given out. Every read looks at the image's state first (promise P6)."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from platemark.core.errors import Gone, NotAllowed, NotFound, Unauthenticated
from platemark.core.event import Event
from platemark.core.generation import Generation
from platemark.core.image import Blob, Image, Publication
from platemark.core.ports import Platform
from platemark.core.project import Principal
from platemark.core.rendition import FULL, Rendition
from platemark.flows import look


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a picture."""

    data: bytes = field(repr=False)
    media_type: str
    sha256: str
    image: str | None


def sign(platform: Platform, image_id: str) -> tuple[str, datetime]:
    """An expiring path to an image's bytes, and when it ends. It opens nothing by itself before publication."""
    ends = platform.clock.now() + platform.limits.url_lifetime
    # Rounded up to whole minutes, so that a client and its caches see the same URL for a while.
    expires = (int(ends.timestamp()) // 60 + 1) * 60
    path = f"/v1/images/{image_id}/content?expires={expires}&signature={_signature(platform, image_id, expires)}"
    return path, datetime.fromtimestamp(expires, tz=ends.tzinfo)


def _signature(platform: Platform, image_id: str, expires: int) -> str:
    return hmac.new(platform.url_secret, f"{image_id}\n{expires}".encode(), hashlib.sha256).hexdigest()


async def read(
    platform: Platform,
    principal: Principal | None,
    image_id: str,
    *,
    expires: int | None = None,
    signature: str | None = None,
) -> Content:
    """The bytes of an image for a key of its project, or for anybody with a valid URL once it is published.

    Raises Unauthenticated, NotFound, NotAllowed (held or blocked), Gone (deleted).
    """
    if expires is not None or signature is not None:
        _check_url(platform, image_id, expires, signature)
    if principal is None:
        image, found = await _published(platform, image_id, signed=signature is not None)
        check_state(image)
        return await released(platform, image, found)
    image = await look.image(platform, principal, image_id)
    check_state(image)
    data = await platform.blobs.get(f"{image.project}/{image.sha256}")
    return Content(data, image.media_type, image.sha256, image.id)


async def read_original(platform: Platform, principal: Principal, image_id: str) -> Content:
    """The bytes that a vendor or uploader gave, with whatever credential is in them; only for a key of the project.

    Raises NotFound (also where they were not kept: our own engine's), NotAllowed (held or blocked), Gone (deleted).
    """
    image = await look.image(platform, principal, image_id)
    check_state(image)
    async with platform.store.reading() as reading:
        blob = await reading.find(Blob, f"{image.project}/{image.original_sha256}")
    if blob is None:
        raise NotFound(
            f"No original of {image_id} is kept: it was drawn by the engine of this server, so the image itself is all "
            "there is. Its hash stands in the record."
        )
    return Content(await platform.blobs.get(blob.id), blob.media_type, blob.sha256, image.id)


def check_state(image: Image) -> None:
    """Raise Gone or NotAllowed unless the image gives bytes (promise P6)."""
    if image.deleted_at is not None:
        raise Gone(f"The bytes of {image.id} were deleted on {image.deleted_at:%Y-%m-%d}. Its record remains.")
    if not image.readable:
        raise NotAllowed(f"This image is {image.moderation_state} ({image.reason_code}); its bytes are not given out.")


def _check_url(platform: Platform, image_id: str, expires: int | None, signature: str | None) -> None:
    if (
        expires is None
        or signature is None
        or not hmac.compare_digest(_signature(platform, image_id, expires), signature)
    ):
        raise Unauthenticated("The signature of this URL does not fit. Read the image again for a fresh URL.")
    if platform.clock.now().timestamp() > expires:
        raise Unauthenticated("This URL has expired. Read the image again for a fresh URL.")


async def _published(platform: Platform, image_id: str, *, signed: bool) -> tuple[Image, list[Rendition]]:
    """The image, and the files of its newest release."""
    async with platform.store.reading() as reading:
        image = await reading.find(Image, image_id) if signed else None
        releases = await reading.all(Publication, image=image_id, state="published") if image else []
        found = await reading.all(Rendition, publication=releases[-1].id) if releases else []
    if image is None or not releases:
        raise Unauthenticated("This image is not published: send an API key of its project.")
    return image, found


async def released(
    platform: Platform, image: Image, renditions: Sequence[Rendition], name: str | None = None
) -> Content:
    """One file of a release, as it was sealed. Raises NotFound.

    Releases from before there were renditions give the stored file.
    """
    wanted = name or FULL
    one = next((each for each in renditions if each.name == wanted), None)
    if one is None and (renditions or wanted != FULL):
        raise NotFound(f"This publication has no rendition {wanted[:40]!r}.")
    about = (image.media_type, image.sha256) if one is None else (one.media_type, one.sha256)
    return Content(await platform.blobs.get(f"{image.project}/{about[1]}"), *about, image.id)


async def preview(platform: Platform, principal: Principal, generation_id: str) -> Content:
    """The latest preview of a running generation. Raises NotFound when there is none (yet, or any more)."""
    generation = await look.generation(platform, principal, generation_id)
    missing = NotFound(f"There is no preview of {generation_id}: it is {generation.status}.")
    if generation.status != "running":
        raise missing
    event = await _last_preview(platform, generation)
    if event is None:
        raise missing
    data = await platform.blobs.get(f"{event.project}/{event.data['sha256']}")
    return Content(data, str(event.data["media_type"]), str(event.data["sha256"]), None)


async def _last_preview(platform: Platform, generation: Generation) -> Event | None:
    last: Event | None = None
    after = 0
    async with platform.store.reading() as reading:
        while events := await reading.events(generation.project, generation=generation.id, after=after):
            after = events[-1].seq
            last = next((event for event in reversed(events) if event.type == "generation.preview"), last)
    return last
