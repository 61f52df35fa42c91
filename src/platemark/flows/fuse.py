"""Fuse: rules over tiers of evidence, from findings to a verdict. Not one opaque number."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from platemark.core.inspection import Confidence, Finding, FindingKind, InspectionVerdict, Tier

CALIBRATION_OWN = "own"
_NO_NUMBER = Confidence(p_ai=None)
_OURS = Confidence(p_ai=1.0, low=1.0, high=1.0, calibration=CALIBRATION_OWN)
# There is a credential, but it could not be read: finding nothing else says little.
_UNREAD = frozenset({"remote_not_fetched", "error"})


@dataclass(frozen=True, slots=True)
class Fused:
    """What the evidence amounts to."""

    verdict: InspectionVerdict
    tier: Tier
    confidence: Confidence = field(default=_NO_NUMBER)


def fuse(evidence: Sequence[Finding], *, whole: bool = True) -> Fused:
    """The verdict on findings, by the first rule that fits. `whole`: every pixel of the file could be decoded.

    1. Our own file, or our own unbroken signature: `generated_by_us`, conclusive.
    2. A camera claim beside a mark, a match or a claim that says otherwise: `conflicting`.
    3. Our watermark that the registry confirms: `generated_by_us`, conclusive; one that it contradicts: `conflicting`.
    4. A broken credential: `conflicting`.
    5. Nearly one of our pictures, or our mark with no registry to ask: `generated_by_us`, inferred.
    6. Claims: `ai_generated` by a trusted signature over unbroken ingredients, else `ai_claimed`; `camera_claimed`.
    7. Detectors, or a mark of ours that leads nowhere: at most `likely_ai`, inferred.
    8. Nothing: `no_evidence_of_ai` if something could look, else `inconclusive`.
    """
    seen = _Seen(tuple(finding for finding in evidence if finding.looked), tuple(evidence), whole)
    for rule in (_own, _contradicted, _marked, _broken, _near, _claimed, _measured):
        fused = rule(seen)
        if fused is not None:
            return fused
    return _nothing(seen)


@dataclass(frozen=True, slots=True)
class _Seen:
    """`looked`: the findings of what could look; no other counts as evidence."""

    looked: tuple[Finding, ...]
    given: tuple[Finding, ...]
    whole: bool

    def of(self, *kinds: FindingKind) -> list[Finding]:
        return [finding for finding in self.looked if finding.kind in kinds]

    def claims(self, direction: str) -> list[Finding]:
        """Unbroken credentials, metadata and other makers' marks that point one way."""
        found = self.of("c2pa", "metadata", "third_party_watermark")
        return [f for f in found if f.direction == direction and f.weight != "none" and f.status != "invalid"]

    @property
    def near(self) -> bool:
        return any(finding.status == "near" for finding in self.of("registry"))

    @property
    def resolved(self) -> list[Finding]:
        """Our watermark, with an id that leads to an image of ours."""
        return [finding for finding in self.of("own_watermark") if finding.status == "id_resolved"]


def _own(seen: _Seen) -> Fused | None:
    exact = any(finding.status == "exact" for finding in seen.of("registry"))
    # What we sign on behalf of others, an upload that is released, is ours as a file, not as a picture.
    signed = any(f.detail.get("own") and f.direction == "ai" and f.status != "invalid" for f in seen.of("c2pa"))
    return Fused("generated_by_us", "conclusive", _OURS) if exact or signed else None


def _contradicted(seen: _Seen) -> Fused | None:
    cameras = seen.claims("camera")
    if any(map(_trusted, seen.claims("ai"))):
        # A photograph that was worked on with AI keeps its camera's fields: its signature says both.
        cameras = [finding for finding in cameras if _trusted(finding)]
    if not cameras:
        return None
    otherwise = bool(seen.claims("ai") or seen.resolved or seen.near)
    # A classifier is wrong on some photographs; a trusted signature of a camera outweighs it, a mere word does not.
    guessed = any(map(_likely, seen.of("learned", "remote"))) and not any(_trusted(finding) for finding in cameras)
    return Fused("conflicting", "conflicting") if otherwise or guessed else None


def _marked(seen: _Seen) -> Fused | None:
    if not seen.resolved:
        return None
    marked, registry = {asset_of(finding) for finding in seen.resolved}, seen.of("registry")
    confirmed = {finding.detail.get("confirmed", "unsaid") for finding in seen.resolved}
    if True in confirmed or any(finding.status == "near" and asset_of(finding) in marked for finding in registry):
        return Fused("generated_by_us", "conclusive", _OURS)
    # A mark can be copied from one picture onto another. Where a picture is too flat to be compared, nobody knows.
    denied = False in confirmed or ("unsaid" in confirmed and registry)
    return Fused("conflicting", "conflicting") if denied else None


def _broken(seen: _Seen) -> Fused | None:
    return Fused("conflicting", "conflicting") if any(f.status == "invalid" for f in seen.of("c2pa")) else None


def _near(seen: _Seen) -> Fused | None:
    return Fused("generated_by_us", "inferred") if seen.near or seen.resolved else None


def _claimed(seen: _Seen) -> Fused | None:
    claims = seen.claims("ai")
    if any(_trusted(finding) and not finding.detail.get("ingredient_failures") for finding in claims):
        return Fused("ai_generated", "asserted")
    if claims:
        return Fused("ai_claimed", "asserted")
    return Fused("camera_claimed", "asserted") if seen.claims("camera") else None


def _measured(seen: _Seen) -> Fused | None:
    scored = [finding for finding in seen.of("learned", "remote") if _score(finding) is not None]
    confidence = _confidence(scored)
    likely = [finding for finding in scored if _likely(finding)]
    undecided = any(_abstained(finding) for finding in scored)
    if scored and (undecided or 0 < len(likely) < len(scored)):
        return Fused("inconclusive", "none", confidence.model_copy(update={"abstained": True}))
    marked = any(f.direction == "ai" and f.weight != "none" for f in seen.of("own_watermark"))
    return Fused("likely_ai", "inferred", confidence) if likely or marked else None


def _nothing(seen: _Seen) -> Fused:
    unread = any(finding.kind == "c2pa" and finding.status in _UNREAD for finding in seen.given)
    scored = [finding for finding in seen.of("learned", "remote") if _score(finding) is not None]
    if not seen.looked or unread or not seen.whole:
        return Fused("inconclusive", "none", _confidence(scored))
    return Fused("no_evidence_of_ai", "none", _confidence(scored))


def asset_of(finding: Finding) -> str | None:
    """The image of ours that a finding names."""
    return finding.detail.get("asset_id") or finding.detail.get("image")


def _trusted(finding: Finding) -> bool:
    return finding.kind == "c2pa" and finding.status == "trusted"


def _score(finding: Finding) -> float | None:
    value = finding.detail.get("p_ai", finding.detail.get("score"))
    return float(value) if isinstance(value, int | float) else None


def _abstained(finding: Finding) -> bool:
    return bool(finding.detail.get("abstained")) or finding.status == "abstained"


def _likely(finding: Finding) -> bool:
    return finding.direction == "ai" and finding.weight != "none" and not _abstained(finding)


def _confidence(scored: Sequence[Finding]) -> Confidence:
    """The number of our own calibrated classifier, else of the remote detector that gives the most."""
    chosen = max(scored, key=lambda finding: (finding.kind == "learned", _score(finding) or 0.0), default=None)
    if chosen is None:
        return _NO_NUMBER
    low, high, calibration = (chosen.detail.get(name) for name in ("low", "high", "calibration"))
    return Confidence(
        p_ai=_score(chosen), low=low, high=high, calibration=calibration, abstained=any(map(_abstained, scored))
    )
