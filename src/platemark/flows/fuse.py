"""Fuse: rules over tiers of evidence, from findings to a verdict. Not one opaque number."""

from collections.abc import Sequence

from platemark.core.inspection import Finding, InspectionVerdict, Tier


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
