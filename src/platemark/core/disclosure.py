"""Disclosure: what people are told beside a published picture that was made with AI."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

AiDisclosure = Literal["none", "label", "deepfake_label"]
# Pictures that could be taken for real people or events: Art. 50(4) of the EU AI Act asks for more than a mark.
DEEPFAKE_CODES = frozenset({"PUBLIC_FIGURE_DECEPTION", "PRIVATE_PERSON_LIKENESS", "ELECTION_INTEGRITY"})
# Audiences that know what they look at: a label only where a rule asks for one.
UNLABELLED = frozenset({"internal"})
LABELS: dict[AiDisclosure, str | None] = {
    "none": None,
    "label": "AI-generated image",
    "deepfake_label": "AI-generated image: it shows people or events that could be taken for real",
}


@dataclass(frozen=True, slots=True)
class Labelling:
    """How labels are worded and shown. `texts` stand in place of ours.

    `burned_for`: audiences whose releases carry the label in their pixels unless something else is asked for.
    `font`: the file that it is drawn with; None for one that has ASCII alone.
    """

    texts: Mapping[AiDisclosure, str] = field(default_factory=dict[AiDisclosure, str])
    burned_for: frozenset[str] = frozenset()
    font: Path | None = None

    def text_of(self, kind: AiDisclosure) -> str | None:
        """What people are told; None where nothing is disclosed."""
        return self.texts.get(kind, LABELS[kind]) if kind != "none" else None


def disclosure(*, ai: bool, decision: str, codes: Collection[str], audience: str | None) -> AiDisclosure:
    """What a release discloses. `ai`: the picture was made, or is known to be made, with AI.

    `decision` and `codes` are the verdict for this audience: a rule that labels always labels.
    """
    if not ai:
        return "none"
    if DEEPFAKE_CODES.intersection(codes):
        return "deepfake_label"
    return "none" if audience in UNLABELLED and decision != "label" else "label"
