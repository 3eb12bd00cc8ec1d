"""Versions of the local classifier that were trained here."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0032"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "classifier_heads",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("weights", sa.LargeBinary(), nullable=True),
        sa.Column("description", sa.LargeBinary(), nullable=True),
        sa.Column("checksum", sa.String(length=64), nullable=True),
        sa.Column("report", postgresql.JSONB(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status IN ('training', 'active', 'ready', 'refused', 'failed')",
            name=op.f("ck_classifier_heads_status_known"),
        ),
        sa.CheckConstraint(
            "status NOT IN ('active', 'ready') OR weights IS NOT NULL",
            name=op.f("ck_classifier_heads_usable_has_weights"),
        ),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_classifier_heads_author_id_users")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_classifier_heads_job_id_jobs")),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_classifier_heads")),
        sa.UniqueConstraint("job_id", name=op.f("uq_classifier_heads_job_id")),
    )
    op.create_index(
        "uq_classifier_heads_active",
        "classifier_heads",
        ["status"],
        unique=True,
        postgresql_where=sa.text("status = 'active'"),
    )


def downgrade() -> None:
    op.drop_table("classifier_heads")
