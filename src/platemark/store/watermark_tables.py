"""The table of watermark numbers."""

from sqlalchemy import Index, Table, UniqueConstraint

from platemark.store.columns import key, metadata, text, time, whole

watermarks = Table(
    "watermarks",
    metadata,
    key(),
    *text("project image version key"),
    *text("publication", null=True),
    *whole("number"),
    *time("created_at"),
    UniqueConstraint("number"),
    Index(None, "image"),
)
