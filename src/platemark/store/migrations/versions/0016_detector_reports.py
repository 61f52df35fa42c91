"""Reports on detectors are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

_TEXT = ("id", "project", "by", "detector", "kind", "version")


def upgrade() -> None:
    """Their table. Nothing is known of what was measured before."""
    op.create_table(
        "detector_reports",
        *(sa.Column(name, sa.Text(), nullable=False) for name in _TEXT),
        *(sa.Column(name, sa.Text(), nullable=True) for name in ("head", "head_sha256", "calibration")),
        sa.Column("most", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.JSON(), nullable=False) for name in ("groups", "notes")),
        *(sa.Column(name, sa.JSON(), nullable=True) for name in ("thresholds", "recommended")),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_detector_reports"),
    )
    op.create_index("ix_detector_reports_project_id", "detector_reports", ["project", "id"])


def downgrade() -> None:
    """Forget them."""
    op.drop_table("detector_reports")
