"""What the registry knows files and parts of pictures by."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

# An image's id is as old as the image: what is known already sorts before what comes.
_KNOWN = """
INSERT INTO registry_entries (id, project, image, origin, sha256, pdq, quality)
SELECT 'reg_' || substr(f.id, 5), f.project, f.id, i.origin, f.sha256, f.pdq, f.quality
FROM fingerprints f JOIN images i ON i.id = f.id
"""


def upgrade() -> None:
    """Images of before are known by file and picture, not by parts: those were not measured."""
    op.add_column("fingerprints", sa.Column("core", sa.Text(), nullable=True))
    op.create_table(
        "registry_entries",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("id", "project", "image", "origin", "sha256")),
        *(sa.Column(name, sa.Text(), nullable=True) for name in ("pdq", "core")),
        sa.Column("quality", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_registry_entries"),
    )
    for column in ("sha256", "image"):
        op.create_index(f"ix_registry_entries_{column}", "registry_entries", [column])
    op.execute(sa.text(_KNOWN))


def downgrade() -> None:
    """Forget parts and published forms."""
    op.drop_table("registry_entries")
    op.drop_column("fingerprints", "core")
