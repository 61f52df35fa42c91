"""The calendar of the desk, and what is kept of texts."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_QUEUE = ["project", "state", "place"]


def upgrade() -> None:
    """Pages of the queue are read from an index that has their whole order; publications know when they were purged."""
    _swap(_QUEUE, [*_QUEUE, "id"])
    op.add_column("publications", sa.Column("purged_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """The index as it was."""
    op.drop_column("publications", "purged_at")
    _swap([*_QUEUE, "id"], _QUEUE)


def _swap(old: list[str], new: list[str]) -> None:
    op.create_index("_".join(["ix_reviews", *new]), "reviews", new)
    op.drop_index("_".join(["ix_reviews", *old]), "reviews")
