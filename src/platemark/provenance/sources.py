"""IPTC digital source types, and which way each points."""

from typing import Literal

Direction = Literal["ai", "camera", "none"]

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_AI = frozenset(
    {
        "trainedAlgorithmicMedia",
        "compositeWithTrainedAlgorithmicMedia",
        "compositeSynthetic",
        "trainedAlgorithmicData",
    }
)
_CAMERA = frozenset({"digitalCapture", "computationalCapture", "negativeFilm", "positiveFilm"})


def direction_of(source_type: str | None) -> Direction:
    """Which way a source type (URI or last part) points; `none` for art, edits, screens and what is not known."""
    name = (source_type or "").rstrip("/").rpartition("/")[2]
    return "ai" if name in _AI else "camera" if name in _CAMERA else "none"
