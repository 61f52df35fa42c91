"""Tables of released files and of their ways to targets."""

from sqlalchemy import Boolean, Column, Index, Table, UniqueConstraint

from platemark.store.columns import json, key, metadata, refers, text, time, whole

renditions = Table(
    "renditions",
    metadata,
    key(),
    *text("project image name sha256 media_type watermark credential_state"),
    refers("publication", "publications.id"),
    *text("credential_signer", null=True),
    *whole("size width height"),
    *time("created_at"),
    *time("deleted_at", null=True),
    UniqueConstraint("publication", "name"),
    Index(None, "sha256"),
    Index(None, "image"),
)
deliveries = Table(
    "deliveries",
    metadata,
    key(),
    *text("project image target action state"),
    refers("publication", "publications.id"),
    *whole("attempts"),
    *json("receipt error", null=True),
    Column("needs_attention", Boolean, nullable=False),
    *time("created_at changed_at"),
    *time("next_at", null=True),
    UniqueConstraint("publication", "target", "action"),
    Index(None, "project", "id"),
    Index(None, "state", "next_at"),
)
