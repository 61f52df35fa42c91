"""Verdicts keep their circumstances and what the policy in shadow would have ruled; publications name their verdict."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Older verdicts say nothing of either."""
    for name in ("role", "audience", "model"):
        op.add_column("verdicts", sa.Column(name, sa.Text(), nullable=True))
    op.add_column("verdicts", sa.Column("shadow", sa.JSON(), nullable=True))
    op.add_column("publications", sa.Column("verdict", sa.Text(), nullable=True))
    op.create_index("ix_verdicts_project_created_at", "verdicts", ["project", "created_at"])
    op.create_index("ix_verdicts_project_input_sha256", "verdicts", ["project", "input_sha256"])


def downgrade() -> None:
    """Forget them."""
    op.drop_index("ix_verdicts_project_input_sha256", "verdicts")
    op.drop_index("ix_verdicts_project_created_at", "verdicts")
    op.drop_column("publications", "verdict")
    for name in ("shadow", "model", "audience", "role"):
        op.drop_column("verdicts", name)
