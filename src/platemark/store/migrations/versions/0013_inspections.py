"""Inspections are listed by verdict, and by the file that they are of."""

from alembic import op

revision = "0013"
down_revision = "0012"
_INDEXES = {
    "ix_inspections_project_verdict_id": ["project", "verdict", "id"],
    "ix_inspections_project_input_sha256": ["project", "input_sha256"],
}


def upgrade() -> None:
    """The indexes of both."""
    for name, columns in _INDEXES.items():
        op.create_index(name, "inspections", columns)


def downgrade() -> None:
    """They go again; no row is changed."""
    for name in _INDEXES:
        op.drop_index(name, "inspections")
