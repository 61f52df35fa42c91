"""Legal holds, takedown notices, uploads in pieces, and bytes that wait for their deletion."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def _texts(names: str, *, null: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=null) for name in names.split()]


def _times(names: str, *, null: bool = False) -> list[sa.Column[object]]:
    return [sa.Column(name, sa.DateTime(timezone=True), nullable=null) for name in names.split()]


def upgrade() -> None:
    """Four tables, a column of blobs, and the indexes that retention goes by."""
    op.add_column("blobs", sa.Column("doomed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_blobs_doomed_at", "blobs", ["doomed_at"])
    op.create_index("ix_publications_state_changed_at", "publications", ["state", "changed_at"])
    op.create_index("ix_images_moderation_state_created_at", "images", ["moderation_state", "created_at"])
    _holds()
    _takedowns()
    _uploads()


def _holds() -> None:
    op.create_table(
        "holds",
        *_texts("id project reason_code created_by"),
        *_texts("image generation user_sha256 note_sha256 released_by", null=True),
        sa.Column("note", sa.Text(), sa.ForeignKey("prompt_texts.id", name="fk_holds_note"), nullable=True),
        *_times("created_at until"),
        *_times("released_at", null=True),
        sa.PrimaryKeyConstraint("id", name="pk_holds"),
    )
    for columns in (["project", "id"], ["image"], ["generation"], ["project", "user_sha256"], ["until"], ["note"]):
        op.create_index(f"ix_holds_{'_'.join(columns)}", "holds", columns)


def _takedowns() -> None:
    text = sa.ForeignKey("prompt_texts.id", name="fk_takedowns_statement")
    op.create_table(
        "takedowns",
        *_texts("id project kind state statement_sha256 created_by"),
        sa.Column("statement", sa.Text(), text, nullable=False),
        *_texts("decided_by reason_code", null=True),
        *_times("created_at due_at warn_at"),
        *_times("warned_at breached_at decided_at", null=True),
        sa.PrimaryKeyConstraint("id", name="pk_takedowns"),
    )
    for columns in (["project", "state", "id"], ["state", "due_at"], ["state", "warn_at"], ["statement"]):
        op.create_index(f"ix_takedowns_{'_'.join(columns)}", "takedowns", columns)
    notice = sa.ForeignKey("takedowns.id", name="fk_takedown_images_takedown")
    op.create_table(
        "takedown_images",
        *_texts("id project image how"),
        sa.Column("takedown", sa.Text(), notice, nullable=False),
        sa.Column("distance", sa.BigInteger(), nullable=False),
        *_texts("user_sha256", null=True),
        *_times("done_at", null=True),
        sa.PrimaryKeyConstraint("id", name="pk_takedown_images"),
        sa.UniqueConstraint("takedown", "image", name="uq_takedown_images_takedown_image"),
    )
    for columns in (["image"], ["project", "user_sha256"]):
        op.create_index(f"ix_takedown_images_{'_'.join(columns)}", "takedown_images", columns)


def _uploads() -> None:
    op.create_table(
        "uploads",
        *_texts("id project key state sha256"),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        *_texts("text_sha256 user_sha256 role audience image replay_key body_sha256", null=True),
        sa.Column("text", sa.Text(), sa.ForeignKey("prompt_texts.id", name="fk_uploads_text"), nullable=True),
        sa.Column("pieces", sa.JSON(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        *_times("created_at expires_at"),
        *_times("finished_at", null=True),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
        sa.UniqueConstraint("replay_key", name="uq_uploads_replay_key"),
    )
    for columns in (["project", "sha256"], ["image"], ["text"], ["state", "expires_at"]):
        op.create_index(f"ix_uploads_{'_'.join(columns)}", "uploads", columns)


def downgrade() -> None:
    """Forget them."""
    for table in ("uploads", "takedown_images", "takedowns", "holds"):
        op.drop_table(table)
    op.drop_index("ix_images_moderation_state_created_at", "images")
    op.drop_index("ix_publications_state_changed_at", "publications")
    op.drop_index("ix_blobs_doomed_at", "blobs")
    op.drop_column("blobs", "doomed_at")
