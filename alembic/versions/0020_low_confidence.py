"""Whether what was read in a file is to be doubted, and a quick way to files that are not finished."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("files", sa.Column("low_confidence", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_index(
        "ix_files_open",
        "files",
        ["id"],
        unique=False,
        postgresql_where=sa.text("processing_status IN ('pending', 'processing')"),
    )


def downgrade() -> None:
    op.drop_index("ix_files_open", table_name="files")
    op.drop_column("files", "low_confidence")
