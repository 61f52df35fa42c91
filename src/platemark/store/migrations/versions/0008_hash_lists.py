"""Lists of known images."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Lists, the files that were read into them, and their hashes."""
    op.create_table(
        "hash_lists",
        sa.Column("id", sa.Text(), nullable=False),
        *_texts("name source purpose action reason_code state created_by"),
        sa.Column("signed", sa.Text(), nullable=True),
        sa.Column("kinds", sa.JSON(), nullable=False),
        *_wholes("version entries"),
        *_times("created_at changed_at"),
        sa.PrimaryKeyConstraint("id", name="pk_hash_lists"),
    )
    op.create_table(
        "hash_imports",
        sa.Column("id", sa.Text(), nullable=False),
        *_texts("list state sha256 proposed_by"),
        *_texts("signed confirmed_by", null=True),
        sa.Column("replaces", sa.Boolean(), nullable=False),
        *_wholes("rows added known withdrawals invalid"),
        *_times("created_at"),
        *_times("decided_at", null=True),
        sa.PrimaryKeyConstraint("id", name="pk_hash_imports"),
        sa.ForeignKeyConstraint(["list"], ["hash_lists.id"], name="fk_hash_imports_list_hash_lists"),
    )
    op.create_index("ix_hash_imports_list_state", "hash_imports", ["list", "state"])
    op.create_table(
        "hash_entries",
        sa.Column("id", sa.Text(), nullable=False),
        *_texts("list batch kind status"),
        sa.Column("hash", sa.Text(), nullable=True),
        *_times("added_at"),
        *_times("withdrawn_at", null=True),
        sa.PrimaryKeyConstraint("id", name="pk_hash_entries"),
        sa.ForeignKeyConstraint(["list"], ["hash_lists.id"], name="fk_hash_entries_list_hash_lists"),
        sa.ForeignKeyConstraint(["batch"], ["hash_imports.id"], name="fk_hash_entries_batch_hash_imports"),
    )
    op.create_index("ix_hash_entries_list_hash", "hash_entries", ["list", "hash"])
    op.create_index("ix_hash_entries_batch_status_id", "hash_entries", ["batch", "status", "id"])


def downgrade() -> None:
    """Forget them."""
    for name in ("hash_entries", "hash_imports", "hash_lists"):
        op.drop_table(name)


def _texts(names: str, *, null: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=null) for name in names.split()]


def _wholes(names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names.split()]


def _times(names: str, *, null: bool = False) -> list[sa.Column[object]]:
    return [sa.Column(name, sa.DateTime(timezone=True), nullable=null) for name in names.split()]
