"""Refusals: a provider's own no, as a verdict beside ours, for the whole request or for one of its pictures."""

import re
from collections.abc import Iterator, Sequence

from platemark.core.attempt import Attempt
from platemark.core.errors import BlockedByProvider, PlatemarkError
from platemark.core.generation import Generation
from platemark.core.moderation import REASON_CODES, Signal, Verdict
from platemark.core.ports import Platform
from platemark.core.updates import Withheld
from platemark.flows.screen import PROVIDER

UNSPECIFIED = "PROVIDER_UNSPECIFIED"
# In the words of vendors, the gravest first. What none of them says stays unspecified: it is never guessed.
_SAID = (
    (re.compile(r"\b(minors?|child\w*|csam)\b", re.IGNORECASE), "MINOR_SAFETY"),
    (re.compile(r"\b(sexual\w*|nsfw|nudity|porn\w*|adult)\b", re.IGNORECASE), "SEXUAL_EXPLICIT"),
    (re.compile(r"\b(gore|graphic)\b", re.IGNORECASE), "GORE"),
    (re.compile(r"\bviolen\w+", re.IGNORECASE), "VIOLENCE"),
    (re.compile(r"\bself[- ]?harm\w*", re.IGNORECASE), "SELF_HARM"),
    (re.compile(r"\bhate\w*", re.IGNORECASE), "HATE"),
    (re.compile(r"\bharass\w*", re.IGNORECASE), "HARASSMENT"),
    (re.compile(r"\b(celebrit\w+|public figure\w*)", re.IGNORECASE), "PUBLIC_FIGURE_DECEPTION"),
    (re.compile(r"\b(copyright\w*|trademark\w*)", re.IGNORECASE), "IP_COPYRIGHT"),
)


def refusals(
    platform: Platform,
    generation: Generation,
    attempt: Attempt,
    error: PlatemarkError | None,
    withheld: Sequence[Withheld],
) -> Iterator[Verdict]:
    """A verdict for each picture that was withheld, and one for the request where all of it was refused."""
    if isinstance(error, BlockedByProvider):
        words = " ".join(each.message for each in error.errors) or error.detail
        outcome = error.errors[0].code if error.errors else error.code
        # Providers of our own kind say it in our words.
        code = error.reason_code if error.reason_code in REASON_CODES else code_of(words)
        # The answer to the caller says the same as the record.
        error.reason_code = code
        yield _verdict(platform, generation, attempt, code, {"outcome": outcome})
    for each in withheld:
        code = code_of(" ".join(each.words))
        evidence = {"outcome": "output_blocked", "index": each.index}
        yield _verdict(platform, generation, attempt, code, evidence)


def code_of(words: str) -> str:
    """Our reason code for what a vendor says."""
    return next((code for pattern, code in _SAID if pattern.search(words)), UNSPECIFIED)


def _verdict(
    platform: Platform, generation: Generation, attempt: Attempt, code: str, evidence: dict[str, str | int]
) -> Verdict:
    said = Signal(
        detector=f"{PROVIDER}{attempt.provider}", version="1", category=code, score=1.0, evidence=dict(evidence)
    )
    return Verdict(
        id=platform.ids.new("vdt"),
        project=generation.project,
        generation=generation.id,
        stage="after_response",
        decision="block",
        blocked_by_provider=True,
        reason_code=code,
        severity=2,
        signals=(said,),
        policy_version="provider",
        input_sha256=generation.text_sha256,
        role=generation.role,
        audience=generation.audience,
        model=attempt.model or generation.model,
        created_at=platform.clock.now(),
    )
