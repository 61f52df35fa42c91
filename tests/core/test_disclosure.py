"""What people are told beside a published picture: by how it was made, what the policy found, and who looks at it."""

import pytest

from platemark.core.disclosure import LABELS, AiDisclosure, disclosure
from platemark.core.rendition import Wanted, name_of


@pytest.mark.parametrize(
    ("ai", "decision", "codes", "audience", "said"),
    [
        (False, "label", ["PUBLIC_FIGURE_DECEPTION"], "newsroom", "none"),
        (True, "allow", [], "newsroom", "label"),
        (True, "allow", [], None, "label"),
        (True, "allow", [], "internal", "none"),
        (True, "label", [], "internal", "label"),
        (True, "review", ["ELECTION_INTEGRITY"], "internal", "deepfake_label"),
        (True, "label", ["VIOLENCE", "PRIVATE_PERSON_LIKENESS"], "marketplace", "deepfake_label"),
    ],
)
def test_what_is_told(ai: bool, decision: str, codes: list[str], audience: str | None, said: AiDisclosure) -> None:
    assert disclosure(ai=ai, decision=decision, codes=codes, audience=audience) == said
    assert (LABELS[said] is None) == (said == "none")


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        (None, "full"),
        (Wanted(), "full"),
        (Wanted(width=640), "w640"),
        (Wanted(format="webp"), "webp"),
        (Wanted(width=640, format="webp"), "w640.webp"),
    ],
)
def test_names_of_renditions_say_what_was_asked_for(wanted: Wanted | None, name: str) -> None:
    assert name_of(wanted) == name
