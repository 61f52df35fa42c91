"""The shapes of the API's answers about uploads in pieces, legal holds, takedown notices and retention."""

from platemark.core.base import JsonObject, Timestamp
from platemark.core.resource import ImageResource, Resource


class UploadResource(Resource):
    """An upload in pieces. `offset`: bytes that have come; `image` once it is stored.

    `existing`: the project had these bytes before, nothing needs to be sent, and `id` is null.
    """

    id: str | None
    object: str = "upload"
    state: str
    sha256: str
    size: int
    offset: int
    expires_at: Timestamp | None
    existing: bool = False
    image: ImageResource | None = None


class HoldResource(Resource):
    """A legal hold. `state`: `active`, `released` (by a person) or `ended` (by time)."""

    id: str
    object: str = "hold"
    state: str
    image: str | None
    generation: str | None
    user_sha256: str | None
    reason_code: str
    note: str | None = None
    created_by: str
    created_at: Timestamp
    until: Timestamp
    released_at: Timestamp | None
    released_by: str | None


class TakedownImageResource(Resource):
    """A picture of a notice: `named` in it, or a copy that was found, `exact` or `near` (`distance`, 0 to 256)."""

    image: str
    how: str
    distance: int
    user_sha256: str | None
    done_at: Timestamp | None


class TakedownResource(Resource):
    """A notice. `statement`: what the claimant wrote; null in lists, and once erased.

    `strikes`: in how many notices about infringement each end user (its digest) has lost pictures.
    `reasons`: what happened and on which ground, as the one concerned is told.
    """

    id: str
    object: str = "takedown"
    kind: str
    state: str
    created_by: str
    created_at: Timestamp
    due_at: Timestamp
    breached_at: Timestamp | None
    decided_by: str | None
    decided_at: Timestamp | None
    reason_code: str | None
    statement: JsonObject | None = None
    images: tuple[TakedownImageResource, ...] = ()
    strikes: dict[str, int] = {}
    reasons: JsonObject | None = None


class DueResource(Resource):
    """Something whose time is over since `since`. `kept`: why it stays; null: the next purge deletes it."""

    what: str
    id: str
    since: Timestamp
    kept: str | None


class RetentionResource(Resource):
    """How long what is kept, in seconds by class (null: for good), and what is due now in this project."""

    object: str = "retention"
    seconds: dict[str, float | None]
    due: tuple[DueResource, ...]


class PurgeResource(Resource):
    """What a purge deleted, by class. `kept` was due and stays; `more`: there is more to delete, ask again."""

    object: str = "purge"
    gone: dict[str, int]
    kept: int
    more: bool
