"""Azure AI Content Safety, `text:analyze` and `image:analyze`. Its wire format follows the vendor's client libraries.

Not verified: error bodies and the limits of pictures, which are kept well below what is documented.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from platemark.detectors.asking import Call, as_list, as_number, as_object
from platemark.detectors.remote import Bounds, Reads

API_VERSION = "2024-09-01"
_LEVELS = "FourSeverityLevels"

_BOUNDS = Bounds(characters=10_000, max_side=2048, min_side=64)


@dataclass(frozen=True, slots=True)
class AzureContentSafety:
    """Four categories in severities 0, 2, 4 and 6. `base_url` is the endpoint of the operator's own resource."""

    model: str = API_VERSION
    kind: str = "azure_content_safety"
    bounds: Bounds = _BOUNDS

    def of_text(self, text: str) -> Call:
        """One text."""
        return self._call("text:analyze", {"text": text, "outputType": _LEVELS})

    def of_picture(self, jpeg: bytes) -> Call:
        """One picture."""
        content = base64.b64encode(jpeg).decode()
        return self._call("image:analyze", {"image": {"content": content}, "outputType": _LEVELS})

    def _call(self, action: str, body: Mapping[str, Any]) -> Call:
        return Call(f"/contentsafety/{action}", json=body, query={"api-version": self.model})

    def scores(self, body: Any, reads: Reads) -> Mapping[str, float]:
        """Severities. Raises Refused."""
        entries = [as_object(entry) for entry in as_list(as_object(body).get("categoriesAnalysis"))]
        return {str(entry.get("category")): as_number(entry.get("severity")) for entry in entries}
