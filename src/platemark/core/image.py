"""Images, the blobs that hold their bytes, and their moderation and publication states."""

from typing import Literal

from platemark.core.base import JsonObject, Noun, Timestamp
from platemark.core.disclosure import AiDisclosure
from platemark.core.model import OutputFormat

MediaType = Literal["image/png", "image/jpeg", "image/webp"]
MEDIA_TYPES: dict[str, MediaType] = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
FORMATS: dict[str, OutputFormat] = {"image/png": "png", "image/jpeg": "jpeg", "image/webp": "webp"}
EXTENSIONS: dict[str, str] = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
Origin = Literal["generated", "uploaded"]
ModerationState = Literal["not_evaluated", "allowed", "labelled", "in_review", "blocked"]
PublicationState = Literal["draft", "held", "published", "withdrawn", "rejected"]

MODERATION_MOVES: dict[str, frozenset[str]] = {
    "not_evaluated": frozenset({"allowed", "labelled", "in_review", "blocked"}),
    "allowed": frozenset({"labelled", "in_review", "blocked"}),
    "labelled": frozenset({"allowed", "in_review", "blocked"}),
    "in_review": frozenset({"allowed", "labelled", "blocked"}),
    # Only a person who rules on an earlier ruling undoes a block: an appeal or an adjudication.
    "blocked": frozenset({"allowed", "labelled"}),
}
PUBLICATION_MOVES: dict[str, frozenset[str]] = {
    "draft": frozenset({"held", "published", "rejected"}),
    "held": frozenset({"draft", "published", "rejected"}),
    "published": frozenset({"withdrawn"}),
    "withdrawn": frozenset(),
    # As for a block: by an appeal that was overturned.
    "rejected": frozenset({"draft"}),
}


class Blob(Noun):
    """Bytes under their content hash. `id` is `project/sha256`, also their key in the blob store.

    `doomed_at`: since when no image names them; they are deleted, also after a crash, unless an image does again.
    """

    project: str
    sha256: str
    size: int
    media_type: str
    created_at: Timestamp
    doomed_at: Timestamp | None = None


class Image(Noun):
    """One picture. `sha256` is of the stored file, `original_sha256` of what the provider or uploader gave."""

    project: str
    generation: str | None
    index: int
    origin: Origin
    created_at: Timestamp
    seed: int | None = None
    width: int
    height: int
    media_type: str
    sha256: str
    original_sha256: str
    parents: tuple[str, ...] = ()
    moderation_state: ModerationState
    reason_code: str | None = None
    inspection: str | None = None
    credential_state: str
    credential_signer: str | None = None
    deleted_at: Timestamp | None = None

    @property
    def readable(self) -> bool:
        """Held and blocked images give no bytes (promise P6)."""
        return self.deleted_at is None and self.moderation_state not in ("in_review", "blocked")


class Publication(Noun):
    """One release of an image to an audience. `verdict`: what was ruled before it; None while nobody asked for it.

    A draft with `next_at` was let through, and its files are made then; `error` says why they were not at the last try.
    `purged_at`: when the time was over for which a withdrawn picture is kept.
    `burn_label`: its files carry `label_text` in their pixels.
    `wanted`: renditions besides the picture itself (`core.rendition.Wanted`); `targets`: where the files go.
    """

    project: str
    image: str
    state: PublicationState
    audience: str | None = None
    verdict: str | None = None
    created_at: Timestamp
    changed_at: Timestamp
    disclosure: AiDisclosure = "none"
    label_text: str | None = None
    alt_text: str | None = None
    burn_label: bool = False
    wanted: tuple[JsonObject, ...] = ()
    targets: tuple[str, ...] = ()
    attempts: int = 0
    error: JsonObject | None = None
    next_at: Timestamp | None = None
    published_at: Timestamp | None = None
    purged_at: Timestamp | None = None


class Fingerprint(Noun):
    """How an image (`id` is the image's) looks. `pdq` is 64 hexadecimal digits, `quality` 0 to 100.

    `core`: the hash of its middle, by which parts of it are known again (`imaging.parts`); only of what was made here.
    """

    project: str
    sha256: str
    pdq: str
    quality: int
    core: str | None = None
