"""Batches: one operation of an agent on many tickets."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agent_batches",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("operation", sa.String(length=50), nullable=False),
        sa.Column("parallelism", sa.Integer(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("parallelism > 0", name=op.f("ck_agent_batches_parallelism_positive")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_agent_batches_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_batches")),
    )
    op.create_table(
        "agent_batch_items",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["agent_batches.id"],
            name=op.f("fk_agent_batch_items_batch_id_agent_batches"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["run_id"], ["agent_runs.id"], name=op.f("fk_agent_batch_items_run_id_agent_runs")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_agent_batch_items_ticket_id_tickets")),
        sa.PrimaryKeyConstraint("batch_id", "position", name=op.f("pk_agent_batch_items")),
        sa.UniqueConstraint("run_id", name=op.f("uq_agent_batch_items_run_id")),
    )


def downgrade() -> None:
    op.drop_table("agent_batch_items")
    op.drop_table("agent_batches")
