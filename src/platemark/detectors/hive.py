"""Hive's moderation models, asked through the synchronous task of its API version 2. One key opens one kind of model.

Its wire format follows public documentation and client code, and is read leniently. Not verified: error bodies, limits.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from platemark.detectors.asking import Call, Refused, as_list, as_number, as_object
from platemark.detectors.remote import Bounds, Reads

BASE_URL = "https://api.thehive.ai"
# Severities of texts, as shares of the largest.
_TEXT_TOP = 3.0

_BOUNDS = Bounds(characters=1_000, max_side=1024)


@dataclass(frozen=True, slots=True)
class Hive:
    """Classes in heads: pictures in probabilities, texts in severities from 0 to 3."""

    model: str = "v2"
    kind: str = "hive"
    bounds: Bounds = _BOUNDS

    def of_text(self, text: str) -> Call:
        """One text."""
        return Call("/api/v2/task/sync", form={"text_data": text})

    def of_picture(self, jpeg: bytes) -> Call:
        """One picture."""
        return Call("/api/v2/task/sync", files={"media": ("picture.jpg", jpeg, "image/jpeg")})

    def scores(self, body: Any, reads: Reads) -> Mapping[str, float]:
        """The largest number of each class. Raises Refused, also where no model reads the language of a text."""
        top = _TEXT_TOP if reads == "text" else 1.0
        found = dict[str, float]()
        unread = 0
        for name, number in _classes(as_object(body)):
            if number < 0:
                unread += 1
            else:
                found[name] = max(number / top, found.get(name, 0.0))
        if unread and not found:
            raise Refused("it does not read the language of this text", outage=False)
        return found


def _classes(answer: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for status in map(as_object, as_list(answer.get("status"))):
        response = as_object(status.get("response"))
        for output in map(as_object, as_list(response.get("output"))):
            for entry in map(as_object, as_list(output.get("classes"))):
                yield str(entry.get("class")), as_number(entry.get("score"))
