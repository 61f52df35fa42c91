"""Inspections that can be asked for and made again."""

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
