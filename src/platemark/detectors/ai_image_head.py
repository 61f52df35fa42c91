"""The head of the origin classifier: a line through the encoder's features, its calibration and its thresholds.

One JSON file, made by `platemark detector train`. The one that ships is data/ai-image-head.json.
"""

import hashlib
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from platemark.core.errors import Misconfigured
from platemark.detectors.encoder import SIZE, Features

SHIPPED = Path(__file__).parent / "data" / "ai-image-head.json"
_Numbers = Annotated[tuple[float, ...], Field(min_length=SIZE, max_length=SIZE)]
_Share = Annotated[float, Field(ge=0, le=1)]


class Calibration(BaseModel):
    """What a score is worth. `curve`: logit, probability, and the interval's low and high, by rising logit.

    Thresholds are probabilities; `fpr_at_t_lo` and `fpr_at_t_hi` are the shares of real pictures above them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    curve: Annotated[tuple[tuple[float, _Share, _Share, _Share], ...], Field(min_length=2)]
    t_lo: _Share
    t_hi: _Share
    fpr_at_t_lo: _Share
    fpr_at_t_hi: _Share
    real_pictures: int


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    encoder_sha256: str
    bias: float
    weights: _Numbers
    calibration: Calibration
    trained_on: dict[str, Any] = {}
    measured: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Head:
    """`weights` and `bias` are for features as they come; `sha256` is of the file."""

    name: str
    sha256: str
    encoder_sha256: str
    weights: Features = field(repr=False)
    bias: float
    calibration: Calibration = field(repr=False)
    trained_on: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)
    measured: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)

    def logit(self, features: Features) -> float:
        """Above 0 where the features are more like those of AI-made pictures."""
        return float(np.einsum("i,i->", features[:SIZE].astype(np.float64), self.weights)) + self.bias


@cache
def read_head(path: Path = SHIPPED) -> Head:
    """The head in this file. Blocks. Raises Misconfigured saying what is wrong with it."""
    try:
        data = path.read_bytes()
        found = _File.model_validate_json(data)
    except OSError as error:
        raise Misconfigured(f"The classifier's head {path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise Misconfigured(
            f"{path} is not a head of the origin classifier ({where}: {error.errors()[0]['msg']}). Make one with "
            "`platemark detector train`."
        ) from error
    return Head(
        found.name,
        hashlib.sha256(data).hexdigest(),
        found.encoder_sha256,
        np.array(found.weights, dtype=np.float64),
        found.bias,
        found.calibration,
        found.trained_on,
        found.measured,
    )


def write_head(head: Head, path: Path) -> None:
    """Write it as JSON that `read_head` reads. Nothing is left half-written. Raises OSError."""
    document = {
        "name": head.name,
        "encoder_sha256": head.encoder_sha256,
        "trained_on": head.trained_on,
        "measured": head.measured,
        "calibration": head.calibration.model_dump(mode="json"),
        "bias": round(head.bias, 6),
        "weights": [round(float(weight), 6) for weight in head.weights],
    }
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def probability(calibration: Calibration, logit: float) -> tuple[float, float, float]:
    """Probability that a picture of this logit is AI-made, where half of all are, and its interval; 0 to 1 each."""
    at, *values = zip(*calibration.curve, strict=True)
    score, low, high = (float(np.interp(logit, at, value)) for value in values)
    return score, low, high
