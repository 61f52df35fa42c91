"""Policies and their states."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Without any, the built-in policy or the operator's file holds, as before."""
    op.create_table(
        "policies",
        sa.Column("id", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("project", "state", "content", "author")),
        *(sa.Column(name, sa.Text(), nullable=True) for name in ("approver", "note")),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=False) for name in ("created_at", "changed_at")),
        sa.PrimaryKeyConstraint("id", name="pk_policies"),
    )
    op.create_index("ix_policies_project_state", "policies", ["project", "state"])


def downgrade() -> None:
    """Back to the built-in policy alone."""
    op.drop_index("ix_policies_project_state", "policies")
    op.drop_table("policies")
