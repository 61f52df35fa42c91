"""Generations keep the route that their model was chosen from; attempts name the model that they asked."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Generations that were there before had one model, and their attempts asked it."""
    op.add_column("generations", sa.Column("route", sa.JSON(), nullable=False, server_default=sa.text("'[]'")))
    op.add_column("attempts", sa.Column("model", sa.Text(), nullable=True))


def downgrade() -> None:
    """Forget both."""
    op.drop_column("attempts", "model")
    op.drop_column("generations", "route")
