"""Legal holds: what must be kept for a while, whoever asks for its deletion."""

from typing import Literal

from platemark.core.base import Noun, Timestamp

HoldReason = Literal["litigation", "regulator", "law_enforcement", "investigation", "other"]


class Hold(Noun):
    """Keeps one image, one generation with its images, or everything of one end user, until `until` or its release.

    Exactly one of `image`, `generation` and `user_sha256` is set. `note` is a PromptText id: what a person wrote;
    `note_sha256` its salted digest.
    """

    project: str
    image: str | None = None
    generation: str | None = None
    user_sha256: str | None = None
    reason_code: HoldReason
    note: str | None = None
    note_sha256: str | None = None
    created_by: str
    created_at: Timestamp
    until: Timestamp
    released_at: Timestamp | None = None
    released_by: str | None = None
