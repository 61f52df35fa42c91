"""The registry's table."""

from sqlalchemy import Index, Table

from platemark.store.columns import key, metadata, text, whole

registry_entries = Table(
    "registry_entries",
    metadata,
    key(),
    *text("project image origin sha256"),
    *text("pdq core", null=True),
    *whole("quality", null=True),
    Index(None, "sha256"),
    Index(None, "image"),
)
