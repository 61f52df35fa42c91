"""Analyze: a stranger's file gets the verifier's answer. Its bytes are never kept."""

from dataclasses import dataclass
from typing import Any

import anyio

from platemark.core.errors import FieldError, InvalidRequest
from platemark.core.ids import is_id
from platemark.core.image import Fingerprint
from platemark.core.inspection import Inspection
from platemark.core.ports import Platform, Transaction
from platemark.core.project import Principal
from platemark.flows import look
from platemark.flows.content import check_state
from platemark.flows.evidence import EVERYTHING, Choice
from platemark.flows.inspect import inspect
from platemark.flows.moderate import picture_of
from platemark.flows.note import emit
from platemark.flows.unchecked import digest_of
from platemark.imaging.decode import Facts, read_picture, remembering
from platemark.imaging.fingerprint import pdq_of


@dataclass(frozen=True, slots=True)
class Picture:
    """A file that was decoded whole, and how the registry would know it."""

    facts: Facts
    sha256: str
    pdq: str
    quality: int

    def fingerprint(self, project: str, image: str = "") -> Fingerprint:
        """As an entry of the registry."""
        return Fingerprint(id=image, project=project, sha256=self.sha256, pdq=self.pdq, quality=self.quality)


def picture(data: bytes, *, max_bytes: int, max_pixels: int) -> Picture:
    """Decode and hash; takes processor time. Raises InvalidImage, TooLarge."""
    facts, pixels = read_picture(data, max_bytes=max_bytes, max_pixels=max_pixels)
    digits, quality = pdq_of(pixels)
    return Picture(facts, digest_of(data), digits, quality)


async def analyze(
    platform: Platform,
    principal: Principal,
    data: bytes | str,
    choice: Choice = EVERYTHING,
    *,
    retain: bool = True,
) -> Inspection:
    """Inspect a file, or what a text names: an img_ id of the project, an https URL, a data URI, base64.

    With `retain` the answer is kept, never the bytes; without it only a line in the audit chain is, with the digest of
    the file and the verdict. Raises InvalidRequest for looks that are not known, InvalidImage, TooLarge, NotFound,
    NotAllowed, Gone, FetchRefused.
    """
    principal.require("images:read")
    check_choice(platform, choice)
    image = None
    if isinstance(data, str):
        if is_id(data, "img"):
            found = await look.image(platform, principal, data)
            check_state(found)
            image = found.id
        data = await picture_of(platform, principal, data, bare=True)
    inspection = await _inspected(platform, principal.project, data, choice)
    inspection = inspection.model_copy(update={"image": image})
    async with platform.store.transaction() as tx:
        if retain:
            await tx.add(inspection)
        await told(platform, tx, inspection, key=principal.key, retained=retain)
    return inspection


async def told(platform: Platform, tx: Transaction, inspection: Inspection, **facts: Any) -> None:
    """The line in the audit chain: what was found of which digest, and by whose key."""
    said = {
        "inspection": inspection.id,
        "input_sha256": inspection.input_sha256,
        "verdict": inspection.verdict,
        "tier": inspection.tier,
    }
    await emit(platform, tx, "inspection.made", inspection.project, {**said, **facts}, image=inspection.image)


def check_choice(platform: Platform, choice: Choice) -> None:
    """Raise InvalidRequest for looks that nothing here can take."""
    known = choices(platform)
    errors = [
        FieldError(
            pointer=f"/{field}", code="unknown_detector", message=f"{name!r} is not known; there are {', '.join(known)}"
        )
        for field, names in (("only", choice.only), ("without", choice.without))
        for name in sorted(names.difference(known))
    ]
    if errors:
        raise InvalidRequest("A look that is asked for is not known here. Take one of those named.", errors=errors)


def choices(platform: Platform) -> tuple[str, ...]:
    """What can be chosen: kinds of findings, and origin detectors by name."""
    kinds = ("registry", "c2pa", "metadata", "own_watermark", "third_party_watermark", "learned", "remote")
    return (*kinds, *(detector.name for detector in platform.origin_detectors))


async def _inspected(platform: Platform, project: str, data: bytes, choice: Choice) -> Inspection:
    limits = platform.limits
    with remembering(data):
        found = await anyio.to_thread.run_sync(lambda: picture(data, **limits.picture))
        return await inspect(
            platform,
            data,
            found.facts.media_type,
            project=project,
            fingerprint=found.fingerprint(project),
            size=(found.facts.width, found.facts.height),
            choice=choice,
        )
