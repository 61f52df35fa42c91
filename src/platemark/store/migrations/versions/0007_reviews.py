"""Leases, decisions and appeals of reviews."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_time = sa.DateTime(timezone=True)
_json = sa.JSON()
_INDEXES = (["project", "state", "place"], ["state", "due_at"], ["state", "lease_until"], ["state", "warn_at"], ["of"])
_ADDED = {
    "kind": "first",
    "desk": "general",
    "stage": "before_request",
    "place": "",
}
_NULLABLE = {
    **dict.fromkeys(("of", "audience", "requester", "user_sha256", "claimed_by"), sa.Text()),
    **dict.fromkeys(("claimed_at", "lease_until", "warn_at", "breached_at"), _time),
}


def upgrade() -> None:
    """Cases that were there before are due when they expire, and belong to nobody."""
    for name, value in _ADDED.items():
        op.add_column("reviews", sa.Column(name, sa.Text(), nullable=False, server_default=value))
    for name, value in {"severity": "0", "version": "1"}.items():
        op.add_column("reviews", sa.Column(name, sa.BigInteger(), nullable=False, server_default=value))
    op.add_column("reviews", sa.Column("hard", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("reviews", sa.Column("barred", _json, nullable=False, server_default=sa.text("'[]'")))
    op.add_column("reviews", sa.Column("due_at", _time, nullable=False, server_default="2026-11-23 00:00:00"))
    for name, kind in _NULLABLE.items():
        op.add_column("reviews", sa.Column(name, kind, nullable=True))
    op.execute("UPDATE reviews SET due_at = expires_at, place = '198 old'")
    for columns in _INDEXES:
        op.create_index("_".join(["ix_reviews", *columns]), "reviews", columns)
    _add_tables()


def _add_tables() -> None:
    review = ("review", "reviews.id")
    _table(
        "review_decisions",
        "id project review by key action state second reason_code",
        "desk audience message note",
        sa.Column("override", sa.Boolean(), nullable=False),
        sa.Column("single_operator", sa.Boolean(), nullable=False),
        sa.Column("reveals", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        *_times("decided_at effective_at", null=False),
        *_times("settled_at", null=True),
        refers=review,
        indexes=(["review"], ["state", "effective_at"], ["project", "decided_at"]),
    )
    _table(
        "review_notes",
        "id project review by",
        "salt body",
        *_times("created_at", null=False),
        *_times("erased_at", null=True),
        refers=review,
        indexes=(["review"],),
    )
    _table(
        "reveals",
        "id project review image by",
        "reason_code",
        sa.Column("severe", sa.Boolean(), nullable=False),
        *_times("at", null=False),
        refers=review,
        indexes=(["review"], ["by", "at"]),
    )
    _table(
        "reviewer_choices",
        "id project by",
        "",
        sa.Column("opted_out", _json, nullable=False),
        *_times("changed_at", null=False),
    )


def _times(names: str, *, null: bool) -> list[sa.Column[object]]:
    return [sa.Column(name, _time, nullable=null) for name in names.split()]


def _table(
    name: str,
    texts: str,
    optional: str,
    *columns: sa.Column[object],
    refers: tuple[str, str] | None = None,
    indexes: tuple[list[str], ...] = (),
) -> None:
    keys = [sa.ForeignKeyConstraint([refers[0]], [refers[1]], name=f"fk_{name}_{refers[0]}")] if refers else []
    op.create_table(
        name,
        *(sa.Column(each, sa.Text(), nullable=False) for each in texts.split()),
        *(sa.Column(each, sa.Text(), nullable=True) for each in optional.split()),
        *columns,
        *keys,
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
    )
    for each in indexes:
        op.create_index("_".join(["ix", name, *each]), name, each)


def downgrade() -> None:
    """Forget them."""
    for name in ("reviewer_choices", "reveals", "review_notes", "review_decisions"):
        op.drop_table(name)
    for columns in _INDEXES:
        op.drop_index("_".join(["ix_reviews", *columns]), "reviews")
    for name in (*_NULLABLE, "due_at", "barred", "hard", "version", "severity", *_ADDED):
        op.drop_column("reviews", name)
