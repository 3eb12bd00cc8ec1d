"""When a mail as it came was deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0053"
down_revision = "0057"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("mails", sa.Column("raw_removed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_mails_raw_created_at", "mails", ["created_at"], postgresql_where=sa.text("storage_key IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("ix_mails_raw_created_at", table_name="mails")
    op.drop_column("mails", "raw_removed_at")
