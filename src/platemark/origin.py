"""The origin classifier as the settings want it: for the server, and for `platemark verify` without one."""

from pathlib import Path

from platemark.core.inspection import Finding, FindingKind
from platemark.core.ports import OriginDetector
from platemark.detectors.ai_image import NAME, AiImage
from platemark.detectors.ai_image_head import SHIPPED
from platemark.detectors.encoder import WEIGHTS
from platemark.detectors.onnx import Weights
from platemark.detectors.pool import Pool
from platemark.engine.models.weights import listed, place
from platemark.settings import Settings


class SwitchedOff:
    """Stands where the classifier would, for an operator who does not want it."""

    name = NAME
    version = "off"
    kind: FindingKind = "learned"

    async def look(self, _: bytes, __: str, /) -> Finding:
        """A finding that was not evaluated."""
        return Finding(
            kind="learned",
            status="not_evaluated",
            detail={"detector": NAME, "reason": "the origin classifier is switched off here (origin_classifier)"},
        )


def open_classifier(settings: Settings, pool: Pool) -> OriginDetector:
    """The classifier. Blocks. Raises Misconfigured where `origin_head` cannot be used."""
    if not settings.origin_classifier:
        return SwitchedOff()
    return AiImage.in_pool(
        pool,
        encoder_weights(settings.cache),
        max_bytes=settings.max_image_bytes,
        max_pixels=settings.max_pixels,
        head=(settings.origin_head or SHIPPED).absolute(),
    )


def encoder_weights(cache: Path) -> Weights:
    """Where the weights of the encoder lie, or will."""
    weight = listed()[WEIGHTS]
    return Weights(weight.name, place(weight, cache), weight.sha256)
