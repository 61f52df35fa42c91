"""Released files, their targets and deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_ADDED = ("disclosure", "label_text", "alt_text", "wanted", "targets", "attempts", "error", "next_at", "published_at")


def _texts(names: str, *, null: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=null) for name in names.split()]


def _whole(names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names.split()]


def _times(names: str, *, null: bool = False) -> list[sa.Column[object]]:
    return [sa.Column(name, sa.DateTime(timezone=True), nullable=null) for name in names.split()]


def upgrade() -> None:
    """What was published before keeps the stored file as its content: it has no renditions."""
    empty = sa.text("'[]'")
    for column in (
        sa.Column("disclosure", sa.Text(), nullable=False, server_default=sa.text("'none'")),
        *_texts("label_text alt_text", null=True),
        sa.Column("wanted", sa.JSON(), nullable=False, server_default=empty),
        sa.Column("targets", sa.JSON(), nullable=False, server_default=empty),
        sa.Column("attempts", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("error", sa.JSON(), nullable=True),
        *_times("next_at published_at", null=True),
    ):
        op.add_column("publications", column)
    op.create_index("ix_publications_state_next_at", "publications", ["state", "next_at"])
    _renditions()
    _deliveries()


def _renditions() -> None:
    publication = sa.ForeignKey("publications.id", name="fk_renditions_publication")
    op.create_table(
        "renditions",
        *_texts("id project image name sha256 media_type watermark credential_state"),
        sa.Column("publication", sa.Text(), publication, nullable=False),
        *_texts("credential_signer", null=True),
        *_whole("size width height"),
        *_times("created_at"),
        *_times("deleted_at", null=True),
        sa.PrimaryKeyConstraint("id", name="pk_renditions"),
        sa.UniqueConstraint("publication", "name", name="uq_renditions_publication_name"),
    )
    for column in ("sha256", "image"):
        op.create_index(f"ix_renditions_{column}", "renditions", [column])


def _deliveries() -> None:
    publication = sa.ForeignKey("publications.id", name="fk_deliveries_publication")
    op.create_table(
        "deliveries",
        *_texts("id project image target action state"),
        sa.Column("publication", sa.Text(), publication, nullable=False),
        *_whole("attempts"),
        sa.Column("receipt", sa.JSON(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("needs_attention", sa.Boolean(), nullable=False),
        *_times("created_at changed_at"),
        *_times("next_at", null=True),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint("publication", "target", "action", name="uq_deliveries_publication_target_action"),
    )
    for columns in (["project", "id"], ["state", "next_at"]):
        op.create_index(f"ix_deliveries_{'_'.join(columns)}", "deliveries", columns)


def downgrade() -> None:
    """Forget them."""
    op.drop_table("deliveries")
    op.drop_table("renditions")
    op.drop_index("ix_publications_state_next_at", "publications")
    for column in reversed(_ADDED):
        op.drop_column("publications", column)
