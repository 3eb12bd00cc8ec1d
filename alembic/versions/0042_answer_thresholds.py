"""Thresholds of answers, in versions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0042"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "answer_thresholds",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("replaced", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("author_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_answer_thresholds_author_id_users")),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_answer_thresholds")),
    )


def downgrade() -> None:
    op.drop_table("answer_thresholds")
