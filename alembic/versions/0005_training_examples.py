"""Training examples: what people's corrections, approvals and ratings taught."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "training_examples",
        sa.Column("ticket_id", sa.BigInteger(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("field", sa.String(length=20), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("author_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "field IN ('category', 'priority', 'team', 'type')", name=op.f("ck_training_examples_field_known")
        ),
        sa.CheckConstraint(
            "source IN ('correction', 'rating', 'approval')", name=op.f("ck_training_examples_source_known")
        ),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_training_examples_author_id_users")),
        sa.ForeignKeyConstraint(
            ["ticket_id"],
            ["tickets.id"],
            name=op.f("fk_training_examples_ticket_id_tickets"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_examples")),
        sa.UniqueConstraint("ticket_id", "field", name=op.f("uq_training_examples_ticket_id_field")),
    )
    op.create_index("ix_training_examples_field_id", "training_examples", ["field", "id"], unique=False)


def downgrade() -> None:
    op.drop_table("training_examples")
