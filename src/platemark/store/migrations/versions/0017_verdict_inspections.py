"""Verdicts keep what their policy could read of an inspection, so that they can be explained and replayed."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Earlier verdicts have none: their inspection is that of the image, as far as it stands."""
    op.add_column("verdicts", sa.Column("inspection", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Forget it."""
    op.drop_column("verdicts", "inspection")
