"""Inspect: what a file says about itself, what the registry knows of it and what detectors guess, fused by tiers."""

from collections.abc import Iterator, Sequence

from platemark.core.errors import InvalidRequest, NotFound
from platemark.core.image import Fingerprint, Image
from platemark.core.inspection import SCHEMA, Finding, Inspection, Match
from platemark.core.ports import Platform
from platemark.flows.evidence import EVERYTHING, Choice, Gathered, Step, frugal, gather, guessing, reading
from platemark.flows.fuse import fuse
from platemark.flows.registry import matches, register, registry_finding
from platemark.flows.watermark import find
from platemark.imaging.decode import remembering
from platemark.telemetry import span

VERSION = "2"
# No mark was read, or something that resembles one.
_HIDDEN = frozenset({"absent", "crc_failed"})


async def inspect(
    platform: Platform,
    data: bytes,
    media_type: str,
    *,
    project: str,
    fingerprint: Fingerprint,
    size: tuple[int, int],
    own: Image | None = None,
    choice: Choice = EVERYTHING,
) -> Inspection:
    """The inspection of one file. `own` is the image that these bytes are, or are about to be, stored as.

    `fingerprint`: how the registry would know it; `size`: width and height in pixels.
    """
    with span("inspect"):
        gathered = await _gathered(platform, data, media_type, fingerprint, project, choice, own)
    fused = fuse(gathered.evidence)
    return Inspection(
        id=platform.ids.new("ins"),
        project=project,
        image=own.id if own else None,
        verdict=fused.verdict,
        tier=fused.tier,
        confidence=fused.confidence,
        evidence=tuple(gathered.evidence),
        input_sha256=fingerprint.sha256,
        media_type=media_type,
        width=size[0],
        height=size[1],
        versions=versions(platform, choice),
        timings_ms=gathered.timings_ms,
        created_at=platform.clock.now(),
    )


async def look_over(
    platform: Platform, data: bytes, media_type: str, fingerprint: Fingerprint, choice: Choice = EVERYTHING
) -> Gathered:
    """The evidence alone, for the operator: the images of every project are known, and nothing is kept."""
    return await _gathered(platform, data, media_type, fingerprint, None, choice)


def versions(platform: Platform, choice: Choice = EVERYTHING) -> dict[str, str]:
    """What an inspection of now is made with; another one can be told from it, and made again."""
    detectors = {one.name: one.version for one in platform.origin_detectors if choice.takes(one.kind, one.name)}
    marks = {"watermark": platform.watermark.version} if platform.watermark else {}
    return {"schema": SCHEMA, "inspect": VERSION, **marks, **detectors}


def credential_of(evidence: Sequence[Finding]) -> dict[str, str | None]:
    """The image's credential as it was read back: the fields of `Image` that speak of it."""
    finding = next((finding for finding in evidence if finding.kind == "c2pa"), None)
    detail = finding.detail if finding is not None else {}
    return {"credential_state": detail.get("credential_state", "absent"), "credential_signer": detail.get("signer")}


async def _gathered(
    platform: Platform,
    data: bytes,
    media_type: str,
    fingerprint: Fingerprint,
    project: str | None,
    choice: Choice,
    own: Image | None = None,
) -> Gathered:
    with remembering(data) as forget:
        steps = _steps(platform, data, media_type, fingerprint, project, choice, own)
        return await gather(platform.clock, frugal(steps, forget), choice)


def _steps(
    platform: Platform,
    data: bytes,
    media_type: str,
    fingerprint: Fingerprint,
    project: str | None,
    choice: Choice,
    own: Image | None = None,
) -> Iterator[Step]:
    """Cheap looks first. `project`: who is told of images; None for the operator."""
    found: list[Match] = []

    async def registry() -> list[Finding]:
        if own is not None and own.origin == "generated":
            found.append(Match(image=own.id, project=own.project, exact=True, distance=0, how="file"))
        else:
            found.extend(await matches(platform, project, fingerprint, data))
        return [registry_finding(found, project)]

    async def own_watermark() -> list[Finding]:
        return [await _mark_of(platform, project, data, found)]

    yield Step(("registry",), registry)
    yield reading(platform.provenance, data, media_type)
    yield Step(("own_watermark",), own_watermark)
    yield from guessing(platform.origin_detectors, data, media_type, choice)


async def _mark_of(platform: Platform, project: str | None, data: bytes, known: Sequence[Match]) -> Finding:
    """Our mark in the picture; where it is only a part of one of ours, also in the part at its place.

    A mark is read by place: cut edges hide it. `registered` in the finding says that it was read so.
    """
    mark = await find(platform, project, data)
    if mark.status not in _HIDDEN or not known or known[0].how != "crop":
        return mark
    try:
        placed = await find(platform, project, await register(platform, data, known[0]))
    except (NotFound, InvalidRequest):
        # The picture that it was cut out of went meanwhile, or the whole would be too large.
        return mark
    if placed.status in _HIDDEN or not placed.looked:
        return mark
    return placed.model_copy(update={"detail": {**placed.detail, "registered": True}})
