"""The first schema: every noun, events, the audit chain, and what keeps the last two append-only."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TRANSIENT = "type IN ('generation.preview', 'generation.progress')"
_TABLES = (
    "projects",
    "people",
    "api_keys",
    "prompt_texts",
    "generations",
    "generation_tags",
    "idempotency_keys",
    "attempts",
    "outputs",
    "usages",
    "images",
    "blobs",
    "publications",
    "fingerprints",
    "verdicts",
    "reviews",
    "inspections",
    "events",
    "audit_lines",
    "workers",
)


def upgrade() -> None:
    """Make every table, then the triggers."""
    _tenants()
    _generations()
    _attempts()
    _images()
    _judgements()
    _facts()
    _workers()
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgres()


def downgrade() -> None:
    """Drop everything."""
    for table in reversed(_TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION platemark_append_only()")


def _tenants() -> None:
    op.create_table(
        "projects",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
    )
    op.create_table(
        "people",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_people"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret_sha256", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("replaced_by", sa.Text(), nullable=True),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("secret_sha256", name="uq_api_keys_secret_sha256"),
    )
    op.create_index("ix_api_keys_project", "api_keys", ["project"])


def _generations() -> None:
    op.create_table(
        "prompt_texts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("salt", sa.Text(), nullable=True),
        sa.Column("body", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_prompt_texts"),
    )
    op.create_table(
        "generations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("text_sha256", sa.Text(), nullable=False),
        sa.Column("response_format", sa.Text(), nullable=False),
        sa.Column("output_format", sa.Text(), nullable=False),
        sa.Column("cost_status", sa.Text(), nullable=False),
        sa.Column("cost_basis", sa.Text(), nullable=False),
        sa.Column("requested_model", sa.Text(), nullable=True),
        sa.Column("model_revision", sa.Text(), nullable=True),
        sa.Column("user_sha256", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("audience", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("dropped", sa.JSON(), nullable=False),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("start_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("needs_attention", sa.Boolean(), nullable=False),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("crashes", sa.BigInteger(), nullable=False),
        sa.Column("cost_micro_usd", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["text"], ["prompt_texts.id"], name="fk_generations_text"),
        sa.PrimaryKeyConstraint("id", name="pk_generations"),
    )
    op.create_index("ix_generations_project_id", "generations", ["project", "id"])
    op.create_index("ix_generations_project_needs_attention_id", "generations", ["project", "needs_attention", "id"])
    op.create_index("ix_generations_project_status_id", "generations", ["project", "status", "id"])
    op.create_index("ix_generations_project_user_sha256", "generations", ["project", "user_sha256"])
    op.create_index("ix_generations_status_start_by", "generations", ["status", "start_by"])
    op.create_index("ix_generations_text", "generations", ["text"])
    op.create_table(
        "generation_tags",
        sa.Column("generation", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["generation"], ["generations.id"], name="fk_generation_tags_generation", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("generation", "name", name="pk_generation_tags"),
    )
    op.create_index(
        "ix_generation_tags_project_name_value_generation",
        "generation_tags",
        ["project", "name", "value", "generation"],
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("body_sha256", sa.Text(), nullable=False),
        sa.Column("generation", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["generation"], ["generations.id"], name="fk_idempotency_keys_generation"),
        sa.PrimaryKeyConstraint("id", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    op.create_index("ix_idempotency_keys_generation", "idempotency_keys", ["generation"])


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("cost_status", sa.Text(), nullable=False),
        sa.Column("cost_basis", sa.Text(), nullable=False),
        sa.Column("generation", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("ticket", sa.Text(), nullable=True),
        sa.Column("provider_request_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("response", sa.JSON(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("cost_micro_usd", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["generation"], ["generations.id"], name="fk_attempts_generation"),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
    )
    op.create_index("ix_attempts_generation_number", "attempts", ["generation", "number"])
    op.create_index("ix_attempts_state_created_at", "attempts", ["state", "created_at"])
    op.create_table(
        "outputs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("generation", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Text(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=True),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["attempt"], ["attempts.id"], name="fk_outputs_attempt"),
        sa.PrimaryKeyConstraint("id", name="pk_outputs"),
    )
    op.create_index("ix_outputs_attempt_index", "outputs", ["attempt", "index"])
    op.create_index("ix_outputs_generation", "outputs", ["generation"])
    op.create_table(
        "usages",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("cost_status", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("generation", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Text(), nullable=False),
        sa.Column("micro_usd", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["attempt"], ["attempts.id"], name="fk_usages_attempt"),
        sa.ForeignKeyConstraint(["generation"], ["generations.id"], name="fk_usages_generation"),
        sa.PrimaryKeyConstraint("id", name="pk_usages"),
    )
    op.create_index("ix_usages_attempt", "usages", ["attempt"])
    op.create_index("ix_usages_generation", "usages", ["generation"])
    op.create_index("ix_usages_project_created_at", "usages", ["project", "created_at"])


def _images() -> None:
    op.create_table(
        "images",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("original_sha256", sa.Text(), nullable=False),
        sa.Column("moderation_state", sa.Text(), nullable=False),
        sa.Column("credential_state", sa.Text(), nullable=False),
        sa.Column("generation", sa.Text(), nullable=True),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.BigInteger(), nullable=False),
        sa.Column("height", sa.BigInteger(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=True),
        sa.Column("reason_code", sa.Text(), nullable=True),
        sa.Column("inspection", sa.Text(), nullable=True),
        sa.Column("credential_signer", sa.Text(), nullable=True),
        sa.Column("parents", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["generation"], ["generations.id"], name="fk_images_generation"),
        sa.PrimaryKeyConstraint("id", name="pk_images"),
    )
    op.create_index("ix_images_generation", "images", ["generation"])
    op.create_index("ix_images_project_generation", "images", ["project", "generation"])
    op.create_index("ix_images_project_id", "images", ["project", "id"])
    op.create_index("ix_images_project_original_sha256", "images", ["project", "original_sha256"])
    op.create_index("ix_images_project_sha256", "images", ["project", "sha256"])
    op.create_table(
        "blobs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_blobs"),
    )
    op.create_index("ix_blobs_project_sha256", "blobs", ["project", "sha256"])
    op.create_table(
        "publications",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["image"], ["images.id"], name="fk_publications_image"),
        sa.PrimaryKeyConstraint("id", name="pk_publications"),
    )
    op.create_index("ix_publications_image", "publications", ["image"])
    op.create_index("ix_publications_project_state_id", "publications", ["project", "state", "id"])
    op.create_table(
        "fingerprints",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("pdq", sa.Text(), nullable=False),
        sa.Column("quality", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_fingerprints"),
    )
    op.create_index("ix_fingerprints_project_sha256", "fingerprints", ["project", "sha256"])


def _judgements() -> None:
    op.create_table(
        "verdicts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("review_status", sa.Text(), nullable=False),
        sa.Column("policy_version", sa.Text(), nullable=False),
        sa.Column("input_sha256", sa.Text(), nullable=False),
        sa.Column("generation", sa.Text(), nullable=True),
        sa.Column("image", sa.Text(), nullable=True),
        sa.Column("reason_code", sa.Text(), nullable=True),
        sa.Column("blocked_by_provider", sa.Boolean(), nullable=False),
        sa.Column("blocked_by_app_policy", sa.Boolean(), nullable=False),
        sa.Column("severity", sa.BigInteger(), nullable=False),
        sa.Column("secondary_codes", sa.JSON(), nullable=False),
        sa.Column("signals", sa.JSON(), nullable=False),
        sa.Column("rule_ids", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_verdicts"),
    )
    op.create_index("ix_verdicts_generation", "verdicts", ["generation"])
    op.create_index("ix_verdicts_image", "verdicts", ["image"])
    op.create_table(
        "reviews",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("generation", sa.Text(), nullable=True),
        sa.Column("image", sa.Text(), nullable=True),
        sa.Column("reason_code", sa.Text(), nullable=True),
        sa.Column("level", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["verdict"], ["verdicts.id"], name="fk_reviews_verdict"),
        sa.PrimaryKeyConstraint("id", name="pk_reviews"),
    )
    op.create_index("ix_reviews_generation", "reviews", ["generation"])
    op.create_index("ix_reviews_image", "reviews", ["image"])
    op.create_index("ix_reviews_project_state_id", "reviews", ["project", "state", "id"])
    op.create_index("ix_reviews_state_expires_at", "reviews", ["state", "expires_at"])
    op.create_index("ix_reviews_verdict", "reviews", ["verdict"])
    op.create_table(
        "inspections",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("input_sha256", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("image", sa.Text(), nullable=True),
        sa.Column("width", sa.BigInteger(), nullable=False),
        sa.Column("height", sa.BigInteger(), nullable=False),
        sa.Column("confidence", sa.JSON(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("limits", sa.JSON(), nullable=False),
        sa.Column("versions", sa.JSON(), nullable=False),
        sa.Column("timings_ms", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_inspections"),
    )
    op.create_index("ix_inspections_image", "inspections", ["image"])
    op.create_index("ix_inspections_project_id", "inspections", ["project", "id"])


def _facts() -> None:
    op.create_table(
        "events",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("generation", sa.Text(), nullable=True),
        sa.Column("image", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_events"),
        sa.UniqueConstraint("id", name="uq_events_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_generation_seq", "events", ["generation", "seq"])
    op.create_index("ix_events_project_seq", "events", ["project", "seq"])
    op.create_index(
        "ix_events_transient",
        "events",
        ["generation"],
        sqlite_where=sa.text(_TRANSIENT),
        postgresql_where=sa.text(_TRANSIENT),
    )
    op.create_table(
        "audit_lines",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("prev", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("generation", sa.Text(), nullable=True),
        sa.Column("image", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("project", "seq", name="pk_audit_lines"),
    )
    op.create_index("ix_audit_lines_project_generation_seq", "audit_lines", ["project", "generation", "seq"])
    op.create_index("ix_audit_lines_project_image_seq", "audit_lines", ["project", "image", "seq"])


def _workers() -> None:
    op.create_table(
        "workers",
        sa.Column("executor_id", sa.Text(), nullable=False),
        sa.Column("boot_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("executor_id", name="pk_workers"),
    )


def _guard_sqlite() -> None:
    for name, table, condition in (
        ("audit_lines_no_update", "UPDATE ON audit_lines", ""),
        ("audit_lines_no_delete", "DELETE ON audit_lines", ""),
        ("events_no_update", "UPDATE ON events", ""),
        ("events_no_delete", "DELETE ON events", f"WHEN OLD.{_TRANSIENT} IS NOT TRUE"),
    ):
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {table} FOR EACH ROW {condition} "
            "BEGIN SELECT RAISE(ABORT, 'append-only'); END"
        )


def _guard_postgres() -> None:
    op.execute(
        "CREATE FUNCTION platemark_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    for name, table in (
        ("audit_lines_no_change", "UPDATE OR DELETE OR TRUNCATE ON audit_lines FOR EACH STATEMENT"),
        ("events_no_change", "UPDATE OR TRUNCATE ON events FOR EACH STATEMENT"),
        ("events_no_delete", f"DELETE ON events FOR EACH ROW WHEN (NOT (OLD.{_TRANSIENT}))"),
    ):
        op.execute(f"CREATE TRIGGER {name} BEFORE {table} EXECUTE FUNCTION platemark_append_only()")
