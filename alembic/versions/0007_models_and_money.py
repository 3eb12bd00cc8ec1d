"""Models and money: each call with its cost, the month's sum, the platform's configuration."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "platform_versions",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sections", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("author_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_platform_versions_author_id_users")),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_platform_versions")),
    )
    op.create_table(
        "spending_months",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("spent_usd", sa.Numeric(precision=14, scale=8, asdecimal=False), nullable=False),
        sa.Column("unpriced_calls", sa.Integer(), nullable=False),
        sa.Column("alerted_budget", sa.Numeric(precision=14, scale=2, asdecimal=False), nullable=True),
        sa.Column("stopped_budget", sa.Numeric(precision=14, scale=2, asdecimal=False), nullable=True),
        sa.PrimaryKeyConstraint("month", name=op.f("pk_spending_months")),
    )
    op.add_column("agent_runs", sa.Column("unpriced_calls", sa.Integer(), server_default="0", nullable=False))
    op.add_column("agent_runs", sa.Column("answered_by", sa.String(length=200), nullable=True))
    op.add_column("agent_runs", sa.Column("hidden", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("agent_runs", sa.Column("removed", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.create_table(
        "model_calls",
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("operation", sa.String(length=50), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("provider", sa.String(length=100), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=50), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("from_cache", sa.Boolean(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("input_tokens", sa.Integer(), nullable=False),
        sa.Column("output_tokens", sa.Integer(), nullable=False),
        sa.Column("cached_tokens", sa.Integer(), nullable=False),
        sa.Column("cost_usd", sa.Numeric(precision=14, scale=8, asdecimal=False), nullable=True),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("outcome IN ('answered', 'failed', 'skipped')", name=op.f("ck_model_calls_outcome_known")),
        sa.ForeignKeyConstraint(["run_id"], ["agent_runs.id"], name=op.f("fk_model_calls_run_id_agent_runs")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_model_calls_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_calls")),
    )
    op.create_index("ix_model_calls_run_id_id", "model_calls", ["run_id", "id"], unique=False)
    op.create_index("ix_model_calls_created_at", "model_calls", ["created_at"], unique=False)


def downgrade() -> None:
    op.drop_table("model_calls")
    for column in ("removed", "hidden", "answered_by", "unpriced_calls"):
        op.drop_column("agent_runs", column)
    op.drop_table("spending_months")
    op.drop_table("platform_versions")
