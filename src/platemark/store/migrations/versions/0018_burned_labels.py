"""Whether a publication has its label in its pixels."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Earlier ones have not."""
    op.add_column("publications", sa.Column("burn_label", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Forget it."""
    op.drop_column("publications", "burn_label")
