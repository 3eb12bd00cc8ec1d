"""One table for delivered values that are replaced in versions; priority weights; a decision names theirs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0049"
down_revision = "0027"
branch_labels = None
depends_on = None

FORMER = {"answer_thresholds": "replaced", "platform_versions": "sections"}
SUBJECTS = {"answer_thresholds": "answer_thresholds", "platform_versions": "platform"}


def upgrade() -> None:
    op.create_table(
        "value_versions",
        sa.Column("subject", sa.String(length=50), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("replaced", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("author_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_value_versions_author_id_users")),
        sa.PrimaryKeyConstraint("subject", "version", name=op.f("pk_value_versions")),
    )
    for table, column in FORMER.items():
        op.execute(
            f"INSERT INTO value_versions (subject, version, replaced, author_id, created_at) "  # noqa: S608
            f"SELECT '{SUBJECTS[table]}', version, {column}, author_id, created_at FROM {table}"
        )
        op.drop_table(table)
    op.add_column("routing_decisions", sa.Column("weights_version", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("routing_decisions", "weights_version")
    for table, column in FORMER.items():
        op.create_table(
            table,
            sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
            sa.Column(column, postgresql.JSONB(astext_type=sa.Text()), nullable=False),
            sa.Column("author_id", sa.BigInteger(), nullable=False),
            sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
            sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f(f"fk_{table}_author_id_users")),
            sa.PrimaryKeyConstraint("version", name=op.f(f"pk_{table}")),
        )
        op.execute(
            f"INSERT INTO {table} (version, {column}, author_id, created_at) "  # noqa: S608
            f"SELECT version, replaced, author_id, created_at FROM value_versions WHERE subject = '{SUBJECTS[table]}'"
        )
    op.drop_table("value_versions")
