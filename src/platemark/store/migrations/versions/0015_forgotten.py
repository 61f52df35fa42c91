"""Whether vendors were asked to delete what they keep of an attempt."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_TIMES = ("forget_at", "forget_by", "forgotten_at")


def upgrade() -> None:
    """Three moments of attempts, and the index that the sweeper goes by."""
    for name in _TIMES:
        op.add_column("attempts", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_attempts_forget_at", "attempts", ["forget_at"])


def downgrade() -> None:
    """Forget them."""
    op.drop_index("ix_attempts_forget_at", "attempts")
    for name in _TIMES:
        op.drop_column("attempts", name)
