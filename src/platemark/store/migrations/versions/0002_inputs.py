"""Generations name the pictures that they start from."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Generations that were there before started from none."""
    op.add_column("generations", sa.Column("inputs", sa.JSON(), nullable=False, server_default=sa.text("'[]'")))


def downgrade() -> None:
    """Forget them."""
    op.drop_column("generations", "inputs")
