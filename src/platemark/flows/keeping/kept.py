"""Kept: what the record of an image says of its upload, of legal holds and of takedown notices."""

from platemark.core.base import JsonObject
from platemark.core.generation import PromptText
from platemark.core.hold import Hold
from platemark.core.image import Image
from platemark.core.ports import Reading
from platemark.core.record import RecordUpload
from platemark.core.takedown import Takedown, TakedownImage
from platemark.core.upload import Upload


async def upload_of(read: Reading, image: Image) -> RecordUpload | None:
    """What was said when it was uploaded; None for a generated image."""
    found = await read.all(Upload, image=image.id, limit=1)
    if not found:
        return None
    upload = found[0]
    text = await read.find(PromptText, upload.text) if upload.text else None
    said = (text.body or {}) if text else {}
    same = ("project", "key", "role", "audience", "tags", "text_sha256")
    return RecordUpload(
        **{name: getattr(upload, name) for name in same},
        upload=upload.id,
        user=said.get("user"),
        filename=said.get("filename"),
        caption=said.get("caption"),
        text_erased_at=text.erased_at if text else None,
        accepted_at=upload.created_at,
        stored_at=upload.finished_at,
    )


async def holds_of(read: Reading, *images: Image, generation: str | None = None) -> tuple[JsonObject, ...]:
    """Holds on images and their generation, ended ones too. What people wrote about them stays in their rows."""
    ids = tuple(image.id for image in images)
    found = await read.all(Hold, image=ids) if ids else []
    if generation is not None:
        found += await read.all(Hold, generation=generation)
    return tuple(hold.model_dump(mode="json", exclude={"note", "project", "user_sha256"}) for hold in found)


async def takedowns_of(read: Reading, *images: Image) -> tuple[JsonObject, ...]:
    """Notices that are about the images, each with the image, without what the claimant wrote."""
    rows = await read.all(TakedownImage, image=tuple(image.id for image in images)) if images else []
    shown = {"id", "kind", "state", "created_at", "due_at", "decided_at", "decided_by", "reason_code"}
    return tuple(
        [
            {
                **(await read.get(Takedown, row.takedown)).model_dump(mode="json", include=shown),
                "image": row.image,
                "how": row.how,
                "done_at": row.done_at and row.done_at.isoformat(),
            }
            for row in rows
        ]
    )
