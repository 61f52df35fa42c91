"""Inspect: what a file says about itself and what the registry knows of it, fused by fixed tiers."""

import hashlib
from collections.abc import Sequence

import anyio

from platemark.core.image import Fingerprint, Image
from platemark.core.inspection import Confidence, Finding, Inspection, InspectionVerdict, Match, Tier
from platemark.core.ports import Platform
from platemark.imaging.fingerprint import Pixels, nearest, pdq, pdq_of
from platemark.telemetry import span

VERSION = "1"
# Looked for by nobody yet: said, never implied (promise P5).
_ABSENT = tuple(
    Finding(kind=kind, status="not_evaluated", detail={"reason": "no detector is installed"})
    for kind in ("own_watermark", "third_party_watermark", "learned")
)


async def fingerprint_of(platform: Platform, image: Image, data: bytes, pixels: Pixels | None = None) -> Fingerprint:
    """The registry's entry for an image from its encoded pixels, or from `pixels` where they are decoded already."""
    limits = platform.limits

    def look() -> tuple[str, int]:
        if pixels is not None:
            return pdq_of(pixels)
        return pdq(data, max_bytes=limits.max_image_bytes, max_pixels=limits.max_pixels)

    digits, quality = await anyio.to_thread.run_sync(look)
    return Fingerprint(id=image.id, project=image.project, sha256=image.sha256, pdq=digits, quality=quality)


async def inspect(
    platform: Platform,
    data: bytes,
    media_type: str,
    *,
    project: str,
    fingerprint: Fingerprint,
    size: tuple[int, int],
    own: Image | None = None,
) -> Inspection:
    """The inspection of one file. `own` is the image that these bytes are about to be stored as."""
    started = platform.clock.monotonic()
    with span("inspect"):
        matches = (
            [Match(image=own.id, project=project, exact=True, distance=0)] if own and own.origin == "generated" else []
        )
        matches = matches or await _matches(platform, project, fingerprint)
        searched = platform.clock.monotonic()
        evidence = (_registry(matches), *await platform.provenance.read(data, media_type), *_ABSENT)
    verdict, tier, p_ai = fuse(evidence)
    return Inspection(
        id=platform.ids.new("ins"),
        project=project,
        image=own.id if own else None,
        verdict=verdict,
        tier=tier,
        confidence=Confidence(p_ai=p_ai),
        evidence=evidence,
        input_sha256=hashlib.sha256(data).hexdigest(),
        media_type=media_type,
        width=size[0],
        height=size[1],
        versions={"inspect": VERSION},
        timings_ms={
            "registry": round((searched - started) * 1000, 1),
            "read": round((platform.clock.monotonic() - searched) * 1000, 1),
        },
        created_at=platform.clock.now(),
    )


async def _matches(platform: Platform, project: str, wanted: Fingerprint) -> list[Match]:
    """Generated images of this project that are the same file, or nearly the same picture, best first."""
    async with platform.store.reading() as read:
        known = await read.all(Fingerprint, project=project)
        near = await anyio.to_thread.run_sync(
            _near, wanted, known, platform.limits.pdq_max_distance, platform.limits.pdq_min_quality
        )
        found = [await read.get(Image, match.image) for match in near]
    return [match for match, image in zip(near, found, strict=True) if image.origin == "generated"]


def _near(wanted: Fingerprint, known: Sequence[Fingerprint], max_distance: int, min_quality: int) -> list[Match]:
    exact = [
        Match(image=entry.id, project=entry.project, exact=True, distance=0)
        for entry in known
        if entry.sha256 == wanted.sha256
    ]
    usable = [entry for entry in known if entry.quality >= min_quality]
    if wanted.quality < min_quality or not usable:
        return exact
    distances = nearest(wanted.pdq, [entry.pdq for entry in usable])
    close = [
        Match(image=entry.id, project=entry.project, exact=False, distance=int(distance))
        for distance, entry in zip(distances, usable, strict=True)
        if distance <= max_distance
    ]
    return exact + sorted(close, key=lambda match: match.distance)[:5]


def _registry(matches: Sequence[Match]) -> Finding:
    if not matches:
        return Finding(kind="registry", status="none")
    best = matches[0]
    return Finding(
        kind="registry",
        status="exact" if best.exact else "near",
        direction="ai",
        weight="conclusive" if best.exact else "strong",
        detail={"image": best.image, "pdq_distance": best.distance},
    )


def fuse(evidence: Sequence[Finding]) -> tuple[InspectionVerdict, Tier, float | None]:
    """Verdict, tier and probability from findings: own first, then conflict, then claims, then nothing.

    Only our own file or signature gives a probability: no other number has been measured here yet.
    """
    registry = next((finding for finding in evidence if finding.kind == "registry"), None)
    signed = any(finding.kind == "c2pa" and finding.detail.get("own") for finding in evidence)
    broken = any(finding.kind == "c2pa" and finding.status == "invalid" for finding in evidence)
    if (registry is not None and registry.status == "exact") or (signed and not broken):
        return "generated_by_us", "conclusive", 1.0
    directions = {finding.direction for finding in evidence if finding.weight != "none"} - {"none"}
    if len(directions) > 1 or broken:
        return "conflicting", "conflicting", None
    if registry is not None and registry.status == "near":
        return "generated_by_us", "inferred", None
    if directions == {"camera"}:
        return "camera_claimed", "asserted", None
    if directions == {"ai"}:
        strong = any(finding.weight == "strong" for finding in evidence)
        return ("ai_generated" if strong else "ai_claimed"), "asserted", None
    return "no_evidence_of_ai", "none", None


def credential_of(evidence: Sequence[Finding]) -> dict[str, str | None]:
    """The image's credential as it was read back: the fields of `Image` that speak of it."""
    finding = next((finding for finding in evidence if finding.kind == "c2pa"), None)
    detail = finding.detail if finding is not None else {}
    return {"credential_state": detail.get("credential_state", "absent"), "credential_signer": detail.get("signer")}
