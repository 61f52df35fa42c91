"""Projects have a profile, which their generations take over."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """What was there before had every check."""
    for table in ("projects", "generations"):
        op.add_column(table, sa.Column("profile", sa.Text(), nullable=False, server_default=sa.text("'standard'")))


def downgrade() -> None:
    """Forget them."""
    for table in ("generations", "projects"):
        op.drop_column(table, "profile")
