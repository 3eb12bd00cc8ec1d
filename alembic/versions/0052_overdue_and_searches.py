"""When a handover was answered or fell overdue, and what searches found."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

_WAITING = sa.text("answered_at IS NULL AND breached_at IS NULL")


def upgrade() -> None:
    op.add_column("escalations", sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("escalations", sa.Column("breached_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_escalations_waiting", "escalations", ["due_at"], postgresql_where=_WAITING)
    op.create_table(
        "search_records",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("correlation_id", sa.String(length=200), nullable=False),
        sa.Column("reader_id", sa.BigInteger(), nullable=True),
        sa.Column("reader_role", sa.String(length=20), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("config", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("candidates", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("timings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["reader_id"], ["users.id"], name=op.f("fk_search_records_reader_id_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_records")),
    )
    op.create_index("ix_search_records_correlation_id", "search_records", ["correlation_id"])
    op.create_index("ix_search_records_created_at", "search_records", ["created_at"])


def downgrade() -> None:
    op.drop_table("search_records")
    op.drop_index("ix_escalations_waiting", table_name="escalations")
    op.drop_column("escalations", "breached_at")
    op.drop_column("escalations", "answered_at")
