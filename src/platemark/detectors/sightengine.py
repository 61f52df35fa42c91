"""Sightengine, `check.json` and `text/check.json`. No machine-readable description is published.

Its wire format follows third-party descriptions and public client code, so what comes is read leniently: every number
below the name of a model counts. Not verified: the answer of the machine-learning mode for texts, and all limits.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from platemark.detectors.asking import Call, Refused, as_number, as_object
from platemark.detectors.remote import Bounds, Reads

BASE_URL = "https://api.sightengine.com/1.0"
MODELS = ("nudity-2.1", "gore-2.0", "violence", "weapon", "offensive-2.0", "self-harm", "recreational_drug", "alcohol")
# About the call, not about the picture.
_ABOUT = frozenset({"status", "request", "media"})
_TEXTS = "moderation_classes"

_BOUNDS = Bounds(characters=5_000, max_side=1024)


@dataclass(frozen=True, slots=True)
class Sightengine:
    """Classes of the models that are asked, each a probability."""

    models: tuple[str, ...] = MODELS
    kind: str = "sightengine"
    bounds: Bounds = _BOUNDS

    @property
    def model(self) -> str:
        """All of them."""
        return ",".join(self.models)

    def of_text(self, text: str) -> Call:
        """One text, read by the models and not by rules."""
        return Call("/text/check.json", form={"text": text, "lang": "en", "mode": "ml", "models": "general,self-harm"})

    def of_picture(self, jpeg: bytes) -> Call:
        """One picture."""
        files = {"media": ("picture.jpg", jpeg, "image/jpeg")}
        return Call("/check.json", form={"models": self.model}, files=files)

    def scores(self, body: Any, reads: Reads) -> Mapping[str, float]:
        """Probabilities by `model.class`. Raises Refused."""
        answer = as_object(body)
        if answer.get("status") != "success":
            raise Refused("it says that it failed")
        if reads == "text":
            return dict(_numbers("text", as_object(answer.get(_TEXTS)), 0))
        return dict(_all(answer))


def _all(answer: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for model, said in answer.items():
        if model not in _ABOUT:
            yield from _numbers(model, said, 0)


def _numbers(name: str, said: Any, depth: int) -> Iterator[tuple[str, float]]:
    """Every number below a model. `classes` is only a wrapping; deeper groups are details of the class above them."""
    if isinstance(said, dict):
        for key, value in cast("dict[str, Any]", said).items():
            if isinstance(value, dict) and key not in ("classes",):
                # Such as what is suggestive, or where: the class itself has its own number.
                continue
            yield from _numbers(name if key == "classes" else f"{name}.{key}", value, depth + 1)
    elif isinstance(said, int | float) and not isinstance(said, bool):
        yield name, as_number(said)
