"""Numbers of watermarks, and the images that carry them."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """No number was given before, and no generation asked for one in its outputs."""
    moment = sa.Column("watermark", sa.Text(), nullable=False, server_default=sa.text("'publication'"))
    op.add_column("generations", moment)
    op.create_table(
        "watermarks",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("id", "project", "image", "version", "key")),
        sa.Column("publication", sa.Text(), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_watermarks"),
        sa.UniqueConstraint("number", name="uq_watermarks_number"),
    )
    op.create_index("ix_watermarks_image", "watermarks", ["image"])


def downgrade() -> None:
    """Forget which image each number stands for."""
    op.drop_table("watermarks")
    op.drop_column("generations", "watermark")
