"""OpenAI's moderation endpoint. Its wire format follows the published API description (2.3.0).

Not verified: limits on text length and picture size, and the headers of a 429.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from platemark.detectors.asking import Call, Refused, as_list, as_number, as_object
from platemark.detectors.remote import Bounds, Reads

BASE_URL = "https://api.openai.com/v1"
MODEL = "omni-moderation-latest"

_BOUNDS = Bounds(characters=20_000)


@dataclass(frozen=True, slots=True)
class OpenAIModeration:
    """13 categories. A picture is scored for some of them, which the answer names; the others say nothing about it."""

    model: str = MODEL
    kind: str = "openai_moderation"
    bounds: Bounds = _BOUNDS

    def of_text(self, text: str) -> Call:
        """One text."""
        return self._call({"type": "text", "text": text})

    def of_picture(self, jpeg: bytes) -> Call:
        """One picture, as a data URI."""
        uri = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
        return self._call({"type": "image_url", "image_url": {"url": uri}})

    def _call(self, part: Mapping[str, Any]) -> Call:
        return Call("/moderations", json={"model": self.model, "input": [part]})

    def scores(self, body: Any, reads: Reads) -> Mapping[str, float]:
        """Probabilities. Raises Refused."""
        results = as_list(as_object(body).get("results"))
        if len(results) != 1:
            raise Refused("its answer has another number of results than it was asked for")
        result = as_object(results[0])
        applied = as_object(result.get("category_applied_input_types") or {})
        return {
            name: as_number(score)
            for name, score in as_object(result.get("category_scores")).items()
            # Older models score no `illicit`; nobody scores what was not looked at.
            if score is not None and (name not in applied or reads in (applied[name] or ()))
        }
