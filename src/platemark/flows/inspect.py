"""Inspect: what a file says about itself and what the registry knows of it, fused by fixed tiers."""

import hashlib
from collections.abc import Sequence

from platemark.core.image import Fingerprint, Image
from platemark.core.inspection import Confidence, Finding, Inspection, Match
from platemark.core.ports import Platform
from platemark.flows.fuse import fuse
from platemark.flows.registry import matches, registry_finding
from platemark.telemetry import span

VERSION = "1"
# Looked for by nobody yet: said, never implied (promise P5).
_ABSENT = tuple(
    Finding(kind=kind, status="not_evaluated", detail={"reason": "no detector is installed"})
    for kind in ("own_watermark", "third_party_watermark", "learned")
)


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
        found = (
            [Match(image=own.id, project=project, exact=True, distance=0)] if own and own.origin == "generated" else []
        )
        found = found or await matches(platform, project, fingerprint)
        searched = platform.clock.monotonic()
        evidence = (registry_finding(found), *await platform.provenance.read(data, media_type), *_ABSENT)
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


def credential_of(evidence: Sequence[Finding]) -> dict[str, str | None]:
    """The image's credential as it was read back: the fields of `Image` that speak of it."""
    finding = next((finding for finding in evidence if finding.kind == "c2pa"), None)
    detail = finding.detail if finding is not None else {}
    return {"credential_state": detail.get("credential_state", "absent"), "credential_signer": detail.get("signer")}
