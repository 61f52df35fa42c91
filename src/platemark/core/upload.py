"""Uploads: a picture on its way in, in one piece or in many, and what was said with it."""

from typing import Annotated, Literal

from pydantic import Field

from platemark.core.base import Noun, Part, Timestamp
from platemark.core.request import CleanText, Name, StrictModel

UploadState = Literal["receiving", "stored", "expired"]
UPLOAD_MOVES: dict[str, frozenset[str]] = {
    "receiving": frozenset({"stored", "expired"}),
    "stored": frozenset(),
    "expired": frozenset(),
}


class Said(StrictModel):
    """What a client says about a picture that it brings. File name and caption are screened like a prompt."""

    filename: Annotated[CleanText, Field(min_length=1, max_length=300)] | None = None
    caption: Annotated[CleanText, Field(min_length=1, max_length=2_000, description="Caption or alternative text.")] | (
        None
    ) = None
    user: Annotated[Name, Field(description="Opaque id of your end user.")] | None = None
    role: Annotated[Name, Field(description="Role of your end user; the key needs the scope roles:assert.")] | None = (
        None
    )
    audience: Name | None = None
    tags: Annotated[dict[Name, Annotated[CleanText, Field(max_length=200)]], Field(max_length=32)] = {}


class UploadPiece(Part):
    """Bytes that have come, kept in the blob store until the file is whole. `key`: the SHA-256 of their copy there."""

    key: str
    size: int


class Upload(Noun):
    """One upload. To an uploaded image it is what a generation is to a generated one.

    `sha256` and `size` are of the whole file; `received` is how many bytes of it have come. `text` is a PromptText
    id: file name, caption and end user; `text_sha256` its salted digest. `replay_key`, of the idempotency key, is
    unique; `body_sha256` says what was sent under it.
    """

    project: str
    key: str
    state: UploadState
    sha256: str
    size: int
    received: int = 0
    pieces: tuple[UploadPiece, ...] = ()
    text: str | None = None
    text_sha256: str | None = None
    user_sha256: str | None = None
    role: str | None = None
    audience: str | None = None
    tags: dict[str, str] = {}
    image: str | None = None
    replay_key: str | None = None
    body_sha256: str | None = None
    created_at: Timestamp
    expires_at: Timestamp
    finished_at: Timestamp | None = None
