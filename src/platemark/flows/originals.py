"""Originals: a provider's bytes as they came, kept until they are developed, and a vendor's also beside the image.

Every output has a copy of its own, which ends with its name: where two generations drew the same bytes at the same
time, the one that is finished first takes nothing from the other.
"""

import hashlib

from platemark.core.attempt import Attempt, Output
from platemark.core.generation import REVISED, Generation
from platemark.core.image import Blob
from platemark.core.ports import Platform
from platemark.core.updates import Picture

_COPY = "copy_sha256"
_VENDORS = "vendors"


async def keep(platform: Platform, attempt: Attempt, picture: Picture) -> Output:
    """Store what came. `sha256` of the output is that of the bytes themselves."""
    id = f"{attempt.id}/{picture.index}"
    copy = picture.data + id.encode()
    digest = hashlib.sha256(copy).hexdigest()
    await platform.blobs.put(f"{attempt.project}/{digest}", copy)
    warnings = [warning.model_dump() for warning in picture.warnings]
    flags = {**picture.flags, "warnings": warnings, _COPY: digest, _VENDORS: picture.vendors}
    if picture.revised_prompt:
        flags[REVISED] = True
    return Output(
        id=id,
        project=attempt.project,
        generation=attempt.generation,
        attempt=attempt.id,
        index=picture.index,
        sha256=hashlib.sha256(picture.data).hexdigest(),
        media_type=picture.media_type,
        seed=picture.seed,
        flags=flags,
    )


async def read(platform: Platform, output: Output) -> bytes:
    """The bytes as they came. Raises NotFound, StorageUnavailable."""
    return (await platform.blobs.get(_key(output))).removesuffix(output.id.encode())


def has_credential(output: Output, data: bytes) -> bool:
    """Whether a vendor's bytes carry what looks like a C2PA manifest store: a JUMBF box of that type."""
    return bool(output.flags.get(_VENDORS)) and b"jumb" in data and b"c2pa" in data


async def stay(platform: Platform, output: Output, data: bytes) -> Blob | None:
    """Store a vendor's bytes under their own hash; the row to add with the image. None for our own engine's."""
    if not output.flags.get(_VENDORS):
        return None
    blob = Blob(
        id=f"{output.project}/{output.sha256}",
        project=output.project,
        sha256=output.sha256,
        size=len(data),
        media_type=output.media_type,
        created_at=platform.clock.now(),
    )
    await platform.blobs.put(blob.id, data)
    return blob


async def clear(platform: Platform, generation: Generation) -> None:
    """The copies have served; their hash stays in the record. Run again after a crash."""
    async with platform.store.reading() as reading:
        outputs = await reading.all(Output, generation=generation.id)
        # Outputs of earlier versions have no copy of their own; an image may have the same bytes.
        named = {output.id: await reading.find(Blob, _key(output)) for output in outputs}
    for output in outputs:
        if named[output.id] is None:
            await platform.blobs.delete(_key(output))


def _key(output: Output) -> str:
    return f"{output.project}/{output.flags.get(_COPY, output.sha256)}"
